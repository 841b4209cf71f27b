//! [`Kms`] by AWS KMS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{CallError, Client, Service};
use contract::environment::DATA_KEY_CONTEXT;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::kms::{DataKey, Kms, KmsError};

/// [`Kms`] by AWS KMS.
#[derive(Debug, Clone)]
pub struct AwsKms {
    client: Client,
    key: String,
}

/// The answer of both operations: binary values in Base64.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    plaintext: Option<String>,
    ciphertext_blob: Option<String>,
}

impl Answer {
    fn plain(self) -> Option<Zeroizing<Vec<u8>>> {
        let plain = Zeroizing::new(self.plaintext?);
        Some(Zeroizing::new(STANDARD.decode(plain.as_bytes()).ok()?))
    }
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
        let input = json!({
            "KeyId": self.key,
            "KeySpec": "AES_256",
            "EncryptionContext": { DATA_KEY_CONTEXT: object },
        });
        let answer = self.client.json::<_, Answer>(Service::Kms, "GenerateDataKey", &input).await;
        let answer = answer.map_err(|failure| unavailable(failure.into()))?;
        let encrypted = answer.ciphertext_blob.as_ref().and_then(|blob| STANDARD.decode(blob).ok());
        match (answer.plain(), encrypted) {
            (Some(plain), Some(encrypted)) => Ok(DataKey { plain, encrypted }),
            _ => Err(no_key()),
        }
    }

    async fn decrypt(&self, encrypted: &[u8], object: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let input = json!({
            "CiphertextBlob": STANDARD.encode(encrypted),
            "KeyId": self.key,
            "EncryptionContext": { DATA_KEY_CONTEXT: object },
        });
        let answer = self.client.json::<_, Answer>(Service::Kms, "Decrypt", &input).await;
        answer.map_err(|failure| refused(failure.into()))?.plain().ok_or_else(no_key)
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
