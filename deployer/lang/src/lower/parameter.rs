//! `parameter` → Parameter; or nothing, if it exists already.

use deployer_cfn::template::{Policy, Ref, Sub};
use serde_json::{Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, late_value};
use crate::iam;
use crate::model::Stack;
use crate::model::access::Verb;
use crate::model::parameter::{Existing, Parameter};
use crate::names;

impl Lowering for Parameter {
    const GRANTS: &'static [Grant] =
        &[Grant::new(Verb::Read, "Read", &["ssm:GetParameter", "ssm:GetParameters"], On::Itself)];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let Self::New(new) = self else { return };
        let mut properties = json!({
            "Name": Sub(own_name(name)),
            "Type": "String",
            "Value": late_value(builder.stack, &new.value),
        });
        if let Some(description) = &new.description {
            properties["Description"] = json!(description);
        }
        // The file contains its whole content.
        builder.add(id, "AWS::SSM::Parameter", properties).policy = Some(Policy::Delete);
    }

    fn attribute(&self, _: &Stack, id: &str, name: &str, attribute: &str) -> Value {
        match (attribute, self) {
            ("arn", _) => self.arn(id, name),
            (_, Self::New(_)) => json!(Ref(id)),
            (_, Self::Existing(existing)) => json!(existing.name),
        }
    }

    /// Returns the computed name, so that a parameter can contain the name of the function that reads it.
    fn late_attribute(&self, stack: &Stack, id: &str, name: &str, attribute: &str) -> Value {
        match (attribute, self) {
            ("name", Self::New(_)) => json!(Sub(own_name(name))),
            _ => self.attribute(stack, id, name, attribute),
        }
    }

    /// Returns the computed ARN: CloudFormation has no attribute for it.
    fn arn(&self, _: &str, name: &str) -> Value {
        match self {
            Self::New(_) => names::parameter_arn(&own_name(name)),
            Self::Existing(existing) => names::parameter_arn(&existing.name),
        }
    }

    /// Returns the statements that a secure parameter needs. Its value is decrypted with the rights of the reader, for
    /// this parameter alone; the key of AWS lets everybody in the account decrypt it who may read the parameter.
    /// Source: AWS Systems Manager User Guide, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString
    /// parameters".
    fn statements(&self, stack: &Stack, id: &str, name: &str, verb: Verb) -> Vec<Value> {
        match (self, verb) {
            (Self::Existing(Existing { encryption_key: Some(key), .. }), Verb::Read) => {
                let mut decrypt =
                    iam::allow(&format!("Decrypt{id}"), &["kms:Decrypt"], late_value(stack, key));
                decrypt["Condition"] = json!({
                    "StringEquals": {
                        "kms:EncryptionContext:PARAMETER_ARN": self.arn(id, name),
                        "kms:ViaService": Sub("ssm.${AWS::Region}.amazonaws.com"),
                    },
                });
                vec![decrypt]
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the name that the template gives to a parameter.
fn own_name(name: &str) -> String {
    format!("/${{AWS::StackName}}/{name}")
}
