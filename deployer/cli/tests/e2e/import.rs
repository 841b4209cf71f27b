//! A stack of another tool is imported, and deployed again without a change.

use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Parameter, StackStatus};

use crate::cloud::Cloud;

const OTHER: &str =
    "name: other\nstacks: { local: { target: local } }\nresources: { jobs: { type: queue } }\n";

/// A template that no version of the deployer would write, with names that it would write in another way.
const TEMPLATE: &str = "
Description: Of another tool
Parameters:
  delay: { Type: Number, Default: 5 }
  stage: { Type: String }
Mappings:
  limits: { us-east-1: { seconds: 90 } }
Conditions:
  isProd: !Equals [!Ref stage, prod]
Resources:
  oldQueue:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    Properties:
      DelaySeconds: !Ref delay
      VisibilityTimeout: !FindInMap [limits, us-east-1, seconds]
  value:
    Type: AWS::SSM::Parameter
    DependsOn: [oldQueue]
    Properties: { Type: String, Value: !If [isProd, \"${text}\", !Sub '${oldQueue.Arn} ${!text}'] }
Outputs:
  url: { Value: !Ref oldQueue, Export: { Name: !Sub '${AWS::StackName}-url' } }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_another_tool_is_taken_over_without_a_change() {
    let cloud = Cloud::start(OTHER);
    let cloudformation = Client::new(&cloud.sdk().await);
    let stage = Parameter::builder().parameter_key("stage").parameter_value("prod").build();
    let create =
        cloudformation.create_stack().stack_name("OldShop").template_body(TEMPLATE).parameters(stage);
    create.send().await.expect("CreateStack");
    let mut status = None;
    for _ in 0..100 {
        let answer =
            cloudformation.describe_stacks().stack_name("OldShop").send().await.expect("DescribeStacks");
        status = answer.stacks()[0].stack_status().cloned();
        if status != Some(StackStatus::CreateInProgress) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, Some(StackStatus::CreateComplete));

    cloud.ok(&["import", "--stack", "OldShop", "--local", "--out", "shop.yaml"]);
    let file = std::fs::read_to_string(cloud.folder().join("shop.yaml")).expect("a file");
    assert!(file.contains("name: OldShop") && file.contains("stage: prod"), "{file}");
    let same = cloud.run(&["-f", "shop.yaml", "diff", "--fail"]);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
    assert_eq!(cloud.json(&["deploy", "-f", "shop.yaml"])["result"], "unchanged");

    // One change of a parameter, and one of a resource.
    let changed =
        file.replace("stage: prod", "stage: dev").replace("DelaySeconds: !Ref delay", "DelaySeconds: 7");
    cloud.write("shop.yaml", changed.as_bytes());
    let deployed = cloud.json(&["deploy", "-f", "shop.yaml", "-y"]);
    assert_eq!(deployed["result"], "deployed", "{deployed}");
    let url = deployed["outputs"]["url"].as_str().expect("an output").to_owned();
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All);
    let attributes = attributes.send().await.expect("GetQueueAttributes");
    let attributes = attributes.attributes().expect("attributes");
    assert_eq!(attributes[&aws_sdk_sqs::types::QueueAttributeName::DelaySeconds], "7");
    assert_eq!(attributes[&aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout], "90");
}
