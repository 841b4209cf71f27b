//! The sections of the file: name, config, stacks, resources, outputs; and one stack taken from it.
//!
//! [`Document::parse`] needs to know no stack, so it serves `ls`; [`Document::stack`] gives the model of one.

use std::collections::{BTreeMap, BTreeSet};

use crate::check;
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, nearest};
use crate::model::expression;
use crate::model::key::encrypt;
use crate::model::options::Options;
use crate::model::properties::{
    AnyText, Boolean, Choice, Each, Integer, Lenient, MAX_NAME, Object, Properties, Property, Read,
    Reference, Scope, Shape, Str, describe, is_word,
};
use crate::model::target::{Removal, StackTarget, Target};
use crate::model::{Kind, Resource, Stack, Text, TextPart};
use crate::schemas;
use crate::secrets;
use crate::template::{circle, conditions_of, logical_id};
use crate::units;
use crate::yaml::{self, Entry, Node, Value, shorten};

/// AWS CloudFormation API reference, `CreateStack`: `StackName`.
const MAX_STACK_NAME: usize = 128;
/// AWS CloudFormation User Guide, "Understand CloudFormation quotas": resources; each of ours becomes one or more.
const MAX_RESOURCES: usize = 500;
/// Largest file that is read, in bytes: four times what a template may have.
const MAX_FILE: usize = 4 << 20;
/// The same page: template description, in bytes.
const MAX_DESCRIPTION: usize = 1_024;

/// A file, split into its sections.
#[derive(Debug, Clone)]
pub struct Document {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `stacks`, in the order of the file.
    pub stacks: Vec<StackTarget>,
    configs: Vec<Declared>,
    /// Values that a stack sets, and `None` for a wrong one, which has been reported.
    stack_configs: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// The reference under `key`, read when the resources are known.
    key: Option<Node>,
    conditions: Vec<Entry>,
    resources: Vec<Entry>,
    outputs: Option<Node>,
}

/// Why no stack could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No stack has this name.
    #[error("no stack is named `{name}`; the file has {}", list(.known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several could be meant.
    #[error("no stack is named: the file has {}; name one, or mark one with `default: true`", list(.known))]
    Ambiguous {
        /// What there is.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfigType {
    String,
    Integer,
    Boolean,
    Duration,
    Size,
    Secret,
}

/// One entry under `config`.
#[derive(Debug, Clone)]
struct Declared {
    name: String,
    /// Where its name stands.
    span: Span,
    /// `None` when it is wrong, which has been reported.
    declaration: Option<Declaration>,
}

#[derive(Debug, Clone)]
struct Declaration {
    kind: ConfigType,
    default: Option<Node>,
    minimum: Option<Node>,
    maximum: Option<Node>,
}

/// A value as it stands in the file; its type is another property's matter.
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

/// A section that is read later, when the stack is known.
struct Section(Shape);
impl Read for Section {
    type Out = Node;
    fn shape(&self) -> Shape {
        self.0.clone()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Node> {
        if matches!(node.value, Value::Mapping(_)) {
            return Some(node.clone());
        }
        scope.report(
            Diagnostic::error("E0103", node.span, format!("expected a mapping, found {}", node.describe()))
                .help("write `name: …` on lines of their own, indented"),
        );
        None
    }
    fn show(&self, _: &Node) -> Option<String> {
        None
    }
}

/// A reference that is read later, when the resources are known.
struct Later(Reference);
impl Read for Later {
    type Out = Node;
    fn shape(&self) -> Shape {
        self.0.shape()
    }
    fn read(&self, node: &Node, _: &Scope) -> Option<Node> {
        Some(node.clone())
    }
    fn show(&self, _: &Node) -> Option<String> {
        None
    }
}

/// What `key` refers to.
const KEY: Reference = Reference(&[Kind::Key]);

/// A stack, and its `config` as it stands in the file.
type StackEntry = (StackTarget, Option<Node>);

struct Sections {
    name: Option<String>,
    description: Option<String>,
    config: Vec<(String, Option<Declaration>)>,
    stacks: Vec<(String, Option<StackEntry>)>,
    key: Option<Node>,
    conditions: Option<Node>,
    resources: Option<Node>,
    outputs: Option<Node>,
}

fn read_sections(properties: &mut Properties<'_>) -> Option<Sections> {
    let name = properties
        .field("name", "Name of the pipeline: lower case letters, digits and hyphens.", Str)
        .required();
    let description = properties.field("description", "Description in one sentence.", Str).optional();
    let config = properties
        .field(
            "config",
            "Values that differ between stacks: name → type and default.",
            Each(Object(read_declaration)),
        )
        .or(Vec::new());
    let stacks = properties
        .field(
            "stacks",
            "Instances of the file, each a CloudFormation stack `<name>-<stack>`, such as `local: { target: local }`.",
            Each(Lenient(read_stack)),
        )
        .required();
    if stacks.as_ref().is_some_and(Vec::is_empty) {
        let span = properties.span_of("stacks");
        properties.report(
            Diagnostic::error("E0106", span, "the file has no stack")
                .help("write `stacks: { local: { target: local } }`"),
        );
    }
    let stacks = stacks.unwrap_or_default();
    let key = properties
        .field(
            "key",
            "Key that encrypts everything that the stack stores or sends, unless a resource has an `encryptionKey` of its own; \
             keys of AWS by default.",
            Later(KEY),
        )
        .optional();
    let conditions = properties
        .field(
            "conditions",
            "Conditions of CloudFormation: name → `!Equals`, `!And`, `!Or`, `!Not` or `!Condition`.",
            Section(Shape::Map(Box::new(Shape::Any))),
        )
        .optional();
    let resources = properties
        .field("resources", "The resources: name → type and properties.", Section(Shape::Object(Vec::new())))
        .required();
    let outputs = properties
        .field("outputs", "Values to show after a deployment.", Section(Shape::Map(Box::new(Shape::Text))))
        .optional();
    if let Some(name) = &name
        && !is_stack_name(name)
    {
        let span = properties.span_of("name");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{name}` can't be part of a stack's name")).help(
                "lower case letters, digits and single hyphens, beginning with a letter, such as `eventbridge-etl`",
            ),
        );
    }
    if description.as_ref().is_some_and(|description| description.len() > MAX_DESCRIPTION) {
        let span = properties.span_of("description");
        properties.report(
            Diagnostic::error("E0104", span, "the description is too long")
                .help(format!("CloudFormation accepts at most {MAX_DESCRIPTION} bytes")),
        );
    }
    Some(Sections { name, description, config, stacks, key, conditions, resources, outputs })
}

fn is_stack_name(name: &str) -> bool {
    let words = name.split('-');
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && words.clone().all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Whether a text has the form of a region: `eu-west-1`, `us-gov-east-1`, `mx-central-1`.
#[must_use]
pub fn is_region(region: &str) -> bool {
    let mut words = region.split('-');
    let number = words.next_back().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

const CONFIG_TYPES: &[(&str, ConfigType)] = &[
    ("string", ConfigType::String),
    ("integer", ConfigType::Integer),
    ("boolean", ConfigType::Boolean),
    ("duration", ConfigType::Duration),
    ("size", ConfigType::Size),
    ("secret", ConfigType::Secret),
];

fn read_declaration(properties: &mut Properties<'_>) -> Option<Declaration> {
    let kind = properties.field("type", "Type of the value.", Choice(CONFIG_TYPES)).required();
    let default =
        properties.field("default", "The value unless a stack or `--config` sets one.", Raw).optional();
    let minimum = properties.field("minimum", "Smallest value.", Raw).optional();
    let maximum = properties.field("maximum", "Largest value.", Raw).optional();
    let _ = properties.field("description", "Description of the value.", Str).optional();
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
            } else if kind.amount(text).is_none() {
                properties.report(Diagnostic::error(
                    "E0103",
                    span,
                    kind.mismatch(&format!("`{name}`"), text),
                ));
            }
        }
    }
    Some(Declaration { kind, default, minimum, maximum })
}

fn read_stack(properties: &mut Properties<'_>) -> Option<StackEntry> {
    let target = properties
        .field(
            "target",
            "`aws`, or `local` for the local cloud.",
            Choice(&[("aws", Target::Aws), ("local", Target::Local)]),
        )
        .or(Target::Aws);
    let region = properties.field("region", "AWS region.", Str).optional();
    let account = properties.field("account", "Account to deploy to: 12 digits, quoted.", Str).optional();
    let endpoint =
        properties.field("endpoint", "Endpoint of a local cloud that is already running.", Str).optional();
    let protect = properties.field("protect", "Refuse to delete the stack.", Boolean).or(false);
    let removal = properties
        .field(
            "removal",
            "Keep or delete data (buckets, tables, logs) when the stack is deleted; `keep` by default, but `delete` for \
             `target: local`.",
            Choice(&[("keep", Removal::Keep), ("delete", Removal::Delete)]),
        )
        .optional();
    let default =
        properties.field("default", "Use this stack for commands that name none.", Boolean).or(false);
    let lambda_concurrency = properties
        .field(
            "lambdaConcurrency",
            "Concurrent executions that Lambda allows the account there (its quota \"Concurrent executions\"); the reservations \
             of functions are checked against it.",
            Integer(1, 1_000_000),
        )
        .optional();
    let config = properties
        .field("config", "Config values of this stack.", Section(Shape::Map(Box::new(Shape::String))))
        .optional();
    if let Some(region) = &region
        && !is_region(region)
    {
        let span = properties.span_of("region");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{region}` is not an AWS region"))
                .help("lower case words and a number with hyphens, such as `eu-west-1`"),
        );
    }
    if let Some(endpoint) = &endpoint
        && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
    {
        let span = properties.span_of("endpoint");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{endpoint}` is not an endpoint"))
                .help("a URL, such as `http://127.0.0.1:4566`"),
        );
    }
    if let Some(account) = &account
        && !(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let span = properties.span_of("account");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{account}` is not an account id"))
                .help("12 digits in quotes, such as \"111122223333\""),
        );
    }
    if endpoint.is_some() && target == Target::Aws && properties.is_sound() {
        let span = properties.span_of("endpoint");
        properties.report(
            Diagnostic::error("E0107", span, "`endpoint` can only be used with `target: local`")
                .help("for AWS, set the environment variable AWS_ENDPOINT_URL"),
        );
    }
    let removal = removal.unwrap_or(if target == Target::Local { Removal::Delete } else { Removal::Keep });
    let target = StackTarget {
        stack: String::new(),
        target,
        region,
        account,
        endpoint,
        protect,
        removal,
        default,
        lambda_concurrency,
    };
    Some((target, config))
}

/// Properties at the top of the file.
#[must_use]
pub fn top_level_properties() -> Vec<Property> {
    describe(read_sections)
}

impl Document {
    /// Whether the file declares a resource of this name.
    #[must_use]
    pub fn has_resource(&self, name: &str) -> bool {
        self.resources.iter().any(|entry| entry.key == name)
    }

    /// Reads the file as far as no stack need be known. Problems are added to `diagnostics`; `None` when there is no
    /// use in going on.
    pub fn parse(source: &Source, diagnostics: &mut Diagnostics) -> Option<Self> {
        if source.text.len() > MAX_FILE {
            diagnostics.push(
                Diagnostic::error(
                    "E0011",
                    Span::default(),
                    format!("the file has {} bytes", source.text.len()),
                )
                .help(format!("a stack file can have at most {MAX_FILE}; CloudFormation accepts less")),
            );
            return None;
        }
        let node = yaml::parse(source, diagnostics);
        let Some(node) = node.filter(|node| matches!(node.value, Value::Mapping(_))) else {
            if !diagnostics.has_errors() {
                diagnostics.push(
                    Diagnostic::error("E0007", Span::default(), "the file does not contain a mapping")
                        .help("begin with `name:`, `stacks:` and `resources:`"),
                );
            }
            return None;
        };
        let scope = Scope::of_file();
        let sections = Properties::read_leniently(&node, &scope, read_sections);
        let document = sections.map(|sections| Self::from_sections(&node, sections, &scope));
        for section in ["config", "stacks", "outputs"] {
            entries_of(&node, section).iter().for_each(|entry| secrets::check(&entry.value, diagnostics));
        }
        scope.finish(diagnostics);
        document
    }

    fn from_sections(node: &Node, sections: Sections, scope: &Scope) -> Self {
        let name = sections.name.clone().unwrap_or_default();
        let key_span = |section: &str, key: &str| {
            let entry = entries_of(node, section).iter().find(|entry| entry.key == key);
            entry.map_or(Span::default(), |entry| entry.key_span)
        };
        let configs: Vec<Declared> = sections
            .config
            .into_iter()
            .map(|(name, declaration)| Declared { span: key_span("config", &name), name, declaration })
            .collect();
        for Declared { name, declaration, .. } in &configs {
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                || name.is_empty()
            {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        key_span("config", name),
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
        let mut stacks = Vec::new();
        let mut stack_configs = BTreeMap::new();
        for (stack, read) in sections.stacks {
            let Some((target, config)) = read else { continue };
            let span = key_span("stacks", &stack);
            if !is_stack_name(&stack) {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        span,
                        format!("`{}` can't be part of a stack's name", shorten(&stack)),
                    )
                    .help("lower case letters, digits and single hyphens, beginning with a letter"),
                );
            } else if name.len() + 1 + stack.len() > MAX_STACK_NAME {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        span,
                        format!("`{name}-{stack}` is too long for the name of a stack"),
                    )
                    .help(format!(
                        "at most {MAX_STACK_NAME} characters, but this has {}",
                        name.len() + 1 + stack.len()
                    )),
                );
            }
            if let Some(Node { value: Value::Mapping(entries), .. }) = config {
                stack_configs.insert(stack.clone(), own_config(&stack, &entries, &configs, scope));
            }
            stacks.push(StackTarget { stack, ..target });
        }
        let defaults: Vec<&StackTarget> = stacks.iter().filter(|stack| stack.default).collect();
        if let [_, second, ..] = defaults.as_slice() {
            let span = key_span("stacks", &second.stack);
            scope.report(
                Diagnostic::error("E0107", span, "two stacks are marked `default: true`")
                    .help("keep one of them"),
            );
        }
        let entries = |section: Option<Node>| match section {
            Some(Node { value: Value::Mapping(entries), .. }) => entries,
            _ => Vec::new(),
        };
        let (conditions, resources) = (entries(sections.conditions), entries(sections.resources));
        Self {
            name,
            description: sections.description,
            stacks,
            configs,
            stack_configs,
            key: sections.key,
            conditions,
            resources,
            outputs: sections.outputs,
        }
    }

    /// The stack that is meant: the one named, the only one, or the one marked `default: true`.
    ///
    /// # Errors
    /// [`SelectError`] when there is none of that name, or several could be meant.
    pub fn select(&self, name: Option<&str>) -> Result<&StackTarget, SelectError> {
        let known = || self.stacks.iter().map(|stack| stack.stack.clone()).collect();
        match name {
            Some(name) => {
                // The CloudFormation name is what people see in the console, so it is understood too.
                let full = |stack: &StackTarget| format!("{}-{}", self.name, stack.stack);
                self.stacks
                    .iter()
                    .find(|stack| stack.stack == name || full(stack) == name)
                    .ok_or_else(|| SelectError::Unknown { name: name.to_owned(), known: known() })
            }
            None => match self.stacks.as_slice() {
                [only] => Ok(only),
                several => several
                    .iter()
                    .find(|stack| stack.default)
                    .ok_or_else(|| SelectError::Ambiguous { known: known() }),
            },
        }
    }

    /// The model of one stack, fully checked. `overrides` are the `--config k=v` of the command line.
    pub fn stack(
        &self,
        target: &StackTarget,
        overrides: &[(String, String)],
        diagnostics: &mut Diagnostics,
    ) -> Option<Stack> {
        if self.resources.len() > MAX_RESOURCES {
            let span = self.resources.get(MAX_RESOURCES).map_or(Span::default(), |entry| entry.key_span);
            diagnostics.push(
                Diagnostic::error(
                    "E0308",
                    span,
                    format!("{} resources are too many for one stack", self.resources.len()),
                )
                .help(format!("CloudFormation accepts at most {MAX_RESOURCES}")),
            );
            return None;
        }
        for entry in &self.resources {
            secrets::check(&entry.value, diagnostics);
        }
        let scope = Scope::of_file();
        let mut kinds = BTreeMap::new();
        let mut logical_ids = BTreeMap::new();
        let mut typed = Vec::new();
        for entry in &self.resources {
            let read = resource_type(entry, &scope);
            kinds.insert(entry.key.clone(), read.as_ref().map(|read| read.kind));
            let own = read.as_ref().and_then(|read| read.logical_id());
            logical_ids.insert(own.unwrap_or_else(|| logical_id(&entry.key)), entry.key.clone());
            typed.push((entry, read));
        }
        let config = self.config(target, overrides, &scope);
        scope.finish(diagnostics);
        let names: BTreeSet<String> = self.conditions.iter().map(|entry| entry.key.clone()).collect();
        let scope = Scope::of_stack(config, kinds).with_names(names.clone(), logical_ids);
        let conditions = read_conditions(&self.conditions, &scope);
        let resources: Vec<Option<Resource>> = typed
            .into_iter()
            .map(|(entry, read)| {
                let ResourceEntry { kind, properties, options } = read?;
                let is = kind.read(&properties, &scope);
                let options = match options {
                    Some(options) => Properties::read(&options, &scope, Options::read),
                    None => Some(Options::default()),
                };
                Some(Resource { name: entry.key.clone(), span: entry.key_span, is: is?, options: options? })
            })
            .collect();
        let key = self.key.as_ref().map_or(Some(None), |node| KEY.read(node, &scope).map(Some));
        let outputs = self.outputs.as_ref().map_or(Some(Vec::new()), |node| read_outputs(node, &scope));
        // What is wrong may be what tests one.
        let used = if scope.failures() == 0 { scope.used_conditions() } else { names };
        for entry in self.conditions.iter().filter(|entry| !used.contains(&entry.key)) {
            diagnostics.push(
                Diagnostic::warning(
                    "W0404",
                    entry.key_span,
                    format!("nothing uses the condition `{}`", shorten(&entry.key)),
                )
                .help("name it in `options.condition` or `!If`, or remove it"),
            );
        }
        self.check_used_config(&scope, diagnostics);
        scope.finish(diagnostics);
        // Rules across resources need all of them; problems elsewhere in the file don't hold them up.
        let mut stack = Stack {
            name: format!("{}-{}", self.name, target.stack),
            description: self.description.clone(),
            target: target.clone(),
            key: key?,
            conditions: conditions?,
            resources: resources.into_iter().collect::<Option<_>>()?,
            outputs: outputs?,
        };
        encrypt(&mut stack);
        check::check(&stack, diagnostics);
        (!diagnostics.has_errors()).then_some(stack)
    }

    /// Warns of config values that nothing takes; what is wrong may be what takes one.
    fn check_used_config(&self, scope: &Scope, diagnostics: &mut Diagnostics) {
        if scope.failures() > 0 {
            return;
        }
        let used = scope.used_config();
        for Declared { name, span, .. } in
            self.configs.iter().filter(|declared| !used.contains(&declared.name))
        {
            diagnostics.push(
                Diagnostic::warning(
                    "W0406",
                    *span,
                    format!("nothing uses the config value `{}`", shorten(name)),
                )
                .help(format!("write `${{config.{}}}` where it is needed, or remove it", shorten(name))),
            );
        }
    }

    /// The config values of one stack: `--config`, else the stack's own, else the default. `None` for a wrong one.
    fn config(
        &self,
        target: &StackTarget,
        overrides: &[(String, String)],
        scope: &Scope,
    ) -> BTreeMap<String, Option<String>> {
        for (name, _) in overrides {
            if !self.configs.iter().any(|declared| declared.name == *name) {
                scope.report(
                    Diagnostic::error(
                        "E0201",
                        Span::default(),
                        format!("`--config {name}`: no config value is named `{name}`"),
                    )
                    .suggest(name, self.configs.iter().map(|declared| declared.name.as_str())),
                );
            }
        }
        let own = self.stack_configs.get(&target.stack);
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
                    format!("stack `{}` has no value for config `{name}`", target.stack),
                )
                .help(format!(
                    "give it a `default`, set it under `stacks.{}.config`, or pass `--config {name}=…`",
                    target.stack
                )),
            );
            None
        };
        self.configs.iter().map(|declared| (declared.name.clone(), value_of(declared))).collect()
    }
}

/// The config values that a stack sets.
fn own_config(
    stack: &str,
    entries: &[Entry],
    configs: &[Declared],
    scope: &Scope,
) -> BTreeMap<String, Option<String>> {
    let mut values = BTreeMap::new();
    for entry in entries {
        match configs.iter().find(|declared| declared.name == entry.key) {
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
                .suggest(&entry.key, configs.iter().map(|declared| declared.name.as_str())),
            ),
        }
    }
    values
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

    fn mismatch(self, what: &str, text: &str) -> String {
        let (kind, example) = match self {
            Self::String => ("a string", ""),
            Self::Integer => ("a whole number", ""),
            Self::Boolean => ("`true` or `false`", ""),
            Self::Duration => ("a duration", " such as `5m`"),
            Self::Size => ("a size", " such as `512MiB`"),
            // What stands there may be the secret itself.
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
    /// The value as text, when it fits the type and lies between minimum and maximum. `what` names it in messages.
    fn value(&self, node: &Node, what: &str, scope: &Scope) -> Option<String> {
        let Value::Scalar { text, .. } = &node.value else { return None };
        let amount = self.kind.amount(text);
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
                format!("{what} must be {word} {limit}, but is {text}"),
            ));
            return None;
        }
        match self.kind {
            ConfigType::Secret => dynamic_reference(text),
            _ => Some(text.clone()),
        }
    }
}

/// What CloudFormation puts a secret in the place of, when it deploys: AWS CloudFormation User Guide, "Get values stored
/// in other services using dynamic references".
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

/// The conditions by logical id, as CloudFormation's JSON.
fn read_conditions(entries: &[Entry], scope: &Scope) -> Option<Vec<(String, serde_json::Value)>> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut read = Vec::new();
    for Entry { key, key_span, value } in entries {
        if !is_word(key) {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    *key_span,
                    format!("`{}` can't be the name of a condition", shorten(key)),
                )
                .help(format!(
                    "letters, digits, `-` and `_`, beginning with a letter, at most {MAX_NAME} characters"
                )),
            );
        } else if let Some(first) = seen.insert(logical_id(key), key) {
            scope.report(
                Diagnostic::error(
                    "E0302",
                    *key_span,
                    format!("the conditions `{first}` and `{key}` would get the same name in CloudFormation"),
                )
                .help(
                    "names that differ only in `-`, `_` and the capitals after them are the same; rename one",
                ),
            );
        }
        read.push(expression::condition(value, scope).map(|condition| (logical_id(key), condition)));
    }
    let uses = |condition: &serde_json::Value| {
        let mut found = Vec::new();
        conditions_of(condition, &mut |name| found.push(name.to_owned()));
        found
    };
    let edges: BTreeMap<&str, Vec<String>> =
        read.iter().flatten().map(|(id, value)| (id.as_str(), uses(value))).collect();
    if let Some(path) = circle(&edges) {
        let name = |id: &String| format!("`{}`", seen.get(id).copied().unwrap_or(id));
        let shown: Vec<String> = path.iter().map(name).collect();
        let first = entries.iter().find(|entry| logical_id(&entry.key) == path[0]);
        scope.report(
            Diagnostic::error(
                "E0310",
                first.map_or(Span::default(), |entry| entry.key_span),
                format!("conditions depend on each other: {}", shown.join(" → ")),
            )
            .help("a condition can't depend on itself; remove one of the references"),
        );
    }
    read.into_iter().collect()
}

/// The outputs by name; their names become CloudFormation's.
fn read_outputs(node: &Node, scope: &Scope) -> Option<Vec<(String, Text)>> {
    let Value::Mapping(entries) = &node.value else { return None };
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for Entry { key, key_span, .. } in entries {
        if !is_word(key) {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    *key_span,
                    format!("`{}` can't be the name of an output", shorten(key)),
                )
                .help("letters, digits, `-` and `_`, beginning with a letter, at most 64 characters"),
            );
        } else if let Some(first) = seen.insert(logical_id(key), key) {
            scope.report(
                Diagnostic::error(
                    "E0302",
                    *key_span,
                    format!("the outputs `{first}` and `{key}` would get the same name in CloudFormation"),
                )
                .help(
                    "names that differ only in `-`, `_` and the capitals after them are the same; rename one",
                ),
            );
        }
    }
    let read: Vec<_> =
        entries.iter().map(|entry| Some((entry.key.clone(), AnyText.read(&entry.value, scope)?))).collect();
    for (entry, output) in entries.iter().zip(&read) {
        let is_secret =
            |part: &TextPart| matches!(part, TextPart::Literal(text) if text.contains("{{resolve:"));
        if output.as_ref().is_some_and(|(_, text)| text.parts.iter().any(is_secret)) {
            scope.report(
                Diagnostic::error("E0311", entry.value.span, "an output would show a secret in plain text")
                    .help("whoever is allowed to read it can read it where it is stored; remove the output"),
            );
        }
    }
    read.into_iter().collect()
}

fn entries_of<'n>(node: &'n Node, section: &str) -> &'n [Entry] {
    let Value::Mapping(entries) = &node.value else { return &[] };
    match entries.iter().find(|entry| entry.key == section).map(|entry| &entry.value.value) {
        Some(Value::Mapping(entries)) => entries,
        _ => &[],
    }
}

/// The word behind `type:`.
struct TypeName;
impl Read for TypeName {
    type Out = Kind;
    fn shape(&self) -> Shape {
        Shape::Choice(Kind::ALL.map(Kind::name).to_vec())
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Kind> {
        let (text, _) = scope.single(node, "the name of a type")?;
        let raw = text.contains("::");
        let kind = if raw { schemas::find(&text).map(Kind::Raw) } else { Kind::from_name(&text) };
        if kind.is_none() {
            let unknown =
                Diagnostic::error("E0109", node.span, format!("no type is named `{}`", shorten(&text)));
            scope.report(match raw {
                false => unknown.suggest(&text, Kind::ALL.map(Kind::name)),
                true => match nearest(&text, &schemas::names().collect::<Vec<_>>()) {
                    Some(name) => unknown.help(format!("did you mean `{name}`?")),
                    None => unknown.help(
                        "types of CloudFormation are named `AWS::Service::Thing`, such as `AWS::SQS::Queue`",
                    ),
                },
            });
        }
        kind
    }
    fn show(&self, _: &Kind) -> Option<String> {
        None
    }
}

/// An entry under `resources` before its properties are read.
struct ResourceEntry {
    kind: Kind,
    properties: Node,
    options: Option<Node>,
}

impl ResourceEntry {
    /// `options.logicalId`, right or wrong.
    fn logical_id(&self) -> Option<String> {
        let Some(Node { value: Value::Mapping(entries), .. }) = &self.options else { return None };
        match &entries.iter().find(|entry| entry.key == "logicalId")?.value.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        }
    }
}

fn read_resource(properties: &mut Properties<'_>) -> Option<(Kind, Option<Node>, Option<Node>)> {
    let kind = properties.field("type", "Type of the resource.", TypeName).required();
    let given =
        properties.field("properties", "Its properties.", Section(Shape::Object(Vec::new()))).optional();
    let options = properties
        .field(
            "options",
            "Options of CloudFormation for the resource.",
            Section(Shape::Object(describe(Options::read))),
        )
        .optional();
    // Properties of the wrong shape have been reported; read as none, they would be reported as missing too.
    let sound = given.is_some() || !properties.has("properties");
    kind.filter(|_| sound).map(|kind| (kind, given, options))
}

/// The type and the properties of one entry under `resources`; `None` when one is wrong.
fn resource_type(entry: &Entry, scope: &Scope) -> Option<ResourceEntry> {
    if !is_word(&entry.key) {
        scope.report(
            Diagnostic::error(
                "E0108",
                entry.key_span,
                format!("`{}` can't be the name of a resource", shorten(&entry.key)),
            )
            .help(format!(
                "letters, digits, `-` and `_`, beginning with a letter, at most {MAX_NAME} characters"
            )),
        );
    }
    if entry.key == "config" {
        scope.report(
            Diagnostic::error("E0108", entry.key_span, "`config` can't be the name of a resource")
                .help("`${config.…}` refers to the config values"),
        );
    }
    if matches!(entry.key.as_str(), "properties" | "options" | "type")
        && !matches!(&entry.value.value, Value::Mapping(entries) if entries.iter().any(|entry| entry.key == "type"))
    {
        scope.report(
            Diagnostic::error(
                "E0102",
                entry.key_span,
                format!("`{}` is in the place of the name of a resource", entry.key),
            )
            .help("indent it below the name of its resource, beside `type`"),
        );
        return None;
    }
    let (kind, properties, options) = Lenient(read_resource).read(&entry.value, scope)?;
    let empty = Node { value: Value::Mapping(Vec::new()), span: entry.key_span };
    Some(ResourceEntry { kind, properties: properties.unwrap_or(empty), options })
}

/// Properties of an entry under `resources`, for the schema.
#[must_use]
pub fn resource_properties() -> Vec<Property> {
    describe(read_resource)
}
