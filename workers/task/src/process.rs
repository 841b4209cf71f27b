//! The container's only process, from its environment to its exit code, which tells how the extraction ended:
//!
//! | Code | Meaning |
//! |---|---|
//! | 0 | All events are on the bus. |
//! | 2 | It failed for good, and `extractionFailed` says why. |
//! | anything else, or none | It didn't finish. Started again, it continues at its checkpoint. |

use std::process::ExitCode;
use std::sync::Arc;

use contract::environment::{
    ASSIGNMENT, COLUMNS, DATA_KEY, OBJECT, OPTIONAL_COLUMNS, RESULT_FILES, SENSITIVE, SETTINGS, TALLY_TABLE,
    VariableError,
};
use contract::settings::{ExtractionSettings, SensitiveField};
use contract::{Assignment, ObjectRef};
use publisher::Publisher;
use runtime::{Backoff, Environment, set_up_logs};
use sealing::AwsKms;
use tally::aws::Table;
use tally::checkpoint::DynamoCheckpoints;
use tally::details::{Reading, note_reading};
use tally::verification::is_permitted;
use tally::{MergeError, TallyError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::aws::S3Object;
use crate::{Job, Outcome, Sealing, Selection, Totals};

/// Exit code of an extraction that no other attempt can improve.
const FAILED: u8 = 2;

/// Runs the extraction that the environment describes, and returns the exit code of the process.
pub async fn main() -> ExitCode {
    set_up_logs();
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

/// The reason why a task can't begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error("could not read the tally before the first row: {0}")]
    Tally(#[from] TallyError),
    #[error("could not note in the tally how the object is read: {0}")]
    Reading(#[from] MergeError),
}

async fn run() -> Result<Outcome, StartError> {
    let environment = Environment::load()?;
    let Environment { variables, client } = &environment;
    let object: ObjectRef = variables.json(OBJECT)?;
    let settings: ExtractionSettings = variables.json_or_default(SETTINGS)?;
    let assignment: Assignment = variables.json_or_default(ASSIGNMENT)?;
    let publisher = Arc::new(Publisher::from_environment(&environment)?);
    let source = S3Object::new(client.clone(), object.clone());

    if let Some(table) = variables.optional(TALLY_TABLE)
        && !is_permitted(&Table::new(client.clone(), table), &object.key).await.map_err(TallyError::Call)?
    {
        tracing::info!(key = object.key, "the verification is over, so the object is not read");
        return Ok(Outcome::Completed(Totals::default()));
    }
    let fields: Vec<SensitiveField> = variables.json_or_default(SENSITIVE)?;
    let sensitive: Vec<String> = fields.iter().map(|field| field.from.clone()).collect();
    let sealing = match fields.as_slice() {
        [] => None,
        _ => {
            let kms = AwsKms::new(client.clone(), variables.required(DATA_KEY)?);
            let sealing = Sealing::new(kms, &object, fields).map_err(|problems| {
                let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                let expected = format!("settings of fields: {}", messages.join("; "));
                VariableError::Invalid { name: SENSITIVE, expected }
            })?;
            Some(sealing)
        }
    };
    let selection = match assignment.replay {
        Some(replay) => {
            let table = Table::new(client.clone(), variables.required(TALLY_TABLE)?);
            Some((tally::rows_to_replay(&table, &object, replay).await?, tally::read(&table, &object).await?))
        }
        None => None,
    };
    let checkpoints = variables
        .optional(TALLY_TABLE)
        .map(|table| DynamoCheckpoints::new(client.clone(), table, &object, assignment.part.as_ref()));

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
    let optional: Vec<String> = variables.json_or_default(OPTIONAL_COLUMNS)?;
    // A replay chooses rows by their numbers, which are those of the first time.
    if let (Some(table), Some(_), None) =
        (variables.optional(TALLY_TABLE), variables.optional(RESULT_FILES), assignment.replay)
    {
        let table = Table::new(client.clone(), table);
        let reading = Reading { settings: settings.clone(), columns: columns.clone(), sensitive };
        note_reading(&table, tally::backoff(), &object.digest(), &reading).await?;
    }
    let job = Job {
        object: &object,
        settings: &settings,
        columns: &columns,
        optional: &optional,
        assignment: &assignment,
        selection,
    };
    let backoff = Backoff::default();
    Ok(crate::extract(&job, source, &publisher, checkpoints.as_ref(), sealing, backoff, stop_signal()).await)
}

/// Returns a signal that turns true when ECS stops the task: the process has then 30 seconds until it is killed.
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
