//! The functions' traits by the AWS SDK.

mod objects;

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, KeyValuePair,
    LaunchType, NetworkConfiguration, PropagateTags, TaskOverride,
};
use contract::environment::{
    ASSIGNMENT, OBJECT, STARTED_BY, TASK_CLUSTER, TASK_CONTAINER, TASK_DEFINITION, TASK_PUBLIC_IP,
    TASK_SECURITY_GROUPS, TASK_SPOT, TASK_SUBNETS, VariableError, Variables,
};
use contract::settings::VERSION_ATTRIBUTE;
use contract::{Assignment, ObjectRef};
use runtime::{CallError, call_error};
use serde_json::{Map, Value as Json};
use transform::event::read_event_json;
use transform::{Number, Value};

use crate::extract::{Delay, StartError, Tasks};
use crate::item::Item;
use crate::load::{Table, WriteError};
use crate::messages::QueueOrigin;

pub use objects::S3;

/// The settings of the task: how and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSettings {
    cluster: String,
    definition: String,
    container: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    public_ip: AssignPublicIp,
    spot: bool,
}

impl TaskSettings {
    /// Reads the `TASK_…` variables.
    ///
    /// # Errors
    /// [`VariableError`] for the first one that is missing or wrong.
    pub fn read<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, VariableError> {
        let public_ip = match variables.required(TASK_PUBLIC_IP)?.as_str() {
            "ENABLED" => AssignPublicIp::Enabled,
            "DISABLED" => AssignPublicIp::Disabled,
            _ => {
                let expected = "`ENABLED` or `DISABLED`".into();
                return Err(VariableError::Invalid { name: TASK_PUBLIC_IP, expected });
            }
        };
        Ok(Self {
            cluster: variables.required(TASK_CLUSTER)?,
            definition: variables.required(TASK_DEFINITION)?,
            container: variables.required(TASK_CONTAINER)?,
            subnets: variables.list(TASK_SUBNETS)?,
            security_groups: variables.list(TASK_SECURITY_GROUPS)?,
            public_ip,
            spot: variables.optional(TASK_SPOT).is_some_and(|spot| spot == "ENABLED"),
        })
    }
}

/// [`Tasks`] by ECS, on Fargate.
#[derive(Debug)]
pub struct Fargate {
    client: aws_sdk_ecs::Client,
    settings: TaskSettings,
}

impl Fargate {
    /// Creates a client that starts tasks with `settings`.
    #[must_use]
    pub const fn new(client: aws_sdk_ecs::Client, settings: TaskSettings) -> Self {
        Self { client, settings }
    }
}

impl Tasks for Fargate {
    async fn start(
        &self,
        object: &ObjectRef,
        assignment: &Assignment,
        token: &str,
    ) -> Result<String, StartError> {
        let construction = |_| StartError::Call("ConstructionFailure".into());
        let settings = &self.settings;
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(settings.subnets.clone()))
            .set_security_groups(Some(settings.security_groups.clone()))
            .assign_public_ip(settings.public_ip.clone())
            .build()
            .map_err(construction)?;
        let text = |json: serde_json::Result<String>| {
            json.map_err(|_| StartError::Call("ConstructionFailure".into()))
        };
        let object = text(serde_json::to_string(object))?;
        // A task without an assignment reads the whole object.
        let assignment = (*assignment != Assignment::default())
            .then(|| text(serde_json::to_string(assignment)))
            .transpose()?
            .map(|assignment| KeyValuePair::builder().name(ASSIGNMENT).value(assignment).build());
        let object = KeyValuePair::builder().name(OBJECT).value(object).build();
        let environment = std::iter::once(object).chain(assignment).collect();
        let container =
            ContainerOverride::builder().name(&settings.container).set_environment(Some(environment)).build();
        // ECS takes either a launch type or a strategy.
        let spot = settings
            .spot
            .then(|| {
                CapacityProviderStrategyItem::builder().capacity_provider("FARGATE_SPOT").weight(1).build()
            })
            .transpose()
            .map_err(construction)?
            .map(|item| vec![item]);
        let answer = self
            .client
            .run_task()
            .cluster(&settings.cluster)
            .task_definition(&settings.definition)
            .set_launch_type((!settings.spot).then_some(LaunchType::Fargate))
            .set_capacity_provider_strategy(spot)
            .platform_version("LATEST")
            .count(1)
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .overrides(TaskOverride::builder().container_overrides(container).build())
            .propagate_tags(PropagateTags::TaskDefinition)
            .started_by(STARTED_BY)
            .client_token(token)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let reasons: Vec<&str> =
                    answer.failures().iter().map(|failure| failure.reason().unwrap_or("unknown")).collect();
                let task = answer.tasks().iter().find_map(|task| task.task_arn());
                match task {
                    Some(task) if reasons.is_empty() => Ok(task.to_owned()),
                    _ if reasons.is_empty() => {
                        Err(StartError::NotPlaced("neither a task nor a reason".into()))
                    }
                    _ => Err(StartError::NotPlaced(reasons.join(", "))),
                }
            }
            Err(error) => {
                // The same token with other parameters, after a deployment between two deliveries: the task runs.
                let conflict = error.as_service_error().and_then(|error| match error {
                    aws_sdk_ecs::operation::run_task::RunTaskError::ConflictException(conflict) => {
                        conflict.resource_ids().first().cloned()
                    }
                    _ => None,
                });
                // ECS's words are often the only hint at the role or the setting that is wrong. They contain no row.
                conflict.ok_or_else(|| {
                    let error = call_error(&error);
                    StartError::Call(if error.message.is_empty() { error.code } else { error.to_string() })
                })
            }
        }
    }
}

/// [`Delay`] by SQS.
#[derive(Debug)]
pub struct Queues(aws_sdk_sqs::Client);

impl Queues {
    /// Creates a client for the queues of `client`'s account.
    #[must_use]
    pub const fn new(client: aws_sdk_sqs::Client) -> Self {
        Self(client)
    }
}

impl Delay for Queues {
    async fn delay(&self, message: &QueueOrigin, seconds: i32) -> Result<(), String> {
        let url = queue_url(&message.arn).ok_or("UnknownQueue")?;
        self.0
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(&message.receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map(drop)
            .map_err(|error| call_error(&error).code)
    }

    async fn send_later(&self, message: &QueueOrigin, body: &str, seconds: i32) -> Result<(), String> {
        let url = queue_url(&message.arn).ok_or("UnknownQueue")?;
        self.0
            .send_message()
            .queue_url(url)
            .message_body(body)
            .delay_seconds(seconds)
            .send()
            .await
            .map(drop)
            .map_err(|error| call_error(&error).code)
    }
}

/// Returns the queue's URL, from its ARN. A request to SQS would need one more permission and one more call for the
/// same.
fn queue_url(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (Some("arn"), Some(partition), Some("sqs"), Some(region), Some(account), Some(name), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("https://sqs.{region}.{suffix}/{account}/{name}"))
}

/// [`Table`] by DynamoDB.
#[derive(Debug)]
pub struct Dynamo {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Dynamo {
    /// Creates a client that writes into the table named `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl Table for Dynamo {
    async fn write(&self, items: &[&Item]) -> Result<Vec<usize>, WriteError> {
        let requests = items
            .iter()
            .map(|item| {
                let put = PutRequest::builder().set_item(Some(attributes(&item.attributes))).build();
                put.map(|put| WriteRequest::builder().put_request(put).build())
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| WriteError::Invalid)?;
        let answer = self
            .client
            .batch_write_item()
            .request_items(&self.table, requests)
            .send()
            .await
            .map_err(|error| write_error(&call_error(&error)))?;
        let left: Vec<&WriteRequest> =
            answer.unprocessed_items().map(|tables| tables.values().flatten().collect()).unwrap_or_default();
        Ok(unprocessed(items, &left))
    }

    async fn put(&self, item: &Item) -> Result<(), WriteError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes(&item.attributes)))
            .send()
            .await
            .map(drop)
            .map_err(|error| write_error(&call_error(&error)))
    }

    async fn put_newest(&self, item: &Item) -> Result<Option<String>, WriteError> {
        let version = item.attributes.get(VERSION_ATTRIBUTE).map(written).ok_or(WriteError::Invalid)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes(&item.attributes)))
            .condition_expression("attribute_not_exists(#version) OR #version <= :version")
            .expression_attribute_names("#version", VERSION_ATTRIBUTE)
            .expression_attribute_values(":version", version)
            // The other item costs nothing more.
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.attributes().and_then(version_of)),
            // An item that is not written because a newer one is there is as good as written and replaced.
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(newer)) => {
                    Ok(newer.item().and_then(version_of))
                }
                _ => Err(write_error(&call_error(&error))),
            },
        }
    }
}

/// Returns the row that an item comes from.
fn version_of(item: &HashMap<String, AttributeValue>) -> Option<String> {
    item.get(VERSION_ATTRIBUTE)?.as_s().ok().cloned()
}

fn write_error(error: &CallError) -> WriteError {
    match error.code.as_str() {
        "ValidationException" => WriteError::Invalid,
        code => WriteError::Call { code: code.to_owned(), retryable: error.retryable },
    }
}

/// Returns the positions of the items that these requests were made of.
fn unprocessed(items: &[&Item], left: &[&WriteRequest]) -> Vec<usize> {
    let position = |request: &WriteRequest| {
        let returned = request.put_request()?.item();
        items
            .iter()
            .position(|item| item.key.iter().all(|(name, value)| returned.get(name) == Some(&written(value))))
    };
    // A request that matches none of the items must be one of them all the same: write all again, rather than report
    // one as loaded that isn't.
    let positions: Option<Vec<usize>> = left.iter().map(|request| position(request)).collect();
    positions.unwrap_or_else(|| (0..items.len()).collect())
}

///
/// [`Item::new`] has found that there is a value for each.
fn attributes(map: &Map<String, Json>) -> HashMap<String, AttributeValue> {
    map.iter().map(|(name, value)| (name.clone(), written(value))).collect()
}

/// Returns the attribute that a value of an event is written as.
fn written(value: &Json) -> AttributeValue {
    attribute(read_event_json(value).unwrap_or(Value::Null))
}

/// Converts a value into the SDK's type.
fn attribute(value: Value<'_>) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Boolean(value) => AttributeValue::Bool(value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Text(text) => AttributeValue::S(text.into_owned()),
        Value::Binary(bytes) => AttributeValue::B(Blob::new(bytes)),
        Value::TextSet(set) => AttributeValue::Ss(set.into_iter().map(Cow::into_owned).collect()),
        Value::NumberSet(set) => AttributeValue::Ns(set.iter().map(Number::to_string).collect()),
        Value::BinarySet(set) => AttributeValue::Bs(set.into_iter().map(Blob::new).collect()),
        Value::List(values) => AttributeValue::L(values.into_iter().map(attribute).collect()),
        Value::Map(entries) => AttributeValue::M(
            entries.into_iter().map(|(name, value)| (name.into_owned(), attribute(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(id: &str) -> Item {
        let map = Map::from_iter([("id".to_owned(), json!(id)), ("v".to_owned(), json!(1))]);
        Item::new(map, &["id".to_owned()]).expect("an item")
    }

    fn request(item: &Item) -> WriteRequest {
        let put =
            PutRequest::builder().set_item(Some(attributes(&item.attributes))).build().expect("a request");
        WriteRequest::builder().put_request(put).build()
    }

    #[test]
    fn every_kind_of_value_has_its_type() {
        let value = json!({
            "s": "x", "n": { "N": "1.5" }, "b": { "BOOL": true }, "z": { "NULL": true }, "y": { "B": "AA==" },
            "ss": { "SS": ["x"] }, "ns": { "NS": ["1"] }, "bs": { "BS": ["AA=="] }, "l": ["x"],
        });
        assert_eq!(
            attribute(read_event_json(&value).expect("a value")),
            AttributeValue::M(HashMap::from([
                ("s".into(), AttributeValue::S("x".into())),
                ("n".into(), AttributeValue::N("1.5".into())),
                ("b".into(), AttributeValue::Bool(true)),
                ("z".into(), AttributeValue::Null(true)),
                ("y".into(), AttributeValue::B(Blob::new([0]))),
                ("ss".into(), AttributeValue::Ss(vec!["x".into()])),
                ("ns".into(), AttributeValue::Ns(vec!["1".into()])),
                ("bs".into(), AttributeValue::Bs(vec![Blob::new([0])])),
                ("l".into(), AttributeValue::L(vec![AttributeValue::S("x".into())])),
            ]))
        );
    }

    #[test]
    fn unprocessed_requests_are_found_by_key() {
        let (a, b, c, stranger) = (item("a"), item("b"), item("c"), item("x"));
        let items = [&a, &b, &c];
        assert!(unprocessed(&items, &[]).is_empty());
        assert_eq!(unprocessed(&items, &[&request(&c), &request(&a)]), [2, 0]);
        assert_eq!(unprocessed(&items, &[&request(&stranger)]), [0, 1, 2]);
        assert_eq!(unprocessed(&items, &[&WriteRequest::builder().build()]), [0, 1, 2]);
    }

    #[test]
    fn a_queue_is_found_by_its_arn() {
        assert_eq!(
            queue_url("arn:aws:sqs:eu-west-1:123456789012:uploads").as_deref(),
            Some("https://sqs.eu-west-1.amazonaws.com/123456789012/uploads")
        );
        assert_eq!(
            queue_url("arn:aws-cn:sqs:cn-north-1:1:q").as_deref(),
            Some("https://sqs.cn-north-1.amazonaws.com.cn/1/q")
        );
        for bad in ["", "arn:aws:sns:r:1:q", "arn:aws:sqs:r:1", "arn:aws:sqs:r:1:q:x"] {
            assert_eq!(queue_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn task_settings_come_from_the_environment() {
        let read = |public: &'static str, without: &'static str| {
            TaskSettings::read(&Variables::new(move |name| match name {
                name if name == without => None,
                TASK_PUBLIC_IP => Some(public.to_owned()),
                TASK_SUBNETS => Some("s1,s2".to_owned()),
                name => Some(name.to_lowercase()),
            }))
        };
        let settings = read("ENABLED", "").expect("complete");
        assert_eq!((settings.public_ip, settings.subnets.len()), (AssignPublicIp::Enabled, 2));
        assert!(!settings.spot, "only `ENABLED` is spare capacity");
        assert!(read("yes", "").expect_err("neither").to_string().contains(TASK_PUBLIC_IP));
        for name in [
            TASK_CLUSTER,
            TASK_DEFINITION,
            TASK_CONTAINER,
            TASK_SUBNETS,
            TASK_SECURITY_GROUPS,
            TASK_PUBLIC_IP,
        ] {
            assert_eq!(
                read("ENABLED", name).expect_err(name).to_string(),
                format!("the environment variable `{name}` is missing")
            );
        }
    }

    #[test]
    fn only_a_validation_error_makes_items_invalid() {
        let error =
            |code: &str| write_error(&CallError { code: code.into(), message: "v".into(), retryable: true });
        assert_eq!(error("ValidationException"), WriteError::Invalid);
        assert_eq!(error("Timeout"), WriteError::Call { code: "Timeout".into(), retryable: true });
    }
}
