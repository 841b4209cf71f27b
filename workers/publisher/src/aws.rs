//! PutEvents by the AWS SDK.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use contract::environment::{EVENT_BUS, EVENT_SOURCE, VariableError};
use runtime::{Backoff, CallError, Environment, call_error};

use crate::entry::{Destination, Entry};
use crate::failure::Rejection;
use crate::publisher::{Publisher, PutEvents};

/// [`PutEvents`] by the AWS SDK.
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
        let entries = entries.iter().map(|entry| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&*entry.bus)
                .source(&*entry.source)
                .detail_type(entry.detail_type)
                .detail(&entry.detail)
                .build()
        });
        let answer = self.0.put_events().set_entries(Some(entries.collect())).send().await;
        let answer = answer.map_err(|error| call_error(&error))?;
        Ok(answer
            .entries()
            .iter()
            .map(|entry| match entry.error_code() {
                None => Ok(()),
                Some(code) => Err(Rejection {
                    code: code.to_owned(),
                    message: entry.error_message().unwrap_or_default().to_owned(),
                }),
            })
            .collect())
    }
}

impl Publisher<EventBridge> {
    /// Creates the publisher for the bus that the environment names.
    ///
    /// # Errors
    /// [`VariableError`] when it does not name a bus, or no source of events.
    pub fn from_environment(environment: &Environment) -> Result<Self, VariableError> {
        let Environment { variables, config } = environment;
        let destination = Destination::new(variables.required(EVENT_BUS)?, variables.required(EVENT_SOURCE)?);
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let client = EventBridge::new(Client::new(config));
        Ok(Self::new(client, destination, Backoff::default()).in_region(&region))
    }
}
