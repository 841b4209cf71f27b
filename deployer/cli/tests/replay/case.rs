//! A case: a folder with a conversation, and with the output that a person sees.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::Value;
use similar::TextDiff;
use tempfile::TempDir;
use tokio::process::Command;

use crate::conversation::Exchange;
use crate::served::{self, Ask};
use crate::server::{ACCESS_KEY, Server};

/// Time after which a command counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// Files of the case itself; all others in its folder are put beside the stack file.
const OWN: [&str; 2] = ["conversation.json", "seen.txt"];

/// The template of each stack file, by its text.
static SYNTHESIZED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// The content of `conversation.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    /// Command lines, one after the other, without the program.
    commands: Vec<Turn>,
    /// A stack of `shared/stacks/`, if the case has none of its own.
    stack: Option<String>,
    /// Variables that are set, or (`null`) not set.
    #[serde(default)]
    environment: BTreeMap<String, Option<String>>,
    /// Exchanges of `shared/exchanges/`, for calls that the case's own do not expect.
    #[serde(default)]
    with: Vec<String>,
    /// Rules of CloudFormation (`judge::RULES`) that the case breaks on purpose.
    #[serde(default)]
    breaks: Vec<String>,
    #[serde(default)]
    exchanges: Vec<Exchange>,
}

/// The command lines that run at a time.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Turn {
    /// One.
    Alone(String),
    /// Several.
    Together(Vec<Started>),
    /// One that serves, and is asked.
    Served(Served),
}

/// A command line that serves until it is ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Served {
    command: String,
    /// The requests to it, one after the other.
    asks: Vec<Ask>,
}

/// A command line that runs beside others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Started {
    command: String,
    /// Flag of the conversation for which it waits.
    after: Option<String>,
}

impl Turn {
    fn lines(&self) -> Vec<Started> {
        match self {
            Self::Alone(command) => vec![Started { command: command.clone(), after: None }],
            Self::Together(lines) => lines.clone(),
            Self::Served(Served { command, .. }) => vec![Started { command: command.clone(), after: None }],
        }
    }

    /// Returns the requests to a command that serves.
    fn asks(&self) -> Option<&[Ask]> {
        match self {
            Self::Served(Served { asks, .. }) => Some(asks),
            Self::Alone(_) | Self::Together(_) => None,
        }
    }
}

/// Returns the folder of this test.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay")
}

/// Plays a case; returns its errors, or nothing.
pub async fn play(folder: &Path) -> Option<String> {
    let text = read(&folder.join("conversation.json"));
    let script: Script = match serde_json::from_str(&text) {
        Ok(script) => script,
        Err(error) => return Some(format!("conversation.json: {error}")),
    };
    let place = lay_out(folder, &script);
    let mut exchanges = script.exchanges;
    for name in &script.with {
        let shared = read(&here().join("shared/exchanges").join(format!("{name}.json")));
        let shared: Vec<Exchange> =
            serde_json::from_str(&shared).unwrap_or_else(|error| panic!("{name}: {error}"));
        exchanges.extend(shared);
    }
    let templates = templates(folder, &place, &text).await;
    let server = Server::start(exchanges, templates).await;
    let mut seen = String::new();
    for turn in &script.commands {
        let lines = turn.lines();
        let runs = lines.iter().enumerate().map(async |(at, Started { command: line, after })| {
            if let Some(flag) = after {
                server.wait_for(flag).await;
            }
            let mut command = deployer(place.path());
            command.args(line.split(' ')).env("AWS_ENDPOINT_URL", &server.url);
            if lines.len() > 1 {
                command.env("AWS_ACCESS_KEY_ID", format!("{ACCESS_KEY}{}", at + 1));
            }
            for (name, value) in &script.environment {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            let child = command.spawn().expect("the deployer starts");
            server.talks_with(child.id());
            match turn.asks() {
                Some(asks) => served::ask(child, asks).await,
                None => (String::new(), child.wait_with_output().await.expect("its output")),
            }
        });
        let done = tokio::time::timeout(PATIENCE, futures::future::join_all(runs)).await;
        let Ok(done) = done else {
            let lines: Vec<&str> = lines.iter().map(|line| line.command.as_str()).collect();
            return Some(format!(
                "`deployer {}` did not end\n{}",
                lines.join("`, `deployer "),
                server.complaints(&script.breaks).join("\n")
            ));
        };
        for (Started { command: line, .. }, done) in lines.iter().zip(done) {
            let (answers, output) = done;
            seen.push_str(&show(line, &answers, &output, place.path(), &server.url));
        }
    }
    let complaints = server.complaints(&script.breaks);
    if !complaints.is_empty() {
        return Some(format!("{}\n\n{seen}", complaints.join("\n")));
    }
    difference(&folder.join("seen.txt"), &seen)
}

/// Creates a folder with the files of the stack of `shared/stacks`, and with those of the case.
fn lay_out(folder: &Path, script: &Script) -> TempDir {
    let place = tempfile::tempdir().expect("a temporary folder");
    if let Some(name) = &script.stack {
        copy(&here().join("shared/stacks").join(name), place.path());
    }
    copy(folder, place.path());
    place
}

fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("an entry");
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() {
            fs::create_dir_all(to.join(&name)).expect("a folder of the case");
            copy(&path, &to.join(&name));
        } else if !OWN.iter().any(|own| name == *own) {
            fs::copy(&path, to.join(&name)).expect("a file of the case");
        }
    }
}

/// Returns the template of every stack file that an answer wants: `{"$template": "stack.yaml"}`, or another beside it;
/// also if only its digest, or the mark of its deployment, is wanted.
async fn templates(folder: &Path, place: &TempDir, text: &str) -> BTreeMap<String, String> {
    let mut templates = BTreeMap::new();
    let pattern = Regex::new(r#""\$(?:template|digest|mark)": *"([^"]+)""#).expect("a pattern");
    for found in pattern.captures_iter(text) {
        let name = &found[1];
        // Cases share stacks, and the template depends on nothing but the content of the file.
        let file = read(&place.path().join(name));
        let known = SYNTHESIZED.lock().expect("not poisoned").get(&file).cloned();
        if let Some(template) = known {
            templates.insert(name.to_owned(), template);
            continue;
        }
        let synth = deployer(place.path()).args(["--file", name, "synth", "dev"]).output().await;
        let synth = synth.expect("the deployer starts");
        let said = String::from_utf8_lossy(&synth.stderr);
        assert!(synth.status.success(), "{}: {name}: {said}", folder.display());
        let template: Value = serde_json::from_slice(&synth.stdout).expect("a template");
        SYNTHESIZED.lock().expect("not poisoned").insert(file, template.to_string());
        templates.insert(name.to_owned(), template.to_string());
    }
    templates
}

/// Creates a command of the deployer, with credentials of nobody, and nothing of the developer's own.
fn deployer(folder: &Path) -> Command {
    // Tools of the case replace those of the machine.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder.join("tools")].into_iter().chain(std::env::split_paths(&path)));
    let path = path.expect("folders without a colon");
    let mut command = Command::new(env!("CARGO_BIN_EXE_deployer"));
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Formats the output that a person sees, without the parts that are different each time.
fn show(line: &str, answers: &str, output: &Output, folder: &Path, url: &str) -> String {
    let end = match output.status.code() {
        Some(code) => format!("exit {code}"),
        None => "killed".to_owned(),
    };
    let mut out = format!("$ deployer {line}\n{}{end}\n", mask(answers, folder, url));
    for (name, bytes) in [("stderr", &output.stderr), ("stdout", &output.stdout)] {
        if !bytes.is_empty() {
            out.push_str(&format!(
                "--- {name}\n{}\n",
                mask(&String::from_utf8_lossy(bytes), folder, url).trim_end()
            ));
        }
    }
    out.push('\n');
    out
}

fn mask(text: &str, folder: &Path, url: &str) -> String {
    let text = text.replace(url, "<endpoint>").replace(&folder.display().to_string(), "<folder>");
    let patterns = [
        (r"http://127\.0\.0\.1:[0-9]+/\?token=[0-9a-f]+", "<link>"),
        // Calls that go together are answered in any order.
        (r"(?m)^ *[0-9]+\.[0-9]s +call  .*\n", ""),
        (r"(?m)^ *[0-9]+\.[0-9]s( |$)", "  <time>$1"),
        (r"\b[0-9]+\.[0-9] s\b", "<seconds> s"),
        (r#""seconds": [0-9]+\.[0-9e-]+"#, "\"seconds\": <seconds>"),
        (r"\b[0-9]+\.[0-9] [kM]B\b", "<size>"),
        (r"\b[0-9-]{10}T[0-9:]{8}\.[0-9]+Z\b", "<moment>"),
        (r"\bdeployer-[0-9]{19}\b", "deployer-<milliseconds>"),
        (r"\b[0-9]{13}\b", "<milliseconds>"),
        // Of signatures.
        (r"\b[0-9]{8}T[0-9]{6}Z\b", "<moment>"),
        (r"%2F[0-9]{8}%2F", "%2F<date>%2F"),
        (r"\buntil [0-9-]{10}T[0-9:]{8}Z\b", "until <moment>"),
        (r#""expires": "[0-9-]{10}T[0-9:]{8}Z""#, "\"expires\": \"<moment>\""),
        // The pattern matches dates since 1995, as long as the number has five digits.
        (r"\b[0-9]{5} days ago\b", "<n> days ago"),
        (r"\b[0-9a-f]{64}\b", "<digest>"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    ];
    patterns.iter().fold(text, |text, (pattern, with)| {
        let pattern = Regex::new(pattern).expect("a pattern");
        let replace = |found: &Captures<'_>| with.replace("$1", found.get(1).map_or("", |one| one.as_str()));
        pattern.replace_all(&text, replace).into_owned()
    })
}

/// Returns the difference between the golden file and the output; nothing when they are the same or the file was
/// written.
fn difference(path: &Path, seen: &str) -> Option<String> {
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == seen {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(path, seen).expect("the golden file can be written");
        return None;
    }
    let diff = TextDiff::from_lines(expected.as_str(), seen);
    let diff =
        diff.unified_diff().context_radius(3).header("seen.txt", "what the deployer shows").to_string();
    Some(format!("{diff}\nif this is meant: make golden-cli\n"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
