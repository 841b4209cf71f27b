//! PutEvents.

use std::borrow::Cow;

use client::{Bytes, Client, Service};
use contract::environment::{EVENT_BUS, EVENT_SOURCE, VariableError};
use runtime::{Backoff, CallError, Environment};
use serde::Deserialize;

use crate::entry::{Destination, Entry};
use crate::failure::Rejection;
use crate::publisher::{Publisher, PutEvents};

/// [`PutEvents`] by EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridge(Client);

impl EventBridge {
    /// Creates a client that sends through `client`.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }
}

impl PutEvents for EventBridge {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        Ok(self.0.json_text(Service::EventBridge, "PutEvents", request(entries), results).await?)
    }
}

/// Returns the request, written straight into its body: it is the most frequent one by far.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
fn request(entries: &[&Entry]) -> Bytes {
    // A detail is JSON, in whose quotes each byte may take two.
    let size: usize = entries.iter().map(|entry| entry.size() + entry.detail.len() / 4 + 128).sum();
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(b"{\"Entries\":[");
    for (position, entry) in entries.iter().enumerate() {
        body.extend_from_slice(if position > 0 { b",{" } else { b"{" });
        let fields: [(&[u8], &str); 4] = [
            (b"\"EventBusName\":", &entry.bus),
            (b",\"Source\":", &entry.source),
            (b",\"DetailType\":", entry.detail_type),
            (b",\"Detail\":", &entry.detail),
        ];
        for (name, value) in fields {
            body.extend_from_slice(name);
            contract::json::write_string(value, &mut body);
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body.into()
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "Entries", borrow, default)]
    entries: Option<Vec<EntryResult<'a>>>,
}

#[derive(Deserialize)]
struct EntryResult<'a> {
    #[serde(rename = "ErrorCode", borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(rename = "ErrorMessage", borrow)]
    message: Option<Cow<'a, str>>,
}

/// Reads the result of each entry.
fn results(answer: &[u8]) -> Option<Vec<Result<(), Rejection>>> {
    let Answer { entries } = serde_json::from_slice(answer).ok()?;
    let result = |EntryResult { code, message }: EntryResult<'_>| match code {
        None => Ok(()),
        Some(code) => {
            Err(Rejection { code: code.into_owned(), message: message.unwrap_or_default().into_owned() })
        }
    };
    Some(entries.unwrap_or_default().into_iter().map(result).collect())
}

impl Publisher<EventBridge> {
    /// Creates the publisher for the bus that the environment names.
    ///
    /// # Errors
    /// [`VariableError`] when it does not name a bus, or no source of events.
    pub fn from_environment(environment: &Environment) -> Result<Self, VariableError> {
        let Environment { variables, client } = environment;
        let destination = Destination::new(variables.required(EVENT_BUS)?, variables.required(EVENT_SOURCE)?);
        let bus = EventBridge::new(client.clone());
        Ok(Self::new(bus, destination, Backoff::default()).in_region(client.region()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn a_request_is_what_it_says(details in proptest::collection::vec(".*|[\"\\\\\\x00-\\x1f\\x7f]*", 0..4)) {
            let entry = |detail: &String| Entry {
                bus: "bus \"a\"".into(),
                source: "s".into(),
                detail_type: "transform",
                detail: detail.clone(),
            };
            let entries: Vec<Entry> = details.iter().map(entry).collect();
            let body = request(&entries.iter().collect::<Vec<_>>());
            let expected: Vec<Value> = details
                .iter()
                .map(|detail| json!({ "EventBusName": "bus \"a\"", "Source": "s", "DetailType": "transform", "Detail": detail }))
                .collect();
            prop_assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), json!({ "Entries": expected }));
        }
    }

    #[test]
    fn each_entry_has_its_result() {
        let read = |answer: Value| results(answer.to_string().as_bytes());
        let rejected =
            |code: &str, message: &str| Err(Rejection { code: code.into(), message: message.into() });
        assert_eq!(
            read(json!({ "FailedEntryCount": 2, "Entries": [
                { "EventId": "e" }, { "ErrorCode": "InternalFailure", "ErrorMessage": "a \"b\"" }, { "ErrorCode": "X" },
            ] })),
            Some(vec![Ok(()), rejected("InternalFailure", "a \"b\""), rejected("X", "")])
        );
        // The publisher counts an entry without a result as not accepted.
        assert_eq!(read(json!({})), Some(Vec::new()));
        assert_eq!(read(json!({ "Entries": null })), Some(Vec::new()));
        assert_eq!(read(json!({ "Entries": 7 })), None);
    }
}
