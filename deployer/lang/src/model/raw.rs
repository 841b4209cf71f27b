//! `type: AWS::…`: any CloudFormation type, with its own properties, checked against its published schema.

use deployer_cfn::schemas::TypeId;
use deployer_syntax::yaml::Node;
use serde_json::Value;

use super::expression;
use super::properties::Scope;

/// Description of the type.
pub const DESCRIPTION: &str = "Any CloudFormation type, by its own name and with its own properties.";

/// A resource of a CloudFormation type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its type.
    pub type_id: TypeId,
    /// Its properties as CloudFormation takes them, except for texts with references (`expression::TEXT`).
    pub properties: Value,
}

impl Raw {
    pub(crate) fn read(type_id: TypeId, node: &Node, scope: &Scope) -> Option<Self> {
        let before = scope.failures();
        let expression = expression::property(node, scope)?;
        let properties = type_id.schema().check(&expression, &mut |problem| scope.report(problem));
        (scope.failures() == before).then_some(Self { type_id, properties })
    }
}
