//! Requests, beside those of the SDK.

use aws_sdk_dynamodb::types::AttributeValue;
use client::{Object, Service};
use serde_json::{Value, json};

use crate::server::{Seen, Server, answer};

/// Headers that say who has sent a request, and not what it is.
const OF_THE_SENDER: [&str; 6] =
    ["user-agent", "x-amz-user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "accept"];

/// Compares two requests in what a service reads of them.
fn assert_equal(own: &Seen, sdk: &Seen) {
    let line = |seen: &Seen| {
        let (path, query) = seen.line.split_once('?').unwrap_or((&seen.line, ""));
        // The SDK's own mark.
        let mut query: Vec<String> = query
            .split('&')
            .filter(|part| !part.is_empty() && !part.starts_with("x-id="))
            .map(str::to_owned)
            .collect();
        query.sort();
        (path.to_owned(), query)
    };
    assert_eq!(line(own), line(sdk));
    let headers = |seen: &Seen| {
        let mut headers = seen.headers.clone();
        headers.retain(|name, _| !OF_THE_SENDER.contains(&name.as_str()));
        let authorization = headers.remove("authorization").expect("a signature");
        // Key, day, Region and service; which headers are signed is the sender's choice.
        headers.insert("scope".into(), authorization.split(',').next().unwrap_or_default().to_owned());
        headers
    };
    assert_eq!(headers(own), headers(sdk));
    let body = |seen: &Seen| match seen.body.as_slice() {
        [] => Value::Null,
        body => serde_json::from_slice(body).expect("JSON"),
    };
    assert_eq!(body(own), body(sdk));
}

/// Makes both calls on one server, and compares them.
macro_rules! compare {
    ($answer:expr, $own:expr, $sdk:expr) => {{
        let server = Server::start(&[$answer]);
        let _ = $own(server.client()).await;
        let own = server.take();
        let _ = $sdk(server.sdk()).await;
        let sdk = server.take();
        assert_eq!((own.len(), sdk.len()), (1, 1));
        assert_equal(&own[0], &sdk[0]);
    }};
}

#[tokio::test]
async fn json_protocols_are_spoken_as_by_the_sdk() {
    compare!(
        answer(200, "", "{}"),
        async |client: client::Client| {
            let input = json!({ "TableName": "t", "Key": { "a": { "S": "x" } }, "ConsistentRead": true });
            client.json::<_, Value>(Service::DynamoDb, "GetItem", &input).await
        },
        async |config| {
            let call =
                aws_sdk_dynamodb::Client::new(&config).get_item().table_name("t").consistent_read(true);
            call.key("a", AttributeValue::S("x".into())).send().await
        }
    );
    compare!(
        answer(200, "", "{}"),
        async |client: client::Client| {
            let input = json!({ "QueueUrl": "https://sqs/q", "MessageBody": "b", "DelaySeconds": 3 });
            client.json::<_, Value>(Service::Sqs, "SendMessage", &input).await
        },
        async |config| {
            let call = aws_sdk_sqs::Client::new(&config).send_message().queue_url("https://sqs/q");
            call.message_body("b").delay_seconds(3).send().await
        }
    );
    compare!(
        answer(200, "", "{}"),
        async |client: client::Client| {
            let input = json!({ "Entries": [{ "Source": "s", "Detail": "{\"a\":1}" }] });
            client.json::<_, Value>(Service::EventBridge, "PutEvents", &input).await
        },
        async |config| {
            let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder();
            let entry = entry.source("s").detail("{\"a\":1}").build();
            aws_sdk_eventbridge::Client::new(&config).put_events().entries(entry).send().await
        }
    );
    compare!(
        answer(200, "", "{}"),
        async |client: client::Client| {
            client.json::<_, Value>(Service::Kms, "DescribeKey", &json!({ "KeyId": "k" })).await
        },
        async |config| aws_sdk_kms::Client::new(&config).describe_key().key_id("k").send().await
    );
    compare!(
        answer(200, "", "{}"),
        async |client: client::Client| {
            client.json::<_, Value>(Service::Ecs, "ListClusters", &json!({ "maxResults": 1 })).await
        },
        async |config| aws_sdk_ecs::Client::new(&config).list_clusters().max_results(1).send().await
    );
}

#[tokio::test]
async fn objects_are_requested_as_by_the_sdk() {
    for key in ["k", "a b/c+d.csv", "ä?&=%20.csv", "../x", "/", "a//b", "~_-.!*'()"] {
        let object = || Object {
            bucket: "a-bucket",
            key,
            query: vec![("versionId", "v 1+/=")],
            headers: vec![("if-match", "\"e\"".into()), ("range", "bytes=0-9".into())],
            ..Object::default()
        };
        compare!(
            answer(206, "Content-Range: bytes 0-0/1\r\n", "x"),
            async |client: client::Client| client.read(&object()).await,
            async |config| {
                let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
                let call = aws_sdk_s3::Client::from_conf(config).get_object().bucket("a-bucket").key(key);
                call.version_id("v 1+/=").if_match("\"e\"").range("bytes=0-9").send().await
            }
        );
    }
}
