//! Drift that becomes the file's own: for each property that was changed by other means, the edit of the stack file that makes
//! its template say what is there.
//!
//! No table says which line of the file makes which property. Edits are tried, and one is taken only if the template of the
//! edited file means exactly the template of the file with the actual value, and the templates of the other stacks stay as they
//! are.

use std::collections::BTreeMap;

use deployer_lang::model::Kind;
use deployer_lang::{Document, compile};
use deployer_syntax::diagnostic::{Diagnostics, Source};
use deployer_syntax::edit::{Edit, apply};
use deployer_syntax::yaml::{self, Node};
use serde_json::{Value, json};

use crate::diff;
pub use crate::resolve::{PseudoParameters, Side};
use crate::resolve::{Resolver, scalar_text};

mod candidates;
#[cfg(test)]
mod tests;

use candidates::Candidates;

/// Edits that are tried for one property.
const MOST_TRIES: usize = 600;

/// A property of a deployed resource that differs from its template: CloudFormation API Reference, `PropertyDifference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drifted<'a> {
    /// Logical ID.
    pub logical_id: &'a str,
    /// Path of the property, such as `/Tags/0/Value`.
    pub path: &'a str,
    /// The value in the template, as text or as JSON.
    pub expected: &'a str,
    /// The value of the resource, as text or as JSON.
    pub actual: &'a str,
    /// CloudFormation's word: `ADD`, `REMOVE`, `NOT_EQUAL`.
    pub kind: &'a str,
}

/// The place of the stack: what is known of its values.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the stack in the file.
    pub stack: &'a str,
    /// `--config k=v`.
    pub overrides: &'a [(String, String)],
    /// The deployed values of parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// The pseudo parameters.
    pub pseudo: &'a PseudoParameters,
}

/// A property that the edited file has as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Logical ID.
    pub logical_id: String,
    /// Path of the property.
    pub path: String,
    /// Name of the resource in the file.
    pub resource: String,
}

/// A property that stays as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Logical ID.
    pub logical_id: String,
    /// Path of the property.
    pub path: String,
    /// Line of the resource in the file, if the file has it.
    pub line: Option<usize>,
    /// The reason, and what to do.
    pub why: String,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The text of the edited file.
    pub text: String,
    /// The properties that it has as they are.
    pub accepted: Vec<Accepted>,
    /// The properties that stay.
    pub left: Vec<Left>,
}

/// A file with the templates of its stacks.
struct File {
    source: Source,
    root: Node,
    document: Document,
    /// The template of each stack; `None` for one with errors.
    templates: BTreeMap<String, Option<Value>>,
    /// Logical ID → name in the file, of the stack that is meant.
    origins: BTreeMap<String, String>,
}

impl File {
    fn read(source: Source, place: &Place<'_>) -> Option<Self> {
        let mut diagnostics = Diagnostics::default();
        let root = yaml::parse(&source, &mut diagnostics)?;
        let document = Document::parse(&source, &mut diagnostics)?;
        let mut templates = BTreeMap::new();
        let mut origins = BTreeMap::new();
        for target in &document.stacks {
            let mut diagnostics = Diagnostics::default();
            let compiled = compile(&document, target, place.overrides, &mut diagnostics);
            if let Some(compiled) = &compiled
                && target.stack == place.stack
            {
                let all = compiled.template.resources.iter();
                origins = all.map(|(id, one)| (id.clone(), one.origin.clone())).collect();
            }
            templates.insert(target.stack.clone(), compiled.map(|compiled| compiled.template.to_value()));
        }
        Some(Self { source, root, document, templates, origins })
    }

    /// Returns the template of the stack that is meant.
    fn template(&self, place: &Place<'_>) -> Option<&Value> {
        self.templates.get(place.stack)?.as_ref()
    }

    fn kind(&self, resource: &str) -> Option<Kind> {
        let yaml::Value::Mapping(entries) = &self.document.resource(resource)?.value.value else {
            return None;
        };
        let kind = entries.iter().find(|entry| entry.key == "type")?;
        let yaml::Value::Scalar { text, .. } = &kind.value.value else { return None };
        Kind::from_name(text)
    }

    /// Returns the line of a resource.
    fn line(&self, resource: &str) -> Option<usize> {
        let entry = self.document.resource(resource)?;
        Some(self.source.position(entry.key_span.start).line)
    }
}

/// What became of an edit.
enum Tried {
    /// The file has the actual value, and nothing else has changed.
    Fits(Box<File>),
    /// It would, but the templates of these stacks change too.
    Shared(Vec<String>),
    /// It does something else.
    Misses,
}

/// Edits a stack file so that it has the actual values of what has drifted. What can't be written there is listed with the reason.
#[must_use]
pub fn accept(source: &Source, place: &Place<'_>, drifted: &[Drifted<'_>]) -> Acceptance {
    let mut out = Acceptance { text: source.text.clone(), accepted: Vec::new(), left: Vec::new() };
    let Some(mut file) = File::read(Source::new(source.name.as_str(), source.text.clone()), place) else {
        return out;
    };
    // Of the file as it is, whatever comes before the resource in the edited one.
    let lines: BTreeMap<String, usize> =
        file.origins.iter().filter_map(|(id, name)| Some((id.clone(), file.line(name)?))).collect();
    for one in drifted {
        match write(&file, place, one) {
            Ok(changed) => {
                out.accepted.push(Accepted {
                    logical_id: one.logical_id.to_owned(),
                    path: one.path.to_owned(),
                    resource: file.origins.get(one.logical_id).cloned().unwrap_or_default(),
                });
                file = *changed;
            }
            Err(why) => out.left.push(Left {
                logical_id: one.logical_id.to_owned(),
                path: one.path.to_owned(),
                line: lines.get(one.logical_id).copied(),
                why,
            }),
        }
    }
    out.text = file.source.text;
    out
}

/// Returns the file with the actual value of a property.
fn write(file: &File, place: &Place<'_>, drifted: &Drifted<'_>) -> Result<Box<File>, String> {
    let template = file.template(place).ok_or("the stack file has errors")?;
    let resource = file
        .origins
        .get(drifted.logical_id)
        .ok_or("the file makes no resource with this logical ID; deploy the file first")?;
    let goal = goal(template, place, drifted)?;
    let mut shared = None;
    let candidates = Candidates::new(file, place, resource, drifted);
    for (tries, edits) in candidates.edits().into_iter().enumerate() {
        if tries == MOST_TRIES {
            break;
        }
        match attempt(file, place, &edits, &goal) {
            Tried::Fits(changed) => return Ok(changed),
            Tried::Shared(stacks) => {
                shared.get_or_insert(stacks);
            }
            Tried::Misses => {}
        }
    }
    let back = "`deployer deploy --revert-drift` takes the change back";
    Err(match (shared, file.kind(resource)) {
        (Some(stacks), _) => format!(
            "the same line makes the property in {}; give it a `config` value with another value for `{}`, or change it for all of \
             them by hand",
            stacks.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            place.stack
        ),
        (None, Some(kind)) => {
            format!("a {} of the file has no property that makes it so; {back}", kind.name())
        }
        (None, None) => format!("the file can't be edited at this place; change it by hand, or {back}"),
    })
}

/// Applies edits, and compares the template of the edited file with the goal.
fn attempt(file: &File, place: &Place<'_>, edits: &[Edit], goal: &Value) -> Tried {
    let Some(text) = apply(&file.source.text, edits) else { return Tried::Misses };
    let Some(changed) = File::read(Source::new(file.source.name.as_str(), text), place) else {
        return Tried::Misses;
    };
    let Some(template) = changed.template(place) else { return Tried::Misses };
    if !same(goal, template, place) {
        return Tried::Misses;
    }
    let others: Vec<String> = file
        .templates
        .iter()
        .filter(|(stack, before)| *stack != place.stack && changed.templates.get(*stack) != Some(*before))
        .map(|(stack, _)| stack.clone())
        .collect();
    if others.is_empty() { Tried::Fits(Box::new(changed)) } else { Tried::Shared(others) }
}

/// Returns whether two templates mean the same.
fn same(one: &Value, other: &Value, place: &Place<'_>) -> bool {
    let tags = BTreeMap::new();
    let side = |template| Side { template, parameters: place.parameters, tags: &tags };
    diff::compare(Some(&side(one)), &side(other), place.pseudo, &BTreeMap::new()).is_empty()
}

/// Returns the template with the actual value of a property.
fn goal(template: &Value, place: &Place<'_>, drifted: &Drifted<'_>) -> Result<Value, String> {
    let steps = steps(drifted.path);
    let tags = BTreeMap::new();
    let side = Side { template, parameters: place.parameters, tags: &tags };
    let resolver = Resolver::new(&side, &tags, place.pseudo);
    let resources = resolver.resources();
    let resolved =
        resources.get(drifted.logical_id).ok_or("a condition keeps the resource out of the stack")?;
    let now = at(&resolved.properties, &steps);
    let adds = drifted.kind == "ADD";
    let is_expected = |value: &Value| is(value, drifted.expected);
    if !(adds && now.is_none() || !adds && now.is_some_and(is_expected)) {
        let now =
            now.map_or("nothing".to_owned(), |value| scalar_text(value).unwrap_or_else(|| value.to_string()));
        return Err(format!(
            "the file has {now} there, which is not what was deployed; deploy the file first, or change it by hand"
        ));
    }
    let mut goal = template.clone();
    let (Some(properties), Some((last, parents))) =
        (goal["Resources"][drifted.logical_id].get_mut("Properties"), steps.split_last())
    else {
        return Err("the resource has no properties in the file".to_owned());
    };
    let mut parent = properties;
    for step in parents {
        parent = match parent {
            Value::Object(members) if !is_function(members) => members.get_mut(step),
            Value::Array(items) => step.parse::<usize>().ok().and_then(|at| items.get_mut(at)),
            _ => None,
        }
        .ok_or("a function of the template computes the value")?;
    }
    let actual = actual(drifted.actual);
    match parent {
        Value::Object(members) if is_function(members) => {
            return Err("a function of the template computes the value".to_owned());
        }
        Value::Object(members) if drifted.kind == "REMOVE" => {
            members.remove(last);
        }
        Value::Object(members) => {
            members.insert(last.clone(), actual);
        }
        Value::Array(items) => {
            let at: usize = last.parse().map_err(|_| "the path names no item of a list")?;
            match drifted.kind {
                "REMOVE" if at < items.len() => {
                    items.remove(at);
                }
                "ADD" if at >= items.len() => items.push(actual),
                _ => *items.get_mut(at).ok_or("the path names no item of a list")? = actual,
            }
        }
        _ => return Err("the path names no property of the file".to_owned()),
    }
    Ok(goal)
}

fn is_function(members: &serde_json::Map<String, Value>) -> bool {
    members.len() == 1 && members.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// Splits a path of CloudFormation, which is a JSON pointer.
fn steps(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

fn at<'v>(value: &'v Value, steps: &[String]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Returns whether a value is the one that CloudFormation writes so: a single value as its text, all else as JSON.
fn is(value: &Value, written: &str) -> bool {
    match scalar_text(value) {
        Some(text) => text == written,
        None => {
            serde_json::from_str::<Value>(written).is_ok_and(|written| loosely(&written) == loosely(value))
        }
    }
}

/// Returns a value with all single values as texts: CloudFormation writes `true` as `"true"` in places.
fn loosely(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, inner)| (name.clone(), loosely(inner))).collect()
        }
        Value::Array(items) => items.iter().map(loosely).collect(),
        other => scalar_text(other).map_or(Value::Null, |text| json!(text)),
    }
}

/// Returns the value that CloudFormation has written.
fn actual(written: &str) -> Value {
    serde_json::from_str(written).unwrap_or_else(|_| json!(written))
}
