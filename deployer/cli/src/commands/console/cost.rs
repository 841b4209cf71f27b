//! What the calls of a console cost.

use deployer_aws::budget::{Budget, Used};
use deployer_console::model;
use deployer_plan::prices::{Item, Price, prices};

/// Bytes of a read unit of a table: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations".
const READ_UNIT: f64 = 4_096.0;
/// Minutes of an hour.
const MINUTES: f64 = 60.0;

/// Returns what is shown of a budget.
pub fn shown(budget: &Budget, is_local: bool) -> model::Budget {
    let used = budget.used();
    let cost_per_hour_usd = if is_local { 0.0 } else { of_minute(&used) * MINUTES };
    model::Budget {
        calls_per_minute: budget.per_minute(),
        used_last_minute: u32::try_from(used.last_minute()).unwrap_or(u32::MAX),
        cost_per_hour_usd,
        calls: used.calls,
    }
}

/// Returns the dollars that the calls of the last minute cost. Calls of CloudFormation, ECS, STS and Lambda's control plane,
/// and reads of CloudWatch Logs, cost nothing. What a table has read for an answer is not less than a unit, and about the size
/// of the answer.
fn of_minute(used: &Used) -> f64 {
    let price = |item: Item| prices().get(item).map_or(0.0, Price::each);
    used.recent
        .iter()
        .map(|(operation, recent)| {
            #[expect(clippy::cast_precision_loss, reason = "shown to people")]
            let (calls, bytes) = (recent.calls as f64, recent.bytes as f64);
            match operation.split_once('.').unwrap_or_default() {
                ("SQS", _) => calls * price(Item::QueueRequest),
                ("DynamoDB", "DescribeTable") => 0.0,
                ("DynamoDB", _) => (bytes / READ_UNIT).max(calls) * price(Item::TableRead),
                ("S3", "PutObject" | "ListObjectsV2" | "ListObjectVersions") => {
                    calls * price(Item::ObjectWrite)
                }
                ("S3", _) => calls * price(Item::ObjectRead),
                ("KMS", _) => calls * price(Item::KeyRequest),
                _ => 0.0,
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use deployer_aws::budget::Recent;

    use super::*;

    #[test]
    fn calls_cost_what_the_table_of_prices_says() {
        let mut used = Used::default();
        for free in ["CloudFormation.DescribeStacks", "ECS.ListTasks", "CloudWatchLogs.FilterLogEvents"] {
            used.recent.insert(free.to_owned(), Recent { calls: 1_000, bytes: 1_000_000 });
        }
        assert!(of_minute(&used) <= 0.0);
        used.recent.insert("SQS.GetQueueAttributes".to_owned(), Recent { calls: 1_000_000, bytes: 0 });
        assert!((of_minute(&used) - 0.4).abs() < 1e-9, "{}", of_minute(&used));
        used.recent.clear();
        used.recent.insert("DynamoDB.Scan".to_owned(), Recent { calls: 2, bytes: 4_096 * 1_000_000 });
        let scanned = of_minute(&used);
        used.recent.insert("DynamoDB.Scan".to_owned(), Recent { calls: 1_000_000, bytes: 0 });
        assert!(scanned > 0.0 && (of_minute(&used) - scanned).abs() < 1e-9);
    }
}
