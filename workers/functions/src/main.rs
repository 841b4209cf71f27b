//! The program of all four functions: built, uploaded and kept once. Lambda names the function of the process by the
//! handler of its configuration.

use std::process::ExitCode;

use contract::environment::{
    DATA_KEY, HANDLER, SENSITIVE, SETTINGS, TABLE, TABLE_INDEX_KEYS, TABLE_KEY, TALLY_TABLE, VariableError,
};
use contract::settings::{
    ExtractSettings, LoadSettings as Settings, SensitiveField, Store, TransformSettings,
};
use functions::aws::{Dynamo, Fargate, Queues, S3, TaskSettings};
use functions::extract::Extract;
use functions::load::{Load, LoadSettings};
use functions::messages::Handler;
use functions::observe::Observe;
use functions::secrets::Secrets;
use functions::start::{self, Service};
use functions::transform::Transform;
use publisher::Publisher;
use runtime::{Allocator, Backoff, Environment};
use sealing::AwsKms;
use tally::aws::Table;
use tally::{Writer, backoff};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let handler = std::env::var(HANDLER).unwrap_or_default();
    // Boxed, so that none needs room for the futures of the others.
    match handler.as_str() {
        "extract" => Box::pin(start::run(extract)).await,
        "transform" => Box::pin(start::run(transform)).await,
        "load" => Box::pin(start::run(load)).await,
        "observe" => Box::pin(start::run_service(observe)).await,
        _ => start::unknown(&handler),
    }
}

/// Builds `extract`: see [`functions::extract`].
fn extract(environment: &Environment) -> Result<impl Handler + use<>, VariableError> {
    let settings = TaskSettings::read(&environment.variables)?;
    let tasks = Fargate::new(aws_sdk_ecs::Client::new(&environment.config), settings);
    let queues = Queues::new(aws_sdk_sqs::Client::new(&environment.config));
    let divided: ExtractSettings = environment.variables.json_or_default(SETTINGS)?;
    Ok(Extract::new(divided, tasks, queues, Publisher::from_environment(environment)?))
}

/// Builds `transform`: see [`functions::transform`].
fn transform(environment: &Environment) -> Result<impl Handler + use<>, VariableError> {
    let objects = S3::new(&environment.config, environment.custom_endpoint());
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
            let client = aws_sdk_kms::Client::new(&environment.config);
            Secrets::decrypted(sensitive, AwsKms::new(client, variables.required(DATA_KEY)?))
        }
        _ => Secrets::encrypted(sensitive),
    };
    let secrets = secrets.map_err(|problems| invalid(SENSITIVE, problems))?;
    let index_keys = match variables.optional(TABLE_INDEX_KEYS) {
        Some(_) => variables.list(TABLE_INDEX_KEYS)?,
        None => Vec::new(),
    };
    let table = variables.required(TABLE)?;
    let settings = LoadSettings { table, key, index_keys, on_conflict: worker.on_conflict };
    let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&environment.config), &settings.table);
    Ok(Load::new(table, secrets, settings, Backoff::default(), Publisher::from_environment(environment)?))
}

/// Builds `observe`: see [`functions::observe`].
fn observe(environment: &Environment) -> Result<impl Service + use<>, VariableError> {
    let table = environment.variables.optional(TALLY_TABLE);
    let tally = table.map(|table| {
        let client = aws_sdk_dynamodb::Client::new(&environment.config);
        Writer::new(Table::new(client, table), backoff())
    });
    Ok(Observe::new(tally, std::io::stdout()))
}
