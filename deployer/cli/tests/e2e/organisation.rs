//! Settings of an organisation: tags beside those of others, names of roles, drift that is taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{StackStatus, Tag};

use crate::cloud::Cloud;

const STACK: &str = "
name: shop
stacks: { local: { target: local } }
tags: { team: shop, cost: '4711' }
rolePath: /pipelines/
rolePrefix: shop-
resources:
  jobs: { type: queue }
  nightly: { type: schedule, properties: { every: 1d, target: { queue: '${jobs}' } } }
";

/// Returns the tags of the stack.
async fn tags(cloudformation: &Client) -> BTreeMap<String, String> {
    let answer =
        cloudformation.describe_stacks().stack_name("shop-local").send().await.expect("DescribeStacks");
    let tags = answer.stacks()[0].tags().iter();
    tags.map(|tag| (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned()))
        .collect()
}

/// Waits until no operation is in progress.
async fn settled(cloudformation: &Client) {
    for _ in 0..100 {
        let answer =
            cloudformation.describe_stacks().stack_name("shop-local").send().await.expect("DescribeStacks");
        if answer.stacks()[0].stack_status() == Some(&StackStatus::UpdateComplete) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the update does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_others_stay_whatever_the_file_changes() {
    let cloud = Cloud::start(STACK);
    let cloudformation = Client::new(&cloud.sdk().await);
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    let first = pairs(&[("cost", "4711"), ("deployer:stack", "local"), ("team", "shop")]);
    assert_eq!(tags(&cloudformation).await, first);
    let role = cloud.physical_id("shop-local", "NightlyRole").await;
    let unique = role.strip_prefix("shop-NightlyRole-").expect("a name with the prefix");
    assert!(unique.split('-').next_back().is_some_and(|end| end.len() == 12), "{role}");

    // Somebody else tags the stack.
    let mut update = cloudformation.update_stack().stack_name("shop-local").use_previous_template(true);
    for (key, value) in
        first.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain([("owner", "platform")])
    {
        update = update.tags(Tag::builder().key(key).value(value).build());
    }
    update
        .capabilities(aws_sdk_cloudformation::types::Capability::CapabilityNamedIam)
        .send()
        .await
        .expect("UpdateStack");
    settled(&cloudformation).await;
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged", "tags of others are not a change");

    // A value alone, which is not in the template; and a tag that leaves the file.
    cloud.write("stack.yaml", STACK.replace("team: shop, cost: '4711'", "team: orders").as_bytes());
    let (plan, _) = cloud.ok(&["diff"]);
    assert!(plan.contains("team: shop → orders") && plan.contains("those of 4 resources"), "{plan}");
    assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
    let second = pairs(&[("deployer:stack", "local"), ("owner", "platform"), ("team", "orders")]);
    assert_eq!(tags(&cloudformation).await, second);
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged");
    assert_eq!(cloud.physical_id("shop-local", "NightlyRole").await, role, "a tag replaces nothing");

    // Back to the recorded tags of the file, beside the present ones of others.
    assert_eq!(cloud.json(&["rollback", "--to", "1"])["result"], "deployed");
    let back =
        pairs(&[("cost", "4711"), ("deployer:stack", "local"), ("owner", "platform"), ("team", "shop")]);
    assert_eq!(tags(&cloudformation).await, back);
}
