//! One event in the form in which PutEvents takes it.

use std::sync::Arc;

use contract::{Detail, verification};

/// The destination of events: a bus, and the `source` that they carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    bus: Arc<str>,
    source: Arc<str>,
    /// The `source` of marked events.
    marked: Arc<str>,
}

impl Destination {
    /// Creates the destination of events from `source` on the bus named `bus`.
    pub fn new(bus: impl Into<Arc<str>>, source: impl Into<Arc<str>>) -> Self {
        let source = source.into();
        let marked = verification::source(&source).into();
        Self { bus: bus.into(), source, marked }
    }

    /// Returns `detail` as an entry for this destination.
    #[must_use]
    pub fn entry(&self, detail: &Detail) -> Entry {
        Entry {
            bus: Arc::clone(&self.bus),
            source: Arc::clone(if detail.object().is_some_and(verification::is_marked) {
                &self.marked
            } else {
                &self.source
            }),
            detail_type: detail.detail_type(),
            detail: detail.to_json(),
        }
    }
}

/// One event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the bus.
    pub bus: Arc<str>,
    /// The event's `source`.
    pub source: Arc<str>,
    /// The event's `detail-type`.
    pub detail_type: &'static str,
    /// The event's `detail`, as JSON text.
    pub detail: String,
}

impl Entry {
    /// Returns the size as EventBridge counts it: source, detail type and detail in UTF-8. (It would add 14 bytes for a
    /// time and the length of the resources; entries here have neither.)
    ///
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
    #[must_use]
    pub fn size(&self) -> usize {
        self.source.len() + self.detail_type.len() + self.detail.len()
    }
}

#[cfg(test)]
mod tests {
    use contract::ObjectRef;

    use super::*;

    #[test]
    fn marked_events_have_a_source_of_their_own() {
        let destination = Destination::new("bus", "shop");
        let source = |key: &str| {
            let object = ObjectRef {
                bucket: "b".into(),
                key: key.into(),
                version: None,
                etag: None,
                uploaded: None,
                replay: None,
            };
            destination.entry(&Detail::TaskStarted { object, task: "arn".into() }).source.to_string()
        };
        assert_eq!(source("orders.csv"), "shop");
        assert_eq!(source("deployer-verify-0123456789abcdef0123456789abcdef.csv"), "shop.verify");
    }
}
