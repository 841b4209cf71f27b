//! The operators of one field of a pattern, and their match against a value.

use std::fmt;

use deployer_syntax::mark::is_mark;
use deployer_syntax::number;
use serde_json::Value;

use super::address::{self, Range};
use super::value::{Amount, Leaf, amount};

/// A thing that a field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// A text that is not known before the deployment.
    Unknown,
    /// A text.
    Text(String),
    /// `true`, `false`, `null`, or a number as written.
    Word(String),
    /// An address, however it is written.
    Address(String, Range),
    /// An amount, however it is written.
    Number(String, Amount),
    /// Amounts between two, each within or not.
    Numeric { shown: String, low: Option<(Amount, bool)>, high: Option<(Amount, bool)> },
    /// Addresses in a range.
    Cidr(String, Range),
    /// An operator on texts.
    Is(Test),
    /// None of these texts and amounts.
    AnythingBut { shown: String, texts: Vec<String>, amounts: Vec<Amount> },
    /// Not what any of these takes.
    Not(Vec<Test>),
    /// Presence of the field.
    Exists,
    /// Absence of the field.
    Absent,
}

/// A test of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The operator.
    operator: Operator,
    /// The text after it.
    text: String,
    /// `true` if upper and lower case are the same.
    fold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Prefix,
    Suffix,
    Equals,
    Wildcard,
}

impl Matcher {
    /// Returns the matcher of an entry of a pattern's list, which the reader has checked.
    pub fn of(value: &Value) -> Self {
        let Some((name, argument)) = value.as_object().and_then(|map| map.iter().next()) else {
            return Self::plain(value);
        };
        if is_open(argument) {
            return Self::Unknown;
        }
        match name.as_str() {
            "exists" => {
                if argument == &Value::Bool(true) {
                    Self::Exists
                } else {
                    Self::Absent
                }
            }
            "exactly" => Self::Text(text_of(argument)),
            "numeric" => Self::numeric(argument),
            "cidr" => {
                let text = text_of(argument);
                address::parse_range(&text).map_or(Self::Unknown, |range| Self::Cidr(text, range))
            }
            "anything-but" => Self::anything_but(argument),
            name => Test::of(name, argument).map_or(Self::Unknown, Self::Is),
        }
    }

    fn plain(value: &Value) -> Self {
        if let Some(digits) = number::digits(value) {
            return match amount(&digits) {
                Some(amount) => Self::Number(digits.into_owned(), amount),
                None => Self::Word(digits.into_owned()),
            };
        }
        match value {
            Value::String(text) if is_mark(text) => Self::Unknown,
            Value::String(text) => match address::single(text) {
                Some(range) => Self::Address(text.clone(), range),
                None => Self::Text(text.clone()),
            },
            other => Self::Word(other.to_string()),
        }
    }

    fn numeric(argument: &Value) -> Self {
        let items = argument.as_array().map_or(&[][..], Vec::as_slice);
        let (mut low, mut high) = (None, None);
        for pair in items.chunks(2) {
            let [Value::String(sign), bound] = pair else { return Self::Unknown };
            let Some(digits) = number::digits(bound) else { return Self::Unknown };
            let Some(bound) = amount(&digits) else { return Self::Unknown };
            match sign.as_str() {
                "=" => return Self::Number(digits.into_owned(), bound),
                "<" | "<=" => high = Some((bound, sign == "<=")),
                _ => low = Some((bound, sign == ">=")),
            }
        }
        Self::Numeric { shown: number::to_json(argument), low, high }
    }

    fn anything_but(argument: &Value) -> Self {
        let several = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        if let Some((name, inner)) = argument.as_object().and_then(|map| map.iter().next()) {
            let known = several(inner).into_iter().filter(|one| !is_open(one));
            return Self::Not(known.filter_map(|one| Test::of(name, &one)).collect());
        }
        let (mut texts, mut amounts) = (Vec::new(), Vec::new());
        for one in several(argument).iter().filter(|one| !is_open(one)) {
            match number::digits(one) {
                Some(digits) => amounts.extend(amount(&digits)),
                None => texts.push(text_of(one)),
            }
        }
        Self::AnythingBut { shown: number::to_json(argument), texts, amounts }
    }

    /// Returns the wildcards in it.
    pub fn wildcards(&self) -> Vec<&str> {
        let tests: &[Test] = match self {
            Self::Is(test) => std::slice::from_ref(test),
            Self::Not(tests) => tests,
            _ => &[],
        };
        tests
            .iter()
            .filter(|test| test.operator == Operator::Wildcard)
            .map(|test| test.text.as_str())
            .collect()
    }

    const fn is_numeric(&self) -> bool {
        match self {
            Self::Number(..) | Self::Numeric { .. } => true,
            Self::AnythingBut { amounts, .. } => !amounts.is_empty(),
            _ => false,
        }
    }

    fn matches(&self, value: &Leaf, number: Option<Amount>) -> bool {
        match self {
            Self::Unknown | Self::Exists => true,
            Self::Absent => false,
            Self::Text(wanted) => matches!(value, Leaf::Text(text) if text == wanted),
            Self::Word(wanted) => matches!(value, Leaf::Word(word) if word == wanted),
            Self::Number(written, amount) => match number {
                Some(number) => number == *amount,
                None => matches!(value, Leaf::Word(word) if word == written),
            },
            Self::Numeric { low, high, .. } => number.is_some_and(|number| {
                low.is_none_or(|(bound, within)| number > bound || (within && number == bound))
                    && high.is_none_or(|(bound, within)| number < bound || (within && number == bound))
            }),
            Self::Address(_, range) | Self::Cidr(_, range) => match value {
                Leaf::Text(text) => address::digits(text).is_some_and(|digits| range.holds(&digits)),
                // A number that is not compared as one is compared by its digits.
                Leaf::Word(word) => number.is_none() && range.holds(word),
                Leaf::Unknown => true,
            },
            Self::Is(test) => matches!(value, Leaf::Text(text) if test.holds(text)),
            Self::Not(tests) => match value {
                Leaf::Text(text) => !tests.iter().any(|test| test.holds(text)),
                _ => true,
            },
            Self::AnythingBut { texts, amounts, .. } => match value {
                Leaf::Text(text) => !texts.contains(text),
                _ => number.is_none_or(|number| !amounts.contains(&number)),
            },
        }
    }
}

/// Returns whether a value matches one of these. A number is compared as a number if any of them is about numbers.
pub fn matches_any(matchers: &[Matcher], value: &Leaf) -> bool {
    let number = match value {
        Leaf::Unknown => return matchers.iter().any(|matcher| *matcher != Matcher::Absent),
        Leaf::Word(word) if matchers.iter().any(Matcher::is_numeric) => amount(word),
        _ => None,
    };
    matchers.iter().any(|matcher| matcher.matches(value, number))
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Unknown => out.write_str("(known after the deployment)"),
            Self::Text(text) | Self::Address(text, _) => out.write_str(&quoted(text)),
            Self::Word(word) | Self::Number(word, _) => out.write_str(word),
            Self::Numeric { shown, .. } => write!(out, "{{\"numeric\":{shown}}}"),
            Self::Cidr(text, _) => write!(out, "{{\"cidr\":{}}}", quoted(text)),
            Self::Is(test) => write!(out, "{test}"),
            Self::AnythingBut { shown, .. } => write!(out, "{{\"anything-but\":{shown}}}"),
            Self::Not(tests) => {
                let shown: Vec<String> = tests.iter().map(Test::to_string).collect();
                write!(out, "{{\"anything-but\":{}}}", shown.join(" or "))
            }
            Self::Exists => out.write_str("{\"exists\":true}"),
            Self::Absent => out.write_str("{\"exists\":false}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, fold) = (Value::from(self.text.as_str()), "equals-ignore-case");
        match (self.operator, self.fold) {
            (Operator::Equals, _) => write!(out, "{{\"{fold}\":{text}}}"),
            (Operator::Wildcard, _) => write!(out, "{{\"wildcard\":{text}}}"),
            (Operator::Prefix, false) => write!(out, "{{\"prefix\":{text}}}"),
            (Operator::Suffix, false) => write!(out, "{{\"suffix\":{text}}}"),
            (Operator::Prefix, true) => write!(out, "{{\"prefix\":{{\"{fold}\":{text}}}}}"),
            (Operator::Suffix, true) => write!(out, "{{\"suffix\":{{\"{fold}\":{text}}}}}"),
        }
    }
}

impl Test {
    fn of(name: &str, argument: &Value) -> Option<Self> {
        let folded = argument.get("equals-ignore-case");
        let text = folded.unwrap_or(argument);
        if is_open(text) {
            return None;
        }
        let (operator, fold) = match name {
            "prefix" => (Operator::Prefix, folded.is_some()),
            "suffix" => (Operator::Suffix, folded.is_some()),
            "equals-ignore-case" => (Operator::Equals, true),
            "wildcard" => (Operator::Wildcard, false),
            _ => return None,
        };
        Some(Self { operator, text: text_of(text), fold })
    }

    fn holds(&self, text: &str) -> bool {
        match (self.operator, self.fold) {
            (Operator::Prefix, false) => text.starts_with(&self.text),
            (Operator::Suffix, false) => text.ends_with(&self.text),
            (Operator::Wildcard, _) => wildcard(&self.text)
                .is_ok_and(|pieces| matches_wildcard(&pieces, &text.chars().collect::<Vec<_>>())),
            (Operator::Suffix, true) => {
                let units: Vec<_> = foldings(&self.text).collect();
                let strip = |text: &'_ str, unit: &str| {
                    text.len().checked_sub(unit.len()).filter(|_| text.ends_with(unit))
                };
                let ends = ends_of(text.len(), units.iter().rev(), |end, unit| {
                    strip(text.get(..end).unwrap_or_default(), unit)
                });
                !ends.is_empty()
            }
            (operator, _) => {
                let units: Vec<_> = foldings(&self.text).collect();
                let ends = ends_of(0, units.iter(), |start, unit| {
                    text.get(start..).filter(|rest| rest.starts_with(unit)).map(|_| start + unit.len())
                });
                if operator == Operator::Prefix { !ends.is_empty() } else { ends.contains(&text.len()) }
            }
        }
    }
}

/// Returns the places to which all units of a text lead, each in one of its two forms.
fn ends_of<'u>(
    start: usize,
    units: impl Iterator<Item = &'u [String; 2]>,
    step: impl Fn(usize, &str) -> Option<usize>,
) -> Vec<usize> {
    units.fold(vec![start], |places, forms| {
        let mut next: Vec<usize> =
            places.iter().flat_map(|place| forms.iter().filter_map(|form| step(*place, form))).collect();
        next.sort_unstable();
        next.dedup();
        next
    })
}

/// Returns the lower and the upper case of each letter. The matcher takes UTF-16 unit by unit, and half of a character
/// beyond it becomes a question mark.
fn foldings(text: &str) -> impl Iterator<Item = [String; 2]> {
    text.chars().map(|letter| match letter.len_utf16() {
        1 => [letter.to_lowercase().collect(), letter.to_uppercase().collect()],
        _ => ["??".to_owned(), "??".to_owned()],
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_open(value: &Value) -> bool {
    value.as_str().is_some_and(is_mark)
}

/// Parses the letters of a wildcard; `None` is any number of letters.
pub fn wildcard(text: &str) -> Result<Vec<Option<char>>, String> {
    let mut pieces = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if pieces.last() == Some(&None) => return Err("two `*` are next to each other".to_owned()),
            '*' => pieces.push(None),
            '\\' => match letters.next() {
                Some(escaped @ ('*' | '\\')) => pieces.push(Some(escaped)),
                _ => return Err("`\\` is not followed by `*` or `\\`".to_owned()),
            },
            letter => pieces.push(Some(letter)),
        }
    }
    Ok(pieces)
}

/// Returns whether a text fits: on a difference, the last `*` takes one letter more.
fn matches_wildcard(pieces: &[Option<char>], text: &[char]) -> bool {
    let (mut piece, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(None) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Some(letter)) if text.get(at) == Some(letter) => {
                piece += 1;
                at += 1;
            }
            _ => match star {
                Some((before, taken)) => {
                    star = Some((before, taken + 1));
                    piece = before + 1;
                    at = taken + 1;
                }
                None => return false,
            },
        }
    }
    pieces.get(piece..).is_some_and(|rest| rest.iter().all(Option::is_none))
}
