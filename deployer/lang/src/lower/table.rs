//! `table` → Table.

use contract::environment;
use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::{Grant, Lowering, On};
use crate::model::Stack;
use crate::model::access::Verb;
use crate::model::table::{Capacity, Index, KeyType, Projection, StreamView, Table, TableClass, Throughput};
use crate::model::target::Removal;

impl Lowering for Table {
    const GRANTS: &'static [Grant] = &[
        Grant::new(
            Verb::Read,
            "Read",
            &["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"],
            On::Itself,
        ),
        // Single items are read from the table alone; an index is queried and scanned.
        Grant::new(Verb::Read, "ReadIndexesOf", &["dynamodb:Query", "dynamodb:Scan"], On::Indexes),
        Grant::new(Verb::Write, "Write", &["dynamodb:PutItem", "dynamodb:BatchWriteItem"], On::Itself),
        Grant::new(Verb::Update, "Update", &["dynamodb:UpdateItem"], On::Itself),
        Grant::new(
            Verb::Tally,
            "Tally",
            &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            On::Itself,
        ),
        Grant::new(Verb::Delete, "Delete", &["dynamodb:DeleteItem"], On::Itself),
    ];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, _: &str) {
        if self.existing.is_some() {
            return;
        }
        let attributes: Vec<Value> = self
            .key_attributes()
            .iter()
            .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind.letter() }))
            .collect();
        let mut properties = json!({
            "AttributeDefinitions": attributes,
            "KeySchema": key_schema(&self.key, 1),
            "BillingMode": "PAY_PER_REQUEST",
            "SSESpecification": { "SSEEnabled": true },
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": self.point_in_time_recovery },
            "DeletionProtectionEnabled": builder.stack.target.removal == Removal::Keep,
        });
        if let Some(key) = &self.encryption_key {
            properties["SSESpecification"]["SSEType"] = json!("KMS");
            properties["SSESpecification"]["KMSMasterKeyId"] = json!(GetAtt(logical_id(&key.name), "Arn"));
        }
        let capacity = capacity(self.capacity);
        if !self.indexes.is_empty() {
            let indexes: Vec<Value> =
                self.indexes.iter().map(|(name, one)| index(name, one, &capacity)).collect();
            properties["GlobalSecondaryIndexes"] = json!(indexes);
        }
        if self.capacity.provisioned().is_some() {
            properties["BillingMode"] = json!("PROVISIONED");
        }
        for (name, throughput) in capacity {
            properties[name] = throughput;
        }
        if let Some(attribute) = &self.time_to_live {
            properties["TimeToLiveSpecification"] = json!({ "AttributeName": attribute, "Enabled": true });
        }
        if let Some(view) = self.stream {
            let view = match view {
                StreamView::KeysOnly => "KEYS_ONLY",
                StreamView::NewImage => "NEW_IMAGE",
                StreamView::OldImage => "OLD_IMAGE",
                StreamView::NewAndOldImages => "NEW_AND_OLD_IMAGES",
            };
            properties["StreamSpecification"] = json!({ "StreamViewType": view });
        }
        if self.class == TableClass::InfrequentAccess {
            properties["TableClass"] = json!("STANDARD_INFREQUENT_ACCESS");
        }
        builder.add_data(id, "AWS::DynamoDB::Table", properties);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            "streamArn" => json!(GetAtt(id, "StreamArn")),
            _ => json!(Ref(id)),
        }
    }

    fn variables(&self, _: &Stack, id: &str, _: &str, verb: Verb) -> Vec<(&'static str, Value)> {
        match verb {
            Verb::Tally => vec![(environment::TALLY_TABLE, json!(Ref(id)))],
            Verb::Write => {
                let keys: Vec<&str> = self.key.iter().map(|(name, _)| name.as_str()).collect();
                let mut out = vec![
                    (environment::TABLE, json!(Ref(id))),
                    (environment::TABLE_KEY, json!(keys.join(","))),
                ];
                let of_indexes: Vec<&str> = self
                    .key_attributes()
                    .into_iter()
                    .map(|(name, _)| name)
                    .filter(|name| !keys.contains(name))
                    .collect();
                if !of_indexes.is_empty() {
                    out.push((environment::TABLE_INDEX_KEYS, json!(of_indexes.join(","))));
                }
                out
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the properties that say how much a table, or an index, is made for.
fn capacity(capacity: Capacity) -> Vec<(&'static str, Value)> {
    match capacity {
        Capacity::Provisioned(Throughput { read, write }) => {
            vec![("ProvisionedThroughput", json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write }))]
        }
        Capacity::OnDemand { warm, maximum } => {
            let warm = warm.map(|Throughput { read, write }| {
                ("WarmThroughput", json!({ "ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write }))
            });
            let maximum = maximum.map(|Throughput { read, write }| {
                ("OnDemandThroughput", json!({ "MaxReadRequestUnits": read, "MaxWriteRequestUnits": write }))
            });
            warm.into_iter().chain(maximum).collect()
        }
    }
}

/// Returns a key of which the first `partition` attributes are the partition key.
fn key_schema(key: &[(String, KeyType)], partition: usize) -> Vec<Value> {
    let role = |position: usize| if position < partition { "HASH" } else { "RANGE" };
    key.iter()
        .enumerate()
        .map(|(position, (name, _))| json!({ "AttributeName": name, "KeyType": role(position) }))
        .collect()
}

fn index(name: &str, index: &Index, capacity: &[(&'static str, Value)]) -> Value {
    let projection = match index.projection {
        Projection::All => json!({ "ProjectionType": "ALL" }),
        Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
        Projection::Include => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": index.attributes }),
    };
    let keys = key_schema(&index.key, index.partition);
    let mut out = json!({ "IndexName": name, "KeySchema": keys, "Projection": projection });
    for (name, throughput) in capacity {
        out[*name] = throughput.clone();
    }
    out
}
