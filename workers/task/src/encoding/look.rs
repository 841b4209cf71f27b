//! A look at all bytes of a text for its encoding, to suggest a setting for files like it.
//!
//! The setting `auto` decides by the first bytes that are not ASCII, since rows wait for it; here, the whole text is known.

use std::collections::BTreeSet;
use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use contract::Encoding;
use contract::encoding::{Suspect, has_control};

use super::guess::{decode, has_enough_signs};

/// The greatest number of bytes of words with letters beyond ASCII that are kept.
const MAX_WORDS: usize = 64 * 1024;
/// The greatest number of letters beyond ASCII that are named.
const MAX_LETTERS: usize = 12;
/// Sequences of UTF-8 for each byte that is not, from which on the text is UTF-8 with errors. Other encodings have some
/// by chance.
const MOSTLY: u64 = 3;

/// The greatest number of bytes of such a word; a longer one is left out.
const MAX_WORD: usize = 1024;

/// A look at a text. See the module.
pub struct Look {
    detector: EncodingDetector,
    /// Bytes of a sequence of UTF-8 that may continue.
    pending: Vec<u8>,
    /// Sequences of several bytes that are UTF-8.
    sequences: u64,
    /// Places that are not UTF-8.
    broken: u64,
    /// Words that have bytes beyond ASCII, with a blank after each.
    words: Vec<u8>,
    /// The word that has begun, up to [`MAX_WORD`], and whether it has such a byte.
    word: Vec<u8>,
    is_wanted: bool,
}

/// The encoding of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// UTF-8, but for this number of places.
    Utf8(u64),
    /// Another encoding.
    Other {
        /// The encoding.
        encoding: Encoding,
        /// The first of the letters and signs beyond ASCII, by which a person sees whether it is the right one.
        letters: Vec<char>,
    },
    /// One that can't be read.
    Unreadable(Suspect),
}

impl fmt::Debug for Look {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, broken, .. } = self;
        formatter
            .debug_struct("Look")
            .field("sequences", sequences)
            .field("broken", broken)
            .finish_non_exhaustive()
    }
}

impl Default for Look {
    fn default() -> Self {
        Self {
            detector: EncodingDetector::new(Iso2022JpDetection::Deny),
            pending: Vec::new(),
            sequences: 0,
            broken: 0,
            words: Vec::new(),
            word: Vec::new(),
            is_wanted: false,
        }
    }
}

impl Look {
    /// Takes the next bytes of the text.
    pub fn take(&mut self, bytes: &[u8]) {
        self.detector.feed(bytes, false);
        self.count(bytes);
        self.keep(bytes);
    }

    /// Counts what is UTF-8, and what is not.
    fn count(&mut self, bytes: &[u8]) {
        if self.pending.is_empty() && bytes.is_ascii() {
            return;
        }
        self.pending.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.pending);
        let mut rest = &*all;
        loop {
            let (valid, error) = match std::str::from_utf8(rest) {
                Ok(text) => (text.len(), None),
                Err(error) => (error.valid_up_to(), Some(error.error_len())),
            };
            let (text, after) = rest.split_at_checked(valid).unwrap_or((rest, &[]));
            self.sequences += text.iter().filter(|byte| **byte >= 0xc0).count() as u64;
            match error {
                None => return,
                Some(None) => {
                    self.pending = after.to_vec();
                    return;
                }
                Some(Some(length)) => {
                    self.broken += 1;
                    rest = after.get(length..).unwrap_or_default();
                }
            }
        }
    }

    /// Keeps the words with bytes beyond ASCII.
    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_wanted && bytes.is_ascii() {
            self.word.clear();
            return;
        }
        for byte in bytes {
            if self.words.len() >= MAX_WORDS {
                return;
            }
            if byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'"') {
                self.end_word();
            } else if self.word.len() < MAX_WORD {
                self.is_wanted |= !byte.is_ascii();
                self.word.push(*byte);
            }
        }
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.is_wanted) && self.word.len() < MAX_WORD {
            self.words.extend_from_slice(&self.word);
            self.words.push(b' ');
        }
        self.word.clear();
    }

    /// Returns the encoding of the text, which has ended.
    #[must_use]
    pub fn end(mut self) -> Suggestion {
        self.detector.feed(&[], true);
        self.broken += u64::from(!self.pending.is_empty());
        self.end_word();
        if self.broken == 0 || self.sequences > MOSTLY * self.broken {
            return Suggestion::Utf8(self.broken);
        }
        let guess = Encoding::of(self.detector.guess(None, Utf8Detection::Deny));
        let believed = guess.filter(|guess| has_enough_signs(&self.words, *guess));
        let encoding = believed.unwrap_or(Encoding::WINDOWS_1252);
        if let Some(letters) = letters(&self.words, encoding) {
            return Suggestion::Other { encoding, letters };
        }
        match Suspect::of(&self.words, encoding) {
            Suspect::Encoding(other) if other != Encoding::UTF_8 => match letters(&self.words, other) {
                Some(letters) => Suggestion::Other { encoding: other, letters },
                None => Suggestion::Unreadable(Suspect::Dos),
            },
            suspect => Suggestion::Unreadable(suspect),
        }
    }
}

/// Returns the letters and signs beyond ASCII of a text; `None` if it is not text in this encoding.
fn letters(words: &[u8], encoding: Encoding) -> Option<Vec<char>> {
    // The last character may be cut off.
    let end = words.iter().rposition(u8::is_ascii_whitespace).unwrap_or(words.len());
    let text = decode(words.get(..end)?, encoding).filter(|text| !has_control(text))?;
    let mut seen = BTreeSet::new();
    let new = text.chars().filter(|letter| !letter.is_ascii() && seen.insert(*letter));
    Some(new.take(MAX_LETTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: &[u8], size: usize) -> Suggestion {
        let mut look = Look::default();
        bytes.chunks(size).for_each(|chunk| look.take(chunk));
        look.end()
    }

    fn encoded(text: &str, label: &str) -> Vec<u8> {
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).expect("a label");
        let (bytes, _, unmappable) = encoding.encode(text);
        assert!(!unmappable, "{label}");
        bytes.into_owned()
    }

    #[test]
    fn an_encoding_is_that_of_the_letters() {
        for (text, label, expected) in [
            ("id;Straße\n1;Große Gärten\n2;Höfe über Äcker\n", "windows-1252", "windows-1252"),
            ("id;ulica\n1;Żółwiowa\n2;Ślężna, Łódź\n", "windows-1250", "windows-1250"),
            ("id;улица\n1;Ленина\n2;Садовая\n", "windows-1251", "windows-1251"),
            (
                "番号,名前,住所\n1,田中太郎,東京都千代田区\n2,鈴木花子,大阪府大阪市\n",
                "shift_jis",
                "shift_jis",
            ),
            // One sign is not enough for anything else.
            ("id;price\n1;£10\n", "windows-1252", "windows-1252"),
            ("id;size\n1;10 µm\n", "windows-1252", "windows-1252"),
            ("id,ville\n1,Été à Orléans\n2,Besançon près de l'école\n", "macintosh", "macintosh"),
        ] {
            for size in [1, 7, 1 << 20] {
                match look(&encoded(text, label), size) {
                    Suggestion::Other { encoding, letters } => {
                        assert_eq!(encoding.name(), expected, "{text}");
                        assert!(letters.iter().all(|letter| text.contains(*letter)), "{text} {letters:?}");
                    }
                    other => panic!("{label}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn utf_8_with_some_broken_places_stays_utf_8() {
        let text = "id;Straße\n1;Große Gärten\n2;Höfe über Äcker\n";
        assert_eq!(look(text.as_bytes(), 3), Suggestion::Utf8(0));
        assert_eq!(look(b"id;town\n1;Bath\n", 3), Suggestion::Utf8(0));
        let broken = [text.as_bytes(), b"3;\xff\n"].concat();
        assert_eq!(look(&broken, 3), Suggestion::Utf8(1));
    }

    #[test]
    fn a_code_page_of_dos_is_named_as_one() {
        // `Gärten über Höfe` in cp850.
        let text = b"id;name\n1;G\x84rten \x81ber H\x94fe\n";
        assert_eq!(look(text, 5), Suggestion::Unreadable(Suspect::Dos));
    }
}
