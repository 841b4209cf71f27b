//! The state of resources outside of a stack, for [`deployer_plan::existing`]: one call for each, and further ones only
//! for what the stack needs.

use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType, SseType, TableDescription};
use aws_sdk_sqs::types::QueueAttributeName;
use deployer_plan::existing::{Facts, KeyAttributes, KeyFact, TableKeys};
use serde_json::{Value, json};

use crate::error::{AwsError, AwsResult as _, of_sdk};
use crate::pause::Pause;
use crate::session::Session;
use crate::signed::{self, JsonService};

type Result<T> = std::result::Result<T, AwsError>;

/// AWS KMS, by its JSON protocol.
const KMS: JsonService = JsonService { name: "kms", variable: "KMS", target: "TrentService", version: "1.1" };

/// Codes for a resource that does not exist.
const MISSING: [&str; 7] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "ClusterNotFoundException",
];

/// Number of times that a call without the SDK is made; the SDK repeats its own.
const ATTEMPTS: usize = 3;

/// Makes a call again while its error may pass by itself.
async fn patiently<T>(call: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut pause = Pause::new();
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(error) if error.is_transient() => pause.wait().await,
            ended => return ended,
        }
    }
    call().await
}

/// Turns the error for a resource that doesn't exist into a fact.
fn or_missing(facts: Result<Facts>) -> Result<Facts> {
    match facts {
        Err(error) if MISSING.iter().any(|code| error.is(code)) => Ok(Facts::Missing),
        facts => facts,
    }
}

/// Returns the state of a bucket. With `events`, asks whether it sends its events to EventBridge; with `policy`, for its
/// policy.
///
/// # Errors
/// If a call fails.
pub async fn bucket(session: &Session, name: &str, events: bool, policy: bool) -> Result<Facts> {
    let resource = format!("bucket {name}");
    let client = session.s3();
    let region = match client.head_bucket().bucket(name).send().await {
        Ok(found) => found.bucket_region().unwrap_or(&session.region).to_owned(),
        Err(error) => {
            let answer = error.raw_response();
            let region = answer.and_then(|one| one.headers().get("x-amz-bucket-region")).map(str::to_owned);
            match (answer.map(|one| one.status().as_u16()), region) {
                (Some(404), _) => return Ok(Facts::Missing),
                // A bucket of another region answers nothing else here.
                (Some(301 | 400), Some(region)) if region != session.region => region,
                (Some(403), _) => {
                    let denied = of_sdk("HeadBucket", resource, &error);
                    return Err(AwsError { code: Some("AccessDenied".to_owned()), ..denied });
                }
                _ => return Err(of_sdk("HeadBucket", resource, &error)),
            }
        }
    };
    if region != session.region {
        return Ok(Facts::Bucket { region, key: KeyFact::OfAws, event_bridge: None, policy: None });
    }
    let of_events = async {
        if !events {
            return Ok(None);
        }
        let found = client.get_bucket_notification_configuration().bucket(name).send().await;
        let found = found.aws("GetBucketNotificationConfiguration", resource.clone())?;
        Ok(Some(found.event_bridge_configuration().is_some()))
    };
    let of_policy = async {
        if !policy {
            return Ok(None);
        }
        let found = client.get_bucket_policy().bucket(name).send().await;
        match found.aws("GetBucketPolicy", resource.clone()) {
            Err(error) if error.is("NoSuchBucketPolicy") => Ok(None),
            found => Ok(document(found?.policy())),
        }
    };
    let of_key = async {
        let found = client.get_bucket_encryption().bucket(name).send().await;
        let found = match found.aws("GetBucketEncryption", resource.clone()) {
            Err(error) if error.is("ServerSideEncryptionConfigurationNotFoundError") => return Ok(None),
            found => found?,
        };
        let rules = found.server_side_encryption_configuration().map(|one| one.rules()).unwrap_or_default();
        let mut keys = rules.iter().filter_map(|rule| {
            rule.apply_server_side_encryption_by_default()?.kms_master_key_id().map(str::to_owned)
        });
        Ok(keys.next())
    };
    let (event_bridge, policy, key) = tokio::try_join!(of_events, of_policy, of_key)?;
    Ok(Facts::Bucket { region, key: own_key(session, key).await?, event_bridge, policy })
}

/// Returns the state of a table.
///
/// # Errors
/// If a call fails.
pub async fn table(session: &Session, name: &str) -> Result<Facts> {
    let call = aws_sdk_dynamodb::Client::new(&session.config).describe_table().table_name(name);
    let found = async {
        let answer = call.send().await.aws("DescribeTable", format!("table {name}"))?;
        let Some(table) = answer.table() else { return Ok(Facts::Missing) };
        let encryption = table.sse_description().filter(|one| one.sse_type() == Some(&SseType::Kms));
        let key = encryption.and_then(|one| one.kms_master_key_arn()).map(str::to_owned);
        Ok(Facts::Table {
            status: table.table_status().map_or_else(String::new, |one| one.as_str().to_owned()),
            keys: table_keys(table),
            key: own_key(session, key).await?,
        })
    };
    or_missing(found.await)
}

fn table_keys(table: &TableDescription) -> TableKeys {
    let attributes = |schema: &[KeySchemaElement], kind: &KeyType| {
        let names = schema.iter().filter(|one| one.key_type() == kind).map(KeySchemaElement::attribute_name);
        let typed = names.map(|name| {
            let definition = table.attribute_definitions().iter().find(|one| one.attribute_name() == name);
            (name.to_owned(), definition.map_or("", |one| one.attribute_type().as_str()).to_owned())
        });
        typed.collect()
    };
    let key = |schema: &[KeySchemaElement]| KeyAttributes {
        partition: attributes(schema, &KeyType::Hash),
        sort: attributes(schema, &KeyType::Range),
    };
    let indexes = table.global_secondary_indexes().iter();
    TableKeys {
        key: key(table.key_schema()),
        indexes: indexes
            .filter_map(|one| Some((one.index_name()?.to_owned(), key(one.key_schema()))))
            .collect(),
    }
}

/// Returns the state of a queue.
///
/// # Errors
/// If a call fails.
pub async fn queue(session: &Session, url: &str) -> Result<Facts> {
    let names = [
        QueueAttributeName::KmsMasterKeyId,
        QueueAttributeName::Policy,
        QueueAttributeName::RedrivePolicy,
        QueueAttributeName::VisibilityTimeout,
    ];
    let call = aws_sdk_sqs::Client::new(&session.config)
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()));
    let found = async {
        let answer = call.send().await.aws("GetQueueAttributes", format!("queue {url}"))?;
        let text = |name: &QueueAttributeName| answer.attributes().and_then(|all| all.get(name)).cloned();
        let redrive = document(text(&QueueAttributeName::RedrivePolicy).as_deref()).unwrap_or_default();
        // SQS returns the count as a number, whether it was given as one or as a text.
        let count = &redrive["maxReceiveCount"];
        let visibility = text(&QueueAttributeName::VisibilityTimeout).and_then(|text| text.parse().ok());
        Ok(Facts::Queue {
            visibility_timeout: visibility.unwrap_or_default(),
            receives: count.as_i64().or_else(|| count.as_str()?.parse().ok()),
            key: own_key(session, text(&QueueAttributeName::KmsMasterKeyId)).await?,
            policy: document(text(&QueueAttributeName::Policy).as_deref()),
        })
    };
    or_missing(found.await)
}

/// Returns the state of a topic.
///
/// # Errors
/// If a call fails.
pub async fn topic(session: &Session, arn: &str) -> Result<Facts> {
    let found = async {
        let input = [("Version", "2010-03-31"), ("TopicArn", arn)];
        let resource = format!("topic {arn}");
        let call =
            async || signed::query(session, ("sns", "SNS"), "GetTopicAttributes", &resource, &input).await;
        let answer = patiently(call).await?;
        let key = answer.entry("KmsMasterKeyId");
        Ok(Facts::Topic {
            key: own_key(session, key).await?,
            policy: document(answer.entry("Policy").as_deref()),
        })
    };
    or_missing(found.await)
}

/// Returns the state of a key. With `policy`, asks for its policy.
///
/// # Errors
/// If a call fails.
pub async fn key(session: &Session, id: &str, policy: bool) -> Result<Facts> {
    let of_policy = async {
        let input = json!({ "KeyId": id, "PolicyName": "default" });
        match policy {
            true => of_key(session, "GetKeyPolicy", id, &input).await.map(Some),
            false => Ok(None),
        }
    };
    let found = async {
        let (key, policy) = tokio::try_join!(describe_key(session, id), of_policy)?;
        Ok(Facts::Key {
            state: key["KeyState"].as_str().unwrap_or_default().to_owned(),
            of_aws: is_of_aws(&key),
            policy: policy.and_then(|found| document(found["Policy"].as_str())),
        })
    };
    or_missing(found.await)
}

async fn describe_key(session: &Session, id: &str) -> Result<Value> {
    let mut answer = of_key(session, "DescribeKey", id, &json!({ "KeyId": id })).await?;
    Ok(answer["KeyMetadata"].take())
}

/// Calls an operation of KMS about a key.
async fn of_key(session: &Session, operation: &'static str, id: &str, input: &Value) -> Result<Value> {
    let resource = format!("key {id}");
    patiently(async || signed::call(session, KMS, operation, &resource, input).await).await
}

fn is_of_aws(key: &Value) -> bool {
    key["KeyManager"] == "AWS"
}

/// Returns the state of a cluster.
///
/// # Errors
/// If the call fails.
pub async fn cluster(session: &Session, name: &str) -> Result<Facts> {
    let call = aws_sdk_ecs::Client::new(&session.config).describe_clusters().clusters(name);
    let answer = call.send().await.aws("DescribeClusters", format!("cluster {name}"))?;
    let Some(found) = answer.clusters().first() else { return Ok(Facts::Missing) };
    Ok(Facts::Cluster {
        status: found.status().unwrap_or_default().to_owned(),
        providers: found.capacity_providers().to_vec(),
    })
}

/// Returns whose key it is that a service names by its ID, its ARN or an alias.
async fn own_key(session: &Session, key: Option<String>) -> Result<KeyFact> {
    let Some(key) = key.filter(|key| !key.contains("alias/aws/")) else { return Ok(KeyFact::OfAws) };
    match describe_key(session, &key).await {
        Ok(found) if is_of_aws(&found) => Ok(KeyFact::OfAws),
        Ok(found) => Ok(KeyFact::Own(found["Arn"].as_str().map_or(key, str::to_owned))),
        Err(error) if error.is_denied() => Ok(KeyFact::Unknown),
        // A key that was deleted is one that nobody can use.
        Err(error) if MISSING.iter().any(|code| error.is(code)) => Ok(KeyFact::Own(key)),
        Err(error) => Err(error),
    }
}

/// Parses the JSON of a policy.
fn document(text: Option<&str>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_made_again_while_its_error_may_pass() {
        let error = |code: &str| AwsError {
            operation: "DescribeKey",
            resource: "key".to_owned(),
            code: Some(code.to_owned()),
            message: String::new(),
        };
        for (code, times) in [("ThrottlingException", ATTEMPTS), ("NotFoundException", 1)] {
            let made = std::cell::Cell::new(0);
            let ended = patiently(async || {
                made.set(made.get() + 1);
                Err::<(), _>(error(code))
            });
            assert!(ended.await.expect_err("an error").is(code));
            assert_eq!(made.get(), times, "{code}");
        }
    }
}
