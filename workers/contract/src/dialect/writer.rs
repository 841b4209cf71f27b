//! The writer of records, which the parser of the same dialect reads back.

use super::Dialect;
use crate::row::Cell;

impl Dialect {
    /// Appends one record and a line end to `out`.
    pub fn write<'a>(self, cells: impl IntoIterator<Item = Cell<'a>>, out: &mut String) {
        let (quote, escape) = (char::from(self.quote.byte()), self.escape.map(|one| char::from(one.byte())));
        let start = out.len();
        for (position, Cell { text, quoted }) in cells.into_iter().enumerate() {
            if position > 0 {
                out.push(char::from(self.delimiter.byte()));
            }
            let is_text = quoted && text.is_empty();
            if !is_text && !self.needs_quotes(text, position) {
                out.push_str(text);
                continue;
            }
            out.push(quote);
            for character in text.chars() {
                if Some(character) == escape {
                    out.push(character);
                } else if character == quote {
                    out.push(escape.unwrap_or(quote));
                }
                out.push(character);
            }
            out.push(quote);
        }
        // A line without a byte is not a record.
        if out.len() == start {
            out.extend([quote, quote]);
        }
        out.push('\n');
    }

    /// Returns whether a field must be in quotes.
    fn needs_quotes(self, text: &str, position: usize) -> bool {
        let special =
            [Some(self.delimiter), Some(self.quote), self.escape].map(|one| one.map(super::Character::byte));
        let comment = self.comment.filter(|_| position == 0).map(super::Character::byte);
        // A reader takes an unquoted byte order mark at the start for an encoding, and blanks for nothing.
        let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        text.bytes().any(|byte| matches!(byte, b'\r' | b'\n') || special.contains(&Some(byte)))
            || text.contains('\u{feff}')
            || blank(text.as_bytes().first())
            || blank(text.as_bytes().last())
            || (comment.is_some() && text.bytes().next() == comment)
    }
}
