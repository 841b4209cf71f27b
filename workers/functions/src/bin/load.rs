//! `load`: see [`functions::load`].

use std::process::ExitCode;

use contract::environment::{
    DATA_KEY, SENSITIVE, SETTINGS, TABLE, TABLE_INDEX_KEYS, TABLE_KEY, VariableError,
};
use contract::settings::{SensitiveField, Store};
use functions::aws::Dynamo;
use functions::load::{Load, LoadSettings};
use functions::secrets::Secrets;
use functions::start;
use publisher::Backoff;
use sealing::AwsKms;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(|environment| {
        let variables = &environment.variables;
        let worker: contract::settings::LoadSettings = variables.json_or_default(SETTINGS)?;
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
        let index_keys = match variables.optional(TABLE_INDEX_KEYS) {
            Some(_) => variables.list(TABLE_INDEX_KEYS)?,
            None => Vec::new(),
        };
        let table = variables.required(TABLE)?;
        let settings = LoadSettings { table, key, index_keys, on_conflict: worker.on_conflict };
        let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&environment.config), &settings.table);
        Ok(Load::new(table, secrets, settings, Backoff::default(), environment.publisher()?))
    })
    .await
}
