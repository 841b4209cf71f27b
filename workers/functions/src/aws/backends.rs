//! [`Backends`] by AWS.

use client::Client;
use contract::ObjectRef;
use contract::environment::{
    COLUMNS, DATA_KEY, EXTRACTION_SETTINGS, OPTIONAL_COLUMNS, RESULT_FILES, SENSITIVE, TALLY_TABLE,
    VariableError,
};
use runtime::Environment;
use sealing::AwsKms;
use tally::aws::Table;
use tally::checkpoint::DynamoCheckpoints;
use tally::details::{Reading, note_reading};
use tally::verification::is_permitted;
use task::aws::S3Object;

use crate::inline::{Backends, ReaderSettings};

/// [`Backends`] by AWS.
#[derive(Debug)]
pub struct AwsBackends {
    client: Client,
    /// The name of the tally's table.
    tally: Option<String>,
    kms: Option<AwsKms>,
    /// `true` if a `report` reads objects again.
    reported: bool,
}

impl AwsBackends {
    /// Creates the backends, and reads the settings of the task from the environment.
    ///
    /// # Errors
    /// [`VariableError`] for the first variable that is missing or wrong.
    pub fn from_environment(environment: &Environment) -> Result<(Self, ReaderSettings), VariableError> {
        let Environment { variables, client } = environment;
        let settings = ReaderSettings {
            extraction: variables.json_or_default(EXTRACTION_SETTINGS)?,
            columns: variables.json_or_default(COLUMNS)?,
            optional: variables.json_or_default(OPTIONAL_COLUMNS)?,
            sensitive: variables.json_or_default(SENSITIVE)?,
        };
        let kms = match settings.sensitive.as_slice() {
            [] => None,
            _ => Some(AwsKms::new(client.clone(), variables.required(DATA_KEY)?)),
        };
        let tally = variables.optional(TALLY_TABLE);
        let reported = variables.optional(RESULT_FILES).is_some();
        Ok((Self { client: client.clone(), tally, kms, reported }, settings))
    }
}

impl Backends for AwsBackends {
    type Source = S3Object;
    type Checkpoints = DynamoCheckpoints;
    type Kms = AwsKms;

    async fn prepare(&self, object: &ObjectRef, settings: &ReaderSettings) -> Result<(), String> {
        let Some(table) = self.tally.clone() else { return Ok(()) };
        let table = Table::new(self.client.clone(), table);
        match is_permitted(&table, &object.key).await {
            Ok(true) => {}
            Ok(false) => return Err("the verification is over".to_owned()),
            Err(error) => return Err(format!("could not read the tally: {}", error.code)),
        }
        if !self.reported {
            return Ok(());
        }
        let reading = Reading {
            settings: settings.extraction.clone(),
            columns: settings.columns.clone(),
            sensitive: settings.sensitive.iter().map(|field| field.from.clone()).collect(),
        };
        let noted = note_reading(&table, tally::backoff(), &object.digest(), &reading).await;
        noted.map_err(|error| format!("could not note in the tally how the object is read: {error}"))
    }

    fn source(&self, object: &ObjectRef) -> S3Object {
        S3Object::new(self.client.clone(), object.clone())
    }

    fn checkpoints(&self, object: &ObjectRef) -> Option<DynamoCheckpoints> {
        Some(DynamoCheckpoints::new(self.client.clone(), self.tally.clone()?, object, None))
    }

    fn kms(&self) -> Option<AwsKms> {
        self.kms.clone()
    }
}
