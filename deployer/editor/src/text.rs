//! The text of a document, by places as the protocol counts them: lines from 0, and units of UTF-16 from 0.

use deployer_syntax::{Source, Span};

/// A place in a document: a line, and a number of UTF-16 units in it, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// UTF-16 units before the place in its line.
    pub character: usize,
}

/// The text of a document.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text with its name, for the reader of the language.
    pub source: Source,
    /// Byte at which each line begins. A line ends with `\n`, `\r\n` or `\r`, as the protocol has it.
    starts: Vec<usize>,
}

impl Text {
    /// Creates a text with the name of its file.
    #[must_use]
    pub fn new(name: &str, text: String) -> Self {
        let bytes = text.as_bytes();
        let ends = |(at, byte): (usize, &u8)| match byte {
            b'\n' => Some(at + 1),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
            _ => None,
        };
        let starts = std::iter::once(0).chain(bytes.iter().enumerate().filter_map(ends)).collect();
        Self { source: Source::new(name, text), starts }
    }

    /// Returns the text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source.text
    }

    /// Returns the place of a byte. An offset inside a character is its beginning, one past the end is the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let text = self.as_str();
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let character = text.get(start..offset).unwrap_or_default().encode_utf16().count();
        Position { line, character }
    }

    /// Returns the byte of a place. A place past the end of its line is that end, one inside a character its beginning.
    #[must_use]
    pub fn offset(&self, position: Position) -> usize {
        let text = self.as_str();
        let Some(start) = self.starts.get(position.line).copied() else { return text.len() };
        let end = self.starts.get(position.line + 1).copied().unwrap_or(text.len());
        let line = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let mut units = 0;
        for (at, letter) in line.char_indices() {
            units += letter.len_utf16();
            if units > position.character {
                return start + at;
            }
        }
        start + line.len()
    }

    /// Returns the text after a change of the range between two places.
    #[must_use]
    pub fn changed(&self, from: Position, to: Position, new: &str) -> Self {
        let (from, to) = (self.offset(from), self.offset(to));
        // The protocol wants them in order, but a client is not trusted to keep to it.
        let (from, to) = (from.min(to), from.max(to));
        let text = self.as_str();
        let (before, after) = (text.get(..from).unwrap_or_default(), text.get(to..).unwrap_or_default());
        Self::new(&self.source.name, format!("{before}{new}{after}"))
    }

    /// Returns the range of bytes of the line that a byte is in, without its end.
    #[must_use]
    pub fn line(&self, offset: usize) -> Span {
        let text = self.as_str();
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let end = self.starts.get(line + 1).copied().unwrap_or(text.len());
        let line = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        Span { start, end: start + line.len() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: usize, character: usize) -> Position {
        Position { line, character }
    }

    #[test]
    fn characters_beyond_the_bmp_count_two() {
        let text = Text::new("s", "a: 🦀ü\r\nb: x\rc\n".to_owned());
        assert_eq!(text.position(3), at(0, 3));
        assert_eq!(text.position(7), at(0, 5), "after the crab, which has four bytes and two units");
        assert_eq!(text.position(9), at(0, 6), "after ü, which has two bytes and one unit");
        assert_eq!(text.offset(at(0, 4)), 3, "inside the crab");
        assert_eq!(text.offset(at(0, 5)), 7);
        assert_eq!(text.offset(at(0, 99)), 9, "the end of the line, before its end of two bytes");
        assert_eq!(text.offset(at(1, 0)), 11);
        assert_eq!(text.offset(at(2, 0)), 16, "after a lone carriage return");
        assert_eq!(text.offset(at(9, 9)), text.as_str().len());
        assert_eq!(text.position(5), at(0, 3), "inside the crab");
    }

    #[test]
    fn a_change_replaces_a_range() {
        let text = Text::new("s", "a: 🦀\nb: 2\n".to_owned());
        assert_eq!(text.changed(at(0, 3), at(0, 5), "ü").as_str(), "a: ü\nb: 2\n");
        assert_eq!(text.changed(at(0, 5), at(1, 2), "").as_str(), "a: 🦀 2\n");
        assert_eq!(text.changed(at(1, 4), at(1, 3), "3").as_str(), "a: 🦀\nb: 3\n", "the wrong way round");
        assert_eq!(text.changed(at(7, 0), at(8, 0), "c").as_str(), "a: 🦀\nb: 2\nc");
    }

    proptest! {
        #[test]
        fn places_and_bytes_are_the_same_places(text in "(a|🦀|ü|\\r|\\n|\\r\\n|:| ){0,30}") {
            let text = Text::new("s", text);
            for (offset, _) in text.as_str().char_indices() {
                let place = text.position(offset);
                let back = text.offset(place);
                // Between `\r` and `\n` there is no place.
                let inside = text.as_str().get(offset.saturating_sub(1)..).is_some_and(|rest| rest.starts_with("\r\n"));
                prop_assert!(back == offset || inside, "{offset} {place:?} {back}");
            }
        }
    }
}
