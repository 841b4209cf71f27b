//! `table` → Table.

use serde_json::{Value, json};

use super::Builder;
use crate::document::Removal;
use crate::model::table::Table;
use crate::template::{GetAtt, Ref};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, _: &str, table: &Table) {
    let attributes: Vec<Value> = table
        .key
        .iter()
        .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind.letter() }))
        .collect();
    let keys: Vec<Value> = table
        .key
        .iter()
        .zip(["HASH", "RANGE"])
        .map(|((name, _), role)| json!({ "AttributeName": name, "KeyType": role }))
        .collect();
    let properties = json!({
        "AttributeDefinitions": attributes,
        "KeySchema": keys,
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": { "SSEEnabled": true },
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        "DeletionProtectionEnabled": builder.stack.target.removal == Removal::Keep,
    });
    builder.add_data(id, "AWS::DynamoDB::Table", properties);
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
