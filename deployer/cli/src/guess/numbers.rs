//! Numbers: the shapes that texts of digits have, and the format in which the numbers of a column are written.

/// The greatest number of digits of a whole number that is a number; longer ones are identifiers, which spreadsheets and
/// floats would damage.
const MAX_DIGITS: usize = 15;

/// The shapes that the values of a column have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Not a digit sequence alone: some value has a sign other than `-`, a separator, an exponent or letters.
    pub not_plain: bool,
    /// A zero before other digits, as in `007`.
    pub leading_zero: bool,
    /// A plus before the digits, as in telephone numbers.
    pub plus: bool,
    /// A whole number of more than 15 digits.
    pub long: bool,
    /// An exponent without a sign, as in the part number `12E5`.
    pub bare_exponent: bool,
    /// An exponent in the form of a spreadsheet, such as `1.23457E+15`, which has lost digits.
    pub spreadsheet_exponent: bool,
    /// A point.
    pub point: bool,
    /// A comma.
    pub comma: bool,
    /// A blank, or an apostrophe, between digits.
    pub blank: bool,
    /// A point that can only be the one before decimals.
    pub decimal_point: bool,
    /// A comma that can only be the one before decimals.
    pub decimal_comma: bool,
    /// Some value is not `YYYYMMDD`.
    pub not_compact_date: bool,
}

impl Shapes {
    /// Adds the shape of a value, and returns whether it is a plain whole number, without blanks, that is certainly
    /// read as a number.
    pub fn take(&mut self, text: &str) -> bool {
        let value = text.trim();
        let bytes = value.as_bytes();
        let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        let plain = digits > 0 && digits == unsigned.len() && bytes.first() != Some(&b'+');
        self.plus |= bytes.first() == Some(&b'+');
        // `-0` is a zero that a number would lose.
        self.leading_zero |= digits > 1 && unsigned.starts_with('0') || value == "-0";
        self.not_plain |= !plain;
        self.long |= plain && digits > MAX_DIGITS;
        self.not_compact_date |= !(plain && unsigned.len() == value.len() && is_compact_date(value));
        if plain {
            return text.len() == value.len() && digits <= MAX_DIGITS && !self.leading_zero;
        }
        if let Some(exponent) = unsigned.find(['e', 'E']) {
            let (mantissa, exponent) = unsigned.split_at(exponent);
            let signed = exponent.get(1..).is_some_and(|rest| rest.starts_with(['+', '-']));
            self.bare_exponent |= !signed;
            self.spreadsheet_exponent |=
                exponent.starts_with("E+") && exponent.len() == 4 && mantissa.len() > 3;
        }
        for (byte, seen, certain) in [
            (b'.', &mut self.point, &mut self.decimal_point),
            (b',', &mut self.comma, &mut self.decimal_comma),
        ] {
            let Some(at) = unsigned.bytes().position(|found| found == byte) else { continue };
            *seen = true;
            let before = unsigned.get(..at).unwrap_or_default();
            *certain |= before.is_empty() || before.bytes().all(|digit| digit == b'0');
        }
        self.blank |= unsigned.contains([' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}']);
        false
    }
}

/// Returns whether eight digits are a day of the last or the next hundred years.
fn is_compact_date(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<u32>().ok());
    digits.len() == 8
        && part(0, 4).is_some_and(|year| (1900..2100).contains(&year))
        && part(4, 6).is_some_and(|month| (1..=12).contains(&month))
        && part(6, 8).is_some_and(|day| (1..=31).contains(&day))
}

/// The character before decimals, and that between groups of digits.
pub type Format = (char, Option<char>);

/// The format of a column of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Whole numbers without separators.
    Integer,
    /// Numbers in this format.
    Number(Format),
    /// Numbers in either of two formats, which mean different numbers: as with `1.234`.
    Ambiguous {
        /// The format in which the separator is the one before decimals.
        decimals: Format,
        /// The format in which it is between groups.
        groups: Format,
    },
    /// Digits that are no numbers, with the reason.
    Text(&'static str),
}

/// Decides on the format of the numbers of a column. `fits` returns whether all values fit a format.
pub fn decide(shapes: &Shapes, fits: impl Fn(Format) -> bool) -> Verdict {
    let formats = [('.', None), ('.', Some(',')), (',', None), (',', Some('.'))];
    let spaced = [('.', Some(' ')), (',', Some(' ')), ('.', Some('\''))];
    if let Some(reason) = refusal(shapes) {
        return Verdict::Text(reason);
    }
    if !shapes.not_plain {
        return Verdict::Integer;
    }
    let [plain, point, comma, german] = formats;
    if shapes.blank {
        // Without decimals, groups with blanks are as often numbers of telephones and of companies.
        let of = spaced.into_iter().find(|(decimal, group)| {
            let decimals = if *decimal == '.' { shapes.point } else { shapes.comma };
            decimals && fits((*decimal, *group))
        });
        return of.map_or(Verdict::Text("blanks between digits"), Verdict::Number);
    }
    let either = |decimals: Format, groups: Format, certain: bool| match (fits(decimals), fits(groups)) {
        (true, true) if !certain => Verdict::Ambiguous { decimals, groups },
        (true, _) => Verdict::Number(decimals),
        (false, true) => Verdict::Number(groups),
        (false, false) => Verdict::Text("several formats of numbers"),
    };
    match (shapes.point, shapes.comma) {
        (false, false) => Verdict::Number(plain),
        (true, false) => either(plain, german, shapes.decimal_point),
        (false, true) => either(comma, point, shapes.decimal_comma),
        (true, true) => match (fits(point), fits(german)) {
            (true, true) => Verdict::Ambiguous { decimals: point, groups: german },
            (true, false) => Verdict::Number(point),
            (false, true) => Verdict::Number(german),
            (false, false) => Verdict::Text("several formats of numbers"),
        },
    }
}

fn refusal(shapes: &Shapes) -> Option<&'static str> {
    [
        (shapes.leading_zero, "leading zeros"),
        (shapes.plus, "a plus before the digits"),
        (shapes.long, "more than 15 digits, as identifiers have"),
        (shapes.bare_exponent, "digits with an `e`, as part numbers have"),
    ]
    .into_iter()
    .find(|(is, _)| *is)
    .map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use crate::guess::readings::{self, Is};

    use super::*;

    fn decided(values: &[&str]) -> Verdict {
        let mut shapes = Shapes::default();
        for value in values {
            shapes.take(value);
        }
        decide(&shapes, |format| {
            let mut of = readings::all().iter();
            let reading = of.find(|reading| reading.is == Is::Number(format.0, format.1)).expect("a reading");
            values.iter().all(|value| reading.fits(value))
        })
    }

    #[test]
    fn whole_numbers_are_integers_unless_they_look_like_codes() {
        assert_eq!(decided(&["1", "0", "-17", "123456789012345"]), Verdict::Integer);
        for (value, reason) in [
            ("007", "leading zeros"),
            ("-0", "leading zeros"),
            ("00.5", "leading zeros"),
            ("+4930123", "a plus before the digits"),
            ("1234567890123456", "more than 15 digits, as identifiers have"),
            ("12E5", "digits with an `e`, as part numbers have"),
            ("123 456 789", "blanks between digits"),
        ] {
            assert_eq!(decided(&["1", value]), Verdict::Text(reason), "{value}");
        }
    }

    #[test]
    fn a_format_is_taken_where_it_is_the_only_one() {
        for (values, format) in [
            (&["1.5", "-2", "1e-07"][..], ('.', None)),
            (&["1234.567"], ('.', None)),
            (&["0.123"], ('.', None)),
            (&["1,5", "2"], (',', None)),
            (&["0,123"], (',', None)),
            (&["1.234,50", "7"], (',', Some('.'))),
            (&["1,234.50", "7"], ('.', Some(','))),
            (&["1,234,567"], ('.', Some(','))),
            (&["1.234.567"], (',', Some('.'))),
            (&["1 234,50"], (',', Some(' '))),
            (&["1\u{a0}234,50"], (',', Some(' '))),
            (&["1'234.50"], ('.', Some('\''))),
        ] {
            assert_eq!(decided(values), Verdict::Number(format), "{values:?}");
        }
    }

    #[test]
    fn a_separator_that_can_mean_two_things_is_ambiguous() {
        let point = Verdict::Ambiguous { decimals: ('.', None), groups: (',', Some('.')) };
        assert_eq!(decided(&["1.234", "17"]), point);
        let comma = Verdict::Ambiguous { decimals: (',', None), groups: ('.', Some(',')) };
        assert_eq!(decided(&["1,234", "12,500"]), comma);
        assert!(matches!(decided(&["1,234", "1.234"]), Verdict::Ambiguous { .. }));
    }

    #[test]
    fn numbers_of_spreadsheets_and_compact_dates_are_noticed() {
        let mut shapes = Shapes::default();
        shapes.take("1.23457E+15");
        assert!(shapes.spreadsheet_exponent && !shapes.bare_exponent);
        let mut shapes = Shapes::default();
        shapes.take("20260131");
        assert!(!shapes.not_compact_date);
        shapes.take("20261331");
        assert!(shapes.not_compact_date);
    }
}
