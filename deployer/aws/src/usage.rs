//! What is in use of the quotas of an account, by all of its stacks. Each count stops after a number of calls, and says so.

use aws_sdk_eventbridge::types::Rule;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::error::{AwsError, AwsResult as _};
use crate::service_quotas::UsageMetric;
use crate::session::Session;
use crate::signed::{JsonService, call};

type Result<T> = std::result::Result<T, AwsError>;

/// CloudWatch has the JSON protocol beside others: its model in botocore, `protocols`.
const CLOUDWATCH: JsonService = JsonService {
    name: "monitoring",
    variable: "CLOUDWATCH",
    target: "GraniteServiceVersion20100801",
    version: "1.0",
};
/// Pages of lists that are read: tables have 100 a page and a quota of 2,500, rules 100 and 300, functions 50.
const PAGES: usize = 30;
/// Functions that are asked for their reservations.
const FUNCTIONS: usize = 200;
/// Calls at the same time, below the rates of Lambda's API: AWS Lambda Developer Guide, "Lambda quotas".
const PARALLEL: usize = 8;
/// Seconds of the metrics that are read, and of one point of them.
const WINDOW: u64 = 3_600;
const POINT: u64 = 60;

/// A number of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Those that were counted.
    pub count: usize,
    /// `true` if there are more, which were not counted.
    pub is_cut: bool,
}

/// Reserved concurrency of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The function.
    pub function: String,
    /// Name of the CloudFormation stack that it belongs to; `None` if it has no tag of one.
    pub stack: Option<String>,
    /// The executions that are reserved for it.
    pub reserved: i64,
}

/// The reservations of an account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Those that were found, the largest first.
    pub found: Vec<Reservation>,
    /// `true` if not all functions were asked.
    pub is_cut: bool,
}

/// Counts the tables of the account in the region.
///
/// # Errors
/// If a call fails.
pub async fn tables(session: &Session) -> Result<Counted> {
    let client = aws_sdk_dynamodb::Client::new(&session.config);
    let mut pages = client.list_tables().into_paginator().send();
    let mut counted = Counted { count: 0, is_cut: false };
    for _ in 0..PAGES {
        let Some(page) = pages.next().await else { return Ok(counted) };
        let page = page.aws("ListTables", format!("tables in {}", session.region))?;
        counted.count += page.table_names().len();
        if page.last_evaluated_table_name().is_none() {
            return Ok(counted);
        }
    }
    counted.is_cut = true;
    Ok(counted)
}

/// Counts the buckets of the account in all regions: one call answers with all, up to 10,000.
///
/// # Errors
/// If the call fails.
pub async fn buckets(session: &Session) -> Result<Counted> {
    let answer = aws_sdk_s3::Client::new(&session.config)
        .list_buckets()
        .max_buckets(10_000)
        .send()
        .await
        .aws("ListBuckets", "buckets of the account".to_owned())?;
    Ok(Counted { count: answer.buckets().len(), is_cut: answer.continuation_token().is_some() })
}

/// Counts the rules on an event bus of the account.
///
/// # Errors
/// If a call fails.
pub async fn rules(session: &Session, bus: &str) -> Result<Counted> {
    let client = aws_sdk_eventbridge::Client::new(&session.config);
    let mut counted = Counted { count: 0, is_cut: false };
    let mut token = None;
    for _ in 0..PAGES {
        let page = client.list_rules().event_bus_name(bus).limit(100).set_next_token(token).send().await;
        let page = page.aws("ListRules", format!("rules on the bus {bus}"))?;
        // Rules that AWS manages count too.
        counted.count += page.rules().iter().filter(|rule: &&Rule| rule.name().is_some()).count();
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(counted);
        }
    }
    counted.is_cut = true;
    Ok(counted)
}

/// Finds the functions that reserve `total` executions together, and their stacks. Nothing is asked if nothing is reserved, and
/// the search ends when all is found.
///
/// # Errors
/// If a call fails. A stack that may not be asked for is unknown.
pub async fn reservations(session: &Session, total: i64) -> Result<Reservations> {
    let mut out = Reservations::default();
    if total <= 0 {
        return Ok(out);
    }
    let client = &aws_sdk_lambda::Client::new(&session.config);
    let mut pages = client.list_functions().into_paginator().send();
    let (mut left, mut asked) = (total, 0);
    'pages: while let Some(page) = pages.next().await {
        let page = page.aws("ListFunctions", format!("functions in {}", session.region))?;
        let names: Vec<(String, String)> = page
            .functions()
            .iter()
            .filter_map(|one| Some((one.function_name()?.to_owned(), one.function_arn()?.to_owned())))
            .collect();
        for some in names.chunks(PARALLEL) {
            if asked >= FUNCTIONS {
                out.is_cut = true;
                break 'pages;
            }
            asked += some.len();
            let asking = some.iter().map(|(name, _)| reserved(client, name));
            let answers: Vec<Result<i64>> = stream::iter(asking).buffered(PARALLEL).collect().await;
            for ((function, arn), answer) in some.iter().zip(answers) {
                let reserved = answer?;
                if reserved > 0 {
                    left -= reserved;
                    let stack = stack_of(client, arn).await;
                    out.found.push(Reservation { function: function.clone(), stack, reserved });
                }
            }
            if left <= 0 {
                break 'pages;
            }
        }
    }
    out.found.sort_by(|a, b| b.reserved.cmp(&a.reserved).then_with(|| a.function.cmp(&b.function)));
    Ok(out)
}

/// Returns the executions that are reserved for a function, 0 for none.
async fn reserved(client: &aws_sdk_lambda::Client, function: &str) -> Result<i64> {
    let answer = client.get_function_concurrency().function_name(function).send().await;
    match answer.aws("GetFunctionConcurrency", format!("function {function}")) {
        // It was deleted since it was listed.
        Err(error) if error.is("ResourceNotFoundException") => Ok(0),
        answer => Ok(answer?.reserved_concurrent_executions().map_or(0, i64::from)),
    }
}

/// Returns the stack of a function by the tag that CloudFormation gives it.
async fn stack_of(client: &aws_sdk_lambda::Client, arn: &str) -> Option<String> {
    let answer = client.list_tags().resource(arn).send().await.ok()?;
    answer.tags()?.get("aws:cloudformation:stack-name").cloned()
}

/// Returns the largest value of the metric of a quota's use in the last hour; a sum as its rate in a second. `None` without
/// points: nothing was in use. `now` is the time in seconds since 1970.
///
/// # Errors
/// If the call fails.
pub async fn largest(session: &Session, usage: &UsageMetric, now: u64) -> Result<Option<f64>> {
    let input = json!({
        "StartTime": now.saturating_sub(WINDOW),
        "EndTime": now,
        "MetricDataQueries": [{
            "Id": "use",
            "MetricStat": { "Metric": usage.metric, "Period": POINT, "Stat": usage.statistic },
        }],
    });
    let resource = format!("metric {}", usage.metric["MetricName"].as_str().unwrap_or_default());
    let output = call(session, CLOUDWATCH, "GetMetricData", &resource, &input).await?;
    Ok(largest_of(&output, usage.statistic == "Sum"))
}

#[expect(clippy::cast_precision_loss, reason = "a minute")]
fn largest_of(output: &Value, is_sum: bool) -> Option<f64> {
    let values = output["MetricDataResults"][0]["Values"].as_array()?.iter().filter_map(Value::as_f64);
    let largest = values.reduce(f64::max)?;
    // To hundredths: more digits of a minute say nothing of a second.
    Some(if is_sum { (largest * 100.0 / POINT as f64).round() / 100.0 } else { largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_point_counts_and_a_sum_is_a_rate() {
        let output = json!({ "MetricDataResults": [{ "Id": "use", "Values": [60.0, 600.0, 6] }] });
        assert_eq!(largest_of(&output, false), Some(600.0));
        assert_eq!(largest_of(&output, true), Some(10.0));
        let uneven = json!({ "MetricDataResults": [{ "Values": [5.5] }] });
        assert_eq!(largest_of(&uneven, true), Some(0.09));
        assert_eq!(largest_of(&json!({ "MetricDataResults": [{ "Values": [] }] }), true), None);
        assert_eq!(largest_of(&json!([]), true), None);
    }
}
