//! `resources`: the type and the properties of each, before its properties are read.

use deployer_cfn::schemas;
use deployer_syntax::diagnostic::{Diagnostic, nearest};
use deployer_syntax::yaml::{Entry, Node, Value, shorten};

use super::section::Section;
use crate::model::Kind;
use crate::model::options::Options;
use crate::model::properties::{
    Lenient, MAX_NAME, Properties, Property, Read, Scope, Shape, describe, is_word,
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
pub(super) struct ResourceEntry {
    pub(super) kind: Kind,
    pub(super) properties: Node,
    pub(super) options: Option<Node>,
}

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
    let sound = given.is_some() || !properties.has("properties");
    kind.filter(|_| sound).map(|kind| (kind, given, options))
}

/// Returns the type and the properties of one entry under `resources`; `None` when one is wrong.
pub(super) fn resource_type(entry: &Entry, scope: &Scope) -> Option<ResourceEntry> {
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

/// Returns the properties of an entry under `resources`, for the schema.
#[must_use]
pub fn resource_properties() -> Vec<Property> {
    describe(read_resource)
}
