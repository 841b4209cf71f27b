//! The cost of a resource that stays in the account without its stack: what it costs while idle, and its storage.

use serde_json::Value;

use super::idle;
use crate::prices::{Item, prices};

/// Bytes of a GB of storage: AWS bills S3, DynamoDB and CloudWatch Logs by 2^30 bytes.
const GB: f64 = (1_u64 << 30) as f64;

/// Returns the dollars a month of a resource of a template, rounded to cents; `None` if a part of them is not known.
/// `bytes` is the data in it.
#[must_use]
pub fn month(template: &Value, id: &str, bytes: Option<u64>) -> Option<f64> {
    let resource = &template["Resources"][id];
    let (_, idle) = idle::of_template(template).into_iter().find(|(known, _)| known == id)?;
    let price = |item: Item| prices().get(item).map(crate::prices::Price::each);
    let mut a_gb = 0.0;
    match resource["Type"].as_str()? {
        "AWS::S3::Bucket" => a_gb += price(Item::ObjectStoredGb)?,
        "AWS::Logs::LogGroup" => a_gb += price(Item::LogsStoredGb)?,
        "AWS::DynamoDB::Table" => {
            let properties = &resource["Properties"];
            // The class for rarely read items has another price.
            if !properties["TableClass"].is_null() && properties["TableClass"] != "STANDARD" {
                return None;
            }
            a_gb += price(Item::TableStoredGb)?;
            if properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true {
                a_gb += price(Item::TableRecoveryGb)?;
            }
        }
        // Its data costs nothing, or has no size.
        _ => return Some(idle::cents(idle?.dollars)),
    }
    Some(idle::cents(idle?.dollars + a_gb * bytes? as f64 / GB))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_kept_costs_its_capacity_and_its_storage() {
        let template = json!({ "Resources": {
            "Key": { "Type": "AWS::KMS::Key" },
            "Landing": { "Type": "AWS::S3::Bucket" },
            "Items": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
            } },
            "Ready": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "ProvisionedThroughput": { "ReadCapacityUnits": 10, "WriteCapacityUnits": 10 },
            } },
            "Rare": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST", "TableClass": "STANDARD_INFREQUENT_ACCESS",
            } },
            "Logs": { "Type": "AWS::Logs::LogGroup" },
            "Other": { "Type": "AWS::WAFv2::WebACL" },
        } });
        let gb = |count: u64| Some(count << 30);
        for (id, bytes, dollars) in [
            ("Key", None, Some(1.0)),
            ("Landing", gb(100), Some(2.3)),
            ("Landing", Some(0), Some(0.0)),
            ("Landing", None, None),
            ("Items", gb(10), Some(4.5)),
            ("Ready", Some(0), Some(5.69)),
            ("Rare", gb(1), None),
            ("Logs", gb(10), Some(0.3)),
            ("Other", None, None),
            ("Missing", None, None),
        ] {
            assert_eq!(month(&template, id, bytes), dollars, "{id}");
        }
    }
}
