//! Service Quotas: the values that apply to the account.

use serde_json::{Value, json};

use crate::error::AwsError;
use crate::session::Session;
use crate::signed::{JsonService, call};

const SERVICE: JsonService = JsonService {
    name: "servicequotas",
    variable: "SERVICE_QUOTAS",
    target: "ServiceQuotasV20190624",
    version: "1.1",
};

/// A quota, as Service Quotas names it: AWS General Reference, "Service endpoints and quotas" of each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Code of the service.
    pub service: &'static str,
    /// Code of the quota.
    pub code: &'static str,
    /// Name of the quota, for people.
    pub name: &'static str,
}

/// Calls of PutEvents a second.
pub const PUT_EVENTS: Quota = Quota {
    service: "events",
    code: "L-9B653E91",
    name: "PutEvents throttle limit in transactions per second",
};
/// Events that rules send to targets a second.
pub const INVOCATIONS: Quota = Quota {
    service: "events",
    code: "L-5540C5E3",
    name: "Invocations throttle limit in transactions per second",
};
/// Virtual CPUs of all Fargate tasks that run at the same time.
pub const FARGATE: Quota =
    Quota { service: "fargate", code: "L-3032A538", name: "Fargate On-Demand vCPU resource count" };
/// The same, of tasks on spare capacity.
pub const FARGATE_SPOT: Quota =
    Quota { service: "fargate", code: "L-36FBB829", name: "Fargate Spot vCPU resource count" };

/// Rules of the account on one event bus.
pub const RULES: Quota = Quota { service: "events", code: "L-244521F2", name: "Number of rules" };
/// Tables of the account in a region.
pub const TABLES: Quota = Quota { service: "dynamodb", code: "L-F98FE922", name: "Maximum number of tables" };
/// Buckets of the account in all regions.
pub const BUCKETS: Quota = Quota { service: "s3", code: "L-DC2B2D3D", name: "General purpose buckets" };

/// A metric of CloudWatch that shows what is in use of a quota.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageMetric {
    /// Its namespace, name and dimensions, as CloudWatch takes them.
    pub metric: Value,
    /// The statistic that AWS recommends.
    pub statistic: String,
}

/// A quota of the account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotaFacts {
    /// Its value; `None` if the account has none of its own, which means the default.
    pub value: Option<f64>,
    /// The metric of its use, if there is one.
    pub usage: Option<UsageMetric>,
}

/// Returns the value of a quota in the account and the region, and the metric of its use.
///
/// # Errors
/// If the call fails, or the answer has no value.
pub async fn facts(session: &Session, quota: Quota) -> Result<QuotaFacts, AwsError> {
    const OPERATION: &str = "GetServiceQuota";
    let resource = format!("quota {} of {}", quota.code, quota.service);
    let input = json!({ "ServiceCode": quota.service, "QuotaCode": quota.code });
    let output = match call(session, SERVICE, OPERATION, &resource, &input).await {
        Err(error) if error.is("NoSuchResourceException") => return Ok(QuotaFacts::default()),
        output => output?,
    };
    let value = output["Quota"]["Value"].as_f64().ok_or_else(|| AwsError {
        operation: OPERATION,
        resource,
        code: Some("InvalidAnswer".to_owned()),
        message: "the answer has no value".to_owned(),
    })?;
    Ok(QuotaFacts { value: Some(value), usage: usage(&output["Quota"]["UsageMetric"]) })
}

/// Reads the metric of a quota's use.
fn usage(found: &Value) -> Option<UsageMetric> {
    let text = |name: &str| found[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let dimension = |(name, value): (&String, &Value)| json!({ "Name": name, "Value": value });
    let dimensions: Vec<Value> =
        found["MetricDimensions"].as_object().into_iter().flatten().map(dimension).collect();
    let metric = json!({
        "Namespace": text("MetricNamespace")?, "MetricName": text("MetricName")?, "Dimensions": dimensions,
    });
    let statistic = text("MetricStatisticRecommendation").unwrap_or_else(|| "Maximum".to_owned());
    Some(UsageMetric { metric, statistic })
}
