//! Signs of a wrong encoding: control characters that no text contains, where letters are meant.

use super::{Encoding, Form};

/// Returns whether a text contains one of the control characters U+0080 to U+009F, which stand for bytes that have no
/// meaning in the encoding.
#[must_use]
pub fn has_control(text: &str) -> bool {
    // In UTF-8 they are 0xC2 with a byte from 0x80 to 0x9F.
    let follows = |pair: &[u8]| matches!(pair, [0xc2, 0x80..=0x9f]);
    !text.is_ascii() && text.as_bytes().windows(2).any(follows)
}

/// The encoding that a text most probably has, when it has control characters in the one that it was read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspect {
    /// One that can be read.
    Encoding(Encoding),
    /// A code page of DOS, which can't be read.
    Dos,
}

impl Suspect {
    /// Returns the encoding that `bytes` most probably have, which have control characters in `encoding`.
    #[must_use]
    pub fn of(bytes: &[u8], encoding: Encoding) -> Self {
        if std::str::from_utf8(bytes).is_ok() {
            return Self::Encoding(Encoding::UTF_8);
        }
        // Windows has letters where the encodings of ISO have these control characters.
        let windows = match &*encoding.name() {
            "iso-8859-2" | "iso-8859-16" => Some("windows-1250"),
            "iso-8859-5" => Some("windows-1251"),
            "iso-8859-7" => Some("windows-1253"),
            "iso-8859-8" | "iso-8859-8-i" => Some("windows-1255"),
            "iso-8859-6" => Some("windows-1256"),
            "iso-8859-4" | "iso-8859-10" | "iso-8859-13" => Some("windows-1257"),
            "iso-8859-3" | "iso-8859-14" | "iso-8859-15" => Some("windows-1252"),
            _ => None,
        };
        if let Some(windows) = windows.and_then(|label| Encoding::from_label(label).ok()) {
            return Self::Encoding(windows);
        }
        // The letters that German, French and Spanish have at the bytes without a meaning in the encodings of Windows:
        // 0x81 is `ü` in every code page of DOS for Western and Central Europe, 0x8D to 0x90 are `ç`, `é`, `è` and `ê`
        // on old Macs.
        match Encoding::from_label("macintosh") {
            Ok(macintosh) if encoding.form() == Form::SingleByte && !bytes.contains(&0x81) => {
                Self::Encoding(macintosh)
            }
            _ => Self::Dos,
        }
    }
}

impl std::fmt::Display for Suspect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encoding(encoding) => write!(formatter, "{encoding}"),
            Self::Dos => formatter.write_str("a code page of DOS, such as cp850, which must be converted"),
        }
    }
}
