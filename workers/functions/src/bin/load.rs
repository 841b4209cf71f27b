//! `load`: see [`functions::load`].

use std::process::ExitCode;

use contract::environment::{SETTINGS, TABLE, TABLE_KEY};
use functions::aws::Dynamo;
use functions::load::{Load, LoadSettings};
use functions::start;
use publisher::Backoff;

#[tokio::main]
async fn main() -> ExitCode {
    start::run(|environment| {
        let variables = &environment.variables;
        let worker: contract::settings::LoadSettings = match variables.optional(SETTINGS) {
            Some(_) => variables.json(SETTINGS)?,
            None => contract::settings::LoadSettings::default(),
        };
        let settings = LoadSettings {
            table: variables.required(TABLE)?,
            key: variables.list(TABLE_KEY)?,
            on_conflict: worker.on_conflict,
        };
        let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&environment.config), &settings.table);
        Ok(Load::new(table, settings, Backoff::default(), environment.publisher()?))
    })
    .await
}
