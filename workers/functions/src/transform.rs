//! `transform`: `record-extracted` becomes `record-transformed`, or `deletion-requested`, or `record-skipped`.
//!
//! The package `transform` makes the items. The event contains everything that it needs, so nothing can fail but the
//! data and the bus. For a row that is too large, the event contains the location: [`located`] reads the row.

use std::time::Duration;

use contract::location::Field;
use contract::settings::TransformSettings;
use contract::{Detail, FailedStage, Location, Notes, ObjectRef, Reason, RecordRef, row, verification};
use publisher::{MAX_BYTES, Publisher, PutEvents};
use row::{Cell, Rows};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use transform::event::read_event_json;
use transform::{Context, Failure, Mapping, Outcome as Fate, Place, Problem, ProblemKind, Sensitive};

use crate::located::{self, NoFields, Objects};
use crate::messages::{Delivery, Handler, Malformed, Outcome};
use crate::settle::{Stage, Unfinished, Verdict};

/// The time that a call reads rows in objects. They are read one after the other, so that one alone is in memory. A
/// core parses the largest in 0.11 seconds (measured), and the 0.14 cores that come with 256 MiB of memory in 0.8; if
/// it takes as long to arrive, ten of them take 16 of the 30 seconds that an execution has by default. Where S3 is
/// slower, rows that aren't read by then are delivered again, rather than all that arrived with them.
const READING: Duration = Duration::from_secs(20);

/// The function. See the module.
#[derive(Debug)]
pub struct Transform<P, O> {
    items: transform::Transform,
    /// `true` if a field is sensitive.
    sensitive: bool,
    objects: O,
    stage: Stage<P>,
    reading: Duration,
}

impl<P: PutEvents, O: Objects> Transform<P, O> {
    /// Creates the function, which transforms by `settings`, reads large rows in `objects` and publishes through
    /// `publisher`.
    ///
    /// # Errors
    /// The problems of settings that the deployer would not have deployed.
    pub fn new(
        settings: &TransformSettings,
        objects: O,
        publisher: Publisher<P>,
    ) -> Result<Self, Vec<Problem>> {
        if settings.delete.is_some() && settings.key.is_empty() {
            return Err(vec![Problem {
                place: Place { property: Some("delete"), ..Place::default() },
                kind: ProblemKind::Combination,
                message: "`delete` without the key of a table".into(),
                help: None,
            }]);
        }
        Ok(Self {
            items: transform::Transform::new(settings, None)?,
            sensitive: settings.fields.iter().any(|field| field.sensitive),
            objects,
            stage: Stage::new(publisher, FailedStage::Transform),
            reading: READING,
        })
    }

    /// Returns the verdict on a message; rows in objects are read until `end`.
    async fn verdict(&self, delivery: &Delivery, end: Instant) -> Verdict {
        let (object, record, headers, data, data_key, location) = match delivery.event() {
            Ok(Detail::RecordExtracted { object, record, headers, data, data_key, location }) => {
                (object, record, headers, data, data_key, location)
            }
            Ok(other) => {
                return self.stage.not_understood(delivery, Malformed::unwanted(&other, "transform"));
            }
            Err(malformed) => return self.stage.not_understood(delivery, *malformed),
        };
        note_marked(delivery, &object, &record);
        match location {
            None => {
                let publish = self.rows(&object, &record, &headers, &data, data_key);
                Verdict { publish, unfinished: Vec::new() }
            }
            // Boxed: the data that it keeps while it waits would need room in every call.
            Some(location) => Box::pin(self.row_at(&location, object, record, &headers, end)).await,
        }
    }

    /// Returns the events of rows: one event, or of several rows one for each run of good ones and one for each bad
    /// one.
    fn rows(
        &self,
        object: &ObjectRef,
        record: &RecordRef,
        headers: &str,
        data: &str,
        data_key: Option<String>,
    ) -> Vec<Detail> {
        let failed = |record: RecordRef, failure: Failure| self.failed(object, record, failure);
        let malformed =
            |message: String| vec![failed(record.clone(), Failure::of_row(Reason::MalformedEvent, message))];
        let (headers, rows) = match row::decode(headers).and_then(|headers| Ok((headers, Rows::read(data)?)))
        {
            Ok(read) => read,
            Err(error) => return malformed(error.to_string()),
        };
        if rows.len() as u64 != record.count {
            return malformed(format!(
                "the event should contain {} rows, but contains {}",
                record.count,
                rows.len()
            ));
        }
        // A fault of the header is one of each of these rows, and is reported once.
        let mapping = match self.items.bind(&headers, Sensitive::Sealed(sealing::is_sealed)) {
            Ok(mapping) => mapping,
            Err(failure) => return vec![failed(record.clone(), failure)],
        };
        let mut runs = Runs { object, data_key, out: Vec::new(), bytes: 0 };
        for (index, cells) in record.rows().zip(rows.iter()) {
            match made(&mapping, &cells, object, index) {
                Ok(made) => runs.add(index, made),
                Err(failure) => runs.out.push(failed(object.record(index), failure)),
            }
        }
        runs.out
    }

    fn failed(&self, object: &ObjectRef, record: RecordRef, failure: Failure) -> Detail {
        let Failure { reason, field, column, message } = failure;
        let failed = self.stage.failed(Some(object.clone()), Some(record), reason, message);
        failed.failed_by(field, column)
    }

    /// Returns the verdict on a row that is in its object.
    async fn row_at(
        &self,
        location: &Location,
        object: ObjectRef,
        record: RecordRef,
        headers: &str,
        end: Instant,
    ) -> Verdict {
        match self.made_at(location, &object, &record, headers, end).await {
            Ok(made) => {
                let mut runs = Runs { object: &object, data_key: None, out: Vec::new(), bytes: 0 };
                runs.add(record.index, made);
                Verdict { publish: runs.out, unfinished: Vec::new() }
            }
            Err(Unmade::Failed(failure)) => self.failed(&object, record, failure).into(),
            Err(Unmade::Unfinished(cause)) => {
                let (object, record, reason) = (Some(object), Some(record), Reason::RetriesExhausted);
                Verdict {
                    publish: Vec::new(),
                    unfinished: vec![Unfinished { object, record, reason, cause }],
                }
            }
        }
    }

    async fn made_at(
        &self,
        location: &Location,
        object: &ObjectRef,
        record: &RecordRef,
        headers: &str,
        end: Instant,
    ) -> Result<Made, Unmade> {
        let failed = |reason, message: String| Unmade::Failed(Failure::of_row(reason, message));
        let headers =
            row::decode(headers).map_err(|error| failed(Reason::MalformedEvent, error.to_string()))?;
        if record.count != 1 {
            let message = format!("the event has a location for one row, but contains {} rows", record.count);
            return Err(failed(Reason::MalformedEvent, message));
        }
        // The task sends none then: in the object they are in clear.
        if self.sensitive {
            let message = "a row with sensitive values cannot be read from its object".into();
            return Err(failed(Reason::NotEncrypted, message));
        }
        let mapping =
            self.items.bind(&headers, Sensitive::Sealed(sealing::is_sealed)).map_err(Unmade::Failed)?;
        let read = located::fields(&self.objects, object, location, headers.len());
        let fields = timeout_at(end, read)
            .await
            .unwrap_or_else(|_| Err(NoFields::Unfinished("the row was not read in time".into())))?;
        let cells: Vec<Cell<'_>> = fields.iter().map(Field::cell).collect();
        let made = made(&mapping, &cells, object, record.index).map_err(Unmade::Failed)?;
        // In an event a byte may take six: an item that cannot fit isn't written first.
        if let Made::Item(item, _) = &made
            && item.values().filter_map(read_event_json).map(|value| value.size()).sum::<usize>() > MAX_BYTES
        {
            let message =
                format!("the item has more than {MAX_BYTES} bytes, which is too large for an event");
            return Err(failed(Reason::RowTooLarge, message));
        }
        Ok(made)
    }
}

/// Logs that marked rows have arrived: `deployer verify` finds the line.
pub(crate) fn note_marked(delivery: &Delivery, object: &ObjectRef, record: &RecordRef) {
    if verification::is_marked(object) {
        tracing::info!(
            message_id = delivery.id,
            key = object.key,
            rows = record.count,
            "marked rows arrived"
        );
    }
}

/// The reason why there is no item of a row that is in its object.
enum Unmade {
    /// For good.
    Failed(Failure),
    /// For now: the failure, in a few words.
    Unfinished(String),
}

impl From<NoFields> for Unmade {
    fn from(cause: NoFields) -> Self {
        match cause {
            NoFields::Failed(reason, message) => Self::Failed(Failure::of_row(reason, message)),
            NoFields::Unfinished(cause) => Self::Unfinished(cause),
        }
    }
}

/// The end of a row, as events carry it.
enum Made {
    /// The attributes of an item, and whether a timestamp among them has the second 59 for the second 60.
    Item(Map<String, Value>, bool),
    /// The key of an item to delete.
    Deletion(Map<String, Value>),
    /// It is left out.
    Skipped,
}

/// Returns the end of a row.
fn made(mapping: &Mapping<'_>, cells: &[Cell<'_>], object: &ObjectRef, index: u64) -> Result<Made, Failure> {
    let context =
        Context { bucket: &object.bucket, key: &object.key, version: object.version.as_deref(), index };
    Ok(match mapping.row(cells, &context)? {
        Fate::Item(item) => Made::Item(item.to_event_json(), item.leap_seconds > 0),
        Fate::Deletion(key) => Made::Deletion(key.to_event_json()),
        Fate::Skipped => Made::Skipped,
    })
}

/// The greatest number of bytes of items in one event, unless a single one has more: the unit that EventBridge bills,
/// with room for the rest. Names of attributes can make items much larger than the rows that they come from.
const MAX_RUN: usize = 60 * 1024;

/// A collector of rows that follow each other and have the same end, in one event.
struct Runs<'a> {
    object: &'a ObjectRef,
    data_key: Option<String>,
    out: Vec<Detail>,
    /// Bytes of the items in the last event.
    bytes: usize,
}

impl Runs<'_> {
    /// Adds the end of a row; rows come in the order of the file.
    fn add(&mut self, index: u64, made: Made) {
        match made {
            Made::Item(item, leap_second) => self.add_item(index, item, leap_second),
            Made::Deletion(key) => self.add_deletion(index, key),
            Made::Skipped => self.skip(index),
        }
    }

    /// Returns whether a map has room in the last event, to which its bytes are added; else they are those of a new event.
    fn fits(&mut self, map: &Map<String, Value>) -> bool {
        let bytes = serde_json::to_vec(map).map_or(MAX_RUN, |json| json.len());
        let fits = self.bytes + bytes <= MAX_RUN;
        self.bytes = if fits { self.bytes + bytes } else { bytes };
        fits
    }

    fn add_item(&mut self, index: u64, item: Map<String, Value>, leap_second: bool) {
        if !matches!(self.out.last(), Some(Detail::RecordTransformed { .. })) {
            self.bytes = 0;
        }
        let fits = self.fits(&item);
        let leap_seconds = leap_second.then_some(index);
        if let Some(Detail::RecordTransformed { record, data, notes, .. }) = self.out.last_mut()
            && fits
        {
            data.push(item);
            record.count += 1;
            notes.leap_seconds.extend(leap_seconds);
            return;
        }
        let (object, record): (ObjectRef, RecordRef) = (self.object.clone(), self.object.record(index));
        let notes = Notes { leap_seconds: leap_seconds.into_iter().collect(), ..Notes::default() };
        let (data, data_key) = (vec![item], self.data_key.clone());
        self.out.push(Detail::RecordTransformed { object, record, data, data_key, notes });
    }

    fn add_deletion(&mut self, index: u64, own: Map<String, Value>) {
        if !matches!(self.out.last(), Some(Detail::DeletionRequested { .. })) {
            self.bytes = 0;
        }
        let fits = self.fits(&own);
        if let Some(Detail::DeletionRequested { record, key, .. }) = self.out.last_mut()
            && fits
        {
            key.push(own);
            record.count += 1;
            return;
        }
        let (object, record) = (self.object.clone(), self.object.record(index));
        self.out.push(Detail::DeletionRequested { object, record, key: vec![own] });
    }

    fn skip(&mut self, index: u64) {
        if let Some(Detail::RecordSkipped { record, .. }) = self.out.last_mut()
            && record.rows().end == index
        {
            record.count += 1;
            return;
        }
        let (object, record) = (self.object.clone(), self.object.record(index));
        self.out.push(Detail::RecordSkipped { object, record });
    }
}

impl<P: PutEvents, O: Objects> Handler for Transform<P, O> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let end = Instant::now() + self.reading;
        let mut verdicts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            verdicts.push(self.verdict(delivery, end).await);
        }
        self.stage.settle(deliveries, verdicts).await
    }
}

#[cfg(test)]
mod tests;
