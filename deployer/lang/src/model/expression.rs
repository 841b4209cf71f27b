//! Nodes → expressions: values of raw CloudFormation properties with their intrinsic functions, and conditions.
//!
//! The references of functions are checked here; resource schemas check the types of properties.

use std::ops::RangeInclusive;

use deployer_cfn::expression::{Expression, ExpressionEntry, ExpressionKind, Gives};
use deployer_cfn::template::references;
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::reference::{PSEUDO_PARAMETERS, Part, pseudo_parameter, unknown_pseudo_parameter};
use deployer_syntax::units::integer;
use deployer_syntax::yaml::{Entry, Node, Value, shorten};
use serde_json::{Value as Json, json};

use crate::model::TextPart;
use crate::model::properties::{Scope, attribute, mismatch, one_of};
use crate::model::verbatim::{long_name, scalar, verbatim};

mod condition;
mod functions;
mod sub;

use functions::{CONDITION_FUNCTIONS, FUNCTIONS, IN_CONDITIONS, UNAVAILABLE};

/// Key for a text with references in the JSON of an expression, with the pieces of the text as its value: the value of
/// a reference is known when all resources are. No key of a template begins so.
pub(crate) const TEXT: &str = "\u{0}text";

/// Pseudo parameters that `Ref` takes, and texts don't: a list, and the one that removes its property.
const NOTIFICATION_ARNS: &str = "AWS::NotificationARNs";
const NO_VALUE: &str = "AWS::NoValue";

/// Reads the value of a property.
pub(crate) fn property(node: &Node, scope: &Scope) -> Option<Expression> {
    Reader { scope, in_condition: false }.expression(node)
}

/// Reads an entry under `conditions`, as CloudFormation's JSON.
pub(crate) fn condition(node: &Node, scope: &Scope) -> Option<Json> {
    Reader { scope, in_condition: true }.condition(node)
}

/// Converts an expression whose place has no schema: single values are texts.
pub(crate) fn to_json(expression: &Expression) -> Json {
    match &expression.is {
        ExpressionKind::Null => Json::Null,
        ExpressionKind::Scalar { text, .. } => json!(text),
        ExpressionKind::List(items) => Json::Array(items.iter().map(to_json).collect()),
        ExpressionKind::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value))).collect())
        }
        ExpressionKind::Function { value, .. } => value.clone(),
        ExpressionKind::If { condition, then, otherwise } => {
            json!({ "Fn::If": [condition, to_json(then), to_json(otherwise)] })
        }
        ExpressionKind::NoValue => json!({ "Ref": NO_VALUE }),
    }
}

/// Converts an expression whose place has no schema: plain numbers and booleans keep their types. Reports a null.
pub(crate) fn typed_json(expression: &Expression, scope: &Scope) -> Option<Json> {
    Some(match &expression.is {
        ExpressionKind::Null => {
            scope.report(
                Diagnostic::error("E0103", expression.span, "expected a value, found nothing")
                    .help("CloudFormation does not accept null; remove the key"),
            );
            return None;
        }
        ExpressionKind::Scalar { text, plain } => scalar(text, *plain),
        ExpressionKind::List(items) => {
            let read: Vec<_> = items.iter().map(|item| typed_json(item, scope)).collect();
            Json::Array(read.into_iter().collect::<Option<_>>()?)
        }
        ExpressionKind::Map(entries) => {
            let read: Vec<_> = entries
                .iter()
                .map(|entry| Some((entry.key.clone(), typed_json(&entry.value, scope)?)))
                .collect();
            Json::Object(read.into_iter().collect::<Option<_>>()?)
        }
        ExpressionKind::If { condition, then, otherwise } => {
            json!({ "Fn::If": [condition, typed_json(then, scope)?, typed_json(otherwise, scope)?] })
        }
        ExpressionKind::Function { .. } | ExpressionKind::NoValue => to_json(expression),
    })
}

/// A call as the file contains it, in either form.
struct Call<'n> {
    /// Its long name.
    name: String,
    /// Place of its name.
    at: Span,
    argument: &'n Node,
    /// Place of the whole call.
    span: Span,
}

/// Returns the call that a node is, if it is one.
fn call(node: &Node) -> Option<Call<'_>> {
    match &node.value {
        Value::Tagged { tag, tag_span, node: argument } => {
            let name = long_name(tag);
            Some(Call { name, at: *tag_span, argument, span: node.span })
        }
        Value::Mapping(entries) => match entries.as_slice() {
            [Entry { key, key_span, value }] if key == "Ref" || key.starts_with("Fn::") => {
                Some(Call { name: key.clone(), at: *key_span, argument: value, span: node.span })
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether it gives one value.
fn is_single(expression: &Expression) -> bool {
    match &expression.is {
        ExpressionKind::Scalar { .. } => true,
        ExpressionKind::Function { gives, .. } => *gives != Gives::List,
        ExpressionKind::If { then, otherwise, .. } => [then, otherwise]
            .into_iter()
            .all(|branch| is_single(branch) || branch.is == ExpressionKind::NoValue),
        _ => false,
    }
}

/// Returns whether it gives a list of single values.
fn is_list(expression: &Expression) -> bool {
    match &expression.is {
        ExpressionKind::List(items) => {
            items.iter().all(|item| is_single(item) || item.is == ExpressionKind::NoValue)
        }
        ExpressionKind::Function { gives, .. } => *gives != Gives::Single,
        ExpressionKind::If { then, otherwise, .. } => is_list(then) && is_list(otherwise),
        _ => false,
    }
}

/// Returns whether it refers to a resource.
fn depends_on_resources(value: &Json, scope: &Scope) -> bool {
    fn in_texts(value: &Json) -> bool {
        match value {
            Json::Object(map) => map.iter().any(|(key, inner)| match key.as_str() {
                TEXT => inner
                    .as_array()
                    .is_some_and(|parts| parts.iter().any(|part| part["resource"].is_string())),
                _ => in_texts(inner),
            }),
            Json::Array(items) => items.iter().any(in_texts),
            _ => false,
        }
    }
    let mut found = in_texts(value);
    references(value, &mut |to| found |= !to.starts_with("AWS::") && scope.parameter(to).is_none());
    found
}

struct Reader<'s> {
    scope: &'s Scope,
    /// `true` under `conditions`, where no resource exists yet.
    in_condition: bool,
}

impl Reader<'_> {
    fn expression(&self, node: &Node) -> Option<Expression> {
        if let Some(call) = call(node) {
            return self.call(&call);
        }
        let is = match &node.value {
            _ if node.is_null() => ExpressionKind::Null,
            Value::Scalar { text, plain, .. } => return self.text(node, text, *plain),
            Value::Sequence(items) => {
                ExpressionKind::List(items.iter().map(|item| self.part(item)).collect())
            }
            Value::Mapping(entries) => {
                let function = entries.iter().find(|entry| entry.key.starts_with("Fn::"));
                if function.is_some_and(|entry| self.scope.macros || entry.key == "Fn::Transform") {
                    return self.changed_by_macros(node, entries);
                }
                let read = entries.iter().map(|entry| self.entry(entry)).collect();
                if let Some(function) = entries.iter().find(|entry| entry.key.starts_with("Fn::")) {
                    self.scope.report(
                        Diagnostic::error(
                            "E0511",
                            function.key_span,
                            format!("`{}` is not the only key of its mapping", shorten(&function.key)),
                        )
                        .help("a function can't have other keys beside it"),
                    );
                    return None;
                }
                ExpressionKind::Map(read)
            }
            Value::Tagged { .. } => {
                self.scope.report(mismatch(node, "a value"));
                return None;
            }
        };
        Some(Expression { is, span: node.span })
    }

    /// Reads a mapping that a macro changes: its functions are taken as they are, and no schema can judge it.
    fn changed_by_macros(&self, node: &Node, entries: &[Entry]) -> Option<Expression> {
        let read: Vec<_> = entries
            .iter()
            .map(|entry| {
                let value = match entry.key.starts_with("Fn::") {
                    true => verbatim(&entry.value, self.scope)?,
                    false => typed_json(&self.expression(&entry.value)?, self.scope)?,
                };
                Some((entry.key.clone(), value))
            })
            .collect();
        let value = Json::Object(read.into_iter().collect::<Option<_>>()?);
        Some(Expression { is: ExpressionKind::Function { value, gives: Gives::Any }, span: node.span })
    }

    fn entry(&self, entry: &Entry) -> ExpressionEntry {
        let value = self.part(&entry.value);
        ExpressionEntry { key: entry.key.clone(), key_span: entry.key_span, value }
    }

    /// Reads a part of a larger value. A wrong part, which has been reported, becomes a function of which nothing is
    /// known, so that the rest is judged all the same.
    fn part(&self, node: &Node) -> Expression {
        self.expression(node).unwrap_or_else(|| {
            let is = ExpressionKind::Function { value: Json::Null, gives: Gives::Any };
            Expression { is, span: node.span }
        })
    }

    /// Reads a text, with the values of `${…}` in it.
    fn text(&self, node: &Node, text: &str, plain: bool) -> Option<Expression> {
        if !text.contains("${") {
            let is = ExpressionKind::Scalar { text: text.to_owned(), plain };
            return Some(Expression { is, span: node.span });
        }
        let parts = self.scope.parts(node, text)?;
        if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            let (text, plain) = self.scope.single(node, "a value")?;
            return Some(Expression { is: ExpressionKind::Scalar { text, plain }, span: node.span });
        }
        let mut pieces = Vec::new();
        let mut sound = true;
        for part in parts {
            match part {
                Part::Literal(literal) => pieces.push(json!({ "literal": literal })),
                Part::Pseudo { name, .. } => pieces.push(json!({ "pseudo": name })),
                Part::Path { path, at } => {
                    let span = node.part(at.0, at.1);
                    if self.in_condition {
                        self.no_resources(&path.join("."), span);
                        sound = false;
                        continue;
                    }
                    match attribute(&path, span, self.scope) {
                        Some(TextPart::Attribute { resource, attribute }) => {
                            pieces.push(json!({ "resource": resource, "attribute": attribute }));
                        }
                        Some(TextPart::Raw { resource, attribute }) => {
                            pieces.push(json!({ "resource": resource, "raw": attribute }));
                        }
                        Some(TextPart::Literal(_) | TextPart::Pseudo(_)) => {}
                        None => sound = false,
                    }
                }
            }
        }
        let value = json!({ TEXT: pieces });
        let is = ExpressionKind::Function { value, gives: Gives::Single };
        sound.then_some(Expression { is, span: node.span })
    }

    fn call(&self, call: &Call<'_>) -> Option<Expression> {
        let function = |value: Json, gives: Gives| {
            Some(Expression { is: ExpressionKind::Function { value, gives }, span: call.span })
        };
        let name = call.name.as_str();
        if self.scope.macros {
            // What a function means is known when the macros have run. `${config.…}` is the exception that is reported.
            let argument = verbatim(call.argument, self.scope)?;
            let argument = match (name, &argument) {
                ("Fn::GetAtt", Json::String(path)) => match path.split_once('.') {
                    Some((target, attribute)) => json!([target, attribute]),
                    None => argument,
                },
                _ => argument,
            };
            return function(Json::Object([(call.name.clone(), argument)].into_iter().collect()), Gives::Any);
        }
        if CONDITION_FUNCTIONS.iter().any(|(known, _)| *known == name) {
            self.scope.report(
                Diagnostic::error(
                    "E0513",
                    call.at,
                    format!("`{name}` can't be used here: it is a function for conditions"),
                )
                .help(
                    "write it under `conditions`, and test the condition with `!If [name, value, otherwise]`",
                ),
            );
            return None;
        }
        if self.in_condition
            && FUNCTIONS.iter().any(|(known, _)| *known == name)
            && !IN_CONDITIONS.contains(&name)
        {
            self.scope.report(
                Diagnostic::error("E0513", call.at, format!("`{name}` can't be used in a condition"))
                    .help(format!("a condition can contain {}", one_of(IN_CONDITIONS.into_iter()))),
            );
            return None;
        }
        match name {
            "Ref" => self.reference(call),
            "Fn::GetAtt" => function(self.get_att(call)?, Gives::Any),
            "Fn::Sub" => self.sub(call),
            "Fn::Join" => {
                let items = self.items(call, 2..=2)?;
                let (between, list) = (self.literal(call, &items[0]), self.list(call, &items[1]));
                function(json!({ "Fn::Join": [between?, list?] }), Gives::Single)
            }
            "Fn::Split" => {
                let items = self.items(call, 2..=2)?;
                let (between, text) = (self.literal(call, &items[0]), self.single(call, &items[1]));
                let between = between?;
                if between.is_empty() {
                    self.wrong(call, items[0].span, "needs a text to split at that is not empty");
                    return None;
                }
                function(json!({ "Fn::Split": [between, text?] }), Gives::List)
            }
            "Fn::FindInMap" => {
                let items = self.items(call, 3..=3)?;
                let mapping = match &items[0].value {
                    Value::Scalar { .. } => {
                        let name = self.literal(call, &items[0])?;
                        self.scope.use_mapping(&name, items[0].span)?;
                        json!(name)
                    }
                    _ => self.single(call, &items[0])?,
                };
                let (first, second) = (self.single(call, &items[1]), self.single(call, &items[2]));
                function(json!({ "Fn::FindInMap": [mapping, first?, second?] }), Gives::Any)
            }
            "Fn::Transform" => {
                function(json!({ "Fn::Transform": verbatim(call.argument, self.scope)? }), Gives::Any)
            }
            "Fn::Select" => function(self.select(call)?, Gives::Any),
            "Fn::Base64" => {
                function(json!({ "Fn::Base64": self.single(call, call.argument)? }), Gives::Single)
            }
            "Fn::GetAZs" => function(json!({ "Fn::GetAZs": self.single(call, call.argument)? }), Gives::List),
            "Fn::Cidr" => {
                let items = self.items(call, 2..=3)?;
                // The same source, "Fn::Cidr": 1 to 256 blocks; an IPv6 address has 128 bits.
                let block = self.single(call, &items[0]);
                let count = self.number(call, &items[1], 1..=256);
                let bits = items.get(2).map(|bits| self.number(call, bits, 1..=128));
                let mut arguments = vec![block?, count?];
                if let Some(bits) = bits {
                    arguments.push(bits?);
                }
                function(json!({ "Fn::Cidr": arguments }), Gives::List)
            }
            "Fn::ImportValue" => {
                let value = self.single(call, call.argument)?;
                if depends_on_resources(&value, self.scope) {
                    self.scope.report(
                        Diagnostic::error(
                            "E0513",
                            call.argument.span,
                            "the name of an imported value can't depend on a resource",
                        )
                        .help("CloudFormation needs it before it creates any resource; write the name as a text"),
                    );
                    return None;
                }
                function(json!({ "Fn::ImportValue": value }), Gives::Any)
            }
            "Fn::If" => {
                let items = self.items(call, 3..=3)?;
                let condition = self
                    .literal(call, &items[0])
                    .and_then(|condition| self.scope.use_condition(&condition, items[0].span));
                let (then, otherwise) = (self.expression(&items[1]), self.expression(&items[2]));
                let (then, otherwise) = (Box::new(then?), Box::new(otherwise?));
                let is = ExpressionKind::If { condition: condition?, then, otherwise };
                Some(Expression { is, span: call.span })
            }
            _ => {
                self.unknown(call);
                None
            }
        }
    }

    /// Reports a function that does not exist.
    fn unknown(&self, call: &Call<'_>) {
        // `Fn::ForEach::Name` carries a name of the user's own.
        let unavailable = UNAVAILABLE.iter().find(|(name, _)| {
            call.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        let shown = shorten(&call.name);
        self.scope.report(match unavailable {
            Some((_, instead)) => {
                Diagnostic::error("E0512", call.at, format!("`{shown}` can't be used")).help(*instead)
            }
            None => Diagnostic::error("E0510", call.at, format!("no function is named `{shown}`"))
                .suggest(&call.name, FUNCTIONS.iter().map(|(name, _)| *name)),
        });
    }

    /// Reports arguments of the wrong number or shape.
    fn wrong(&self, call: &Call<'_>, span: Span, what: &str) {
        let mut known = FUNCTIONS.iter().chain(&CONDITION_FUNCTIONS);
        let usage = known.find(|(name, _)| *name == call.name).map_or("", |(_, usage)| usage);
        self.scope.report(
            Diagnostic::error("E0511", span, format!("`{}` {what}", call.name))
                .help(format!("write {usage}")),
        );
    }

    /// Returns the arguments if their number is in the range, and reports them otherwise.
    fn items<'n>(&self, call: &Call<'n>, count: RangeInclusive<usize>) -> Option<&'n [Node]> {
        let (low, high) = (*count.start(), *count.end());
        let wanted = match (low, high) {
            (1, 1) => "1 value".to_owned(),
            _ if low == high => format!("{low} values"),
            _ => format!("{low} to {high} values"),
        };
        let found = match &call.argument.value {
            Value::Sequence(items) if count.contains(&items.len()) => return Some(items),
            Value::Sequence(items) => format!("{}", items.len()),
            _ => call.argument.describe(),
        };
        self.wrong(call, call.argument.span, &format!("expects a list of {wanted}, found {found}"));
        None
    }

    fn single(&self, call: &Call<'_>, node: &Node) -> Option<Json> {
        let read = self.expression(node)?;
        if !is_single(&read) {
            self.wrong(call, node.span, &format!("expects a single value here, found {}", describe(node)));
            return None;
        }
        Some(to_json(&read))
    }

    fn list(&self, call: &Call<'_>, node: &Node) -> Option<Json> {
        let read = self.expression(node)?;
        if !is_list(&read) {
            let message = match read.is {
                ExpressionKind::List(_) => {
                    "expects a list of single values here, but this one contains others".to_owned()
                }
                _ => format!("expects a list here, found {}", describe(node)),
            };
            self.wrong(call, node.span, &message);
            return None;
        }
        Some(to_json(&read))
    }

    /// Reads a text that must be known now.
    fn literal(&self, call: &Call<'_>, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar { .. } if !node.is_null() => {
                self.scope.single(node, "a text").map(|(text, _)| text)
            }
            _ => {
                self.wrong(call, node.span, &format!("expects a plain text here, found {}", describe(node)));
                None
            }
        }
    }

    /// Reads a whole number in a range, or a function that gives one.
    fn number(&self, call: &Call<'_>, node: &Node, range: RangeInclusive<i64>) -> Option<Json> {
        let read = self.expression(node)?;
        match &read.is {
            ExpressionKind::Scalar { text, plain } => {
                match integer(text).filter(|value| range.contains(value)) {
                    Some(value) if *plain => Some(json!(value)),
                    Some(_) => Some(json!(text)),
                    None => {
                        let (low, high) = (range.start(), range.end());
                        let found = describe(node);
                        let wanted = match *high {
                            i64::MAX => format!("expects a whole number from {low} here, found {found}"),
                            _ => format!("expects a whole number from {low} to {high} here, found {found}"),
                        };
                        self.wrong(call, node.span, &wanted);
                        None
                    }
                }
            }
            _ if is_single(&read) => Some(to_json(&read)),
            _ => {
                self.wrong(call, node.span, &format!("expects a number here, found {}", describe(node)));
                None
            }
        }
    }

    fn select(&self, call: &Call<'_>) -> Option<Json> {
        let items = self.items(call, 2..=2)?;
        let (index, list) = (self.number(call, &items[0], 0..=i64::MAX), self.list(call, &items[1]));
        let (index, list) = (index?, list?);
        let number = index.as_u64().or_else(|| index.as_str()?.parse().ok());
        if let (Some(number), Json::Array(values)) = (number, &list)
            && usize::try_from(number).map_or(true, |number| number >= values.len())
        {
            let count = values.len();
            self.wrong(call, items[0].span, &format!("counts from 0, but this list has {count} values"));
            return None;
        }
        Some(json!({ "Fn::Select": [index, list] }))
    }

    fn reference(&self, call: &Call<'_>) -> Option<Expression> {
        let name = self.literal(call, call.argument)?;
        let span = call.argument.span;
        let (value, gives) = match name.as_str() {
            NO_VALUE if !self.in_condition => {
                return Some(Expression { is: ExpressionKind::NoValue, span: call.span });
            }
            NOTIFICATION_ARNS => (json!({ "Ref": name }), Gives::List),
            _ if name.starts_with("AWS::") => {
                let Some(name) = pseudo_parameter(&name) else {
                    let known = PSEUDO_PARAMETERS.into_iter().chain([NOTIFICATION_ARNS, NO_VALUE]);
                    self.scope.report(unknown_pseudo_parameter(&name, span, known));
                    return None;
                };
                (json!({ "Ref": name }), Gives::Single)
            }
            _ => match self.scope.parameter(&name) {
                Some(list) => (json!({ "Ref": name }), if list { Gives::List } else { Gives::Single }),
                None => (json!({ "Ref": self.target(&name, span)? }), Gives::Single),
            },
        };
        Some(Expression { is: ExpressionKind::Function { value, gives }, span: call.span })
    }

    fn get_att(&self, call: &Call<'_>) -> Option<Json> {
        let (target, attribute, spans) = match &call.argument.value {
            Value::Sequence(_) => {
                let items = self.items(call, 2..=2)?;
                let (target, attribute) = (self.literal(call, &items[0]), self.literal(call, &items[1]));
                (target?, attribute?, (items[0].span, items[1].span))
            }
            _ => {
                let text = self.literal(call, call.argument)?;
                let span = call.argument.span;
                let Some((target, attribute)) = text.split_once('.') else {
                    self.wrong(call, span, "expects a name and an attribute with a dot between them");
                    return None;
                };
                (target.to_owned(), attribute.to_owned(), (span, span))
            }
        };
        let id = self.target(&target, spans.0)?;
        self.scope.check_attribute(&target, &attribute, spans.1)?;
        Some(json!({ "Fn::GetAtt": [id, attribute] }))
    }

    /// Returns the logical ID of the resource of this name.
    fn target(&self, name: &str, span: Span) -> Option<String> {
        if self.in_condition {
            self.no_resources(name, span);
            return None;
        }
        self.scope.target(name, span).map(|name| self.scope.resource_id(&name))
    }

    fn no_resources(&self, name: &str, span: Span) {
        self.scope.report(
            Diagnostic::error("E0513", span, format!("a condition can't refer to the resource `{}`", shorten(name)))
                .help("conditions are evaluated before any resource is created; compare config values (`${config.name}`) and \
                       pseudo parameters (`${AWS::Region}`)"),
        );
    }
}

/// Describes a node for messages about arguments: a function by its name.
fn describe(node: &Node) -> String {
    match call(node) {
        Some(call) => format!("the result of `{}`", shorten(&call.name)),
        None => node.describe(),
    }
}
