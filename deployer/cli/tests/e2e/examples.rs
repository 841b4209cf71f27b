//! Examples with code of their own: built from their packages, and running.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::cloud::Cloud;

/// Waits for something that takes a moment, and names it on failure if that never comes.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..240 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{what} never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_worker_does_its_jobs() {
    let cloud = Cloud::of_example("queue-worker");
    let deployed = cloud.json(&["deploy"]);
    let output = |name: &str| deployed["outputs"][name].as_str().expect("an output").to_owned();
    let config = cloud.sdk().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    for body in [r#"{ "id": "1", "text": "four words for you" }"#, "no job", r#"{ "id": "2", "text": "" }"#] {
        sqs.send_message().queue_url(output("jobs")).message_body(body).send().await.expect("SendMessage");
    }
    let table = aws_sdk_dynamodb::Client::new(&config);
    let words = async |id: &str| {
        let item = table
            .get_item()
            .table_name(output("results"))
            .key("id", AttributeValue::S(id.to_owned()))
            .send()
            .await
            .expect("GetItem")
            .item?;
        item.get("words").and_then(|value| value.as_n().ok()).cloned()
    };
    assert_eq!(eventually("the first result", async || words("1").await).await, "4");
    assert_eq!(eventually("the second result", async || words("2").await).await, "0");
    // A message that is not a job waits to be tried again, and delays no other.
    eventually("the log of what failed", async || {
        let (out, _) = cloud.ok(&["logs", "worker"]);
        out.contains("the job failed").then_some(())
    })
    .await;

    // Nothing has changed, so nothing is built, published or deployed.
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thumbnailer_makes_small_pictures_of_pictures_alone() {
    let cloud = Cloud::of_example("thumbnails");
    let deployed = cloud.json(&["deploy"]);
    let output = |name: &str| deployed["outputs"][name].as_str().expect("an output").to_owned();
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&cloud.sdk().await).force_path_style(true).build(),
    );
    let picture = include_bytes!("picture.png");
    for (key, body) in
        [("in/broken.jpg", &b"no picture"[..]), ("in/notes.txt", b"text"), ("in/a b+ü.png", picture)]
    {
        let put = s3.put_object().bucket(output("pictures")).key(key).body(body.to_vec().into());
        put.send().await.expect("PutObject");
    }
    let small = eventually("the thumbnail", async || {
        let object = s3.get_object().bucket(output("thumbs")).key("in/a b+ü.png").send().await.ok()?;
        Some(object.body.collect().await.expect("the body").into_bytes())
    })
    .await;
    // PNG specification, section 11.2.1: width and height are at bytes 16 and 20.
    let number = |at: usize| u32::from_be_bytes(small[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((number(16), number(20)), (256, 128));
    let all = s3.list_objects_v2().bucket(output("thumbs")).send().await.expect("ListObjectsV2");
    assert_eq!(all.key_count(), Some(1), "only the picture has a thumbnail");
}
