//! The parser: a state machine over bytes.

use super::search::Search;
use super::{Dialect, Ended, Flaw, Record};
use crate::settings::Character;

/// The meaning of a byte outside of quotes. The order matters: the classes that end unquoted text come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Class {
    Text,
    Blank,
    Quote,
    Delimiter,
    Escape,
    LineFeed,
    CarriageReturn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a line.
    Start,
    FieldStart,
    /// Blanks at the beginning of a field: not a part of it if a quote follows.
    Blanks,
    Plain,
    /// After the escape character in an unquoted field.
    Escape,
    /// After `\N` at the beginning of a field.
    Null,
    /// After an escaped carriage return, which may be half of a line end.
    EscapedReturn,
    Quoted,
    QuotedEscape,
    /// After a quote in a quoted field: its end, or the first of two that mean one.
    QuoteInQuoted,
    /// After the closing quote, where only blanks are allowed.
    AfterQuote,
    /// In a flawed record, up to the end of the line.
    Flawed,
    Comment,
    Skipped,
    /// After a carriage return that ends something: a line feed belongs to it.
    Return(Ended),
}

/// Returns whether a byte of this class ends text in quotes, or a line of it.
const fn ends_in_quotes(class: Class) -> bool {
    matches!(class, Class::Quote | Class::Escape | Class::LineFeed | Class::CarriageReturn)
}

/// A parser that divides bytes into records. It never looks back: chunks may be of any size.
#[derive(Debug)]
pub struct Parser {
    classes: Box<[Class; 256]>,
    pub(super) quote: u8,
    escape: Option<u8>,
    pub(super) comment: Option<u8>,
    /// The bytes that may end a record or begin something in it that is not text.
    pub(super) search: Search,
    /// `true` if no delimiter is also a quote or a line end.
    pub(super) is_plain: bool,
    state: State,
    pub(super) skip: u64,
    /// The line of the next byte.
    pub(super) line: u64,
    /// The last byte in quotes was a carriage return.
    after_return: bool,
    /// The last byte in quotes ended a line.
    after_line: bool,
    opened: u64,
}

impl Parser {
    /// Creates a parser that skips `skip` lines, the first of which has the number `line`.
    #[must_use]
    pub fn new(dialect: Dialect, skip: u64, line: u64) -> Self {
        let mut classes = Box::new([Class::Text; 256]);
        let escape = dialect.escape.filter(|escape| *escape != dialect.quote);
        // If a character has two meanings, the later one counts.
        for (byte, class) in [
            (Some(b' '), Class::Blank),
            (Some(b'\t'), Class::Blank),
            (Some(b'\n'), Class::LineFeed),
            (Some(b'\r'), Class::CarriageReturn),
            (escape.map(Character::byte), Class::Escape),
            (Some(dialect.quote.byte()), Class::Quote),
            (Some(dialect.delimiter.byte()), Class::Delimiter),
        ] {
            if let Some(slot) = byte.and_then(|byte| classes.get_mut(usize::from(byte))) {
                *slot = class;
            }
        }
        let quote = dialect.quote.byte();
        let is = |byte: u8, class| classes.get(usize::from(byte)) == Some(&class);
        let is_plain =
            is(quote, Class::Quote) && is(b'\n', Class::LineFeed) && is(b'\r', Class::CarriageReturn);
        Self {
            classes,
            quote,
            escape: escape.map(Character::byte),
            comment: dialect.comment.map(Character::byte),
            search: Search::new([quote, b'\n', b'\r', escape.map_or(quote, Character::byte)]),
            is_plain,
            state: State::Start,
            skip,
            line,
            after_return: false,
            after_line: false,
            opened: line,
        }
    }

    /// Returns whether the next byte begins a new line.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        self.state == State::Start
    }

    /// Begins again, at the beginning of some line.
    pub const fn reset(&mut self) {
        (self.state, self.skip) = (State::Start, 0);
    }

    /// Reads from the front of `input` up to the end of a record, or of a line that is not a record. Returns the number
    /// of bytes that were read (perhaps none), and the kind of text that ended; `None` if the input is used up.
    pub fn read(&mut self, input: &[u8], record: &mut Record) -> (usize, Option<Ended>) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            let rest = input.get(at..).unwrap_or_default();
            match self.state {
                State::Start => {
                    record.begin(self.line);
                    if self.skip > 0 {
                        self.skip -= 1;
                        self.state = State::Skipped;
                    } else if Some(byte) == self.comment {
                        self.state = State::Comment;
                    } else if byte == b'\n' || byte == b'\r' {
                        at += 1;
                        if let Some(ended) = self.end_line(byte, Ended::Blank) {
                            return (at, Some(ended));
                        }
                    } else {
                        self.state = State::FieldStart;
                    }
                }
                State::FieldStart | State::Blanks => match self.class(byte) {
                    Class::Quote => {
                        record.clear_field();
                        (record.bare, record.in_quotes) = (false, true);
                        (self.state, self.opened) = (State::Quoted, self.line);
                        (self.after_return, self.after_line) = (false, false);
                        at += 1;
                    }
                    Class::Blank => {
                        record.push(&[byte]);
                        self.state = State::Blanks;
                        at += 1;
                    }
                    _ => self.state = State::Plain,
                },
                State::Plain => {
                    // Whole fields at a time, as long as they begin with text.
                    loop {
                        at += self.text(input.get(at..).unwrap_or_default(), record);
                        let Some(&byte) = input.get(at) else { break };
                        at += 1;
                        if self.class(byte) != Class::Delimiter {
                            if let Some(ended) = self.end_field(byte, record) {
                                return (at, Some(ended));
                            }
                            break;
                        }
                        record.end_field();
                        if input
                            .get(at)
                            .is_none_or(|next| matches!(self.class(*next), Class::Quote | Class::Blank))
                        {
                            self.state = State::FieldStart;
                            break;
                        }
                    }
                }
                State::Escape => {
                    at += 1;
                    record.bare = false;
                    self.after_return = false;
                    self.count_line(byte);
                    self.state = match byte {
                        b'N' if self.escape == Some(b'\\') && record.text.len() == record.field_start() => {
                            State::Null
                        }
                        _ => {
                            self.push_escaped(byte, record);
                            if byte == b'\r' { State::EscapedReturn } else { State::Plain }
                        }
                    };
                }
                State::Null => {
                    // `\N` is a missing value; `\Nabc` is not written by MySQL.
                    if !matches!(self.class(byte), Class::Delimiter | Class::LineFeed | Class::CarriageReturn)
                    {
                        record.push(b"N");
                    }
                    self.state = State::Plain;
                }
                State::EscapedReturn => {
                    if byte == b'\n' {
                        self.count_line(byte);
                        record.push(&[byte]);
                        at += 1;
                    }
                    self.state = State::Plain;
                }
                State::Quoted => {
                    at += self.quoted(rest, record);
                    let Some(&byte) = input.get(at) else { break };
                    at += 1;
                    self.state = match byte == self.quote {
                        true => State::QuoteInQuoted,
                        false => State::QuotedEscape,
                    };
                    // Most quoted fields end here.
                    if self.state == State::QuoteInQuoted
                        && input.get(at).is_some_and(|next| self.class(*next) == Class::Delimiter)
                    {
                        at += 1;
                        record.end_field();
                        self.state = State::FieldStart;
                    }
                }
                State::QuotedEscape => {
                    at += 1;
                    self.count_line(byte);
                    self.push_escaped(byte, record);
                    self.state = State::Quoted;
                }
                State::QuoteInQuoted | State::AfterQuote => {
                    let class = self.class(byte);
                    if class == Class::Quote && self.state == State::QuoteInQuoted {
                        (self.after_return, self.after_line) = (false, false);
                        record.push(&[byte]);
                        self.state = State::Quoted;
                        at += 1;
                        continue;
                    }
                    match class {
                        Class::Blank => self.state = State::AfterQuote,
                        Class::Delimiter | Class::LineFeed | Class::CarriageReturn => {
                            if let Some(ended) = self.end_field(byte, record) {
                                return (at + 1, Some(ended));
                            }
                        }
                        _ => {
                            record.flaw =
                                Some(Flaw::TextAfterQuote { opened: self.opened, closed: self.line });
                            self.state = State::Flawed;
                            continue;
                        }
                    }
                    at += 1;
                }
                State::Flawed | State::Comment | State::Skipped => {
                    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                        at = input.len();
                        break;
                    };
                    at += end + 1;
                    let ended = self.line_without_fields();
                    let byte = rest.get(end).copied().unwrap_or(b'\n');
                    if let Some(ended) = self.end_line(byte, ended) {
                        return (at, Some(ended));
                    }
                }
                State::Return(ended) => {
                    self.state = State::Start;
                    return (at + usize::from(byte == b'\n'), Some(ended));
                }
            }
        }
        (at, None)
    }

    /// Ends the input. Text that was not ended by a line end ends now.
    pub fn finish(&mut self, record: &mut Record) -> Option<Ended> {
        let state = std::mem::replace(&mut self.state, State::Start);
        match state {
            State::Start => return None,
            State::Return(ended) => return Some(ended),
            State::Flawed => return Some(Ended::Record),
            State::Comment => return Some(Ended::Comment),
            State::Skipped => return Some(Ended::Skipped),
            State::Quoted | State::QuotedEscape => {
                let last = self.line - u64::from(self.after_line);
                record.flaw =
                    Some(Flaw::Unclosed { opened: self.opened, swallowed: last.saturating_sub(self.opened) });
            }
            // An escape character at the end has no character to escape.
            State::Escape => {
                if let Some(escape) = self.escape {
                    record.push(&[escape]);
                }
            }
            _ => {}
        }
        record.end_field();
        Some(Ended::Record)
    }

    pub(super) fn class(&self, byte: u8) -> Class {
        self.classes.get(usize::from(byte)).copied().unwrap_or(Class::Text)
    }

    /// Takes text up to the first byte of a class that ends it, and returns its length.
    #[inline]
    fn text(&self, input: &[u8], record: &mut Record) -> usize {
        let ends = |byte: &u8| self.class(*byte) >= Class::Delimiter;
        let length = input.iter().position(ends).unwrap_or(input.len());
        record.push(input.get(..length).unwrap_or_default());
        length
    }

    /// Takes text in quotes up to a quote or the escape character, and returns its length.
    #[inline]
    fn quoted(&mut self, input: &[u8], record: &mut Record) -> usize {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let length = rest.iter().position(|byte| ends_in_quotes(self.class(*byte))).unwrap_or(rest.len());
            if length > 0 {
                (self.after_return, self.after_line) = (false, false);
            }
            match rest.get(length) {
                Some(byte @ (b'\n' | b'\r')) => {
                    self.count_line(*byte);
                    at += length + 1;
                }
                _ => {
                    at += length;
                    break;
                }
            }
        }
        record.push(input.get(..at).unwrap_or_default());
        at
    }

    /// Counts the lines of text in quotes.
    const fn count_line(&mut self, byte: u8) {
        if byte == b'\r' || (byte == b'\n' && !self.after_return) {
            self.line += 1;
        }
        self.after_return = byte == b'\r';
        self.after_line = matches!(byte, b'\r' | b'\n');
    }

    /// Adds an escaped character: itself, except for those that MySQL writes for invisible ones.
    fn push_escaped(&self, byte: u8, record: &mut Record) {
        let meant = match byte {
            _ if self.escape != Some(b'\\') => byte,
            b'0' => 0,
            b'b' => 8,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'Z' => 26,
            byte => byte,
        };
        record.push(&[meant]);
    }

    /// Ends a field by the byte after it, or continues the field after an escape character.
    #[inline]
    fn end_field(&mut self, byte: u8, record: &mut Record) -> Option<Ended> {
        match self.class(byte) {
            Class::Escape => self.state = State::Escape,
            Class::LineFeed | Class::CarriageReturn => {
                record.end_field();
                return self.end_line(byte, Ended::Record);
            }
            _ => {
                record.end_field();
                self.state = State::FieldStart;
            }
        }
        None
    }

    /// Ends a line by its first byte.
    const fn end_line(&mut self, byte: u8, ended: Ended) -> Option<Ended> {
        self.line += 1;
        if byte == b'\r' {
            self.state = State::Return(ended);
            return None;
        }
        self.state = State::Start;
        Some(ended)
    }

    const fn line_without_fields(&self) -> Ended {
        match self.state {
            State::Comment => Ended::Comment,
            State::Skipped => Ended::Skipped,
            _ => Ended::Record,
        }
    }
}
