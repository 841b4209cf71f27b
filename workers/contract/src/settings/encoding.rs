//! The setting for the encoding of files.

use serde::{Deserialize, Serialize};

use crate::encoding::{Encoding, LabelError, Language};

/// The encoding of files that have no byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum EncodingSetting {
    /// This one.
    Declared(Encoding),
    /// UTF-8 or UTF-16, where the bytes are that, and else the one that is given here; `None`: windows-1252, unless the
    /// bytes look like another.
    Auto(Option<Fallback>),
}

/// The encoding of a file that is neither UTF-8 nor UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This one.
    Encoding(Encoding),
    /// One of those in which this language is written.
    Language(Language),
}

impl Fallback {
    /// Reads a label of an encoding, or the code of a language.
    ///
    /// # Errors
    /// [`LabelError`] when it is neither.
    pub fn from_text(text: &str) -> Result<Self, LabelError> {
        match Language::from_code(text) {
            Ok(language) => Ok(Self::Language(language)),
            Err(_) => Encoding::from_label(text).map(Self::Encoding),
        }
    }
}

impl EncodingSetting {
    /// Returns whether several tasks can divide a file: that must be known before the file is read.
    #[must_use]
    pub fn is_divisible(self) -> bool {
        match self {
            Self::Declared(encoding) | Self::Auto(Some(Fallback::Encoding(encoding))) => {
                encoding.is_divisible()
            }
            Self::Auto(Some(Fallback::Language(language))) => {
                language.encodings().all(Encoding::is_divisible)
            }
            Self::Auto(None) => true,
        }
    }
}

/// The setting as it is in the stack file.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    Word(String),
    Auto { auto: String },
}

const AUTO: &str = "auto";

impl From<EncodingSetting> for Written {
    fn from(setting: EncodingSetting) -> Self {
        match setting {
            EncodingSetting::Declared(encoding) => Self::Word(encoding.name()),
            EncodingSetting::Auto(None) => Self::Word(AUTO.to_owned()),
            EncodingSetting::Auto(Some(Fallback::Encoding(encoding))) => Self::Auto { auto: encoding.name() },
            EncodingSetting::Auto(Some(Fallback::Language(language))) => {
                Self::Auto { auto: language.code().to_owned() }
            }
        }
    }
}

impl TryFrom<Written> for EncodingSetting {
    type Error = LabelError;

    fn try_from(written: Written) -> Result<Self, LabelError> {
        match written {
            Written::Word(word) if word == AUTO => Ok(Self::Auto(None)),
            Written::Word(label) => Encoding::from_label(&label).map(Self::Declared),
            Written::Auto { auto } => Fallback::from_text(&auto).map(|fallback| Self::Auto(Some(fallback))),
        }
    }
}
