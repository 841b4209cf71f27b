//! `deployer verify` on the local cloud: a pipeline that works, and one with a hop that is broken in what is deployed.
//!
//! Each hop is broken by calls of AWS's API beside the deployer, and repaired again. The local cloud enforces neither the policies of
//! queues nor roles, so a way to a queue is broken by what leads there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::types::Environment;
use aws_sdk_s3::types::NotificationConfiguration;
use serde_json::Value;

use crate::cloud::{Cloud, STACK};

/// Time for each hop where one is broken: those before it are slow on a machine that is busy.
const EACH: &str = "18s";

/// Name of the stack in CloudFormation.
const NAME: &str = "eventbridge-etl-local";

fn s3(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A deployed pipeline.
struct Pipeline {
    cloud: Cloud,
    config: aws_config::SdkConfig,
    bucket: String,
    table: String,
    tally: String,
}

impl Pipeline {
    async fn deploy(stack: &str) -> Self {
        let cloud = Cloud::start(stack);
        cloud.json(&["deploy", "local"]);
        let config = cloud.sdk().await;
        let bucket = cloud.physical_id(NAME, "Landing").await;
        let table = cloud.physical_id(NAME, "Records").await;
        let tally = cloud.physical_id(NAME, "Tally").await;
        Self { cloud, config, bucket, table, tally }
    }

    async fn scan(&self, table: &str) -> Vec<BTreeMap<String, AttributeValue>> {
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        let answer = client.scan().table_name(table).consistent_read(true).send().await.expect("Scan");
        answer.items.unwrap_or_default().into_iter().map(BTreeMap::from_iter).collect()
    }

    /// Checks that nothing of any verification is left: in bucket, table, tally, queue of errors and notes.
    async fn is_clean(&self, what: &str) {
        let versions =
            s3(&self.config).list_object_versions().bucket(&self.bucket).send().await.expect("versions");
        let keys: Vec<&str> = versions.versions().iter().filter_map(|one| one.key()).collect();
        assert!(keys.iter().all(|key| !key.contains("deployer-verify")), "{what}: {keys:?}");
        assert!(versions.delete_markers().is_empty(), "{what}: {:?}", versions.delete_markers());
        assert_eq!(self.scan(&self.table).await, [], "{what}: the table");
        assert_eq!(self.scan(&self.tally).await, [], "{what}: the tally");
        assert_eq!(self.cloud.messages("Errors").await, 0, "{what}: the user's queue of errors");
        let assets = s3(&self.config).list_buckets().send().await.expect("ListBuckets");
        let assets = assets
            .buckets()
            .iter()
            .filter_map(|one| one.name())
            .find(|name| name.starts_with("deployer-assets"));
        let notes =
            s3(&self.config).list_objects_v2().bucket(assets.expect("a bucket")).prefix("verifications/");
        assert_eq!(notes.send().await.expect("ListObjectsV2").contents().len(), 0, "{what}: the notes");
    }

    /// Verifies a pipeline in which this hop fails.
    async fn fails_at(&self, what: &str, hop: &str, timeout: &str) -> Value {
        let began = Instant::now();
        let (found, err) = self.cloud.json_failing(&["verify", "--timeout", timeout], 7);
        assert_eq!(crate::schema::judge("verify", &found), [""; 0], "{found}");
        assert_eq!(found["failure"]["hop"], hop, "{what}: {found}\n{err}");
        assert!(found["failure"]["hint"].as_str().is_some_and(|hint| hint.contains("deployer ")), "{found}");
        self.is_clean(what).await;
        #[expect(clippy::print_stderr, reason = "figures for whoever runs the test by itself")]
        {
            eprintln!(
                "{what}: {hop} in {:.1} s: {}",
                began.elapsed().as_secs_f64(),
                found["failure"]["message"]
            );
        }
        found
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// Changes a variable of a function, and returns its variables as they were.
    async fn set_variable(&self, id: &str, name: &str, value: &str) -> (String, Environment) {
        let function = self.cloud.physical_id(NAME, id).await;
        let found = self
            .lambda()
            .get_function_configuration()
            .function_name(&function)
            .send()
            .await
            .expect("a function");
        let before = found.environment().and_then(|one| one.variables()).cloned().unwrap_or_default();
        let mut after = before.clone();
        after.insert(name.to_owned(), value.to_owned()).expect("a variable that is there");
        self.set_variables(&function, Environment::builder().set_variables(Some(after)).build()).await;
        (function, Environment::builder().set_variables(Some(before)).build())
    }

    async fn set_variables(&self, function: &str, environment: Environment) {
        let call =
            self.lambda().update_function_configuration().function_name(function).environment(environment);
        call.send().await.expect("UpdateFunctionConfiguration");
    }

    /// Registers the task with another image, and returns the ARN of the definition.
    async fn with_image(&self, image: &str) -> String {
        let ecs = aws_sdk_ecs::Client::new(&self.config);
        let family = self.cloud.physical_id(NAME, "Extraction").await;
        let found =
            ecs.describe_task_definition().task_definition(family).send().await.expect("a definition");
        let before = found.task_definition().expect("a definition").clone();
        let containers = before.container_definitions().iter().map(|one| {
            let mut one = one.clone();
            one.image = Some(image.to_owned());
            one
        });
        let call = ecs
            .register_task_definition()
            .family("broken")
            .set_container_definitions(Some(containers.collect()))
            .set_network_mode(before.network_mode.clone())
            .set_requires_compatibilities(before.requires_compatibilities.clone())
            .set_cpu(before.cpu.clone())
            .set_memory(before.memory.clone())
            .set_task_role_arn(before.task_role_arn.clone())
            .set_execution_role_arn(before.execution_role_arn.clone());
        let made = call.send().await.expect("RegisterTaskDefinition");
        made.task_definition().and_then(|one| one.task_definition_arn()).expect("an ARN").to_owned()
    }

    fn events(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// Gives a rule a pattern that no event matches, and returns its name, bus and pattern.
    async fn break_rule(&self, id: &str) -> (String, String, String) {
        let id = self.cloud.physical_id(NAME, id).await;
        // CloudFormation's ID of a rule begins with its bus; that of the local cloud does not.
        let name = id.split_once('|').map_or(id.as_str(), |(_, name)| name);
        let bus = &self.cloud.physical_id(NAME, "Events").await;
        let found =
            self.events().describe_rule().event_bus_name(bus).name(name).send().await.expect("a rule");
        let pattern = found.event_pattern().expect("a pattern").to_owned();
        self.set_pattern(bus, name, r#"{"source":["nobody"]}"#).await;
        (name.to_owned(), bus.to_owned(), pattern)
    }

    async fn set_pattern(&self, bus: &str, name: &str, pattern: &str) {
        self.events()
            .put_rule()
            .event_bus_name(bus)
            .name(name)
            .event_pattern(pattern)
            .send()
            .await
            .expect("PutRule");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_works_is_verified_and_nothing_is_left() {
    let all = Pipeline::deploy(STACK).await;
    let began = Instant::now();
    let done = all.cloud.json(&["verify"]);
    let took = began.elapsed();
    assert_eq!(
        (&done["result"], &done["rows"], &done["failure"]),
        (&"verified".into(), &3.into(), &Value::Null),
        "{done}"
    );
    let hops = done["hops"].as_array().expect("hops");
    let names: Vec<&str> = hops.iter().filter_map(|hop| hop["hop"].as_str()).collect();
    let expected = [
        "bucket",
        "queue",
        "extract",
        "task",
        "transform-rule",
        "transform",
        "load-rule",
        "load",
        "table",
        "observe-rule",
        "observe",
        "tally",
        "report",
    ];
    assert_eq!(names, expected);
    assert!(hops.iter().all(|hop| hop["passed"] == true), "{done}");
    let seconds: Vec<f64> = hops.iter().filter_map(|hop| hop["seconds"].as_f64()).collect();
    assert!(seconds.len() == hops.len() && seconds[..9].is_sorted(), "{seconds:?}");
    all.is_clean("after a good run").await;
    let tallies = all.cloud.json(&["tally"]);
    assert_eq!(tallies["objects"].as_array().map(Vec::len), Some(0), "{tallies}");

    // Rows of a user beside it stay, and the rows of a sample have keys of their own.
    all.cloud.write("orders.csv", b"ID,HouseNum,Street,Town,Zip\n1,2,Road,Ulm,089\n");
    assert_eq!(all.cloud.json(&["upload", "orders.csv", "--wait"])["loaded"], 1);
    let (out, err) = all.cloud.ok(&["verify", "--sample", "orders.csv"]);
    assert!(out.is_empty() && err.contains("verified") && err.contains("1 row"), "{err}");
    let items = all.cloud.items().await;
    assert_eq!(items.keys().collect::<Vec<_>>(), ["1"]);
    #[expect(clippy::print_stderr, reason = "figures for whoever runs the test by itself")]
    {
        eprintln!("a good run took {:.1} s: {seconds:?}\n{err}", took.as_secs_f64());
    }

    // A process that is killed leaves what the next verification deletes.
    let mut child =
        all.cloud.command(&["verify"]).stderr(std::process::Stdio::null()).spawn().expect("a process");
    let start = Instant::now();
    while all.scan(&all.table).await.len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "no place was made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("its end");
    assert!(all.scan(&all.table).await.len() >= 2, "it has left something");
    let (_, err) = all.cloud.ok(&["verify"]);
    assert!(err.contains("after an interrupted verification"), "{err}");
    assert_eq!(all.cloud.items().await.keys().collect::<Vec<_>>(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hop_is_named_when_it_is_broken() {
    let all = Pipeline::deploy(STACK).await;
    let config = s3(&all.config);

    // The bucket's notification, which leads to the queue.
    let before = config
        .get_bucket_notification_configuration()
        .bucket(&all.bucket)
        .send()
        .await
        .expect("a notification");
    let none = NotificationConfiguration::builder().build();
    let put = |set: NotificationConfiguration| {
        config
            .put_bucket_notification_configuration()
            .bucket(&all.bucket)
            .notification_configuration(set)
            .send()
    };
    put(none).await.expect("no notification");
    all.fails_at("no notification of the bucket", "queue", "8s").await;
    let again = NotificationConfiguration::builder()
        .set_queue_configurations(before.queue_configurations)
        .set_event_bridge_configuration(before.event_bridge_configuration)
        .build();
    put(again).await.expect("the notification");

    // Rules that take nothing.
    for (id, hop) in [
        ("TransformOnRecordExtractedRule", "transform-rule"),
        ("LoadOnRecordTransformedRule", "load-rule"),
        ("ObserveOnAnyRule", "observe-rule"),
    ] {
        let (name, bus, pattern) = all.break_rule(id).await;
        all.fails_at(&format!("the pattern of {id}"), hop, EACH).await;
        all.set_pattern(&bus, &name, &pattern).await;
    }

    // A function that can't start: it lacks what it needs.
    for (id, variable, hop) in [
        ("Extract", "TASK_DEFINITION", "extract"),
        ("Report", "TALLY_TABLE_NAME", "report"),
        ("Transform", "EVENT_BUS_NAME", "transform"),
        ("Load", "TABLE_KEY", "load"),
    ] {
        let (function, before) = all.set_variable(id, variable, "").await;
        let found = all.fails_at(&format!("{id} without {variable}"), hop, EACH).await;
        assert!(found["failure"]["log"].as_array().is_some_and(|log| !log.is_empty()), "{found}");
        all.set_variables(&function, before).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    // Settings that make other items than those of the file.
    let (function, before) = all
        .set_variable(
            "Transform",
            "SETTINGS",
            r#"{"fields":[{"name":"id","from":"ID"},{"name":"town","from":"Street"}]}"#,
        )
        .await;
    let found = all.fails_at("wrong settings of transform", "table", "20s").await;
    assert!(found["failure"]["message"].as_str().is_some_and(|said| said.contains("town")), "{found}");
    all.set_variables(&function, before).await;

    // A table with another key.
    let (function, before) = all.set_variable("Load", "TABLE_NAME", &all.tally).await;
    let found = all.fails_at("another table", "load", "20s").await;
    assert!(
        found["failure"]["message"].as_str().is_some_and(|said| said.contains("invalid-item")),
        "{found}"
    );
    all.set_variables(&function, before).await;

    // A task whose image does not exist.
    let definition = all
        .with_image("nobody/nothing@sha256:0000000000000000000000000000000000000000000000000000000000000000")
        .await;
    let (function, before) = all.set_variable("Extract", "TASK_DEFINITION", &definition).await;
    let found = all.fails_at("a task that can't start", "task", "15s").await;
    assert!(found["failure"]["log"].to_string().contains("CannotPullContainerError"), "{found}");
    all.set_variables(&function, before).await;

    // A tally that is elsewhere.
    let (function, before) = all.set_variable("Observe", "TALLY_TABLE_NAME", &all.table).await;
    all.fails_at("another table of the tally", "tally", "20s").await;
    all.set_variables(&function, before).await;

    // And it works again.
    assert_eq!(all.cloud.json(&["verify"])["result"], "verified");
    all.is_clean("in the end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_before_is_deployed_again() {
    // Messages that arrive too late for the verification: the template is right, and the pipeline does not do what it should.
    let late =
        STACK.replace("visibilityTimeout: 5m, deadLetter", "visibilityTimeout: 5m, delay: 15m, deadLetter");
    assert_ne!(late, STACK);
    let cloud = Cloud::start(&late);
    // In the first deployment there is nothing to go back to.
    let (failed, err) = cloud.json_failing(&["deploy", "local", "--verify=rollback"], 7);
    let said = failed["error"].as_str().expect("an error");
    assert!(said.contains("extract") && said.contains("nothing to go back to"), "{said}\n{err}");

    cloud.write("stack.yaml", STACK.as_bytes());
    let done = cloud.json(&["deploy", "local", "--verify"]);
    assert_eq!(done["verification"]["result"], "verified", "{done}");
    // An up-to-date stack is verified as well.
    let done = cloud.json(&["deploy", "local", "--verify=rollback"]);
    assert_eq!(
        (&done["result"], &done["verification"]["result"]),
        (&"unchanged".into(), &"verified".into()),
        "{done}"
    );

    cloud.write("stack.yaml", late.as_bytes());
    let (failed, err) = cloud.json_failing(&["deploy", "local", "--verify=rollback"], 4);
    let said = failed["error"].as_str().expect("an error");
    assert!(said.contains("extract") && said.contains("is deployed again"), "{said}\n{err}");
    cloud.write("stack.yaml", STACK.as_bytes());
    assert_eq!(cloud.json(&["verify"])["result"], "verified");
    let history = cloud.json(&["history"]);
    assert_eq!(history["records"][0]["kind"], "rollback", "{history}");
}
