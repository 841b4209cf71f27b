//! Timestamps and dates in texts.
//!
//! The formats are matched here, since other readers take more than is safe (the year 26, a time that clocks skipped);
//! the rules of time zones are those of the crate `jiff`, with the database that is a part of the program.

use contract::Reason;
use contract::settings::{FieldSettings, Fold, Form, Type};

use crate::failure::Flaw;
use crate::number::Number;
use crate::problem::{Place, Problem, ProblemKind};
use crate::value::Value;

mod fields;
mod format;
mod iso;
mod names;
mod parts;
mod span;
#[cfg(test)]
mod tests;
mod zone;

pub(crate) use fields::{DAY, date, days, days_of_month, weekday_of};
use fields::{Fault, Fields};
use format::{Context, Format};
use names::Names;
use parts::trim;
use span::Span;
use zone::{Zone, midnight};

/// The first second of the year 1000, and that after the year 9999: what is written with four digits.
const RANGE: std::ops::Range<i64> = midnight(1000, 1, 1)..midnight(10_000, 1, 1);

/// An instant from the year 1000 to 9999, to the nanosecond. A date is midnight in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    seconds: i64,
    nanosecond: u32,
}

impl Instant {
    /// Returns the instant of seconds since 1970 and nanoseconds after them; `None` outside the years 1000 to 9999.
    #[must_use]
    pub fn new(seconds: i64, nanosecond: u32) -> Option<Self> {
        (RANGE.contains(&seconds) && nanosecond < 1_000_000_000).then_some(Self { seconds, nanosecond })
    }

    /// Parses a timestamp in ISO 8601, as databases and libraries write it; one without an offset is in UTC, and a date
    /// is its midnight.
    ///
    /// # Errors
    /// [`Reason::InvalidTimestamp`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        TimeFormat::default().parse(text)
    }

    /// Returns the seconds since 1970; of an instant between two seconds, the first.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after [`Instant::seconds`].
    #[must_use]
    pub const fn nanosecond(self) -> u32 {
        self.nanosecond
    }

    /// Returns the milliseconds since 1970; of an instant between two milliseconds, the first.
    #[must_use]
    pub fn milliseconds(self) -> i64 {
        self.seconds * 1000 + i64::from(self.nanosecond / 1_000_000)
    }

    /// Returns the instant in UTC as ISO 8601: `2026-03-29T01:30:00Z`, with a fraction only if there is one.
    #[must_use]
    pub fn to_iso(self) -> String {
        let mut text = String::with_capacity(30);
        self.write_date(&mut text);
        let second = self.seconds.rem_euclid(DAY);
        text.push('T');
        push_pair(second / 3600, &mut text);
        text.push(':');
        push_pair(second / 60 % 60, &mut text);
        text.push(':');
        push_pair(second % 60, &mut text);
        if self.nanosecond > 0 {
            let digits = format!(".{:09}", self.nanosecond);
            text.push_str(digits.trim_end_matches('0'));
        }
        text.push('Z');
        text
    }

    /// Returns the day in UTC as ISO 8601: `2026-03-29`.
    #[must_use]
    pub fn to_iso_date(self) -> String {
        let mut text = String::with_capacity(10);
        self.write_date(&mut text);
        text
    }

    fn write_date(self, text: &mut String) {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        push_pair(year / 100, text);
        push_pair(year % 100, text);
        text.push('-');
        push_pair(month.into(), text);
        text.push('-');
        push_pair(day.into(), text);
    }
}

/// The instant of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// The instant.
    pub instant: Instant,
    /// `true` if the text has the second 60, of which the instant is the second 59.
    pub leap_second: bool,
}

/// All pairs of digits.
const PAIRS: &str = "00010203040506070809101112131415161718192021222324252627282930313233343536373839\
                     40414243444546474849505152535455565758596061626364656667686970717273747576777879\
                     8081828384858687888990919293949596979899";

/// Appends the two digits of a number below 100.
fn push_pair(value: i64, text: &mut String) {
    let at = usize::try_from(value * 2).unwrap_or_default();
    text.push_str(PAIRS.get(at..at + 2).unwrap_or_default());
}

/// The way in which timestamps or dates of a field are read, and stored.
#[derive(Debug, Clone)]
pub struct TimeFormat {
    /// Empty for ISO 8601.
    formats: Vec<Format>,
    /// The formats as they are in the settings, for messages.
    written: Vec<String>,
    context: Context,
    zone: Zone,
    fold: Option<Fold>,
    names: &'static Names,
    leap_seconds: bool,
    plus: Option<Span>,
    form: Form,
    minimum: Option<(Instant, String)>,
    maximum: Option<(Instant, String)>,
}

impl Default for TimeFormat {
    /// Returns the format of timestamps in ISO 8601, in UTC where there is no offset.
    fn default() -> Self {
        Self {
            formats: Vec::new(),
            written: Vec::new(),
            context: Context::Timestamp,
            zone: Zone::Utc,
            fold: None,
            names: Names::english(),
            leap_seconds: false,
            plus: None,
            form: Form::Iso,
            minimum: None,
            maximum: None,
        }
    }
}

impl TimeFormat {
    /// Creates a format from the settings of a field whose type is `date`, or else is taken as `timestamp`.
    ///
    /// # Errors
    /// All problems of the settings. Their places lack the name of the field.
    pub fn new(settings: &FieldSettings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut report = |kind, property, element, range, message, help| {
            let place = Place { field: Vec::new(), property: Some(property), element, range };
            problems.push(Problem { place, kind, message, help });
        };
        let is_date = settings.kind == Some(Type::Date);
        let context = if is_date { Context::Date } else { Context::Timestamp };
        let mut found =
            Self { context, fold: settings.fold, leap_seconds: settings.leap_seconds, ..Self::default() };
        found.form = settings.form.unwrap_or(Form::Iso);

        let written = settings.format.clone().unwrap_or_default();
        if settings.format.is_some() && written.is_empty() {
            let help = Some("without `format`, values are in ISO 8601".to_owned());
            report(ProblemKind::Format, "format", None, None, "there is no format".to_owned(), help);
        }
        for (position, text) in written.iter().enumerate() {
            match Format::compile(text, context) {
                Ok(format) => found.formats.push(format),
                Err(format::Problem { message, help, range }) => {
                    report(ProblemKind::Format, "format", Some(position), range, message, help);
                }
            }
        }
        found.written = written;
        if let Some(name) = &settings.zone {
            match Zone::find(name) {
                Ok(zone) => found.zone = zone,
                Err((message, help)) => report(ProblemKind::Format, "zone", None, None, message, Some(help)),
            }
        }
        if let Some(code) = &settings.language {
            match Names::of(code) {
                Some(names) => found.names = names,
                None => {
                    let message = format!("there are no names of months in the language `{code}`");
                    let codes: Vec<&str> = names::LANGUAGES.iter().map(|(code, _)| *code).collect();
                    let help = Some(format!("the languages are `{}`", codes.join("`, `")));
                    report(ProblemKind::Value, "language", None, None, message, help);
                }
            }
        }
        if let Some(text) = &settings.plus {
            match Span::parse(text) {
                Ok(span) if is_date && !span.is_calendar() => {
                    let message =
                        format!("`{text}` has hours, minutes or seconds, which a date does not have");
                    let help = Some("add days, as in `90d`, or set `type: timestamp`".to_owned());
                    report(ProblemKind::Value, "plus", None, None, message, help);
                }
                Ok(span) => found.plus = Some(span),
                Err((message, help)) => report(ProblemKind::Value, "plus", None, None, message, Some(help)),
            }
        }
        let limits = Self { formats: Vec::new(), written: Vec::new(), plus: None, ..found.clone() };
        for (property, setting) in [("minimum", &settings.minimum), ("maximum", &settings.maximum)] {
            let Some(text) = setting else { continue };
            match limits.parse(text) {
                Ok(instant) if property == "minimum" => found.minimum = Some((instant, text.clone())),
                Ok(instant) => found.maximum = Some((instant, text.clone())),
                Err(flaw) => {
                    let help = Some("limits are in ISO 8601, whatever the format of the file is".to_owned());
                    let message = format!("`{text}` {}", flaw.rule);
                    report(ProblemKind::Value, property, None, None, message, help);
                }
            }
        }
        if let (Some((minimum, _)), Some((maximum, text))) = (&found.minimum, &found.maximum)
            && minimum > maximum
        {
            let message = format!("the maximum, `{text}`, is before the minimum");
            report(ProblemKind::Value, "maximum", None, None, message, None);
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    /// Returns the instant of a text: see [`TimeFormat::parse_fully`].
    ///
    /// # Errors
    /// The same.
    pub fn parse(&self, text: &str) -> Result<Instant, Flaw> {
        self.parse_fully(text).map(|parsed| parsed.instant)
    }

    /// Parses a text of the file, checks it against the limits, and adds the span of the field to it. Blanks around the
    /// text are ignored.
    ///
    /// # Errors
    /// [`Reason::InvalidTimestamp`] for a text that is not of a format or not a time of the calendar and the zone;
    /// [`Reason::OutOfRange`] for one beyond the limits, or that the span moves beyond the year 9999.
    pub fn parse_fully(&self, text: &str) -> Result<Parsed, Flaw> {
        let parsed = self.read(trim(text)).map_err(|fault| self.flaw(fault))?;
        let instant = self.bounded(parsed.instant)?;
        let instant = match &self.plus {
            Some(span) => self.add(instant, *span).ok_or_else(|| {
                Flaw::new(Reason::OutOfRange, "is not in the years 1000 to 9999 once `plus` is added")
            })?,
            None => instant,
        };
        Ok(Parsed { instant, ..parsed })
    }

    /// Checks an instant against the limits.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for one beyond them.
    pub fn bounded(&self, instant: Instant) -> Result<Instant, Flaw> {
        if let Some((minimum, written)) = &self.minimum
            && instant < *minimum
        {
            return Err(Flaw::new(Reason::OutOfRange, format!("is before the minimum, {written}")));
        }
        if let Some((maximum, written)) = &self.maximum
            && instant > *maximum
        {
            return Err(Flaw::new(Reason::OutOfRange, format!("is after the maximum, {written}")));
        }
        Ok(instant)
    }

    /// Returns the value that is stored. `as: epoch` has whole seconds, since DynamoDB's time to live takes no others; a
    /// fraction is cut off, as milliseconds cut off what is smaller.
    #[must_use]
    pub fn value(&self, instant: Instant) -> Value<'static> {
        match (self.form, self.context) {
            (Form::Iso, Context::Timestamp) => Value::text(instant.to_iso()),
            (Form::Iso, Context::Date) => Value::text(instant.to_iso_date()),
            (Form::Epoch, _) => Value::Number(Number::from_i64(instant.seconds())),
            (Form::EpochMilliseconds, _) => Value::Number(Number::from_i64(instant.milliseconds())),
        }
    }

    fn read(&self, text: &str) -> Result<Parsed, Fault> {
        if self.formats.is_empty() {
            let iso = iso::read(text)?;
            let midnight = Fields { year: 0, month: 0, day: 0, offset: None, ..iso.fields }
                == Fields { year: 0, month: 0, day: 0, ..Fields::default() };
            if self.context == Context::Date && iso.has_time && !midnight {
                return Err(Fault::TimeOfDay);
            }
            return self.resolve(&iso.fields);
        }
        let mut fault = Fault::Syntax;
        for format in &self.formats {
            match format.read(text, self.names).and_then(|fields| self.resolve(&fields)) {
                Ok(parsed) => return Ok(parsed),
                // The first format that the text has says most about it.
                Err(found) if matches!(fault, Fault::Syntax | Fault::Year) && found != Fault::Syntax => {
                    fault = found;
                }
                Err(_) => {}
            }
        }
        Err(if fault == Fault::Syntax { iso::name(text) } else { fault })
    }

    fn resolve(&self, fields: &Fields) -> Result<Parsed, Fault> {
        Ok(Parsed { instant: self.instant(fields)?, leap_second: fields.is_leap_second() })
    }

    fn instant(&self, fields: &Fields) -> Result<Instant, Fault> {
        if let Some((seconds, nanosecond)) = fields.epoch {
            let instant = Instant::new(seconds, nanosecond).ok_or(Fault::Year)?;
            return match self.context {
                Context::Timestamp => Ok(instant),
                Context::Date => {
                    let local = seconds + self.zone.offset_at(seconds)?;
                    Instant::new(local - local.rem_euclid(DAY), 0).ok_or(Fault::Year)
                }
            };
        }
        let day = fields.day()? * DAY;
        let second = fields.second_of_day(self.leap_seconds)?;
        if self.context == Context::Date {
            return Instant::new(day, 0).ok_or(Fault::Year);
        }
        let local = day + second;
        let offset = match fields.offset {
            Some(offset) => i64::from(offset),
            None => self.zone.offset(local, self.fold)?,
        };
        Instant::new(local - offset, fields.nanosecond).ok_or(Fault::Year)
    }

    /// Adds a span: its days, months and years as the calendar in the zone counts them, then its hours as the clock does.
    fn add(&self, instant: Instant, span: Span) -> Option<Instant> {
        let mut seconds = instant.seconds;
        if span.months != 0 || span.days != 0 {
            let dated = self.context == Context::Date;
            let local = if dated { seconds } else { seconds + self.zone.offset_at(seconds).ok()? };
            let (mut day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
            if span.months != 0 {
                let (year, month, of_month) = date(day);
                let months = (year * 12 + i64::from(month) - 1).checked_add(span.months)?;
                let (year, month) = (months.div_euclid(12), u8::try_from(months.rem_euclid(12)).ok()? + 1);
                if !(0..=9999).contains(&year) {
                    return None;
                }
                // 31 January and one month is the last of February.
                day = days(year, month, of_month.min(days_of_month(year, month)?));
            }
            day = day.checked_add(span.days)?;
            let local = day.checked_mul(DAY)?.checked_add(second)?;
            if !RANGE.contains(&local) {
                return None;
            }
            seconds = if dated { local } else { local - self.zone.nearest_offset(local).ok()? };
        }
        Instant::new(seconds.checked_add(span.seconds)?, instant.nanosecond)
    }

    fn flaw(&self, fault: Fault) -> Flaw {
        let zone = self.zone.name();
        let kind = if self.context == Context::Date { "date" } else { "timestamp" };
        let rule = match fault {
            Fault::Syntax => match self.written.as_slice() {
                [] if self.context == Context::Date => "is not a date such as `2026-03-29`".to_owned(),
                [] => "is not a timestamp such as `2026-03-29T01:30:00Z`".to_owned(),
                [only] => format!("does not have the format `{only}`"),
                several => format!("has none of the formats `{}`", several.join("`, `")),
            },
            Fault::Year => "has a year that is not in 1000 to 9999 with four digits".to_owned(),
            Fault::Day => "is a day that the calendar does not have".to_owned(),
            Fault::Time => "has a time of day that does not exist".to_owned(),
            Fault::LeapSecond => "has a second 60, which is taken only with `leapSeconds: true`".to_owned(),
            Fault::Offset => "has an offset from UTC that is more than a day".to_owned(),
            Fault::Fraction => "has more than nine decimals of a second".to_owned(),
            Fault::Weekday => "names a weekday that is not that of the date".to_owned(),
            Fault::Gap => format!("is a time that clocks in `{zone}` skipped"),
            Fault::Fold => {
                format!("is a time that clocks in `{zone}` showed twice; `fold` says which one is meant")
            }
            Fault::TimeOfDay => "has a time of day, which `type: date` does not store".to_owned(),
            Fault::Infinite => format!("is infinite, which is not a {kind}"),
            Fault::Era => "is before the common era (BC)".to_owned(),
        };
        Flaw::new(Reason::InvalidTimestamp, rule)
    }
}
