//! From an empty folder to the five items, again without a change, with a change, and to nothing.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cloud::{Cloud, STACK};

const SAMPLE: &[u8] = include_bytes!("../../../../data-to-upload/test_data.csv");

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_file_arrives_and_the_stack_goes_again() {
    let cloud = Cloud::start(STACK);

    // The folder holds nothing but stack.yaml: the workers come out of the deployer.
    let deployed = cloud.json(&["deploy", "local"]);
    assert_eq!(deployed["result"], "deployed");
    assert_eq!(deployed["status"], "CREATE_COMPLETE");

    // A message that is not understood starts no task, and ends as a dead letter; a test event of S3 needs nothing.
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    for foreign in ["hello", "{\"Event\":\"s3:TestEvent\"}", "{\"Records\":[{\"eventSource\":\"aws:sns\"}]}"]
    {
        let url = cloud.queue_url("Arrivals").await;
        sqs.send_message().queue_url(url).message_body(foreign).send().await.expect("SendMessage");
    }

    cloud.write("test_data.csv", SAMPLE);
    let (items, log) = cloud.ok(&["upload", "test_data.csv", "--wait"]);
    let counts = "5 rows: 5 extracted, 5 transformed, 5 loaded, 0 failed";
    assert!(log.contains(counts), "{log}");
    assert!(items.starts_with("row  id"), "{items}");
    assert_eq!(items.lines().count(), 6, "{items}");
    assert!(log.contains("Items of the rows of this file"), "{log}");

    let mut reader = csv::Reader::from_reader(SAMPLE);
    let expected: BTreeMap<String, BTreeMap<String, String>> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row of the sample");
            let names = ["id", "house_number", "street_address", "town", "zip"];
            (
                record[0].to_owned(),
                names.iter().zip(&record).map(|(n, v)| ((*n).to_owned(), v.to_owned())).collect(),
            )
        })
        .collect();
    assert_eq!(expected.len(), 5);
    assert_eq!(cloud.items().await, expected);
    // The message has five attempts, five seconds apart.
    for _ in 0..120 {
        if cloud.messages("Arrivals").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!((cloud.messages("Arrivals").await, cloud.messages("ArrivalsDeadLetters").await), (0, 2));

    let (observed, _) = cloud.ok(&["logs", "observe"]);
    assert!(observed.lines().all(|line| line.starts_with("observe  ")), "{observed}");
    assert_eq!(observed.matches("\"message\":\"record-loaded\"").count(), 5, "{observed}");
    let (all, _) = cloud.ok(&["logs", "--output", "json"]);
    let resources: std::collections::BTreeSet<String> = all
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one document a line"))
        .map(|line| line["resource"].as_str().expect("a resource").to_owned())
        .collect();
    assert_eq!(
        resources,
        ["extract", "extraction", "load", "observe", "report", "transform"].map(str::to_owned).into()
    );

    let mut following =
        cloud.command(&["logs", "--follow"]).stdout(Stdio::null()).spawn().expect("the deployer starts");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pid = following.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    assert_eq!(following.wait().expect("it ends").code(), Some(130));

    let again = cloud.json(&["deploy", "local"]);
    assert_eq!(again["result"], "unchanged");

    let changed = cloud.json(&["deploy", "local", "--config", "throttle=3"]);
    assert_eq!((&changed["result"], &changed["status"]), (&"deployed".into(), &"UPDATE_COMPLETE".into()));
    let actions: Vec<&str> = changed["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter_map(|change| change["action"].as_str())
        .collect();
    assert!(
        actions.contains(&"modify") && !actions.contains(&"add") && !actions.contains(&"remove"),
        "{changed}"
    );
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let mappings = lambda.list_event_source_mappings().send().await.expect("ListEventSourceMappings");
    let mut concurrency: Vec<_> = mappings
        .event_source_mappings()
        .iter()
        .map(|mapping| mapping.scaling_config().and_then(|scaling| scaling.maximum_concurrency()))
        .collect();
    concurrency.sort_unstable();
    assert_eq!(concurrency, [Some(3); 5]);

    // The deployed stack deletes its data with it; a file that has changed this since must be deployed first.
    let kept = STACK.replace("{ target: local,", "{ target: local, removal: keep,");
    assert_ne!(kept, STACK);
    cloud.write("stack.yaml", kept.as_bytes());
    let refused = cloud.run(&["destroy", "local", "-y"]);
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(cloud.items().await.len(), 5);
    cloud.write("stack.yaml", STACK.as_bytes());

    let bucket = deployed["outputs"]["bucket"].as_str().expect("a bucket").to_owned();
    let destroyed = cloud.json(&["destroy", "local", "-y"]);
    assert_eq!(destroyed["result"], "deleted");
    let sdk = cloud.sdk().await;
    let s3 =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    let buckets = s3.list_buckets().send().await.expect("ListBuckets");
    assert!(!buckets.buckets().iter().any(|one| one.name() == Some(&bucket)), "{bucket} is left");
    let tables = aws_sdk_dynamodb::Client::new(&sdk).list_tables().send().await.expect("ListTables");
    assert_eq!(tables.table_names(), [] as [String; 0]);
    assert_eq!(lambda.list_functions().send().await.expect("ListFunctions").functions().len(), 0);
    let queues = sqs.list_queues().send().await.expect("ListQueues");
    assert_eq!(queues.queue_urls(), [] as [String; 0]);
    assert_eq!(cloud.json(&["destroy", "local", "-y"])["result"], "absent");

    // The folder holds the file, the sample and the local cloud, and no sources.
    let mut names: Vec<_> = std::fs::read_dir(cloud.folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".deployer", "stack.yaml", "test_data.csv"]);
}
