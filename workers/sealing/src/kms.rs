//! Data keys, and the calls of KMS that make them.

use std::future::Future;

use zeroize::Zeroizing;

/// A new data key. It has no `Debug`, so that it cannot be printed.
pub struct DataKey {
    /// Its 32 bytes, which must not leave the process.
    pub plain: Zeroizing<Vec<u8>>,
    /// The same key, encrypted under the KMS key.
    pub encrypted: Vec<u8>,
}

/// A source of data keys. Implemented by [`crate::AwsKms`], and by fakes in tests.
pub trait Kms: Send + Sync {
    /// Generates a data key of 256 bits for the object with this digest.
    fn generate(&self, object: &str) -> impl Future<Output = Result<DataKey, KmsError>> + Send;

    /// Decrypts the data key that was generated for the object with this digest.
    fn decrypt(
        &self,
        encrypted: &[u8],
        object: &str,
    ) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, KmsError>> + Send;
}

/// The reason why KMS returned no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// The encrypted key is not valid, or is of another KMS key or object: it will never be decrypted.
    #[error("KMS can't decrypt the data key: {0}")]
    Undecryptable(String),
    /// KMS returned no key for now: it cannot be reached or throttles, or the caller may not use the key.
    #[error("KMS did not return a data key: {code}")]
    Unavailable {
        /// The service's error code, or the kind of failure.
        code: String,
        /// `true` if the same call may succeed in a moment, without anybody's help.
        retryable: bool,
    },
}
