//! The top of the file: the content of each section, as far as it is read before a stack is known.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Entry, Node, Value};
use serde_json::{Map, Value as Json};

use super::config::{Declaration, read_declaration};
use super::organisation::Fields;
use super::outputs::output_properties;
use super::policies::{Policy, RuleFiles};
use super::section::{Later, Section};
use super::stacks::{StackEntry, is_stack_name, read_stack};
use crate::model::properties::{
    Choice, Each, Lenient, List, Object, Properties, Property, Read, Reference, Scope, Shape, Str, describe,
};
use crate::model::verbatim::{AnyVerbatim, Verbatim};
use crate::model::{Kind, TemplateSections};

/// Longest description: AWS CloudFormation User Guide, "Understand CloudFormation quotas": template description, in
/// bytes.
const MAX_DESCRIPTION: usize = 1_024;

/// The types that `key` refers to.
pub(super) const KEY: Reference = Reference(&[Kind::Key]);

/// The sections as they were read; `None` for one that is missing or wrong.
pub(super) struct Sections {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) config: Vec<(String, Option<Declaration>)>,
    pub(super) stacks: Vec<(String, Option<StackEntry>)>,
    pub(super) key: Option<Node>,
    pub(super) organisation: Fields,
    pub(super) template: TemplateSections,
    pub(super) exact: bool,
    pub(super) policies: Vec<Policy>,
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
    let organisation = Fields::ask(properties);
    let exact = properties
        .field(
            "logicalIds",
            "`derived` makes logical ids of the names (`my-queue` becomes `MyQueue`); with `exact`, the names of `AWS::…` resources, \
             conditions and outputs are the logical ids.",
            Choice(&[("derived", false), ("exact", true)]),
        )
        .or(false);
    let policies = properties
        .field(
            "policies",
            "Rules of AWS CloudFormation Guard that the template of each stack must follow: paths of rule files, relative to the \
             stack file, such as `rules/*.guard`.",
            List(RuleFiles),
        )
        .or(Vec::new());
    let transform = properties
        .field(
            "transform",
            "Macros that change the template when it is deployed, such as `AWS::LanguageExtensions`: a name or a list.",
            AnyVerbatim,
        )
        .optional();
    let metadata =
        properties.field("metadata", "`Metadata` of the template, as it is.", AnyVerbatim).optional();
    let globals = properties
        .field(
            "globals",
            "`Globals` of the template, as it is, for the macro `AWS::Serverless-2016-10-31`.",
            AnyVerbatim,
        )
        .optional();
    let rules = properties
        .field(
            "rules",
            "Rules about parameters: name → `RuleCondition` and `Assertions`, as CloudFormation takes them.",
            Verbatim,
        )
        .or(Map::new());
    let mappings = properties
        .field("mappings", "Values for `!FindInMap`: name → key → key → text or list.", Mappings)
        .or(Map::new());
    let template = TemplateSections {
        transform,
        metadata,
        globals,
        rules: rules.into_iter().collect(),
        mappings: mappings.into_iter().collect(),
        loops: Vec::new(),
    };
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
        .field(
            "outputs",
            "Values to show after a deployment.",
            Section(Shape::Map(Box::new(Shape::Either(vec![
                Shape::Text,
                Shape::Object(output_properties()),
            ])))),
        )
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
    Some(Sections {
        name,
        description,
        config,
        stacks,
        key,
        organisation,
        template,
        exact,
        policies,
        conditions,
        resources,
        outputs,
    })
}

/// `mappings`: two levels of keys, then a text or a list, unless a macro makes it.
/// Source: AWS CloudFormation User Guide, "Mappings"; Template Reference, "`AWS::Include` transform".
struct Mappings;
impl Read for Mappings {
    type Out = Map<String, Json>;
    fn shape(&self) -> Shape {
        Verbatim.shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let mappings = Verbatim.read(node, scope)?;
        let Value::Mapping(entries) = &node.value else { return Some(mappings) };
        for Entry { key, key_span, .. } in entries {
            if key != INCLUDE && !mappings.get(key).is_some_and(has_two_levels) {
                let message = format!("the mapping `{key}` does not have two levels of keys");
                scope.report(Diagnostic::error("E0373", *key_span, message).help(
                    "write `name: { key: { key: value } }`, where a value is a text, a number, a boolean or a list of these",
                ));
            }
        }
        Some(mappings)
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

/// The key with whose value a macro fills a mapping.
const INCLUDE: &str = "Fn::Transform";

fn has_two_levels(mapping: &Json) -> bool {
    let single = |value: &Json| !value.is_array() && !value.is_object();
    let value = |(key, value): (&String, &Json)| match value {
        Json::Array(items) => key == INCLUDE || items.iter().all(single),
        other => key == INCLUDE || single(other),
    };
    let second = |(key, inner): (&String, &Json)| {
        key == INCLUDE || inner.as_object().is_some_and(|inner| inner.iter().all(value))
    };
    mapping.as_object().is_some_and(|first| first.iter().all(second))
}

/// Returns the properties at the top of the file.
#[must_use]
pub fn top_level_properties() -> Vec<Property> {
    describe(read_sections)
}
