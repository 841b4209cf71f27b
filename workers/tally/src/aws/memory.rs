//! [`Memory`] by DynamoDB.

use client::Service;
use runtime::CallError;
use serde_json::{Value, json};

use super::{Item, One, REFUSED, REVISION, Table, number, revision, text};
use crate::item::{PARTITION_KEY, SORT_KEY};
use crate::snapshot::{Memory, Place, Remembered, TEXT};

/// The attribute that names who has written the revision.
const HOLDER: &str = "holder";

fn key(place: &Place) -> Value {
    json!({ PARTITION_KEY: text(&place.object), SORT_KEY: text(&place.part) })
}

impl Memory for Table {
    async fn recall(&self, place: &Place) -> Result<Option<Remembered>, CallError> {
        let input = json!({ "TableName": self.name, "Key": key(place), "ConsistentRead": true });
        let found: One = self.client.json(Service::DynamoDb, "GetItem", &input).await?;
        found.item.filter(|item| !item.is_empty()).map(|item| remembered(&item, place)).transpose()
    }

    async fn remember(
        &self,
        place: &Place,
        known: u64,
        holder: &str,
        content: &str,
    ) -> Result<bool, CallError> {
        let input = update(&self.name, place, known, holder, content);
        match self.client.json::<_, Value>(Service::DynamoDb, "UpdateItem", &input).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.error.code == REFUSED => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn remembered(item: &Item, place: &Place) -> Result<Remembered, CallError> {
    let content = item.get(TEXT).and_then(|content| content["S"].as_str());
    match (revision(item), content) {
        (Some(revision), Some(content)) => Ok(Remembered { revision, text: content.to_owned() }),
        _ => Err(CallError {
            code: "UnreadableItem".into(),
            message: format!(
                "the item `{}`, `{}` of the tally has no revision or text",
                place.object, place.part
            ),
            retryable: false,
        }),
    }
}

/// Returns the input of UpdateItem.
fn update(table: &str, place: &Place, known: u64, holder: &str, content: &str) -> Value {
    let next = known.saturating_add(1);
    let mut values = json!({ ":next": number(next), ":holder": text(holder), ":text": text(content) });
    let is_known = match known {
        0 => "attribute_not_exists(#revision)",
        _ => {
            values[":known"] = number(known);
            "#revision = :known"
        }
    };
    json!({
        "TableName": table,
        "Key": key(place),
        "UpdateExpression": "SET #revision = :next, #holder = :holder, #text = :text",
        "ConditionExpression": format!("{is_known} OR (#revision = :next AND #holder = :holder)"),
        "ExpressionAttributeNames": { "#revision": REVISION, "#holder": HOLDER, "#text": TEXT },
        "ExpressionAttributeValues": values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_only_over_the_revision_that_was_read() {
        let place = Place::of_file("s");
        let first = update("t", &place, 0, "h", "{}");
        assert_eq!(
            first["ConditionExpression"],
            "attribute_not_exists(#revision) OR (#revision = :next AND #holder = :holder)"
        );
        assert_eq!(
            first["ExpressionAttributeValues"][":known"],
            Value::Null,
            "DynamoDB refuses unused values"
        );
        let later = update("t", &place, 4, "h", "{}");
        assert_eq!(
            (&later["ExpressionAttributeValues"][":known"], &later["ExpressionAttributeValues"][":next"]),
            (&json!({ "N": "4" }), &json!({ "N": "5" }))
        );
        let item = json!({ "revision": { "N": "5" }, "snapshot": { "S": "{}" } });
        let item = item.as_object().expect("an object");
        assert_eq!(remembered(item, &place), Ok(Remembered { revision: 5, text: "{}".into() }));
        assert!(remembered(&Item::new(), &place).is_err());
    }
}
