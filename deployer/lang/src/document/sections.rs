//! The top of the file: the content of each section, as far as it is read before a stack is known.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::Node;

use super::config::{Declaration, read_declaration};
use super::section::Section;
use super::stacks::{StackEntry, is_stack_name, read_stack};
use crate::model::Kind;
use crate::model::properties::{
    Each, Lenient, Object, Properties, Property, Read, Reference, Scope, Shape, Str, describe,
};

/// Longest description: AWS CloudFormation User Guide, "Understand CloudFormation quotas": template description, in
/// bytes.
const MAX_DESCRIPTION: usize = 1_024;

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

/// The types that `key` refers to.
pub(super) const KEY: Reference = Reference(&[Kind::Key]);

/// The sections as they were read; `None` for one that is missing or wrong.
pub(super) struct Sections {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) config: Vec<(String, Option<Declaration>)>,
    pub(super) stacks: Vec<(String, Option<StackEntry>)>,
    pub(super) key: Option<Node>,
    pub(super) conditions: Option<Node>,
    pub(super) resources: Option<Node>,
    pub(super) outputs: Option<Node>,
}

/// Reads the sections, and reports their problems.
pub(super) fn read_sections(properties: &mut Properties<'_>) -> Option<Sections> {
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

/// Returns the properties at the top of the file.
#[must_use]
pub fn top_level_properties() -> Vec<Property> {
    describe(read_sections)
}
