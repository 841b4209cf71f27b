//! `options` of a resource: its treatment by CloudFormation, whatever its type.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{self, Node, shorten};
use serde_json::Value;

use super::properties::{
    AnyResource, Boolean, ConditionName, List, MAX_LOGICAL_ID, Properties, Read, Scope, Shape, Str,
    is_logical_id, mismatch,
};
use super::{ResourceRef, expression};

/// Attributes of a resource that the file names in another way.
const OWN: [(&str, &str); 4] = [
    ("Condition", "write `condition: name` among the options"),
    ("DependsOn", "write `dependsOn: [\"${name}\"]` among the options"),
    ("Properties", "write them under `properties` of the resource"),
    ("Type", "write it as `type` of the resource"),
];

/// Options of a resource for CloudFormation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Resources that must exist before it.
    pub depends_on: Vec<ResourceRef>,
    /// `true` if it is protected from deletion and replacement.
    pub protect: bool,
    /// `true` if it is kept when it leaves the stack; by default, the stack's `removal` decides.
    pub retain: Option<bool>,
    /// The logical ID of its main resource; made of its name if it is not given.
    pub logical_id: Option<String>,
    /// Logical ID of the condition under which it exists.
    pub condition: Option<String>,
    /// Further attributes of its main resource, such as `CreationPolicy`, with texts as `expression::TEXT`.
    pub attributes: Vec<(String, Value)>,
}

/// `attributes`: attributes of CloudFormation, by their own names.
struct Attributes;
impl Read for Attributes {
    type Out = Vec<(String, Value)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::Any))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let yaml::Value::Mapping(entries) = &node.value else {
            scope.report(mismatch(node, "a mapping").help("write `CreationPolicy: …` and the like below it"));
            return None;
        };
        let read: Vec<_> = entries
            .iter()
            .map(|entry| {
                if let Some((name, instead)) = OWN.iter().find(|(name, _)| *name == entry.key) {
                    scope.report(
                        Diagnostic::error(
                            "E0372",
                            entry.key_span,
                            format!("`{name}` can't be among the attributes"),
                        )
                        .help(*instead),
                    );
                    return None;
                }
                let expression = expression::property(&entry.value, scope)?;
                Some((entry.key.clone(), expression::typed_json(&expression, scope)?))
            })
            .collect();
        read.into_iter().collect()
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

impl Options {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let depends_on = properties
            .field(
                "dependsOn",
                "Resources to create first. Anything that it references is created first automatically.",
                List(AnyResource),
            )
            .or(Vec::new());
        let protect = properties
            .field(
                "protect",
                "Protect the resource: it is neither deleted nor replaced until a deployment has removed this option.",
                Boolean,
            )
            .or(false);
        let retain = properties
            .field(
                "retain",
                "Keep the resource in the account when it leaves the stack; overrides the stack's `removal`.",
                Boolean,
            )
            .optional();
        let logical_id = properties
            .field(
                "logicalId",
                "Logical id of its main resource in CloudFormation, to take over one that is already deployed.",
                Str,
            )
            .optional();
        let condition = properties
            .field(
                "condition",
                "Name under `conditions`: the resource exists only if that condition is true.",
                ConditionName,
            )
            .optional();
        let attributes = properties
            .field(
                "attributes",
                "Other attributes of its main resource in CloudFormation, by their own names: `CreationPolicy`, \
                 `UpdatePolicy`, `DeletionPolicy`, `UpdateReplacePolicy`, `Metadata`.",
                Attributes,
            )
            .or(Vec::new());
        let policy = attributes
            .iter()
            .find(|(name, _)| matches!(name.as_str(), "DeletionPolicy" | "UpdateReplacePolicy"));
        if let Some((name, _)) = policy.filter(|_| protect || retain.is_some()) {
            let span = properties.span_of("attributes");
            properties.report(
                Diagnostic::error(
                    "E0107",
                    span,
                    format!("`{name}` can't be given beside `protect` and `retain`, which set it"),
                )
                .help("remove one of them"),
            );
        }
        if protect && attributes.iter().any(|(name, _)| name == "Metadata") {
            let span = properties.span_of("attributes");
            properties.report(
                Diagnostic::error(
                    "E0107",
                    span,
                    "`Metadata` can't be given beside `protect`, which is kept there",
                )
                .help("remove one of them"),
            );
        }
        if let Some(id) = &logical_id
            && !is_logical_id(id)
        {
            let span = properties.span_of("logicalId");
            properties.report(
                Diagnostic::error("E0108", span, format!("`{}` can't be a logical id", shorten(id)))
                    .help(format!("letters and digits, at most {MAX_LOGICAL_ID}")),
            );
        }
        if protect && retain == Some(false) {
            let span = properties.span_of("retain");
            properties.report(
                Diagnostic::error("E0107", span, "a protected resource can't be deleted with the stack")
                    .help("remove `protect` or `retain: false`"),
            );
        }
        Some(Self { depends_on, protect, retain, logical_id, condition, attributes })
    }
}
