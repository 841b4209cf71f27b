//! The program of all six functions: built, uploaded and kept once. Lambda names the function of the process by the
//! handler of its configuration. ECS names none: there the program is the task, so that a released deployer carries one program.

use std::process::ExitCode;

use contract::environment::{
    DATA_KEY, EVENT_BUS, FUNCTION_NAME, HANDLER, RESULT_FILES, SENSITIVE, SETTINGS, TABLE, TABLE_INDEX_KEYS,
    TABLE_KEY, TALLY_TABLE, TOPIC, VariableError,
};
use contract::settings::{
    ExtractSettings, LoadSettings as Settings, ObserveSettings, SensitiveField, SnapshotSettings, Store,
    TransformSettings,
};
use functions::aws::{AwsBackends, Dynamo, Fargate, Queues, S3, Scanned, Sns, TaskSettings};
use functions::extract::Extract;
use functions::inline::Reader;
use functions::load::{Load, LoadSettings};
use functions::messages::Handler;
use functions::observe::{Ends, Observe};
use functions::report::Report;
use functions::secrets::Secrets;
use functions::snapshot::Snapshot;
use functions::start::{self, Service};
use functions::transform::Transform;
use publisher::Publisher;
use runtime::{Allocator, Backoff, Environment};
use sealing::AwsKms;
use tally::aws::Table;
use tally::completion::Completer;
use tally::details::Keeper;
use tally::{Writer, backoff};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Boxed, so that none needs room for the futures of the others.
    let Some(handler) = std::env::var_os(HANDLER) else { return Box::pin(task::process::main()).await };
    let handler = handler.to_string_lossy();
    match handler.as_ref() {
        "extract" => Box::pin(start::run(extract)).await,
        "transform" => Box::pin(start::run(transform)).await,
        "load" => Box::pin(start::run(load)).await,
        "observe" => Box::pin(start::run_service(observe)).await,
        "report" => Box::pin(start::run_service(report)).await,
        "snapshot" => Box::pin(start::run_service(snapshot)).await,
        _ => start::unknown(&handler),
    }
}

/// Builds `extract`: see [`functions::extract`].
fn extract(environment: &Environment) -> Result<impl Handler + use<>, VariableError> {
    let settings = TaskSettings::read(&environment.variables)?;
    let tasks = Fargate::new(environment.client.clone(), settings);
    let queues = Queues::new(environment.client.clone());
    let divided: ExtractSettings = environment.variables.json_or_default(SETTINGS)?;
    let inline = match divided.inline {
        Some(_) => {
            let (backends, settings) = AwsBackends::from_environment(environment)?;
            Some(Reader::new(
                backends,
                Publisher::from_environment(environment)?,
                settings,
                Backoff::default(),
            ))
        }
        None => None,
    };
    let files = environment.variables.optional(RESULT_FILES).is_some();
    let publisher = Publisher::from_environment(environment)?;
    Ok(Extract::new(divided, tasks, queues, publisher, inline).ignoring_results(files))
}

/// Builds `transform`: see [`functions::transform`].
fn transform(environment: &Environment) -> Result<impl Handler + use<>, VariableError> {
    let objects = S3::new(environment.client.clone());
    let settings: TransformSettings = environment.variables.json(SETTINGS)?;
    Transform::new(&settings, objects, Publisher::from_environment(environment)?)
        .map_err(|problems| invalid(SETTINGS, problems))
}

/// Returns the error about a variable with settings of fields that can't be.
fn invalid(name: &'static str, problems: Vec<::transform::Problem>) -> VariableError {
    let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
    VariableError::Invalid { name, expected: format!("settings of fields: {}", messages.join("; ")) }
}

/// Builds `load`: see [`functions::load`].
fn load(environment: &Environment) -> Result<impl Handler + use<>, VariableError> {
    let variables = &environment.variables;
    let worker: Settings = variables.json_or_default(SETTINGS)?;
    let key = variables.list(TABLE_KEY)?;
    let sensitive: Vec<SensitiveField> = variables.json_or_default(SENSITIVE)?;
    if sensitive.iter().any(|field| key.contains(&field.name)) {
        let expected = "a list without the table's key".into();
        return Err(VariableError::Invalid { name: SENSITIVE, expected });
    }
    let secrets = match worker.store {
        Store::Decrypted if !sensitive.is_empty() => {
            let kms = AwsKms::new(environment.client.clone(), variables.required(DATA_KEY)?);
            Secrets::decrypted(sensitive, kms)
        }
        _ => Secrets::encrypted(sensitive),
    };
    let secrets = secrets.map_err(|problems| invalid(SENSITIVE, problems))?;
    let index_keys = match variables.optional(TABLE_INDEX_KEYS) {
        Some(_) => variables.list(TABLE_INDEX_KEYS)?,
        None => Vec::new(),
    };
    let table = variables.required(TABLE)?;
    let Settings { on_conflict, snapshot, .. } = worker;
    let settings = LoadSettings { table, key, index_keys, on_conflict, snapshot };
    let table = Dynamo::new(environment.client.clone(), &settings.table);
    Ok(Load::new(table, secrets, settings, Backoff::default(), Publisher::from_environment(environment)?))
}

/// Builds `observe`: see [`functions::observe`].
fn observe(environment: &Environment) -> Result<impl Service + use<>, VariableError> {
    let table = environment.variables.optional(TALLY_TABLE);
    let table = table.map(|name| Table::new(environment.client.clone(), name));
    // A stack whose observer may publish has objects with an end.
    let ends = match (&table, environment.variables.optional(EVENT_BUS)) {
        (Some(table), Some(_)) => {
            let completer = Completer::new(table.clone(), backoff());
            Some(Ends::new(completer, Publisher::from_environment(environment)?))
        }
        _ => None,
    };
    // Only `report` reads the details of failed rows.
    let files = environment.variables.optional(RESULT_FILES).is_some();
    let keeper = table.clone().filter(|_| files).map(|table| Keeper::new(table, backoff()));
    let tally = table.map(|table| Writer::new(table, backoff()));
    let settings: ObserveSettings = environment.variables.json_or_default(SETTINGS)?;
    let function = environment.variables.optional(FUNCTION_NAME).filter(|_| settings.metrics);
    Ok(Observe::new(tally, std::io::stdout()).with_ends(ends).with_details(keeper).with_metrics(function))
}

/// Builds `report`: see [`functions::report`].
fn report(environment: &Environment) -> Result<impl Service + use<>, VariableError> {
    let table = Table::new(environment.client.clone(), environment.variables.required(TALLY_TABLE)?);
    let files = S3::new(environment.client.clone());
    let queues = Queues::new(environment.client.clone());
    let count = start::max_receive_count(&environment.variables)?;
    let topic = environment.variables.optional(TOPIC).map(|arn| Sns::new(environment.client.clone(), arn));
    Ok(Report::new(table, files, queues, Backoff::default(), count).with_topic(topic))
}

/// Builds `snapshot`: see [`functions::snapshot`].
fn snapshot(environment: &Environment) -> Result<impl Service + use<>, VariableError> {
    let Environment { variables, client } = environment;
    let settings: SnapshotSettings = variables.json_or_default(SETTINGS)?;
    let items = Scanned::new(client.clone(), variables.required(TABLE)?, variables.list(TABLE_KEY)?);
    let memory = Table::new(client.clone(), variables.required(TALLY_TABLE)?);
    let queues = Queues::new(client.clone());
    let count = start::max_receive_count(variables)?;
    let publisher = Publisher::from_environment(environment)?;
    Ok(Snapshot::new(settings, items, memory, queues, publisher, Backoff::default(), count))
}
