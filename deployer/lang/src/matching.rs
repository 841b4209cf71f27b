//! Event patterns against events, as EventBridge matches them: Event Ruler 2.0.1 (`aws/event-ruler`), whose answers are
//! the tests.
//!
//! A pattern is compiled into alternatives, because `$or` means that. Each is a list of conditions on fields, which
//! have full names, with dots between the parts. An event becomes a list of single values with such names, each with
//! its places in the lists that contain it: two values can match together only from the same element.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use deployer_syntax::mark::is_mark;
use deployer_syntax::number;
use deployer_syntax::yaml::{self, Node};

mod address;
mod complexity;
mod operator;

pub(crate) use address::parse_range;
pub(crate) use complexity::is_too_complex;
pub(crate) use operator::{Matcher, wildcard};
pub(crate) use value::amount;

use operator::matches_any;

mod value;

pub use value::Leaf;

/// A pattern, ready for events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compiled {
    alternatives: Vec<Alternative>,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Alternative(Vec<Condition>);

/// The condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// The full name of the field.
    name: String,
    /// The matchers, one of which must hold.
    matchers: Arc<[Matcher]>,
}

/// Number of alternatives that no pattern that AWS takes exceeds; each `$or` multiplies them.
pub(crate) const MAX_ALTERNATIVES: usize = 10_000;

impl Compiled {
    /// Adds a condition to all alternatives; of two on one field the later counts.
    pub(crate) fn put(&mut self, name: &str, matchers: &Arc<[Matcher]>) {
        if self.alternatives.is_empty() {
            self.alternatives.push(Alternative::default());
        }
        for Alternative(conditions) in &mut self.alternatives {
            conditions.retain(|condition| condition.name != name);
            conditions.push(Condition { name: name.to_owned(), matchers: matchers.clone() });
        }
    }

    /// Adds the alternatives of a member of `$or`. Returns `false` if there are too many.
    pub(crate) fn add(&mut self, member: Self) -> bool {
        self.alternatives.extend(member.alternatives);
        self.alternatives.len() <= MAX_ALTERNATIVES
    }

    /// Returns the full names of the fields of each alternative, with the number of values that each may have.
    pub(crate) fn shape(&self) -> impl Iterator<Item = Vec<(&str, usize)>> {
        self.alternatives.iter().map(|Alternative(conditions)| {
            conditions.iter().map(|condition| (condition.name.as_str(), condition.matchers.len())).collect()
        })
    }

    /// Ends the compilation: conditions are asked in the order of their names.
    pub(crate) fn sort(&mut self) {
        for Alternative(conditions) in &mut self.alternatives {
            conditions.sort_by(|a, b| by_name(&a.name, &b.name));
        }
    }

    /// Returns whether the event matches for EventBridge. A value that is not known before the deployment may be
    /// anything.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.alternatives.iter().any(|alternative| alternative.matches(event, Absence::Ordered))
    }

    /// Returns whether the answer depends on the way in which EventBridge reads `exists: false` beside a field in a
    /// list of mappings: for the element that has the other field, or for the whole event. Its matcher decides by the
    /// order of the names.
    #[must_use]
    pub fn is_uncertain(&self, event: &Event) -> bool {
        let all = |absence| self.alternatives.iter().any(|alternative| alternative.matches(event, absence));
        let in_order = all(Absence::Ordered);
        all(Absence::Everywhere) != in_order || all(Absence::Beside) != in_order
    }

    /// Returns the reasons why an event does not match: the conditions of the nearest alternative that it misses. Empty
    /// if it matches.
    #[must_use]
    pub fn misses(&self, event: &Event) -> Vec<Miss> {
        if self.matches(event) {
            return Vec::new();
        }
        let nearest = self.alternatives.iter().map(|alternative| alternative.misses(event));
        nearest.min_by_key(Vec::len).unwrap_or_default()
    }
}

/// A condition of a pattern that an event does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Miss {
    /// The full name of the field; null when each field matches, but never in the same element of a list.
    pub field: Option<String>,
    /// The values of the event there, as JSON.
    pub found: Vec<String>,
    /// The values that the pattern takes there, as JSON.
    pub wanted: Vec<String>,
}

/// The scope in which a field must be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// In the elements that fields before it in the alphabet have chosen.
    Ordered,
    /// In the whole event.
    Everywhere,
    /// In the elements that all other fields have chosen.
    Beside,
}

impl Alternative {
    fn matches(&self, event: &Event, absence: Absence) -> bool {
        let mut conditions: Vec<&Condition> = self.0.iter().collect();
        if absence == Absence::Beside {
            conditions.sort_by_key(|condition| condition.matchers.contains(&Matcher::Absent));
        }
        // The elements of lists that the conditions so far may have chosen.
        let mut chosen = BTreeSet::from([Membership::default()]);
        for (at, condition) in conditions.iter().enumerate() {
            let (fields, unknown) = event.fields(&condition.name);
            let may_be_absent = condition.matchers.contains(&Matcher::Absent);
            let fitting: Vec<&Field> =
                fields.iter().filter(|field| matches_any(&condition.matchers, &field.value)).collect();
            let mut next = BTreeSet::new();
            for before in chosen {
                let reference = match absence {
                    Absence::Everywhere => Membership::default(),
                    _ => before.clone(),
                };
                let present = || {
                    let known = fields.iter().filter(|field| field.value != Leaf::Unknown);
                    known.map(|field| reference.with(&field.membership)).any(|both| both.is_some())
                };
                next.extend(fitting.iter().filter_map(|field| before.with(&field.membership)));
                if unknown || (may_be_absent && !present()) {
                    next.insert(before);
                }
            }
            // A list in which no further condition has a field can't tell choices apart; so unrelated lists don't
            // multiply.
            let later = conditions.get(at + 1..).unwrap_or_default();
            let lists: BTreeSet<usize> = later
                .iter()
                .flat_map(|condition| event.fields(&condition.name).0)
                .flat_map(|field| field.membership.lists())
                .collect();
            chosen = next.into_iter().map(|one| one.only(&lists)).collect();
            if chosen.is_empty() {
                return false;
            }
        }
        true
    }

    fn misses(&self, event: &Event) -> Vec<Miss> {
        let alone = |condition: &Condition| Self(vec![condition.clone()]).matches(event, Absence::Ordered);
        let misses: Vec<Miss> = self
            .0
            .iter()
            .filter(|condition| !alone(condition))
            .map(|condition| Miss {
                field: Some(condition.name.clone()),
                found: event.fields(&condition.name).0.iter().map(|field| field.value.to_string()).collect(),
                wanted: condition.matchers.iter().map(Matcher::to_string).collect(),
            })
            .collect();
        match misses.is_empty() {
            true => vec![Miss { field: None, found: Vec::new(), wanted: Vec::new() }],
            false => misses,
        }
    }
}

/// An event as a list of single values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Fields, sorted by name.
    fields: Vec<Field>,
    /// Names of values that may be anything, also mappings.
    unknown: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: Leaf,
    membership: Membership,
}

impl Event {
    /// Returns the event of a JSON value; text that is not known before the deployment may be anything.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        let mut reader = Flattener::default();
        reader.value(value, "", true, &Membership::default());
        reader.finish()
    }

    /// Returns the event of a JSON text, with every digit of its numbers; `None` if it is not a mapping.
    #[must_use]
    pub fn of_node(node: &Node) -> Option<Self> {
        let yaml::Value::Mapping(_) = &node.value else { return None };
        let mut reader = Flattener::default();
        reader.node(node, "", true, &Membership::default());
        Some(reader.finish())
    }

    /// Returns the values of a field, and whether it may also be any other.
    fn fields(&self, name: &str) -> (&[Field], bool) {
        let start = self.fields.partition_point(|field| by_name(&field.name, name) == Ordering::Less);
        let rest = self.fields.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|field| field.name == name).count();
        let may_hold = |open: &String| {
            name.strip_prefix(open.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        (rest.get(..count).unwrap_or_default(), self.unknown.iter().any(may_hold))
    }
}

/// A builder of an [`Event`].
#[derive(Default)]
struct Flattener {
    event: Event,
    lists: usize,
}

impl Flattener {
    fn leaf(&mut self, name: &str, value: Leaf, membership: &Membership) {
        if value == Leaf::Unknown {
            self.event.unknown.push(name.to_owned());
        }
        self.event.fields.push(Field { name: name.to_owned(), value, membership: membership.clone() });
    }

    fn list(&mut self) -> usize {
        self.lists += 1;
        self.lists
    }

    fn value(&mut self, value: &Value, name: &str, top: bool, membership: &Membership) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    self.value(inner, &joined(name, key, top), false, membership);
                }
            }
            Value::Array(items) => {
                let list = self.list();
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Value::Object(_) | Value::Array(_) => {
                            self.value(item, name, false, &membership.inside(list, index));
                        }
                        single => self.value(single, name, false, membership),
                    }
                }
            }
            Value::String(text) if is_mark(text) => self.leaf(name, Leaf::Unknown, membership),
            Value::String(text) if !number::is_marked(text) => {
                self.leaf(name, Leaf::Text(text.clone()), membership);
            }
            other => self.leaf(name, Leaf::Word(number::to_json(other)), membership),
        }
    }

    fn node(&mut self, node: &Node, name: &str, top: bool, membership: &Membership) {
        match &node.value {
            yaml::Value::Mapping(entries) => {
                for entry in entries {
                    self.node(&entry.value, &joined(name, &entry.key, top), false, membership);
                }
            }
            yaml::Value::Sequence(items) => {
                let list = self.list();
                for (index, item) in items.iter().enumerate() {
                    match &item.value {
                        yaml::Value::Scalar { .. } => self.node(item, name, false, membership),
                        _ => self.node(item, name, false, &membership.inside(list, index)),
                    }
                }
            }
            yaml::Value::Scalar { text, plain: true, .. } => {
                self.leaf(name, Leaf::Word(text.clone()), membership);
            }
            yaml::Value::Scalar { text, .. } => self.leaf(name, Leaf::Text(text.clone()), membership),
            yaml::Value::Tagged { node, .. } => self.node(node, name, top, membership),
        }
    }

    fn finish(mut self) -> Event {
        self.event.fields.sort_by(|a, b| by_name(&a.name, &b.name));
        self.event
    }
}

fn joined(name: &str, key: &str, top: bool) -> String {
    if top { key.to_owned() } else { format!("{name}.{key}") }
}

/// Compares names as the matcher does, in UTF-16.
fn by_name(a: &str, b: &str) -> Ordering {
    match a.is_ascii() && b.is_ascii() {
        true => a.cmp(b),
        false => a.encode_utf16().cmp(b.encode_utf16()),
    }
}

/// The elements of lists that contain a value: list → index, sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Membership(Vec<(usize, usize)>);

impl Membership {
    /// Returns the lists.
    fn lists(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|(list, _)| *list)
    }

    /// Returns its part for these lists.
    fn only(mut self, lists: &BTreeSet<usize>) -> Self {
        self.0.retain(|(list, _)| lists.contains(list));
        self
    }

    fn inside(&self, list: usize, index: usize) -> Self {
        let mut places = self.0.clone();
        // Lists are numbered as they begin, so that an inner one has the larger number.
        places.push((list, index));
        Self(places)
    }

    /// Returns both together, unless they are in different elements of one list.
    fn with(&self, other: &Self) -> Option<Self> {
        let mut out = self.0.clone();
        for place in &other.0 {
            match out.binary_search_by_key(&place.0, |(list, _)| *list) {
                Ok(at) if out.get(at) != Some(place) => return None,
                Ok(_) => {}
                Err(at) => out.insert(at, *place),
            }
        }
        Some(Self(out))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn membership_is_of_one_element_a_list() {
        let first = Membership::default().inside(1, 0);
        let second = Membership::default().inside(1, 1);
        let other = Membership::default().inside(2, 5);
        assert_eq!(first.with(&second), None);
        assert_eq!(first.with(&other), Some(Membership(vec![(1, 0), (2, 5)])));
        assert_eq!(other.with(&first), first.with(&other));
    }

    #[test]
    fn what_may_be_anything_may_be_a_mapping() {
        let event = Event::of_value(&json!({ "detail": { "a": "\0" } }));
        let any: Arc<[Matcher]> = [Matcher::Text("x".to_owned())].into();
        for (name, matches) in
            [("detail.a", true), ("detail.a.b", true), ("detail.ab", false), ("detail", false)]
        {
            let mut pattern = Compiled::default();
            pattern.put(name, &any);
            assert_eq!(pattern.matches(&event), matches, "{name}");
        }
    }
}
