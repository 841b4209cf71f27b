//! Formats that give no instant or day, found before there is a row.

use super::step::Field;
use crate::time::fields::WeekStart;

/// A problem of a format: what is wrong, what would be right, and the bytes of the format that are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::time) struct Problem {
    pub(in crate::time) message: String,
    pub(in crate::time) help: Option<String>,
    pub(in crate::time) range: Option<(usize, usize)>,
}

/// The type of the values that a format reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::time) enum Context {
    /// An instant.
    Timestamp,
    /// A day.
    Date,
}

/// What a directive gives; none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
    Epoch,
    Weekday,
    WeekYear,
    Week,
    DayOfYear,
}

impl Part {
    const fn of(field: Field) -> Self {
        match field {
            Field::Year | Field::ShortYear => Self::Year,
            Field::Month { .. } | Field::MonthName { .. } => Self::Month,
            Field::Day { .. } => Self::Day,
            Field::DayOfYear { .. } => Self::DayOfYear,
            Field::Hour { .. } | Field::HalfHour { .. } => Self::Hour,
            Field::HalfDay => Self::HalfDay,
            Field::Minute { .. } => Self::Minute,
            Field::Second { .. } => Self::Second,
            Field::Fraction { .. } | Field::PointFraction => Self::Fraction,
            Field::Offset => Self::Offset,
            Field::Seconds | Field::Milliseconds => Self::Epoch,
            Field::WeekdayName { .. } | Field::WeekdayFromMonday | Field::WeekdayFromSunday => Self::Weekday,
            Field::WeekYear => Self::WeekYear,
            Field::WeekOfYear { .. } => Self::Week,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Year => "the year",
            Self::Month => "the month",
            Self::Day => "the day of the month",
            Self::Hour => "the hour",
            Self::HalfDay => "AM or PM",
            Self::Minute => "the minute",
            Self::Second => "the second",
            Self::Fraction => "the fraction of a second",
            Self::Offset => "the offset",
            Self::Epoch => "the time since 1970",
            Self::Weekday => "the weekday",
            Self::WeekYear => "the year of the week",
            Self::Week => "the week",
            Self::DayOfYear => "the day of the year",
        }
    }
}

/// Checks that the fields of a format, each with its directive, give all that an instant, or a day, needs.
pub(super) fn check(fields: &[(Field, char)], text: &str, context: Context) -> Result<(), Problem> {
    let problem = |message: String, help: &str| {
        Err(Problem { message, help: (!help.is_empty()).then(|| help.to_owned()), range: None })
    };
    let mut given: Vec<(Part, char)> = Vec::new();
    for &(field, directive) in fields {
        let part = Part::of(field);
        if let Some((_, other)) = given.iter().find(|(other, _)| *other == part) {
            return problem(
                format!("`%{other}` and `%{directive}` both give {}", part.name()),
                if matches!(directive, 'M' | 'm') || matches!(other, 'M' | 'm') {
                    "`%M` is the minute, `%m` the month"
                } else {
                    ""
                },
            );
        }
        given.push((part, directive));
    }
    if given.is_empty() {
        let help = match text.contains(['Y', 'y', 'd', 'D', 'M']) {
            true => "directives begin with `%`: `YYYY-MM-DD HH:mm:ss` is written `%Y-%m-%d %H:%M:%S`",
            false => "a day is `%Y-%m-%d`, and a time `%H:%M:%S`",
        };
        return problem(format!("`{text}` has no directive"), help);
    }
    let has = |part: Part| given.iter().any(|(other, _)| *other == part);
    let with = |found: fn(Field) -> bool| fields.iter().any(|(field, _)| found(*field));

    if has(Part::Epoch) {
        return match given.iter().find(|(part, _)| *part != Part::Epoch) {
            Some((_, other)) => {
                problem(format!("`%{other}` cannot be beside the time since 1970, which is complete"), "")
            }
            None => Ok(()),
        };
    }
    let (full, half) = (
        with(|field| matches!(field, Field::Hour { .. })),
        with(|field| matches!(field, Field::HalfHour { .. })),
    );
    if full && has(Part::HalfDay) {
        return problem(
            "`%H` and `%p` contradict each other: `%H` counts from 0 to 23".to_owned(),
            "with AM or PM, the hour is `%I`",
        );
    }
    if half && !has(Part::HalfDay) {
        return problem("`%I` needs `%p`, which is AM or PM".to_owned(), "an hour from 0 to 23 is `%H`");
    }
    for (part, needed) in [
        (Part::HalfDay, Part::Hour),
        (Part::Minute, Part::Hour),
        (Part::Second, Part::Minute),
        (Part::Fraction, Part::Second),
    ] {
        if has(part) && !has(needed) {
            let help = match part {
                Part::Minute => "`%M` is the minute, `%m` the month",
                Part::Second => "`%S` is the second, `%s` the seconds since 1970",
                _ => "",
            };
            return problem(format!("{} is given, but not {}", part.name(), needed.name()), help);
        }
    }
    if context == Context::Timestamp && has(Part::Offset) && !has(Part::Hour) {
        return problem("an offset is given, but not the hour".to_owned(), "");
    }

    let iso = with(|field| matches!(field, Field::WeekOfYear { start: WeekStart::Iso, .. }));
    if has(Part::Week) || has(Part::WeekYear) {
        if iso != has(Part::WeekYear) {
            return problem(
                "`%V` and `%G` belong together: the week of ISO 8601 and its year".to_owned(),
                "a week of the year `%Y` is `%W`, from Monday on, or `%U`, from Sunday on",
            );
        }
        if !has(Part::Weekday) {
            return problem(
                "a week without a weekday is not a day".to_owned(),
                "the weekday is `%u` (1 is Monday), `%w` (0 is Sunday) or its name, `%a`",
            );
        }
        if let Some((part, directive)) =
            given.iter().find(|(part, _)| matches!(part, Part::Month | Part::Day | Part::DayOfYear))
        {
            return problem(
                format!("the week and `%{directive}` both give the day, as {} does", part.name()),
                "",
            );
        }
        if iso && has(Part::Year) {
            return problem("`%G` and `%Y` both give the year".to_owned(), "");
        }
    }
    if !has(Part::Year) && !has(Part::WeekYear) {
        return problem(format!("`{text}` gives no year"), "the year is `%Y`, or `%y` with two digits");
    }
    if has(Part::Week) {
        return Ok(());
    }
    match (has(Part::DayOfYear), has(Part::Month), has(Part::Day)) {
        (true, false, false) | (false, true, true) => Ok(()),
        (true, ..) => problem("`%j` and the day of a month both give the day".to_owned(), ""),
        (false, true, false) => problem(
            format!("`{text}` gives a month, but not a day of it"),
            "the day is `%d`; a month by itself is a text: leave out `type`",
        ),
        (false, false, true) => {
            let help = "the month is `%m`, or `%b` by name; `%M` is the minute";
            problem(format!("`{text}` gives a day, but not its month"), help)
        }
        (false, false, false) => problem(
            format!("`{text}` gives a year, but not a day of it"),
            "the month and day are `%m` and `%d`; a year by itself is an `integer`",
        ),
    }
}
