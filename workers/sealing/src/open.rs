//! Opening, in `load`: a few data keys stay in memory, since the rows of an object arrive in many messages.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::cipher::{Cipher, Place};
use crate::kms::{Kms, KmsError};

/// The number of data keys that are kept: more than the objects that are usually read at once.
const MAX_KEYS: usize = 64;

/// A reader of sealed values, which decrypts them.
#[derive(Debug)]
pub struct Opener<K> {
    kms: K,
    /// The keys that were used last, the latest first. A key that is dropped is wiped by the cipher's own clean-up.
    keys: Mutex<VecDeque<Cached>>,
}

#[derive(Debug)]
struct Cached {
    object: String,
    data_key: String,
    cipher: Arc<Cipher>,
}

/// The reason why a value was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It will never be opened: it was changed, moved, or sealed with another key.
    #[error("the value can't be decrypted")]
    Undecryptable,
    /// KMS returned no key for now; the code tells why.
    #[error("KMS did not return a data key: {0}")]
    Unavailable(String),
}

impl<K: Kms> Opener<K> {
    /// Creates an opener that requests keys from `kms`.
    pub const fn new(kms: K) -> Self {
        Self { kms, keys: Mutex::const_new(VecDeque::new()) }
    }

    /// Opens the value that was sealed at `place`, with the key whose encrypted form is `data_key`.
    ///
    /// # Errors
    /// [`OpenError`], by the way in which it can be handled.
    pub async fn open(
        &self,
        data_key: &str,
        place: Place<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<String>, OpenError> {
        let cipher = self.cipher(data_key, place.object).await?;
        cipher.open(place, sealed).ok_or(OpenError::Undecryptable)
    }

    async fn cipher(&self, data_key: &str, object: &str) -> Result<Arc<Cipher>, OpenError> {
        // Held during the call: rows that wait for the same key request it once.
        let mut keys = self.keys.lock().await;
        let known = keys.iter().position(|key| key.data_key == data_key && key.object == object);
        if let Some(key) = known.and_then(|position| keys.remove(position)) {
            let cipher = Arc::clone(&key.cipher);
            keys.push_front(key);
            return Ok(cipher);
        }
        let encrypted = STANDARD.decode(data_key).map_err(|_| OpenError::Undecryptable)?;
        let plain = self.kms.decrypt(&encrypted, object).await.map_err(|error| match error {
            KmsError::Undecryptable(_) => OpenError::Undecryptable,
            KmsError::Unavailable { code, .. } => OpenError::Unavailable(code),
        })?;
        let cipher = Arc::new(Cipher::new(&plain).map_err(|_| OpenError::Undecryptable)?);
        let cached =
            Cached { object: object.to_owned(), data_key: data_key.to_owned(), cipher: Arc::clone(&cipher) };
        keys.push_front(cached);
        keys.truncate(MAX_KEYS);
        Ok(cipher)
    }
}
