//! The tables that the items of a `transform` come to for certain, by the triggers and rules of the file.
//!
//! [`crate::loading`] follows every way that items may take, which is right where a way must not be missed. An error about a
//! table needs one that they do take.

use std::collections::BTreeMap;

use contract::EventKind;
use deployer_syntax::mark::UNKNOWN;
use serde_json::json;

use crate::loading::written_by;
use crate::matching::{Compiled, Event};
use crate::model::access::Verb;
use crate::model::function::Function;
use crate::model::table::Table;
use crate::model::worker::Worker;
use crate::model::{Kind, ResourceType, Stack};
use crate::routes::{RouteKind, routes};
use crate::sensitive;

/// Returns the tables that items of a `transform` are written to for certain, by name. Events go from bus to bus by
/// rules; if a pattern on the way to `load` chooses among them, no other `transform` may supply that `load`.
#[must_use]
pub fn tables<'s>(stack: &'s Stack, transform: &'s Function) -> BTreeMap<&'s str, &'s Table> {
    let taken = takers(stack, transform);
    let only = |load: &Function| {
        let suppliers = stack.functions().filter(|(_, function)| {
            function.worker() == Some(Worker::Transform) && sensitive::comes_to(stack, function, load)
        });
        suppliers.count() <= 1
    };
    let certain = stack.functions().filter(|(resource, function)| {
        function.worker() == Some(Worker::Load)
            && match taken.get(resource.name.as_str()) {
                Some(Share::All) => true,
                Some(Share::Some) => only(function),
                None => false,
            }
    });
    written_by(stack, certain.map(|(_, load)| load))
}

/// The share of the items of a `transform` that something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// Those that a pattern chooses by more than source and kind.
    Some,
    /// All.
    All,
}

/// Returns the functions that take items of a `transform` by triggers and enabled rules of the file, and their share.
fn takers(stack: &Stack, transform: &Function) -> BTreeMap<String, Share> {
    let routes = routes(stack);
    let published = transform.access.iter().filter(|access| access.verb == Verb::Publish);
    let mut takers: BTreeMap<String, Share> = BTreeMap::new();
    for bus in published.map(|access| &access.resource.name) {
        let Some(ResourceType::Bus(first)) = stack.resource(bus).map(|resource| &resource.is) else {
            continue;
        };
        let mut reached: BTreeMap<&str, Share> = BTreeMap::new();
        let mut next = vec![(bus.as_str(), Share::All)];
        while let Some((bus, so_far)) = next.pop() {
            if reached.get(bus).is_some_and(|before| *before >= so_far) {
                continue;
            }
            reached.insert(bus, so_far);
            for route in routes.iter().filter(|route| route.enabled && route.bus == bus) {
                let Some(share) = share(&route.pattern, &first.source).map(|share| share.min(so_far)) else {
                    continue;
                };
                match route.kind {
                    RouteKind::Trigger => {
                        let taker = takers.entry(route.resource.clone()).or_insert(share);
                        *taker = share.max(*taker);
                    }
                    RouteKind::Rule => {
                        let is_bus = |name: &&String| {
                            stack.resource(name).is_some_and(|target| target.is.kind() == Kind::Bus)
                        };
                        next.extend(route.targets.iter().filter(is_bus).map(|bus| (bus.as_str(), share)));
                    }
                    RouteKind::Archive => {}
                }
            }
        }
    }
    takers
}

/// Returns the share of the items of a source that a pattern takes; `None` if it takes none.
fn share(pattern: &Compiled, source: &str) -> Option<Share> {
    let found = EventKind::RecordTransformed.details().into_iter().map(|(detail_type, status, fields)| {
        let mut event =
            json!({ "source": source, "detail-type": detail_type, "detail": { "status": status } });
        if pattern.matches(&Event::of_value(&event)) {
            return Some(Share::All);
        }
        for field in fields {
            event["detail"][*field] = json!(UNKNOWN);
        }
        for field in ENVELOPE {
            event[field] = json!(UNKNOWN);
        }
        pattern.matches(&Event::of_value(&event)).then_some(Share::Some)
    });
    found.flatten().max()
}

/// The fields of an event that EventBridge sets, which a pattern may ask for: Amazon EventBridge User Guide, "Events".
const ENVELOPE: [&str; 6] = ["version", "id", "account", "time", "region", "resources"];
