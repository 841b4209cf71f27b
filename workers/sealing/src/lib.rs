//! Sensitive fields: encrypted in the task, decrypted by `load`. Between the two, in events, queues and logs, a value
//! is `enc:v1:` and the Base64 of nonce, ciphertext and tag.
//!
//! AES-256-GCM, with a data key of KMS for each object and task. A value is bound to its object, row and column: moved
//! to another place it can't be opened. Two things stay visible: whether a value is empty, and its length.

mod aws;
mod cipher;
mod kms;
mod open;
mod seal;

pub use aws::AwsKms;
pub use cipher::{Place, is_sealed, self_contained};
pub use kms::{DataKey, Kms, KmsError};
pub use open::{OpenError, Opener};
pub use seal::{SealError, Sealed, Sealer};
