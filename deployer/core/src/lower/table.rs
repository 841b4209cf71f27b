//! `table` → Table.

use serde_json::{Value, json};

use super::Builder;
use crate::model::table::{Index, KeyType, Projection, StreamView, Table, TableClass};
use crate::model::target::Removal;
use crate::template::{GetAtt, Ref, logical_id};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, _: &str, table: &Table) {
    let attributes: Vec<Value> = table
        .key_attributes()
        .iter()
        .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind.letter() }))
        .collect();
    let mut properties = json!({
        "AttributeDefinitions": attributes,
        "KeySchema": key_schema(&table.key),
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": { "SSEEnabled": true },
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": table.point_in_time_recovery },
        "DeletionProtectionEnabled": builder.stack.target.removal == Removal::Keep,
    });
    if let Some(key) = &table.encryption_key {
        properties["SSESpecification"]["SSEType"] = json!("KMS");
        properties["SSESpecification"]["KMSMasterKeyId"] = json!(GetAtt(logical_id(&key.name), "Arn"));
    }
    let throughput = table
        .capacity
        .map(|capacity| json!({ "ReadCapacityUnits": capacity.read, "WriteCapacityUnits": capacity.write }));
    if !table.indexes.is_empty() {
        let indexes: Vec<Value> =
            table.indexes.iter().map(|(name, one)| index(name, one, throughput.as_ref())).collect();
        properties["GlobalSecondaryIndexes"] = json!(indexes);
    }
    if let Some(throughput) = throughput {
        properties["BillingMode"] = json!("PROVISIONED");
        properties["ProvisionedThroughput"] = throughput;
    }
    if let Some(attribute) = &table.time_to_live {
        properties["TimeToLiveSpecification"] = json!({ "AttributeName": attribute, "Enabled": true });
    }
    if let Some(view) = table.stream {
        let view = match view {
            StreamView::KeysOnly => "KEYS_ONLY",
            StreamView::NewImage => "NEW_IMAGE",
            StreamView::OldImage => "OLD_IMAGE",
            StreamView::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        };
        properties["StreamSpecification"] = json!({ "StreamViewType": view });
    }
    if table.class == TableClass::InfrequentAccess {
        properties["TableClass"] = json!("STANDARD_INFREQUENT_ACCESS");
    }
    builder.add_data(id, "AWS::DynamoDB::Table", properties);
}

fn key_schema(key: &[(String, KeyType)]) -> Vec<Value> {
    key.iter()
        .zip(["HASH", "RANGE"])
        .map(|((name, _), role)| json!({ "AttributeName": name, "KeyType": role }))
        .collect()
}

fn index(name: &str, index: &Index, throughput: Option<&Value>) -> Value {
    let projection = match index.projection {
        Projection::All => json!({ "ProjectionType": "ALL" }),
        Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        Projection::Include => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": index.attributes }),
    };
    let mut out = json!({ "IndexName": name, "KeySchema": key_schema(&index.key), "Projection": projection });
    if let Some(throughput) = throughput {
        out["ProvisionedThroughput"] = throughput.clone();
    }
    out
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        "streamArn" => json!(GetAtt(id, "StreamArn")),
        _ => json!(Ref(id)),
    }
}
