//! The console's own server with a pipeline that is played: for what a local cloud does not have, such as ten thousand files,
//! and keys that no bucket of it takes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use deployer_console::backend::{Backend, Cause, Download, Failed, Result, Upload};
use deployer_console::hub::Hub;
use deployer_console::model::{
    Bucket, Budget, Connection, ConnectionState, Deployment, Drift, DriftedProperty, DriftedResource, Edge,
    Fact, Failure, FileDetail, FileRow, FileState, Graph, ItemRow, Items, KeyPattern, LogLine, NextStep,
    Node, NodeState, Plan, PlanLine, Rates, ReplayRequest, Replayed, Resource, Results, RowChoice, RowWay,
    Setting, Severity, StackInfo, State, Step, Uploaded, Written,
};
use deployer_console::server::{Settings, Token, serve};
use tokio::sync::{mpsc, oneshot};

/// A time of the pipeline.
/// Of an earlier year, so that the page always shows the whole date.
pub const TIME: &str = "2024-09-30T12:00:00Z";

/// Texts that would be something else as markup, as a path, in a line from left to right, or in a narrow column.
pub const HOSTILE: [&str; 12] = [
    "<img src=x onerror=\"window.__owned = 1\">.csv",
    "<script>window.__owned = 1</script>.csv",
    "\"><svg onload=\"window.__owned = 1\">.csv",
    "javascript:window.__owned=1.csv",
    "{{constructor.constructor('window.__owned=1')()}}.csv",
    "سجل الطلبات ٢٠٢٦.csv",
    "gepj.\u{202e}vsc.exe",
    "a b+c%2Fd&e=f#g?h;i,j.csv",
    "../../etc/passwd",
    "tab\tand\nnewline.csv",
    "\u{0}null \u{7f}delete \u{feff}mark.csv",
    "👩‍👩‍👧‍👦 z̷a̸l̶g̵o̷ ﷽.csv",
];

/// Returns a file of the list.
pub fn file(number: usize, key: &str) -> FileRow {
    FileRow {
        id: format!("id-{number}"),
        bucket: "landing-bucket".into(),
        key: key.into(),
        version: Some(format!("version-{number}")),
        uploaded: Some(format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}Z",
            30 - number / 1440 % 29,
            23 - number / 60 % 24,
            59 - number % 60,
            30
        )),
        started_at: Some(TIME.into()),
        last_at: Some(TIME.into()),
        total: Some(100),
        extracted: 100,
        transformed: 95,
        loaded: 90,
        failed: if number.is_multiple_of(3) { 10 } else { 0 },
        skipped: if number.is_multiple_of(3) { 0 } else { 10 },
        missing: Some(0),
        state: if number.is_multiple_of(3) { FileState::Incomplete } else { FileState::Complete },
        size: Some(4_096),
        ..FileRow::default()
    }
}

/// Returns a drawing of two rows of resources.
fn graph() -> Graph {
    let names = [
        ("landing", "bucket", NodeState::Ok),
        ("extraction", "task", NodeState::Busy),
        ("transform", "function", NodeState::Warning),
        ("errors", "queue", NodeState::Error),
        ("records", "table", NodeState::Unknown),
    ];
    let nodes = names.iter().zip(0_u8..).map(|((name, kind, state), index)| Node {
        id: (*name).into(),
        name: (*name).into(),
        kind: (*kind).into(),
        label: (*kind).into(),
        x: 24.0 + 190.0 * f64::from(index),
        y: 24.0 + 50.0 * f64::from(index % 2),
        width: 90.0,
        height: 44.0,
        state: *state,
        facts: vec![Fact { label: "depth".into(), value: "1,204".into(), severity: Severity::Warning }],
    });
    let nodes: Vec<Node> = nodes.collect();
    let edges = nodes.windows(2).map(|pair| Edge {
        id: format!("{}-{}", pair[0].id, pair[1].id),
        from: pair[0].id.clone(),
        to: pair[1].id.clone(),
        label: "rows".into(),
        label_at: (pair[0].x + 140.0, pair[0].y + 22.0),
        points: vec![(pair[0].x + 90.0, pair[0].y + 22.0), (pair[1].x, pair[1].y + 22.0)],
        path: format!("M{} {}L{} {}", pair[0].x + 90.0, pair[0].y + 22.0, pair[1].x, pair[1].y + 22.0),
        rows_per_second: Some(812.4),
        rows: Some(128_400),
        failure: false,
    });
    Graph { width: 900.0, height: 150.0, edges: edges.collect(), nodes }
}

/// Returns the state of a stack with these files.
pub fn state(files: Vec<FileRow>) -> State {
    let stack = StackInfo {
        name: "played".into(),
        buckets: vec![Bucket {
            name: "landing".into(),
            keys: vec![KeyPattern { prefix: None, suffix: Some(".csv".into()) }],
        }],
        ..StackInfo::default()
    };
    let mut state = State::new(stack, TIME);
    state.connection = Connection { state: ConnectionState::Connected, since: TIME.into(), problem: None };
    state.graph = graph();
    state.files.total = files.len();
    state.files.rows = files;
    state.rates = Rates {
        rows_per_second: Some(812.0),
        history: (0..120).map(|second| f64::from(second % 40)).collect(),
    };
    let calls =
        BTreeMap::from([("DynamoDB.Query".to_owned(), 412), ("SQS.GetQueueAttributes".to_owned(), 240)]);
    state.budget = Budget { calls_per_minute: 300, used_last_minute: 124, cost_per_hour_usd: 0.0, calls };
    state.deployments = vec![Deployment {
        number: 1,
        time: TIME.into(),
        kind: "create".into(),
        result: "succeeded".into(),
        caller: HOSTILE[0].into(),
        changes: "12 added".into(),
    }];
    state
}

/// What the page has asked for that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// An upload: bucket, key and content.
    Upload(Option<String>, String, Vec<u8>),
    /// A replay.
    Replay(String),
}

/// Answers each request, with hostile texts in every answer.
struct Actor {
    hub: Hub,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Actor {
    fn row(&self, id: &str) -> Result<FileRow> {
        let rows = self.hub.state().files.rows;
        let found = rows.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| Failed::new(Cause::Absent, "there is no such file").hint("look at the list"))
    }
}

/// Returns an item whose attributes and values are hostile.
fn item() -> BTreeMap<String, String> {
    HOSTILE.iter().map(|text| ((*text).to_owned(), format!("{text}{}", " long".repeat(40)))).collect()
}

impl Backend for Actor {
    async fn resource(&self, name: &str) -> Result<Resource> {
        let line =
            |text: &&str| LogLine { time: TIME.into(), level: Some("ERROR".into()), text: (*text).into() };
        Ok(Resource {
            name: name.into(),
            kind: "function".into(),
            logical_id: Some("Transform".into()),
            physical_id: Some("played-Transform-1".into()),
            state: Some("UPDATE_COMPLETE".into()),
            configuration: vec![Setting { label: "concurrency".into(), value: "2".into() }],
            log: HOSTILE.iter().map(line).collect(),
            log_problem: None,
            link: None,
        })
    }

    async fn file(&self, id: &str) -> Result<FileDetail> {
        let row = self.row(id)?;
        let failure = |text: &&str| Failure {
            reason: "invalid-number".into(),
            stage: "transform".into(),
            count: 3,
            rows: vec![1, 17, 99],
            message: Some((*text).into()),
            docs: Some("# invalid-number\n\nThe value is not a number.".into()),
        };
        Ok(FileDetail {
            failures: if row.failed > 0 { HOSTILE.iter().map(failure).collect() } else { Vec::new() },
            results: Some(Results {
                attempt: 1,
                results: Some("results/played.json".into()),
                rejects: Some("rejects/played.csv".into()),
                problem: None,
            }),
            next: vec![NextStep {
                command: format!("deployer replay '{}'", row.key),
                purpose: "Send them again".into(),
            }],
            problems: Vec::new(),
            row,
        })
    }

    async fn items(&self, id: &str, limit: u32) -> Result<Items> {
        self.row(id)?;
        let rows = (1..=u64::from(limit.min(20))).map(|row| ItemRow {
            row,
            item: (row != 3).then(item),
            state: if row == 3 { "failed" } else { "loaded" }.into(),
            reason: (row == 3).then(|| HOSTILE[0].to_owned()),
        });
        Ok(Items { columns: HOSTILE.iter().map(|text| (*text).to_owned()).collect(), rows: rows.collect() })
    }

    async fn row(&self, id: &str, row: RowChoice) -> Result<RowWay> {
        self.row(id)?;
        let RowChoice::Number(row) = row else {
            return Err(Failed::new(Cause::Absent, "no row has this ID"));
        };
        let step = |name: &str, resource: &str, time: Option<&str>| Step {
            name: name.into(),
            time: time.map(Into::into),
            resource: Some(resource.into()),
            text: HOSTILE[1].into(),
            detail: Some(serde_json::json!({ HOSTILE[0]: HOSTILE[2] })),
        };
        let steps = vec![
            step("uploaded", "landing", Some(TIME)),
            step("extracted", "extraction", None),
            step("transformed", "transform", Some(TIME)),
            step("loaded", "load", Some(TIME)),
        ];
        Ok(RowWay { row, row_id: format!("row-{row}"), steps, item: Some(item()), problems: Vec::new() })
    }

    async fn download(&self, _: &str, _: Written) -> Result<Download> {
        let (sender, body) = mpsc::channel(1);
        sender.send(Ok("ID\n1\n".into())).await.expect("room");
        Ok(Download { name: HOSTILE[0].into(), size: Some(5), body })
    }

    async fn plan(&self) -> Result<Plan> {
        let line =
            |text: &&str| PlanLine { sign: "~".into(), text: (*text).into(), severity: Severity::Warning };
        Ok(Plan { lines: HOSTILE.iter().map(line).collect(), problems: Vec::new() })
    }

    async fn drift(&self) -> Result<Option<Drift>> {
        let differs = |text: &&str| DriftedProperty {
            property: (*text).into(),
            expected: (*text).into(),
            actual: (*text).into(),
        };
        let resource = DriftedResource {
            logical_id: "Transform".into(),
            status: "MODIFIED".into(),
            differences: HOSTILE.iter().map(differs).collect(),
        };
        Ok(Some(Drift { resources: vec![resource], unchecked: vec!["Bus".into()] }))
    }

    async fn upload(&self, mut upload: Upload) -> Result<Uploaded> {
        let mut content = Vec::new();
        while let Some(piece) = upload.body.recv().await {
            content.extend(piece.map_err(|error| Failed::new(Cause::Request, error.to_string()))?);
        }
        self.done.lock().expect("the list").push(Done::Upload(upload.bucket, upload.key.clone(), content));
        let id = "id-uploaded".to_owned();
        Ok(Uploaded { bucket: "landing-bucket".into(), key: upload.key, version: None, id })
    }

    async fn replay(&self, request: ReplayRequest) -> Result<Replayed> {
        self.done.lock().expect("the list").push(Done::Replay(request.id));
        Ok(Replayed { replay: Some("replay-1".into()), rows: 10 })
    }
}

/// A console with a played pipeline, on a port that is free.
pub struct Played {
    /// The state that all tabs show.
    pub hub: Hub,
    /// The link to the page.
    pub link: String,
    address: SocketAddr,
    settings: Settings,
    done: Arc<Mutex<Vec<Done>>>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Played {
    /// Starts a console in this state.
    pub fn start(state: State) -> Self {
        let settings =
            Settings { token: Token::random().expect("random bytes"), read_only: state.stack.read_only };
        let mut played = Self {
            hub: Hub::new(state),
            link: String::new(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            settings,
            done: Arc::default(),
            running: None,
        };
        played.listen();
        played.link = played.settings.link(played.address);
        played
    }

    /// Serves, at the same address as before.
    pub fn listen(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let (address, settings) = (self.address, self.settings.clone());
        let actor = Actor { hub: self.hub.clone(), done: Arc::clone(&self.done) };
        // Its requests are answered on one thread, which is not that of the test.
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(address).await.expect("a port");
                tell.send(listener.local_addr().expect("its address")).expect("the test waits");
                tokio::select! {
                    done = serve(listener, settings, actor.hub.clone(), &actor) => done.expect("the console serves"),
                    _ = stopped => {}
                }
            });
        });
        self.address = told.recv().expect("the console listens");
        self.running = Some((stop, thread));
    }

    /// Ends the server, as if somebody had ended the command.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().expect("the console ends");
        }
    }

    /// Returns what the page has asked for that changes something.
    pub fn done(&self) -> Vec<Done> {
        self.done.lock().expect("the list").clone()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.stop();
    }
}
