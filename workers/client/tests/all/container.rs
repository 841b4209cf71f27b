//! The credentials of a container.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::{Client, Service};
use contract::environment::Variables;
use serde_json::{Value, json};

use crate::server::{Answer, Seen, Server, answer};

/// Returns credentials that last so many seconds.
fn credentials(id: &str, seconds: u64) -> Answer {
    let until = SystemTime::now() + Duration::from_secs(seconds);
    let until = until.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let until = aws_sdk_s3::primitives::DateTime::from_secs(i64::try_from(until).expect("small"));
    let until = until.fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime).expect("a time");
    let body = json!({ "AccessKeyId": id, "SecretAccessKey": "s", "Token": format!("token of {id}"), "Expiration": until });
    answer(200, "", &body.to_string())
}

fn client(service: &Server, container: &Server, more: &[(&'static str, String)]) -> Client {
    let mut known = vec![
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_ENDPOINT_URL", service.url.clone()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds?a=b", container.url)),
    ];
    known.extend_from_slice(more);
    Client::from_environment(&Variables::new(move |name| {
        known.iter().find_map(|(known, value)| (*known == name).then(|| value.clone()))
    }))
    .expect("a client")
}

async fn call(client: &Client) -> Result<Value, client::Failure> {
    client.json(Service::EventBridge, "PutEvents", &json!({})).await
}

fn keys(seen: &[Seen]) -> Vec<(String, String)> {
    let key = |seen: &Seen| {
        let (_, key) = seen.headers["authorization"].split_once("Credential=").expect("a key");
        (key.split('/').next().unwrap_or_default().to_owned(), seen.headers["x-amz-security-token"].clone())
    };
    seen.iter().map(key).collect()
}

#[tokio::test]
async fn credentials_are_renewed_before_their_end() {
    let service = Server::start(&[answer(200, "", "{}")]);
    let container = Server::start(&[credentials("first", 30), credentials("second", 3600)]);
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret".to_owned());
    let client = client(&service, &container, &[token]);
    for _ in 0..3 {
        call(&client).await.expect("an answer");
    }
    let pair = |id: &str| (id.to_owned(), format!("token of {id}"));
    assert_eq!(keys(&service.take()), [pair("first"), pair("second"), pair("second")]);
    let asked = container.take();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        (asked[0].line.as_str(), asked[0].headers["authorization"].as_str()),
        ("GET /creds?a=b", "secret")
    );
}

#[tokio::test]
async fn the_token_is_read_from_its_file_each_time() {
    let service = Server::start(&[answer(200, "", "{}")]);
    let container = Server::start(&[credentials("id", 30)]);
    let file = std::env::temp_dir().join(format!("etl-client-token-{}", std::process::id()));
    std::fs::write(&file, "one").expect("written");
    let path = file.to_string_lossy().into_owned();
    let client = client(&service, &container, &[("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)]);
    call(&client).await.expect("an answer");
    std::fs::write(&file, "two").expect("written");
    call(&client).await.expect("an answer");
    std::fs::remove_file(&file).expect("removed");
    let tokens: Vec<String> =
        container.take().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["one", "two"]);
    // What is there still lasts.
    call(&client).await.expect("an answer");
    assert!(container.take().is_empty());
}

#[tokio::test]
async fn many_calls_ask_for_credentials_once() {
    let service = Server::start(&[answer(200, "", "{}")]);
    let container = Server::start(&[answer(500, "", ""), credentials("id", 3600)]);
    let client = client(&service, &container, &[]);
    let results = tokio::join!(call(&client), call(&client), call(&client));
    assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok());
    assert_eq!(container.take().len(), 2, "the first attempt fails");
}

#[tokio::test]
async fn a_call_without_credentials_fails() {
    let service = Server::start(&[answer(200, "", "{}")]);
    for body in ["{}", "{\"Code\":\"AccessDenied\"}"] {
        let container = Server::start(&[answer(403, "", body)]);
        let error = call(&client(&service, &container, &[])).await.expect_err("no credentials").error;
        assert_eq!((error.code.as_str(), error.retryable), ("DispatchFailure", true));
        assert_eq!(container.take().len(), 1);
    }
    assert!(service.take().is_empty());
}
