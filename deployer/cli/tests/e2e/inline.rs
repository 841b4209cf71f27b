//! Small files that `extract` reads itself, on the local cloud: every row, no task, and sooner than with a task.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cloud::{Cloud, STACK};

/// Number of small files.
const FILES: usize = 60;

/// Returns the repository's stack, in which `extract` reads files of up to 20 KiB itself.
pub fn stack() -> String {
    let access = "access: [{ run: \"${extraction}\" }, { publish: \"${events}\" }]";
    assert_eq!(STACK.matches(access).count(), 1, "stack.yaml is another one");
    let own = "access: [{ run: \"${extraction}\" }, { read: \"${landing}\" }, { publish: \"${events}\" }, { tally: \"${tally}\" }]";
    STACK.replace(access, &format!("{own}\n      settings: {{ inline: 20KiB }}"))
}

/// Returns a file whose rows have IDs of their own.
fn file(number: usize, rows: usize) -> String {
    let mut text = "ID,HouseNum,Street,Town,Zip\n".to_owned();
    text.extend((1..=rows).map(|row| format!("{number}-{row},{row},\"Road, {row}\",Ulm,089\n")));
    text
}

/// Returns the lines that the task has logged.
fn task_lines(cloud: &Cloud) -> usize {
    let (out, _) = cloud.ok(&["logs", "extraction", "--since", "1h", "--output", "json"]);
    out.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_are_loaded_without_a_task_and_a_large_one_by_a_task() {
    let cloud = Cloud::start(&stack());
    cloud.json(&["deploy", "local"]);
    let outputs = cloud.json(&["outputs"]);
    let bucket = outputs["outputs"]["bucket"].as_str().expect("the output `bucket`");
    let config = cloud.sdk().await;
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);

    // The first file also pays for the start of each function.
    let upload = |name: &str, text: &str| {
        cloud.write(name, text.as_bytes());
        let start = Instant::now();
        let done = cloud.json(&["upload", name, "--wait", "--timeout", "3m"]);
        (done, start.elapsed())
    };
    let (first, _) = upload("first.csv", &file(0, 5));
    assert_eq!(first["loaded"], 5, "{first}");
    let mut expected: BTreeSet<String> = (1..=5).map(|row| format!("0-{row}")).collect();
    for number in 1..=FILES {
        let rows = number % 50 + 1;
        expected.extend((1..=rows).map(|row| format!("{number}-{row}")));
        let put = s3.put_object().bucket(bucket).key(format!("small/{number}.csv"));
        put.body(file(number, rows).into_bytes().into()).send().await.expect("PutObject");
    }
    // The tally comes behind the table.
    let start = Instant::now();
    loop {
        let tallies = cloud.json(&["tally"]);
        let objects = tallies["objects"].as_array().expect("objects");
        let whole = |object: &&Value| object["rows"].is_u64() && object["loaded"] == object["rows"];
        if objects.iter().filter(whole).count() == FILES + 1 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "{tallies}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let found: BTreeSet<String> = cloud.items().await.into_keys().collect();
    assert_eq!(found, expected);
    assert_eq!(task_lines(&cloud), 0, "no task has run");

    let (small, inline) = upload("five.csv", &file(1_000, 5));
    assert_eq!(small["loaded"], 5, "{small}");
    let (large, by_task) = upload("large.csv", &file(2_000, 700));
    assert_eq!(large["loaded"], 700, "{large}");
    assert!(task_lines(&cloud) > 0, "a task has read the large file");
    assert_eq!(cloud.items().await.len(), expected.len() + 705);
    #[expect(clippy::print_stderr, reason = "a figure for whoever runs the test by itself")]
    {
        eprintln!("from upload to last row: five rows inline {inline:?}, 700 rows by a task {by_task:?}");
    }
}
