//! The commands after a deployment: records, the way back, garbage, drift, and the views of existing stacks.

use std::io::Write as _;
use std::process::{Command, Stdio};

use aws_sdk_s3::primitives::ByteStream;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cloud::Cloud;

const STACK: &str = r#"
name: after
stacks: { local: { target: local, default: true, removal: delete }, far: { region: eu-west-1 } }
resources:
  jobs: { type: queue, properties: { visibilityTimeout: 1m } }
  results: { type: table, properties: { key: { id: string } } }
  greet:
    type: function
    properties: { code: { zip: greet.zip, runtime: python3.13, handler: greet.handler }, access: [{ send: "${jobs}" }, { write: "${results}" }] }
outputs: { queue-url: "${jobs.url}", resultsTable: "${results.name}" }
"#;
const NAME: &str = "after-local";
const BUCKET: &str = "deployer-assets-000000000000-us-east-1";

/// Creates a zip with a Python module that answers with this word.
fn code(word: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("greet.py", zip::write::SimpleFileOptions::default()).expect("a file in a zip");
    zip.write_all(format!("def handler(event, context):\n    return '{word}'\n").as_bytes())
        .expect("written");
    zip.finish().expect("a zip").into_inner()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn s3(cloud: &Cloud) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&cloud.sdk().await).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

async fn keys(s3: &aws_sdk_s3::Client) -> Vec<String> {
    let answer = s3.list_objects_v2().bucket(BUCKET).send().await.expect("ListObjectsV2");
    answer.contents().iter().filter_map(|one| one.key().map(str::to_owned)).collect()
}

/// Returns the names of objects that `gc` would delete, or has deleted.
fn garbage(document: &Value) -> Vec<&str> {
    let garbage = document["garbage"].as_array().expect("a list");
    garbage.iter().map(|one| one["name"].as_str().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_has_a_past_and_a_way_back() {
    let cloud = Cloud::start(STACK);
    let (first, second) = (code("one"), code("second"));
    let key = |code: &[u8]| format!("greet/{}.zip", hex(code));

    // Nothing is deployed yet.
    let made = cloud.json(&["bootstrap"]);
    assert_eq!((&made["bucket"]["name"], &made["bucket"]["result"]), (&BUCKET.into(), &"made".into()));
    assert_eq!(cloud.json(&["bootstrap"])["bucket"]["result"], "there");
    let empty = cloud.json(&["history"]);
    assert_eq!((&empty["standing"], &empty["records"]), (&"absent".into(), &json!([])));
    assert_eq!(garbage(&cloud.json(&["gc", "--older-than", "0s", "-y"])), [""; 0]);
    let failed = cloud.run(&["rollback", "-y"]);
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stderr));

    cloud.write("greet.zip", &first);
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    cloud.write("greet.zip", &second);
    let longer = STACK.replace("1m", "2m");
    cloud.write("stack.yaml", longer.as_bytes());
    assert_eq!(cloud.json(&["deploy", "-y"])["result"], "deployed");
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let url = cloud.physical_id(NAME, "Jobs").await;
    let timeout = async || {
        use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        let answer =
            sqs.get_queue_attributes().queue_url(&url).attribute_names(VisibilityTimeout).send().await;
        answer.expect("GetQueueAttributes").attributes().expect("attributes")
            [&aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout]
            .clone()
    };
    assert_eq!(timeout().await, "120");

    // These commands only look.
    let history = cloud.json(&["history"]);
    assert_eq!((&history["standing"], &history["current"]), (&"recorded".into(), &2.into()), "{history}");
    assert_eq!(cloud.json(&["history", "--limit", "1"])["records"].as_array().map(Vec::len), Some(1));
    let (table, _) = cloud.ok(&["history"]);
    assert!(
        table.lines().nth(1).is_some_and(|line| line.starts_with("*  2 ") && line.contains("succeeded")),
        "{table}"
    );
    let stacks = cloud.json(&["ls", "--status"])["stacks"].clone();
    assert_eq!(stacks[0]["status"]["state"], "UPDATE_COMPLETE", "{stacks}");
    assert!(stacks[1]["status"]["error"].is_string(), "nobody is logged in there: {stacks}");
    let (env, _) = cloud.ok(&["outputs", "--output", "env"]);
    let mut shell = Command::new("sh")
        .args(["-c", "eval \"$(cat)\"; printf '%s %s' \"$QUEUE_URL\" \"$RESULTS_TABLE\""])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    shell.stdin.take().expect("a pipe").write_all(env.as_bytes()).expect("read");
    let said = String::from_utf8(shell.wait_with_output().expect("it ends").stdout).expect("UTF-8");
    let table = cloud.physical_id(NAME, "Results").await;
    assert_eq!(said, format!("{url} {table}"));
    let health = cloud.json(&["doctor"]);
    assert_eq!(health["problems"], 0, "{health}");
    assert!(
        health["findings"].as_array().expect("findings").iter().any(|one| one["about"] == "asset bucket")
    );

    // The next commands detect drift.
    let calm = cloud.json(&["drift", "--fail"]);
    assert_eq!((&calm["status"], &calm["drifted"]), (&"IN_SYNC".into(), &json!([])), "{calm}");
    use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
    let set = sqs.set_queue_attributes().queue_url(&url).attributes(VisibilityTimeout, "300");
    set.send().await.expect("SetQueueAttributes");
    let (drifted, _) = cloud.json_failing(&["drift", "--fail"], 3);
    let queue = &drifted["drifted"][0];
    assert_eq!((&queue["logicalId"], &queue["resource"]), (&"Jobs".into(), &"jobs".into()), "{drifted}");
    assert_eq!(queue["differences"][0]["path"], "/VisibilityTimeout");
    let (shown, _) = cloud.ok(&["drift"]);
    assert!(shown.contains("/VisibilityTimeout") && shown.contains("300"), "{shown}");
    let set = sqs.set_queue_attributes().queue_url(&url).attributes(VisibilityTimeout, "120");
    set.send().await.expect("SetQueueAttributes");

    // Both codes are recorded, so the only garbage is what nobody needs.
    let s3 = s3(&cloud).await;
    let stray = format!("old/{}.zip", "a".repeat(64));
    for key in [stray.as_str(), "notes.txt"] {
        let put = s3.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(b"x"));
        put.send().await.expect("PutObject");
    }
    assert_eq!(garbage(&cloud.json(&["gc", "-y"])), [""; 0], "it is young");
    // Ages are counted in seconds.
    let a_second = || tokio::time::sleep(std::time::Duration::from_millis(1_100));
    a_second().await;
    let plan = cloud.json(&["gc", "--older-than", "0s", "--dry-run"]);
    assert_eq!(garbage(&plan), [stray.as_str()], "{plan}");
    assert!(keys(&s3).await.contains(&stray));
    let refused = cloud.run(&["gc", "--older-than", "0s"]);
    assert_eq!(refused.status.code(), Some(5), "nobody is there to say yes");
    assert_eq!(garbage(&cloud.json(&["gc", "--older-than", "0s", "-y"])), [stray.as_str()]);
    let left = keys(&s3).await;
    for key in [key(&first).as_str(), key(&second).as_str(), "notes.txt"] {
        assert!(left.iter().any(|one| one == key), "{key} is gone from {left:?}");
    }

    // The rollback returns to the first, by a file that is wrong by now; then there is nothing to do.
    cloud.write("stack.yaml", longer.replace("type: queue", "type: qeue").as_bytes());
    assert_eq!(timeout().await, "120");
    let back = cloud.json(&["rollback"]);
    assert_eq!((&back["result"], &back["to"]), (&"deployed".into(), &1.into()), "{back}");
    assert_eq!(timeout().await, "60");
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let function = cloud.physical_id(NAME, "Greet").await;
    let config =
        lambda.get_function_configuration().function_name(function).send().await.expect("the function");
    assert_eq!(config.code_size(), i64::try_from(first.len()).expect("a small zip"));
    assert_eq!(cloud.json(&["rollback", "-y", "--to", "1"])["result"], "unchanged");
    let history = cloud.json(&["history"]);
    let records = history["records"].as_array().expect("records");
    assert_eq!((records[0]["kind"].as_str(), records[0]["number"].as_u64()), (Some("rollback"), Some(3)));
    assert_eq!(records[0]["template"], records[2]["template"]);
    assert_eq!(history["current"], 3);
    let unknown = cloud.run(&["rollback", "--to", "9", "-y"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));

    // Objects that the last two records name stay; the way back to the second is closed when its code is gone.
    s3.delete_object().bucket(BUCKET).key(key(&second)).send().await.expect("DeleteObject");
    let closed = cloud.run(&["rollback", "--to", "2", "-y"]);
    let said = String::from_utf8_lossy(&closed.stderr).into_owned();
    assert_eq!(closed.status.code(), Some(1), "{said}");
    assert!(said.contains(&key(&second)) && said.contains("nothing was changed"), "{said}");
    a_second().await;
    let pruned = cloud.json(&["gc", "--older-than", "0s", "--keep", "1", "-y"]);
    let gone = garbage(&pruned);
    assert!(gone.contains(&"deployments/after-local/00000001.json"), "{pruned}");
    assert!(!gone.contains(&key(&first).as_str()), "it is deployed: {pruned}");

    // Somebody else changes the code.
    cloud.write("stack.yaml", longer.as_bytes());
    cloud.write("greet.zip", &first);
    let cloudformation = aws_sdk_cloudformation::Client::new(&cloud.sdk().await);
    let template = cloudformation.get_template().stack_name(NAME).send().await.expect("GetTemplate");
    let template = template.template_body().expect("a template").replace(":60", ":61");
    let same = |key: &str| {
        aws_sdk_cloudformation::types::Parameter::builder()
            .parameter_key(key)
            .use_previous_value(true)
            .build()
    };
    cloudformation
        .update_stack()
        .stack_name(NAME)
        .template_body(template)
        .parameters(same("AssetBucket"))
        .parameters(same("GreetCode"))
        .capabilities(aws_sdk_cloudformation::types::Capability::CapabilityIam)
        .send()
        .await
        .expect("UpdateStack");
    for _ in 0..50 {
        if cloud.json(&["ls", "--status"])["stacks"][0]["status"]["state"] == "UPDATE_COMPLETE" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let history = cloud.json(&["history"]);
    assert_eq!((&history["standing"], &history["current"]), (&"changed".into(), &Value::Null), "{history}");
    assert_eq!(cloud.json(&["rollback", "-y"])["to"], 3);
    assert_eq!(timeout().await, "60");
}
