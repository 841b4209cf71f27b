//! Resources of CloudFormation's own types beside ours, and the effect of `options` on them.

use crate::cloud::Cloud;

const STACK: &str = r#"
name: raw
stacks: { local: { target: local, default: true, removal: keep } }
conditions:
  elsewhere: !Equals [!Ref AWS::Region, nowhere]
resources:
  arrivals: { type: queue }
  address:
    type: AWS::SSM::Parameter
    options: { dependsOn: ["${arrivals}"], logicalId: QueueAddress }
    properties:
      Name: !Sub /${AWS::StackName}/address
      Type: String
      Value: !Join [" ", [queue, "${arrivals.url}", !If [elsewhere, nowhere, here]]]
  never: { type: AWS::SQS::Queue, options: { condition: elsewhere }, properties: { QueueName: never } }
  logs:
    type: AWS::Logs::LogGroup
    options: { retain: false }
    properties: { RetentionInDays: 1 }
  kept:
    type: AWS::SQS::Queue
    options: { protect: true }
    properties: { SqsManagedSseEnabled: true, VisibilityTimeout: 45 }
outputs:
  address: ${address.Value}
  url: ${arrivals.url}
  kept: ${kept.QueueName}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn raw_types_are_deployed_and_what_is_protected_stays() {
    let cloud = Cloud::start(STACK);
    let deployed = cloud.json(&["deploy"]);
    let output = |name: &str| deployed["outputs"][name].as_str().expect("an output").to_owned();
    assert_eq!(output("address"), format!("queue {} here", output("url")));
    let changes = deployed["changes"].as_array().expect("changes");
    let made: Vec<&str> = changes.iter().filter_map(|change| change["logicalId"].as_str()).collect();
    assert!(made.contains(&"QueueAddress") && !made.contains(&"Address"), "{made:?}");
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let queues = || async { sqs.list_queues().send().await.expect("ListQueues").queue_urls().to_vec() };
    assert!(!queues().await.iter().any(|url| url.ends_with("/never")));

    // The protected resource can't be left out, its stack can't be deleted, and both together are refused too.
    let start = STACK.find("  kept:\n").expect("the resource");
    let end = STACK.find("outputs:").expect("the outputs");
    let without = format!("{}{}", &STACK[..start], &STACK[end..]).replace("  kept: ${kept.QueueName}\n", "");
    cloud.write("stack.yaml", without.as_bytes());
    for command in ["deploy", "destroy"] {
        let refused = cloud.run(&[command, "-y"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(5), "{said}");
        assert!(said.contains("Kept") && said.contains("protect"), "{said}");
    }
    assert!(queues().await.iter().any(|url| url.ends_with(&output("kept"))));

    cloud.write("stack.yaml", STACK.replace("protect: true", "protect: false").as_bytes());
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    cloud.write("stack.yaml", without.as_bytes());
    assert_eq!(cloud.json(&["deploy", "-y"])["result"], "deployed");
    assert!(!queues().await.iter().any(|url| url.ends_with(&output("kept"))));
    // The stack keeps data, and the file sets for this log group that it is deleted.
    assert_eq!(cloud.json(&["destroy", "-y"])["result"], "deleted");
}
