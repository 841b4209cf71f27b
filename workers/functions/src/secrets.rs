//! Sensitive attributes, in `load`: decrypted before they are written, or prepared to be kept encrypted.

use contract::RecordRef;
use contract::row::Cell;
use contract::settings::SensitiveField;
use sealing::{Kms, OpenError, Opener, Place};
use serde_json::{Map, Value};
use transform::sensitive::SensitiveValue;
use transform::value::to_event_json;
use transform::{Failure, Problem};

/// The handling of sensitive attributes in `load`, which takes them sealed, and in no other form.
#[derive(Debug)]
pub struct Secrets<K> {
    fields: Vec<Secret>,
    /// `None`: they stay encrypted.
    opener: Option<Opener<K>>,
}

/// A sensitive attribute.
#[derive(Debug)]
struct Secret {
    /// Name of the attribute.
    name: String,
    /// Name of the column.
    from: String,
    /// The conversion of the text; `None` if it stays as it is.
    conversion: Option<SensitiveValue>,
}

/// Reads the fields.
fn secrets(fields: Vec<SensitiveField>) -> Result<Vec<Secret>, Vec<Problem>> {
    let secret = |field: SensitiveField| {
        let conversion = field.settings.as_deref().map(SensitiveValue::new).transpose()?;
        Ok(Secret { name: field.name, from: field.from, conversion })
    };
    fields.into_iter().map(secret).collect()
}

/// The reason why an item is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretError {
    /// It will never be written: this attribute was changed, moved, never sealed, or is not a sensitive one.
    Undecryptable(String),
    /// There is no key for now; the sentence says why.
    Unavailable(String),
    /// The value breaks a rule of its field.
    Failed(Failure),
}

impl<K: Kms> Secrets<K> {
    /// Creates the handling that decrypts the attributes `fields` with keys that `kms` decrypts.
    ///
    /// # Errors
    /// The problems of settings that the deployer would not have deployed.
    pub fn decrypted(fields: Vec<SensitiveField>, kms: K) -> Result<Self, Vec<Problem>> {
        Ok(Self { fields: secrets(fields)?, opener: Some(Opener::new(kms)) })
    }

    /// Creates the handling that keeps the attributes `fields` encrypted.
    ///
    /// # Errors
    /// The problems of settings that the deployer would not have deployed.
    pub fn encrypted(fields: Vec<SensitiveField>) -> Result<Self, Vec<Problem>> {
        Ok(Self { fields: secrets(fields)?, opener: None })
    }

    /// Converts the sensitive attributes of a row into the form in which the table keeps them. Returns the number of
    /// timestamps among them whose second 60 was taken as 59.
    ///
    /// # Errors
    /// [`SecretError`]; the attributes are of no use then.
    pub async fn reveal(
        &self,
        object: &str,
        record: &RecordRef,
        attributes: &mut Map<String, Value>,
        data_key: Option<&str>,
    ) -> Result<u32, SecretError> {
        let mut leap_seconds = 0;
        for Secret { name, from, conversion } in &self.fields {
            let Some(value) = attributes.get_mut(name) else { continue };
            let undecryptable = || SecretError::Undecryptable(name.clone());
            // A value in clear was never sealed: its sender is not the task.
            let sealed = value.as_str().ok_or_else(undecryptable)?;
            if sealed.is_empty() {
                continue;
            }
            let data_key = data_key.ok_or_else(undecryptable)?;
            let place = Place { object, record: &record.id, column: from.trim() };
            let opened = match &self.opener {
                None => {
                    let stored =
                        sealing::self_contained(data_key, place, sealed).ok_or_else(undecryptable)?;
                    *value = Value::String(stored);
                    continue;
                }
                Some(opener) => match opener.open(data_key, place, sealed).await {
                    Ok(text) => text,
                    Err(OpenError::Undecryptable) => return Err(undecryptable()),
                    Err(error @ OpenError::Unavailable(_)) => {
                        return Err(SecretError::Unavailable(error.to_string()));
                    }
                },
            };
            // The item needs a text of its own, which can't be wiped.
            let Some(conversion) = conversion else {
                *value = Value::String(opened.to_string());
                continue;
            };
            let converted = conversion.convert(Cell::from(opened.as_str())).map_err(SecretError::Failed)?;
            match converted {
                Some((converted, leaps)) => {
                    *value = to_event_json(&converted);
                    leap_seconds += leaps;
                }
                None => {
                    attributes.remove(name);
                }
            }
        }
        // Sealed for a field that is not sensitive any more: without its data key, it could never be opened.
        let sealed = |(name, value): (&String, &Value)| {
            let known = self.fields.iter().any(|field| field.name == *name);
            let place = Place { object, record: &record.id, column: "" };
            let stranded = sealing::self_contained(data_key?, place, value.as_str()?).is_some() && !known;
            stranded.then(|| name.clone())
        };
        let stranded = attributes.iter().find_map(sealed);
        stranded.map_or(Ok(leap_seconds), |name| Err(SecretError::Undecryptable(name)))
    }
}
