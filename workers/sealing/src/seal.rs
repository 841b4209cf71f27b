//! Sealing, in the task: one object, one data key at a time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cipher::{Cipher, Place};
use crate::kms::{Kms, KmsError};

/// The number of values that one key seals at most: with random nonces of 96 bits, NIST SP 800-38D (8.3) allows 2^32.
const MAX_VALUES: u64 = 1 << 32;

/// A writer of sealed values, for one object.
#[derive(Debug)]
pub struct Sealer<K> {
    kms: K,
    object: String,
    max_values: u64,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    cipher: Cipher,
    data_key: Arc<str>,
    values: u64,
}

/// The sealed values of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The values in the order in which they were given. Empty ones are empty.
    pub values: Vec<String>,
    /// The key that they were sealed with, encrypted, as the event carries it. Rows with different keys need different
    /// events.
    pub data_key: Arc<str>,
}

/// The reason why a row was not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The cipher or the source of random numbers failed.
    #[error("the value could not be encrypted")]
    Cipher,
}

impl<K: Kms> Sealer<K> {
    /// Creates a sealer for the values of the object with the digest `object`.
    pub const fn new(kms: K, object: String) -> Self {
        Self { kms, object, max_values: MAX_VALUES, current: None }
    }

    /// Limits the number of values of each key. Without it, each key seals as many as are safe.
    pub const fn change_key_after(&mut self, values: u64) {
        self.max_values = values;
    }

    /// Seals pairs of column and value of the row with the ID `record`, all with one key.
    ///
    /// # Errors
    /// [`SealError`] when there is no key, or encryption fails. No value is returned then.
    pub async fn seal(&mut self, record: &str, values: &[(&str, &str)]) -> Result<Sealed, SealError> {
        let count = values.len() as u64;
        let current = match self.current.take() {
            Some(current) if current.values.saturating_add(count) <= self.max_values => current,
            _ => {
                let key = self.kms.generate(&self.object).await?;
                let cipher = Cipher::new(&key.plain).map_err(|_| SealError::Cipher)?;
                Current { cipher, data_key: STANDARD.encode(&key.encrypted).into(), values: 0 }
            }
        };
        let current = self.current.insert(current);
        current.values = current.values.saturating_add(count);
        let object = self.object.as_str();
        let seal = |&(column, value): &(&str, &str)| match value {
            "" => Ok(String::new()),
            value => current.cipher.seal(Place { object, record, column }, value),
        };
        let values = values.iter().map(seal).collect::<Result<_, _>>().map_err(|_| SealError::Cipher)?;
        Ok(Sealed { values, data_key: Arc::clone(&current.data_key) })
    }
}

#[cfg(test)]
mod tests;
