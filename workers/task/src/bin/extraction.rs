//! The container's only process. Exit code 0 says that the whole object is on the bus, anything else that it is not.

use std::process::ExitCode;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use contract::ObjectRef;
use contract::environment::{EVENT_BUS, EVENT_SOURCE, OBJECT, SETTINGS, VariableError, Variables};
use contract::settings::ExtractionSettings;
use publisher::aws::EventBridge;
use publisher::{Backoff, Destination, Publisher};
use task::aws::{S3Object, s3_client};
use task::{Outcome, Totals};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_env_filter(filter).init();
    match run().await {
        Ok(Outcome::Completed(Totals { rows, rejected, bytes })) => {
            tracing::info!(rows, rejected, bytes, "extraction completed");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Failed(fault)) => {
            tracing::error!(reason = fault.reason.code(), cause = fault.message, "extraction failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!(%error, "the task cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Outcome, VariableError> {
    let variables = Variables::new(|name: &str| std::env::var(name).ok());
    let object: ObjectRef = variables.json(OBJECT)?;
    let settings: ExtractionSettings = match variables.optional(SETTINGS) {
        Some(_) => variables.json(SETTINGS)?,
        None => ExtractionSettings::default(),
    };
    let destination = Destination::new(variables.required(EVENT_BUS)?, variables.required(EVENT_SOURCE)?);
    let custom_endpoint =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some());

    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&config));
    let publisher = Arc::new(Publisher::new(bus, destination, Backoff::default()));
    let source = S3Object::new(s3_client(&config, custom_endpoint), object.clone());

    tracing::info!(bucket = object.bucket, key = object.key, "extraction started");
    Ok(task::extract(&object, &settings, source, &publisher, Backoff::default(), stop_signal()).await)
}

/// Turns true when ECS stops the task: the process has then 30 seconds until it is killed.
fn stop_signal() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::spawn(async move {
                terminate.recv().await;
                let _ = stop.send(true);
            });
        }
        Err(error) => tracing::warn!(%error, "SIGTERM will end the task at once"),
    }
    stopped
}
