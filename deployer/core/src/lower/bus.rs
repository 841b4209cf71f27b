//! `bus` → EventBus.

use serde_json::{Value, json};

use super::Builder;
use crate::model::bus::Bus;
use crate::template::{GetAtt, Ref, Sub};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, _: &Bus) {
    // CloudFormation makes no name for a bus. Without a policy only this account may use it.
    let properties = json!({ "Name": Sub(format!("${{AWS::StackName}}-{name}")) });
    builder.add(id, "AWS::Events::EventBus", properties);
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
