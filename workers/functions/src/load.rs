//! `load`: `record-transformed` becomes an item in the table, and `record-loaded`; `deletion-requested` deletes one, and
//! becomes `record-deleted`.
//!
//! A row that is delivered twice is written twice with the same result. With `onConflict: overwrite` a write puts the
//! whole item under its key. With `newest` an older row never replaces a newer one, in whatever order they arrive. With
//! `keep` the item that is in the table stays, unless it is that of the row itself, and the row becomes
//! `record-existing`; with `merge` only the attributes of the row are written. Sensitive values are decrypted here, and
//! nowhere before.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use contract::settings::{MAX_MERGED, OnConflict, SOURCE_ATTRIBUTE, VERSION_ATTRIBUTE};
use contract::{Detail, FailedStage, Notes, ObjectRef, Reason, RecordRef};
use publisher::{Publisher, PutEvents};
use runtime::Backoff;
use sealing::Kms;
use serde_json::{Map, Value};
use transform::Failure;

use crate::item::{Change, Deletion, Item};
use crate::messages::{Delivery, Handler, Malformed, Outcome};
use crate::secrets::{SecretError, Secrets};
use crate::settle::{Stage, Unfinished, Verdict};
use crate::transform::note_marked;

pub(crate) mod version;
mod write;

use version::{have_later, version};
use write::{Done, Written};

/// The greatest number of items in one BatchWriteItem call.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
pub const MAX_ITEMS: usize = 25;

/// A table for items. Implemented by [`crate::aws::Dynamo`], and by fakes in tests.
pub trait Table: Send + Sync {
    /// Puts or deletes up to [`MAX_ITEMS`] items with different keys in one call, whatever the table has, and returns the
    /// positions of those that were not processed.
    fn write(&self, changes: &[&Change]) -> impl Future<Output = Result<Vec<usize>, WriteError>> + Send;

    /// Puts an item unless the table has one of the same key whose [`VERSION_ATTRIBUTE`] is greater.
    fn put_newest(&self, item: &Item) -> impl Future<Output = Result<Answer, WriteError>> + Send;

    /// Puts an item unless the table has one of the same key.
    fn put_new(&self, item: &Item) -> impl Future<Output = Result<Answer, WriteError>> + Send;

    /// Sets the attributes of an item, which keeps its others; an item that is not in the table is created.
    fn merge(&self, item: &Item) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Writes an item over one that has this ID in [`contract::verification::ATTRIBUTE`], and nothing otherwise: with `merge` as
    /// [`Self::merge`] does, else as a whole. The ID stays.
    fn write_marked(
        &self,
        item: &Item,
        id: &str,
        merge: bool,
    ) -> impl Future<Output = Result<Answer, WriteError>> + Send;

    /// Deletes an item; with a version, unless the [`VERSION_ATTRIBUTE`] of the item is greater.
    fn delete(
        &self,
        deletion: &Deletion,
        version: Option<&str>,
    ) -> impl Future<Output = Result<Answer, WriteError>> + Send;
}

/// The answer to a write with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `true` if it was written; else the other item stays.
    pub written: bool,
    /// The item that was in the table; `None` if there was none.
    pub other: Option<Other>,
}

/// An item that was in the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Other {
    /// Its [`VERSION_ATTRIBUTE`]; `None` if it has none.
    pub version: Option<String>,
    /// Its [`SOURCE_ATTRIBUTE`]; `None` if it has none.
    pub source: Option<String>,
}

/// The reason why a write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The request was not valid: it contains an item that the table cannot take. The service's explanation is left
    /// out, since it may quote a value.
    Invalid,
    /// The call failed.
    Call {
        /// The service's error code, or the kind of failure.
        code: String,
        /// `true` if the same call may succeed in a moment.
        retryable: bool,
    },
}

/// The function. See the module.
#[derive(Debug)]
pub struct Load<T, K, P> {
    table: T,
    secrets: Secrets<K>,
    settings: LoadSettings,
    backoff: Backoff,
    stage: Stage<P>,
}

/// The properties of the table that the function needs.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// The table's name.
    pub table: String,
    /// Names of the key attributes, the partition key first. None of them is sensitive: keys are in events.
    pub key: Vec<String>,
    /// Names of the key attributes of the table's secondary indexes. An item without a value for one of them is not in
    /// the index, and DynamoDB takes no empty one: it is left out.
    pub index_keys: Vec<String>,
    /// The choice of the item that stays when two have the same key.
    pub on_conflict: OnConflict,
    /// `true` if each item names its file, for the worker `snapshot`.
    pub snapshot: bool,
}

/// A row that is not written.
enum Refused {
    /// It will never be written, and the event says why.
    Failed(Box<Detail>),
    /// It is not written now.
    Later(Box<Unfinished>),
}

/// A change and the row that it comes from.
#[derive(Clone)]
struct Row {
    /// Digest of the object.
    digest: Arc<str>,
    object: Arc<ObjectRef>,
    record: RecordRef,
    change: Change,
    /// `true` if a sensitive timestamp has the second 59 where the file has the second 60.
    leap_second: bool,
}

impl<T: Table, K: Kms, P: PutEvents> Load<T, K, P> {
    /// Creates the function, which writes into `table`, handles sensitive values by `secrets` and publishes through
    /// `publisher`.
    pub const fn new(
        table: T,
        secrets: Secrets<K>,
        settings: LoadSettings,
        backoff: Backoff,
        publisher: Publisher<P>,
    ) -> Self {
        Self { table, secrets, settings, backoff, stage: Stage::new(publisher, FailedStage::Load) }
    }

    /// Returns the rows in a message, with the results of those that can't be written. `before` is a row of an earlier
    /// message, probably of the same object. `missing` contains the data keys that KMS did not return, and why: they are
    /// not requested again.
    async fn rows(
        &self,
        delivery: &Delivery,
        before: Option<&Row>,
        missing: &mut HashMap<String, String>,
    ) -> Vec<Result<Row, Refused>> {
        match delivery.event() {
            Ok(Detail::RecordTransformed { object, record, data, data_key, .. }) => {
                note_marked(delivery, &object, &record);
                if let Some(failed) = self.unusable(&object, &record, data.len()) {
                    return vec![Err(failed)];
                }
                let (digest, object) = (digest_of(&object, before), Arc::new(object));
                let mut rows = Vec::with_capacity(data.len());
                for (index, mut attributes) in record.rows().zip(data) {
                    let (object, record) = (object.clone(), object.record(index));
                    let cause = data_key.as_ref().and_then(|key| missing.get(key));
                    let revealed = match cause {
                        Some(cause) => Err(SecretError::Unavailable(cause.clone())),
                        None => {
                            let data_key = data_key.as_deref();
                            self.secrets.reveal(&digest, &record, &mut attributes, data_key).await
                        }
                    };
                    if let (Err(SecretError::Unavailable(cause)), Some(key)) = (&revealed, &data_key) {
                        missing.insert(key.clone(), cause.clone());
                    }
                    rows.push(match revealed {
                        Ok(leap_seconds) => {
                            let change = self.item(&object, index, attributes).map(Change::Put);
                            self.row(&digest, object, record, change)
                                .map(|row| Row { leap_second: leap_seconds > 0, ..row })
                        }
                        Err(error) => Err(self.unrevealed(object, record, error)),
                    });
                }
                rows
            }
            Ok(Detail::DeletionRequested { object, record, key }) => {
                if let Some(failed) = self.unusable(&object, &record, key.len()) {
                    return vec![Err(failed)];
                }
                let (digest, object) = (digest_of(&object, before), Arc::new(object));
                let rows = record.rows().zip(key).map(|(index, key)| {
                    let change = match self.settings.on_conflict {
                        // The language refuses both in one stack; the event is another stack's.
                        OnConflict::Keep => {
                            Err("no row deletes an item of a table with `onConflict: keep`".to_owned())
                        }
                        _ => Deletion::new(key, &self.settings.key).map(Change::Delete),
                    };
                    self.row(&digest, object.clone(), object.record(index), change)
                });
                rows.collect()
            }
            Ok(other) => self.not_understood(delivery, Malformed::unwanted(&other, "load")),
            Err(malformed) => self.not_understood(delivery, *malformed),
        }
    }

    /// Returns the failure of an event that does not contain as many rows as it says, or whose rows have no place among
    /// those of other versions of their file.
    fn unusable(&self, object: &ObjectRef, record: &RecordRef, found: usize) -> Option<Refused> {
        let message = if found as u64 != record.count {
            format!("the event should contain {} rows, but contains {found}", record.count)
        } else if self.settings.snapshot && object.uploaded.is_none() {
            // Rows of an earlier version would take the place of its items, and be deleted as such.
            "the event lacks the time of the upload, by which `snapshot` orders the versions of a file"
                .to_owned()
        } else {
            return None;
        };
        let (object, record) = (Some(object.clone()), Some(record.clone()));
        Some(Refused::Failed(Box::new(self.stage.failed(object, record, Reason::MalformedEvent, message))))
    }

    /// Returns a row, or its failure if there is no change that the table could take.
    fn row(
        &self,
        digest: &Arc<str>,
        object: Arc<ObjectRef>,
        record: RecordRef,
        change: Result<Change, String>,
    ) -> Result<Row, Refused> {
        match change {
            Ok(change) => Ok(Row { digest: digest.clone(), object, record, change, leap_second: false }),
            Err(message) => Err(Refused::Failed(Box::new(self.invalid(object, record, message)))),
        }
    }

    fn not_understood(&self, delivery: &Delivery, malformed: Malformed) -> Vec<Result<Row, Refused>> {
        let Verdict { publish, unfinished } = self.stage.not_understood(delivery, malformed);
        let failed = publish.into_iter().map(|failed| Err(Refused::Failed(Box::new(failed))));
        failed
            .chain(unfinished.into_iter().map(|unfinished| Err(Refused::Later(Box::new(unfinished)))))
            .collect()
    }

    /// Returns the item of a row, as it will be written.
    fn item(
        &self,
        object: &ObjectRef,
        index: u64,
        mut attributes: Map<String, Value>,
    ) -> Result<Item, String> {
        attributes
            .retain(|name, value| value.as_str() != Some("") || !self.settings.index_keys.contains(name));
        let on_conflict = self.settings.on_conflict;
        if on_conflict.has_versions() {
            if attributes.contains_key(VERSION_ATTRIBUTE) {
                return Err(format!(
                    "the attribute `{VERSION_ATTRIBUTE}` is reserved for `onConflict: {}`",
                    on_conflict.word()
                ));
            }
            attributes.insert(VERSION_ATTRIBUTE.to_owned(), version(object, index).into());
        }
        if self.settings.snapshot {
            if attributes.contains_key(SOURCE_ATTRIBUTE) {
                return Err(format!("the attribute `{SOURCE_ATTRIBUTE}` is reserved for `snapshot: true`"));
            }
            attributes.insert(SOURCE_ATTRIBUTE.to_owned(), object.source().into());
        }
        let item = Item::new(attributes, &self.settings.key)?;
        if on_conflict == OnConflict::Merge && item.others().nth(MAX_MERGED).is_some() {
            return Err(format!(
                "the item has more than {MAX_MERGED} attributes besides its key, which `onConflict: merge` can't write"
            ));
        }
        Ok(item)
    }

    fn unrevealed(&self, object: Arc<ObjectRef>, record: RecordRef, error: SecretError) -> Refused {
        let (object, record) = (Some(Arc::unwrap_or_clone(object)), Some(record));
        match error {
            SecretError::Undecryptable(name) => {
                let message = format!("the sensitive attribute `{name}` can't be decrypted");
                Refused::Failed(Box::new(self.stage.failed(object, record, Reason::Undecryptable, message)))
            }
            SecretError::Failed(Failure { reason, field, column, message }) => {
                let failed = self.stage.failed(object, record, reason, message);
                Refused::Failed(Box::new(failed.failed_by(field, column)))
            }
            SecretError::Unavailable(cause) => {
                let reason = Reason::RetriesExhausted;
                Refused::Later(Box::new(Unfinished { object, record, reason, cause }))
            }
        }
    }

    fn invalid(&self, object: Arc<ObjectRef>, record: RecordRef, message: String) -> Detail {
        self.stage.failed(Some(Arc::unwrap_or_clone(object)), Some(record), Reason::InvalidItem, message)
    }

    /// Adds the result of one row to the verdict on its message.
    fn add(&self, verdict: &mut Verdict, row: Row, written: Written, has_later: bool) {
        match written {
            Ok(done) => {
                let notes = notes(&row, done, has_later);
                self.report(&mut verdict.publish, row, done.existing, notes);
            }
            Err(WriteError::Invalid) => verdict.publish.push(self.invalid(
                row.object,
                row.record,
                "DynamoDB does not accept the item (ValidationException)".into(),
            )),
            Err(WriteError::Call { code, .. }) => verdict.unfinished.push(Unfinished {
                object: Some(Arc::unwrap_or_clone(row.object)),
                record: Some(row.record),
                reason: Reason::RetriesExhausted,
                cause: format!("could not write the item: {code}"),
            }),
        }
    }

    /// Adds the event of a row that is done. Rows of one message that follow each other are reported together.
    fn report(&self, events: &mut Vec<Detail>, row: Row, existing: bool, more: Notes) {
        let Row { object, record, change, .. } = row;
        let (own, is_put) = match change {
            Change::Put(item) => (item.key, true),
            Change::Delete(deletion) => (deletion.key, false),
        };
        match events.last_mut() {
            Some(Detail::RecordExisting { record: last, key, .. })
                if existing && last.rows().end == record.index =>
            {
                last.count += 1;
                key.push(own);
                return;
            }
            Some(Detail::RecordLoaded { record: last, key, notes, .. })
                if is_put && !existing && last.rows().end == record.index =>
            {
                last.count += 1;
                key.push(own);
                notes.append(more);
                return;
            }
            Some(Detail::RecordDeleted { record: last, key, notes, .. })
                if !is_put && last.rows().end == record.index =>
            {
                last.count += 1;
                key.push(own);
                notes.append(more);
                return;
            }
            _ => {}
        }
        let (table, key, notes) = (self.settings.table.clone(), vec![own], more);
        let object = Arc::unwrap_or_clone(object);
        events.push(match (existing, is_put) {
            (true, _) => Detail::RecordExisting { object, record, table, key },
            (false, true) => Detail::RecordLoaded { object, record, table, key, notes },
            (false, false) => Detail::RecordDeleted { object, record, table, key, notes },
        });
    }
}

/// Returns the digest of an object: nearly all rows of a batch are of one.
fn digest_of(object: &ObjectRef, before: Option<&Row>) -> Arc<str> {
    match before {
        Some(before) if *before.object == *object => Arc::clone(&before.digest),
        _ => object.digest().into(),
    }
}

/// Returns what there is more to say about a row that is done; `has_later` if a later row of its file has its key.
fn notes(row: &Row, done: Done, has_later: bool) -> Notes {
    let index = row.record.index;
    let own = |noted: bool| if noted { vec![index] } else { Vec::new() };
    let Row { change, leap_second, .. } = row;
    // A row that deletes has no item that another row could replace.
    let is_put = matches!(change, Change::Put(_));
    let mut overwritten = own(is_put && !done.existing && has_later);
    overwritten.extend(done.overwritten.filter(|other| !overwritten.contains(other)));
    let (replaced, outdated, overlapping) = (own(done.replaced), own(done.outdated), own(done.overlapping));
    Notes { overwritten, replaced, outdated, overlapping, leap_seconds: own(*leap_second) }
}

impl<T: Table, K: Kms, P: PutEvents> Handler for Load<T, K, P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut messages = Vec::with_capacity(deliveries.len());
        let mut missing = HashMap::new();
        for delivery in deliveries {
            let before =
                messages.last().and_then(|rows: &Vec<Result<Row, Refused>>| rows.last()?.as_ref().ok());
            let rows = self.rows(delivery, before, &mut missing).await;
            messages.push(rows);
        }
        let rows: Vec<&Row> = messages.iter().flatten().flatten().collect();
        let written = self.write_all(&rows).await;
        // An item that is merged with another is not lost, until a row deletes it.
        let replaces = |row: &Row, written: &Written| {
            (self.settings.on_conflict != OnConflict::Merge || matches!(row.change, Change::Delete(_)))
                && written.as_ref().is_ok_and(|done| !done.existing)
        };
        let replacing: Vec<bool> =
            rows.iter().zip(&written).map(|(row, written)| replaces(row, written)).collect();
        let has_later = have_later(&rows, &replacing);
        let mut written = written.into_iter().zip(has_later);
        let unwritten = || WriteError::Call { code: "NoResult".into(), retryable: true };
        let mut verdicts = Vec::with_capacity(messages.len());
        for rows in messages {
            let mut verdict = Verdict::default();
            for row in rows {
                match row {
                    Ok(row) => {
                        let (written, has_later) =
                            written.next().unwrap_or_else(|| (Err(unwritten()), false));
                        self.add(&mut verdict, row, written, has_later);
                    }
                    Err(Refused::Failed(failed)) => verdict.publish.push(*failed),
                    Err(Refused::Later(unfinished)) => verdict.unfinished.push(*unfinished),
                }
            }
            verdicts.push(verdict);
        }
        self.stage.settle(deliveries, verdicts).await
    }
}

#[cfg(test)]
mod tests;
