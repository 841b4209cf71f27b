//! `type: schedule`.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::definition::{Definition, Drawing};
use super::delivery::Target;
use super::flow::{Flows, Role};
use super::properties::{Choice, Duration, Object, Properties, Str};
use super::rule::STATES;

const DAY: u64 = 86_400;

/// A schedule of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The times at which it starts its target.
    pub when: When,
    /// IANA name of the time zone of `cron` and `at`.
    pub timezone: String,
    /// Seconds in which a start may be moved.
    pub window: Option<u64>,
    /// Target that it starts.
    pub target: Target,
    /// `true` if the schedule is enabled.
    pub enabled: bool,
    /// Time before which it starts nothing.
    pub start: Option<String>,
    /// Time after which it starts nothing.
    pub end: Option<String>,
}

/// The times at which a schedule starts its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// An interval in seconds.
    Every(u64),
    /// The six fields of a cron expression.
    Cron(String),
    /// One local time.
    At(String),
}

impl Definition for Schedule {
    const DESCRIPTION: &'static str =
        "A schedule of EventBridge Scheduler: starts a target at a rate, at times or once.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "schedule name"), ("arn", "ARN")];
    const DRAWING: Drawing = Drawing::Always(Role::Caller);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let every = properties
            .field("every", "Start at this rate, in whole minutes.", Duration(60, 366 * DAY))
            .optional();
        let cron = properties
            .field("cron", "Start at these times: minute, hour, day of month, month, day of week, year.", Str)
            .optional();
        let at = properties.field("at", "Start once, at this time: `2027-01-31T08:00:00`.", Str).optional();
        let timezone = properties
            .field("timezone", "IANA name of the time zone of `cron` and `at`.", Str)
            .or("UTC".to_owned());
        let window = properties
            .field(
                "window",
                "Time window in which each start can take place, in whole minutes, so that not everything starts at once.",
                Duration(60, DAY),
            )
            .optional();
        let target =
            properties.field("target", "Target that it starts.", Object(Target::of_schedule)).required();
        let enabled = properties.field("state", "State of the schedule.", Choice(STATES)).or(true);
        let start = properties
            .field("start", "Nothing starts before this time: `2027-01-01T00:00:00Z`.", Str)
            .optional();
        let end = properties
            .field("end", "Nothing starts after this time: `2027-12-31T23:59:59Z`.", Str)
            .optional();
        let given: Vec<&str> =
            ["every", "cron", "at"].into_iter().filter(|name| properties.has(name)).collect();
        if given.len() != 1 {
            let span = properties.span_of(given.get(1).unwrap_or(&""));
            properties.report(
                Diagnostic::error("E0107", span, "a schedule has one of `every`, `cron` and `at`")
                    .help("such as `every: 1h`, `cron: \"0 2 * * ? *\"` or `at: 2027-01-31T08:00:00`"),
            );
        }
        for (name, seconds) in [("every", every), ("window", window)] {
            if seconds.is_some_and(|seconds| !seconds.is_multiple_of(60)) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0104", span, format!("`{name}` must be in whole minutes"))
                        .help("such as `5m`"),
                );
            }
        }
        // People copy the expression with the form that the API requires around it; one space between the fields is
        // enough.
        let cron = cron.map(|text| {
            let inner = text.trim().strip_prefix("cron(").and_then(|inner| inner.strip_suffix(')'));
            inner.unwrap_or(&text).split_whitespace().collect::<Vec<_>>().join(" ")
        });
        match cron.as_deref().map(check_cron) {
            Some(Err((message, help))) => {
                let span = properties.span_of("cron");
                properties.report(Diagnostic::error("E0343", span, message).help(help));
            }
            Some(Ok(Some((field, range)))) => {
                let span = properties.span_of("cron");
                let message = format!("the range `{range}` of the {field} ends before it begins");
                properties.warn(Diagnostic::warning("W0412", span, message).help(
                    "AWS probably wraps around, but the local cloud never starts such a schedule; write two ranges, such as \
                     `FRI-SAT,SUN-MON`",
                ));
            }
            _ => {}
        }
        for (name, time, zone) in [("at", &at, ""), ("start", &start, "Z"), ("end", &end, "Z")] {
            if let Some(time) = time
                && !time.strip_suffix(zone).is_some_and(is_time)
            {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0344", span, format!("`{}` is not a time", shorten(time)))
                        .help(format!("such as `2027-01-31T08:00:00{zone}`")),
                );
            }
        }
        if let (Some(start), Some(end)) = (&start, &end)
            && properties.is_sound()
            && start >= end
        {
            let span = properties.span_of("end");
            properties.report(
                Diagnostic::error("E0344", span, "the end is not after the start")
                    .help(format!("later than `{start}`")),
            );
        }
        if !is_timezone(&timezone) {
            let span = properties.span_of("timezone");
            properties.report(
                Diagnostic::error("E0344", span, format!("`{}` is not a time zone", shorten(&timezone)))
                    .help("an IANA name such as `Europe/Berlin` or `UTC`"),
            );
        }
        for name in ["timezone", "start", "end"] {
            let with = match name {
                "timezone" => "every",
                _ => "at",
            };
            if properties.has(name) && properties.has(with) && given.len() == 1 {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0107", span, format!("`{name}` has no effect with `{with}`"))
                        .help("remove it"),
                );
            }
        }
        let when = every.map(When::Every).or(cron.map(When::Cron)).or(at.map(When::At));
        Some(Self { when: when?, timezone, window, target: target?, enabled, start, end })
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        flows.add(name, &self.target.to.name, "starts");
        flows.add_dead_letters(name, name, "undelivered");
    }
}

/// A field of a cron expression: name, lowest, highest, names of its values, signs of its own.
/// Source: EventBridge Scheduler User Guide, "Schedule types": cron-based schedules.
type CronField = (&'static str, u32, u32, &'static [&'static str], &'static str);
const CRON: [CronField; 6] = [
    ("minute", 0, 59, &[], ""),
    ("hour", 0, 23, &[], ""),
    ("day of month", 1, 31, &[], "?LW"),
    (
        "month",
        1,
        12,
        &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        "",
    ),
    ("day of week", 1, 7, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], "?L#"),
    ("year", 1970, 2199, &[], ""),
];

/// Checks a cron expression. An error is the problem with its solution; the result of a correct one is the first range
/// that ends before it begins, with the name of its field.
fn check_cron(text: &str) -> Result<Option<(&'static str, &str)>, (String, String)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != CRON.len() {
        return Err((
            format!("a cron expression has six fields, but this has {}", fields.len()),
            "minute, hour, day of month, month, day of week, year: `0 2 * * ? *`".to_owned(),
        ));
    }
    for (text, field) in fields.iter().zip(&CRON) {
        if !fits_field(text, field) {
            let (name, low, high, names, signs) = field;
            let names = match names {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            let signs = match *signs {
                "" => "",
                "?LW" => "; also `?`, `L` (last) and `15W` (nearest weekday)",
                _ => "; also `?`, `5L` (the month's last) and `2#1` (the month's first)",
            };
            return Err((
                format!("`{}` can't be the {name}", shorten(text)),
                match *name {
                    "day of week" => {
                        format!("{low} to {high}{names}; `*`, lists `a,b` and ranges `a-b`{signs}")
                    }
                    _ => format!(
                        "{low} to {high}{names}; `*`, lists `a,b`, ranges `a-b` and steps `*/n`{signs}"
                    ),
                },
            ));
        }
    }
    if (fields[2] == "?") == (fields[4] == "?") {
        return Err((
            "exactly one of day of month and day of week is `?`".to_owned(),
            "write `?` for the one that the other decides: `0 2 * * ? *`, `0 2 ? * MON-FRI *`".to_owned(),
        ));
    }
    let mut ranges = fields.iter().zip(&CRON).flat_map(|(text, field)| {
        text.split(',').map(|part| part.split('/').next().unwrap_or(part)).map(move |range| (field, range))
    });
    Ok(ranges.find(|(field, range)| goes_round(range, field)).map(|(field, range)| (field.0, range)))
}

/// Returns the value of a number or a name in a field.
fn cron_value(text: &str, field: &CronField) -> Option<u32> {
    let (_, low, high, names, _) = field;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let value = match named {
        Some(at) => low + u32::try_from(at).ok()?,
        None => text.parse().ok().filter(|_| digits)?,
    };
    (*low..=*high).contains(&value).then_some(value)
}

/// Returns whether a range ends before it begins.
fn goes_round(range: &str, field: &CronField) -> bool {
    let ends = range.split_once('-').map(|(from, to)| (cron_value(from, field), cron_value(to, field)));
    matches!(ends, Some((Some(from), Some(to))) if from > to)
}

fn fits_field(text: &str, field: &CronField) -> bool {
    let (_, _, high, _, signs) = field;
    let number = |text: &str| cron_value(text, field);
    // Years don't go round, and days of the week have no steps.
    let (is_year, is_weekday) = (field.1 == CRON[5].1, signs.contains('#'));
    let plain = |text: &str| {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let step_fits = step.is_none_or(|step| {
            !is_weekday
                && step.bytes().all(|byte| byte.is_ascii_digit())
                && step.parse::<u32>().is_ok_and(|step| (1..=*high).contains(&step))
        });
        step_fits
            && match range.split_once('-') {
                Some((from, to)) => match (number(from), number(to)) {
                    (Some(from), Some(to)) => from <= to || !is_year,
                    _ => false,
                },
                None => range == "*" || number(range).is_some(),
            }
    };
    let special = |text: &str| match text {
        "?" => signs.contains('?'),
        "L" => signs.contains('L'),
        "LW" => signs.contains('W'),
        _ => {
            let weekday = text.strip_suffix('W').filter(|_| signs.contains('W'));
            let last = text.strip_suffix('L').filter(|_| signs.contains('#'));
            let nth = text.split_once('#').filter(|_| signs.contains('#'));
            weekday.or(last).is_some_and(|day| number(day).is_some())
                || nth.is_some_and(|(day, nth)| {
                    number(day).is_some() && matches!(nth, "1" | "2" | "3" | "4" | "5")
                })
        }
    };
    special(text) || text.split(',').all(plain)
}

/// Returns whether a text is a time such as `2027-01-31T08:00:00`, on a day that the calendar has.
fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:dd";
    let shaped = text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(letter, wanted)| match wanted {
            b'd' => letter.is_ascii_digit(),
            sign => letter == sign,
        });
    let number =
        |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    if !shaped {
        return false;
    }
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
}

/// Returns whether a text has the form of a name in the IANA time zone database.
fn is_timezone(text: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    let parts: Vec<&str> = text.split('/').collect();
    let single = ["UTC", "GMT", "Etc"];
    text.len() <= 50
        && parts.len() <= 3
        && parts.iter().all(|text| part(text))
        && (parts.len() > 1 || single.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_are_those_of_the_guide() {
        for right in [
            "0 2 * * ? *",
            "0/15 8-18 ? * MON-FRI *",
            "0 0 L * ? 2027",
            "0 0 LW * ? *",
            "0 0 15W * ? 2027-2030",
            "30 6 ? JAN,jul 2#1 *",
            "30 6 ? * 6L *",
            "0,30 * ? 1/3 SUN *",
        ] {
            assert_eq!(check_cron(right), Ok(None), "{right}");
        }
        for wrong in [
            "",
            "0 2 * * *",
            "60 2 * * ? *",
            "0 24 * * ? *",
            "0 2 0 * ? *",
            "0 2 32 * ? *",
            "0 2 * 13 ? *",
            "0 2 * * * *",
            "0 2 ? * ? *",
            "0 2 ? * 8 *",
            "0 2 ? * 2#6 *",
            "0 2 * * ? 1969",
            "0 2 * * ? 2200",
            "0 2 ? * 2/2 *",
            "0 2 ? * */2 *",
            "0 2 * * ? 2030-2027",
            "*/0 2 * * ? *",
            "0 2 ? * MONDAY *",
            "L 2 * * ? *",
            "0 2 1,,2 * ? *",
            "? 2 * * ? *",
            "0 2 ? * 2W *",
            "+1 2 * * ? *",
        ] {
            assert!(check_cron(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_that_go_round_are_found() {
        for (text, range) in [
            ("0 22-2 * * ? *", "22-2"),
            ("0 2 ? * FRI-MON *", "FRI-MON"),
            ("0 2 ? * MON-SUN *", "MON-SUN"),
            ("0 2 ? JAN,NOV-FEB 2 *", "NOV-FEB"),
            ("50-10/5 2 * * ? *", "50-10"),
        ] {
            assert_eq!(
                check_cron(text).map(|found| found.map(|(_, range)| range)),
                Ok(Some(range)),
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_of_the_calendar() {
        for (text, fits) in [
            ("2027-01-31T08:00:00", true),
            ("2028-02-29T23:59:59", true),
            ("2027-02-29T00:00:00", false),
            ("2027-04-31T00:00:00", false),
            ("2027-13-01T00:00:00", false),
            ("2027-01-01T24:00:00", false),
            ("2027-01-01 00:00:00", false),
            ("2027-1-1T00:00:00", false),
        ] {
            assert_eq!(is_time(text), fits, "{text}");
        }
        for (text, fits) in [
            ("Europe/Berlin", true),
            ("America/Argentina/Ushuaia", true),
            ("UTC", true),
            ("CEST+2", false),
            ("Berlin", false),
            ("", false),
        ] {
            assert_eq!(is_timezone(text), fits, "{text}");
        }
    }
}
