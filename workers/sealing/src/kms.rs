//! What is asked of KMS.

use std::future::Future;

use zeroize::Zeroizing;

/// A new data key. It has no `Debug`, so that nobody prints it.
pub struct DataKey {
    /// Its 32 bytes, which must not leave the process.
    pub plain: Zeroizing<Vec<u8>>,
    /// The same, encrypted under the KMS key.
    pub encrypted: Vec<u8>,
}

/// Makes and decrypts data keys. Implemented by [`crate::AwsKms`], and by fakes in tests.
pub trait Kms: Send + Sync {
    /// A new data key of 256 bits for the object with this digest.
    fn generate(&self, object: &str) -> impl Future<Output = Result<DataKey, KmsError>> + Send;

    /// The data key that was made for the object with this digest.
    fn decrypt(
        &self,
        encrypted: &[u8],
        object: &str,
    ) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, KmsError>> + Send;
}

/// Why KMS gave no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// The encrypted key is none, or is of another KMS key or object: it will never be decrypted.
    #[error("KMS can't decrypt the data key: {0}")]
    Undecryptable(String),
    /// KMS gave none for now: it is out of reach or throttles, or the caller may not use the key.
    #[error("KMS did not return a data key: {code}")]
    Unavailable {
        /// The service's error code, or the kind of failure.
        code: String,
        /// Whether the same call may succeed in a moment, with nobody's help.
        retryable: bool,
    },
}
