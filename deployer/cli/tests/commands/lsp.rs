//! `deployer lsp`, as an editor speaks with it: the real program, over its stdin and stdout.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{STACK, command, folder, run};

const URI: &str = "file:///project/stack.yaml";

/// A client of the program.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: i64,
    version: i64,
    /// Problems by the version of the document.
    published: Vec<(Value, Value)>,
    _folder: TempDir,
}

impl Client {
    fn start(args: &[&str]) -> Self {
        let folder = folder(STACK);
        let mut child = command(folder.path(), args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the deployer starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout"));
        let (next, version, published) = (0, 1, Vec::new());
        Self { child, input, output, next, version, published, _folder: folder }
    }

    /// Starts the program, and opens a document in it.
    fn open(text: &str) -> Self {
        let mut client = Self::start(&["lsp", "--stdio"]);
        client.ask("initialize", json!({ "capabilities": {} }));
        client.tell("initialized", json!({}));
        let document = json!({ "uri": URI, "languageId": "yaml", "version": 1, "text": text });
        client.tell("textDocument/didOpen", json!({ "textDocument": document }));
        client
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open stdin");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the deployer reads");
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Reads a message, and notes problems.
    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).expect("a header") > 0,
                "the deployer has closed stdout"
            );
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().expect("a length"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a body");
        let message: Value = serde_json::from_slice(&body).expect("JSON");
        if message["method"] == "textDocument/publishDiagnostics" {
            let params = &message["params"];
            self.published.push((params["version"].clone(), params["diagnostics"].clone()));
        }
        message
    }

    /// Sends a request without reading the answer, and returns its ID.
    fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }));
        json!(self.next)
    }

    /// Sends a request, and returns the answer to it.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
        }
    }

    fn ask_at(&mut self, method: &str, line: usize, character: usize) -> Value {
        let position = json!({ "line": line, "character": character });
        self.ask(method, json!({ "textDocument": { "uri": URI }, "position": position }))
    }

    /// Inserts a text.
    fn insert(&mut self, line: usize, character: usize, text: &str) {
        self.version += 1;
        let place = json!({ "line": line, "character": character });
        let change = json!({ "range": { "start": place, "end": place }, "text": text });
        let document = json!({ "uri": URI, "version": self.version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    /// Waits for the problems of the present version.
    fn problems(&mut self) -> Value {
        loop {
            if let Some((_, problems)) =
                self.published.iter().find(|(version, _)| *version == json!(self.version))
            {
                return problems.clone();
            }
            self.read();
        }
    }

    /// Ends the session, and returns the exit code and stderr.
    fn end(mut self) -> (Option<i32>, String) {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        self.tell("exit", Value::Null);
        self.wait()
    }

    /// Closes stdin, and returns the exit code and stderr.
    fn wait(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let mut text = String::new();
        self.child.stderr.take().expect("stderr").read_to_string(&mut text).expect("UTF-8");
        (self.child.wait().expect("the deployer ends").code(), text)
    }
}

/// Returns the line of a text, and the place after it, for the first line that contains it.
fn after(text: &str, part: &str) -> (usize, usize) {
    let end = text.find(part).unwrap_or_else(|| panic!("no {part:?}")) + part.len();
    let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
    (text[..end].matches('\n').count(), text[start..end].encode_utf16().count())
}

#[test]
fn a_file_is_written_with_answers_at_every_letter() {
    let text = format!("{STACK}\n");
    let mut client = Client::open(&text);
    assert_eq!(client.problems(), json!([]));
    // A queue is written letter by letter before the outputs, with three questions after each letter.
    let new = "  retries:\n    type: queue\n    properties:\n      visibilityTimeout: 1m\n      deadLetter: { queue: \"${errors}\" }\n";
    let (line, _) = after(&text, "\noutputs:");
    let (mut at, mut character) = (line - 1, 0);
    let mut completions = 0;
    let mut longest = Duration::ZERO;
    for letter in new.chars() {
        client.insert(at, character, &letter.to_string());
        (at, character) = if letter == '\n' { (at + 1, 0) } else { (at, character + 1) };
        for method in ["textDocument/completion", "textDocument/hover", "textDocument/documentHighlight"] {
            let started = Instant::now();
            let answer = client.ask_at(method, at, character);
            longest = longest.max(started.elapsed());
            assert!(answer.get("error").is_none(), "{method}: {answer}");
            completions += answer["result"]["items"].as_array().map_or(0, Vec::len);
        }
    }
    assert!(client.next > 300, "{} requests", client.next);
    assert!(completions > 500, "{completions} completions");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let problems = client.problems();
    assert_eq!(problems[0]["code"], "W0403", "nothing uses the queue: {problems}");
    let link = problems[0]["codeDescription"]["href"].as_str().expect("a link");
    let (page, anchor) = link.strip_prefix("file://").and_then(|link| link.split_once('#')).expect("a page");
    let html = std::fs::read_to_string(Path::new(page)).expect("the page was written");
    assert!(html.contains(&format!("id=\"{anchor}\"")), "{link}");
    let (line, character) = after(&text, "errors: { type: que");
    let line = line + new.matches('\n').count();
    let definition = client.ask_at("textDocument/definition", line, character);
    assert_eq!(definition["result"], Value::Null, "a type has no definition in the file");
    assert_eq!(client.end(), (Some(0), String::new()));
}

#[test]
fn a_burst_of_changes_is_checked_when_it_is_over() {
    let mut client = Client::open(STACK);
    client.problems();
    let before = client.published.len();
    for _ in 0..50 {
        client.insert(0, 0, "#");
    }
    client.insert(0, 0, "x: 1 ");
    let problems = client.problems();
    assert_eq!(problems[0]["code"], "E0101", "{problems}");
    assert!(client.published.len() - before < 10, "{} checks", client.published.len() - before);
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn every_request_has_one_answer_cancelled_or_not() {
    let mut client = Client::open(STACK);
    // All in one piece, so that the program reads them together: many requests, and the cancellation of the last. That it
    // takes the request out of those that wait is shown beside the code.
    let mut bytes = Vec::new();
    let mut add = |message: Value| {
        let body = message.to_string();
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    };
    let ask = json!({ "textDocument": { "uri": URI } });
    for id in 100..160 {
        add(json!({ "jsonrpc": "2.0", "id": id, "method": "textDocument/documentSymbol", "params": ask }));
    }
    add(json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 159 } }));
    add(json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 7777 } }));
    client.bytes(&bytes);
    let mut answers = Vec::new();
    while answers.len() < 60 {
        let message = client.read();
        if message["id"].is_i64() {
            answers.push(message);
        }
    }
    let mut ids: Vec<i64> = answers.iter().filter_map(|answer| answer["id"].as_i64()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (100..160).collect::<Vec<i64>>());
    // The cancellation may have come too late.
    let last = answers.iter().find(|answer| answer["id"] == 159).expect("an answer");
    assert!(last["error"]["code"] == -32_800 || last["result"].is_array(), "{last}");
    let others = answers.iter().filter(|answer| answer["result"].is_array()).count();
    assert!(others >= 59, "{others} results");
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn what_is_not_a_message_is_answered_or_ends_the_session() {
    let mut client = Client::open(STACK);
    client.bytes(b"Content-Length: 5\r\n\r\n{\"a\":");
    let answer = loop {
        let message = client.read();
        if message.get("error").is_some() {
            break message;
        }
    };
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32_700), &Value::Null));
    assert!(client.ask_at("textDocument/hover", 0, 0).get("result").is_some(), "the session goes on");
    client.bytes(b"GET / HTTP/1.1\r\n\r\n");
    let (code, err) = client.wait();
    assert_eq!(code, Some(1));
    assert!(err.contains("stdin does not contain messages of the Language Server Protocol"), "{err}");

    let (code, err) = Client::open(STACK).wait();
    assert_eq!(code, Some(1));
    assert!(err.contains("the client is gone"), "{err}");

    let mut client = Client::open(STACK);
    client.tell("exit", Value::Null);
    let (code, err) = client.wait();
    assert_eq!(code, Some(1));
    assert!(err.contains("the client ended the session without `shutdown`"), "{err}");

    let (code, _, err) = run(&folder(STACK), &["lsp", "--output", "json"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("remove `--output`"), "{err}");
    let (_, help, _) = run(&folder(STACK), &["lsp", "--help"]);
    assert!(help.contains("--config") && !help.contains("--output"), "{help}");
    let (_, help, _) = run(&folder(STACK), &["check", "--help"]);
    assert!(help.contains("--output"), "{help}");
}

#[test]
fn config_of_the_command_line_applies() {
    let mut client = Client::start(&["lsp", "--config", "throttle=1"]);
    client.ask("initialize", json!({ "capabilities": {} }));
    client.tell("initialized", json!({}));
    let document = json!({ "uri": URI, "languageId": "yaml", "version": 1, "text": STACK });
    client.tell("textDocument/didOpen", json!({ "textDocument": document }));
    assert_eq!(client.problems()[0]["code"], "E0104");
    assert_eq!(client.end().0, Some(0));
}
