//! Answers, and the attempts and errors that they lead to, beside those of the SDK.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use client::{Bytes, CallError, Client, NoAnswer, Object, Service};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::server::{Answer, Server, answer};

/// Returns the meaning of an error of the SDK, as the workers had it when they used the SDK.
fn meaning<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> CallError {
    match error {
        SdkError::TimeoutError(_) => CallError::without_answer(NoAnswer::Late),
        SdkError::DispatchFailure(_) => CallError::without_answer(NoAnswer::NotSent),
        SdkError::ResponseError(_) => CallError::without_answer(NoAnswer::Unreadable),
        SdkError::ServiceError(error) => {
            CallError::of_service(error.err().code(), error.err().message(), error.raw().status().as_u16())
        }
        _ => CallError::construction(),
    }
}

/// The result of a call, and the number of its attempts.
type Outcome = (Result<(), CallError>, usize);

async fn own(server: &Server, service: Service) -> Outcome {
    let client = server.client();
    let result = match service {
        Service::S3 => read(&client).await.map(drop),
        Service::DynamoDb => {
            call(&client, service, "PutItem", json!({ "TableName": "t", "Item": { "a": { "S": "x" } } }))
                .await
        }
        Service::Sqs => call(&client, service, "PurgeQueue", json!({ "QueueUrl": "https://q/q" })).await,
        _ => {
            call(&client, Service::EventBridge, "PutEvents", json!({ "Entries": [{ "Source": "s" }] })).await
        }
    };
    (result, server.take().len())
}

async fn call(client: &Client, service: Service, operation: &str, input: Value) -> Result<(), CallError> {
    Ok(client.json::<_, Value>(service, operation, &input).await.map(drop)?)
}

async fn read(client: &Client) -> Result<client::Reply<client::Body>, CallError> {
    Ok(client.read(&Object { bucket: "a-bucket", key: "k", ..Object::default() }).await?)
}

fn s3(server: &Server) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&server.sdk()).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

async fn sdk(server: &Server, service: Service) -> Outcome {
    let config = server.sdk();
    let result = match service {
        Service::S3 => {
            let call = s3(server).get_object().bucket("a-bucket").key("k").send().await;
            call.map(drop).map_err(|error| meaning(&error))
        }
        Service::DynamoDb => {
            let call = aws_sdk_dynamodb::Client::new(&config).put_item().table_name("t");
            let call = call.item("a", aws_sdk_dynamodb::types::AttributeValue::S("x".into())).send().await;
            call.map(drop).map_err(|error| meaning(&error))
        }
        Service::Sqs => {
            let call = aws_sdk_sqs::Client::new(&config).purge_queue().queue_url("https://q/q").send().await;
            call.map(drop).map_err(|error| meaning(&error))
        }
        _ => {
            let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder().source("s").build();
            let call = aws_sdk_eventbridge::Client::new(&config).put_events().entries(entry).send().await;
            call.map(drop).map_err(|error| meaning(&error))
        }
    };
    (result, server.take().len())
}

#[tokio::test]
async fn errors_have_the_meaning_and_the_attempts_that_the_sdk_gives_them() {
    let json = |code: &str| format!(r#"{{"__type":"com.amazonaws#{code}","message":"m"}}"#);
    let xml = |code: &str| format!("<Error><Code>{code}</Code><Message>m &amp; n</Message></Error>");
    let mut cases: Vec<(Service, Answer)> = Vec::new();
    for (status, code) in [
        (400, "ValidationException"),
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "LimitExceededException"),
        (400, "RequestLimitExceeded"),
        (400, "RequestTimeout"),
        (400, "AccessDeniedException"),
        (403, "InvalidSignatureException"),
        (404, "ResourceNotFoundException"),
        (429, "TooManyRequestsException"),
        (500, "InternalServerError"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
    ] {
        for service in [Service::EventBridge, Service::DynamoDb, Service::Sqs] {
            cases.push((service, answer(status, "", &json(code))));
        }
        cases.push((Service::S3, answer(status, "", &xml(code))));
    }
    for (status, code) in [
        (403, "AccessDenied"),
        (404, "NoSuchKey"),
        (412, "PreconditionFailed"),
        (416, "InvalidRange"),
        (503, "SlowDown"),
    ] {
        cases.push((Service::S3, answer(status, "", &xml(code))));
    }
    cases.push((Service::DynamoDb, answer(400, "", &json("ReplicatedWriteConflictException"))));
    // The code elsewhere, or nowhere.
    for (status, headers, body) in [
        (400, "x-amzn-errortype: A:http://x\r\n", r#"{"Message":"m"}"#),
        (
            400,
            "x-amzn-query-error: AWS.SimpleQueueService.PurgeQueueInProgress;Sender\r\n",
            r#"{"__type":"x#B","message":"m"}"#,
        ),
        (400, "", r#"{"code":"C","__type":"D"}"#),
        (400, "", "{}"),
        (429, "", ""),
        (500, "", ""),
        (502, "", "<html>"),
        (503, "", ""),
        (504, "", ""),
    ] {
        // Only SQS names errors in that header.
        let services = if headers.contains("query") {
            &[Service::Sqs][..]
        } else {
            &[Service::EventBridge, Service::Sqs]
        };
        cases.extend(services.iter().map(|service| (*service, answer(status, headers, body))));
    }
    for status in [400, 404, 500, 503] {
        cases.push((Service::S3, answer(status, "", "")));
    }
    for (service, answer) in cases {
        let server = Server::start(std::slice::from_ref(&answer));
        let expected = sdk(&server, service).await;
        assert_eq!(own(&server, service).await, expected, "{service} {answer:?}");
    }
}

#[tokio::test]
async fn calls_that_fail_in_passing_succeed_as_with_the_sdk() {
    let good = answer(200, "", "{}");
    let busy = answer(400, "", r#"{"__type":"ThrottlingException"}"#);
    for answers in [
        vec![busy.clone(), good.clone()],
        vec![busy.clone(), busy.clone(), good.clone()],
        vec![busy.clone(), busy.clone(), busy.clone(), good.clone()],
        vec![answer(500, "", ""), busy, good.clone()],
        vec![answer(200, "", "")],
        vec![Answer::Nothing, good.clone()],
        vec![Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec()), good.clone()],
    ] {
        let server = Server::start(&answers);
        let expected = sdk(&server, Service::EventBridge).await;
        assert_eq!(own(&server, Service::EventBridge).await, expected, "{answers:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_one_is_asked_for_again() {
    // The SDK gives up here, with an error that says nothing.
    let server = Server::start(&[answer(200, "", "<html>"), answer(200, "", "{}")]);
    assert_eq!(own(&server, Service::EventBridge).await, (Ok(()), 2));
}

/// Returns a time of HTTP that is `minutes` ahead.
fn date(minutes: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seconds = i64::try_from(now.as_secs()).expect("small") + minutes * 60;
    aws_sdk_s3::primitives::DateTime::from_secs(seconds)
        .fmt(aws_sdk_s3::primitives::DateTimeFormat::HttpDate)
        .expect("a date")
}

#[tokio::test]
async fn a_wrong_clock_is_corrected() {
    for minutes in [-10, 3, 10] {
        let headers = format!("Date: {}\r\n", date(minutes));
        let refused = answer(403, &headers, r#"{"__type":"InvalidSignatureException"}"#);
        let server = Server::start(&[refused, answer(200, "", "{}")]);
        let expected = sdk(&server, Service::EventBridge).await;
        assert_eq!(expected.1, if minutes == 3 { 1 } else { 2 });
        let client = server.client();
        let result =
            call(&client, Service::EventBridge, "PutEvents", json!({ "Entries": [{ "Source": "s" }] })).await;
        let seen = server.take();
        assert_eq!((result, seen.len()), expected, "{minutes}");
        if let [first, second] = seen.as_slice() {
            let day_and_hour = |seen: &crate::server::Seen| seen.headers["x-amz-date"].clone();
            assert_eq!(day_and_hour(first) < day_and_hour(second), minutes > 0, "{first:?} {second:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_checksum_says_is_refused() {
    for (headers, length, is_good) in [
        ("x-amz-checksum-crc32: y/Q5Jg==\r\n", 9, true),
        ("x-amz-checksum-crc32: AAAAAA==\r\n", 9, false),
        ("x-amz-checksum-crc32: AAAAAA==-2\r\n", 9, true),
        ("x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-crc32: AAAAAA==\r\n", 9, true),
        ("x-amz-checksum-sha256: AAAA\r\n", 9, false),
        ("", 9, true),
        // It breaks before its end.
        ("", 10, false),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n123456789");
        let server = Server::start(&[Answer::Cut(bytes.into_bytes())]);
        let mut read_by_sdk = Vec::new();
        let answer = s3(&server).get_object().bucket("a-bucket").key("k").send().await.expect("an answer");
        let by_sdk = answer.body.into_async_read().read_to_end(&mut read_by_sdk).await;
        let mut read_by_us = Vec::new();
        let mut answer = read(&server.client()).await.expect("an answer");
        let by_us = answer.body.read_to_end(&mut read_by_us).await;
        assert_eq!(by_us.is_ok(), is_good, "{headers}");
        assert_eq!(read_by_us, b"123456789");
        match (by_us, by_sdk) {
            (Ok(ours), Ok(theirs)) => assert_eq!((ours, read_by_us), (theirs, read_by_sdk)),
            (Err(ours), Err(theirs)) => assert_eq!(ours.kind(), theirs.kind(), "{headers}"),
            (ours, theirs) => panic!("{headers}: {ours:?}, {theirs:?}"),
        }
    }
}

#[tokio::test]
async fn an_upload_that_fails_late_has_failed() {
    let late = "<Error><Code>InternalError</Code><Message>m</Message></Error>";
    let server = Server::start(&[answer(200, "", late)]);
    let object = Object { bucket: "a-bucket", key: "k", query: vec![("uploadId", "u")], ..Object::default() };
    let client = server.client();
    let failure = client.object(client::Method::POST, &object).await.expect_err("an error");
    assert_eq!((failure.error.code.as_str(), failure.error.retryable), ("InternalError", true));
    assert_eq!(failure.body, Bytes::from_static(late.as_bytes()));
    // An object may contain anything.
    let object = Object { body: Bytes::from_static(b"x"), ..object };
    assert_eq!(client.object(client::Method::PUT, &object).await.expect("written").status, 200);
    let seen = server.take();
    assert_eq!(seen[1].line, "PUT /a-bucket/k?uploadId=u");
    assert_eq!(
        seen[1].headers["x-amz-content-sha256"],
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    );
    assert_eq!(seen[1].body, b"x");
}

#[tokio::test]
async fn the_query_protocol_has_forms_and_xml() {
    let server = Server::start(&[
        answer(200, "", "<PublishResponse/>"),
        answer(
            404,
            "",
            "<ErrorResponse><Error><Code>NotFound</Code><Message>m</Message></Error></ErrorResponse>",
        ),
    ]);
    let client = server.client();
    let publish = || {
        client.query(
            Service::Sns,
            "2010-03-31",
            "Publish",
            &[("Message", "a&b=ä"), ("TopicArn", "arn:aws:sns:r:1:t")],
        )
    };
    assert_eq!(publish().await.expect("sent"), "<PublishResponse/>");
    let failure = publish().await.expect_err("refused");
    assert_eq!(failure.error, CallError { code: "NotFound".into(), message: "m".into(), retryable: false });
    let seen = server.take();
    assert_eq!(seen[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        String::from_utf8_lossy(&seen[0].body),
        "Action=Publish&Version=2010-03-31&Message=a%26b%3D%C3%A4&TopicArn=arn%3Aaws%3Asns%3Ar%3A1%3At"
    );
}
