//! `options` of a resource: its treatment by CloudFormation, whatever its type.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::ResourceRef;
use super::properties::{AnyResource, Boolean, ConditionName, List, Properties, Str};

/// Longest logical ID: AWS CloudFormation User Guide, "Resources syntax".
const MAX_LOGICAL_ID: usize = 255;

/// Options of a resource for CloudFormation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        if let Some(id) = &logical_id
            && !(id.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && (1..=MAX_LOGICAL_ID).contains(&id.len()))
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
        Some(Self { depends_on, protect, retain, logical_id, condition })
    }
}
