//! A command that serves: it is asked over HTTP as a page would ask it, and ended by Ctrl-C.

use std::fmt::Write as _;
use std::process::Output;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_DISPOSITION;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;

/// Pause before a request is made again whose answer is not ready.
const AGAIN: Duration = Duration::from_millis(20);

/// A request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Ask {
    /// Path and query of a request that reads; it is made again while the answer is 202.
    Get(String),
    /// Path and query of an action, and its body.
    Post(String, String),
}

impl Ask {
    fn name(&self) -> String {
        match self {
            Self::Get(path) => format!("GET {path}"),
            Self::Post(path, _) => format!("POST {path}"),
        }
    }

    /// Makes the request, and returns the answer as a person sees it.
    async fn make(&self, client: &Client, origin: &str, token: &str) -> String {
        loop {
            let request = match self {
                Self::Get(path) => client.get(format!("{origin}{path}")),
                Self::Post(path, body) => {
                    client.post(format!("{origin}{path}")).header("X-Console", "1").body(body.clone())
                }
            };
            let answer = request.bearer_auth(token).send().await.expect("an answer");
            let status = answer.status().as_u16();
            if status == 202 {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            let name = answer.headers().get(CONTENT_DISPOSITION).and_then(|name| name.to_str().ok());
            let name = name.map(|name| format!("{name}\n")).unwrap_or_default();
            let text = answer.text().await.unwrap_or_else(|error| format!("broken off: {error}"));
            let document = serde_json::from_str::<Value>(&text).ok();
            let text = document.map_or(text, |document| format!("{document:#}"));
            return format!("{status}\n{name}{}", text.trim_end());
        }
    }
}

/// Asks a command that was started with a pipe for stdout, ends it, and returns the answers and its output.
pub async fn ask(mut child: Child, asks: &[Ask]) -> (String, Output) {
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut link = String::new();
    stdout.read_line(&mut link).await.expect("the link");
    let mut seen = String::new();
    // Without a link it has ended, and its output says why.
    if let Some((origin, token)) = link.trim().split_once("/?token=") {
        let client = Client::builder().no_proxy().build().expect("a client");
        for one in asks {
            let _ = writeln!(seen, "--- {}\n{}", one.name(), one.make(&client, origin, token).await);
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(id.expect("a process"), rustix::process::Signal::INT);
    }
    let mut rest = link.into_bytes();
    stdout.read_to_end(&mut rest).await.expect("its stdout");
    let Output { status, stderr, .. } = child.wait_with_output().await.expect("its output");
    (seen, Output { status, stdout: rest, stderr })
}
