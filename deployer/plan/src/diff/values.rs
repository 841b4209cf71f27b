//! The differences between two values, as paths.
//!
//! Third step of a comparison: both values are in their one form, so what is left differs for CloudFormation too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::canonical::{At, is_expression, text_of};
use crate::resolve::MAX_DEPTH;

/// Names by which the entries of lists are known, in the order in which they are tried.
const KEYS: [&str; 8] =
    ["Sid", "Id", "Key", "Name", "PolicyName", "AttributeName", "IndexName", "ContainerName"];

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of a mapping.
    Member(String),
    /// An entry of a list, by its place or by its name.
    Item(String),
}

/// A difference. `None` is a missing value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) path: Vec<Step>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

/// Returns a path for people: `Tags[team].Value`.
pub(super) fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Member(name) if out.is_empty() => out.push_str(name),
            Step::Member(name) => out.push_str(&format!(".{name}")),
            Step::Item(name) => out.push_str(&format!("[{name}]")),
        }
    }
    out
}

/// Returns a path as the schemas name it, without `Properties`: `*` for the entries of lists.
pub(super) fn schema_path<'p>(path: &'p [Step]) -> Vec<&'p str> {
    let word = |step: &'p Step| match step {
        Step::Member(name) => name.as_str(),
        Step::Item(_) => "*",
    };
    path.iter().skip(1).map(word).collect()
}

/// Returns the differences between two canonical values.
pub(super) fn differences(before: &Value, after: &Value, at: At<'_>, path: Vec<Step>) -> Vec<Difference> {
    let mut walk = Walk { path, out: Vec::new() };
    walk.value(before, after, at);
    walk.out
}

struct Walk {
    path: Vec<Step>,
    out: Vec<Difference>,
}

impl Walk {
    fn push(&mut self, before: Option<&Value>, after: Option<&Value>) {
        self.out.push(Difference { path: self.path.clone(), before: before.cloned(), after: after.cloned() });
    }

    fn within(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    fn value(&mut self, before: &Value, after: &Value, at: At<'_>) {
        if before == after {
            return;
        }
        let at = at.of(before);
        // Deeper differences are shown as one.
        match (before, after) {
            (Value::Object(a), Value::Object(b))
                if !is_expression(before) && !is_expression(after) && self.path.len() < MAX_DEPTH =>
            {
                let within = match self.path.last() {
                    Some(Step::Member(name)) => name.clone(),
                    _ => String::new(),
                };
                let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
                let mut names: Vec<&String> = names.collect();
                names.sort();
                for name in names {
                    let place = at.member(&within, name);
                    self.within(Step::Member(name.clone()), |walk| match (a.get(name), b.get(name)) {
                        (Some(a), Some(b)) => walk.value(a, b, place),
                        // A default that is written out is not a difference.
                        (Some(one), None) | (None, Some(one)) if place.shape.default() == Some(one) => {}
                        (a, b) => walk.push(a, b),
                    });
                }
            }
            (Value::Array(a), Value::Array(b)) if self.path.len() < MAX_DEPTH => self.list(a, b, at),
            _ => self.push(Some(before), Some(after)),
        }
    }

    fn list(&mut self, before: &[Value], after: &[Value], at: At<'_>) {
        if let Some((a, b)) = keyed(before).zip(keyed(after))
            && (before.is_empty() || after.is_empty() || a.0 == b.0)
        {
            return self.keyed(&a.1, &b.1, at);
        }
        if at.set {
            return self.set(before, after, at);
        }
        let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        let (a, b) = (&before[start..], &after[start..]);
        let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
        for index in 0..a.len().max(b.len()) {
            self.within(Step::Item((start + index).to_string()), |walk| match (a.get(index), b.get(index)) {
                (Some(a), Some(b)) => walk.value(a, b, at.item()),
                (a, b) => walk.push(a, b),
            });
        }
    }

    fn keyed(&mut self, before: &[(&str, &Value)], after: &[(&str, &Value)], at: At<'_>) {
        let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (before.iter().copied().collect(), after.iter().copied().collect());
        let names = before.iter().chain(after.iter().filter(|(name, _)| !a.contains_key(name)));
        for (name, _) in names {
            self.within(Step::Item((*name).to_owned()), |walk| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => walk.value(a, b, at.item()),
                (a, b) => walk.push(a.copied(), b.copied()),
            });
        }
        let common = |from: &[(&str, &Value)], other: &BTreeMap<&str, &Value>| -> Vec<String> {
            from.iter()
                .filter(|(name, _)| other.contains_key(name))
                .map(|(name, _)| (*name).to_owned())
                .collect()
        };
        let (a, b) = (common(before, &b), common(after, &a));
        if !at.set && a != b {
            self.within(Step::Item("order".to_owned()), |walk| walk.push(Some(&json!(a)), Some(&json!(b))));
        }
    }

    /// Compares entries without an order, which are gone or new; one that is gone for one that is new has changed.
    fn set(&mut self, before: &[Value], after: &[Value], at: At<'_>) {
        let texts =
            |items: &[Value]| -> Vec<String> { items.iter().map(|item| text_of(item, at.item())).collect() };
        let (a, b) = (texts(before), texts(after));
        let only = |own: &[String], other: &[String]| -> Vec<usize> {
            let other: std::collections::BTreeSet<&String> = other.iter().collect();
            own.iter().enumerate().filter(|(_, text)| !other.contains(text)).map(|(index, _)| index).collect()
        };
        let (gone, new) = (only(&a, &b), only(&b, &a));
        if let ([gone], [new]) = (gone.as_slice(), new.as_slice()) {
            self.within(Step::Item(new.to_string()), |walk| {
                walk.value(&before[*gone], &after[*new], at.item())
            });
            return;
        }
        let (mut new, place) = (new, at.item());
        for index in gone {
            let own = name(&before[index]);
            let same = new.iter().position(|at| own.is_some() && name(&after[*at]) == own);
            let step = |index: usize| Step::Item(own.map_or_else(|| index.to_string(), str::to_owned));
            match same.map(|at| new.remove(at)) {
                Some(at) => self.within(step(at), |walk| walk.value(&before[index], &after[at], place)),
                None => self.within(step(index), |walk| walk.push(Some(&before[index]), None)),
            }
        }
        for index in new {
            let step = name(&after[index]).map_or_else(|| index.to_string(), str::to_owned);
            self.within(Step::Item(step), |walk| walk.push(None, Some(&after[index])));
        }
    }
}

/// Returns the name of an entry, if it has one.
fn name(item: &Value) -> Option<&str> {
    KEYS.iter().find_map(|key| item.get(*key)?.as_str())
}

/// Returns the entries of a list by name, when each has one of its own, and the member that holds it.
pub(super) fn keyed(items: &[Value]) -> Option<(&'static str, Vec<(&str, &Value)>)> {
    KEYS.iter().find_map(|key| {
        let entries: Option<Vec<(&str, &Value)>> =
            items.iter().map(|item| Some((item.get(*key)?.as_str()?, item))).collect();
        let entries = entries?;
        let mut names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1]).then_some((*key, entries))
    })
}
