//! `resources`: the type and the properties of each, before its properties are read.

use deployer_cfn::schemas::{self, TypeId};
use deployer_syntax::diagnostic::{Diagnostic, nearest};
use deployer_syntax::yaml::{Entry, Node, Value, shorten};

use super::section::Section;
use crate::model::FormerName;
use crate::model::Kind;
use crate::model::options::Options;
use crate::model::properties::{
    Lenient, Properties, Property, Read, Scope, Shape, describe, is_word, mismatch,
};

/// The word after `type:`.
struct TypeName;
impl Read for TypeName {
    type Out = Kind;
    fn shape(&self) -> Shape {
        Shape::Choice(Kind::ALL.map(Kind::name).to_vec())
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Kind> {
        let (text, _) = scope.single(node, "the name of a type")?;
        let raw = text.contains("::");
        let kind = match raw {
            true => schemas::find(&text).or_else(|| unpublished(&text, scope.macros)).map(Kind::Raw),
            false => Kind::from_name(&text),
        };
        if kind.is_none() {
            let unknown =
                Diagnostic::error("E0109", node.span, format!("no type is named `{}`", shorten(&text)));
            scope.report(match raw {
                false => unknown.suggest(&text, Kind::ALL.map(Kind::name)),
                true => match nearest(&text, &schemas::names().collect::<Vec<_>>()) {
                    Some(name) => unknown.did_you_mean(&text, name),
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

/// Returns a type of which no schema is published: a custom resource, a type or module of another publisher, or with
/// macros any, since a macro may make another of it.
/// Source: AWS CloudFormation User Guide, "Create custom provisioning logic with custom resources"; AWS CloudFormation API
/// Reference, `RegisterType`: `TypeName`.
fn unpublished(text: &str, macros: bool) -> Option<TypeId> {
    let is_word =
        |word: &str| (2..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let words: Vec<&str> = text.split("::").collect();
    let fits = match words.as_slice() {
        ["Custom", name] => {
            !name.is_empty()
                && text.len() <= 60 + "Custom::".len()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@-".contains(&byte))
        }
        ["AWS" | "Amazon" | "Alexa", ..] => false,
        [one, two, three] | [one, two, three, "MODULE"] => {
            [one, two, three].into_iter().all(|word| is_word(word))
        }
        _ => false,
    };
    if fits || macros { schemas::unpublished(text) } else { None }
}

/// `was`: one name, or several from the oldest to the latest.
struct FormerNames;
impl Read for FormerNames {
    type Out = Vec<FormerName>;
    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::String, Shape::List(Box::new(Shape::String))])
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let name = |node: &Node| {
            let (name, _) = scope.single(node, "a name")?;
            if !scope.is_name(&name) && !is_word(&name) {
                let message = format!("`{}` can't be the name of a resource", shorten(&name));
                scope.report(Diagnostic::error("E0108", node.span, message).help(scope.form_of_names()));
                return None;
            }
            Some(FormerName { name, span: node.span })
        };
        match &node.value {
            Value::Sequence(items) => items.iter().map(name).collect::<Vec<_>>().into_iter().collect(),
            Value::Mapping(_) => {
                let problem = mismatch(node, "a name");
                scope.report(problem.help("write `was: old-name`, or `was: [oldest-name, later-name]`"));
                None
            }
            Value::Scalar { .. } | Value::Tagged { .. } => Some(vec![name(node)?]),
        }
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

/// An entry under `resources` before its properties are read.
pub(super) struct ResourceEntry {
    pub(super) kind: Kind,
    pub(super) properties: Node,
    pub(super) options: Option<Node>,
    pub(super) was: Vec<FormerName>,
}

/// The parts of an entry: type, properties, options, former names.
type Parts = (Kind, Option<Node>, Option<Node>, Vec<FormerName>);

impl ResourceEntry {
    /// Returns `options.logicalId`, right or wrong.
    pub(super) fn logical_id(&self) -> Option<String> {
        let Some(Node { value: Value::Mapping(entries), .. }) = &self.options else { return None };
        match &entries.iter().find(|entry| entry.key == "logicalId")?.value.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        }
    }
}

fn read_resource(properties: &mut Properties<'_>) -> Option<Parts> {
    let kind = properties.field("type", "Type of the resource.", TypeName).required();
    let was = properties
        .field(
            "was",
            "Name that the resource had in the file when it was deployed, or all of these names, the oldest first: the next \
             deployment renames it in CloudFormation instead of replacing it.",
            FormerNames,
        )
        .optional();
    let given =
        properties.field("properties", "Its properties.", Section(Shape::Object(Vec::new()))).optional();
    let options = properties
        .field(
            "options",
            "Options of CloudFormation for the resource.",
            Section(Shape::Object(describe(Options::read))),
        )
        .optional();
    if let Some(kind) = kind
        && properties.has_unknown()
    {
        let own = kind.properties().into_iter().map(|property| property.name);
        let names = match kind {
            Kind::Raw(type_id) => type_id.schema().properties().collect(),
            _ => own.collect(),
        };
        properties.belong_below("properties", names);
        properties
            .belong_below("options", describe(Options::read).into_iter().map(|option| option.name).collect());
    }
    // Properties of the wrong shape have been reported; read as none, they would be reported as missing too.
    let sound =
        (given.is_some() || !properties.has("properties")) && (was.is_some() || !properties.has("was"));
    kind.filter(|_| sound).map(|kind| (kind, given, options, was.unwrap_or_default()))
}

/// Returns whether an entry has a type of CloudFormation.
fn is_raw(entry: &Entry) -> bool {
    let Value::Mapping(entries) = &entry.value.value else { return false };
    let kind = entries.iter().find(|entry| entry.key == "type").map(|entry| &entry.value.value);
    matches!(kind, Some(Value::Scalar { text, .. }) if text.contains("::"))
}

/// Returns the type and the properties of one entry under `resources`; `None` when one is wrong.
pub(super) fn resource_type(entry: &Entry, scope: &Scope) -> Option<ResourceEntry> {
    if !(is_word(&entry.key) || scope.is_name(&entry.key) && is_raw(entry)) {
        scope.report(
            Diagnostic::error(
                "E0108",
                entry.key_span,
                format!("`{}` can't be the name of a resource", shorten(&entry.key)),
            )
            .help(scope.form_of_names()),
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
    let (kind, properties, options, was) = Lenient(read_resource).read(&entry.value, scope)?;
    let empty = Node { value: Value::Mapping(Vec::new()), span: entry.key_span };
    Some(ResourceEntry { kind, properties: properties.unwrap_or(empty), options, was })
}

/// Returns the properties of an entry under `resources`, for the schema.
#[must_use]
pub fn resource_properties() -> Vec<Property> {
    describe(read_resource)
}
