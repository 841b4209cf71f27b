//! The progress of an extraction: a small item beside the tally of the object's rows.
//!
//! The task writes it every few seconds. A task that takes the place of one that was killed continues there; one that
//! is started for an object that is done reports that again, and ends. All rows up to the checkpoint are on the bus.
//! Some after it may be, too: they are published again with the same IDs.

use std::future::Future;

use client::{Client, Service};
use contract::{ObjectRef, Part};
use runtime::CallError;
use serde_json::{Map, Value, json};

use crate::aws::{Item, One, REFUSED, number, text};

/// The progress of an extraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the last row in the file up to which every event is on the bus. 0: no row.
    pub index: u64,
    /// The byte of the decoded text after that row.
    pub offset: u64,
    /// The number of rows up to there, without those of other parts.
    pub rows: u64,
    /// The number of those that were rejected.
    pub rejected: u64,
    /// Bytes of the object, if it is done, and `extraction-completed` is on the bus.
    pub done: Option<u64>,
}

/// A store for the checkpoint of one extraction. Implemented by [`DynamoCheckpoints`], and by fakes in tests.
pub trait Checkpoints: Send + Sync {
    /// Reads the checkpoint; returns `None` if it has not been written yet.
    fn load(&self) -> impl Future<Output = Result<Option<Checkpoint>, CallError>> + Send;

    /// Writes the checkpoint, unless a later one is already there.
    fn save(&self, checkpoint: &Checkpoint) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// [`Checkpoints`] in the tally's table.
#[derive(Debug)]
pub struct DynamoCheckpoints {
    client: Client,
    table: String,
    key: Value,
    /// The upload and the bytes that are extracted. Another division of the object has other checkpoints, and so has
    /// the same content when it is uploaded again.
    span: String,
}

impl DynamoCheckpoints {
    /// Creates the store for the checkpoint of `object`, or of a part of it, in the table named `table`.
    pub fn new(client: Client, table: impl Into<String>, object: &ObjectRef, part: Option<&Part>) -> Self {
        let index = part.map_or(0, |part| part.shard.index);
        let bytes = match part {
            None => String::new(),
            Some(Part { from, to: None, .. }) => format!("{from}-"),
            Some(Part { from, to: Some(to), .. }) => format!("{from}-{to}"),
        };
        let span = format!("{}|{bytes}", object.uploaded.as_deref().unwrap_or_default());
        let key = json!({ "object": text(&object.digest()), "part": text(&format!("checkpoint#{index}")) });
        Self { client, table: table.into(), key, span }
    }
}

impl Checkpoints for DynamoCheckpoints {
    async fn load(&self) -> Result<Option<Checkpoint>, CallError> {
        let input = json!({ "TableName": self.table, "Key": self.key, "ConsistentRead": true });
        let answer: One = self.client.json(Service::DynamoDb, "GetItem", &input).await?;
        Ok(answer.item.and_then(|item| read(&item, &self.span)))
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), CallError> {
        let mut update =
            vec!["#index = :index", "#offset = :offset", "#rows = :rows", "rejected = :rejected"];
        let mut names =
            vec![("#index", "index"), ("#offset", "offset"), ("#rows", "rows"), ("#span", "span")];
        update.push("#span = :span");
        let mut values = vec![
            (":index", checkpoint.index),
            (":offset", checkpoint.offset),
            (":rows", checkpoint.rows),
            (":rejected", checkpoint.rejected),
        ];
        if let Some(bytes) = checkpoint.done {
            update.push("#done = :done");
            values.push((":done", bytes));
        }
        names.push(("#done", "done"));
        // If another division of the object was done, this one isn't.
        let forget = if checkpoint.done.is_none() { " REMOVE #done" } else { "" };
        let names: Map<String, Value> =
            names.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let mut values: Map<String, Value> =
            values.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect();
        values.insert(":span".to_owned(), text(&self.span));
        let input = json!({
            "TableName": self.table,
            "Key": self.key,
            "UpdateExpression": format!("SET {}{forget}", update.join(", ")),
            // Of two tasks for the same bytes, only the one that is further may write.
            "ConditionExpression":
                "attribute_not_exists(#index) OR #span <> :span OR (attribute_not_exists(#done) AND #index <= :index)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        });
        match self.client.json::<_, Value>(Service::DynamoDb, "UpdateItem", &input).await {
            Err(failure) if failure.error.code != REFUSED => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

/// Returns the checkpoint in an item, if it is one for the same bytes.
fn read(item: &Item, span: &str) -> Option<Checkpoint> {
    let number = |name: &str| item.get(name)?["N"].as_str()?.parse::<u64>().ok();
    if item.get("span")?["S"].as_str()? != span {
        return None;
    }
    Some(Checkpoint {
        index: number("index")?,
        offset: number("offset")?,
        rows: number("rows")?,
        rejected: number("rejected")?,
        done: number("done"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_checkpoint_if_it_is_about_the_same_bytes() {
        let number = |value: &str| json!({ "N": value });
        let mut item: Item = [("index", "9"), ("offset", "100"), ("rows", "4"), ("rejected", "1")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), number(value)))
            .collect();
        assert_eq!(read(&item, ""), None, "no span");
        item.insert("span".into(), text("50-"));
        assert_eq!((read(&item, ""), read(&item, "50-90")), (None, None));
        let expected = Checkpoint { index: 9, offset: 100, rows: 4, rejected: 1, done: None };
        assert_eq!(read(&item, "50-"), Some(expected));
        item.insert("done".into(), number("300"));
        assert_eq!(read(&item, "50-"), Some(Checkpoint { done: Some(300), ..expected }));
        item.insert("offset".into(), number("-1"));
        assert_eq!(read(&item, "50-"), None, "no number of bytes");
    }
}
