//! Encodings of texts: their labels, and the way from bytes of a file to UTF-8.
//!
//! The extraction task and `transform` decode with the same code, so that a row by reference has the fields that the
//! task would have found. The tables are those of the Encoding Standard, <https://encoding.spec.whatwg.org>.

mod control;
mod label;
mod language;
mod single_byte;
mod utf_16;

use serde::{Deserialize, Serialize};

pub use control::{Suspect, has_control};
pub use label::LabelError;
pub use language::{Language, LanguageError};
pub use single_byte::Table;
pub use utf_16::{Utf16, length_in_utf_16};

/// An encoding of the Encoding Standard that decodes to text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Encoding(&'static encoding_rs::Encoding);

/// The way in which an encoding makes bytes of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// UTF-8.
    Utf8,
    /// UTF-16 in either order of its bytes.
    Utf16(Order),
    /// One byte for each character; those of ASCII are the same bytes.
    SingleByte,
    /// One or more bytes for each character. A byte of ASCII may be a part of another character.
    MultiByte,
}

/// The order of the two bytes of a unit of UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The low byte first.
    Little,
    /// The high byte first.
    Big,
}

impl Encoding {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    /// UTF-16, the low byte first.
    pub const UTF_16LE: Self = Self(encoding_rs::UTF_16LE);
    /// UTF-16, the high byte first.
    pub const UTF_16BE: Self = Self(encoding_rs::UTF_16BE);
    /// The encoding of Windows in Western Europe and America, by which the standard reads `latin1` and `ascii` as well.
    pub const WINDOWS_1252: Self = Self(encoding_rs::WINDOWS_1252);

    /// Names that are suggested where none is known.
    pub const COMMON: [&str; 22] = [
        "utf-8",
        "windows-1252",
        "utf-16le",
        "utf-16be",
        "windows-1250",
        "windows-1251",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "windows-874",
        "iso-8859-2",
        "iso-8859-15",
        "macintosh",
        "koi8-r",
        "shift_jis",
        "euc-jp",
        "gb18030",
        "big5",
        "euc-kr",
    ];

    /// Returns the encoding with this label: one of the standard's, or one of the names that other programs use for the
    /// same encoding.
    ///
    /// # Errors
    /// [`LabelError`] when there is no such encoding, or none that can be read.
    pub fn from_label(label: &str) -> Result<Self, LabelError> {
        label::find(label)
    }

    /// Returns the encoding of this library, if it can be read.
    #[must_use]
    pub fn of(encoding: &'static encoding_rs::Encoding) -> Option<Self> {
        (encoding != encoding_rs::REPLACEMENT).then_some(Self(encoding))
    }

    /// Returns the standard's name in lower case, as it is in settings: `utf-16le`, for example.
    #[must_use]
    pub fn name(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// Returns the form of its bytes.
    #[must_use]
    pub fn form(self) -> Form {
        if self == Self::UTF_8 {
            Form::Utf8
        } else if self == Self::UTF_16LE {
            Form::Utf16(Order::Little)
        } else if self == Self::UTF_16BE {
            Form::Utf16(Order::Big)
        } else if self.0.is_single_byte() {
            Form::SingleByte
        } else {
            Form::MultiByte
        }
    }

    /// Returns whether a task can read from the middle of a text, so that several can read one: every character of
    /// ASCII is found by looking at its own bytes.
    #[must_use]
    pub fn is_divisible(self) -> bool {
        self.form() != Form::MultiByte
    }

    /// Returns a decoder of a stream, which takes a byte order mark for text.
    #[must_use]
    pub fn decoder(self) -> encoding_rs::Decoder {
        self.0.new_decoder_without_bom_handling()
    }

    /// Returns the table of a single-byte encoding.
    #[must_use]
    pub fn table(self) -> Option<Table> {
        (self.form() == Form::SingleByte).then(|| Table::new(self.0))
    }
}

impl From<Encoding> for String {
    fn from(encoding: Encoding) -> Self {
        encoding.name()
    }
}

impl TryFrom<String> for Encoding {
    type Error = LabelError;

    fn try_from(label: String) -> Result<Self, LabelError> {
        Self::from_label(&label)
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.name())
    }
}

#[cfg(test)]
mod tests;
