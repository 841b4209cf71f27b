//! The types of columns: conservative, since a value that does not fit its type fails its row. A column stays text where
//! there is a doubt, and a note says so.

use contract::settings::{FieldSettings, Type};

use super::column::Column;
use super::names;
use super::numbers::{self, Format, Verdict};
use super::readings::{Is, Order, Reading};
use super::writer;

/// Pairs of words for true and false, and whether `transform` takes them by itself.
const PAIRS: [(&str, &str, bool); 14] = [
    ("true", "false", true),
    ("t", "f", true),
    ("yes", "no", true),
    ("y", "n", false),
    ("on", "off", false),
    ("ja", "nein", false),
    ("j", "n", false),
    ("wahr", "falsch", false),
    ("oui", "non", false),
    ("vrai", "faux", false),
    ("si", "no", false),
    ("sí", "no", false),
    ("sim", "não", false),
    ("verdadero", "falso", false),
];

/// The fewest rows from which the different values of a column are listed.
const ENOUGH_ROWS: u64 = 20;

/// The type of a column, as properties of a field, and what a person should know about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The properties of the field that belong to its type.
    pub settings: FieldSettings,
    /// Notes, without a full stop.
    pub notes: Vec<String>,
}

/// The character before decimals in those columns of a file that leave no doubt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decimals {
    point: bool,
    comma: bool,
}

impl Decimals {
    /// Looks for columns of numbers with decimals.
    pub fn of<'c>(columns: impl Iterator<Item = &'c Column>) -> Self {
        let mut found = Self::default();
        for column in columns {
            match number(column) {
                Some(Verdict::Number(('.', _))) if column.shapes.point || column.shapes.comma => {
                    found.point = true
                }
                Some(Verdict::Number((',', _))) => found.comma = true,
                _ => {}
            }
        }
        found
    }

    /// Returns the format that the rest of the file suggests, of two that are possible.
    const fn choose(self, one: Format, other: Format) -> Option<Format> {
        match (self.point, self.comma, one.0, other.0) {
            (true, false, '.', _) | (false, true, ',', _) => Some(one),
            (true, false, _, '.') | (false, true, _, ',') => Some(other),
            _ => None,
        }
    }
}

/// Returns the verdict on a column whose values are all numbers.
fn number(column: &Column) -> Option<Verdict> {
    let fits = |format: Format| column.fitting().any(|reading| reading.is == Is::Number(format.0, format.1));
    let any = column.fitting().any(|reading| matches!(reading.is, Is::Integer | Is::Number(..)));
    any.then(|| numbers::decide(&column.shapes, fits))
}

/// Decides on the type of a column.
pub fn decide(name: &str, column: &Column, decimals: Decimals) -> Decision {
    let mut decision = if column.filled == 0 {
        Decision { notes: vec!["always empty in this file".to_owned()], ..Decision::default() }
    } else {
        typed(name, column, decimals).unwrap_or_else(|| text(name, column))
    };
    if column.marked > 0 && decision.settings.kind.is_some() {
        decision = marked(column, &decision);
    }
    if writer::is_one_or_nothing(&column.traces, column.empty) {
        decision.notes.push(
            "only `1` and nothing, as csv-stringify writes booleans: if they are, write `type: boolean, default: \"0\"`"
                .to_owned(),
        );
    }
    decision
}

fn of(kind: Type) -> Decision {
    Decision { settings: FieldSettings { kind: Some(kind), ..FieldSettings::default() }, notes: Vec::new() }
}

fn typed(name: &str, column: &Column, decimals: Decimals) -> Option<Decision> {
    if let Some(found) = boolean(column) {
        return Some(found);
    }
    if column.looks_like_json() {
        return Some(match column.fitting().any(|reading| reading.is == Is::Json) {
            true => of(Type::Json),
            false => stays_text("looks like JSON or an array, but an item can't hold all values as JSON"),
        });
    }
    match number(column) {
        Some(verdict) => Some(numeric(name, column, &verdict, decimals)),
        None => time(column),
    }
}

fn boolean(column: &Column) -> Option<Decision> {
    let words = column.words()?;
    let mut distinct: Vec<String> = words.iter().map(|word| word.trim().to_lowercase()).collect();
    distinct.retain(|word| !column.markers.iter().any(|marker| marker.to_lowercase() == *word));
    distinct.sort_unstable();
    distinct.dedup();
    let [one, other] = distinct.as_slice() else { return None };
    let (truth, falsehood, known) = PAIRS.into_iter().find(|(truth, falsehood, _)| {
        (one == truth && other == falsehood) || (one == falsehood && other == truth)
    })?;
    if known {
        return column.fitting().any(|reading| reading.is == Is::Boolean).then(|| of(Type::Boolean));
    }
    // The words are compared in any case. Blanks of a rare kind around them would make them others.
    if column.blanks_around > 0 {
        return None;
    }
    let spelled =
        |meant: &str| words.iter().find(|word| word.to_lowercase() == meant).map(|word| vec![word.clone()]);
    let mut found = of(Type::Boolean);
    found.settings.truths = spelled(truth);
    found.settings.falsehoods = spelled(falsehood);
    Some(found)
}

fn numeric(name: &str, column: &Column, verdict: &Verdict, decimals: Decimals) -> Decision {
    let in_format = |(decimal, group): Format| {
        let mut found = of(Type::Number);
        found.settings.decimal = (decimal != '.').then_some(decimal);
        found.settings.group = group;
        found
    };
    let mut found = match verdict {
        Verdict::Integer if names::is_code(name) => {
            return stays_text("digits of a code: as a number, it would lose zeros at its beginning");
        }
        Verdict::Integer => of(Type::Integer),
        Verdict::Number(format) => in_format(*format),
        Verdict::Ambiguous { decimals: one, groups: other } => match decimals.choose(*one, *other) {
            Some(format) => {
                let mut found = in_format(format);
                found.notes.push(format!(
                    "other columns have `{}` before decimals, so this one has it too",
                    format.0
                ));
                found
            }
            None => {
                return stays_text(&format!(
                    "ambiguous numbers: 1{}234 can be a little more than one or more than a thousand; write `type: number` for the \
                     first{}, or {} for the second",
                    if column.shapes.comma { ',' } else { '.' },
                    if one.0 == '.' { "" } else { " with `decimal: \",\"`" },
                    match other.1 {
                        Some('.') => "`type: number, decimal: \",\", group: \".\"`",
                        _ => "`type: number, group: \",\"`",
                    },
                ));
            }
        },
        Verdict::Text(reason) => {
            return stays_text(&format!("digits that are not taken for numbers: {reason}"));
        }
    };
    if column.shapes.spreadsheet_exponent {
        found
            .notes
            .push("a spreadsheet has shortened numbers, such as 1.23457E+15: the digits are lost".to_owned());
    }
    if *verdict == Verdict::Integer {
        found.notes.extend(meaning(name, column));
    }
    found
}

/// Returns another meaning that the whole numbers of a column may have.
fn meaning(name: &str, column: &Column) -> Option<String> {
    let words = column.words().unwrap_or_default();
    if words.len() == 2 && words.iter().all(|word| matches!(word.as_str(), "0" | "1")) {
        return Some("only 0 and 1: `type: boolean` takes them too".to_owned());
    }
    if !column.shapes.not_compact_date {
        return Some("may be days: `type: date, format: \"%Y%m%d\"`".to_owned());
    }
    let name = name.to_lowercase();
    let times =
        ["time", "date", "epoch", "created", "updated", "modified"].iter().any(|word| name.contains(word));
    match column.max_bytes {
        10 if times => Some("may be seconds since 1970: `type: timestamp, format: \"%s\"`".to_owned()),
        13 if times => Some("may be milliseconds since 1970: `type: timestamp, format: \"%Q\"`".to_owned()),
        _ => None,
    }
}

fn stays_text(note: &str) -> Decision {
    Decision { settings: FieldSettings::default(), notes: vec![note.to_owned()] }
}

fn time(column: &Column) -> Option<Decision> {
    // A midnight is a day as well, but the next file may have other times.
    let has_time = column.offsets.0 || column.offsets.1;
    let fitting: Vec<&Reading> = column
        .fitting()
        .filter(|reading| matches!(reading.is, Is::Iso | Is::Time(_)))
        .filter(|reading| !has_time || reading.kind() == Type::Timestamp)
        .collect();
    let first = fitting.first()?;
    if let Some(other) = fitting.iter().find(|reading| order(reading) != order(first)) {
        let format =
            |reading: &Reading| reading.settings.format.iter().flatten().next().cloned().unwrap_or_default();
        return Some(stays_text(&format!(
            "ambiguous dates: no day is greater than 12; write `type: {}, format: \"{}\"` or `format: \"{}\"`",
            first.kind().word(),
            format(first),
            format(other)
        )));
    }
    let mut found = Decision { settings: first.settings.clone(), notes: Vec::new() };
    if first.kind() == Type::Timestamp && column.offsets.1 {
        found.notes.push(match column.offsets.0 {
            true => {
                "some have no offset and are read as UTC; `zone: Europe/Berlin` names another zone".to_owned()
            }
            false => "without an offset, so read as UTC; `zone: Europe/Berlin` names another zone".to_owned(),
        });
    }
    Some(found)
}

const fn order(reading: &Reading) -> Option<Order> {
    match reading.is {
        Is::Time(order) => Some(order),
        _ => None,
    }
}

/// Returns the decision on a column of a type in which some values are words for a missing one.
fn marked(column: &Column, typed: &Decision) -> Decision {
    let words: Vec<String> =
        column.markers.iter().map(|marker| format!("{}: \"\"", quoted(marker))).collect();
    let kind = typed.settings.kind.unwrap_or(Type::String).word();
    let decimal = match (typed.settings.decimal, typed.settings.group) {
        (Some(decimal), Some(group)) => format!(", decimal: \"{decimal}\", group: \"{group}\""),
        (Some(decimal), None) => format!(", decimal: \"{decimal}\""),
        (None, Some(group)) => format!(", group: \"{group}\""),
        (None, None) => String::new(),
    };
    let format = typed.settings.format.iter().flatten().next();
    let format = format.map(|format| format!(", format: \"{format}\"")).unwrap_or_default();
    stays_text(&format!(
        "all but {} are of `type: {kind}`: if {} for a missing value, write `type: {kind}{decimal}{format}, values: {{ {} }}, \
         otherwise: keep`",
        counted(column.marked, "value"),
        if words.len() == 1 { "that word is used" } else { "those words are used" },
        words.join(", ")
    ))
}

/// Returns the notes on a column of texts.
fn text(name: &str, column: &Column) -> Decision {
    let mut notes = Vec::new();
    if column.blanks_around > 0 {
        notes.push(format!(
            "{} with blanks around: `trim: true` removes them",
            counted(column.blanks_around, "value")
        ));
    }
    let few = column.words().filter(|words| {
        let rows = column.filled + column.empty;
        rows >= ENOUGH_ROWS && words.len() as u64 * 4 <= rows
    });
    if names::sensitive(name).is_none()
        && column.not_mail
        && let Some(words) = few
    {
        let mut words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        words.sort_unstable();
        notes.push(format!("one of {}", words.join(", ")));
    }
    Decision { settings: FieldSettings::default(), notes }
}

/// Returns a text in the quotes of JSON, without anything that could end a comment.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns `1 value`, `2 values`.
pub fn counted(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{out} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(name: &str, values: &[&str]) -> Decision {
        let mut column = Column::default();
        for (row, value) in (1..).zip(values) {
            column.take(row, value);
        }
        decide(name, &column, Decimals::of(std::iter::once(&column)))
    }

    fn kind(values: &[&str]) -> &'static str {
        decided("x", values).settings.kind.unwrap_or(Type::String).word()
    }

    #[test]
    fn types_are_those_that_all_values_have() {
        for (values, expected) in [
            (&["1", "2", ""][..], "integer"),
            (&["1.5", "2"], "number"),
            (&["true", "false", "true"], "boolean"),
            (&["t", "f"], "boolean"),
            (&["Yes", "no", "NO"], "boolean"),
            (&["ja", "Nein"], "boolean"),
            (&["y", "N"], "boolean"),
            (&["t", "no"], "string"),
            (&["2026-01-31 00:00:00"], "timestamp"),
            (&["1", "0"], "integer"),
            (&["true"], "string"),
            (&["yes", "no", "maybe"], "string"),
            (&["2026-01-31"], "date"),
            (&["2026-01-31T10:00:00Z"], "timestamp"),
            (&["2026-01-31 10:00:00+02", ""], "timestamp"),
            (&["31/01/2026", "01/02/2026"], "date"),
            (&["01/31/2026 1:05 PM"], "timestamp"),
            (&["01.02.2026"], "date"),
            (&["01/02/2026", "03/03/2026"], "string"),
            (&["{\"a\": 1}", "[]"], "json"),
            (&["[a b]"], "string"),
            (&["007"], "string"),
            (&["1.234"], "string"),
            (&["1", "x"], "string"),
            (&["12:30"], "string"),
            (&[""], "string"),
            (&["NA", "1"], "string"),
        ] {
            assert_eq!(kind(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_doubt_is_said() {
        let note = |name: &str, values: &[&str]| decided(name, values).notes.join("; ");
        assert!(
            note("x", &["01/02/2026"])
                .contains("`type: date, format: \"%d/%m/%Y\"` or `format: \"%m/%d/%Y\"`")
        );
        assert!(note("x", &["1.234"]).contains("ambiguous numbers"));
        assert!(note("x", &["NaN", "1"]).contains("values: { \"NaN\": \"\" }, otherwise: keep"));
        assert!(note("zip", &["80331"]).contains("a code"));
        assert!(note("x", &["20260131"]).contains("%Y%m%d"));
        assert!(note("created", &["1767225600"]).contains("seconds since 1970"));
        assert!(note("x", &["2026-01-31T10:00:00"]).contains("read as UTC"));
        assert!(!note("x", &["2026-01-31T10:00:00Z"]).contains("UTC"));
        assert!(note("x", &["1", ""]).contains("csv-stringify"));
        let states = ["new", "paid"].repeat(10);
        assert_eq!(note("state", &states), "one of \"new\", \"paid\"");
        assert_eq!(note("password", &states), "");
    }

    #[test]
    fn other_columns_decide_on_ambiguous_numbers() {
        let column = |values: &[&str]| {
            let mut column = Column::default();
            values.iter().for_each(|value| column.take(1, value));
            column
        };
        let german = Decimals::of([&column(&["1,5"])].into_iter());
        let found = decide("x", &column(&["1.234"]), german);
        assert_eq!((found.settings.decimal, found.settings.group), (Some(','), Some('.')));
        let english = Decimals::of([&column(&["1.5"])].into_iter());
        let found = decide("x", &column(&["1.234"]), english);
        assert_eq!((found.settings.kind, found.settings.group), (Some(Type::Number), None));
        let both = Decimals::of([&column(&["1.5"]), &column(&["1,5"])].into_iter());
        assert_eq!(decide("x", &column(&["1.234"]), both).settings.kind, None);
    }

    #[test]
    fn counts_are_written_for_people() {
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(1_234_567, "row"), "1,234,567 rows");
    }
}
