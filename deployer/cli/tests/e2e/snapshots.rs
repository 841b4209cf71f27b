//! Files that are uploaded again: the items that a version lacks are deleted, unless there are too many, or rows failed.

use serde_json::Value;

use crate::cloud::{Cloud, STACK};
use crate::results::object;

/// Returns the repository's stack with a `snapshot`.
pub fn stack() -> String {
    let edits = [
        ("worker: load\n", "worker: load\n      settings: { onConflict: newest, snapshot: true }\n"),
        ("event: object-completed, batchSize: 1", "event: snapshot-completed, batchSize: 1"),
        (
            "  failures: #",
            "  snapshot:
    type: function
    properties:
      worker: snapshot
      timeout: 5m
      triggers: [{ bus: \"${events}\", event: object-completed, batchSize: 1 }]
      access: [{ read: \"${records}\" }, { delete: \"${records}\" }, { tally: \"${tally}\" }, { publish: \"${events}\" }]
      settings: { maximumDeleted: 20% }
  failures: #",
        ),
    ];
    edits.iter().fold(STACK.to_owned(), |stack, (old, new)| {
        assert_eq!(stack.matches(old).count(), 1, "stack.yaml is another one: {old}");
        stack.replace(old, new)
    })
}

/// Returns a file with these rows.
fn file(ids: impl Iterator<Item = usize>) -> String {
    let rows: String = ids.map(|id| format!("{id},1,Main Street,Town,1\n")).collect();
    format!("ID,HouseNum,Street,Town,Zip\n{rows}")
}

/// Waits for the next second: `snapshot` compares the times of uploads to the second, so that of two versions in one second
/// neither lacks items of the other.
fn in_a_second_of_its_own() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    std::thread::sleep(std::time::Duration::from_millis(1_010 - u64::from(now.subsec_millis())));
}

/// Uploads a version of a file, and returns what `upload` says about it.
fn upload(cloud: &Cloud, key: &str, text: &str) -> Value {
    cloud.write("file.csv", text.as_bytes());
    in_a_second_of_its_own();
    cloud.json(&["upload", "file.csv", "--key", key, "--wait", "--timeout", "5m"])
}

/// Waits for the results of a version of a file, and returns what they say of the snapshot.
async fn result(cloud: &Cloud, key: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let text = object(cloud, &format!("results/{key}.json"), |text| is_right(&read(text)["snapshot"])).await;
    read(&text)["snapshot"].clone()
}

async fn ids(cloud: &Cloud) -> Vec<usize> {
    let mut ids: Vec<usize> = cloud.items().await.keys().map(|id| id.parse().expect("a number")).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_a_later_version_lacks_are_deleted() {
    let cloud = Cloud::start(&stack());
    cloud.json(&["deploy", "local"]);
    let first = upload(&cloud, "orders.csv", &file(1..21));
    assert_eq!((&first["loaded"], &first["snapshot"]["items"]), (&20.into(), &20.into()), "{first}");
    assert_eq!((&first["snapshot"]["candidates"], &first["snapshot"]["deleted"]), (&0.into(), &0.into()));

    let second = upload(&cloud, "orders.csv", &file((1..21).filter(|id| ![3, 7, 20].contains(id))));
    assert_eq!(
        (&second["loaded"], &second["snapshot"]["deleted"], &second["snapshot"]["maximum"]),
        (&17.into(), &3.into(), &4.into()),
        "{second}"
    );
    let expected: Vec<usize> = (1..21).filter(|id| ![3, 7, 20].contains(id)).collect();
    assert_eq!(ids(&cloud).await, expected);
    let written = result(&cloud, "orders.csv", |snapshot| snapshot["deleted"] == 3).await;
    assert_eq!((&written["candidates"], &written["items"]), (&3.into(), &20.into()), "{written}");
    let (text, _) = cloud.ok(&["tally", "orders.csv"]);
    assert!(text.contains("3 items that the latest version lacks were deleted"), "{text}");

    // A file that is cut.
    let cut = upload(&cloud, "orders.csv", &file([1, 2, 4, 5].into_iter()));
    assert_eq!(
        (&cut["snapshot"]["deleted"], &cut["snapshot"]["candidates"], &cut["snapshot"]["reason"]),
        (&0.into(), &13.into(), &"too-many".into()),
        "{cut}"
    );
    assert_eq!(ids(&cloud).await, expected);
    let written = result(&cloud, "orders.csv", |snapshot| snapshot["reason"] == "too-many").await;
    assert_eq!((&written["deleted"], &written["maximum"]), (&0.into(), &3.into()), "{written}");

    // One with a row that fails.
    cloud.write("file.csv", (file(1..3) + ",1,Main Street,Town,1\n").as_bytes());
    in_a_second_of_its_own();
    let args = ["upload", "file.csv", "--key", "orders.csv", "--no-check", "--wait", "--timeout", "5m"];
    let (failed, log) = cloud.json_failing(&args, 7);
    assert_eq!(
        (&failed["failed"], &failed["snapshot"]["reason"]),
        (&1.into(), &"failed-rows".into()),
        "{log}"
    );
    let written = result(&cloud, "orders.csv", |snapshot| snapshot["reason"] == "failed-rows").await;
    assert_eq!(written["candidates"], Value::Null, "{written}");
    assert_eq!(ids(&cloud).await, expected);

    // Another file takes an item over, which is not the first one's any more.
    let other = upload(&cloud, "others.csv", &file([1, 100].into_iter()));
    assert_eq!(other["snapshot"]["items"], 2, "{other}");
    let tally = cloud.json(&["tally", "others.csv"]);
    assert_eq!(tally["overlappingRows"]["ranges"], serde_json::json!([[1, 1]]), "{tally}");
    let last = upload(&cloud, "orders.csv", &file((2..21).filter(|id| ![3, 7, 19, 20].contains(id))));
    assert_eq!((&last["snapshot"]["deleted"], &last["snapshot"]["items"]), (&1.into(), &16.into()), "{last}");
    let left: Vec<usize> = expected.into_iter().filter(|id| *id != 19).chain([100]).collect();
    assert_eq!(ids(&cloud).await, left);
}
