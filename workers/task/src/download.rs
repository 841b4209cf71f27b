//! The object as one stream of bytes, though the connection may break on the way.
//!
//! A broken body is opened again at the byte that was reached. The source makes sure that it is still the same version
//! of the object; what has been read is never read twice, so no row is.

use std::future::Future;
use std::pin::Pin;

use publisher::Backoff;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const BUFFER: usize = 64 * 1024;

/// Where the object's bytes come from. Implemented by [`crate::aws::S3Object`], and by fakes in tests.
pub trait Source: Send + Sync {
    /// Opens the object at byte `from`.
    fn open(&self, from: u64) -> impl Future<Output = Result<Opened, OpenError>> + Send;
}

/// An object that is open for reading.
pub struct Opened {
    /// The bytes from the one asked for to the last.
    pub body: Pin<Box<dyn AsyncRead + Send>>,
    /// How many bytes the body has, if the source says so.
    pub length: Option<u64>,
}

/// Why an object cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// It is gone, replaced or forbidden; another attempt doesn't help.
    Unreadable {
        /// The service's error code.
        code: String,
    },
    /// The service or the way to it failed; another attempt may help.
    Transient {
        /// The service's error code, or the kind of failure.
        code: String,
    },
}

/// The object could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at byte {offset}")]
pub struct ReadError {
    /// Error code of the last attempt.
    pub code: String,
    /// Bytes that were read.
    pub offset: u64,
}

/// Reads a [`Source`] from its first byte to its last.
pub struct Download<S> {
    source: S,
    backoff: Backoff,
    body: Option<Pin<Box<dyn AsyncRead + Send>>>,
    buffer: Vec<u8>,
    offset: u64,
    /// Length of the whole object.
    length: Option<u64>,
    /// Attempts since the last byte arrived. A long download may break more often than that, as long as it moves.
    failures: u32,
}

impl<S: Source> Download<S> {
    /// Reads `source`; `backoff` says how often it may fail in a row.
    pub fn new(source: S, backoff: Backoff) -> Self {
        Self { source, backoff, body: None, buffer: vec![0; BUFFER], offset: 0, length: None, failures: 0 }
    }

    /// Bytes read so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] when the object is unreadable, or every attempt to go on failed.
    pub async fn read(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let read = loop {
            let code = match self.attempt().await {
                Ok(read) => break read,
                Err(OpenError::Unreadable { code }) => return Err(ReadError { code, offset: self.offset }),
                Err(OpenError::Transient { code }) => code,
            };
            self.body = None;
            self.failures += 1;
            // All bytes are here and the body still failed: its checksum is wrong, and there is nothing left to ask for.
            let nothing_left = self.offset > 0 && self.length == Some(self.offset);
            if nothing_left || self.failures >= self.backoff.attempts() {
                return Err(ReadError { code, offset: self.offset });
            }
            tracing::warn!(code, offset = self.offset, attempt = self.failures, "reading again from here");
            self.backoff.pause(self.failures).await;
        };
        if read == 0 {
            return Ok(None);
        }
        self.failures = 0;
        self.offset += read as u64;
        Ok(self.buffer.get(..read))
    }

    async fn attempt(&mut self) -> Result<usize, OpenError> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let opened = self.source.open(self.offset).await?;
                self.length = opened.length.map(|length| length + self.offset).or(self.length);
                self.body.insert(opened.body)
            }
        };
        match body.read(&mut self.buffer).await {
            Ok(0) if self.length.is_some_and(|length| self.offset < length) => {
                Err(OpenError::Transient { code: "BodyTooShort".into() })
            }
            Ok(read) => Ok(read),
            Err(error) => Err(OpenError::Transient { code: format!("Body{:?}", error.kind()) }),
        }
    }
}
