//! `load`: `record-transformed` becomes an item in the table, and `record-loaded`.
//!
//! A write puts the whole item under its key, so a row that is delivered twice is written twice with the same result.
//! With `onConflict: newest` an older row never replaces a newer one, in whatever order they arrive. Sensitive values
//! are decrypted here, and nowhere before.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use contract::settings::{OnConflict, VERSION_ATTRIBUTE};
use contract::{Detail, FailedStage, ObjectRef, Reason, RecordRef};
use futures::StreamExt as _;
use publisher::{Publisher, PutEvents};
use runtime::Backoff;
use sealing::Kms;
use serde_json::{Map, Value};
use transform::Failure;

use crate::item::Item;
use crate::messages::{Delivery, Handler, Malformed, Outcome};
use crate::secrets::{SecretError, Secrets};
use crate::settle::{Stage, Unfinished, Verdict};

/// The greatest number of items in one BatchWriteItem call.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
pub const MAX_ITEMS: usize = 25;

/// The number of writes with a condition at the same time, which DynamoDB takes with single items only.
const MAX_IN_FLIGHT: usize = 8;

/// A table for items. Implemented by [`crate::aws::Dynamo`], and by fakes in tests.
pub trait Table: Send + Sync {
    /// Writes up to [`MAX_ITEMS`] items with different keys in one call, and returns the positions of those that were
    /// not processed.
    fn write(&self, items: &[&Item]) -> impl Future<Output = Result<Vec<usize>, WriteError>> + Send;

    /// Writes one item.
    fn put(&self, item: &Item) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Writes one item unless the table has one of the same key whose [`VERSION_ATTRIBUTE`] is greater. Both is
    /// success; returns the version of the other item, which was replaced or stays.
    fn put_newest(&self, item: &Item) -> impl Future<Output = Result<Option<String>, WriteError>> + Send;
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
}

/// A row that is not written.
enum Refused {
    /// It will never be written, and the event says why.
    Failed(Box<Detail>),
    /// It is not written now.
    Later(Box<Unfinished>),
}

/// A written item; with `onConflict: newest`, the version of the other item of its key.
type Written = Result<Option<String>, WriteError>;

/// An item and the row that it comes from.
struct Row {
    /// Digest of the object.
    digest: Arc<str>,
    object: ObjectRef,
    record: RecordRef,
    item: Item,
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

    /// Returns the rows in a message, with the results of those that can't be written. `missing` contains the data keys
    /// that KMS did not return, and why: they are not requested again.
    async fn rows(
        &self,
        delivery: &Delivery,
        missing: &mut HashMap<String, String>,
    ) -> Vec<Result<Row, Refused>> {
        let one = |failed| vec![Err(Refused::Failed(Box::new(failed)))];
        match delivery.event() {
            Ok(Detail::RecordTransformed { object, record, data, data_key }) => {
                if data.len() as u64 != record.count {
                    let message = format!(
                        "the event should contain {} rows, but contains {}",
                        record.count,
                        data.len()
                    );
                    return one(self.stage.failed(
                        Some(object),
                        Some(record),
                        Reason::MalformedEvent,
                        message,
                    ));
                }
                let digest: Arc<str> = object.digest().into();
                let mut rows = Vec::with_capacity(data.len());
                for (index, mut attributes) in record.rows().zip(data) {
                    let (object, record): (ObjectRef, RecordRef) = (object.clone(), object.record(index));
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
                        Ok(()) => match self.item(&object, index, attributes) {
                            Ok(item) => Ok(Row { digest: digest.clone(), object, record, item }),
                            Err(message) => {
                                Err(Refused::Failed(Box::new(self.invalid(object, record, message))))
                            }
                        },
                        Err(error) => Err(self.unrevealed(object, record, error)),
                    });
                }
                rows
            }
            Ok(other) => self.not_understood(delivery, Malformed::unwanted(&other, "load")),
            Err(malformed) => self.not_understood(delivery, *malformed),
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
        if self.settings.on_conflict == OnConflict::Newest {
            if attributes.contains_key(VERSION_ATTRIBUTE) {
                return Err(format!(
                    "the attribute `{VERSION_ATTRIBUTE}` is reserved for `onConflict: newest`"
                ));
            }
            attributes.insert(VERSION_ATTRIBUTE.to_owned(), version(object, index).into());
        }
        Item::new(attributes, &self.settings.key)
    }

    fn unrevealed(&self, object: ObjectRef, record: RecordRef, error: SecretError) -> Refused {
        let (object, record) = (Some(object), Some(record));
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

    fn invalid(&self, object: ObjectRef, record: RecordRef, message: String) -> Detail {
        self.stage.failed(Some(object), Some(record), Reason::InvalidItem, message)
    }

    /// Adds the result of one row to the verdict on its message.
    fn add(&self, verdict: &mut Verdict, row: Row, written: Written, repeated: &Repeated) {
        let mut lost = repeated.overwritten(&row);
        let replaced = written.as_ref().ok().and_then(Option::as_ref);
        lost.extend(replaced.and_then(|other| overwritten(&row, other)));
        lost.dedup();
        let Row { object, record, item, .. } = row;
        match written {
            Ok(_) => match verdict.publish.last_mut() {
                // Rows of one message that follow each other are reported together.
                Some(Detail::RecordLoaded { record: loaded, key, overwritten, .. })
                    if loaded.rows().end == record.index =>
                {
                    loaded.count += 1;
                    key.push(item.key);
                    overwritten.extend(lost);
                }
                _ => {
                    let table = self.settings.table.clone();
                    let key = vec![item.key];
                    verdict.publish.push(Detail::RecordLoaded {
                        object,
                        record,
                        table,
                        key,
                        overwritten: lost,
                    });
                }
            },
            Err(WriteError::Invalid) => verdict.publish.push(self.invalid(
                object,
                record,
                "DynamoDB does not accept the item (ValidationException)".into(),
            )),
            Err(WriteError::Call { code, .. }) => verdict.unfinished.push(Unfinished {
                object: Some(object),
                record: Some(record),
                reason: Reason::RetriesExhausted,
                cause: format!("could not write the item: {code}"),
            }),
        }
    }

    /// Writes all items, and returns one result each. Items with the same key are written in their order: the last one
    /// stays.
    async fn write_all(&self, items: &[&Item]) -> Vec<Written> {
        if self.settings.on_conflict == OnConflict::Newest {
            // Owned, or the compiler cannot see that the future is `Send`.
            let items: Vec<Item> = items.iter().map(|&item| item.clone()).collect();
            let puts = items.into_iter().map(|item| async move { self.put_newest(&item).await });
            return futures::stream::iter(puts).buffered(MAX_IN_FLIGHT).collect().await;
        }
        let mut results = Vec::with_capacity(items.len());
        for range in requests(items) {
            let request = items.get(range).unwrap_or_default();
            match self.write_request(request).await {
                Ok(written) => results.extend(written.into_iter().map(|written| written.map(|()| None))),
                // One bad item fails the request of all: find it.
                Err(WriteError::Invalid) => {
                    for item in request {
                        results.push(self.table.put(item).await.map(|()| None));
                    }
                }
                Err(error) => results.extend(std::iter::repeat_n(Err(error), request.len())),
            }
        }
        results
    }

    async fn put_newest(&self, item: &Item) -> Written {
        let mut attempt = 1;
        loop {
            match self.table.put_newest(item).await {
                Err(WriteError::Call { retryable: true, .. }) if attempt < self.backoff.attempts() => {
                    self.backoff.pause(attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Writes one request, and again the items that were not processed.
    async fn write_request(&self, items: &[&Item]) -> Result<Vec<Result<(), WriteError>>, WriteError> {
        let unprocessed = || WriteError::Call { code: "UnprocessedItems".into(), retryable: true };
        let mut results = vec![Ok(()); items.len()];
        let mut open: Vec<usize> = (0..items.len()).collect();
        for attempt in 1..=self.backoff.attempts() {
            let request: Vec<&Item> = open.iter().filter_map(|&index| items.get(index).copied()).collect();
            let error = match self.table.write(&request).await {
                Ok(left) => {
                    open = left.into_iter().filter_map(|position| open.get(position).copied()).collect();
                    unprocessed()
                }
                Err(error @ WriteError::Call { retryable: true, .. }) => error,
                // Items that an earlier attempt has written are written again with the rest, item by item or at the
                // next delivery: the same item under the same key.
                Err(error) => return Err(error),
            };
            if open.is_empty() {
                break;
            }
            if attempt == self.backoff.attempts() {
                for &index in &open {
                    if let Some(result) = results.get_mut(index) {
                        *result = Err(error.clone());
                    }
                }
                break;
            }
            self.backoff.pause(attempt).await;
        }
        Ok(results)
    }
}

/// Returns the place of a row among all rows of one key, as a text that sorts: time of the upload, object, row. An
/// object whose time of upload is unknown is older than all others.
fn version(object: &ObjectRef, index: u64) -> String {
    format!("{}#{}#{index:020}", object.uploaded.as_deref().unwrap_or_default(), object.digest())
}

/// Returns the row that another row of the same object with the same key replaces, if the other item has that version:
/// the earlier of the two, in whatever order they were written. A row that meets itself was delivered twice.
fn overwritten(row: &Row, other: &str) -> Option<u64> {
    let mut parts = other.rsplitn(3, '#');
    let (index, digest) = (parts.next()?, parts.next()?);
    let index: u64 = index.parse().ok()?;
    (*digest == *row.digest && index != row.record.index).then_some(index.min(row.record.index))
}

/// The last row of each object and key among the rows of an invocation that were written.
#[derive(Default)]
struct Repeated(HashMap<(Arc<str>, String), u64>);

impl Repeated {
    fn key(row: &Row) -> (Arc<str>, String) {
        // Attributes of a key have the table's order.
        (row.digest.clone(), serde_json::to_string(&row.item.key).unwrap_or_default())
    }

    fn add(&mut self, row: &Row) {
        let last = self.0.entry(Self::key(row)).or_default();
        *last = row.record.index.max(*last);
    }

    /// Returns the row, if a later one of the same file has its key. It is always the earlier one, whatever the order
    /// of the writes was: so a file whose rows are delivered again in another order has no more of them.
    fn overwritten(&self, row: &Row) -> Vec<u64> {
        let last = self.0.get(&Self::key(row)).copied().unwrap_or_default();
        if last > row.record.index { vec![row.record.index] } else { Vec::new() }
    }
}

/// Divides items into consecutive requests of at most [`MAX_ITEMS`], none of which has the same key twice.
fn requests(items: &[&Item]) -> Vec<Range<usize>> {
    let mut requests = Vec::new();
    let mut start = 0;
    for (index, item) in items.iter().enumerate() {
        let current = items.get(start..index).unwrap_or_default();
        if current.len() == MAX_ITEMS || current.iter().any(|other| other.key == item.key) {
            requests.push(start..index);
            start = index;
        }
    }
    if start < items.len() {
        requests.push(start..items.len());
    }
    requests
}

impl<T: Table, K: Kms, P: PutEvents> Handler for Load<T, K, P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut messages = Vec::with_capacity(deliveries.len());
        let mut missing = HashMap::new();
        for delivery in deliveries {
            messages.push(self.rows(delivery, &mut missing).await);
        }
        let items: Vec<&Item> = messages.iter().flatten().flatten().map(|row| &row.item).collect();
        let written = self.write_all(&items).await;
        let mut repeated = Repeated::default();
        for (row, written) in messages.iter().flatten().flatten().zip(&written) {
            if written.is_ok() {
                repeated.add(row);
            }
        }
        let mut written = written.into_iter();
        let unwritten = || WriteError::Call { code: "NoResult".into(), retryable: true };
        let mut verdicts = Vec::with_capacity(messages.len());
        for rows in messages {
            let mut verdict = Verdict::default();
            for row in rows {
                match row {
                    Ok(row) => {
                        let written = written.next().unwrap_or_else(|| Err(unwritten()));
                        self.add(&mut verdict, row, written, &repeated);
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
