//! From the text of a value to the value: cleaned, mapped, checked for emptiness, read by its type, and held against
//! its rules.

use std::borrow::Cow;
use std::collections::HashMap;

use contract::Reason;
use contract::row::Cell;
use contract::settings::{Case, Empty, FieldSettings, Otherwise, Type};
use regex::Regex;

use crate::expression::{Datum, Timestamp};
use crate::failure::Flaw;
use crate::number::{Number, NumberFormat};
use crate::problem::{Place, Problem, ProblemKind};
use crate::text::{self, Booleans, ListFormat};
use crate::time::{Instant, Parsed, TimeFormat};
use crate::value::Value;

/// The greatest size of a compiled pattern, in bytes: many times that of any pattern that a person writes.
const MAX_PATTERN: usize = 1 << 20;

/// The conversion of one field.
#[derive(Debug)]
pub(crate) struct Conversion {
    trim: bool,
    case: Option<Case>,
    values: Option<HashMap<String, String>>,
    otherwise: Otherwise,
    empty: Empty,
    empty_quoted: Empty,
    /// The treatment of a template of which a part is empty.
    empty_part: Empty,
    default: Option<String>,
    reader: Reader,
    minimum: Option<(Number, String)>,
    maximum: Option<(Number, String)>,
    max_length: Option<usize>,
    pattern: Option<Regex>,
    /// A text that is not empty stays as it is: by far most fields are like this.
    plain: bool,
}

/// The reader of a type.
#[derive(Debug)]
enum Reader {
    Text,
    Number(NumberFormat),
    Integer(NumberFormat),
    Boolean(Booleans),
    Time(Box<TimeFormat>),
    List(ListFormat),
    Json,
    Binary,
}

/// A value, and the instant that it stands for if it is a timestamp.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Converted<'r> {
    pub(crate) value: Value<'r>,
    pub(crate) instant: Option<Instant>,
    /// The number of timestamps in it whose second 60 was taken as 59.
    pub(crate) leap_seconds: u32,
}

impl<'r> From<Cell<'r>> for Input<'r> {
    fn from(cell: Cell<'r>) -> Self {
        Self { text: Cow::Borrowed(cell.text), quoted: cell.quoted, lacks_part: false }
    }
}

impl<'r> From<Value<'r>> for Converted<'r> {
    fn from(value: Value<'r>) -> Self {
        Self { value, instant: None, leap_seconds: 0 }
    }
}

/// A text that is to be converted.
pub(crate) struct Input<'r> {
    pub(crate) text: Cow<'r, str>,
    /// It is written in quotes.
    pub(crate) quoted: bool,
    /// It is made of parts, one of which is empty.
    pub(crate) lacks_part: bool,
}

impl Conversion {
    /// Reads the settings of a field, and adds their problems.
    pub(crate) fn new(
        settings: &FieldSettings,
        kind: Type,
        path: &[String],
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let numbers = NumberFormat::new(settings.decimal, settings.group);
        let numbers = numbers.map_err(|(property, message)| {
            let help = Some("write `.`, `,` or the like".into());
            vec![Problem {
                place: Place { property: Some(property), ..Place::default() },
                kind: ProblemKind::Value,
                message,
                help,
            }]
        });
        // The type of an expression is not always in the settings.
        let settings = &FieldSettings { kind: Some(kind), ..settings.clone() };
        let reader = match kind {
            Type::String => Ok(Reader::Text),
            Type::Number => numbers.map(Reader::Number),
            Type::Integer => numbers.map(Reader::Integer),
            Type::Boolean => Booleans::new(settings).map(Reader::Boolean),
            Type::Timestamp | Type::Date => {
                TimeFormat::new(settings).map(|format| Reader::Time(Box::new(format)))
            }
            Type::Set | Type::List => ListFormat::new(settings).map(Reader::List),
            Type::Json => Ok(Reader::Json),
            Type::Binary => Ok(Reader::Binary),
        };
        let reader = match reader {
            Ok(reader) => reader,
            Err(found) => {
                let placed = |problem: Problem| Problem {
                    place: Place { field: path.to_vec(), ..problem.place },
                    ..problem
                };
                problems.extend(found.into_iter().map(placed));
                return None;
            }
        };
        let mut add = |property: &'static str, kind, message: String, help: Option<String>| {
            let place = Place { field: path.to_vec(), property: Some(property), ..Place::default() };
            problems.push(Problem { place, kind, message, help });
        };
        let numeric = matches!(reader, Reader::Number(_) | Reader::Integer(_));
        let mut bound = |property: &'static str, text: &Option<String>| {
            let text = text.as_ref().filter(|_| numeric)?;
            // As YAML and people write them, whatever the file's own format.
            match text.parse::<Number>() {
                Ok(number) => Some((number, text.clone())),
                Err(_) => {
                    let help = Some("write a number such as `0` or `99.5`".into());
                    add(property, ProblemKind::Value, "it is not a number".into(), help);
                    None
                }
            }
        };
        let minimum = bound("minimum", &settings.minimum);
        let maximum = bound("maximum", &settings.maximum);
        if let (Some((least, _)), Some((greatest, _))) = (&minimum, &maximum)
            && least > greatest
        {
            let message = "the minimum is greater than the maximum".into();
            add("minimum", ProblemKind::Combination, message, Some("exchange them".into()));
        }
        let pattern = settings.pattern.as_deref().and_then(|pattern| {
            match regex::RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build() {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    let message = match error {
                        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
                        error => {
                            let text = error.to_string();
                            let last = text.lines().last().unwrap_or_default().trim();
                            last.strip_prefix("error: ").unwrap_or(last).to_owned()
                        }
                    };
                    let help = "write a regular expression without look-around and back-references";
                    add("pattern", ProblemKind::Pattern, message, Some(help.into()));
                    None
                }
            }
        });
        let missing = if settings.required { Empty::Fail } else { default_empty(kind) };
        let empty = settings.empty.unwrap_or(missing);
        let mut conversion = Self {
            trim: settings.trim,
            case: settings.case,
            values: settings.values.as_ref().map(|values| values.iter().cloned().collect()),
            otherwise: settings.otherwise.unwrap_or(Otherwise::Fail),
            empty,
            empty_quoted: settings.empty_quoted.unwrap_or(empty),
            empty_part: settings.empty.unwrap_or(Empty::Fail),
            default: settings.default.clone(),
            reader,
            minimum,
            maximum,
            max_length: settings.max_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
            pattern,
            plain: false,
        };
        if problems.len() > before {
            return None;
        }
        conversion.constants(settings, path, problems);
        let rules = conversion.case.is_some()
            || conversion.values.is_some()
            || conversion.max_length.is_some()
            || conversion.pattern.is_some();
        conversion.plain = matches!(conversion.reader, Reader::Text) && !conversion.trim && !rules;
        (problems.len() == before).then_some(conversion)
    }

    /// Converts the values that are in the settings themselves: one that doesn't fit would fail rows for no fault of
    /// theirs.
    fn constants(&self, settings: &FieldSettings, path: &[String], problems: &mut Vec<Problem>) {
        let mut add = |property: &'static str, element, message: String, help: &str| {
            let place = Place { field: path.to_vec(), property: Some(property), element, range: None };
            let help = Some(help.to_owned());
            problems.push(Problem { place, kind: ProblemKind::Value, message, help });
        };
        if let Some(Err(flaw)) = self.default.as_deref().map(|text| self.read(Cow::Borrowed(text))) {
            let help = "write it as a value of the file, which is read by the field's rules";
            add("default", None, format!("the default {}", flaw.rule), help);
        }
        for (element, (from, to)) in settings.values.iter().flatten().enumerate() {
            if !to.is_empty()
                && let Err(flaw) = self.read(Cow::Borrowed(to))
            {
                let help = "what a value stands for is read by the field's type, and held against its rules";
                add("values", Some(element), format!("the value of `{from}` {}", flaw.rule), help);
            }
            if self.clean(Cow::Borrowed(from)) != from.as_str() {
                let help =
                    "the values of the file are compared after `trim` and `case`; write it as they leave it";
                add("values", Some(element), format!("`{from}` matches no value"), help);
            }
        }
    }

    /// Returns the value if the file has no such column.
    pub(crate) fn absent(&self) -> Result<Option<Converted<'_>>, Flaw> {
        self.default.as_deref().map_or(Ok(None), |text| self.read(Cow::Borrowed(text)))
    }

    /// Returns whether a text that is not empty stays as it is.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Converts a text; `None` if it is empty, and the item has no such attribute then.
    pub(crate) fn convert<'r>(&'r self, input: Input<'r>) -> Result<Option<Converted<'r>>, Flaw> {
        let Input { text, quoted, lacks_part } = input;
        let text = self.clean(text);
        let mut is_empty = text.is_empty() || lacks_part;
        let mut text = text;
        if let Some(values) = &self.values {
            match (values.get(text.as_ref()), self.otherwise) {
                (Some(meant), _) => {
                    text = Cow::Borrowed(meant.as_str());
                    is_empty = meant.is_empty();
                }
                (None, _) if is_empty => {}
                (None, Otherwise::Keep) => {}
                (None, Otherwise::Empty) => is_empty = true,
                (None, Otherwise::Fail) => {
                    return Err(Flaw::new(Reason::NotAllowed, "is not one of the `values`"));
                }
            }
        }
        if is_empty {
            if lacks_part {
                return self.empty(self.empty_part, text, "lacks a part of its template");
            }
            return self.empty(if quoted { self.empty_quoted } else { self.empty }, text, "is empty");
        }
        match self.read(text) {
            Ok(Some(converted)) => Ok(Some(converted)),
            // Blanks alone, or a collection of nothing.
            Ok(None) => {
                self.empty(if quoted { self.empty_quoted } else { self.empty }, Cow::Borrowed(""), "is empty")
            }
            Err(flaw) => Err(flaw),
        }
    }

    /// Returns what an empty value becomes; `rule` is broken if it must not be empty.
    fn empty<'r>(
        &'r self,
        empty: Empty,
        text: Cow<'r, str>,
        rule: &str,
    ) -> Result<Option<Converted<'r>>, Flaw> {
        if self.default.is_some() {
            return self.absent();
        }
        match empty {
            Empty::Keep => Ok(Some(Value::Text(text).into())),
            Empty::Omit => Ok(None),
            Empty::Null => Ok(Some(Value::Null.into())),
            Empty::Fail => Err(Flaw::new(Reason::MissingValue, rule)),
        }
    }

    fn clean<'r>(&self, text: Cow<'r, str>) -> Cow<'r, str> {
        let text = match (self.trim, text) {
            (false, text) => text,
            (true, Cow::Borrowed(text)) => Cow::Borrowed(text::trim(text)),
            (true, Cow::Owned(text)) => Cow::Owned(text::trim(&text).to_owned()),
        };
        match (self.case, text) {
            (None, text) => text,
            (Some(case), Cow::Borrowed(text)) => text::cased(text, case),
            (Some(case), Cow::Owned(text)) => Cow::Owned(text::cased(&text, case).into_owned()),
        }
    }

    /// Reads a text by the type, and holds the value against the rules; `None` if it counts as empty.
    fn read<'r>(&self, text: Cow<'r, str>) -> Result<Option<Converted<'r>>, Flaw> {
        let value = match (&self.reader, text) {
            (Reader::Text, text) => {
                self.check_text(&text)?;
                Value::Text(text)
            }
            (Reader::Number(format), text) => match Number::parse(&text, format) {
                Ok(number) => Value::Number(self.bounded(number)?),
                Err(_) if is_blank(&text) => return Ok(None),
                Err(flaw) => return Err(flaw),
            },
            (Reader::Integer(format), text) => match Number::parse_integer(&text, format) {
                Ok(number) => Value::Number(self.bounded(number)?),
                Err(_) if is_blank(&text) => return Ok(None),
                Err(flaw) => return Err(flaw),
            },
            (Reader::Time(format), text) => match format.parse_fully(&text) {
                Ok(Parsed { instant, leap_second }) => {
                    return Ok(Some(Converted {
                        leap_seconds: leap_second.into(),
                        ..timed(format, instant)
                    }));
                }
                Err(_) if is_blank(&text) => return Ok(None),
                Err(flaw) => return Err(flaw),
            },
            (_, text) if is_blank(&text) => return Ok(None),
            (Reader::Boolean(booleans), text) => Value::Boolean(booleans.parse(&text)?),
            (Reader::List(format), Cow::Borrowed(text)) => match format.parse(text)? {
                Some(list) => list,
                None => return Ok(None),
            },
            (Reader::List(format), Cow::Owned(text)) => match format.parse(&text)? {
                Some(list) => list.into_owned(),
                None => return Ok(None),
            },
            (Reader::Json, Cow::Borrowed(text)) => text::parse_json(text)?,
            (Reader::Json, Cow::Owned(text)) => text::parse_json(&text)?.into_owned(),
            (Reader::Binary, text) => text::parse_binary(&text)?,
        };
        Ok(Some(value.into()))
    }

    /// Converts the value of an expression; `None` if it is an empty text, and the item has no such attribute then.
    pub(crate) fn computed<'r>(&'r self, datum: Datum<'r>) -> Result<Option<Converted<'r>>, Flaw> {
        let value = match (datum, &self.reader) {
            (Datum::Text(text), _) => {
                return self.convert(Input { text, quoted: false, lacks_part: false });
            }
            (Datum::Timestamp(timestamp), Reader::Time(format)) => {
                let instant = instant(timestamp)
                    .ok_or_else(|| Flaw::new(Reason::OutOfRange, "is not in the years 1000 to 9999"))?;
                return Ok(Some(timed(format, format.bounded(instant)?)));
            }
            (Datum::List(elements), Reader::List(format)) => {
                let values = elements.into_vec().into_iter().map(plain).collect::<Result<Vec<_>, _>>()?;
                match format.collect(values)? {
                    Some(list) => list,
                    None => return self.empty(self.empty, Cow::Borrowed(""), "is empty"),
                }
            }
            (datum, _) => match plain(datum)? {
                Value::Number(number) => Value::Number(self.bounded(number)?),
                value => value,
            },
        };
        Ok(Some(value.into()))
    }

    fn check_text(&self, text: &str) -> Result<(), Flaw> {
        if let Some(most) = self.max_length
            // Every character has a byte at least.
            && text.len() > most
            && text.chars().nth(most).is_some()
        {
            return Err(Flaw::new(Reason::OutOfRange, format!("has more than {most} characters")));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                Err(Flaw::new(Reason::NotAllowed, "does not match the `pattern`"))
            }
            _ => Ok(()),
        }
    }

    fn bounded(&self, number: Number) -> Result<Number, Flaw> {
        let flaw = |rule: String| Err(Flaw::new(Reason::OutOfRange, rule));
        match (&self.minimum, &self.maximum) {
            (Some((least, text)), _) if number < *least => flaw(format!("is less than the minimum, {text}")),
            (_, Some((most, text))) if number > *most => flaw(format!("is greater than the maximum, {text}")),
            _ => Ok(number),
        }
    }
}

/// Returns whether there is nothing in a text but blanks, which are no value of any type but a text.
fn is_blank(text: &str) -> bool {
    text::trim(text).is_empty()
}

fn timed(format: &TimeFormat, instant: Instant) -> Converted<'static> {
    Converted { value: format.value(instant), instant: Some(instant), leap_seconds: 0 }
}

/// Returns the instant of a timestamp of expressions; `None` outside the years 1000 to 9999.
fn instant(timestamp: Timestamp) -> Option<Instant> {
    Instant::new(timestamp.seconds(), timestamp.nanosecond())
}

/// Returns the value of an expression that no type reads.
fn plain(datum: Datum<'_>) -> Result<Value<'_>, Flaw> {
    let number = |number: Option<Number>| {
        let number =
            number.ok_or_else(|| Flaw::new(Reason::OutOfRange, "is a number that DynamoDB does not have"));
        number.map(Value::Number)
    };
    match datum {
        Datum::Boolean(value) => Ok(Value::Boolean(value)),
        Datum::Integer(value) => Ok(Value::Number(Number::from_i64(value))),
        Datum::Double(value) => number(Number::from_f64(value)),
        Datum::Text(text) => Ok(Value::Text(text)),
        Datum::Timestamp(timestamp) => {
            let instant = instant(timestamp)
                .ok_or_else(|| Flaw::new(Reason::OutOfRange, "is not in the years 1000 to 9999"))?;
            Ok(Value::text(instant.to_iso()))
        }
        Datum::List(elements) => {
            Ok(Value::List(elements.into_vec().into_iter().map(plain).collect::<Result<_, _>>()?))
        }
        // Refused when the settings were checked.
        Datum::Duration(_) => Err(Flaw::new(Reason::InvalidExpression, "is a duration")),
    }
}

/// Returns the treatment of an empty value if the settings name none.
const fn default_empty(kind: Type) -> Empty {
    match kind {
        Type::String => Empty::Keep,
        _ => Empty::Omit,
    }
}
