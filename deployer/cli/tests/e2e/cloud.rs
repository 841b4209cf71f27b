//! A folder with a `stack.yaml` and a local cloud, stopped and removed with the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tempfile::TempDir;

/// The repository's own stack, so that the stack that users start from is tested.
pub const STACK: &str = include_str!("../../../../stack.yaml");

/// A running local cloud.
pub struct Cloud {
    folder: TempDir,
    /// URL of the emulator.
    pub endpoint: String,
}

/// Returns the root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// Returns a tool from the virtual environment that the Makefile creates, unless the environment names another.
fn tool(variable: &str, name: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| root().join(".venv/bin").join(name), PathBuf::from);
    assert!(path.is_file(), "{} is missing; run `make venv`", path.display());
    path
}

impl Cloud {
    /// Starts a local cloud beside this `stack.yaml`.
    pub fn start(stack: &str) -> Self {
        Self::start_with(stack, &[])
    }

    /// Starts a local cloud whose workers look for AWS at this URL.
    pub fn start_behind(stack: &str, worker_endpoint: &str) -> Self {
        Self::start_with(stack, &["--worker-endpoint", worker_endpoint])
    }

    /// Creates the folder of a local cloud that does not run.
    pub fn stopped(stack: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("stack.yaml"), stack).expect("stack.yaml");
        Self { folder, endpoint: String::new() }
    }

    fn start_with(stack: &str, options: &[&str]) -> Self {
        let mut cloud = Self::stopped(stack);
        let up = cloud.json(&[&["local", "up"], options].concat());
        cloud.endpoint = up["endpoint"].as_str().expect("an endpoint").to_owned();
        cloud
    }

    /// Starts a local cloud beside the stack file of an example, whose packages are those of the repository.
    pub fn of_example(name: &str) -> Self {
        let example = root().join("examples").join(name);
        let stack = std::fs::read_to_string(example.join("stack.yaml")).expect("the example's stack.yaml");
        let cloud = Self::start(&stack);
        for entry in std::fs::read_dir(&example).expect("the example") {
            let entry = entry.expect("an entry");
            if entry.path().join("Cargo.toml").is_file() {
                let link = cloud.folder().join(entry.file_name());
                std::os::unix::fs::symlink(entry.path(), link).expect("a link to the package");
            }
        }
        cloud
    }

    /// Returns the folder that holds nothing but `stack.yaml` and the deployer's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file beside `stack.yaml`.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("a file of the test");
        path
    }

    /// Runs the deployer.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the deployer starts")
    }

    /// Creates a command of the deployer, ready to run.
    pub fn command(&self, args: &[&str]) -> Command {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployer"));
        command
            .args(args)
            .current_dir(self.folder())
            .env("DEPLOYER_MINISTACK", tool("DEPLOYER_MINISTACK", "ministack"))
            .env("DEPLOYER_CARGO_LAMBDA", tool("DEPLOYER_CARGO_LAMBDA", "cargo-lambda"))
            // The cache is outside of the target folder: cargo notes sources inside of it by their place there, and
            // would take those of an earlier test for the ones to be built.
            .env("DEPLOYER_CACHE_DIR", root().join(".test-cache"))
            .env("CARGO_TARGET_DIR", &target)
            // Nothing of the developer's own may reach AWS from a test.
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_ENDPOINT_URL");
        command
    }

    /// Runs the deployer, which must succeed; returns stdout and stderr.
    pub fn ok(&self, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "deployer {args:?}: {}\n{out}\n{err}", output.status);
        (out, err)
    }

    /// Runs the deployer with `--output json`, which must succeed and write a document that matches
    /// `docs/output.schema.json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let (out, err) = self.ok(&[args, &["--output", "json"]].concat());
        let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
        assert_eq!(crate::schema::judge(args[0], &value), [""; 0], "{value}");
        value
    }

    /// Runs the deployer with `--output json`, which must end with this code.
    pub fn json_failing(&self, args: &[&str], code: i32) -> (Value, String) {
        let output = self.run(&[args, &["--output", "json"]].concat());
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "deployer {args:?}\n{out}\n{err}");
        (serde_json::from_str(&out).expect("JSON on stdout"), err)
    }

    /// Returns the configuration of the SDK for the emulator.
    pub async fn sdk(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test"))
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .load()
            .await
    }

    /// Returns every item of the deployed table, by its `id`.
    pub async fn items(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let outputs = self.json(&["outputs"]);
        let table = outputs["outputs"]["table"].as_str().expect("the output `table`");
        let client = aws_sdk_dynamodb::Client::new(&self.sdk().await);
        let mut items = BTreeMap::new();
        let mut pages = client.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item: BTreeMap<String, String> = item
                .expect("Scan")
                .into_iter()
                .map(|(name, value)| match value {
                    AttributeValue::S(text) => (name, text),
                    other => panic!("{name} is not a string: {other:?}"),
                })
                .collect();
            items.insert(item["id"].clone(), item);
        }
        items
    }

    /// Returns the number of visible and hidden messages in the queue of a logical id.
    pub async fn messages(&self, logical_id: &str) -> usize {
        let client = aws_sdk_sqs::Client::new(&self.sdk().await);
        let url = self.queue_url(logical_id).await;
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let answer = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Visible.clone())
            .attribute_names(Hidden.clone())
            .attribute_names(Delayed.clone())
            .send()
            .await
            .expect("GetQueueAttributes");
        let attributes = answer.attributes().expect("attributes");
        [Visible, Hidden, Delayed]
            .iter()
            .map(|name| attributes[name].parse::<usize>().expect("a number"))
            .sum()
    }

    /// Returns the URL of the queue of a logical id.
    pub async fn queue_url(&self, logical_id: &str) -> String {
        self.physical_id("eventbridge-etl-local", logical_id).await
    }

    /// Returns the physical id of a resource of a stack.
    pub async fn physical_id(&self, stack: &str, logical_id: &str) -> String {
        let client = aws_sdk_cloudformation::Client::new(&self.sdk().await);
        let answer = client
            .describe_stack_resource()
            .stack_name(stack)
            .logical_resource_id(logical_id)
            .send()
            .await
            .expect("DescribeStackResource");
        let detail = answer.stack_resource_detail().expect("a resource");
        detail.physical_resource_id().expect("a physical id").to_owned()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["supervisor.log", "ministack.log"] {
                let log = std::fs::read_to_string(self.folder().join(".deployer/local").join(name))
                    .unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(60).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("--- {name}\n{}\n", tail.join("\n")).as_bytes(),
                )
                .expect("stderr");
            }
        }
        self.run(&["local", "down"]);
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

/// Formats a line of CSV.
pub fn csv_line(fields: &[&str]) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(fields).expect("a record");
    String::from_utf8(writer.into_inner().expect("bytes")).expect("UTF-8")
}
