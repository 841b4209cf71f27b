//! What `destroy` has kept comes back with its data, whenever the deployment is interrupted, or is deleted on request.

use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::proxy::{Fate, Proxy};
use crate::sample::EMPTY;

/// Number of moments at which the deployment that adopts is killed.
const MOMENTS: usize = 8;
/// Time within which a deployment must end.
const PATIENCE: Duration = Duration::from_secs(60);
const BUCKET: &str = "kept-local-landing-000000000000-us-east-1";

fn stack(endpoint: &str) -> String {
    format!(
        r#"
name: kept
stacks: {{ local: {{ target: local, endpoint: "{endpoint}", removal: keep }} }}
resources:
  jobs: {{ type: queue }}
  landing: {{ type: bucket, properties: {{ notify: [{{ on: created, queue: "${{jobs}}" }}] }} }}
  records: {{ type: table, properties: {{ key: {{ id: string }} }} }}
outputs: {{ bucket: "${{landing.name}}", table: "${{records.name}}" }}
"#
    )
}

/// The data in the stack, asked for past the proxy.
struct Data {
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Data {
    async fn of(cloud: &Cloud) -> Self {
        let config = cloud.sdk().await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self { s3: aws_sdk_s3::Client::from_conf(s3), dynamodb: aws_sdk_dynamodb::Client::new(&config) }
    }

    async fn put(&self, table: &str) {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(b"1");
        self.s3.put_object().bucket(BUCKET).key("a.csv").body(body).send().await.expect("PutObject");
        let item = self.dynamodb.put_item().table_name(table);
        item.item("id", AttributeValue::S("1".into())).send().await.expect("PutItem");
    }

    /// Returns the numbers of objects and items; `None` for what does not exist.
    async fn counts(&self, table: &str) -> (Option<usize>, Option<i32>) {
        let objects = self.s3.list_objects_v2().bucket(BUCKET).send().await;
        let items = self.dynamodb.scan().table_name(table).send().await;
        (objects.ok().map(|all| all.contents().len()), items.ok().map(|all| all.count()))
    }
}

/// Returns the actions of a plan by logical ID.
fn action<'p>(plan: &'p Value, id: &str) -> &'p Value {
    let resources = plan["resources"].as_array().expect("resources");
    &resources.iter().find(|one| one["id"] == id).expect("the resource")["action"]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_comes_back_whenever_the_deployment_is_killed() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_130);
    let mut random = fastrand::Rng::with_seed(seed);
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    cloud.write("stack.yaml", stack(&proxy.url).as_bytes());
    let deployed = cloud.json(&["deploy"]);
    let table = deployed["outputs"]["table"].as_str().expect("the table").to_owned();
    let data = Data::of(&cloud).await;
    data.put(&table).await;

    let destroy = || {
        let destroyed = cloud.json(&["destroy", "-y"]);
        let kept = destroyed["kept"].as_array().expect("kept").iter();
        assert_eq!(kept.map(|one| &one["logicalId"]).collect::<Vec<_>>(), ["Records", "Landing"]);
    };
    destroy();
    let shown = cloud.json(&["diff"]);
    for id in ["Landing", "Records"] {
        assert_eq!(action(&shown, id), "adopt", "{shown}");
    }
    let refused = cloud.run(&["deploy"]);
    assert_eq!(refused.status.code(), Some(5), "an adoption is asked about");

    let before = proxy.calls().values().sum::<usize>();
    let adopted = cloud.json(&["deploy", "-y"]);
    let calls = proxy.calls().values().sum::<usize>() - before;
    assert_eq!(
        (&adopted["result"], action(&adopted["plan"], "Landing")),
        (&"deployed".into(), &"adopt".into())
    );
    assert_eq!((data.counts(&table).await, &adopted["outputs"]), ((Some(1), Some(1)), &deployed["outputs"]));

    let mut killed = 0;
    for moment in 0..MOMENTS {
        proxy.decide(|_, _| Fate::Through);
        destroy();
        let at = (moment * calls + random.usize(0..calls)) / MOMENTS;
        let passed_on = random.bool();
        let (held, is_held) = mpsc::channel();
        proxy.decide(
            move |_, before| if before == at { Fate::Held(passed_on, held.clone()) } else { Fate::Through },
        );
        let place = format!("seed {seed}: killed at call {at} of {calls}, passed on: {passed_on}");
        let mut command = cloud.command(&["deploy", "-y"]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the deployer starts");
        let deadline = Instant::now() + PATIENCE;
        while is_held.recv_timeout(Duration::from_millis(20)).is_err() {
            if child.try_wait().expect("its state").is_some() {
                break;
            }
            assert!(Instant::now() < deadline, "{place}: it never came to that");
        }
        killed += usize::from(child.try_wait().expect("its state").is_none());
        let _ = child.kill();
        child.wait().expect("it ends");
        proxy.decide(|_, _| Fate::Through);
        let output = cloud.run(&["deploy", "-y"]);
        assert!(output.status.success(), "{place}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(cloud.json(&["deploy"])["result"], "unchanged", "{place}");
        assert_eq!(data.counts(&table).await, (Some(1), Some(1)), "{place}");
    }
    assert!(killed > MOMENTS / 2, "seed {seed}: only {killed} were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_left_alone_or_deleted_on_request() {
    let cloud = Cloud::start(EMPTY);
    cloud.write("stack.yaml", stack(&cloud.endpoint).as_bytes());
    let deployed = cloud.json(&["deploy"]);
    let table = deployed["outputs"]["table"].as_str().expect("the table").to_owned();
    let data = Data::of(&cloud).await;
    data.put(&table).await;
    cloud.json(&["destroy", "-y"]);

    // A table whose key is another one would be replaced by an empty one.
    let other = stack(&cloud.endpoint).replace("id: string", "other: string");
    cloud.write("stack.yaml", other.as_bytes());
    let (_, refused) = cloud.json_failing(&["deploy", "-y"], 5);
    assert!(refused.contains("Records") && refused.contains("--allow-replace Records"), "{refused}");
    cloud.write("stack.yaml", stack(&cloud.endpoint).as_bytes());

    // Without the records and the memory of CloudFormation, names and tags are enough.
    let assets = "deployer-assets-000000000000-us-east-1";
    let keys =
        data.s3.list_objects_v2().bucket(assets).prefix("deployments/").send().await.expect("the records");
    for key in keys.contents().iter().filter_map(|one| one.key()) {
        data.s3.delete_object().bucket(assets).key(key).send().await.expect("DeleteObject");
    }
    let named = cloud.json(&["diff"]);
    assert_eq!((action(&named, "Landing"), action(&named, "Records")), (&"adopt".into(), &"adopt".into()));
    let adopted = cloud.json(&["deploy", "-y"]);
    assert_eq!((data.counts(&table).await, &adopted["outputs"]), ((Some(1), Some(1)), &deployed["outputs"]));
    cloud.json(&["destroy", "-y"]);

    // The local cloud gives a new table the name of the old one, so only the bucket can be told apart.
    let buckets =
        stack(&cloud.endpoint).replace("  records: {", "  others: {").replace("${records", "${others");
    cloud.write("stack.yaml", buckets.as_bytes());
    let fresh = cloud.json(&["deploy", "-y", "--fresh"]);
    assert_eq!(fresh["outputs"]["bucket"], format!("{BUCKET}-2"));
    assert_eq!(action(&fresh["plan"], "Landing"), "create");
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged", "the stack remembers its names");
    assert_eq!(data.counts(&table).await, (Some(1), Some(1)));

    let destroyed = cloud.json(&["destroy", "-y", "--delete-data"]);
    assert_eq!(destroyed["deletedData"].as_array().expect("what was deleted").len(), 2, "{destroyed}");
    assert_eq!(
        data.counts(&table).await,
        (Some(1), Some(1)),
        "another stack's data stays until it is asked for"
    );
    let (refused, _) = cloud.json_failing(&["destroy", "--delete-data"], 5);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("2 kept resources")), "{refused}");
    let rest = cloud.json(&["destroy", "-y", "--delete-data"]);
    assert_eq!((&rest["result"], data.counts(&table).await), (&"absent".into(), (None, None)), "{rest}");
    assert!(cloud.json(&["destroy", "-y", "--delete-data"]).get("deletedData").is_none());
}
