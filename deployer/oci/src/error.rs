//! The reasons why an image cannot be had.

use crate::layer::LayerError;

/// The reason why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A reference to something else.
    #[error(
        "`{0}` is not an image of the local cloud's registry, such as 000000000000.dkr.ecr.us-east-1.amazonaws.com/name@sha256:…"
    )]
    Reference(String),
    /// An answer of a registry that lacks the image.
    #[error("the registry answers {status} for {what}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The part that was asked for.
        what: String,
    },
    /// A part with another digest than the one that was asked for.
    #[error("the digest of {what} is sha256:{found}, not sha256:{expected}")]
    Digest {
        /// The part that arrived.
        what: String,
        /// Digest as asked for.
        expected: String,
        /// Digest as it arrived.
        found: String,
    },
    /// An image with a property that the local cloud cannot run.
    #[error("{0}")]
    Unsupported(String),
    /// A registry that does not answer.
    #[error("the registry does not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// A document that differs from the specification.
    #[error("{what} is not valid: {error}")]
    Json {
        /// Name of the document.
        what: String,
        /// The error in it.
        error: serde_json::Error,
    },
    /// An error of a layer.
    #[error("a layer of the image cannot be unpacked: {0}")]
    Layer(#[from] LayerError),
    /// An error of the disk.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
