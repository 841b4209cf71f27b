//! The container's only process. Its exit code says how the extraction ended:
//!
//! | Code | Meaning |
//! |---|---|
//! | 0 | All is on the bus. |
//! | 2 | It failed for good, and `extractionFailed` says why. |
//! | anything else, or none | It didn't come to its end. Started again, it goes on at its checkpoint. |

use std::process::ExitCode;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use contract::environment::{
    ASSIGNMENT, COLUMNS, DATA_KEY, EVENT_BUS, EVENT_SOURCE, OBJECT, SENSITIVE, SETTINGS, TALLY_TABLE,
    VariableError, Variables,
};
use contract::settings::{ExtractionSettings, SensitiveField};
use contract::{Assignment, ObjectRef};
use publisher::aws::EventBridge;
use publisher::{Backoff, Destination, Publisher};
use sealing::AwsKms;
use tally::TallyError;
use tally::aws::Table;
use tally::checkpoint::DynamoCheckpoints;
use task::aws::{S3Object, s3_client};
use task::{Job, Outcome, Sealing, Selection, Totals};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Exit code of an extraction that no other attempt makes better.
const FAILED: u8 = 2;

/// A row is dozens of small allocations: with libc's allocator, a quarter of the processor time goes there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Not a thread for each core: what is in flight is bounded by calls, one core feeds more than a bus takes, and threads that
// hand each other every batch make each row dearer.
#[tokio::main(flavor = "current_thread")]
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
            ExitCode::from(FAILED)
        }
        Ok(Outcome::Interrupted(fault)) => {
            tracing::error!(reason = fault.reason.code(), cause = fault.message, "extraction interrupted");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!(%error, "the task cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Why a task can't begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error("could not read from the tally which rows to send again: {0}")]
    Tally(#[from] TallyError),
}

async fn run() -> Result<Outcome, StartError> {
    let variables = Variables::new(|name: &str| std::env::var(name).ok());
    let object: ObjectRef = variables.json(OBJECT)?;
    let settings: ExtractionSettings = variables.json_or_default(SETTINGS)?;
    let assignment: Assignment = variables.json_or_default(ASSIGNMENT)?;
    let destination = Destination::new(variables.required(EVENT_BUS)?, variables.required(EVENT_SOURCE)?);
    let custom_endpoint =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some());

    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&config));
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let publisher = Arc::new(Publisher::new(bus, destination, Backoff::default()).in_region(&region));
    let source = S3Object::new(s3_client(&config, custom_endpoint), object.clone());

    let fields: Vec<SensitiveField> = variables.json_or_default(SENSITIVE)?;
    let sealing = match fields.as_slice() {
        [] => None,
        _ => {
            let kms = AwsKms::new(aws_sdk_kms::Client::new(&config), variables.required(DATA_KEY)?);
            Some(Sealing::new(kms, &object, fields))
        }
    };
    let selection = match assignment.replay {
        Some(replay) => {
            let client = aws_sdk_dynamodb::Client::new(&config);
            let table = Table::new(client, variables.required(TALLY_TABLE)?);
            Some((tally::rows_to_replay(&table, &object, replay).await?, tally::read(&table, &object).await?))
        }
        None => None,
    };
    let checkpoints = variables.optional(TALLY_TABLE).map(|table| {
        let client = aws_sdk_dynamodb::Client::new(&config);
        DynamoCheckpoints::new(client, table, &object, assignment.part.as_ref())
    });

    let part = assignment.part.map_or(1, |part| part.shard.index);
    tracing::info!(
        bucket = object.bucket,
        key = object.key,
        part,
        restarts = assignment.restarts,
        replayed = selection.as_ref().map(|(rows, _)| rows.len()),
        "extraction started"
    );
    let selection = selection
        .as_ref()
        .map(|(rows, tally)| Selection { rows, of: tally.as_ref().and_then(tally::Tally::total) });
    let columns: Vec<String> = variables.json_or_default(COLUMNS)?;
    let job =
        Job { object: &object, settings: &settings, columns: &columns, assignment: &assignment, selection };
    let backoff = Backoff::default();
    Ok(task::extract(&job, source, &publisher, checkpoints.as_ref(), sealing, backoff, stop_signal()).await)
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
        Err(error) => tracing::warn!(%error, "SIGTERM will stop the task immediately"),
    }
    stopped
}
