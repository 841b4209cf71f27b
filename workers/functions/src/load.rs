//! `load`: `record-transformed` becomes an item in the table, and `record-loaded`.
//!
//! A write puts the whole item under its key, so a row that is delivered twice is written twice with the same result.

use std::future::Future;
use std::ops::Range;

use contract::{Detail, FailedStage, ObjectRef, Reason, RecordRef};
use publisher::{Backoff, Publisher, PutEvents};

use crate::item::Item;
use crate::messages::{Delivery, Handler, Outcome};
use crate::settle::{Stage, Unfinished, Verdict};

/// Items in one BatchWriteItem call.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
pub const MAX_ITEMS: usize = 25;

/// Writes items. Implemented by [`crate::aws::Dynamo`], and by fakes in tests.
pub trait Table: Send + Sync {
    /// Writes up to [`MAX_ITEMS`] items with different keys in one call; answers the positions of those that the table
    /// did not get to.
    fn write(&self, items: &[&Item]) -> impl Future<Output = Result<Vec<usize>, WriteError>> + Send;

    /// Writes one item.
    fn put(&self, item: &Item) -> impl Future<Output = Result<(), WriteError>> + Send;
}

/// Why a write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The request was not valid: an item in it is something that the table cannot take. The service's explanation is
    /// left out, it may quote a value.
    Invalid,
    /// The call failed.
    Call {
        /// The service's error code, or the kind of failure.
        code: String,
        /// Whether the same call may succeed in a moment.
        retryable: bool,
    },
}

/// The function. See the module.
#[derive(Debug)]
pub struct Load<T, P> {
    table: T,
    settings: LoadSettings,
    backoff: Backoff,
    stage: Stage<P>,
}

/// What the function must know of its table.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// The table's name.
    pub table: String,
    /// Names of the key attributes, the partition key first.
    pub key: Vec<String>,
}

/// An item and the row that it comes from.
struct Row {
    object: ObjectRef,
    record: RecordRef,
    item: Item,
}

impl<T: Table, P: PutEvents> Load<T, P> {
    /// Writes into `table` and publishes through `publisher`.
    pub const fn new(table: T, settings: LoadSettings, backoff: Backoff, publisher: Publisher<P>) -> Self {
        Self { table, settings, backoff, stage: Stage::new(publisher, FailedStage::Load) }
    }

    /// The row in a message; the `failed` event if there is none that can be written.
    fn row(&self, delivery: &Delivery) -> Result<Row, Box<Detail>> {
        match delivery.event() {
            Ok(Detail::RecordTransformed { object, record, data }) => {
                match Item::new(data, &self.settings.key) {
                    Ok(item) => Ok(Row { object, record, item }),
                    Err(message) => Err(Box::new(self.invalid(object, record, message))),
                }
            }
            Ok(other) => {
                let message = format!("`{}` is nothing to load", other.detail_type());
                let (object, record) = (other.object().cloned(), other.record().cloned());
                Err(Box::new(self.stage.failed(object, record, Reason::MalformedEvent, message)))
            }
            Err(malformed) => Err(Box::new(self.stage.malformed(*malformed))),
        }
    }

    fn invalid(&self, object: ObjectRef, record: RecordRef, message: String) -> Detail {
        self.stage.failed(Some(object), Some(record), Reason::InvalidItem, message)
    }

    fn verdict(&self, row: Row, written: Result<(), WriteError>) -> Verdict {
        let Row { object, record, item } = row;
        match written {
            Ok(()) => {
                let table = self.settings.table.clone();
                Detail::RecordLoaded { object, record, table, key: item.key }.into()
            }
            Err(WriteError::Invalid) => self
                .invalid(object, record, "DynamoDB does not accept the item (ValidationException)".into())
                .into(),
            Err(WriteError::Call { code, .. }) => Verdict {
                publish: Vec::new(),
                unfinished: vec![Unfinished {
                    object: Some(object),
                    record: Some(record),
                    reason: Reason::RetriesExhausted,
                    cause: format!("the item could not be written: {code}"),
                }],
            },
        }
    }

    /// Writes all items, one result each. Items with the same key are written in their order: the last one stays.
    async fn write_all(&self, items: &[&Item]) -> Vec<Result<(), WriteError>> {
        let mut results = Vec::with_capacity(items.len());
        for range in requests(items) {
            let request = items.get(range).unwrap_or_default();
            match self.write_request(request).await {
                Ok(written) => results.extend(written),
                // One bad item fails the request of all: find it.
                Err(WriteError::Invalid) => {
                    for item in request {
                        results.push(self.table.put(item).await);
                    }
                }
                Err(error) => results.extend(std::iter::repeat_n(Err(error), request.len())),
            }
        }
        results
    }

    /// Writes one request, and again what the table did not get to.
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
                // What an earlier attempt has written is written again with the rest, item by item or at the next
                // delivery: the same item under the same key.
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

impl<T: Table, P: PutEvents> Handler for Load<T, P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let rows: Vec<Result<Row, Box<Detail>>> =
            deliveries.iter().map(|delivery| self.row(delivery)).collect();
        let items: Vec<&Item> = rows.iter().flatten().map(|row| &row.item).collect();
        let mut written = self.write_all(&items).await.into_iter();
        let unwritten = || WriteError::Call { code: "NoResult".into(), retryable: true };
        let verdicts = rows
            .into_iter()
            .map(|row| match row {
                Ok(row) => self.verdict(row, written.next().unwrap_or_else(|| Err(unwritten()))),
                Err(failed) => (*failed).into(),
            })
            .collect();
        self.stage.settle(deliveries, verdicts).await
    }
}

#[cfg(test)]
mod tests;
