//! Sensitive columns: encrypted here, before a row leaves the task.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::columns::{self, MissingColumns};
use contract::row::Cell;
use contract::settings::SensitiveField;
use contract::{ObjectRef, Reason, row};
use runtime::Backoff;
use sealing::{Kms, KmsError, SealError, Sealer};
use transform::Problem;
use transform::sensitive::SensitiveValue;

use crate::reader::{Fault, Fields};

/// An encoder that seals the sensitive columns of one object.
#[derive(Debug)]
pub struct Sealing<K> {
    sealer: Sealer<K>,
    fields: Vec<SensitiveField>,
    /// The rules of fields whose values have a type or rules, by position among `fields`.
    rules: Vec<(usize, SensitiveValue)>,
    /// Position in the row → the name that the value is bound to; `None` before the header is known.
    columns: Option<BTreeMap<usize, String>>,
}

/// A row as its event carries it.
pub(crate) struct EncodedRow {
    pub(crate) line: String,
    /// The key that its sensitive values are sealed with. Rows with different keys need different events.
    pub(crate) data_key: Option<Arc<str>>,
}

impl<K: Kms> Sealing<K> {
    /// Creates an encoder that seals the columns of `fields` in rows of `object`, with keys that `kms` generates.
    ///
    /// # Errors
    /// The problems of settings that the deployer would not have deployed.
    pub fn new(kms: K, object: &ObjectRef, fields: Vec<SensitiveField>) -> Result<Self, Vec<Problem>> {
        let rules = fields.iter().enumerate().filter_map(|(position, field)| {
            let rules = SensitiveValue::new(field.settings.as_deref()?);
            Some(rules.map(|rules| (position, rules)))
        });
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { sealer: Sealer::new(kms, object.digest()), fields, rules, columns: None })
    }

    /// Returns the fault of a row with a sensitive value that breaks a rule of its field: once it is encrypted, nobody
    /// but `load` can tell.
    pub(crate) fn check(&self, columns: &[String], fields: Fields<'_>) -> Option<Fault> {
        self.rules.iter().find_map(|(position, rules)| {
            // A column that is missing or ambiguous fails the object when it is sealed.
            let position = columns::find(columns, &self.fields.get(*position)?.from).ok()??;
            let failure = rules.convert(fields.cells().nth(position)?).err()?;
            Some(Fault::new(failure.reason, failure.message))
        })
    }

    /// Returns the names of the columns that are sealed.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.from.clone()).collect()
    }

    /// Finds the columns again in the next row, which has others.
    pub(crate) fn forget_columns(&mut self) {
        self.columns = None;
    }

    /// Limits the number of values of each key, which is greater otherwise.
    #[cfg(test)]
    pub(crate) const fn change_key_after(&mut self, values: u64) {
        self.sealer.change_key_after(values);
    }

    /// Encodes a row with its sensitive values sealed. Without a key the row is not encoded: nothing leaves in clear.
    pub(crate) async fn row(
        &mut self,
        record: &str,
        columns: &[String],
        fields: Fields<'_>,
        backoff: Backoff,
    ) -> Result<EncodedRow, Fault> {
        let sensitive = match self.columns.take() {
            Some(known) => known,
            None => find(&self.fields, columns)?,
        };
        let sensitive = self.columns.insert(sensitive);
        let values: Vec<(&str, &str)> = fields
            .iter()
            .enumerate()
            .filter_map(|(position, value)| Some((sensitive.get(&position)?.as_str(), value)))
            .collect();
        let sealed = seal(&mut self.sealer, record, &values, backoff).await?;
        let mut values = sealed.values.iter();
        let line = row::encode_cells(fields.cells().enumerate().map(|(position, cell)| {
            match sensitive.contains_key(&position) {
                // As many as there are sensitive columns.
                true => Cell { text: values.next().map_or("", String::as_str), ..cell },
                false => cell,
            }
        }));
        Ok(EncodedRow { line, data_key: Some(sealed.data_key) })
    }
}

/// Returns the positions of the sensitive columns. A missing one fails the object: the column may be there under
/// another name, and would leave in clear.
fn find(fields: &[SensitiveField], headers: &[String]) -> Result<BTreeMap<usize, String>, Fault> {
    let mut found = BTreeMap::new();
    for SensitiveField { from, .. } in fields {
        let position = columns::find(headers, from)
            .map_err(|ambiguous| Fault::new(Reason::DuplicateHeader, ambiguous.to_string()))?;
        let Some(position) = position else {
            return Err(Fault::new(Reason::MissingColumn, MissingColumns(vec![from.clone()]).to_string()));
        };
        // `transform` takes the exact name; a column with a similar one would continue in clear.
        let alike = headers.iter().filter(|header| columns::same(header, from));
        if alike.count() > 1 {
            let message = format!("the file has several columns `{from}`, which is sensitive");
            return Err(Fault::new(Reason::DuplicateHeader, message));
        }
        found.insert(position, columns::trim(from).to_owned());
    }
    Ok(found)
}

async fn seal<K: Kms>(
    sealer: &mut Sealer<K>,
    record: &str,
    values: &[(&str, &str)],
    backoff: Backoff,
) -> Result<sealing::Sealed, Fault> {
    let mut attempt = 1;
    loop {
        match sealer.seal(record, values).await {
            Ok(sealed) => return Ok(sealed),
            Err(SealError::Kms(KmsError::Unavailable { code, retryable: true }))
                if attempt < backoff.attempts() =>
            {
                tracing::warn!(code, attempt, "KMS did not return a data key");
                backoff.pause(attempt).await;
                attempt += 1;
            }
            // Another task may have more luck, and continues at the checkpoint.
            Err(SealError::Kms(error @ KmsError::Unavailable { retryable: true, .. })) => {
                return Err(Fault::new(Reason::Interrupted, error.to_string()));
            }
            Err(error) => {
                let message = format!("could not encrypt the sensitive columns: {error}");
                return Err(Fault::new(Reason::NotEncrypted, message));
            }
        }
    }
}
