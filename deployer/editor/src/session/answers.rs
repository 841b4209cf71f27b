//! The answers to requests about a document.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Document, Failure, Reaction, Reading, Session, overlap, uri_of};
use crate::complete::complete;
use crate::hover::hover;
use crate::occurrences::{self, Occurrence, Target};
use crate::outline::Outline;
use crate::problems;
use crate::protocol::{self, ErrorCode, location, range, read_position, read_range};
use crate::rename::rename;
use crate::symbols::symbols;
use crate::text::Text;

/// The place that a request is about.
struct Asked {
    uri: String,
    text: Arc<Text>,
    reading: Arc<Reading>,
    outline: Arc<Outline>,
    offset: usize,
}

impl Asked {
    /// Returns what is named at the place.
    fn named(&self) -> Option<Occurrence> {
        match self.reading.root {
            Some(_) => occurrences::at(&self.reading.occurrences, self.offset).cloned(),
            None => occurrences::in_text(&self.text, self.offset, &self.outline),
        }
    }

    /// Refuses what needs the whole file.
    fn whole(&self) -> Result<(), Failure> {
        let Some(error) = self.reading.error.as_ref().filter(|_| self.reading.root.is_none()) else {
            return Ok(());
        };
        let line = self.text.position(error.span.start).line + 1;
        let message = format!("the file can't be read: line {line}: {}; fix this first", error.message);
        Err(Failure(ErrorCode::RequestFailed, message))
    }
}

fn wrong(text: &str) -> Failure {
    Failure(ErrorCode::InvalidParams, text.to_owned())
}

impl Session {
    pub(super) fn answer(
        &mut self,
        method: &str,
        params: &Value,
        reaction: &mut Reaction,
    ) -> Result<Value, Failure> {
        match method {
            "textDocument/hover" => self.hover(params),
            "textDocument/completion" => {
                let asked = self.asked(params)?;
                Ok(protocol::completions(&asked.text, &complete(&asked.text, asked.offset, &asked.outline)))
            }
            "textDocument/definition" => self.definition(params),
            "textDocument/references" => self.references(params),
            "textDocument/documentHighlight" => self.highlights(params),
            "textDocument/documentSymbol" => {
                let document = self.document(params)?;
                let reading = document.read();
                let found = reading.root.as_ref().map(symbols).unwrap_or_default();
                Ok(found.iter().map(|one| protocol::symbol(&document.text, one)).collect())
            }
            "textDocument/prepareRename" => self.prepare_rename(params),
            "textDocument/rename" => self.rename(params, reaction),
            "textDocument/codeAction" => self.fixes(params),
            _ => Err(Failure(ErrorCode::MethodNotFound, format!("the method `{method}` is not supported"))),
        }
    }

    fn document(&mut self, params: &Value) -> Result<&mut Document, Failure> {
        let uri = uri_of(params).ok_or_else(|| wrong("`textDocument.uri` is missing"))?;
        self.documents.get_mut(uri).ok_or_else(|| wrong(&format!("the document {uri} is not open")))
    }

    fn asked(&mut self, params: &Value) -> Result<Asked, Failure> {
        let position = params.get("position").and_then(read_position);
        let position = position.ok_or_else(|| wrong("`position` must have a `line` and a `character`"))?;
        let document = self.document(params)?;
        let reading = document.read();
        Ok(Asked {
            uri: uri_of(params).unwrap_or_default().to_owned(),
            offset: document.text.offset(position),
            text: Arc::clone(&document.text),
            outline: Arc::clone(&document.good),
            reading,
        })
    }

    fn hover(&mut self, params: &Value) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        let problems = self.document(params)?.problems.clone().unwrap_or_default();
        let textual;
        let occurrences = match asked.reading.root {
            Some(_) => &asked.reading.occurrences,
            None => {
                textual = asked.named().into_iter().collect();
                &textual
            }
        };
        let page = |code: &str| self.pages.page(code);
        let root = asked.reading.root.as_ref();
        let found = hover(&asked.text, root, &asked.outline, occurrences, &problems, page, asked.offset);
        Ok(found.map_or(Value::Null, |found| {
            json!({ "contents": protocol::markdown(&found.markdown), "range": range(&asked.text, found.span) })
        }))
    }

    fn definition(&mut self, params: &Value) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        let Some(named) = asked.named() else { return Ok(Value::Null) };
        let span = match asked.reading.root {
            Some(_) => {
                let mut all = asked.reading.occurrences.iter();
                all.find(|one| one.definition && one.target == named.target).map(|one| one.span)
            }
            None => occurrences::definition_in_text(&asked.text, &named.target),
        };
        Ok(span.map_or(Value::Null, |span| location(&asked.uri, &asked.text, span)))
    }

    fn references(&mut self, params: &Value) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        asked.whole()?;
        let Some(named) = asked.named() else { return Ok(json!([])) };
        let declaration = params.pointer("/context/includeDeclaration").and_then(Value::as_bool);
        let with_definition = declaration.unwrap_or(true);
        let found = of_target(&asked.reading, &named.target).filter(|one| with_definition || !one.definition);
        Ok(found.map(|one| location(&asked.uri, &asked.text, one.span)).collect())
    }

    fn highlights(&mut self, params: &Value) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        let Some(named) = asked.named() else { return Ok(json!([])) };
        let found = of_target(&asked.reading, &named.target);
        // A definition is where it is written, and a reference where it is read.
        let kind = |one: &Occurrence| if one.definition { 3 } else { 2 };
        Ok(found.map(|one| json!({ "range": range(&asked.text, one.span), "kind": kind(one) })).collect())
    }

    fn prepare_rename(&mut self, params: &Value) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        asked.whole()?;
        let Some(named) = asked.named() else { return Ok(Value::Null) };
        let name = match &named.target {
            Target::Resource(name) | Target::Config(name) => name,
        };
        Ok(json!({ "range": range(&asked.text, named.span), "placeholder": name }))
    }

    fn rename(&mut self, params: &Value, reaction: &mut Reaction) -> Result<Value, Failure> {
        let asked = self.asked(params)?;
        asked.whole()?;
        let name =
            params.get("newName").and_then(Value::as_str).ok_or_else(|| wrong("`newName` is missing"))?;
        let Some(named) = asked.named() else {
            return Err(Failure(
                ErrorCode::RequestFailed,
                "only the names of resources and of config values can be renamed".to_owned(),
            ));
        };
        let renamed =
            rename(&asked.text.source, &asked.reading.occurrences, &named.target, name, &self.overrides)
                .map_err(|reason| Failure(ErrorCode::RequestFailed, reason))?;
        let mut edits = protocol::edits(&asked.text, &renamed.edits);
        let mut annotations = Map::new();
        if let Some(warning) = &renamed.warning {
            if self.client.annotations && self.client.document_changes {
                for edit in &mut edits {
                    edit["annotationId"] = json!("logical-ids");
                }
                annotations.insert(
                    "logical-ids".to_owned(),
                    json!({ "label": "Changes logical IDs", "description": warning, "needsConfirmation": true }),
                );
            }
            reaction.messages.push(protocol::warning(warning));
        }
        let mut out = self.workspace_edit(&asked.uri, edits);
        if !annotations.is_empty() {
            out["changeAnnotations"] = Value::Object(annotations);
        }
        Ok(out)
    }

    /// Returns the changes of a document in the form that the client takes.
    fn workspace_edit(&self, uri: &str, edits: Vec<Value>) -> Value {
        if self.client.document_changes {
            let version = self.documents.get(uri).map_or(&Value::Null, |document| &document.version);
            let document = json!({ "uri": uri, "version": version });
            return json!({ "documentChanges": [{ "textDocument": document, "edits": edits }] });
        }
        json!({ "changes": { uri: edits } })
    }

    fn fixes(&mut self, params: &Value) -> Result<Value, Failure> {
        let (from, to) =
            params.get("range").and_then(read_range).ok_or_else(|| wrong("`range` is missing"))?;
        let only = params.pointer("/context/only").and_then(Value::as_array);
        let wanted = |kind: &Value| kind.as_str().is_some_and(|kind| kind.is_empty() || kind == "quickfix");
        if only.is_some_and(|only| !only.iter().any(wanted)) {
            return Ok(json!([]));
        }
        let overrides = Arc::clone(&self.overrides);
        let document = self.document(params)?;
        let text = Arc::clone(&document.text);
        let reading = document.read();
        // The problems of an earlier text are at other places.
        let problems = match &document.problems {
            Some(problems) => Arc::clone(problems),
            None => Arc::new(problems::check(&text.source, &overrides).problems),
        };
        let Some(root) = &reading.root else { return Ok(json!([])) };
        let marked = deployer_syntax::Span { start: text.offset(from), end: text.offset(to) };
        let uri = uri_of(params).unwrap_or_default().to_owned();
        let mut out: Vec<Value> = Vec::new();
        for problem in problems.iter().filter(|problem| overlap(problem.span, marked)) {
            let Some(fix) = &problem.fix else { continue };
            let Some(edits) = fix.edits(problem.span, &text.source, root) else { continue };
            let link = self.pages.link(problem.code);
            out.push(json!({
                "title": fix.title(),
                "kind": "quickfix",
                "diagnostics": [protocol::diagnostic(&text, problem, link.as_deref())],
                "isPreferred": true,
                "edit": self.workspace_edit(&uri, protocol::edits(&text, &edits)),
            }));
        }
        Ok(Value::Array(out))
    }
}

/// Returns the places that name a target.
fn of_target<'r>(reading: &'r Reading, target: &'r Target) -> impl Iterator<Item = &'r Occurrence> {
    reading.occurrences.iter().filter(move |one| one.target == *target)
}
