//! An upload that a topic announces, and a message that announces nothing.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cloud::{Cloud, STACK};

/// Returns the repository's stack, in which S3 announces uploads by way of a topic.
fn stack() -> String {
    let mut stack = STACK.to_owned();
    for (from, to) in [
        (
            "notify: [{ on: created, queue: \"${arrivals}\", suffix: .csv }]",
            "notify: [{ on: created, topic: \"${uploads}\", suffix: .csv }]",
        ),
        ("deadLetter: { after: 5 }", "deadLetter: { after: 2 }"),
        (
            "  events: { type: bus }\n",
            "  events: { type: bus }
  uploads: { type: topic, properties: { subscriptions: [{ queue: \"${arrivals}\", raw: false }] } }
",
        ),
    ] {
        assert_eq!(stack.matches(from).count(), 1, "stack.yaml is another one: {from}");
        stack = stack.replace(from, to);
    }
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_arrive_by_a_topic_and_foreign_messages_become_dead_letters() {
    let cloud = Cloud::start(&stack());
    cloud.json(&["deploy", "local"]);
    cloud.write("file.csv", b"ID,HouseNum,Street,Town,Zip\ntopic,1,A,B,C\n");
    let key = "my file+1%41.csv";
    let uploaded = cloud.json(&["upload", "file.csv", "--key", key, "--wait", "--timeout", "2m"]);
    assert_eq!((&uploaded["object"]["key"], &uploaded["loaded"]), (&key.into(), &1.into()));
    assert_eq!(cloud.items().await.into_keys().collect::<Vec<_>>(), ["topic"]);

    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let arrivals = cloud.queue_url("Arrivals").await;
    let sent = sqs.send_message().queue_url(arrivals).message_body("{\"hello\":\"world\"}").send().await;
    let id = sent.expect("SendMessage").message_id.expect("an id");
    let start = Instant::now();
    while cloud.messages("ArrivalsDeadLetters").await + cloud.messages("Errors").await < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "the message went nowhere");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let errors = cloud.queue_url("Errors").await;
    let received = sqs.receive_message().queue_url(errors).send().await.expect("ReceiveMessage");
    let body = received.messages()[0].body().expect("a body");
    let failed: Value = serde_json::from_str(body).expect("an event");
    let detail = &failed["detail"];
    assert_eq!(detail["reason"], "malformed-event", "{failed}");
    let message = detail["message"].as_str().expect("a message");
    assert!(message.starts_with(&format!("message {id}: cannot process the message: ")), "{message}");
}
