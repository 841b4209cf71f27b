//! Languages, and the encodings in which files of each are written.

use encoding_rs::Encoding as Table;
use serde::{Deserialize, Serialize};

use super::Encoding;

/// A language, as the hint for the detection of an encoding: its code of ISO 639-1, such as `de`, or `zh-tw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(&'static str);

/// A text that is not the code of a language with a known encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a known language")]
pub struct LanguageError;

/// Languages whose files are written in the same encodings.
struct Family {
    codes: &'static [&'static str],
    /// The top-level domain that gives the detector the hint.
    domain: &'static str,
    /// The encodings, without UTF-8 and UTF-16: the one of Windows first.
    encodings: &'static [&'static Table],
}

/// The encodings of Windows: <https://learn.microsoft.com/en-us/windows/win32/intl/code-page-identifiers>
static FAMILIES: [Family; 15] = [
    Family {
        codes: &[
            "af", "ca", "da", "de", "en", "es", "eu", "fi", "fo", "fr", "ga", "gl", "id", "is", "it", "ms",
            "nb", "nl", "nn", "no", "pt", "sq", "sv",
        ],
        domain: "de",
        encodings: &[encoding_rs::WINDOWS_1252],
    },
    Family {
        codes: &["bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl"],
        domain: "cz",
        encodings: &[encoding_rs::WINDOWS_1250, encoding_rs::ISO_8859_2],
    },
    Family {
        codes: &["be", "bg", "kk", "mk", "mn", "ru", "sr", "uk"],
        domain: "ru",
        encodings: &[
            encoding_rs::WINDOWS_1251,
            encoding_rs::KOI8_U,
            encoding_rs::IBM866,
            encoding_rs::ISO_8859_5,
        ],
    },
    Family { codes: &["el"], domain: "gr", encodings: &[encoding_rs::WINDOWS_1253, encoding_rs::ISO_8859_7] },
    Family { codes: &["az", "tr"], domain: "tr", encodings: &[encoding_rs::WINDOWS_1254] },
    Family { codes: &["he"], domain: "il", encodings: &[encoding_rs::WINDOWS_1255, encoding_rs::ISO_8859_8] },
    Family {
        codes: &["ar", "fa", "ur"],
        domain: "sa",
        encodings: &[encoding_rs::WINDOWS_1256, encoding_rs::ISO_8859_6],
    },
    Family {
        codes: &["et", "lt", "lv"],
        domain: "lt",
        encodings: &[encoding_rs::WINDOWS_1257, encoding_rs::ISO_8859_13, encoding_rs::ISO_8859_4],
    },
    Family { codes: &["vi"], domain: "vn", encodings: &[encoding_rs::WINDOWS_1258] },
    Family { codes: &["th"], domain: "th", encodings: &[encoding_rs::WINDOWS_874] },
    Family {
        codes: &["ja"],
        domain: "jp",
        encodings: &[encoding_rs::SHIFT_JIS, encoding_rs::EUC_JP, encoding_rs::ISO_2022_JP],
    },
    Family { codes: &["ko"], domain: "kr", encodings: &[encoding_rs::EUC_KR] },
    Family { codes: &["zh", "zh-cn", "zh-sg"], domain: "cn", encodings: &[encoding_rs::GBK] },
    Family { codes: &["zh-tw"], domain: "tw", encodings: &[encoding_rs::BIG5] },
    Family { codes: &["zh-hk"], domain: "hk", encodings: &[encoding_rs::BIG5, encoding_rs::GBK] },
];

impl Language {
    /// Returns the language with this code.
    ///
    /// # Errors
    /// [`LanguageError`] when no encoding is known for it.
    pub fn from_code(code: &str) -> Result<Self, LanguageError> {
        let code = code.trim().to_ascii_lowercase().replace('_', "-");
        let codes = || FAMILIES.iter().flat_map(|family| family.codes);
        // `de-AT` is read as `de`, unless the country has encodings of its own.
        let exact = codes().find(|known| **known == code);
        let general = code.split('-').next().unwrap_or_default();
        exact.or_else(|| codes().find(|known| **known == general)).map(|code| Self(code)).ok_or(LanguageError)
    }

    /// Returns the codes of all languages.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().flat_map(|family| family.codes.iter().copied())
    }

    /// Returns its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }

    fn family(self) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.codes.contains(&self.0))
    }

    /// Returns the encodings of its files, besides UTF-8 and UTF-16. The first is the one of Windows.
    pub fn encodings(self) -> impl Iterator<Item = Encoding> {
        let encodings = self.family().map_or(&[][..], |family| family.encodings);
        encodings.iter().filter_map(|encoding| Encoding::of(encoding))
    }

    /// Returns the top-level domain of a country of its speakers.
    #[must_use]
    pub fn domain(self) -> &'static str {
        self.family().map_or("com", |family| family.domain)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0.to_owned()
    }
}

impl TryFrom<String> for Language {
    type Error = LanguageError;

    fn try_from(code: String) -> Result<Self, LanguageError> {
        Self::from_code(&code)
    }
}
