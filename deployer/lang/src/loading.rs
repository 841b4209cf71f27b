//! The way of items from `transform` to the tables of `load`: which functions write what `transform` makes, by which
//! entry of `access`, and the keys that a deletion needs.

use std::collections::BTreeMap;

use contract::EventKind;
use contract::settings::OnConflict;
use serde_json::Value;

use crate::model::access::{Access, Verb};
use crate::model::function::Function;
use crate::model::table::Table;
use crate::model::worker::Worker;
use crate::model::{Resource, ResourceRef, ResourceType, Stack};
use crate::sensitive;

/// Returns the functions that write what a `transform` makes.
pub fn loads<'s>(
    stack: &'s Stack,
    transform: &'s Function,
) -> impl Iterator<Item = (&'s Resource, &'s Function)> {
    stack.functions().filter(move |(_, function)| {
        function.worker() == Some(Worker::Load) && sensitive::comes_to(stack, transform, function)
    })
}

/// Returns the treatment of an item whose key is in the table already.
#[must_use]
pub fn on_conflict(load: &Function) -> OnConflict {
    load.settings.as_ref().map(|settings| settings.load.on_conflict).unwrap_or_default()
}

/// Returns whether the items of a `load` name their files, for a `snapshot`.
#[must_use]
pub fn has_sources(load: &Function) -> bool {
    load.worker() == Some(Worker::Load)
        && load.settings.as_ref().is_some_and(|settings| settings.load.snapshot)
}

/// Returns the entries of `access` by which a `snapshot` deletes items.
pub fn cleaned(snapshot: &Function) -> impl Iterator<Item = &Access> {
    let is_snapshot = snapshot.worker() == Some(Worker::Snapshot);
    snapshot.access.iter().filter(move |access| is_snapshot && access.verb == Verb::Delete)
}

/// Returns the verb of `access` by which a `load` writes items.
#[must_use]
pub fn verb(load: &Function) -> Verb {
    match on_conflict(load) {
        OnConflict::Merge => Verb::Update,
        OnConflict::Overwrite | OnConflict::Newest | OnConflict::Keep => Verb::Write,
    }
}

/// Returns the entries of `access` by which a `load` writes items.
pub fn written(load: &Function) -> impl Iterator<Item = &Access> {
    let verb = verb(load);
    load.access.iter().filter(move |access| access.verb == verb)
}

/// Returns the tables that items of a `transform` may be written to, by name.
#[must_use]
pub fn tables<'s>(stack: &'s Stack, transform: &'s Function) -> BTreeMap<&'s str, &'s Table> {
    written_by(stack, loads(stack, transform).map(|(_, load)| load))
}

/// Returns the tables that these functions write, by name.
pub(crate) fn written_by<'s>(
    stack: &'s Stack,
    loads: impl Iterator<Item = &'s Function>,
) -> BTreeMap<&'s str, &'s Table> {
    let written = loads.flat_map(written);
    let table = |access: &'s Access| match &stack.resource(&access.resource.name)?.is {
        ResourceType::Table(table) => Some((access.resource.name.as_str(), table)),
        _ => None,
    };
    written.filter_map(table).collect()
}

/// Returns the key attributes of the tables that items of a `transform` are written to, each once: the attributes that a
/// deletion needs.
#[must_use]
pub fn key(stack: &Stack, transform: &Function) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (name, _) in tables(stack, transform).values().flat_map(|table| &table.key) {
        if !out.contains(name) {
            out.push(name.clone());
        }
    }
    out
}

/// Returns whether a function is a `transform` whose rows may delete items.
#[must_use]
pub fn deletes(function: &Function) -> bool {
    function.worker() == Some(Worker::Transform)
        && function.settings.as_ref().is_some_and(|settings| settings.transform.delete.is_some())
}

/// Returns whether rows may delete items of the table that a `load` writes.
#[must_use]
pub fn is_asked_to_delete(stack: &Stack, load: &Function) -> bool {
    stack.functions().any(|(_, function)| deletes(function) && sensitive::comes_to(stack, function, load))
}

/// Returns the event pattern for the events with this name on a bus: those of the pipeline, and for a worker also those of
/// `deployer verify`, which concern nobody else.
#[must_use]
pub fn event_pattern(stack: &Stack, bus: &ResourceRef, taker: Option<&Function>, event: EventKind) -> Value {
    let source = match stack.resource(&bus.name).map(|resource| &resource.is) {
        Some(ResourceType::Bus(bus)) => &bus.source,
        _ => contract::SOURCE,
    };
    let kinds = taken(stack, taker, event);
    match taker.and_then(Function::worker) {
        Some(_) => EventKind::pattern_of_worker(&kinds, source),
        None => EventKind::pattern_of(&kinds, source),
    }
}

/// Returns the kinds of events that a trigger, or the rule of another taker, with this `event` takes: `load` gets
/// deletions in the same queue as items.
#[must_use]
pub fn taken(stack: &Stack, taker: Option<&Function>, event: EventKind) -> Vec<EventKind> {
    let load = taker.filter(|function| function.worker() == Some(Worker::Load));
    match load {
        Some(load) if event == EventKind::RecordTransformed && is_asked_to_delete(stack, load) => {
            vec![EventKind::RecordTransformed, EventKind::DeletionRequested]
        }
        _ => vec![event],
    }
}
