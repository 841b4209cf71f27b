//! Why an image cannot be had.

use crate::layer::LayerError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The reference names something else.
    #[error(
        "`{0}` is not an image of the local cloud's registry, such as 000000000000.dkr.ecr.us-east-1.amazonaws.com/name@sha256:…"
    )]
    Reference(String),
    /// The registry lacks it.
    #[error("the registry answers {status} for {what}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// What came is not what was asked for.
    #[error("the digest of {what} is sha256:{found}, not sha256:{expected}")]
    Digest {
        /// What came.
        what: String,
        /// As asked for.
        expected: String,
        /// As it came.
        found: String,
    },
    /// It has something that the local cloud cannot run.
    #[error("{0}")]
    Unsupported(String),
    /// The registry does not answer.
    #[error("the registry does not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// It is not what the specification says.
    #[error("{what} is not valid: {error}")]
    Json {
        /// Which document.
        what: String,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A layer.
    #[error("a layer of the image cannot be unpacked: {0}")]
    Layer(#[from] LayerError),
    /// The disk.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
