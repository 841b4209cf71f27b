//! [`Kms`] by the AWS SDK.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use contract::environment::DATA_KEY_CONTEXT;
use runtime::{CallError, call_error};
use zeroize::Zeroizing;

use crate::kms::{DataKey, Kms, KmsError};

/// [`Kms`] by the AWS SDK.
#[derive(Debug, Clone)]
pub struct AwsKms {
    client: Client,
    key: String,
}

impl AwsKms {
    /// Creates a client for data keys under the KMS key with the ARN `key`, and no other: an encrypted data key can
    /// name any key.
    #[must_use]
    pub const fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }
}

impl Kms for AwsKms {
    async fn generate(&self, object: &str) -> Result<DataKey, KmsError> {
        let answer = self
            .client
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(DATA_KEY_CONTEXT, object)
            .send()
            .await
            .map_err(|error| unavailable(call_error(&error)))?;
        match (answer.plaintext, answer.ciphertext_blob) {
            (Some(plain), Some(encrypted)) => {
                Ok(DataKey { plain: Zeroizing::new(plain.into_inner()), encrypted: encrypted.into_inner() })
            }
            _ => Err(no_key()),
        }
    }

    async fn decrypt(&self, encrypted: &[u8], object: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let answer = self
            .client
            .decrypt()
            .ciphertext_blob(Blob::new(encrypted))
            .key_id(&self.key)
            .encryption_context(DATA_KEY_CONTEXT, object)
            .send()
            .await
            .map_err(|error| refused(call_error(&error)))?;
        let plain = answer.plaintext.ok_or_else(no_key)?;
        Ok(Zeroizing::new(plain.into_inner()))
    }
}

fn unavailable(error: CallError) -> KmsError {
    KmsError::Unavailable { code: error.code, retryable: error.retryable }
}

fn no_key() -> KmsError {
    KmsError::Unavailable { code: "NoKeyInAnswer".into(), retryable: true }
}

/// Returns the error of a decryption.
///
/// A wrong context is an `InvalidCiphertextException` too, and a blob of no or too many bytes a `ValidationException`.
/// A data key of another KMS key may be of the one that was in use before, so it waits until a person decides.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html>
fn refused(error: CallError) -> KmsError {
    match error.code.as_str() {
        "InvalidCiphertextException" | "ValidationException" => KmsError::Undecryptable(error.code),
        _ => unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_data_key_is_final() {
        let kind =
            |code: &str| refused(CallError { code: code.into(), message: String::new(), retryable: false });
        assert!(matches!(kind("InvalidCiphertextException"), KmsError::Undecryptable(_)));
        assert!(matches!(kind("ValidationException"), KmsError::Undecryptable(_)));
        for code in [
            "IncorrectKeyException",
            "ThrottlingException",
            "AccessDeniedException",
            "DisabledException",
            "Timeout",
        ] {
            assert!(matches!(kind(code), KmsError::Unavailable { .. }), "{code}");
        }
    }
}
