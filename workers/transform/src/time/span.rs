//! Spans of time, as the setting `plus` names them.

/// A span: units of the calendar, then units of the clock. All have the same sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) seconds: i64,
}

/// The problem of a text that is not a span: what is wrong, and what would be right.
pub(super) type Fault = (String, String);

/// A number that no unit may exceed: more than the years 1000 to 9999 have seconds.
const GREATEST: i64 = 1_000_000_000_000;

impl Span {
    /// Parses a span that is all of a text: whole numbers with units, `90d`, `1y 6mo`, `-1h30m`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let help = || "write whole numbers with units, as in `90d`, `1y 6mo` or `1h 30m`".to_owned();
        let unsigned = text.strip_prefix('-');
        let mut rest = unsigned.or_else(|| text.strip_prefix('+')).unwrap_or(text).trim_ascii_start();
        if rest.is_empty() {
            return Err((format!("`{text}` is not a span of time"), help()));
        }
        if rest.starts_with(['P', 'p']) {
            return Err((format!("`{text}` is not a span of time as it is written here"), help()));
        }
        let mut span = Self::default();
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            let (number, behind) = rest.split_at_checked(digits).unwrap_or((rest, ""));
            let behind = behind.trim_ascii_start();
            let letters = behind.find(|character: char| !character.is_alphabetic()).unwrap_or(behind.len());
            let (unit, behind) = behind.split_at_checked(letters).unwrap_or((behind, ""));
            if number.is_empty() {
                return Err((format!("`{rest}` in `{text}` is not understood"), help()));
            }
            let number = number.parse::<i64>().ok().filter(|number| *number <= GREATEST);
            let Some(number) = number else {
                return Err((format!("`{text}` is longer than the calendar"), help()));
            };
            let (target, each) = match unit {
                "y" | "yr" | "yrs" | "year" | "years" => (&mut span.months, 12),
                "mo" | "mos" | "month" | "months" => (&mut span.months, 1),
                "w" | "wk" | "wks" | "week" | "weeks" => (&mut span.days, 7),
                "d" | "day" | "days" => (&mut span.days, 1),
                "h" | "hr" | "hrs" | "hour" | "hours" => (&mut span.seconds, 3600),
                "m" | "min" | "mins" | "minute" | "minutes" => (&mut span.seconds, 60),
                "s" | "sec" | "secs" | "second" | "seconds" => (&mut span.seconds, 1),
                "M" => {
                    let help = format!("months are `{number}mo`, minutes `{number}m`");
                    return Err((format!("`M` in `{text}` could be months or minutes"), help));
                }
                "" if behind.is_empty() => {
                    return Err((
                        format!("`{text}` has a number without a unit"),
                        format!("for days, write `{number}d`"),
                    ));
                }
                "" => return Err((format!("`{text}` has a number that is not whole"), help())),
                other => {
                    let help = match other.chars().next().map(|letter| letter.to_ascii_lowercase()) {
                        Some(letter @ ('y' | 'w' | 'd' | 'h' | 's')) if other.len() == 1 => {
                            format!("units are in lower case: `{number}{letter}`")
                        }
                        _ => "the units are `y`, `mo`, `w`, `d`, `h`, `m` and `s`".to_owned(),
                    };
                    return Err((format!("`{other}` in `{text}` is not a unit of time"), help));
                }
            };
            *target = target.saturating_add(number.saturating_mul(each));
            rest = behind.trim_ascii_start();
        }
        if unsigned.is_some() {
            span = Self { months: -span.months, days: -span.days, seconds: -span.seconds };
        }
        Ok(span)
    }

    /// Returns whether the span consists of units of the calendar only.
    pub(super) const fn is_calendar(&self) -> bool {
        self.seconds == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_numbers_with_units() {
        for (text, months, days, seconds) in [
            ("90d", 0, 90, 0),
            ("90 days", 0, 90, 0),
            ("1y 6mo", 18, 0, 0),
            ("2w", 0, 14, 0),
            ("1h30m", 0, 0, 5400),
            ("1m", 0, 0, 60),
            ("-1d 12h", 0, -1, -43_200),
            ("+ 10 s", 0, 0, 10),
            ("0d", 0, 0, 0),
        ] {
            assert_eq!(Span::parse(text), Ok(Span { months, days, seconds }), "{text}");
        }
    }

    #[test]
    fn a_span_that_is_not_understood_to_its_end_is_refused() {
        for (text, message, help) in [
            ("90D", "`D` in `90D` is not a unit of time", "units are in lower case: `90d`"),
            ("1M", "`M` in `1M` could be months or minutes", "months are `1mo`, minutes `1m`"),
            ("90", "`90` has a number without a unit", "for days, write `90d`"),
            ("1.5h", "`1.5h` has a number that is not whole", "write whole numbers"),
            ("90d ago", "`ago` in `90d ago` is not understood", "write whole numbers"),
            ("P90D", "`P90D` is not a span of time as it is written here", "write whole numbers"),
            ("1h30", "`1h30` has a number without a unit", "for days"),
            ("", "`` is not a span of time", "write"),
            ("-", "`-` is not a span of time", "write"),
            ("1 fortnight", "`fortnight` in `1 fortnight` is not a unit of time", "the units are"),
            ("99999999999999999999d", "`99999999999999999999d` is longer than the calendar", "write"),
        ] {
            let (found, helped) = Span::parse(text).expect_err(text);
            assert_eq!(found, message);
            assert!(helped.starts_with(help), "{text}: {helped}");
        }
    }
}
