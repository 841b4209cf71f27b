//! Failures: the cause is named after the stack is gone, and every state that the local cloud can produce has a way
//! out.
//!
//! No stack here has a function or a task, so that each deployment takes a second.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{ChangeSetType, OnFailure};
use serde_json::{Value, json};

use crate::cloud::Cloud;

const STACK: &str = r#"
name: fails
stacks: { local: { target: local, default: true, removal: delete } }
resources:
  landing: { type: bucket }
  address:
    type: AWS::SSM::Parameter
    options: { dependsOn: ["${landing}"] }
    properties: { Name: /fails/address, Type: String, Value: hello }
"#;
const NAME: &str = "fails-local";

/// Creates a resource of somebody else that has the name already.
async fn take_name(cloud: &Cloud) {
    let template = json!({ "Resources": { "P": {
        "Type": "AWS::SSM::Parameter", "Properties": { "Name": "/fails/address", "Type": "String", "Value": "other" },
    } } });
    let client = Client::new(&cloud.sdk().await);
    let made = client.create_stack().stack_name("other").template_body(template.to_string()).send().await;
    made.expect("CreateStack");
    settled(&client, "other", "CREATE_COMPLETE").await;
}

/// Waits until a stack is in a state.
async fn settled(client: &Client, stack: &str, wanted: &str) {
    for _ in 0..100 {
        let answer = client.describe_stacks().stack_name(stack).send().await.expect("DescribeStacks");
        let status = answer.stacks()[0].stack_status().expect("a status").as_str().to_owned();
        if status == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{stack} did not come to {wanted}");
}

fn first_cause(diagnosed: &Value) -> &Value {
    &diagnosed["diagnosis"]["causes"][0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_explained_when_it_happens_and_afterwards() {
    let cloud = Cloud::start(STACK);
    let never = cloud.json(&["diagnose"]);
    assert_eq!((&never["failed"], &never["stackId"]), (&false.into(), &Value::Null));
    take_name(&cloud).await;

    // A first creation that fails leaves no stack, and the reason stays.
    let failed = cloud.run(&["deploy", "-y"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(4), "{said}");
    for part in ["name-taken", "stack.yaml:6:3", "Address", "DELETE_COMPLETE", "run `deployer deploy` again"]
    {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    let diagnosed = cloud.json(&["diagnose"]);
    assert_eq!((&diagnosed["failed"], &diagnosed["status"]), (&true.into(), &"DELETE_COMPLETE".into()));
    let cause = first_cause(&diagnosed);
    assert_eq!((&cause["logicalId"], &cause["origin"]), (&"Address".into(), &"address".into()));
    assert_eq!(cause["place"], json!({ "file": "stack.yaml", "line": 6, "column": 3 }));
    assert_eq!(cause["known"]["id"], "name-taken");
    let (text, _) = cloud.ok(&["diagnose"]);
    assert!(text.contains("stack.yaml:6:3") && text.contains("next: fix the cause"), "{text}");
    let (events, _) = cloud.ok(&["events", "--output", "json"]);
    let last: Value = serde_json::from_str(events.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["status"], &last["ofStack"]), (&"DELETE_COMPLETE".into(), &true.into()));

    // After the fix, the failure is history; an update that fails is rolled back.
    let mended = STACK.replace("/fails/address", "/fails/mine");
    cloud.write("stack.yaml", mended.as_bytes());
    assert_eq!(cloud.json(&["deploy", "-y"])["result"], "deployed");
    assert_eq!(cloud.json(&["diagnose"])["failed"], false);
    let second = mended.trim_end().to_owned()
        + "\n  second:\n    type: AWS::SSM::Parameter\n    properties: { Name: /fails/address, Type: String, Value: x }\n";
    cloud.write("stack.yaml", second.as_bytes());
    assert_eq!(cloud.run(&["deploy", "-y"]).status.code(), Some(4));
    let diagnosed = cloud.json(&["diagnose"]);
    assert_eq!(diagnosed["status"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(first_cause(&diagnosed)["logicalId"], "Second");
    assert_eq!(cloud.json(&["recover"])["result"], "nothing");
    let newest = cloud.ok(&["events"]).0.lines().count();
    let all = cloud.ok(&["events", "--all"]).0.lines().count();
    assert!(newest < all, "{newest} of {all}");

    // A finding of validation before anything is created is as good a cause.
    let bucket = mended.replace("name: fails", "name: again").replace(
        "landing: { type: bucket }",
        "landing: { type: AWS::S3::Bucket, properties: { BucketName: fails-local-landing-000000000000-us-east-1 } }",
    );
    cloud.write("stack.yaml", bucket.as_bytes());
    assert_eq!(cloud.run(&["deploy", "-y"]).status.code(), Some(4));
    let diagnosed = cloud.json(&["diagnose"]);
    assert_eq!(first_cause(&diagnosed)["known"]["id"], "bucket-name-taken", "{diagnosed:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_stacks_are_led_out() {
    let cloud = Cloud::start(STACK);
    let client = Client::new(&cloud.sdk().await);
    take_name(&cloud).await;
    let good = json!({ "Resources": { "Q": { "Type": "AWS::SQS::Queue" } } });
    let mut bad = good.clone();
    bad["Resources"]["P"] = json!({
        "Type": "AWS::SSM::Parameter",
        "DependsOn": "Q",
        "Properties": { "Name": "/fails/address", "Type": "String", "Value": "x" },
    });

    for (on_failure, state) in
        [(OnFailure::Rollback, "ROLLBACK_COMPLETE"), (OnFailure::DoNothing, "CREATE_FAILED")]
    {
        let call =
            client.create_stack().stack_name(NAME).template_body(bad.to_string()).on_failure(on_failure);
        call.send().await.expect("CreateStack");
        settled(&client, NAME, state).await;
        // Nothing is done without a confirmation, and nothing with `--dry-run`.
        let planned = cloud.json(&["recover", "--dry-run"]);
        assert_eq!((&planned["result"], &planned["status"]), (&"planned".into(), &state.into()));
        assert_eq!(planned["plan"]["steps"][0]["call"], "DeleteStack");
        let asked = cloud.run(&["recover"]);
        assert_eq!(asked.status.code(), Some(5), "{}", String::from_utf8_lossy(&asked.stderr));
        settled(&client, NAME, state).await;
        let recovered = cloud.json(&["recover", "-y"]);
        assert_eq!((&recovered["result"], &recovered["status"]), (&"recovered".into(), &Value::Null));
    }

    let call = client
        .create_change_set()
        .stack_name(NAME)
        .change_set_name("left")
        .change_set_type(ChangeSetType::Create);
    call.template_body(good.to_string()).send().await.expect("CreateChangeSet");
    assert_eq!(cloud.json(&["recover", "-y"])["result"], "recovered");
    assert_eq!(cloud.json(&["recover", "-y"])["result"], "nothing");

    client.create_stack().stack_name(NAME).template_body(good.to_string()).send().await.expect("CreateStack");
    settled(&client, NAME, "CREATE_COMPLETE").await;
    let call = client.update_stack().stack_name(NAME).template_body(bad.to_string()).disable_rollback(true);
    call.send().await.expect("UpdateStack");
    settled(&client, NAME, "UPDATE_FAILED").await;
    let (refused, said) = (cloud.run(&["recover", "--force", "-y"]), "only one in DELETE_FAILED");
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(said));
    let recovered = cloud.json(&["recover", "-y"]);
    assert_eq!(
        (&recovered["result"], &recovered["status"]),
        (&"recovered".into(), &"UPDATE_ROLLBACK_COMPLETE".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_named_and_kept() {
    let stack = STACK.trim_end().to_owned()
        + "\n  images: { type: AWS::ECR::Repository, properties: { RepositoryName: fails-images } }\n";
    let cloud = Cloud::start(&stack);
    cloud.json(&["deploy", "-y"]);
    let sdk = cloud.sdk().await;
    let ecr = aws_sdk_ecr::Client::new(&sdk);
    let manifest = json!({ "schemaVersion": 2, "config": {}, "layers": [] }).to_string();
    let put = ecr.put_image().repository_name("fails-images").image_manifest(manifest).image_tag("one");
    put.send().await.expect("PutImage");
    let s3 =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    let bucket = cloud.physical_id(NAME, "Landing").await;
    for version in ["one", "two"] {
        let body = version.as_bytes().to_vec().into();
        s3.put_object().bucket(&bucket).key("a").body(body).send().await.expect("PutObject");
    }

    let failed = cloud.run(&["destroy", "-y"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(4), "{said}");
    for part in
        [&format!("emptied  {bucket} (2 object versions)"), "repository-not-empty", "deployer recover"]
    {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    let recovered = cloud.json(&["recover", "-y"]);
    assert_eq!((&recovered["result"], &recovered["status"]), (&"recovered".into(), &Value::Null));
    let kept = &recovered["plan"]["kept"][0];
    assert_eq!(kept["physicalId"], "fails-images");
    assert_eq!(kept["deleteWith"], "aws ecr delete-repository --repository-name fails-images --force");
    let repositories = ecr.describe_repositories().send().await.expect("DescribeRepositories");
    assert!(repositories.repositories().iter().any(|one| one.repository_name() == Some("fails-images")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_is_listed_with_how_to_delete_it() {
    let cloud = Cloud::start(&STACK.replace("removal: delete", "removal: keep"));
    cloud.json(&["deploy", "-y"]);
    let client = Client::new(&cloud.sdk().await);
    let bucket = cloud.physical_id(NAME, "Landing").await;
    // The file does not protect the stack, so this may be switched off.
    let protect = client.update_termination_protection().stack_name(NAME).enable_termination_protection(true);
    protect.send().await.expect("UpdateTerminationProtection");
    assert_eq!(cloud.run(&["destroy"]).status.code(), Some(5));
    let destroyed = cloud.json(&["destroy", "-y"]);
    assert_eq!(destroyed["result"], "deleted");
    assert_eq!(destroyed["kept"][0]["physicalId"], json!(bucket));
    let command = destroyed["kept"][0]["deleteWith"].as_str().expect("a command");
    assert!(command.ends_with(&format!("aws s3 rb s3://{bucket}")), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_template_in_yaml_keeps_is_kept() {
    let stack =
        STACK.replace("landing: { type: bucket }", "landing: { type: bucket, options: { retain: true } }");
    assert_ne!(stack, STACK);
    let cloud = Cloud::start(&stack);
    let (yaml, _) = cloud.ok(&["synth", "--format", "yaml"]);
    let client = Client::new(&cloud.sdk().await);
    let made = client.create_stack().stack_name(NAME).template_body(yaml).send().await;
    made.expect("CreateStack");
    settled(&client, NAME, "CREATE_COMPLETE").await;
    let bucket = cloud.physical_id(NAME, "Landing").await;
    let sdk = cloud.sdk().await;
    let s3 =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    s3.put_object().bucket(&bucket).key("kept").send().await.expect("PutObject");
    // The deployed template is the same, written by other means; the tag of the stack is the difference.
    assert_eq!(cloud.json(&["diff"])["summary"]["update"], 0);
    let destroyed = cloud.json(&["destroy", "-y"]);
    assert_eq!(
        (&destroyed["result"], &destroyed["kept"][0]["physicalId"]),
        (&"deleted".into(), &bucket.clone().into())
    );
    s3.head_object().bucket(&bucket).key("kept").send().await.expect("what was to stay is there");
}
