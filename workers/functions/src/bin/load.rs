//! `load`: see [`functions::load`].

use std::process::ExitCode;

use contract::environment::{TABLE, TABLE_KEY};
use functions::aws::Dynamo;
use functions::load::{Load, LoadSettings};
use functions::start;
use publisher::Backoff;

#[tokio::main]
async fn main() -> ExitCode {
    start::run(|environment| {
        let settings = LoadSettings {
            table: environment.variables.required(TABLE)?,
            key: environment.variables.list(TABLE_KEY)?,
        };
        let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&environment.config), &settings.table);
        Ok(Load::new(table, settings, Backoff::default(), environment.publisher()?))
    })
    .await
}
