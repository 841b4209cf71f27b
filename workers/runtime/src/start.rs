//! The start of a process: its logs, its variables and its client of AWS.

use client::Client;
use contract::environment::{VariableError, Variables};
use tracing_subscriber::EnvFilter;

/// The environment of a worker when it starts.
#[derive(Debug)]
pub struct Environment {
    /// The variables of the process.
    pub variables: Variables<fn(&str) -> Option<String>>,
    /// Calls AWS in the Region, with the credentials and at the endpoints of the environment.
    pub client: Client,
}

impl Environment {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// [`VariableError`] for a variable without which AWS can't be called, such as the Region.
    pub fn load() -> Result<Self, VariableError> {
        let variables: Variables<fn(&str) -> Option<String>> =
            Variables::new(|name| std::env::var(name).ok());
        Ok(Self { client: Client::from_environment(&variables)?, variables })
    }
}

/// Sends the logs of the process to stdout as JSON, one line for each event. `RUST_LOG` sets their level.
pub fn set_up_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_env_filter(filter).init();
}
