//! `config`: the values that differ between stacks.

use std::collections::BTreeMap;

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::secrets;
use deployer_syntax::units;
use deployer_syntax::yaml::{Entry, Node, Value, shorten};
use serde_json::{Map, Value as Json};

use crate::model::properties::{Choice, Properties, Read, Scope, Shape, Str, is_logical_id};
use crate::model::verbatim::Verbatim;
use crate::model::{Parameter, TemplateSections};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfigType {
    String,
    Integer,
    Boolean,
    Duration,
    Size,
    Secret,
}

/// The section `config`, with the values that the stacks set.
#[derive(Debug, Clone)]
pub(super) struct Config {
    declared: Vec<Declared>,
    /// Values that a stack sets, and `None` for a wrong one, which has been reported.
    of_stacks: BTreeMap<String, BTreeMap<String, Option<String>>>,
}

impl Config {
    /// Reads the declared values; `span_of` returns the place of a name.
    pub(super) fn new(
        read: Vec<(String, Option<Declaration>)>,
        span_of: impl Fn(&str) -> Span,
        scope: &Scope,
    ) -> Self {
        let declared: Vec<Declared> = read
            .into_iter()
            .map(|(name, declaration)| Declared { span: span_of(&name), name, declaration })
            .collect();
        for declared in declared.iter().filter(|declared| declared.is_parameter()) {
            if !is_logical_id(&declared.name) {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        declared.span,
                        format!("`{}` can't be the name of a parameter", shorten(&declared.name)),
                    )
                    .help("letters and digits, at most 255"),
                );
            }
        }
        for Declared { name, declaration, .. } in &declared {
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                || name.is_empty()
            {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        span_of(name),
                        format!("`{}` can't be the name of a config value", shorten(name)),
                    )
                    .help("letters, digits, `-` and `_`"),
                );
            }
            if let Some(declaration) = declaration
                && let Some(default) = &declaration.default
            {
                if declaration.kind == ConfigType::String && secrets::is_secret_name(name) {
                    scope.report(secrets::by_name(name, default.span));
                }
                let _ = declaration.value(default, &format!("the default of config `{name}`"), scope);
            }
        }
        Self { declared, of_stacks: BTreeMap::new() }
    }

    /// Reads the values that a stack sets.
    pub(super) fn read_stack(&mut self, stack: &str, entries: &[Entry], scope: &Scope) {
        let mut values = BTreeMap::new();
        for entry in entries {
            match self.declared.iter().find(|declared| declared.name == entry.key) {
                Some(Declared { declaration, .. }) => {
                    let what = format!("config `{}` of stack `{stack}`", entry.key);
                    let read = |declaration: &Declaration| {
                        let node = Raw.read(&entry.value, scope)?;
                        declaration.value(&node, &what, scope)
                    };
                    values.insert(entry.key.clone(), declaration.as_ref().and_then(read));
                }
                None => scope.report(
                    Diagnostic::error(
                        "E0201",
                        entry.key_span,
                        format!("no config value is named `{}`", shorten(&entry.key)),
                    )
                    .suggest(&entry.key, self.declared.iter().map(|declared| declared.name.as_str())),
                ),
            }
        }
        self.of_stacks.insert(stack.to_owned(), values);
    }

    /// Warns of unused config values; a wrong resource may be the one that uses them.
    pub(super) fn check_used(&self, scope: &Scope, diagnostics: &mut Diagnostics) {
        if scope.failures() > 0 {
            return;
        }
        let used = scope.used_config();
        for declared in self.declared.iter().filter(|declared| !used.contains(&declared.name)) {
            let Declared { name, span, .. } = declared;
            let shown = shorten(name);
            let reference = match declared.is_parameter() {
                true => format!("!Ref {shown}"),
                false => format!("${{config.{shown}}}"),
            };
            diagnostics.push(
                Diagnostic::warning(
                    "W0406",
                    *span,
                    format!("nothing uses the config value `{}`", shorten(name)),
                )
                .help(format!("write `{reference}` where it is needed, or remove it")),
            );
        }
    }

    /// Returns the parameters of the template, with the values that the stack gives them.
    pub(super) fn parameters(&self, stack: &str, overrides: &[(String, String)]) -> Vec<Parameter> {
        let own = self.of_stacks.get(stack);
        let parameter = |declared: &Declared| {
            let given = overrides.iter().rev().find(|(name, _)| *name == declared.name);
            let value = match given {
                Some((_, text)) => Some(text.clone()),
                None => own.and_then(|own| own.get(&declared.name)).cloned().flatten(),
            };
            let declaration = declared.parameter()?.clone();
            Some(Parameter { name: declared.name.clone(), span: declared.span, declaration, value })
        };
        self.declared.iter().filter_map(parameter).collect()
    }

    /// Returns the config values of one stack: `--config`, else the stack's own, else the default; `None` for a wrong
    /// one.
    pub(super) fn values(
        &self,
        stack: &str,
        overrides: &[(String, String)],
        scope: &Scope,
    ) -> BTreeMap<String, Option<String>> {
        for (name, _) in overrides {
            if !self.declared.iter().any(|declared| declared.name == *name) {
                scope.report(
                    Diagnostic::error(
                        "E0201",
                        Span::default(),
                        format!("`--config {name}`: no config value is named `{name}`"),
                    )
                    .suggest(name, self.declared.iter().map(|declared| declared.name.as_str())),
                );
            }
        }
        let own = self.of_stacks.get(stack);
        // Values of the file were checked, and their problems reported, when it was read.
        let quiet = Scope::of_file();
        let value_of = |Declared { name, span, declaration }: &Declared| {
            let declaration = declaration.as_ref()?;
            if let Some((_, text)) = overrides.iter().rev().find(|(candidate, _)| candidate == name) {
                let value = Value::Scalar { text: text.clone(), plain: true, verbatim: None };
                return declaration.value(&Node { value, span: *span }, &format!("`--config {name}`"), scope);
            }
            if let Some(value) = own.and_then(|own| own.get(name)) {
                return value.clone();
            }
            if let Some(default) = &declaration.default {
                return declaration.value(default, "", &quiet);
            }
            scope.report(
                Diagnostic::error(
                    "E0205",
                    *span,
                    format!("stack `{stack}` has no value for config `{name}`"),
                )
                .help(format!(
                    "give it a `default`, set it under `stacks.{stack}.config`, or pass `--config {name}=…`"
                )),
            );
            None
        };
        let own = self.declared.iter().filter(|declared| !declared.is_parameter());
        own.map(|declared| (declared.name.clone(), value_of(declared))).collect()
    }
}

/// Returns whether the values of a parameter are lists.
/// Source: AWS CloudFormation User Guide, "CloudFormation template Parameters syntax".
pub(super) fn is_list(declaration: &Json) -> bool {
    let kind = declaration["Type"].as_str().unwrap_or_default();
    kind == "CommaDelimitedList" || kind.contains("List<") || kind.contains("<CommaDelimitedList>")
}

/// Notes the parameters that rules refer to, so that none of them counts as unused.
pub(super) fn use_in_rules(template: &TemplateSections, scope: &Scope) {
    fn names(value: &Json, found: &mut impl FnMut(&str)) {
        match value {
            Json::Object(map) => {
                for (key, inner) in map {
                    match (key.as_str(), inner) {
                        ("Ref", Json::String(name)) => found(name),
                        ("Fn::ValueOf", Json::Array(items)) => {
                            items.first().and_then(Json::as_str).into_iter().for_each(&mut *found);
                        }
                        _ => names(inner, found),
                    }
                }
            }
            Json::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    for (_, rule) in &template.rules {
        names(rule, &mut |name| {
            scope.parameter(name);
        });
    }
}

/// Members of a parameter.
/// Source: the same page.
const PARAMETER: [&str; 11] = [
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

fn check_parameter(properties: &mut Properties<'_>, parameter: &Map<String, Json>) {
    let span = properties.span_of("parameter");
    for name in parameter.keys().filter(|name| !PARAMETER.contains(&name.as_str())) {
        properties.report(
            Diagnostic::error("E0374", span, format!("a parameter has no member `{}`", shorten(name)))
                .suggest(name, PARAMETER),
        );
    }
    if !parameter.get("Type").is_some_and(Json::is_string) {
        properties.report(
            Diagnostic::error("E0374", span, "a parameter needs a `Type`")
                .help("such as `String`, `Number`, `CommaDelimitedList` or `AWS::EC2::VPC::Id`"),
        );
    }
    for other in ["type", "default", "minimum", "maximum", "description"] {
        if properties.has(other) {
            let span = properties.span_of(other);
            properties.report(
                Diagnostic::error("E0107", span, format!("`{other}` can't be given beside `parameter`"))
                    .help("write it as CloudFormation names it, below `parameter`"),
            );
        }
    }
}

/// One entry under `config`.
#[derive(Debug, Clone)]
struct Declared {
    name: String,
    /// Place of its name.
    span: Span,
    /// The declaration; `None` if it is wrong, which has been reported.
    declaration: Option<Declaration>,
}

impl Declared {
    fn parameter(&self) -> Option<&Json> {
        self.declaration.as_ref()?.parameter.as_ref()
    }

    fn is_parameter(&self) -> bool {
        self.parameter().is_some()
    }
}

/// The declaration of a value under `config`.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    /// The declaration of a parameter of the template, which has no type of the language.
    parameter: Option<Json>,
    kind: ConfigType,
    default: Option<Node>,
    minimum: Option<Node>,
    maximum: Option<Node>,
}

/// A value as the file contains it; another property decides its type.
struct Raw;
impl Read for Raw {
    type Out = Node;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Node> {
        let (text, plain) = scope.single(node, "a single value")?;
        Some(Node { value: Value::Scalar { text, plain, verbatim: None }, span: node.span })
    }
    fn show(&self, _: &Node) -> Option<String> {
        None
    }
}

const CONFIG_TYPES: &[(&str, ConfigType)] = &[
    ("string", ConfigType::String),
    ("integer", ConfigType::Integer),
    ("boolean", ConfigType::Boolean),
    ("duration", ConfigType::Duration),
    ("size", ConfigType::Size),
    ("secret", ConfigType::Secret),
];

/// Reads one entry under `config`.
pub(super) fn read_declaration(properties: &mut Properties<'_>) -> Option<Declaration> {
    let parameter = properties
        .field(
            "parameter",
            "Makes the value a parameter of the template, in place of `type`: its declaration as CloudFormation takes it.",
            Verbatim,
        )
        .optional();
    let given = properties.has("parameter");
    let kind = properties.field("type", "Type of the value; a `parameter` has none.", Choice(CONFIG_TYPES));
    let kind = if given { kind.optional() } else { kind.required() };
    let default =
        properties.field("default", "The value unless a stack or `--config` sets one.", Raw).optional();
    let minimum = properties.field("minimum", "Smallest value.", Raw).optional();
    let maximum = properties.field("maximum", "Largest value.", Raw).optional();
    let _ = properties.field("description", "Description of the value.", Str).optional();
    if let Some(parameter) = parameter {
        check_parameter(properties, &parameter);
        let kind = ConfigType::String;
        let parameter = Some(Json::Object(parameter));
        return Some(Declaration { parameter, kind, default: None, minimum: None, maximum: None });
    }
    let kind = kind?;
    for (name, bound) in [("minimum", &minimum), ("maximum", &maximum)] {
        let span = properties.span_of(name);
        if let Some(Node { value: Value::Scalar { text, .. }, .. }) = bound {
            if matches!(kind, ConfigType::String | ConfigType::Boolean | ConfigType::Secret) {
                properties.report(
                    Diagnostic::error(
                        "E0107",
                        span,
                        format!("`{name}` can only be used with a number, a duration or a size"),
                    )
                    .help("remove it"),
                );
            } else if kind.is_beyond(text) {
                properties.report(kind.out_of_range(&format!("`{name}`"), span));
            } else if kind.amount(text).is_none() {
                properties.report(Diagnostic::error(
                    "E0103",
                    span,
                    kind.mismatch(&format!("`{name}`"), text),
                ));
            }
        }
    }
    Some(Declaration { parameter: None, kind, default, minimum, maximum })
}

impl ConfigType {
    fn amount(self, text: &str) -> Option<i128> {
        match self {
            Self::Integer => units::integer(text).map(i128::from),
            Self::Duration => units::parse_duration(text).map(i128::from),
            Self::Size => units::parse_size(text).map(i128::from),
            Self::String | Self::Boolean | Self::Secret => None,
        }
    }

    /// Returns whether a text has the form of the type, and only too many digits.
    fn is_beyond(self, text: &str) -> bool {
        match self {
            Self::Integer => units::is_too_large(text, units::integer),
            Self::Duration => units::is_too_large(text, units::parse_duration),
            Self::Size => units::is_too_large(text, units::parse_size),
            Self::String | Self::Boolean | Self::Secret => false,
        }
    }

    /// Returns the error about a value that is too large for its type.
    fn out_of_range(self, what: &str, span: Span) -> Diagnostic {
        let (least, most) = match self {
            Self::Duration => (units::show_duration(0), units::show_duration(u64::MAX)),
            Self::Size => (units::show_size(0), units::show_size(u64::MAX)),
            _ => (i64::MIN.to_string(), i64::MAX.to_string()),
        };
        Diagnostic::error("E0104", span, format!("{what} is out of range"))
            .help(format!("between {least} and {most}"))
    }

    fn mismatch(self, what: &str, text: &str) -> String {
        let (kind, example) = match self {
            Self::String => ("a string", ""),
            Self::Integer => ("a whole number", ""),
            Self::Boolean => ("`true` or `false`", ""),
            Self::Duration => ("a duration", " such as `5m`"),
            Self::Size => ("a size", " such as `512MiB`"),
            // The text may be the secret itself.
            Self::Secret => {
                return format!(
                    "{what} must be the place where the secret is stored: `secretsmanager:NAME`, `secretsmanager:NAME:KEY` or \
                     `ssm:NAME`"
                );
            }
        };
        format!("{what} must be {kind}{example}, but is `{}`", shorten(text))
    }
}

impl Declaration {
    /// Returns the value as text, if it fits the type and is between minimum and maximum. `what` names it in messages.
    fn value(&self, node: &Node, what: &str, scope: &Scope) -> Option<String> {
        let Value::Scalar { text, .. } = &node.value else { return None };
        let beyond = self.kind.is_beyond(text);
        // Less or more than any bound that is declared.
        let limit = if text.starts_with('-') { i128::MIN } else { i128::MAX };
        let amount = self.kind.amount(text).or_else(|| beyond.then_some(limit));
        let fits = match self.kind {
            ConfigType::String => true,
            ConfigType::Boolean => matches!(text.as_str(), "true" | "false"),
            ConfigType::Integer | ConfigType::Duration | ConfigType::Size => amount.is_some(),
            ConfigType::Secret => dynamic_reference(text).is_some(),
        };
        if !fits {
            scope.report(Diagnostic::error("E0103", node.span, self.kind.mismatch(what, text)));
            return None;
        }
        let bound = |bound: &Option<Node>| match bound {
            Some(Node { value: Value::Scalar { text, .. }, .. }) => {
                self.kind.amount(text).map(|limit| (limit, text.clone()))
            }
            _ => None,
        };
        let below = bound(&self.minimum).filter(|(limit, _)| amount.is_some_and(|amount| amount < *limit));
        let above = bound(&self.maximum).filter(|(limit, _)| amount.is_some_and(|amount| amount > *limit));
        if let Some((word, limit)) =
            below.map(|(_, l)| ("at least", l)).or(above.map(|(_, l)| ("at most", l)))
        {
            scope.report(Diagnostic::error(
                "E0104",
                node.span,
                format!("{what} must be {word} {limit}, but is {}", shorten(text)),
            ));
            return None;
        }
        if beyond {
            scope.report(self.kind.out_of_range(what, node.span));
            return None;
        }
        match self.kind {
            ConfigType::Secret => dynamic_reference(text),
            _ => Some(text.clone()),
        }
    }
}

/// Returns the text that CloudFormation replaces by a secret when it deploys: AWS CloudFormation User Guide, "Get
/// values stored in other services using dynamic references".
fn dynamic_reference(text: &str) -> Option<String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    let word = |text: &str| !text.is_empty() && text.bytes().all(letter);
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["secretsmanager", name] if word(name) => Some(format!("{{{{resolve:secretsmanager:{name}}}}}")),
        ["secretsmanager", name, key] if word(name) && word(key) => {
            Some(format!("{{{{resolve:secretsmanager:{name}:SecretString:{key}}}}}"))
        }
        ["ssm", name] if word(name) => Some(format!("{{{{resolve:ssm:{name}}}}}")),
        _ => None,
    }
}
