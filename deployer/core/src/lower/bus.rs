//! `bus` → EventBus.

use serde_json::json;

use super::Builder;
use crate::template::Sub;

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str) {
    // CloudFormation makes no name for a bus. Without a policy only this account may use it.
    let properties = json!({ "Name": Sub(format!("${{AWS::StackName}}-{name}")) });
    builder.add(id, "AWS::Events::EventBus", properties);
}
