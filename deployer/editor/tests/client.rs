//! A client of a session, in memory.

use std::path::PathBuf;

use deployer_editor::session::{Pages, Reaction, Session};
use serde_json::{Value, json};

/// The documentation of the tests.
struct Few;
impl Pages for Few {
    fn page(&self, code: &str) -> Option<String> {
        Some(format!("# {code}: the page"))
    }
    fn link(&self, code: &str) -> Option<String> {
        Some(format!("file:///docs.html#{code}"))
    }
}

pub(crate) const URI: &str = "file:///project/stack.yaml";

/// A client with one document.
pub(crate) struct Client {
    pub(crate) session: Session,
    text: String,
    version: i64,
    next: i64,
}

impl Client {
    /// Starts a session, and opens a document.
    pub(crate) fn open(text: &str) -> Self {
        Self::open_with(text, json!({}))
    }

    /// Starts a session as a client with some abilities.
    pub(crate) fn open_with(text: &str, capabilities: Value) -> Self {
        let session = Session::new(Box::new(Few), Vec::new());
        let mut client = Self { session, text: text.to_owned(), version: 1, next: 1 };
        client.ask("initialize", json!({ "capabilities": capabilities }));
        client.tell("initialized", json!({}));
        let document = json!({ "uri": URI, "languageId": "yaml", "version": 1, "text": text });
        client.tell("textDocument/didOpen", json!({ "textDocument": document }));
        client
    }

    /// Sends a notification.
    pub(crate) fn tell(&mut self, method: &str, params: Value) -> Reaction {
        self.session.handle(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    /// Sends a request, and returns all messages to it.
    pub(crate) fn ask_all(&mut self, method: &str, params: Value) -> Vec<Value> {
        self.next += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
        self.session.handle(&request).messages
    }

    /// Sends a request, and returns its result, or the error.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let messages = self.ask_all(method, params);
        let answers: Vec<&Value> =
            messages.iter().filter(|message| message["id"] == json!(self.next)).collect();
        let [answer] = answers.as_slice() else { panic!("not one answer: {messages:?}") };
        answer.get("error").or(answer.get("result")).expect("a result or an error").clone()
    }

    /// Replaces the text.
    pub(crate) fn replace(&mut self, text: &str) {
        self.version += 1;
        self.text = text.to_owned();
        let document = json!({ "uri": URI, "version": self.version });
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
    }

    /// Returns the problems of the document.
    pub(crate) fn problems(&mut self) -> Value {
        let job = self.session.job(URI).expect("an open document");
        self.session.checked(job.run()).expect("the problems")["params"]["diagnostics"].clone()
    }

    /// Returns the place after the first `before` of the text, `at` bytes into it.
    pub(crate) fn place(&self, before: &str, at: usize) -> Value {
        let offset = self.text.find(before).unwrap_or_else(|| panic!("no {before:?} in\n{}", self.text)) + at;
        let line = self.text[..offset].matches('\n').count();
        let start = self.text[..offset].rfind('\n').map_or(0, |end| end + 1);
        json!({ "line": line, "character": self.text[start..offset].encode_utf16().count() })
    }

    /// Sends a request about the place at the end of the first `before`.
    pub(crate) fn ask_at(&mut self, method: &str, before: &str, more: Value) -> Value {
        let mut params =
            json!({ "textDocument": { "uri": URI }, "position": self.place(before, before.len()) });
        if let (Value::Object(params), Value::Object(more)) = (&mut params, more) {
            params.extend(more);
        }
        self.ask(method, params)
    }

    /// Returns the labels of the completions at the end of the first `before`.
    pub(crate) fn complete(&mut self, before: &str) -> Vec<String> {
        let found = self.ask_at("textDocument/completion", before, json!({}));
        let items = found["items"].as_array().expect("items");
        items.iter().map(|item| item["label"].as_str().expect("a label").to_owned()).collect()
    }

    /// Returns the text after a completion with this label at the end of the first `before`.
    pub(crate) fn completed(&mut self, before: &str, label: &str) -> String {
        let found = self.ask_at("textDocument/completion", before, json!({}));
        let items = found["items"].as_array().expect("items");
        let item =
            items.iter().find(|item| item["label"] == label).unwrap_or_else(|| panic!("{label}: {items:#?}"));
        apply(&self.text, &[item["textEdit"].clone()])
    }

    /// Returns the text under a range.
    pub(crate) fn under(&self, range: &Value) -> &str {
        &self.text[byte(&self.text, &range["start"])..byte(&self.text, &range["end"])]
    }

    /// Applies the changes of the document in a workspace edit.
    pub(crate) fn changed(&self, edit: &Value) -> String {
        let of_document = edit["changes"][URI].as_array().or(edit["documentChanges"][0]["edits"].as_array());
        apply(&self.text, of_document.expect("changes of the document"))
    }
}

/// Returns the byte of a position, by a way of its own: units of UTF-16 are counted one by one.
fn byte(text: &str, position: &Value) -> usize {
    let number = |name: &str| usize::try_from(position[name].as_u64().expect("a number")).expect("a place");
    let (line, mut units) = (number("line"), number("character"));
    let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let mut at = start;
    for letter in text[start..].chars() {
        if units == 0 {
            break;
        }
        units -= letter.len_utf16();
        at += letter.len_utf8();
    }
    at
}

/// Applies changes, from the last to the first.
fn apply(text: &str, edits: &[Value]) -> String {
    let mut places: Vec<(usize, usize, &str)> = edits
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            (
                byte(text, &range["start"]),
                byte(text, &range["end"]),
                edit["newText"].as_str().expect("a text"),
            )
        })
        .collect();
    places.sort_unstable();
    let mut out = text.to_owned();
    for (from, to, new) in places.into_iter().rev() {
        out.replace_range(from..to, new);
    }
    out
}

/// Returns the folder of the repository.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
