//! The object as one stream of bytes, though it comes in parts and the connection may break on the way.
//!
//! The object is asked for in ranges of [`PART`] bytes. While the rows of one part are published, the next one is fetched:
//! a bus that is slow holds no connection open, and a fast one doesn't wait for S3. Two parts are in memory at most.
//!
//! A broken body is opened again at the byte that was reached. The source makes sure that it is still the same version
//! of the object; what has been read is never read twice, so no row is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use runtime::Backoff;
use runtime::s3::ObjectError;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinSet;

/// Bytes of one request: large enough that requests cost little, small enough that two parts fit a small task.
pub const PART: u64 = 8 << 20;
/// Bytes handed over at a time.
const PIECE: usize = 64 * 1024;

/// Where the object's bytes come from. Implemented by [`crate::aws::S3Object`], and by fakes in tests.
pub trait Source: Send + Sync {
    /// Opens the object at byte `from`, for bytes up to `to`, the one behind the last. The object may end before, and
    /// be empty.
    fn open(&self, from: u64, to: u64) -> impl Future<Output = Result<Opened, ObjectError>> + Send;
}

/// An object that is open for reading.
pub struct Opened {
    /// Where the body begins. A server may ignore the wish for a range and send all of the object (RFC 9110, section
    /// 14.2).
    pub from: u64,
    /// The bytes from there on, as far as there are any.
    pub body: Pin<Box<dyn AsyncRead + Send>>,
    /// How many bytes the whole object has, if the source says so.
    pub length: Option<u64>,
}

/// The object could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at byte {offset}")]
pub struct ReadError {
    /// Error code of the last attempt.
    pub code: String,
    /// The byte that could not be read.
    pub offset: u64,
}

/// Reads a [`Source`] from its first byte to its last, or from any other.
pub struct Download<S> {
    source: Arc<S>,
    backoff: Backoff,
    /// Bytes of one request.
    part_size: u64,
    /// The part that is being handed over, and how much of it has been.
    part: Part,
    used: usize,
    /// The fetch of the part behind it, one at most. It ends with the download.
    next: JoinSet<Part>,
    offset: u64,
    /// Length of the whole object.
    length: Option<u64>,
}

/// What came of one request and its repetitions.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    /// Why there are no more bytes, if there should be.
    error: Option<ReadError>,
    length: Option<u64>,
    /// The source had fewer bytes than asked for, and doesn't say how many the object has.
    last: bool,
}

impl<S: Source + 'static> Download<S> {
    /// Reads `source`; `backoff` says how often it may fail in a row.
    pub fn new(source: S, backoff: Backoff) -> Self {
        Self::in_parts(source, backoff, PART)
    }

    /// Reads parts of `part_size` bytes.
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

    /// Where the next bytes stand in the object.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes the object has, as far as that is known: at the end, it is.
    pub fn length(&self) -> u64 {
        self.length.unwrap_or(self.offset)
    }

    /// Goes on at byte `offset`.
    pub fn seek(&mut self, offset: u64) {
        self.next = JoinSet::new();
        (self.part, self.used) = (Part::default(), 0);
        self.offset = offset;
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] when the object is unreadable, or every attempt to go on failed.
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
            // A fetch can't panic on anything that a source gives; if it ever does, the object is not complete.
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
    // Attempts since the last byte arrived. A part may break more often than that, as long as it moves.
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
        // All bytes are here and the body still failed: its checksum is wrong, and there is nothing left to ask for.
        let nothing_left = offset > 0 && part.length.map(|length| length.min(to)) == Some(offset);
        if nothing_left || failures >= backoff.attempts() {
            part.error = Some(ReadError { code, offset });
            return part;
        }
        tracing::warn!(code, offset, attempt = failures, "reading again from here");
        backoff.pause(failures).await;
    }
}

/// One request for what is missing of the part.
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
    // Bytes that were read before, or that nobody asked for.
    tokio::io::copy(&mut (&mut body).take(known), &mut tokio::io::sink()).await.map_err(broken)?;
    // One byte more than expected would be no part of this range.
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
