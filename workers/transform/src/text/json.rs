//! JSON in texts.
//!
//! serde_json would keep numbers of 38 digits only by its feature `arbitrary_precision`, which would change what all
//! other packages read; and it takes a member twice. So JSON is read here, into values of DynamoDB.

use std::borrow::Cow;

use contract::Reason;

use super::quoted::{self, Escapes};
use crate::failure::Flaw;
use crate::number::Number;
use crate::value::Value;

/// The number of levels of lists and maps that an item may have (Amazon DynamoDB Developer Guide, "Quotas", "Nested
/// attribute depth").
const MAX_DEPTH: usize = 32;

/// Parses any JSON (RFC 8259). Objects become maps in the order of the text, and numbers keep their digits.
///
/// # Errors
/// [`Reason::InvalidJson`] for a text that is not JSON, also for `NaN` and `Infinity`, and for JSON that DynamoDB cannot
/// store: numbers beyond its own, halves of characters, more than 32 levels, members without a name; and for a member twice in one object.
pub fn parse(text: &str) -> Result<Value<'_>, Flaw> {
    let mut reader = Reader { text, rest: text };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.rest.is_empty() { Ok(value) } else { Err(reader.syntax()) }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn flaw(rule: impl Into<String>) -> Flaw {
        Flaw::new(Reason::InvalidJson, rule)
    }

    /// Returns the flaw of the place where the reader is.
    fn syntax(&self) -> Flaw {
        self.syntax_at(self.rest)
    }

    fn syntax_at(&self, rest: &str) -> Flaw {
        match self.text.len() - rest.len() {
            at if at == self.text.len() => Self::flaw("is not JSON: it ends too early"),
            at => Self::flaw(format!("is not JSON from byte {} on", at + 1)),
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, expected: &str) -> bool {
        let behind = self.rest.strip_prefix(expected);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// Reads a value inside of so many lists and objects.
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Flaw> {
        self.blanks();
        match self.rest.as_bytes().first() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'[' | b'{') if depth == MAX_DEPTH => {
                Err(Self::flaw(format!("has more than the {MAX_DEPTH} levels of an item")))
            }
            Some(b'[') => self.array(depth + 1),
            Some(b'{') => self.object(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value<'a>, Flaw> {
        let length = self.rest.find(|character: char| !character.is_ascii_alphanumeric());
        let length = length.unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at_checked(length).ok_or_else(|| self.syntax())?;
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            "NaN" | "nan" | "Infinity" | "inf" => {
                return Err(Self::flaw("is not JSON: it has a number that is not finite"));
            }
            _ => return Err(self.syntax()),
        };
        self.rest = behind;
        Ok(value)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let behind = self.rest.strip_prefix('"').ok_or_else(|| self.syntax())?;
        match quoted::read(behind, '"', Escapes::Json) {
            Ok((text, rest)) => {
                self.rest = rest;
                Ok(text)
            }
            Err((quoted::Fault::HalfCharacter, _)) => {
                Err(Self::flaw("has the escape of half of a character, which is not a text"))
            }
            Err((quoted::Fault::Syntax, rest)) => Err(self.syntax_at(rest)),
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Flaw> {
        let start = self.rest;
        self.take("-");
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(self.syntax_at(start));
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            self.digits()?;
        }
        // `-Infinity`, `1x`.
        if self.rest.starts_with(|next: char| next.is_alphanumeric()) {
            return Err(self.syntax());
        }
        let written = start.get(..start.len() - self.rest.len()).unwrap_or_default();
        written
            .parse::<Number>()
            .map(Value::Number)
            .map_err(|flaw| Self::flaw(format!("has a number that {}", flaw.rule)))
    }

    /// Reads one or more digits.
    fn digits(&mut self) -> Result<&'a str, Flaw> {
        let length = self.rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(self.rest.len());
        if self.rest.starts_with("Infinity") {
            return Err(Self::flaw("is not JSON: it has a number that is not finite"));
        }
        match self.rest.split_at_checked(length) {
            Some((digits, behind)) if !digits.is_empty() => {
                self.rest = behind;
                Ok(digits)
            }
            _ => Err(self.syntax()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, Flaw> {
        self.take("[");
        let mut values = Vec::new();
        self.blanks();
        if self.take("]") {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth)?);
            self.blanks();
            if self.take("]") {
                return Ok(Value::List(values));
            }
            if !self.take(",") {
                return Err(self.syntax());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Flaw> {
        self.take("{");
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.blanks();
        if self.take("}") {
            return Ok(Value::Map(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            if !self.take(":") {
                return Err(self.syntax());
            }
            members.push((name, self.value(depth)?));
            self.blanks();
            if self.take("}") {
                break;
            }
            if !self.take(",") {
                return Err(self.syntax());
            }
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(Self::flaw("has a member twice in one object"));
        }
        // Amazon DynamoDB Developer Guide, "Naming rules": an attribute's name has one character at least.
        if names.first() == Some(&"") {
            return Err(Self::flaw("has a member without a name, which no attribute can have"));
        }
        Ok(Value::Map(members))
    }
}
