//! The messages of the protocol: JSON-RPC 2.0, and the structures of the Language Server Protocol 3.17 that are used.

use deployer_syntax::edit::Edit;
use deployer_syntax::{Diagnostic, Severity, Span};
use serde_json::{Value, json};

use crate::complete::{Completions, Item, ItemKind};
use crate::symbols::{Symbol, SymbolKind};
use crate::text::{Position, Text};

/// The codes of errors: JSON-RPC 2.0, "Error object", and LSP 3.17, "ErrorCodes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The message is not JSON.
    ParseError = -32_700,
    /// The message is not a request that can be answered now.
    InvalidRequest = -32_600,
    /// No such method.
    MethodNotFound = -32_601,
    /// The parameters are wrong.
    InvalidParams = -32_602,
    /// A request before `initialize`.
    ServerNotInitialized = -32_002,
    /// The client has cancelled the request.
    RequestCancelled = -32_800,
    /// The request is right, but can't be fulfilled.
    RequestFailed = -32_803,
}

/// Returns the answer to a request.
#[must_use]
pub fn response(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// Returns the answer to a request that failed; `id` is null if the message had none.
#[must_use]
pub fn failure(id: &Value, code: ErrorCode, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

/// Returns a message to which there is no answer.
#[must_use]
pub fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// Returns a message to the person at the editor: a warning.
#[must_use]
pub fn warning(text: &str) -> Value {
    notification("window/showMessage", json!({ "type": 2, "message": text }))
}

/// Returns a line for the log of the editor.
#[must_use]
pub fn log(text: &str) -> Value {
    notification("window/logMessage", json!({ "type": 2, "message": text }))
}

/// Reads a position; `None` if it is not one.
#[must_use]
pub fn read_position(value: &Value) -> Option<Position> {
    let number =
        |name: &str| value.get(name)?.as_u64().map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Some(Position { line: number("line")?, character: number("character")? })
}

/// Reads a range; `None` if it is not one.
#[must_use]
pub fn read_range(value: &Value) -> Option<(Position, Position)> {
    Some((read_position(value.get("start")?)?, read_position(value.get("end")?)?))
}

fn position(text: &Text, offset: usize) -> Value {
    let Position { line, character } = text.position(offset);
    json!({ "line": line, "character": character })
}

/// Returns the range of a span.
#[must_use]
pub fn range(text: &Text, span: Span) -> Value {
    json!({ "start": position(text, span.start), "end": position(text, span.end) })
}

/// Returns a place in a document.
#[must_use]
pub fn location(uri: &str, text: &Text, span: Span) -> Value {
    json!({ "uri": uri, "range": range(text, span) })
}

/// Returns a problem; `link` is the address of the page of its code.
#[must_use]
pub fn diagnostic(text: &Text, problem: &Diagnostic, link: Option<&str>) -> Value {
    let message = match &problem.help {
        Some(help) => format!("{}\nhelp: {help}", problem.message),
        None => problem.message.clone(),
    };
    let severity = match problem.severity {
        Severity::Error => 1,
        Severity::Warning => 2,
    };
    let mut out = json!({
        "range": range(text, problem.span),
        "severity": severity,
        "code": problem.code,
        "source": "deployer",
        "message": message,
    });
    if let Some(link) = link {
        out["codeDescription"] = json!({ "href": link });
    }
    out
}

/// Returns changes of a text.
#[must_use]
pub fn edits(text: &Text, edits: &[Edit]) -> Vec<Value> {
    edits.iter().map(|edit| json!({ "range": range(text, edit.span), "newText": edit.text })).collect()
}

/// Returns the completions of a place.
#[must_use]
pub fn completions(text: &Text, found: &Completions) -> Value {
    let range = range(text, found.span);
    let items: Vec<Value> =
        found.items.iter().enumerate().map(|(at, item)| completion(item, at, &range)).collect();
    json!({ "isIncomplete": found.incomplete, "items": items })
}

fn completion(item: &Item, at: usize, range: &Value) -> Value {
    // Source: LSP 3.17, "CompletionItemKind".
    let kind = match item.kind {
        ItemKind::Attribute => 5,
        ItemKind::Resource => 6,
        ItemKind::Type => 7,
        ItemKind::Property => 10,
        ItemKind::Value => 12,
        ItemKind::Word => 20,
    };
    let mut out = json!({
        "label": item.label,
        "kind": kind,
        "filterText": item.label,
        "sortText": format!("{}{at:05}", u8::from(!item.first)),
        "textEdit": { "range": range, "newText": item.insert },
    });
    if !item.detail.is_empty() {
        out["detail"] = json!(item.detail);
    }
    if !item.documentation.is_empty() {
        out["documentation"] = markdown(&item.documentation);
    }
    out
}

/// Returns a text in Markdown.
#[must_use]
pub fn markdown(text: &str) -> Value {
    json!({ "kind": "markdown", "value": text })
}

/// Returns a symbol with those in it.
#[must_use]
pub fn symbol(text: &Text, symbol_: &Symbol) -> Value {
    // Source: LSP 3.17, "SymbolKind".
    let kind = match symbol_.kind {
        SymbolKind::Section => 3,
        SymbolKind::Stack => 4,
        SymbolKind::Resource => 5,
        SymbolKind::Value => 13,
    };
    let children: Vec<Value> = symbol_.children.iter().map(|child| symbol(text, child)).collect();
    json!({
        "name": symbol_.name,
        "detail": symbol_.detail,
        "kind": kind,
        "range": range(text, symbol_.whole),
        "selectionRange": range(text, symbol_.span),
        "children": children,
    })
}
