//! A session of the Language Server Protocol, as a function of its messages.
//!
//! [`Session::handle`] takes a message of the client and gives the messages to it. A check takes longer than a request
//! may, so it is done elsewhere: [`Session::job`] gives the text of a document, and [`Session::checked`] takes the
//! result. The texts are those that the client sends; no file is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use deployer_syntax::diagnostic::Diagnostics;
use deployer_syntax::yaml::{self, Node};
use deployer_syntax::{Diagnostic, Span};
use serde_json::{Value, json};

use crate::occurrences::{Occurrence, occurrences};
use crate::outline::Outline;
use crate::problems;
use crate::protocol::{self, ErrorCode, failure, log, notification, response};
use crate::text::Text;

mod answers;

/// Longest text that a request reads: that of the longest file of the language. Its check says that it is too long.
const MAX_TEXT: usize = 4 << 20;

/// The documentation of the program that holds the session.
pub trait Pages: Send {
    /// Returns the page of a code, as Markdown.
    fn page(&self, code: &str) -> Option<String>;
    /// Returns the address of the page of a code, for a browser.
    fn link(&self, code: &str) -> Option<String>;
}

/// A session.
pub struct Session {
    pages: Box<dyn Pages>,
    overrides: Arc<Vec<(String, String)>>,
    state: State,
    client: Client,
    documents: BTreeMap<String, Document>,
    /// Number of changes of documents so far.
    revision: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Initialized,
    ShutDown,
}

/// The abilities of the client that matter.
#[derive(Debug, Clone, Copy, Default)]
struct Client {
    /// It takes the version of a document with its changes.
    document_changes: bool,
    /// It shows why a change needs to be confirmed.
    annotations: bool,
}

/// An open document.
#[derive(Debug)]
struct Document {
    version: Value,
    text: Arc<Text>,
    /// The number of the change that made the text.
    revision: u64,
    /// What was read of the text, if something was asked about it.
    read: Option<Arc<Reading>>,
    /// The names of the text when it was last YAML.
    good: Arc<Outline>,
    /// The problems of the text, if it was checked.
    problems: Option<Arc<Vec<Diagnostic>>>,
}

/// A text, read.
#[derive(Debug)]
struct Reading {
    root: Option<Node>,
    /// The reason why it is not YAML.
    error: Option<Diagnostic>,
    occurrences: Vec<Occurrence>,
}

/// The reaction to a message.
#[derive(Debug, Default)]
pub struct Reaction {
    /// The messages to the client, in order.
    pub messages: Vec<Value>,
    /// The document that should be checked: at once, or when it was not changed for a moment.
    pub check: Option<Check>,
    /// The exit code, if the session is over.
    pub exit: Option<u8>,
}

/// A wish for a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The document.
    pub uri: String,
    /// `true` if there is no reason to wait for further changes.
    pub now: bool,
}

/// A check to be done.
#[derive(Debug, Clone)]
pub struct Job {
    uri: String,
    revision: u64,
    text: Arc<Text>,
    overrides: Arc<Vec<(String, String)>>,
}

/// A check that was done.
#[derive(Debug)]
pub struct Done {
    uri: String,
    revision: u64,
    problems: Vec<Diagnostic>,
}

impl Job {
    /// Checks the text.
    #[must_use]
    pub fn run(self) -> Done {
        let checked = problems::check(&self.text.source, &self.overrides);
        Done { uri: self.uri, revision: self.revision, problems: checked.problems }
    }
}

/// Why a request has no result.
struct Failure(ErrorCode, String);

impl Session {
    /// Creates a session. `overrides` are the `--config k=v` of the command line.
    #[must_use]
    pub fn new(pages: Box<dyn Pages>, overrides: Vec<(String, String)>) -> Self {
        Self {
            pages,
            overrides: Arc::new(overrides),
            state: State::New,
            client: Client::default(),
            documents: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Handles a message of the client.
    pub fn handle(&mut self, message: &Value) -> Reaction {
        let mut reaction = Reaction::default();
        let Some(object) = message.as_object() else {
            let text = "a message must be a JSON object; batches are not supported";
            reaction.messages.push(failure(&Value::Null, ErrorCode::InvalidRequest, text));
            return reaction;
        };
        let id = object.get("id");
        let params = object.get("params").unwrap_or(&Value::Null);
        match (object.get("method").and_then(Value::as_str), id) {
            (Some(method), None) => self.notified(method, params, &mut reaction),
            (Some(method), Some(id)) if id.is_string() || id.is_i64() || id.is_u64() => {
                let result = self.requested(method, params, &mut reaction);
                reaction.messages.push(match result {
                    Ok(result) => response(id, result),
                    Err(Failure(code, text)) => failure(id, code, &text),
                });
            }
            (Some(_), Some(_)) => {
                let text = "the `id` of a request must be a string or a number";
                reaction.messages.push(failure(&Value::Null, ErrorCode::InvalidRequest, text));
            }
            // An answer: nothing was asked.
            (None, Some(_)) if object.contains_key("result") || object.contains_key("error") => {}
            (None, id) => {
                let id = id.unwrap_or(&Value::Null);
                let text = "a message must have a `method`";
                reaction.messages.push(failure(id, ErrorCode::InvalidRequest, text));
            }
        }
        reaction
    }

    fn requested(&mut self, method: &str, params: &Value, reaction: &mut Reaction) -> Result<Value, Failure> {
        match (self.state, method) {
            (State::New, "initialize") => {
                self.state = State::Initialized;
                let ability =
                    |path: &str| params.pointer(path).is_some_and(|value| *value != Value::Bool(false));
                let edit = "/capabilities/workspace/workspaceEdit";
                self.client = Client {
                    document_changes: ability(&format!("{edit}/documentChanges")),
                    annotations: ability(&format!("{edit}/changeAnnotationSupport")),
                };
                Ok(capabilities())
            }
            (State::New, _) => Err(Failure(
                ErrorCode::ServerNotInitialized,
                "the first request must be `initialize`".to_owned(),
            )),
            (State::ShutDown, _) => {
                Err(Failure(ErrorCode::InvalidRequest, "the server was shut down".to_owned()))
            }
            (State::Initialized, "initialize") => {
                Err(Failure(ErrorCode::InvalidRequest, "the server is initialized already".to_owned()))
            }
            (State::Initialized, "shutdown") => {
                self.state = State::ShutDown;
                Ok(Value::Null)
            }
            (State::Initialized, _) => self.answer(method, params, reaction),
        }
    }

    fn notified(&mut self, method: &str, params: &Value, reaction: &mut Reaction) {
        if method == "exit" {
            // Source: LSP 3.17, "Exit Notification": 1 without a `shutdown` before.
            reaction.exit = Some(u8::from(self.state != State::ShutDown));
            return;
        }
        if self.state != State::Initialized {
            return;
        }
        let done = match method {
            "textDocument/didOpen" => self.opened(params),
            "textDocument/didChange" => self.changed(params),
            "textDocument/didClose" => {
                let uri = uri_of(params);
                if let Some(uri) = uri.filter(|uri| self.documents.remove(*uri).is_some()) {
                    // Problems of a closed document would stay in the list forever.
                    reaction.messages.push(publish(uri, &Value::Null, Vec::new()));
                }
                return;
            }
            // Everything else needs no reaction: the text on the disk is not read, and there are no settings.
            _ => return,
        };
        match done {
            Ok(check) => reaction.check = Some(check),
            Err(problem) => reaction.messages.push(log(&format!("{method}: {problem}"))),
        }
    }

    fn opened(&mut self, params: &Value) -> Result<Check, String> {
        let document = params.get("textDocument").ok_or("no `textDocument`")?;
        let uri = uri_of(params).ok_or("no `uri`")?.to_owned();
        let text = document.get("text").and_then(Value::as_str).ok_or("no `text`")?;
        let version = document.get("version").cloned().unwrap_or(Value::Null);
        self.revision += 1;
        let text = Arc::new(Text::new(name_of(&uri), text.to_owned()));
        let document = Document {
            version,
            text,
            revision: self.revision,
            read: None,
            good: Arc::default(),
            problems: None,
        };
        self.documents.insert(uri.clone(), document);
        Ok(Check { uri, now: true })
    }

    fn changed(&mut self, params: &Value) -> Result<Check, String> {
        let uri = uri_of(params).ok_or("no `uri`")?.to_owned();
        let document = self.documents.get_mut(&uri).ok_or_else(|| format!("{uri} is not open"))?;
        let changes = params.get("contentChanges").and_then(Value::as_array).ok_or("no `contentChanges`")?;
        // The names are kept before the text that has them is gone.
        document.read();
        let mut text = Arc::clone(&document.text);
        for change in changes {
            let new = change.get("text").and_then(Value::as_str).ok_or("a change without `text`")?;
            text = Arc::new(match change.get("range").filter(|range| !range.is_null()) {
                None => Text::new(name_of(&uri), new.to_owned()),
                Some(range) => {
                    let (from, to) = protocol::read_range(range).ok_or("a `range` without positions")?;
                    text.changed(from, to, new)
                }
            });
        }
        if let Some(version) = params.pointer("/textDocument/version") {
            document.version = version.clone();
        }
        self.revision += 1;
        document.text = text;
        document.revision = self.revision;
        document.read = None;
        document.problems = None;
        Ok(Check { uri, now: false })
    }

    /// Returns the check of a document; `None` if it is closed.
    #[must_use]
    pub fn job(&self, uri: &str) -> Option<Job> {
        let document = self.documents.get(uri)?;
        Some(Job {
            uri: uri.to_owned(),
            revision: document.revision,
            text: Arc::clone(&document.text),
            overrides: Arc::clone(&self.overrides),
        })
    }

    /// Takes the result of a check, and returns the message with the problems; `None` if the document has changed since,
    /// or is closed.
    pub fn checked(&mut self, done: Done) -> Option<Value> {
        let document =
            self.documents.get_mut(&done.uri).filter(|document| document.revision == done.revision)?;
        let problems: Vec<Value> = done
            .problems
            .iter()
            .map(|problem| {
                let link = self.pages.link(problem.code);
                protocol::diagnostic(&document.text, problem, link.as_deref())
            })
            .collect();
        document.problems = Some(Arc::new(done.problems));
        Some(publish(&done.uri, &document.version, problems))
    }
}

impl Document {
    /// Reads the text, once.
    fn read(&mut self) -> Arc<Reading> {
        if let Some(read) = &self.read {
            return Arc::clone(read);
        }
        let mut diagnostics = Diagnostics::default();
        let short = self.text.as_str().len() <= MAX_TEXT;
        let root = if short { yaml::parse(&self.text.source, &mut diagnostics) } else { None };
        let found = match &root {
            Some(root) => {
                self.good = Arc::new(Outline::of(root));
                occurrences(self.text.as_str(), root, &self.good)
            }
            None => Vec::new(),
        };
        let error = diagnostics.sorted().first().map(|error| (*error).clone());
        let read = Arc::new(Reading { root, error, occurrences: found });
        self.read = Some(Arc::clone(&read));
        read
    }
}

/// Returns the message with the problems of a document.
fn publish(uri: &str, version: &Value, problems: Vec<Value>) -> Value {
    let mut params = json!({ "uri": uri, "diagnostics": problems });
    if !version.is_null() {
        params["version"] = version.clone();
    }
    notification("textDocument/publishDiagnostics", params)
}

fn uri_of(params: &Value) -> Option<&str> {
    params.pointer("/textDocument/uri")?.as_str()
}

/// Returns the name of the file of a document.
fn name_of(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap_or(uri)
}

/// Returns the answer to `initialize`.
fn capabilities() -> Value {
    json!({
        "serverInfo": { "name": "deployer", "version": env!("CARGO_PKG_VERSION") },
        "capabilities": {
            "positionEncoding": "utf-16",
            // Changes come as ranges.
            "textDocumentSync": { "openClose": true, "change": 2 },
            "hoverProvider": true,
            "completionProvider": { "triggerCharacters": ["{", ".", "\"", " "] },
            "definitionProvider": true,
            "referencesProvider": true,
            "documentHighlightProvider": true,
            "documentSymbolProvider": true,
            "renameProvider": { "prepareProvider": true },
            "codeActionProvider": { "codeActionKinds": ["quickfix"] },
        },
    })
}

/// Returns whether two ranges of bytes have a place in common, be it between two bytes.
fn overlap(a: Span, b: Span) -> bool {
    a.start <= b.end && b.start <= a.end
}
