//! Texts that a column of a verified file may have: by the type and the rules of each field that reads it, and the words of
//! expressions.

use std::collections::BTreeSet;

use contract::columns;
use contract::settings::{Element, FieldSettings, TransformSettings, Type};
use fastrand::Rng;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Characters of a text that has no rules.
const WORD: usize = 20;
/// The longest text.
const LONGEST: usize = 200;
/// Digits of a number that has no rules: fewer than a double holds exactly.
const DIGITS: u32 = 14;
/// Most repetitions of a part of a pattern that has no upper bound, beyond its lower one.
const REPEATED: u32 = 8;
/// Seconds before and after the present from which moments are taken: about four years.
const SPAN: i64 = 120_000_000;

/// A way to make texts.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    /// The same text each time.
    Fixed(String),
    /// A random word of at most this many characters.
    Word(usize),
    /// A random text that a regular expression matches.
    Pattern(Hir),
    /// A random whole number between two.
    Integer(i64, i64),
    /// A random moment in a format.
    Moment {
        /// As in `strftime`.
        format: String,
        /// The first second and the last.
        between: (i64, i64),
    },
    /// Elements with a text between them.
    List(Box<Candidate>, String),
    /// A list of JSON.
    JsonList(Box<Candidate>, bool),
    /// An object of JSON.
    Json,
    /// Bytes in Base64.
    Binary,
}

impl Candidate {
    /// Returns a text.
    pub(super) fn make(&self, rng: &mut Rng) -> String {
        match self {
            Self::Fixed(text) => text.clone(),
            Self::Word(most) => word(rng, (*most).min(WORD)),
            Self::Pattern(hir) => {
                let mut out = String::new();
                of_pattern(hir, rng, &mut out);
                out
            }
            Self::Integer(least, greatest) => rng.i64(*least..=*greatest).to_string(),
            Self::Moment { format, between: (first, last) } => {
                let second = rng.i64(*first..=*last);
                let moment = Timestamp::from_second(second).unwrap_or_default();
                strtime::format(format, moment).unwrap_or_default()
            }
            Self::List(element, separator) => [element.make(rng), element.make(rng)].join(separator),
            Self::JsonList(element, quoted) => {
                let elements = [element.make(rng), element.make(rng)];
                let text = |one: &String| if *quoted { format!("{one:?}") } else { one.clone() };
                format!("[{}]", elements.iter().map(text).collect::<Vec<_>>().join(","))
            }
            Self::Json => format!("{{\"verification\":\"{}\"}}", word(rng, WORD)),
            Self::Binary => "dmVyaWZ5".to_owned(),
        }
    }
}

/// Returns a word of letters and digits that nobody else uses.
fn word(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect()
}

/// Appends a text that a part of a pattern matches, with random choices.
fn of_pattern(hir: &Hir, rng: &mut Rng, out: &mut String) {
    if out.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let printable = |character: &char| character.is_ascii_graphic();
            let ascii: Vec<char> = class
                .iter()
                .flat_map(|range| range.start()..=range.end().min('~'))
                .filter(printable)
                .collect();
            let any = class.iter().next().map(|range| range.start());
            out.extend(rng.choice(&ascii).copied().or(any));
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ascii: Vec<u8> = class
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .filter(u8::is_ascii_graphic)
                .collect();
            out.extend(rng.choice(&ascii).map(|byte| char::from(*byte)));
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.min.saturating_add(REPEATED);
            let most = repetition.max.map_or(most, |max| max.min(most)).max(repetition.min);
            for _ in 0..rng.u32(repetition.min..=most) {
                of_pattern(&repetition.sub, rng, out);
            }
        }
        HirKind::Capture(capture) => of_pattern(&capture.sub, rng, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| of_pattern(part, rng, out)),
        HirKind::Alternation(parts) => {
            if let Some(part) = rng.choice(parts) {
                of_pattern(part, rng, out);
            }
        }
    }
}

/// A column, and the texts that it may have: those that suit its fields first.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// The texts.
    pub(super) candidates: Vec<Candidate>,
}

/// Returns the texts that a column may have.
pub(super) fn of_column(name: &str, settings: &TransformSettings) -> Column {
    let mut candidates = Vec::new();
    of_fields(&settings.fields, name, &mut candidates);
    let conditions = [settings.filter.as_deref(), settings.delete.as_deref()];
    let mut words = BTreeSet::new();
    conditions.into_iter().flatten().for_each(|expression| literals(expression, &mut words));
    of_expressions(&settings.fields, &mut words);
    candidates.extend(words.into_iter().map(Candidate::Fixed));
    let now = Timestamp::now().as_second();
    let between = (now - SPAN, now + SPAN);
    candidates.extend([
        Candidate::Word(WORD),
        Candidate::Integer(10_i64.pow(DIGITS), 10_i64.pow(DIGITS + 1)),
        Candidate::Integer(1, 9),
        Candidate::Moment { format: "%Y-%m-%dT%H:%M:%SZ".to_owned(), between },
        Candidate::Moment { format: "%Y-%m-%d".to_owned(), between },
        Candidate::Fixed("true".to_owned()),
        Candidate::Fixed("false".to_owned()),
        Candidate::Fixed(String::new()),
    ]);
    Column { name: name.to_owned(), candidates }
}

fn of_fields(fields: &[FieldSettings], column: &str, out: &mut Vec<Candidate>) {
    for field in fields {
        let from = field.from.as_deref().map(columns::trim);
        if from.is_some_and(|from| columns::same(from, column)) {
            of_field(field, out);
        }
        of_fields(field.map.as_deref().unwrap_or_default(), column, out);
    }
}

/// Adds the texts that suit a field.
fn of_field(field: &FieldSettings, out: &mut Vec<Candidate>) {
    if let Some(values) = &field.values {
        out.extend(values.iter().map(|(text, _)| Candidate::Fixed(text.clone())));
    }
    let now = Timestamp::now().as_second();
    let second = |bound: &Option<String>| {
        let bound = bound.as_deref()?;
        let day = || {
            let midnight = bound.parse::<Date>().ok()?.at(0, 0, 0, 0);
            Offset::UTC.to_timestamp(midnight).ok()
        };
        bound.parse::<Timestamp>().ok().or_else(day).map(|moment| moment.as_second())
    };
    let (first, last) = (second(&field.minimum), second(&field.maximum));
    let first = first.unwrap_or_else(|| last.unwrap_or(now) - SPAN);
    let last = last.unwrap_or_else(|| first.saturating_add(2 * SPAN)).max(first);
    let moment = |format: &str| Candidate::Moment { format: format.to_owned(), between: (first, last) };
    match field.kind.unwrap_or(Type::String) {
        Type::String => {
            if let Some(hir) = field.pattern.as_deref().and_then(|one| regex_syntax::parse(one).ok()) {
                out.push(Candidate::Pattern(hir));
            }
            let most = field.max_length.map_or(WORD, |most| usize::try_from(most).unwrap_or(WORD));
            out.push(Candidate::Word(most));
        }
        Type::Number | Type::Integer => out.push(number(field)),
        Type::Boolean => {
            let words = field.truths.iter().chain(&field.falsehoods).flatten().cloned();
            out.extend(words.map(Candidate::Fixed));
            out.push(Candidate::Fixed("true".to_owned()));
        }
        Type::Timestamp => {
            out.extend(field.format.iter().flatten().map(|format| moment(format)));
            out.push(moment("%Y-%m-%dT%H:%M:%SZ"));
        }
        Type::Date => {
            out.extend(field.format.iter().flatten().map(|format| moment(format)));
            out.push(moment("%Y-%m-%d"));
        }
        Type::Set | Type::List => {
            let (element, quoted) = match field.of.unwrap_or(Element::String) {
                Element::String => (Candidate::Word(WORD), true),
                Element::Number | Element::Integer => (number(&FieldSettings::default()), false),
                Element::Boolean => (Candidate::Fixed("true".to_owned()), false),
            };
            let element = Box::new(element);
            if let Some(separator) = &field.separator {
                out.push(Candidate::List(element.clone(), separator.clone()));
            }
            out.push(Candidate::JsonList(element, quoted));
        }
        Type::Json => out.push(Candidate::Json),
        Type::Binary => out.push(Candidate::Binary),
    }
}

/// Returns random numbers between the bounds of a field.
fn number(field: &FieldSettings) -> Candidate {
    let bound = |bound: &Option<String>| bound.as_deref()?.parse::<f64>().ok();
    let limit = 10_f64.powi(15);
    #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
    let whole = |number: f64| number.clamp(-limit, limit) as i64;
    let least = bound(&field.minimum).map(|least| whole(least.ceil()));
    let greatest = bound(&field.maximum).map(|greatest| whole(greatest.floor()));
    let (least, greatest) = match (least, greatest) {
        (None, None) => (10_i64.pow(DIGITS), 10_i64.pow(DIGITS + 1)),
        (Some(least), None) => (least, least.saturating_add(10_i64.pow(DIGITS))),
        (None, Some(greatest)) => (greatest.saturating_sub(10_i64.pow(DIGITS)), greatest),
        (Some(least), Some(greatest)) => (least, greatest),
    };
    Candidate::Integer(least.min(greatest), greatest)
}

fn of_expressions(fields: &[FieldSettings], words: &mut BTreeSet<String>) {
    for field in fields {
        if let Some(expression) = &field.expression {
            literals(expression, words);
        }
        of_expressions(field.map.as_deref().unwrap_or_default(), words);
    }
}

/// Adds the texts and numbers of an expression, and numbers beside them.
fn literals(expression: &str, words: &mut BTreeSet<String>) {
    for quote in ['"', '\''] {
        words.extend(expression.split(quote).skip(1).step_by(2).map(str::to_owned));
    }
    let digits = |character: char| !character.is_ascii_digit() && character != '.';
    for number in expression.split(digits).filter_map(|one| one.parse::<i64>().ok()) {
        words.extend([number, number.saturating_add(1), number.saturating_sub(1)].map(|one| one.to_string()));
    }
}
