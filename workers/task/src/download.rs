//! The download: an object as one stream of bytes, though it arrives in parts and the connection may break.
//!
//! The object is requested in ranges of [`PART`] bytes. While the rows of one part are published, the next one is
//! fetched: a bus that is slow holds no connection open, and a fast one doesn't wait for S3. Two parts are in memory at
//! most.
//!
//! A broken body is opened again at the byte that was reached. The source ensures that it is still the same version of
//! the object; bytes are never read twice, so no row is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use runtime::Backoff;
use runtime::s3::ObjectError;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinSet;

/// Bytes of one request: large enough that requests cost little, small enough that two parts fit a small task.
pub const PART: u64 = 4 << 20;
/// Bytes that are handed over at a time.
const PIECE: usize = 64 * 1024;

/// A source of the object's bytes. Implemented by [`crate::aws::S3Object`], and by fakes in tests.
pub trait Source: Send + Sync {
    /// Opens the object at byte `from`, for bytes up to `to`, the one after the last. The object may end before, and be
    /// empty.
    fn open(&self, from: u64, to: u64) -> impl Future<Output = Result<Opened, ObjectError>> + Send;
}

/// An object that is open for reading.
pub struct Opened {
    /// The first byte of the body. A server may ignore the range and send the whole object (RFC 9110, section 14.2).
    pub from: u64,
    /// The bytes from there on, if there are any.
    pub body: Pin<Box<dyn AsyncRead + Send>>,
    /// The length of the whole object, if the source names it.
    pub length: Option<u64>,
}

/// An object that could not be read completely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at byte {offset}")]
pub struct ReadError {
    /// Error code of the last attempt.
    pub code: String,
    /// The byte that could not be read.
    pub offset: u64,
}

/// A download of a [`Source`] from its first byte to its last, or from any other.
pub struct Download<S> {
    source: Arc<S>,
    backoff: Backoff,
    /// Bytes of one request.
    part_size: u64,
    /// The part that is being handed over, and the number of its bytes that have been.
    part: Part,
    used: usize,
    /// The fetch of the next part, one at most. It ends with the download.
    next: JoinSet<Part>,
    offset: u64,
    /// Length of the whole object.
    length: Option<u64>,
}

/// The result of one request and its repetitions.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    /// The reason why there are no more bytes, if there should be.
    error: Option<ReadError>,
    length: Option<u64>,
    /// `true` if the source had fewer bytes than requested, and does not name the length of the object.
    last: bool,
}

impl<S: Source + 'static> Download<S> {
    /// Creates a download of `source`, which may fail as often in a row as `backoff` allows.
    pub fn new(source: S, backoff: Backoff) -> Self {
        Self::in_parts(source, backoff, PART)
    }

    /// Creates a download in parts of `part_size` bytes.
    pub(crate) fn in_parts(source: S, backoff: Backoff, part_size: u64) -> Self {
        Self {
            source: Arc::new(source),
            backoff,
            part_size: part_size.max(1),
            part: Part::default(),
            used: 0,
            next: JoinSet::new(),
            offset: 0,
            length: None,
        }
    }

    /// Returns the position of the next bytes in the object.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length of the object, as far as it is known: at the end, it is.
    pub fn length(&self) -> u64 {
        self.length.unwrap_or(self.offset)
    }

    /// Continues at byte `offset`.
    pub fn seek(&mut self, offset: u64) {
        self.next = JoinSet::new();
        (self.part, self.used) = (Part::default(), 0);
        self.offset = offset;
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] when the object is unreadable, or every attempt to continue failed.
    pub async fn read(&mut self) -> Result<Option<&[u8]>, ReadError> {
        while self.used == self.part.bytes.len() {
            if let Some(error) = self.part.error.take() {
                return Err(error);
            }
            if self.part.last || self.length.is_some_and(|length| self.offset >= length) {
                return Ok(None);
            }
            if self.next.is_empty() {
                self.fetch(self.offset);
            }
            let joined = self.next.join_next().await;
            // A fetch can't panic on anything that a source returns; if it ever does, the object is not complete.
            self.part = joined.and_then(Result::ok).unwrap_or_else(|| Part {
                error: Some(ReadError { code: "Panicked".into(), offset: self.offset }),
                ..Part::default()
            });
            self.used = 0;
            self.length = self.part.length.or(self.length);
            let end = self.offset + self.part.bytes.len() as u64;
            if self.part.error.is_none() && !self.part.last && self.length.is_none_or(|length| end < length) {
                self.fetch(end);
            }
        }
        let from = self.used;
        self.used = self.part.bytes.len().min(from + PIECE);
        self.offset += (self.used - from) as u64;
        Ok(self.part.bytes.get(from..self.used))
    }

    fn fetch(&mut self, from: u64) {
        let to = from.saturating_add(self.part_size);
        self.next.spawn(fetch(Arc::clone(&self.source), self.backoff, from, to, self.length));
    }
}

/// Fetches the bytes from `from` to `to`, in as many requests as that takes.
async fn fetch<S: Source>(source: Arc<S>, backoff: Backoff, from: u64, to: u64, length: Option<u64>) -> Part {
    let mut part = Part { length, ..Part::default() };
    // Attempts since the last byte arrived. A part may break more often than that, as long as it makes progress.
    let mut failures = 0;
    loop {
        let before = part.bytes.len();
        let result = attempt(&*source, from, to, &mut part).await;
        if part.bytes.len() > before {
            failures = 0;
        }
        let offset = from + part.bytes.len() as u64;
        let code = match result {
            Ok(()) => {
                part.last = part.length.is_none() && offset < to;
                return part;
            }
            Err(ObjectError::Unreadable { code }) => {
                part.error = Some(ReadError { code, offset });
                return part;
            }
            Err(ObjectError::Transient { code }) => code,
        };
        failures += 1;
        // All bytes are here and the body still failed: its checksum is wrong, and there is nothing left to request.
        let nothing_left = offset > 0 && part.length.map(|length| length.min(to)) == Some(offset);
        if nothing_left || failures >= backoff.attempts() {
            part.error = Some(ReadError { code, offset });
            return part;
        }
        tracing::warn!(code, offset, attempt = failures, "reading again from here");
        backoff.pause(failures).await;
    }
}

/// Sends one request for the bytes that the part lacks.
async fn attempt<S: Source>(source: &S, from: u64, to: u64, part: &mut Part) -> Result<(), ObjectError> {
    let start = from + part.bytes.len() as u64;
    let opened = source.open(start, to).await?;
    part.length = opened.length.or(part.length);
    let end = part.length.map_or(to, |length| length.min(to));
    let Some(known) = start.checked_sub(opened.from) else {
        return Err(ObjectError::transient("WrongRange"));
    };
    let mut body = opened.body;
    let broken = |error: std::io::Error| ObjectError::broken(&error);
    // Bytes that were read before, or that were not requested.
    tokio::io::copy(&mut (&mut body).take(known), &mut tokio::io::sink()).await.map_err(broken)?;
    // One byte more than expected would not be a part of this range.
    let mut body = body.take(to - start);
    let missing =
        usize::try_from(end.saturating_sub(start)).map_err(|_| ObjectError::transient("TooLarge"))?;
    part.bytes.reserve_exact(missing);
    let read = body.read_to_end(&mut part.bytes).await;
    read.map_err(broken)?;
    let reached = from + part.bytes.len() as u64;
    match part.length.is_some() && reached < end {
        true => Err(ObjectError::transient("BodyTooShort")),
        false => Ok(()),
    }
}
