//! `deployer console` on the local cloud, without a browser: what its tabs are told, and what they can ask and do.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::cloud::{Cloud, STACK};
use crate::proxy::Proxy;
use crate::sample::{EMPTY, stack_with_bucket, zip};

/// Time after which something has not happened.
const PATIENCE: Duration = Duration::from_secs(120);

/// A console that runs.
struct Console {
    child: Child,
    client: Client,
    origin: String,
    token: String,
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Console {
    fn start(cloud: &Cloud, options: &[&str]) -> Self {
        let mut command = cloud.command(&[&["console", "--no-open"], options].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the deployer starts");
        let mut link = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut link).expect("the link");
        let (origin, token) = link.trim().split_once("/?token=").expect("a link with a token");
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { child, client, origin: origin.to_owned(), token: token.to_owned() }
    }

    async fn open(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.origin)).bearer_auth(&self.token);
        request.send().await.expect("an answer")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.open(path).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn post(&self, path: &str, body: &'static str) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.origin)).bearer_auth(&self.token);
        let answer = request.header("X-Console", "1").body(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a text")).expect("a document"))
    }

    async fn tab(&self) -> Tab {
        let response = self.open("/api/events").await;
        assert_eq!(response.status().as_u16(), 200);
        Tab { response, text: String::new(), state: Value::Null, changes: 0 }
    }

    /// Returns the number of calls since the start.
    async fn calls(&self, operation: &str) -> u64 {
        let (_, state) = self.get("/api/state").await;
        state["budget"]["calls"][operation].as_u64().unwrap_or_default()
    }
}

/// A tab, which keeps the state as the page does.
struct Tab {
    response: Response,
    text: String,
    state: Value,
    changes: usize,
}

impl Tab {
    /// Reads events until the state is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(&self.state) {
            let left = until.saturating_duration_since(Instant::now());
            let chunk = tokio::time::timeout(left, self.response.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("{what}: {:#}", self.state));
            let chunk = chunk.expect("readable").expect("the events go on");
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
            while let Some(at) = self.text.find("\n\n") {
                let event: String = self.text.drain(..at + 2).collect();
                self.take(&event);
            }
        }
    }

    fn take(&mut self, event: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else { return };
        let data: Value = serde_json::from_str(data).expect("a document");
        if field("event: ") == Some("state") {
            self.state = data;
            return;
        }
        self.changes += 1;
        for (section, value) in data.as_object().expect("sections") {
            if section != "files" {
                self.state[section] = value.clone();
                continue;
            }
            let rows = self.state["files"]["rows"].as_array_mut().expect("rows");
            for row in value["upsert"].as_array().expect("rows") {
                rows.retain(|known| known["id"] != row["id"]);
                rows.push(row.clone());
            }
            rows.retain(|known| !value["gone"].as_array().expect("ids").contains(&known["id"]));
        }
    }

    fn file(&self, key: &str) -> Value {
        let mut rows = self.state["files"]["rows"].as_array().into_iter().flatten();
        rows.rfind(|row| row["key"] == key).cloned().unwrap_or_default()
    }
}

fn file_is(state: &Value, key: &str, wanted: &str) -> bool {
    let mut rows = state["files"]["rows"].as_array().into_iter().flatten();
    rows.any(|row| row["key"] == key && row["state"] == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_through_while_two_tabs_look_on() {
    let cloud = Cloud::start(STACK);
    let console = Console::start(&cloud, &[]);
    let (mut one, mut two) = (console.tab().await, console.tab().await);
    one.until("a stack that is not there", |state| state["connection"]["state"] == "notDeployed").await;
    cloud.json(&["deploy", "local"]);
    one.until("a deployment by another process", |state| {
        state["connection"]["state"] == "connected" && !state["deployments"][0].is_null()
    })
    .await;

    const FILE: &str = "ID,HouseNum,Street,Town,Zip\n1,1,<script>x</script>,B,C\n,2,A,B,C\n3,3,A,B,C\n";
    let (status, uploaded) = console.post("/api/upload?confirm=1&key=in%2F%3Cb%3E%20%26.csv", FILE).await;
    assert_eq!((status, &uploaded["key"]), (200, &json!("in/<b> &.csv")), "{uploaded}");
    for tab in [&mut one, &mut two] {
        tab.until("its end", |state| file_is(state, "in/<b> &.csv", "incomplete")).await;
        let file = tab.file("in/<b> &.csv");
        assert_eq!(file["id"], uploaded["id"], "{file}");
        let counts = ["total", "extracted", "loaded", "failed", "missing"].map(|name| file[name].as_u64());
        assert_eq!(counts, [Some(3), Some(3), Some(2), Some(1), Some(0)], "{file}");
    }
    let loaded = |state: &Value| {
        let mut edges = state["graph"]["edges"].as_array().into_iter().flatten();
        edges.any(|edge| edge["to"] == "records" && edge["rows"] == 2)
    };
    one.until("the rows on the edge to the table", loaded).await;

    let id = uploaded["id"].as_str().expect("an ID");
    asks(&console, id).await;
    let (status, _) = console.post("/api/upload?confirm=1&key=notes.txt", "x").await;
    assert_eq!(status, 400, "a key that starts nothing");

    // One reader for both tabs, which reads about once a second; and none for none.
    let (before, begun) = (console.calls("DynamoDB.Scan").await, Instant::now());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let made = console.calls("DynamoDB.Scan").await - before;
    let seconds = begun.elapsed().as_secs();
    assert!((1..=seconds * 3 / 2).contains(&made), "{made} scans in {seconds} s");
    drop((one, two));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let resting = console.calls("DynamoDB.Scan").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(console.calls("DynamoDB.Scan").await, resting, "nobody looks on");

    // Everything goes on when somebody looks again, and when the local cloud is back.
    let mut tab = console.tab().await;
    tab.until("the files", |state| file_is(state, "in/<b> &.csv", "incomplete")).await;
    cloud.json(&["local", "down"]);
    // A call that was under way fails by itself; the next read says why.
    tab.until("a lost connection", |state| {
        state["connection"]["state"] == "lost"
            && state["connection"]["problem"]["text"] == "the local cloud is not running"
    })
    .await;
    assert_eq!(tab.file("in/<b> &.csv")["loaded"], 2, "what was shown stays");
    cloud.json(&["local", "up"]);
    tab.until("its return", |state| state["connection"]["state"] == "connected").await;
    let number = tab.state["deployments"][0]["number"].as_u64().expect("a record");
    cloud.json(&["deploy", "local", "--config", "throttle=3", "-y"]);
    tab.until("another deployment", |state| state["deployments"][0]["number"].as_u64() > Some(number)).await;
    assert!(tab.changes > 0);
}

/// Returns everything that a page shows of a file, and of the stack around it.
pub async fn texts(cloud: &Cloud, key: &str, options: &[&str]) -> Vec<String> {
    let console = Console::start(cloud, options);
    let mut tab = console.tab().await;
    tab.until("the file", |state| !state["files"]["rows"].as_array().is_none_or(Vec::is_empty)).await;
    let file = tab.file(key);
    let id = file["id"].as_str().expect("an ID").to_owned();
    let mut texts = vec![tab.state.to_string()];
    for path in [
        format!("/api/file?id={id}"),
        format!("/api/items?id={id}&limit=30"),
        format!("/api/row?id={id}&row=1"),
        format!("/api/row?id={id}&row=21"),
        "/api/resource?name=transform".to_owned(),
        "/api/resource?name=load".to_owned(),
        "/api/resource?name=observe".to_owned(),
        "/api/plan".to_owned(),
    ] {
        let (status, answer) = console.get(&path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        texts.push(answer.to_string());
    }
    texts
}

/// What the page asks about a file, and its replay.
async fn asks(console: &Console, id: &str) {
    // `report` writes its files after the last row.
    let mut file = Value::Null;
    for _ in 0..60 {
        (_, file) = console.get(&format!("/api/file?id={id}")).await;
        if file["results"]["rejects"].is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let failure = &file["failures"][0];
    assert_eq!((&failure["reason"], &failure["rows"]), (&json!("missing-value"), &json!([2])), "{file}");
    assert!(failure["docs"].as_str().is_some_and(|docs| docs.starts_with("# missing-value")));

    let (_, items) = console.get(&format!("/api/items?id={id}&limit=2")).await;
    assert_eq!(items["columns"], json!(["id", "house_number", "street_address", "town", "zip"]), "{items}");
    assert_eq!(items["rows"][0]["item"]["street_address"], "<script>x</script>", "{items}");
    assert_eq!((&items["rows"][1]["state"], &items["rows"][1]["item"]), (&json!("failed"), &Value::Null));

    let (_, way) = console.get(&format!("/api/row?id={id}&row=3")).await;
    let steps: Vec<&str> =
        way["steps"].as_array().expect("steps").iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(steps, ["uploaded", "extracted", "transformed", "loaded"], "{way}");
    assert!(way["steps"].as_array().expect("steps").iter().all(|step| step["time"].is_string()), "{way}");
    assert_eq!((&way["steps"][3]["resource"], &way["item"]["id"]), (&json!("load"), &json!("3")), "{way}");
    let row_id = way["rowId"].as_str().expect("an ID");
    for asked in [row_id.to_owned(), row_id.to_uppercase()] {
        let (_, same) = console.get(&format!("/api/row?rowId={asked}")).await;
        assert_eq!((&same["row"], &same["rowId"]), (&json!(3), &json!(row_id)));
    }
    assert_eq!(console.get(&format!("/api/row?id={id}&row=4")).await.0, 404);
    assert_eq!(console.get("/api/file?id=none").await.0, 404);

    let rejects = console.open(&format!("/api/download?id={id}&which=rejects")).await;
    let named = rejects.headers()["content-disposition"].to_str().expect("a text").to_owned();
    assert!(named.starts_with("attachment; filename=\"_b___.csv.csv\""), "{named}");
    assert!(rejects.text().await.expect("a text").contains("2,missing-value,id,"));

    let (_, resource) = console.get("/api/resource?name=transform").await;
    assert_eq!((&resource["state"], &resource["type"]), (&json!("CREATE_COMPLETE"), &json!("function")));
    assert!(!resource["log"].as_array().expect("lines").is_empty(), "{resource}");
    assert_eq!(console.get("/api/resource?name=nothing").await.0, 404);
    let (_, plan) = console.get("/api/plan").await;
    let lines = plan["lines"].as_array().expect("lines");
    assert!(lines.iter().any(|line| line["text"] == "eventbridge-etl-local: no difference"), "{plan}");
    let mut drift = (202, Value::Null);
    while drift.0 == 202 {
        drift = console.get("/api/drift").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!((drift.0, &drift.1["resources"]), (200, &json!([])), "{}", drift.1);

    let body = r#"{"id":"none","which":"failed"}"#;
    assert_eq!(console.post("/api/replay?confirm=1", body).await.0, 404);
    let body: &'static str = format!(r#"{{"id":"{id}","which":"failed"}}"#).leak();
    assert_eq!(console.post("/api/replay", body).await.0, 400, "not confirmed");
    let (status, replay) = console.post("/api/replay?confirm=1", body).await;
    assert_eq!((status, &replay["rows"], replay["replay"].is_string()), (200, &json!(1), true), "{replay}");
    let missing: &'static str = body.replace("failed", "missing").leak();
    let (_, nothing) = console.post("/api/replay?confirm=1", missing).await;
    assert_eq!(nothing, json!({ "replay": null, "rows": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_makes_no_more_calls_than_it_says() {
    const MOST: usize = 12;
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    cloud.write("stack.yaml", stack_with_bucket("budget", &proxy.url, 60).as_bytes());
    cloud.write("code.zip", &zip("one"));
    let console = Console::start(&cloud, &["--calls-per-minute", "12", "--read-only"]);
    let begun = Instant::now();
    let mut tab = console.tab().await;
    // Each plan needs several calls: together more than there are.
    let plans = (0..10).map(|_| console.get("/api/plan"));
    let plans = tokio::time::timeout(Duration::from_secs(20), futures::future::join_all(plans)).await;
    assert!(plans.is_err(), "ten plans were made within the budget");
    tab.until("a budget that is used up", |state| state["budget"]["usedLastMinute"] == MOST).await;
    assert_eq!(tab.state["budget"]["callsPerMinute"], MOST);
    let calls: usize = proxy.calls().values().sum();
    assert!(begun.elapsed() < Duration::from_secs(55), "the test was too slow to count a minute");
    assert_eq!(calls, MOST, "{:?}", proxy.calls());
    let (status, refused) = console.post("/api/replay?confirm=1", "{}").await;
    assert_eq!((status, &refused["error"]["text"]), (403, &json!("the console is read-only")));
}
