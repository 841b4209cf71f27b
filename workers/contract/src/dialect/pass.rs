//! Records of which only the end is wanted: they are passed over several times as fast as they are parsed.
//!
//! Nothing is decided here that the parser would decide in another way: where a record could be anything but fields of
//! text, with or without quotes, it is left to the parser.

use super::Parser;
use super::parser::Class;

impl Parser {
    /// Returns the number of bytes in the record at the front of `input`, with its line end, and continues after it. The
    /// record has a byte of text or a quote, and no flaw. `None`, and nothing has changed, if the record has to be
    /// [read](Self::read): it does not end here, or it may be something else.
    #[must_use]
    pub fn pass(&mut self, input: &[u8]) -> Option<usize> {
        if !self.is_at_start() || self.skip > 0 || !self.is_plain {
            return None;
        }
        let first = *input.first()?;
        if Some(first) == self.comment {
            return None;
        }
        if self.class(first) == Class::Delimiter {
            // Delimiters alone are no text.
            let text = input.iter().find(|byte| self.class(**byte) != Class::Delimiter)?;
            if matches!(text, b'\n' | b'\r') {
                return None;
            }
        }
        let mut at = 0;
        let mut lines = 1;
        loop {
            at += self.search.find(input.get(at..)?)?;
            match *input.get(at)? {
                // A line without a byte.
                b'\n' | b'\r' if at == 0 => return None,
                b'\n' => {
                    self.line += lines;
                    return Some(at + 1);
                }
                b'\r' if input.get(at + 1) == Some(&b'\n') => {
                    self.line += lines;
                    return Some(at + 2);
                }
                byte if byte == self.quote => {
                    let before = at.checked_sub(1).and_then(|before| input.get(before));
                    at += 1;
                    match before.map(|before| self.class(*before)) {
                        None | Some(Class::Delimiter) => {
                            at += self.pass_quoted(input.get(at..)?, &mut lines)?
                        }
                        // Blanks before it may be the beginning of the field.
                        Some(Class::Blank) => return None,
                        // A part of the text.
                        Some(_) => {}
                    }
                }
                // An escape character, or a carriage return alone.
                _ => return None,
            }
        }
    }

    /// Returns the number of bytes in a quoted field, after its opening quote, up to its delimiter or line end, and
    /// counts the lines that end in it.
    fn pass_quoted(&self, input: &[u8], lines: &mut u64) -> Option<usize> {
        let mut at = 0;
        let mut after_return = false;
        loop {
            let length = self.search.find(input.get(at..)?)?;
            after_return = after_return && length == 0;
            at += length;
            match *input.get(at)? {
                b'\n' => {
                    *lines += u64::from(!after_return);
                    after_return = false;
                    at += 1;
                }
                b'\r' => {
                    *lines += 1;
                    after_return = true;
                    at += 1;
                }
                byte if byte == self.quote => {
                    let next = *input.get(at + 1)?;
                    match self.class(next) {
                        Class::Quote => (at, after_return) = (at + 2, false),
                        Class::Delimiter => return Some(at + 2),
                        Class::LineFeed | Class::CarriageReturn => return Some(at + 1),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
