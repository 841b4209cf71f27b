//! The text of an object: UTF-8, whatever the encoding of its bytes, or bytes that are UTF-8 where it matters.
//!
//! [`Text`] is between [`crate::decompress`] and [`crate::reader`], and finds the encoding: by a byte order mark, by
//! the settings, or by the bytes. What follows depends on its form:
//!
//! - UTF-8 passes as it is.
//! - A single-byte encoding passes as it is, too: everything that has a meaning for the reader is ASCII, so the reader
//!   divides the bytes, and decodes each field. All positions are those of the file.
//! - UTF-16 is decoded here, in a way that keeps every position in the file ([`contract::encoding::Utf16`]).
//! - An encoding of several bytes is decoded here, and positions are those of the decoded text. As in a compressed
//!   object, they can't be found without reading all that is before them.
//!
//! With `auto`, bytes of ASCII pass until the first other one: it and the window after it decide. So the decision
//! doesn't depend on the pieces in which the bytes arrive, nor on the task that reads them.

mod guess;
mod look;

use contract::Encoding;
use contract::Reason;
use contract::encoding::{Form, Order, Utf16};
use contract::settings::{EncodingSetting, Fallback};
use encoding_rs::DecoderResult;

use crate::decompress::Decoder;
use crate::reader::Fault;
use crate::workbook;

pub use look::{Look, Suggestion};

/// Bytes at the beginning by which UTF-16 is recognized.
const HEAD: usize = 512;
/// Bytes from the first one on that isn't ASCII, by which `auto` decides.
const WINDOW: usize = 64 * 1024;
/// Bytes of text that a stream decoder writes at a time.
const SCRATCH: usize = 16 * 1024;
/// The byte that stands for bytes that aren't text: it is never a part of UTF-8, so its row fails.
const NO_TEXT: u8 = 0xff;
/// The first byte of a change of the character set in ISO-2022-JP, which has no bytes beyond ASCII.
const ESCAPE: u8 = 0x1b;

/// The text of an object. See the module.
pub struct Text {
    decoder: Decoder,
    setting: Option<EncodingSetting>,
    state: State,
    /// The encoding, if it is known and not UTF-8.
    encoding: Option<Encoding>,
    /// Bytes that were examined before they are passed on, and the number of those that have been.
    held: Vec<u8>,
    passed: usize,
    /// The end of the held bytes that can be passed on while the encoding is not known.
    clear: usize,
    /// Text that was decoded, and the number of its bytes that were consumed.
    out: Vec<u8>,
    consumed: usize,
    /// `true` if the end was decoded.
    finished: bool,
}

enum State {
    /// Nothing is known.
    Start,
    /// All bytes so far were ASCII.
    Undecided(Option<Fallback>),
    /// The bytes are passed on.
    Plain,
    Utf16(Order, Utf16),
    Stream(Box<encoding_rs::Decoder>, Vec<u8>),
}

impl Text {
    /// Creates the text of an object whose encoding has this setting.
    #[must_use]
    pub const fn new(setting: Option<EncodingSetting>) -> Self {
        Self {
            decoder: Decoder::new(),
            setting,
            state: State::Start,
            encoding: None,
            held: Vec::new(),
            passed: 0,
            clear: 0,
            out: Vec::new(),
            consumed: 0,
            finished: false,
        }
    }

    /// Takes the next bytes of the object. To be called when [`Self::fill`] has returned `false`.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// Marks the end of the object.
    pub fn end(&mut self) {
        self.decoder.end();
    }

    /// Returns whether the end of the object was marked.
    #[must_use]
    pub fn is_ended(&mut self) -> bool {
        self.decoder.is_ended()
    }

    /// Returns whether the object is compressed; `None` while there are too few bytes to decide.
    ///
    /// # Errors
    /// A [`Fault`] when a decoder cannot be created.
    pub fn compressed(&mut self) -> Result<Option<bool>, Fault> {
        self.decoder.compressed()
    }

    /// Returns the encoding of the text so far, unless it is UTF-8.
    #[must_use]
    pub const fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    /// Returns whether the encoding is known for the whole object.
    #[must_use]
    pub const fn is_decided(&self) -> bool {
        !matches!(self.state, State::Start | State::Undecided(_))
    }

    /// Continues at another byte of an object whose encoding is decided, and can be divided.
    pub fn resume(&mut self) {
        self.decoder.resume();
        (self.held, self.passed) = (Vec::new(), 0);
        (self.out, self.consumed, self.finished) = (Vec::new(), 0, false);
        if let State::Utf16(order, decoder) = &mut self.state {
            *decoder = Utf16::new(*order);
        }
    }

    /// Provides the next piece of text, unless some of the last one is left; returns `false` if more bytes are needed,
    /// or at the end.
    ///
    /// # Errors
    /// A [`Fault`] when the object can't be decompressed, or has another encoding than the settings say.
    pub fn fill(&mut self) -> Result<bool, Fault> {
        loop {
            match &mut self.state {
                State::Start => {
                    if !self.hold(HEAD)? {
                        return Ok(false);
                    }
                    self.begin()?;
                }
                State::Plain if self.passed < self.held.len() => return Ok(true),
                State::Plain => {
                    (self.held, self.passed) = (Vec::new(), 0);
                    return self.decoder.fill();
                }
                State::Undecided(_) if self.passed < self.clear => return Ok(true),
                State::Undecided(fallback) => {
                    let fallback = *fallback;
                    if self.passed == self.held.len() {
                        self.held.clear();
                        self.passed = 0;
                        if !self.decoder.fill()? {
                            self.clear = 0;
                            return Ok(false);
                        }
                        let count = self.decoder.piece().len();
                        self.held.extend_from_slice(self.decoder.piece());
                        self.decoder.consume(count);
                    }
                    let rest = self.held.get(self.passed..).unwrap_or_default();
                    let other = |byte: &u8| !byte.is_ascii() || (*byte == ESCAPE && guess::escapes(fallback));
                    match rest.iter().position(other) {
                        Some(0) => {
                            if !self.hold(WINDOW)? {
                                return Ok(false);
                            }
                            self.decide(fallback)?;
                        }
                        ascii => self.clear = self.passed + ascii.unwrap_or(rest.len()),
                    }
                }
                State::Utf16(..) | State::Stream(..) => {
                    if self.consumed < self.out.len() {
                        return Ok(true);
                    }
                    (self.consumed, _) = (0, self.out.clear());
                    if !self.decode()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Returns the text that [`Self::fill`] has provided and that is not consumed yet.
    #[must_use]
    pub fn piece(&self) -> &[u8] {
        match &self.state {
            State::Start => &[],
            State::Plain if self.passed < self.held.len() => self.held.get(self.passed..).unwrap_or_default(),
            State::Plain => self.decoder.piece(),
            State::Undecided(_) => self.held.get(self.passed..self.clear).unwrap_or_default(),
            State::Utf16(..) | State::Stream(..) => self.out.get(self.consumed..).unwrap_or_default(),
        }
    }

    /// Consumes `count` bytes of the piece.
    pub fn consume(&mut self, count: usize) {
        match &self.state {
            State::Start => {}
            State::Plain if self.passed == self.held.len() => self.decoder.consume(count),
            State::Plain | State::Undecided(_) => self.passed = (self.passed + count).min(self.held.len()),
            State::Utf16(..) | State::Stream(..) => {
                self.consumed = (self.consumed + count).min(self.out.len());
            }
        }
    }

    /// Holds `wanted` bytes that are not passed on, or all up to the end; returns `false` if more are needed.
    fn hold(&mut self, wanted: usize) -> Result<bool, Fault> {
        self.held.drain(..self.passed);
        (self.passed, self.clear) = (0, 0);
        while self.held.len() < wanted {
            if !self.decoder.fill()? {
                return Ok(self.decoder.is_ended());
            }
            let piece = self.decoder.piece();
            let piece = piece.get(..wanted - self.held.len()).unwrap_or(piece);
            let count = piece.len();
            self.held.extend_from_slice(piece);
            self.decoder.consume(count);
        }
        Ok(true)
    }

    /// Finds the encoding by the first bytes.
    fn begin(&mut self) -> Result<(), Fault> {
        let declared = match self.setting {
            Some(EncodingSetting::Declared(encoding)) => Some(encoding),
            _ => None,
        };
        let form = declared.map_or(Form::Utf8, Encoding::form);
        if workbook::is_archive(&self.held) {
            // Not text, whatever the settings say.
            self.state = State::Plain;
        } else if let Some(marked) = mark(&self.held) {
            if declared.is_some_and(|declared| declared != marked) {
                tracing::warn!(encoding = %marked, "the byte order mark says another encoding than the settings");
            }
            self.start(marked);
        } else if let (Form::Utf8 | Form::Utf16(_), Some(order)) = (form, order_by_nuls(&self.held)) {
            self.start(if order == Order::Little { Encoding::UTF_16LE } else { Encoding::UTF_16BE });
        } else if matches!(form, Form::Utf16(_)) && is_plain_ascii(&self.held) {
            let message =
                "the settings say that the file is UTF-16, but it is not: its first bytes are ASCII";
            return Err(Fault::new(Reason::InvalidEncoding, message));
        } else {
            match (declared, self.setting) {
                (Some(declared), _) => self.start(declared),
                (None, Some(EncodingSetting::Auto(fallback))) => self.state = State::Undecided(fallback),
                (None, _) => self.start(Encoding::UTF_8),
            }
        }
        Ok(())
    }

    /// Finds the encoding by the held bytes, of which the first isn't ASCII.
    fn decide(&mut self, fallback: Option<Fallback>) -> Result<(), Fault> {
        let whole = self.decoder.is_ended() && self.held.len() < WINDOW;
        match guess::encoding(&self.held, whole, fallback)? {
            Some(encoding) => self.start(encoding),
            // An escape that means nothing.
            None => self.clear = 1,
        }
        Ok(())
    }

    fn start(&mut self, encoding: Encoding) {
        if encoding != Encoding::UTF_8 {
            tracing::info!(%encoding, "the encoding of the object");
            self.encoding = Some(encoding);
        }
        self.state = match encoding.form() {
            Form::Utf8 | Form::SingleByte => State::Plain,
            Form::Utf16(order) => State::Utf16(order, Utf16::new(order)),
            Form::MultiByte => State::Stream(Box::new(encoding.decoder()), vec![0; SCRATCH]),
        };
    }

    /// Decodes some bytes; returns `false` if there are none.
    fn decode(&mut self) -> Result<bool, Fault> {
        let held = std::mem::take(&mut self.held);
        let held = held.get(std::mem::take(&mut self.passed)..).unwrap_or_default();
        let from_decoder = held.is_empty() && self.decoder.fill()?;
        let last = held.is_empty() && !from_decoder;
        if last && (!self.decoder.is_ended() || std::mem::replace(&mut self.finished, true)) {
            return Ok(false);
        }
        let bytes = if from_decoder { self.decoder.piece() } else { held };
        match &mut self.state {
            State::Utf16(_, decoder) => {
                decoder.decode(bytes, &mut self.out);
                if last {
                    decoder.finish(&mut self.out);
                }
            }
            State::Stream(decoder, scratch) => decode_stream(decoder, bytes, last, scratch, &mut self.out),
            _ => {}
        }
        let count = bytes.len();
        if from_decoder {
            self.decoder.consume(count);
        }
        Ok(true)
    }

    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.held.capacity().max(self.out.capacity())
    }
}

fn decode_stream(
    decoder: &mut encoding_rs::Decoder,
    mut bytes: &[u8],
    last: bool,
    scratch: &mut [u8],
    out: &mut Vec<u8>,
) {
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, scratch, last);
        out.extend_from_slice(scratch.get(..written).unwrap_or_default());
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => out.push(NO_TEXT),
        }
    }
}

/// Returns the encoding of a byte order mark.
fn mark(bytes: &[u8]) -> Option<Encoding> {
    let found = encoding_rs::Encoding::for_bom(bytes).and_then(|(encoding, _)| Encoding::of(encoding));
    // The mark of UTF-32 begins with that of UTF-16.
    found.filter(|_| !bytes.starts_with(b"\xff\xfe\x00\x00"))
}

/// Returns the order of the bytes if they are UTF-16 without a mark: the high bytes of ASCII are NUL, of which other
/// text has none.
fn order_by_nuls(bytes: &[u8]) -> Option<Order> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let nuls = |position: usize| pairs.iter().filter(|pair| pair.get(position) == Some(&0)).count();
    let (even, odd) = (nuls(0), nuls(1));
    // A delimiter and a line end at least; in tables of any language every fifth character is of ASCII. Few letters
    // have a low byte that is NUL.
    let is = |most: usize, least: usize| most >= 2 && most * 5 >= pairs.len() && least * 4 <= most;
    if is(odd, even) {
        Some(Order::Little)
    } else if is(even, odd) {
        Some(Order::Big)
    } else {
        None
    }
}

fn is_plain_ascii(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
