//! Events that fail while the pipeline runs must be retried, and then be in a dead-letter queue with an event that
//! reports them.

use std::time::{Duration, Instant};

use crate::cloud::{Cloud, STACK};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_is_retried_and_becomes_a_dead_letter() {
    // The timeout is one second instead of thirty, so that five attempts (each hidden for six times that) fit into a
    // test.
    let stack = STACK.replace("worker: load\n", "worker: load\n      timeout: 1s\n");
    assert_ne!(stack, STACK);
    let cloud = Cloud::start(&stack);
    cloud.json(&["deploy", "local"]);
    let outputs = cloud.json(&["outputs"]);
    let table = outputs["outputs"]["table"].as_str().expect("a table");
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    dynamodb.delete_table().table_name(table).send().await.expect("DeleteTable");

    cloud.write("one.csv", b"ID,HouseNum,Street,Town,Zip\n1,2,A,B,C\n");
    let (outcome, log) = cloud.json_failing(&["upload", "one.csv", "--wait", "--timeout", "3m"], 7);
    assert_eq!((&outcome["loaded"], &outcome["failed"]), (&0.into(), &1.into()), "{log}");
    let reason = outcome["failures"][0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("retries-exhausted"), "{reason}");

    let deadline = Instant::now() + Duration::from_secs(30);
    while cloud.messages("LoadOnRecordTransformedBufferDeadLetters").await != 1 {
        assert!(Instant::now() < deadline, "no dead letter");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(cloud.messages("LoadOnRecordTransformedBuffer").await, 0);
}
