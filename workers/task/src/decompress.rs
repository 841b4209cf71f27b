//! The decoder, which returns the text of an object whose bytes may be compressed: gzip and zstd, recognized by their
//! first bytes.
//!
//! It is between [`crate::download`] and [`crate::encoding`]. Offsets are those of the stored bytes: when the connection
//! breaks, the download continues at the stored byte that it had reached, and the decoder does not notice the break. So
//! no text is decoded twice, and rows keep their numbers.
//!
//! Memory doesn't depend on the bytes: the text is returned in pieces of `BUFFER` bytes, however many of them a byte
//! stands for, and windows are bounded. Bytes that can't be decoded are a [`Fault`], and so is an end that comes too
//! early.
//!
//! No I/O: [`Decoder::feed`] takes bytes, [`Decoder::end`] marks their end, [`Decoder::fill`] decodes a piece of text,
//! and [`Decoder::piece`] returns the part of it that is not consumed yet.

use std::io::{self, BufRead, ErrorKind, Read};
use std::ops::Range;

use contract::Reason;
use flate2::bufread::GzDecoder;
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation as _};

use crate::reader::Fault;

/// Bytes of text that are returned at a time.
const BUFFER: usize = 64 * 1024;
/// RFC 1952, section 2.3.1.
const GZIP: &[u8] = b"\x1f\x8b";
/// RFC 8878, section 3.1.1.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// RFC 8878, section 3.1.2, after a first byte from 0x50 to 0x5f: a frame that is skipped. `pzstd` begins with one.
const SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
/// The number of first bytes that tell the formats apart.
const MAGIC: usize = 4;
/// The largest window of zstd, as a power of two: 128 MiB. The command `zstd` reads no larger ones either, unless told so.
const WINDOW: u32 = 27;

/// A decoder. See the module.
pub struct Decoder {
    format: Format,
    out: Vec<u8>,
    /// The bytes of `out` that are text and not consumed yet.
    ready: Range<usize>,
    /// Bytes of text decoded so far.
    given: u64,
}

enum Format {
    /// Too few bytes to decide.
    Unknown(Input),
    Plain(Input),
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Creates a decoder of one object.
    #[must_use]
    pub const fn new() -> Self {
        Self { format: Format::Unknown(Input::new()), out: Vec::new(), ready: 0..0, given: 0 }
    }

    /// Takes the next bytes of the object. To be called when [`Self::fill`] has returned `false`.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input().add(bytes);
    }

    /// Marks the end of the object. [`Self::fill`] then decodes the rest.
    pub fn end(&mut self) {
        self.input().ended = true;
    }

    /// Returns whether the end of the object was marked.
    #[must_use]
    pub fn is_ended(&mut self) -> bool {
        self.input().ended
    }

    /// Decodes the next piece of text, unless some of the last one is left; returns `false` if more bytes are needed, or
    /// at the end.
    ///
    /// # Errors
    /// A [`Fault`] when the bytes can't be decoded, or end too early. The text that was returned before it was not
    /// completely checked: the checksums follow the data.
    pub fn fill(&mut self) -> Result<bool, Fault> {
        if !self.ready.is_empty() {
            return Ok(true);
        }
        self.compressed()?;
        let (name, read) = match &mut self.format {
            Format::Unknown(_) => return Ok(false),
            Format::Plain(input) => return Ok(!input.rest().is_empty()),
            Format::Gzip(gzip) => (Kind::Gzip.name(), gzip.read(&mut self.out)),
            Format::Zstd(zstd) => (Kind::Zstd.name(), zstd.read(&mut self.out)),
        };
        let count = read.map_err(|error| fault(name, self.given, &error))?;
        self.given += count as u64;
        self.ready = 0..count;
        Ok(count > 0)
    }

    /// Returns the text that is decoded and not consumed yet.
    #[must_use]
    pub fn piece(&self) -> &[u8] {
        match &self.format {
            Format::Unknown(_) => &[],
            Format::Plain(input) => input.rest(),
            Format::Gzip(_) | Format::Zstd(_) => self.out.get(self.ready.clone()).unwrap_or_default(),
        }
    }

    /// Consumes `count` bytes of the piece.
    pub fn consume(&mut self, count: usize) {
        match &mut self.format {
            Format::Plain(input) => input.consume(count),
            _ => self.ready.start = (self.ready.start + count).min(self.ready.end),
        }
    }

    /// Continues with other bytes of an object that is not compressed, after the end was marked perhaps.
    pub fn resume(&mut self) {
        *self.input() = Input::new();
    }

    /// Returns whether the object is compressed; `None` while there are too few bytes to decide.
    ///
    /// # Errors
    /// A [`Fault`] when a decoder cannot be created.
    pub fn compressed(&mut self) -> Result<Option<bool>, Fault> {
        if let Format::Unknown(input) = &mut self.format {
            let Some(kind) = Kind::of(input) else { return Ok(None) };
            let input = std::mem::replace(input, Input::new());
            self.format = match kind {
                Kind::Plain => Format::Plain(input),
                Kind::Gzip => Format::Gzip(Box::new(Gzip::new(input))),
                Kind::Zstd => Format::Zstd(Box::new(
                    Zstd::new(input).map_err(|error| fault("zstd", self.given, &error))?,
                )),
            };
            if kind != Kind::Plain {
                tracing::info!(format = kind.name(), "the object is compressed");
                self.out = vec![0; BUFFER];
            }
        }
        Ok(Some(!matches!(self.format, Format::Plain(_))))
    }

    fn input(&mut self) -> &mut Input {
        match &mut self.format {
            Format::Unknown(input) | Format::Plain(input) => input,
            Format::Gzip(gzip) => gzip.decoder.get_mut(),
            Format::Zstd(zstd) => &mut zstd.input,
        }
    }

    #[cfg(test)]
    fn buffered(&mut self) -> usize {
        self.out.capacity() + self.input().bytes.capacity()
    }
}

/// Returns the fault for an error. The libraries' messages are fixed texts, and contain nothing of the object.
fn fault(format: &str, given: u64, error: &io::Error) -> Fault {
    let what = match error.kind() {
        ErrorKind::UnexpectedEof => "the object ends before it is complete".to_owned(),
        _ => error.to_string(),
    };
    Fault::new(
        Reason::InvalidCompression,
        format!("could not decode the {format} data after {given} bytes of text: {what}"),
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Gzip,
    Zstd,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Returns the format of the first bytes; `None` while there are too few of them. No text that is UTF-8 begins as
    /// gzip or a frame of zstd.
    fn of(input: &Input) -> Option<Self> {
        let head = input.rest().get(..MAGIC).unwrap_or(input.rest());
        let (skippable, behind) = match head.split_first() {
            Some((0x50..=0x5f, behind)) => (true, behind),
            _ => (false, head),
        };
        if head.starts_with(GZIP) {
            Some(Self::Gzip)
        } else if head.starts_with(ZSTD) || (skippable && behind.starts_with(SKIPPABLE)) {
            Some(Self::Zstd)
        } else {
            let may_become = [GZIP, ZSTD].iter().any(|magic| magic.starts_with(head))
                || (skippable && SKIPPABLE.starts_with(behind));
            (!may_become || input.ended).then_some(Self::Plain)
        }
    }
}

/// Bytes of the object that are not decoded yet. As a reader, it has nothing *yet* where others would be at their end.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    used: usize,
    ended: bool,
}

impl Input {
    const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, ended: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.rest() {
            [] if !self.ended => Err(ErrorKind::WouldBlock.into()),
            rest => Ok(rest),
        }
    }

    fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.bytes.len());
    }
}

/// Members of gzip, one after the other, each with a checksum and perhaps followed by zeros.
struct Gzip {
    decoder: GzDecoder<Input>,
    between_members: bool,
}

impl Gzip {
    fn new(input: Input) -> Self {
        Self { decoder: GzDecoder::new(input), between_members: false }
    }

    /// Decodes into `out`; returns 0 when more bytes are needed, or at the end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.between_members {
                let input = self.decoder.get_mut();
                // Tapes and some tools fill blocks with zeros, which `gzip` ignores as well.
                let zeros = input.rest().iter().take_while(|byte| **byte == 0).count();
                input.consume(zeros);
                match input.rest() {
                    [] => return Ok(0),
                    rest if rest.starts_with(GZIP) => {}
                    rest if GZIP.starts_with(rest) && !input.ended => return Ok(0),
                    rest if GZIP.starts_with(rest) => return Err(ErrorKind::UnexpectedEof.into()),
                    _ => {
                        return Err(io::Error::new(
                            ErrorKind::InvalidData,
                            "the data that follows is not gzip",
                        ));
                    }
                }
                let input = std::mem::take(input);
                self.decoder.reset(input);
                self.between_members = false;
            }
            match self.decoder.read(out) {
                Ok(0) => self.between_members = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                result => return result,
            }
        }
    }
}

/// Frames of zstd, one after the other.
struct Zstd {
    decoder: ZstdDecoder<'static>,
    input: Input,
    /// `true` if a frame has begun and not ended.
    in_frame: bool,
    /// `true` if the last piece of text filled the buffer, so the decoder may contain more of it.
    more: bool,
}

impl Zstd {
    fn new(input: Input) -> io::Result<Self> {
        let mut decoder = ZstdDecoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { decoder, input, in_frame: false, more: false })
    }

    /// Decodes into `out`; returns 0 when more bytes are needed, or at the end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.more || !self.input.rest().is_empty() {
            let status = self.decoder.run_on_buffers(self.input.rest(), out)?;
            self.input.consume(status.bytes_read);
            // 0: the frame has ended, and all of it has been returned.
            self.in_frame = status.remaining > 0;
            self.more = self.in_frame && status.bytes_written == out.len();
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
        }
        match self.in_frame && self.input.ended {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(0),
        }
    }
}

#[cfg(test)]
pub mod tests;
