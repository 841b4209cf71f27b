//! A stack refers to resources that exist, is refused where they don't fit, and takes over one that it is given.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType,
};
use aws_sdk_s3::types::{EventBridgeConfiguration, NotificationConfiguration};

use crate::cloud::{Cloud, STACK};
use crate::proxy::Proxy;
use crate::sample::EMPTY;

fn stack(endpoint: &str, key: &str) -> String {
    format!(
        r#"
name: guest
stacks: {{ local: {{ target: local, endpoint: "{endpoint}" }} }}
resources:
  landing: {{ type: bucket, properties: {{ existing: landing-of-others, notify: [{{ queue: "${{uploads}}", prefix: in/, suffix: .csv }}] }} }}
  orders: {{ type: table, properties: {{ existing: orders, key: {{ {key} }}, indexes: {{ by-day: {{ key: {{ day: number }} }} }} }} }}
  jobs: {{ type: queue, properties: {{ existing: jobs }} }}
  uploads: {{ type: queue }}
outputs: {{ table: "${{orders.arn}}", queue: "${{jobs.url}}", uploads: "${{uploads.url}}" }}
"#
    )
}

/// The resources of others.
struct Others {
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Others {
    async fn create(cloud: &Cloud) -> Self {
        let config = cloud.sdk().await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let all = Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        };
        all.s3.create_bucket().bucket("landing-of-others").send().await.expect("CreateBucket");
        all.sqs.create_queue().queue_name("jobs").send().await.expect("CreateQueue");
        all.create_table().await;
        all
    }

    async fn create_table(&self) {
        let attribute = |name: &str, kind| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .expect("an attribute")
        };
        let key = |name: &str| {
            KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build().expect("a key")
        };
        let index = GlobalSecondaryIndex::builder()
            .index_name("by-day")
            .key_schema(key("day"))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        let table =
            self.dynamodb.create_table().table_name("orders").billing_mode(BillingMode::PayPerRequest);
        let table = table
            .attribute_definitions(attribute("id", ScalarAttributeType::S))
            .attribute_definitions(attribute("day", ScalarAttributeType::N))
            .key_schema(key("id"))
            .global_secondary_indexes(index.build().expect("an index"));
        table.send().await.expect("CreateTable");
    }

    /// Lets the bucket send its events to EventBridge.
    async fn send_events(&self) {
        let events = EventBridgeConfiguration::builder().build();
        let configuration = NotificationConfiguration::builder().event_bridge_configuration(events).build();
        let call = self.s3.put_bucket_notification_configuration().bucket("landing-of-others");
        let call = call.notification_configuration(configuration);
        call.send().await.expect("PutBucketNotificationConfiguration");
    }

    async fn put(&self, key: &str) {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(b"1");
        let call = self.s3.put_object().bucket("landing-of-others").key(key).body(body);
        call.send().await.expect("PutObject");
    }

    /// Receives one message, if one comes.
    async fn message(&self, url: &str) -> Option<String> {
        for _ in 0..20 {
            let answer = self.sqs.receive_message().queue_url(url).send().await.expect("ReceiveMessage");
            if let Some(message) = answer.messages().first() {
                return message.body().map(str::to_owned);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_used_and_left_as_it_is() {
    let cloud = Cloud::start(EMPTY);
    let others = Others::create(&cloud).await;
    let proxy = Proxy::start(&cloud.endpoint);

    // A key of another type, and a bucket that tells nobody of its objects.
    cloud.write("stack.yaml", stack(&proxy.url, "id: number").as_bytes());
    let (_, refused) = cloud.json_failing(&["deploy", "-y"], 5);
    for text in [
        "`orders`: the table has `key: { id: string }`, and the file says `key: { id: number }`",
        "`landing`: the bucket landing-of-others sends no events to EventBridge",
    ] {
        assert!(refused.contains(text), "{text}\n{refused}");
    }
    let notes = cloud.json(&["diff"])["notes"].as_array().expect("notes").len();
    assert_eq!(notes, 2);

    others.send_events().await;
    cloud.write("stack.yaml", stack(&proxy.url, "id: string").as_bytes());
    let before = proxy.calls();
    let deployed = cloud.json(&["deploy", "-y"]);
    assert_eq!(deployed["outputs"]["table"], "arn:aws:dynamodb:us-east-1:000000000000:table/orders");
    // One call for each, and one for each further fact.
    for operation in [
        "DynamoDB.DescribeTable",
        "SQS.GetQueueAttributes",
        "S3.GetBucketNotificationConfiguration",
        "S3.GetBucketEncryption",
    ] {
        let count = proxy.calls().get(operation).copied().unwrap_or_default()
            - before.get(operation).copied().unwrap_or_default();
        assert_eq!(count, 1, "{operation}: {:?}", proxy.calls());
    }
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged");

    let uploads = deployed["outputs"]["uploads"].as_str().expect("a URL").to_owned();
    others.put("in/a.txt").await;
    others.put("in/a.csv").await;
    let message = others.message(&uploads).await.expect("an event");
    assert!(message.contains("\"Object Created\"") && message.contains("in/a.csv"), "{message}");
    assert_eq!(others.message(&uploads).await, None, "the filter leaves out in/a.txt");

    cloud.json(&["destroy", "-y"]);
    let found = others.s3.get_bucket_notification_configuration().bucket("landing-of-others").send().await;
    assert!(found.expect("the bucket").event_bridge_configuration().is_some());
    others.dynamodb.describe_table().table_name("orders").send().await.expect("the table");
    others.sqs.get_queue_url().queue_name("jobs").send().await.expect("the queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_becomes_part_of_a_stack() {
    let cloud = Cloud::start(EMPTY);
    let others = Others::create(&cloud).await;
    let item = others.dynamodb.put_item().table_name("orders").item("id", AttributeValue::S("1".into()));
    item.send().await.expect("PutItem");
    let file = |resources: &str| {
        format!(
            "name: owner\nstacks: {{ local: {{ target: local, endpoint: \"{}\", removal: keep }} }}\nresources:\n  uploads: {{ type: queue }}\n{resources}outputs: {{ uploads: \"${{uploads}}\" }}\n",
            cloud.endpoint
        )
    };
    cloud.write("stack.yaml", file("").as_bytes());
    cloud.json(&["deploy", "-y"]);
    let table = "  orders: { type: table, properties: { key: { id: string }, indexes: { by-day: { key: { day: number } } } } }\n";
    cloud.write("stack.yaml", file(table).as_bytes());

    let (_, refused) = cloud.json_failing(&["import", "-y", "orders=elsewhere"], 2);
    assert!(refused.contains("there is no AWS::DynamoDB::Table elsewhere"), "{refused}");
    let imported = cloud.json(&["import", "-y", "orders=orders", "--into", "local"]);
    assert_eq!(imported["imported"][0]["physicalId"], "orders", "{imported}");
    let deployed = cloud.json(&["deploy", "-y"]);
    assert!(deployed["result"] == "deployed" || deployed["result"] == "unchanged", "{deployed}");
    assert_eq!(cloud.physical_id("owner-local", "Orders").await, "orders");
    let items = others.dynamodb.scan().table_name("orders").send().await.expect("Scan");
    assert_eq!(items.count(), 1, "the data of the table is untouched");

    // The stack is gone, and the table is among what it has kept.
    let destroyed = cloud.json(&["destroy", "-y"]);
    assert_eq!(destroyed["kept"][0]["logicalId"], "Orders", "{destroyed}");
    let kept = cloud.json(&["gc", "--kept"]);
    let resources = kept["resources"].as_array().expect("resources");
    assert_eq!(resources.len(), 1, "{kept}");
    assert_eq!(
        (&resources[0]["physicalId"], &resources[0]["stack"]),
        (&"orders".into(), &"owner-local".into())
    );
    cloud.json(&["destroy", "-y", "--delete-data"]);
    assert_eq!(cloud.json(&["gc", "--kept"])["resources"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_begins_in_a_bucket_of_others_and_ends_in_their_table() {
    let mut file = STACK.to_owned();
    for (new, existing) in [
        (
            "type: bucket\n    properties:\n",
            "type: bucket\n    properties:\n      existing: landing-of-others\n",
        ),
        ("{ key: { id: string } }", "{ existing: orders, key: { id: string } }"),
    ] {
        assert_eq!(file.matches(new).count(), 1, "stack.yaml is another one");
        file = file.replace(new, existing);
    }
    let cloud = Cloud::start(&file);
    let others = Others::create(&cloud).await;
    others.send_events().await;
    cloud.json(&["deploy", "local", "-y"]);
    cloud.write("test_data.csv", include_bytes!("../../../../data-to-upload/test_data.csv"));
    let (items, log) = cloud.ok(&["upload", "test_data.csv", "--wait"]);
    assert!(log.contains("5 rows: 5 extracted, 5 transformed, 5 loaded, 0 failed"), "{log}");
    assert_eq!(items.lines().count(), 6, "{items}");
    let items = others.dynamodb.scan().table_name("orders").send().await.expect("Scan");
    assert_eq!(items.count(), 5);
    let tally = cloud.json(&["tally", "test_data.csv"]);
    assert_eq!(tally["object"]["bucket"], "landing-of-others", "{tally}");
    cloud.json(&["status", "test_data.csv"]);

    cloud.json(&["destroy", "-y"]);
    let items = others.dynamodb.scan().table_name("orders").send().await.expect("Scan");
    assert_eq!(items.count(), 5, "the rows are those of others now");
}
