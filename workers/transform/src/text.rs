//! Values in texts: booleans, lists, sets, JSON and bytes; and texts in one case.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use contract::Reason;
use contract::settings::{Case, FieldSettings};

use crate::failure::Flaw;
use crate::problem::{Place, Problem, ProblemKind};
use crate::value::Value;

mod json;
mod list;
mod quoted;
#[cfg(test)]
mod tests;

pub use contract::columns::trim;
pub use json::parse as parse_json;
pub use list::ListFormat;

/// The texts that are true where a field names no others: those of PostgreSQL, Python, SQLite, and people.
const TRUTHS: &[&str] = &["true", "t", "1", "yes"];

/// The texts that are false where a field names no others.
const FALSEHOODS: &[&str] = &["false", "f", "0", "no"];

/// Base64 that may be padded or not. The last character has no bits beyond the last byte, so that two texts never are
/// the same bytes.
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, INDIFFERENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, INDIFFERENT);

/// Returns the text in a case, by the rules of Unicode; borrowed if it is in that case already.
#[must_use]
pub fn cased(text: &str, case: Case) -> Cow<'_, str> {
    let other = |byte: u8| match case {
        Case::Lower => byte.is_ascii_uppercase() || !byte.is_ascii(),
        Case::Upper => byte.is_ascii_lowercase() || !byte.is_ascii(),
    };
    if !text.bytes().any(other) {
        return Cow::Borrowed(text);
    }
    let changed = match case {
        Case::Lower => text.to_lowercase(),
        Case::Upper => text.to_uppercase(),
    };
    if changed == text { Cow::Borrowed(text) } else { Cow::Owned(changed) }
}

/// Returns whether two texts differ in case only.
fn same(one: &str, other: &str) -> bool {
    let lower = |text: &'_ str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    match one.is_ascii() && other.is_ascii() {
        true => one.eq_ignore_ascii_case(other),
        false => one == other || lower(one) == lower(other),
    }
}

/// Returns the text without blanks around it.
fn without_blanks(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\u{a0}')
}

/// Returns a problem of a property.
fn problem(property: &'static str, element: Option<usize>, message: String, help: &str) -> Problem {
    let place = Place { property: Some(property), element, ..Place::default() };
    Problem { place, kind: ProblemKind::Value, message, help: (!help.is_empty()).then(|| help.to_owned()) }
}

/// The texts that are true or false. Neither case nor blanks around a text make a difference.
#[derive(Debug, Clone, Default)]
pub struct Booleans {
    /// `None` for the texts that databases and libraries write.
    truths: Option<Vec<String>>,
    falsehoods: Option<Vec<String>>,
}

impl Booleans {
    /// Creates the lists from the settings of a field. Where one of the lists is not given, it is `true`, `t`, `1` and
    /// `yes`, or `false`, `f`, `0` and `no`.
    ///
    /// # Errors
    /// All problems of the settings. Their places lack the name of the field.
    pub fn new(settings: &FieldSettings) -> Result<Self, Vec<Problem>> {
        let found = Self { truths: settings.truths.clone(), falsehoods: settings.falsehoods.clone() };
        let mut problems = Vec::new();
        for (property, own) in [("true", &found.truths), ("false", &found.falsehoods)] {
            let own = own.as_deref();
            if own.is_some_and(<[String]>::is_empty) {
                problems.push(problem(property, None, format!("there is no text that is {property}"), ""));
            }
            for (position, text) in own.unwrap_or_default().iter().enumerate() {
                if without_blanks(text).is_empty() {
                    let help = "use `default` for empty values";
                    let message = format!("an empty text cannot be {property}");
                    problems.push(problem(property, Some(position), message, help));
                }
                // Reported once, at `false` if both lists are given.
                let other = if property == "false" { found.is_true(text) } else { found.is_false(text) };
                if other && (property == "false" || found.falsehoods.is_none()) {
                    let help = match found.truths.is_some() && found.falsehoods.is_some() {
                        true => "",
                        false => "give both lists, `true` and `false`",
                    };
                    problems.push(problem(
                        property,
                        Some(position),
                        format!("`{text}` is both true and false"),
                        help,
                    ));
                }
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    fn is_true(&self, text: &str) -> bool {
        is_one_of(self.truths.as_deref(), TRUTHS, text)
    }

    fn is_false(&self, text: &str) -> bool {
        is_one_of(self.falsehoods.as_deref(), FALSEHOODS, text)
    }

    /// Parses a text that is true or false.
    ///
    /// # Errors
    /// [`Reason::InvalidBoolean`] for any other text.
    pub fn parse(&self, text: &str) -> Result<bool, Flaw> {
        if self.is_true(text) {
            Ok(true)
        } else if self.is_false(text) {
            Ok(false)
        } else {
            Err(Flaw::new(Reason::InvalidBoolean, "is not one of the texts that are true or false"))
        }
    }
}

fn is_one_of(own: Option<&[String]>, usual: &[&str], text: &str) -> bool {
    let text = without_blanks(text);
    match own {
        Some(own) => own.iter().any(|known| same(without_blanks(known), text)),
        None => usual.iter().any(|known| known.eq_ignore_ascii_case(text)),
    }
}

/// Parses bytes: base64 with either alphabet (RFC 4648, sections 4 and 5), padded or not, also in lines; or hexadecimal
/// digits after `\x`, as PostgreSQL writes them.
///
/// # Errors
/// [`Reason::InvalidBinary`] for any other text.
pub fn parse_binary(text: &str) -> Result<Value<'static>, Flaw> {
    let text = without_blanks(text);
    if let Some(digits) = text.strip_prefix("\\x") {
        return hexadecimal(digits).map(Value::Binary).ok_or_else(|| {
            let rule = match digits.contains('\\') {
                // A printable byte is shown as it is, so that `\xDEab` may be four bytes or two.
                true => "is bytes as DuckDB shows them, which can mean others: export them as base64",
                false => "is not pairs of hexadecimal digits after `\\x`",
            };
            Flaw::new(Reason::InvalidBinary, rule)
        });
    }
    let lines: Cow<'_, str> = match text.contains(['\n', '\r']) {
        true => Cow::Owned(text.replace(['\n', '\r'], "")),
        false => Cow::Borrowed(text),
    };
    let engine = if lines.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    let bytes = engine.decode(lines.as_bytes());
    bytes.map(Value::Binary).map_err(|_| {
        let of_python = text.starts_with("b'") || text.starts_with("b\"");
        let rule = if of_python { "is bytes as Python shows them, and not base64" } else { "is not base64" };
        Flaw::new(Reason::InvalidBinary, rule)
    })
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(value(*high)? * 16 + value(*low)?).ok()).collect()
}
