//! The loop of `deployer dev`: saves of the stack file and of code, broken ones, quick ones, and the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cloud::Cloud;
use crate::sample::{EMPTY, zip};
use crate::terminal::Terminal;

/// Time within which something must happen: a first deployment takes seconds, and other tests may run.
const PATIENCE: Duration = Duration::from_secs(90);
/// Time in which nothing happens that could.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Most milliseconds of the deployer's own from a save to its deployment.
const OWN: u64 = 1_000;
/// Number of equal saves of which the quickest is held to that: other programs may take the machine's time from the rest.
const SAVES: usize = 3;
/// Most time from Ctrl-C to the end: what is waited for has a second and a half, on a machine that may be busy.
const END: Duration = Duration::from_secs(10);
/// Time after which two saves may be seen as two, and after which errors may be shown.
const QUIET: Duration = Duration::from_millis(50);
const SHOWN: Duration = Duration::from_millis(200);

/// A `deployer dev --output json` that runs.
struct Dev {
    child: Child,
    events: Receiver<Value>,
    said: Arc<Mutex<String>>,
    /// Reads what is said.
    listener: JoinHandle<()>,
    /// The deployer's own time of each deployment, by what was saved.
    own: RefCell<BTreeMap<String, Vec<u64>>>,
}

impl Dev {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--output", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the deployer starts");
        let (sender, events) = channel();
        let out = BufReader::new(child.stdout.take().expect("stdout"));
        std::thread::spawn(move || {
            for line in out.lines() {
                let line = line.expect("UTF-8");
                let event: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                // The last line is that of any command that was interrupted.
                let form = if event.get("event").is_some() { "dev" } else { "failure" };
                assert_eq!(crate::schema::judge(form, &event), [""; 0], "{event}");
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let said = Arc::new(Mutex::new(String::new()));
        let (text, mut errors) = (Arc::clone(&said), child.stderr.take().expect("stderr"));
        let listener = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                text.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, events, said, listener, own: RefCell::default() }
    }

    fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
    }

    /// Waits for an event of this kind, and returns it with those before.
    fn until(&self, kind: &str) -> (Value, Vec<Value>) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if event["event"] == kind => return (event, before),
                Ok(event) => before.push(event),
                Err(error) => panic!("no event `{kind}` ({error}) after {before:#?}\n{}", self.said()),
            }
        }
    }

    fn next(&self, kind: &str) -> Value {
        self.until(kind).0
    }

    /// Waits for a deployment with this result, prints its times, and holds the deployer to its own.
    fn deployed(&self, what: &str, result: &str) -> Value {
        let event = self.next("deployed");
        assert_eq!(event["result"], result, "{what}: {event}\n{}", self.said());
        let line = format!(
            "{what}: {} ms, calls {} ms, builds {} ms, own {} ms\n",
            event["milliseconds"], event["calls"], event["builds"], event["own"]
        );
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        let own = event["own"].as_u64().expect("milliseconds");
        let mut all = self.own.borrow_mut();
        let equal = all.entry(what.to_owned()).or_default();
        equal.push(own);
        let least = equal.iter().min().copied().unwrap_or_default();
        let is_quick = equal.len() < SAVES || least <= OWN;
        assert!(is_quick, "{what}: {equal:?} ms of the deployer's own\n{}", self.said());
        event
    }

    /// Checks that nothing of this kind happens for a while.
    fn is_silent(&self, kind: &str) {
        let deadline = Instant::now() + SILENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => assert_ne!(event["event"], kind, "{event}\n{}", self.said()),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended\n{}", self.said()),
            }
        }
    }

    /// Presses Ctrl-C; returns the exit code, the time until the end, and what was said.
    fn interrupt(mut self) -> (Option<i32>, Duration, String) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("an id")).expect("an id");
        kill_process(id, Signal::INT).expect("a signal");
        let begun = Instant::now();
        while self.child.try_wait().expect("its state").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().expect("its state").code();
        let took = begun.elapsed();
        std::io::stderr().write_all(format!("Ctrl-C: {} ms\n", took.as_millis()).as_bytes()).expect("stderr");
        // A local cloud that is still saving its data may hold the other end.
        while !self.listener.is_finished() && begun.elapsed() < took + END {
            std::thread::sleep(Duration::from_millis(10));
        }
        (code, took, self.said())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Gone already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a stack file with a queue of this visibility timeout.
fn queue(timeout: &str) -> String {
    format!(
        "name: loop\nstacks: {{ local: {{ target: local, removal: delete }} }}\n\
         resources:\n  jobs: {{ type: queue, properties: {{ visibilityTimeout: {timeout} }} }}\n\
         outputs: {{ jobs: \"${{jobs.url}}\" }}\n"
    )
}

/// Returns the visibility timeout of the deployed queue.
async fn visibility(cloud: &Cloud) -> String {
    use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
    let url = cloud.physical_id("loop-local", "Jobs").await;
    let client = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let answer = client.get_queue_attributes().queue_url(url).attribute_names(VisibilityTimeout).send().await;
    answer.expect("GetQueueAttributes").attributes().expect("attributes")[&VisibilityTimeout].clone()
}

/// Returns the problems of the file that a page shows: code, file and line.
async fn shown_problems(link: &str) -> Vec<String> {
    let (origin, token) = link.split_once("/?token=").expect("a link with a token");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer =
        client.get(format!("{origin}/api/state")).bearer_auth(token).send().await.expect("an answer");
    let state: Value = serde_json::from_str(&answer.text().await.expect("a text")).expect("a document");
    let problems = state["problems"].as_array().expect("problems").iter();
    problems
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}:{}", text("code"), text("file"), one["line"])
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_stack_file_is_deployed_and_a_broken_one_is_not() {
    let cloud = Cloud::start(&queue("60s"));
    let dev = Dev::start(cloud.command(&["dev", "--no-open"]));
    assert_eq!(dev.next("cloud")["state"], "running");
    dev.deployed("a first deployment", "deployed");
    let link = dev.next("console")["link"].as_str().expect("a link").to_owned();
    assert_eq!(shown_problems(&link).await, [""; 0]);

    for timeout in [70, 80, 90] {
        cloud.write("stack.yaml", queue(&format!("{timeout}s")).as_bytes());
        let saved = dev.next("saved");
        assert_eq!(saved["files"], serde_json::json!(["stack.yaml"]));
        dev.deployed("a saved stack.yaml", "deployed");
        assert_eq!(visibility(&cloud).await, timeout.to_string());
    }

    cloud.write("stack.yaml", queue("soon").as_bytes());
    let problems = dev.next("problems");
    assert_eq!(
        (&problems["file"], problems["diagnostics"][0]["severity"].as_str()),
        (&"stack.yaml".into(), Some("error"))
    );
    let code = problems["diagnostics"][0]["code"].as_str().expect("a code");
    assert_eq!(shown_problems(&link).await, [format!("{code} stack.yaml:4")]);
    dev.is_silent("deployed");
    assert_eq!(visibility(&cloud).await, "90");
    cloud.write("stack.yaml", queue("100s").as_bytes());
    let (_, before) = dev.until("deployed");
    let solved = before.iter().find(|event| event["event"] == "problems").expect("the problems are solved");
    assert_eq!(solved["diagnostics"], serde_json::json!([]));
    assert_eq!(shown_problems(&link).await, [""; 0]);
    assert_eq!(visibility(&cloud).await, "100");

    // Written slowly, by way of half a file; and by way of an empty one, twice opened.
    let path = cloud.folder().join("stack.yaml");
    let text = queue("110s");
    let (begin, rest) = text.split_at(text.len() / 2);
    let mut file = std::fs::File::create(&path).expect("truncated");
    file.write_all(begin.as_bytes()).expect("written");
    std::thread::sleep(Duration::from_millis(400));
    file.write_all(rest.as_bytes()).expect("written");
    drop(file);
    let (_, before) = dev.until("deployed");
    assert!(before.iter().all(|event| event["event"] != "problems"), "{before:#?}");
    let begun = Instant::now();
    std::fs::write(&path, "").expect("truncated");
    std::thread::sleep(Duration::from_millis(120));
    std::fs::write(&path, queue("120s")).expect("written");
    let is_quick = begun.elapsed() < SHOWN;
    let (_, before) = dev.until("deployed");
    assert!(!is_quick || before.iter().all(|event| event["event"] != "problems"), "{before:#?}");
    assert_eq!(visibility(&cloud).await, "120");

    // As editors save: beside the file and renamed, with a backup, after a test of the folder. Then twice.
    cloud.write("4913", b"");
    std::fs::remove_file(cloud.folder().join("4913")).expect("removed");
    cloud.write("stack.yaml.new", queue("130s").as_bytes());
    std::fs::rename(&path, cloud.folder().join("stack.yaml~")).expect("a backup");
    std::fs::rename(cloud.folder().join("stack.yaml.new"), &path).expect("renamed");
    let (_, before) = dev.until("deployed");
    assert!(before.iter().all(|event| event["event"] == "saved" || event["event"] == "log"), "{before:#?}");
    assert_eq!(visibility(&cloud).await, "130");
    let begun = Instant::now();
    cloud.write("stack.yaml", queue("140s").as_bytes());
    std::thread::sleep(Duration::from_millis(20));
    cloud.write("stack.yaml", queue("150s").as_bytes());
    let is_quick = begun.elapsed() < QUIET;
    dev.deployed("two quick saves", "deployed");
    // On a machine that is busy, they may have been two.
    while !is_quick && visibility(&cloud).await != "150" {
        dev.next("deployed");
    }
    dev.is_silent("deployed");
    assert_eq!(visibility(&cloud).await, "150");
    // Saves during a deployment are one more, and no save is deployed twice. The last may be in place before it is asked for.
    for timeout in 160..170 {
        cloud.write("stack.yaml", queue(&format!("{timeout}s")).as_bytes());
        std::thread::sleep(Duration::from_millis(130));
    }
    let mut rounds = 0;
    while visibility(&cloud).await != "169" {
        dev.next("deployed");
        rounds += 1;
    }
    assert!(rounds <= 10, "{rounds}");

    let (code, took, said) = dev.interrupt();
    assert_eq!(code, Some(130), "{said}");
    assert!(took < END, "{took:?}\n{said}");
    assert_eq!(cloud.json(&["local", "status"])["running"], true, "{said}");
    assert_eq!(visibility(&cloud).await, "169");
}

/// A stack with a function of Python in a zip, and a table.
const ZIPPED: &str = r#"
name: zipped
stacks: { local: { target: local, removal: delete } }
resources:
  work:
    type: function
    properties: { code: { zip: code.zip, runtime: python3.12, handler: app.handler }, timeout: 10s }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_dev_starts_is_stopped_again_with_its_data() {
    let mut cloud = Cloud::stopped(ZIPPED);
    let dev = Dev::start(cloud.command(&["dev", "local", "--no-console"]));
    // Without its code, the stack is not deployed, but the cloud runs.
    let started = dev.next("cloud");
    assert_eq!(started["state"], "started");
    cloud.endpoint = started["endpoint"].as_str().expect("an endpoint").to_owned();
    assert!(dev.next("failed")["error"].as_str().expect("a text").contains("code.zip"));
    cloud.write("code.zip", &zip("one"));
    dev.deployed("a first deployment", "deployed");
    for word in ["two", "three", "four"] {
        cloud.write("code.zip", &zip(word));
        dev.deployed("a saved zip", "swapped");
    }
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let name = cloud.physical_id("zipped-local", "Work").await;
    let function =
        lambda.get_function_configuration().function_name(&name).send().await.expect("the function");
    let digest = {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(zip("four")))
    };
    assert_eq!(function.code_sha256(), Some(digest.as_str()));
    // What it logs is shown.
    cloud.write("code.zip", &zip("five\nprint('this is logged')"));
    dev.deployed("a saved zip", "swapped");
    cloud.ok(&["invoke", "work", "--event", "{}"]);
    let logged = loop {
        let event = dev.next("log");
        if event["message"] == "this is logged" {
            break event;
        }
    };
    assert_eq!(logged["resource"], "work");
    let history = cloud.json(&["history"]);
    assert_eq!(history["records"].as_array().expect("records").len(), 5, "{history}");

    let (code, took, said) = dev.interrupt();
    assert_eq!(code, Some(130), "{said}");
    assert!(took < END, "{took:?}\n{said}");
    // On a busy machine it is still saving its data, and `dev` does not wait for that.
    assert!(said.contains("stopped, and its data is kept"), "{said}");
    assert!(said.contains("`deployer deploy local` makes it permanent"), "{said}");
    let begun = Instant::now();
    while cloud.json(&["local", "status"])["running"] == true {
        assert!(begun.elapsed() < PATIENCE, "the local cloud is not stopped\n{said}");
        std::thread::sleep(Duration::from_millis(100));
    }
    cloud.ok(&["local", "up"]);
    assert_eq!(cloud.json(&["status"])["stack"], "zipped-local");
}

/// A stack with a function of a package.
const PACKAGED: &str = r#"
name: packaged
stacks: { local: { target: local, removal: delete } }
resources:
  work: { type: function, properties: { code: { package: work }, timeout: 10s } }
"#;
const MANIFEST: &str = "[package]\nname = \"work\"\nversion = \"1.0.0\"\nedition = \"2024\"\nbuild = \"build.rs\"\n[workspace]\n";
/// A build that takes long if it is told to, and tells its process.
const BUILD: &str = r#"
fn main() {
    println!("cargo::rerun-if-changed=slow");
    if std::path::Path::new("slow").exists() {
        std::fs::write("../building", std::process::id().to_string()).expect("written");
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
"#;

/// Writes a file of the package.
fn write(cloud: &Cloud, name: &str, text: &str) {
    let path = cloud.folder().join("work").join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

fn is_running(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_code_is_built_and_swapped_and_a_build_that_is_out_of_date_ends() {
    let cloud = Cloud::start(EMPTY);
    write(&cloud, "Cargo.toml", MANIFEST);
    write(&cloud, "Cargo.lock", "version = 4\n\n[[package]]\nname = \"work\"\nversion = \"1.0.0\"\n");
    write(&cloud, "build.rs", BUILD);
    write(&cloud, "src/main.rs", "fn main() { std::process::exit(1) }\n");
    cloud.write("stack.yaml", PACKAGED.as_bytes());
    let mut command = cloud.command(&["dev", "--no-console"]);
    // The package is not one of this workspace, whose target folder is not to be locked for a minute.
    command.env("CARGO_TARGET_DIR", cloud.folder().join("out")).env_remove("RUSTC_WORKSPACE_WRAPPER");
    let dev = Dev::start(command);
    dev.deployed("a first deployment", "deployed");
    for code in 2..5 {
        write(&cloud, "src/main.rs", &format!("fn main() {{ std::process::exit({code}) }}\n"));
        dev.deployed("a saved worker", "swapped");
    }
    // A new file, which the next one needs.
    write(&cloud, "src/more/mod.rs", "pub const CODE: i32 = 7;\n");
    write(&cloud, "src/main.rs", "mod more;\nfn main() { std::process::exit(more::CODE) }\n");
    dev.deployed("a new file", "swapped");
    write(&cloud, "src/more/mod.rs", "pub const CODE: i32 = 8;\n");
    dev.deployed("the new file, saved again", "swapped");

    write(&cloud, "src/main.rs", "fn main() { no_such_thing() }\n");
    assert!(dev.next("failed")["error"].as_str().expect("a text").contains("could not be built"));
    let said = dev.said();
    assert!(said.contains("error[E0425]") && said.contains("no_such_thing"), "{said}");
    write(&cloud, "src/main.rs", "fn main() { std::process::exit(9) }\n");
    dev.deployed("a worker that builds again", "swapped");

    // A build that takes long is given up when the next save comes.
    write(&cloud, "slow", "");
    write(&cloud, "src/main.rs", "fn main() { std::process::exit(10) }\n");
    let told = cloud.folder().join("building");
    let begun = Instant::now();
    let building = loop {
        // It is empty for a moment.
        match std::fs::read_to_string(&told) {
            Ok(process) if !process.is_empty() => break process,
            _ => assert!(begun.elapsed() < PATIENCE, "the build does not begin\n{}", dev.said()),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(is_running(&building));
    std::fs::remove_file(cloud.folder().join("work/slow")).expect("removed");
    dev.next("superseded");
    dev.deployed("after a build that was given up", "swapped");
    assert!(!is_running(&building), "the build goes on\n{}", dev.said());

    // The folder is moved away and back.
    let [here, away] = ["work", "away"].map(|name| cloud.folder().join(name));
    std::fs::rename(&here, &away).expect("moved");
    assert!(dev.next("failed")["error"].as_str().expect("a text").contains("work/Cargo.toml"));
    std::fs::rename(&away, &here).expect("moved back");
    dev.deployed("a folder that is back", "unchanged");
    let (code, took, said) = dev.interrupt();
    assert_eq!((code, took < END), (Some(130), true), "{took:?}\n{said}");
}

/// A stack with a table of this key, and more resources.
fn table(key: &str, more: &str) -> String {
    format!(
        "name: kept\nstacks: {{ local: {{ target: local, removal: delete }} }}\nresources:\n  \
         records: {{ type: table, properties: {{ key: {{ {key}: string }} }} }}\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_the_loop_goes_on() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let mut cloud = Cloud::start(&table("id", ""));
    let dev = Dev::start(cloud.command(&["dev", "--no-console"]));
    dev.deployed("a first deployment", "deployed");
    let name = cloud.physical_id("kept-local", "Records").await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk().await);
    let put = dynamodb.put_item().table_name(&name).item("id", AttributeValue::S("1".into()));
    put.send().await.expect("PutItem");
    let failed = |part: &str| {
        let event = dev.next("failed");
        let text = format!("{} {}", event["error"], event["hint"]);
        assert!(text.contains(part), "no {part} in {text}\n{}", dev.said());
        event["kind"].as_str().expect("a kind").to_owned()
    };

    // A table that would be replaced with its item.
    cloud.write("stack.yaml", table("pk", "").as_bytes());
    assert_eq!(failed("`deployer deploy local --allow-replace Records`"), "refused");
    let items = dynamodb.scan().table_name(&name).send().await.expect("Scan");
    assert_eq!(items.count(), 1);

    // A deployment that fails, and the next.
    let client = aws_sdk_cloudformation::Client::new(&cloud.sdk().await);
    let taken = serde_json::json!({ "Resources": { "P": {
        "Type": "AWS::SSM::Parameter", "Properties": { "Name": "/dev/taken", "Type": "String", "Value": "x" },
    } } });
    client
        .create_stack()
        .stack_name("other")
        .template_body(taken.to_string())
        .send()
        .await
        .expect("CreateStack");
    let parameter = "  address: { type: AWS::SSM::Parameter, properties: { Name: /dev/taken, Type: String, Value: x } }\n";
    cloud.write("stack.yaml", table("id", parameter).as_bytes());
    assert_eq!(failed("Address"), "deployment");
    assert!(dev.said().contains("name-taken"), "{}", dev.said());
    let parameter = parameter.replace("taken", "free");
    cloud.write("stack.yaml", table("id", &parameter).as_bytes());
    dev.deployed("after a deployment that failed", "deployed");

    // The stack is renamed, and becomes one of AWS.
    cloud.write("stack.yaml", table("id", &parameter).replace("{ local:", "{ mine:").as_bytes());
    assert_eq!(failed("`local`"), "usage");
    cloud.write(
        "stack.yaml",
        table("id", &parameter).replace("target: local", "region: eu-west-1").as_bytes(),
    );
    assert_eq!(failed("is a stack on AWS"), "refused");
    cloud.write("stack.yaml", table("id", &parameter).as_bytes());
    dev.deployed("a stack that is back", "unchanged");

    // The file has another name, and its own again.
    let [file, other] = ["stack.yaml", "other.yaml"].map(|name| cloud.folder().join(name));
    std::fs::rename(&file, &other).expect("renamed");
    assert_eq!(failed("stack.yaml was renamed to other.yaml"), "usage");
    std::fs::rename(&other, &file).expect("renamed");
    dev.deployed("a file that is back", "unchanged");
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(failed("stack.yaml was removed"), "usage");
    cloud.write("stack.yaml", table("id", &format!("{parameter}  jobs: {{ type: queue }}\n")).as_bytes());
    dev.deployed("a file that is there again", "deployed");

    // The cloud is stopped, and the next save starts it.
    cloud.ok(&["local", "down"]);
    assert_eq!(dev.next("cloud")["state"], "lost");
    dev.is_silent("deployed");
    cloud.write(
        "stack.yaml",
        table("id", &format!("{parameter}  jobs: {{ type: queue }}\n  more: {{ type: queue }}\n")).as_bytes(),
    );
    let started = dev.next("cloud");
    assert_eq!(started["state"], "started");
    cloud.endpoint = started["endpoint"].as_str().expect("an endpoint").to_owned();
    assert_eq!(dev.next("deployed")["result"], "deployed");
    // It is reset, and what was deployed with it.
    cloud.ok(&["local", "reset", "-y"]);
    let back = loop {
        let event = dev.next("cloud");
        if event["state"] == "back" {
            break event;
        }
    };
    cloud.endpoint = back["endpoint"].as_str().expect("an endpoint").to_owned();
    assert_eq!(dev.next("deployed")["result"], "deployed");
    let (code, took, said) = dev.interrupt();
    assert_eq!((code, took < END), (Some(130), true), "{took:?}\n{said}");
    // It is the one that `reset` has started.
    assert_eq!(cloud.json(&["local", "status"])["running"], true, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_asked_about_each_time() {
    let kept = table("id", "  jobs: { type: queue }\n");
    let with = table(
        "id",
        "  jobs: { type: queue }\n  address: { type: AWS::SSM::Parameter, properties: { Type: String, Value: x } }\n",
    );
    let cloud = Cloud::start(&with);
    let mut terminal = Terminal::start(&cloud.command(&["dev", "--no-logs", "--no-console"]));
    terminal.shows("press Ctrl-C to end", 1);
    // What was typed before there is a question is no answer to it.
    terminal.types("kept-local\n");
    std::thread::sleep(Duration::from_millis(300));
    cloud.write("stack.yaml", kept.as_bytes());
    terminal.shows("[type kept-local to confirm]", 1);
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("yes\n");
    terminal.shows("declined; nothing was done", 1);
    cloud.physical_id("kept-local", "Address").await;

    cloud.write("stack.yaml", format!("{kept}# again\n").as_bytes());
    terminal.shows("[type kept-local to confirm]", 2);
    terminal.types("kept-local\n");
    terminal.shows("in place", 2);
    assert_eq!(cloud.run(&["outputs"]).status.code(), Some(0));
    let deleted = cloud.json(&["diff", "--no-build"]);
    assert_eq!(deleted["summary"]["delete"], 0, "{deleted}");
    // The answer was one to that question.
    cloud.write("stack.yaml", with.as_bytes());
    terminal.shows("in place", 3);
    cloud.write("stack.yaml", kept.as_bytes());
    terminal.shows("[type kept-local to confirm]", 3);
    terminal.types("\u{3}");
    let begun = Instant::now();
    assert_eq!(terminal.ends(), Some(130));
    assert!(begun.elapsed() < END, "{:?}", begun.elapsed());
}
