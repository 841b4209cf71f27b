//! Metrics about files at their end, as lines of the log in CloudWatch's embedded metric format.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::{SystemTime, UNIX_EPOCH};

use contract::event::ObjectOutcome;
use contract::metrics::{DIMENSION, FAILED_ROWS, FILES, METRICS, NAMESPACE, ROWS};
use serde_json::{Value, json};

/// Returns the line about a file, which `function` has seen at its end.
pub(super) fn line(function: &str, key: &str, outcome: &ObjectOutcome) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let value = |name: &str| match name {
        FILES => Some(1),
        ROWS => Some(outcome.rows),
        FAILED_ROWS => Some(outcome.failed),
        _ => outcome.seconds,
    };
    let known: Vec<(&str, &str, u64)> =
        METRICS.into_iter().filter_map(|(name, unit)| Some((name, unit, value(name)?))).collect();
    let metrics: Vec<Value> =
        known.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": u64::try_from(now.as_millis()).unwrap_or_default(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics }],
        },
        DIMENSION: function,
        "level": "INFO",
        "message": "metrics",
        "key": key,
        "attempt": outcome.attempt,
    });
    for (name, _, value) in known {
        line[name] = json!(value);
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_a_value() {
        for (seconds, count) in [(Some(74), 4), (None, 3)] {
            let outcome =
                ObjectOutcome { rows: 5, failed: 2, seconds, attempt: 1, ..ObjectOutcome::default() };
            let line: Value = serde_json::from_str(&line("f", "k.csv", &outcome)).expect("JSON");
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            let metrics = directive["Metrics"].as_array().expect("metrics");
            assert_eq!(metrics.len(), count);
            for metric in metrics {
                assert!(line[metric["Name"].as_str().expect("a name")].is_u64(), "{line}");
            }
            assert_eq!(
                (&line["Rows"], &line["FailedRows"], &line["Function"]),
                (&json!(5), &json!(2), &json!("f"))
            );
            assert_eq!(directive["Dimensions"], json!([["Function"]]));
            assert!(line["_aws"]["Timestamp"].as_u64() > Some(1_700_000_000_000));
        }
    }
}
