//! Plans are executed as they are shown: plans, gates, change sets that wait, swapped code, several stacks at once.

use std::io::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::schema::judge;

/// A stack that takes no build: two stacks of it in one file.
const STACK: &str = r#"name: plan
config:
  delay: { type: duration, default: 5s }
  key: { type: string, default: id }
stacks:
  local: { target: local, default: true }
  second: { target: local }
resources:
  landing: { type: bucket, properties: { notify: [{ on: created, queue: "${arrivals}" }] } }
  arrivals: { type: queue, properties: { delay: "${config.delay}", visibilityTimeout: 3m } }
  records: { type: table, properties: { key: { KEY: string } } }
  worker:
    type: function
    properties:
      code: { zip: code.zip, runtime: provided.al2023, handler: bootstrap }
      triggers: [{ queue: "${arrivals}" }]
outputs:
  table: ${records.name}
  function: ${worker.name}
"#;

/// Writes a zip with one program, which prints nothing and does nothing.
fn code(cloud: &Cloud, remark: &str) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("a file");
    zip.write_all(format!("#!/bin/sh\n# {remark}\n").as_bytes()).expect("its content");
    cloud.write("code.zip", &zip.finish().expect("a zip").into_inner());
}

fn stack(key: &str) -> String {
    STACK.replace("KEY", key)
}

/// Returns logical id and action of the resources that change.
fn actions(diff: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let resources = diff["resources"].as_array().expect("resources").iter();
    let changed = resources.filter(|one| one["action"] != "keep");
    changed.map(|one| (text(&one["id"]), text(&one["action"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_is_done() {
    let cloud = Cloud::start(&stack("id"));
    code(&cloud, "1");

    // Nothing exists before the plan, and nothing after it.
    let first = cloud.json(&["diff"]);
    assert_eq!((&first["new"], &first["same"]), (&true.into(), &false.into()));
    assert!(first["summary"]["create"].as_u64() > Some(8), "{first}");
    assert_eq!(cloud.run(&["diff", "--fail", "--change-set"]).status.code(), Some(3));
    let stacks = aws_sdk_cloudformation::Client::new(&cloud.sdk().await).describe_stacks().send().await;
    assert_eq!(stacks.expect("DescribeStacks").stacks().len(), 0, "a diff left a stack behind");

    cloud.write("events", b"");
    let deployed = cloud.json(&["deploy", "--events", "events"]);
    assert_eq!(deployed["result"], "deployed");
    let events = std::fs::read_to_string(cloud.folder().join("events")).expect("events");
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).expect("one document a line")).collect();
    for event in &events {
        assert_eq!(judge("deployEvents", event), [] as [String; 0], "{event}");
    }
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"target"), Some(&"done")));
    assert!(
        events.iter().any(|event| event["logicalId"] == "Records" && event["status"] == "CREATE_COMPLETE")
    );

    assert_eq!(cloud.json(&["diff"])["same"], true);
    cloud.ok(&["diff", "--fail"]);

    // A plan is executed as it was read, or not at all.
    let planned = cloud.json(&["diff", "--config", "delay=10s", "--change-set", "--save", "plan.json"]);
    assert_eq!(actions(&planned), pairs(&[("Arrivals", "update")]));
    assert_eq!(planned["resources"][2]["changes"][0]["path"], "Properties.DelaySeconds");
    let other = cloud.run(&["deploy", "--config", "delay=11s", "--plan", "plan.json"]);
    assert_eq!(other.status.code(), Some(5), "{}", String::from_utf8_lossy(&other.stderr));
    assert_eq!(cloud.json(&["deploy", "--config", "delay=10s", "--plan", "plan.json"])["result"], "deployed");
    let again = cloud.run(&["deploy", "--config", "delay=10s", "--plan", "plan.json"]);
    assert_eq!(again.status.code(), Some(5), "what was planned is done already");

    // A change set waits until it is executed, once.
    let waiting = cloud.json(&["deploy", "--config", "delay=20s", "--no-execute"]);
    assert_eq!(waiting["result"], "planned");
    assert_eq!(actions(&cloud.json(&["diff", "--config", "delay=20s"])), pairs(&[("Arrivals", "update")]));
    let name = waiting["changeSet"].as_str().expect("a name");
    assert_eq!(cloud.json(&["deploy", "--change-set", name])["result"], "deployed");
    assert_eq!(cloud.json(&["diff", "--config", "delay=20s"])["same"], true);
    assert_eq!(cloud.run(&["deploy", "--change-set", name]).status.code(), Some(5));
    assert_eq!(cloud.run(&["deploy", "--change-set", "none"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_lost_only_by_name() {
    let cloud = Cloud::start(&stack("id"));
    code(&cloud, "1");
    let deployed = cloud.json(&["deploy"]);
    let table = deployed["outputs"]["table"].as_str().expect("a table").to_owned();
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let item = AttributeValue::S("1".to_owned());
    dynamodb.put_item().table_name(&table).item("id", item).send().await.expect("PutItem");

    cloud.write("stack.yaml", stack("other").as_bytes());
    let diff = cloud.json(&["diff"]);
    assert_eq!(actions(&diff)[0], ("Records".to_owned(), "replace".to_owned()));
    // A yes to everything does not name the resource.
    let refused = cloud.run(&["deploy", "-y"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains("about 1 item") && said.contains("--allow-replace Records"), "{said}");
    let described = dynamodb.describe_table().table_name(&table).send().await.expect("DescribeTable");
    assert_eq!(described.table().and_then(|table| table.item_count()), Some(1));
    assert_eq!(cloud.run(&["deploy", "-y", "--allow-replace", "landing"]).status.code(), Some(5));
    let both = ["deploy", "-y", "--allow-replace", "records", "--allow-replace"];
    for stranger in ["landing", "nobody"] {
        assert_eq!(cloud.run(&[&both[..], &[stranger]].concat()).status.code(), Some(2), "{stranger}");
    }
    assert_eq!(cloud.json(&["deploy", "-y", "--allow-replace", "records"])["result"], "deployed");

    // An empty table holds nothing to lose.
    cloud.write("stack.yaml", stack("third").as_bytes());
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");

    // A protected resource stays, whatever is named.
    let protected =
        stack("third").replace("third: string } }", "third: string } }, options: { protect: true }");
    cloud.write("stack.yaml", protected.as_bytes());
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    cloud.write("stack.yaml", stack("fourth").as_bytes());
    let refused = cloud.run(&["deploy", "-y", "--allow-replace", "records"]);
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));

    // More permissions need a confirmation, and stdin is not a terminal.
    let wider = stack("third")
        .replace("      triggers:", "      access: [{ write: \"${records}\" }]\n      triggers:");
    cloud.write("stack.yaml", wider.as_bytes());
    let refused = cloud.run(&["deploy"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains("1 additional permission"), "{said}");
    assert_eq!(cloud.json(&["deploy", "-y"])["result"], "deployed");
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_code_is_known_and_taken_back() {
    let cloud = Cloud::start(&stack("id"));
    code(&cloud, "1");
    let deployed = cloud.json(&["deploy"]);
    let function = deployed["outputs"]["function"].as_str().expect("a function").to_owned();
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let running = async || {
        let answer = lambda.get_function_configuration().function_name(&function).send().await;
        answer.expect("GetFunctionConfiguration").code_sha256().expect("a digest").to_owned()
    };
    let first = running().await;

    code(&cloud, "2");
    assert_eq!(cloud.json(&["deploy", "--hotswap"])["result"], "swapped");
    let second = running().await;
    assert_ne!(first, second);
    assert_eq!(cloud.json(&["deploy", "--hotswap"])["result"], "unchanged");
    // CloudFormation has the first code, and the diff shows this.
    let diff = cloud.json(&["diff"]);
    assert!(diff["notes"][0].as_str().is_some_and(|note| note.contains("WorkerCode")), "{diff}");
    assert_eq!(cloud.run(&["diff", "--fail"]).status.code(), Some(3));

    // The next deployment returns to the first code: CloudFormation sees no change, and the code must change all the
    // same.
    code(&cloud, "1");
    assert_eq!(cloud.run(&["diff", "--fail"]).status.code(), Some(3));
    assert_eq!(cloud.json(&["deploy"])["result"], "swapped");
    assert_eq!(running().await, first);
    cloud.ok(&["diff", "--fail"]);

    // Code is swapped, and then deployed for good.
    code(&cloud, "2");
    cloud.json(&["deploy", "--hotswap"]);
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    assert_eq!(running().await, second);
    cloud.ok(&["diff", "--fail"]);

    // Only code can be swapped.
    code(&cloud, "3");
    let refused = cloud.run(&["deploy", "--hotswap", "--config", "delay=9s"]);
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(running().await, second);

    // A saved plan contains swapped code, and a stack that is created again has none.
    cloud.ok(&["diff", "--save", "plan.json"]);
    assert_eq!(cloud.json(&["deploy", "--hotswap"])["result"], "swapped");
    let refused = cloud.run(&["deploy", "--plan", "plan.json"]);
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    cloud.json(&["destroy", "-y"]);
    cloud.json(&["deploy", "-y"]);
    cloud.ok(&["diff", "--fail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stacks_of_a_file_go_side_by_side() {
    let cloud = Cloud::start(&stack("id"));
    code(&cloud, "1");
    let (out, err) = cloud.ok(&["deploy", "--all", "-y"]);
    for line in err.lines().filter(|line| line.contains(" target ") || line.contains(" event ")) {
        assert!(line.starts_with("[local] ") || line.starts_with("[second] "), "{line}");
    }
    assert!(out.contains("plan-local\n") && out.contains("plan-second\n"), "{out}");
    let all = cloud.json(&["deploy", "--all"]);
    let results: Vec<_> =
        all["stacks"].as_array().expect("stacks").iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["unchanged", "unchanged"]);

    // A stack that is refused stops no other.
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let outputs = cloud.json(&["outputs", "second"]);
    let table = outputs["outputs"]["table"].as_str().expect("a table");
    let item = AttributeValue::S("1".to_owned());
    dynamodb.put_item().table_name(table).item("id", item).send().await.expect("PutItem");
    cloud.write("stack.yaml", stack("other").as_bytes());
    let (all, said) = cloud.json_failing(&["deploy", "--all", "-y"], 5);
    assert_eq!(all["stacks"][0]["result"], "deployed", "{said}");
    assert_eq!((&all["stacks"][1]["result"], &all["stacks"][1]["exitCode"]), (&"failed".into(), &5.into()));
}
