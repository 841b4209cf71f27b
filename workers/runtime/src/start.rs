//! The start of a process: its logs, its variables and its AWS configuration.

use aws_config::{BehaviorVersion, SdkConfig};
use contract::environment::Variables;
use tracing_subscriber::EnvFilter;

/// The environment of a worker when it starts.
#[derive(Debug)]
pub struct Environment {
    /// The variables of the process.
    pub variables: Variables<fn(&str) -> Option<String>>,
    /// Region, credentials and endpoints for AWS clients.
    pub config: SdkConfig,
}

impl Environment {
    /// Reads the environment of the process.
    pub async fn load() -> Self {
        Self {
            variables: Variables::new(|name| std::env::var(name).ok()),
            config: aws_config::load_defaults(BehaviorVersion::latest()).await,
        }
    }

    /// Returns whether AWS clients use another endpoint than AWS's.
    #[must_use]
    pub fn custom_endpoint(&self) -> bool {
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
            .into_iter()
            .any(|name| self.variables.optional(name).is_some())
    }
}

/// Sends the logs of the process to stdout as JSON, one line for each event. `RUST_LOG` sets their level.
pub fn set_up_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_env_filter(filter).init();
}
