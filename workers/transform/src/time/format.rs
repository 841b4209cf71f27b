//! Formats of timestamps and dates: compiled once, then matched against texts.
//!
//! The directives are those of `strftime` in C (ISO/IEC 9899, 7.29.3.5) as far as a text can be read by them. They are
//! read more strictly than `strptime` reads them: a year has four digits, and a blank stands for at least one.

use super::fields::{Fault, Fields, WeekStart};
use super::names::Names;
use super::parts::{is_blank, trim};

mod check;
mod step;

pub(super) use check::{Context, Problem};
use step::{Field, Step};

/// A compiled format.
#[derive(Debug, Clone)]
pub(super) struct Format {
    steps: Vec<Step>,
}

impl Format {
    /// Compiles a format.
    ///
    /// # Errors
    /// Its first problem: a directive that is unknown, or a format that does not give a day, or gives it twice.
    pub(super) fn compile(format: &str, context: Context) -> Result<Self, Problem> {
        let trimmed = trim(format);
        let start = format.find(trimmed).unwrap_or_default();
        let mut steps = Vec::new();
        let mut rest = trimmed;
        while let Some(character) = rest.chars().next() {
            let at = start + trimmed.len() - rest.len();
            let behind = rest.get(character.len_utf8()..).unwrap_or_default();
            if is_blank(character) {
                if steps.last() != Some(&Step::Blank) {
                    steps.push(Step::Blank);
                }
                rest = behind;
            } else if character == '%' {
                rest = directive(behind, at, &mut steps)?;
            } else {
                literal(character, &mut steps);
                rest = behind;
            }
        }
        let mut found = Self { steps };
        check::check(&found.fields(), format, context)?;
        found.fix();
        Ok(found)
    }

    fn fields(&self) -> Vec<(Field, char)> {
        let fields = self.steps.iter().filter_map(|step| match step {
            Step::Field(field, directive) => Some((*field, *directive)),
            _ => None,
        });
        fields.collect()
    }

    /// Decides by the steps beside each field how far it reaches: beside other digits, it has all of its own.
    fn fix(&mut self) {
        let digits: Vec<bool> = self.steps.iter().map(Step::is_digits).collect();
        let stops: Vec<bool> = self.steps.iter().map(Step::is_stop).collect();
        let at = |list: &[bool], position: Option<usize>| {
            position.and_then(|position| list.get(position)).copied().unwrap_or_default()
        };
        for (position, step) in self.steps.iter_mut().enumerate() {
            let Step::Field(field, _) = step else { continue };
            match field {
                Field::Month { fixed }
                | Field::Day { fixed, .. }
                | Field::DayOfYear { fixed }
                | Field::Hour { fixed, .. }
                | Field::HalfHour { fixed, .. }
                | Field::Minute { fixed }
                | Field::Second { fixed }
                | Field::WeekOfYear { fixed, .. } => {
                    *fixed = at(&digits, position.checked_sub(1)) || at(&digits, Some(position + 1));
                }
                Field::MonthName { stop } | Field::WeekdayName { stop } => {
                    *stop = !at(&stops, Some(position + 1));
                }
                _ => {}
            }
        }
    }

    /// Reads a text, all of which must fit the format.
    ///
    /// # Errors
    /// [`Fault::Syntax`] if the text is not of the format, or what is wrong with one of its parts.
    pub(super) fn read(&self, text: &str, names: &Names) -> Result<Fields, Fault> {
        let mut fields = Fields::default();
        let mut rest = text;
        for step in &self.steps {
            rest = match step {
                Step::Literal(expected) => rest.strip_prefix(&**expected).ok_or(Fault::Syntax)?,
                Step::Blank => {
                    let behind = rest.trim_start_matches(is_blank);
                    if behind.len() == rest.len() {
                        return Err(Fault::Syntax);
                    }
                    behind
                }
                Step::Field(field, _) => field.read(rest, &mut fields, names)?,
            };
        }
        if rest.is_empty() { Ok(fields) } else { Err(Fault::Syntax) }
    }
}

fn literal(character: char, steps: &mut Vec<Step>) {
    if let Some(Step::Literal(text)) = steps.last_mut() {
        let mut longer = String::from(std::mem::take(text));
        longer.push(character);
        *text = longer.into();
    } else {
        steps.push(Step::Literal(character.to_string().into()));
    }
}

/// Adds the steps of the directive whose `%` is at the byte `at` of the format, and returns the text after it.
fn directive<'f>(text: &'f str, at: usize, steps: &mut Vec<Step>) -> Result<&'f str, Problem> {
    let problem = |length: usize, message: String, help: Option<String>| Problem {
        message,
        help,
        range: Some((at, at + 1 + length)),
    };
    // Flags of padding change only what is written.
    let bare = text.strip_prefix(['-', '_', '0', '^', '#']).unwrap_or(text);
    let digits = bare.find(|character: char| !character.is_ascii_digit()).unwrap_or(bare.len());
    let (width, bare) = bare.split_at_checked(digits).unwrap_or(("", bare));
    let (mark, bare) = match bare.chars().next() {
        Some(mark @ (':' | '.')) => (Some(mark), bare.get(1..).unwrap_or_default()),
        _ => (None, bare),
    };
    let Some(letter) = bare.chars().next() else {
        let help = "for the character `%`, write `%%`".to_owned();
        return Err(problem(text.len(), "`%` at the end of the format has no letter".to_owned(), Some(help)));
    };
    let rest = bare.get(letter.len_utf8()..).unwrap_or_default();
    let length = text.len() - rest.len();
    let mut add = |field: Field| steps.push(Step::Field(field, letter));
    match (mark, width, letter) {
        (None, "" | "4", 'Y') => add(Field::Year),
        (None, "" | "2", 'y') => add(Field::ShortYear),
        (None, "" | "2", 'm') => add(Field::Month { fixed: false }),
        (None, "", 'b' | 'B' | 'h') => add(Field::MonthName { stop: true }),
        (None, "" | "2", 'd') => add(Field::Day { fixed: false, padded: false }),
        (None, "", 'e') => add(Field::Day { fixed: false, padded: true }),
        (None, "" | "3", 'j') => add(Field::DayOfYear { fixed: false }),
        (None, "" | "2", 'H') => add(Field::Hour { fixed: false, padded: false }),
        (None, "", 'k') => add(Field::Hour { fixed: false, padded: true }),
        (None, "" | "2", 'I') => add(Field::HalfHour { fixed: false, padded: false }),
        (None, "", 'l') => add(Field::HalfHour { fixed: false, padded: true }),
        (None, "", 'p' | 'P') => add(Field::HalfDay),
        (None, "" | "2", 'M') => add(Field::Minute { fixed: false }),
        (None, "" | "2", 'S') => add(Field::Second { fixed: false }),
        (None, "", 'f') => add(Field::Fraction { digits: None }),
        (None, "", 'L') => add(Field::Fraction { digits: Some(3) }),
        (None, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9", 'f' | 'N') => {
            add(Field::Fraction { digits: width.parse().ok() });
        }
        (Some('.'), "", 'f') => add(Field::PointFraction),
        (None | Some(':'), "", 'z') => add(Field::Offset),
        (None, "", 's') => add(Field::Seconds),
        (None, "", 'Q') => add(Field::Milliseconds),
        (None, "", 'a' | 'A') => add(Field::WeekdayName { stop: true }),
        (None, "", 'u') => add(Field::WeekdayFromMonday),
        (None, "", 'w') => add(Field::WeekdayFromSunday),
        (None, "", 'G') => add(Field::WeekYear),
        (None, "", 'U') => add(Field::WeekOfYear { fixed: false, start: WeekStart::Sunday }),
        (None, "", 'W') => add(Field::WeekOfYear { fixed: false, start: WeekStart::Monday }),
        (None, "", 'V') => add(Field::WeekOfYear { fixed: false, start: WeekStart::Iso }),
        (None, "", 'F' | 'T' | 'R' | 'D' | 'r') => {
            let meaning = match letter {
                'F' => "%Y-%m-%d",
                'T' => "%H:%M:%S",
                'R' => "%H:%M",
                'D' => "%m/%d/%y",
                _ => "%I:%M:%S %p",
            };
            expand(meaning, steps);
        }
        (None, "", '%') => literal('%', steps),
        (None, "", 'n' | 't') => steps.push(Step::Blank),
        (None, "", 'Z') => {
            let help = "abbreviations such as `CST` mean several zones: write the abbreviation itself in the format, and \
                        the zone as `zone: America/Chicago`; an offset such as `+02:00` is `%z`";
            return Err(problem(length, "`%Z` cannot be read".to_owned(), Some(help.to_owned())));
        }
        _ => {
            let written = format!("%{}", text.get(..length).unwrap_or_default());
            let help = match letter {
                'c' | 'x' | 'X' | '+' => {
                    "its meaning depends on a locale: name the parts, as in `%d/%m/%Y %H:%M`"
                }
                'C' | 'g' => "the year is `%Y`, or `%y` with two digits",
                'N' => "a fraction of a second is `%f`, or `%.f` with the point before it",
                'i' => "minutes are `%M`",
                _ => {
                    "those of dates are `%Y %y %m %b %d %j %a`, those of times `%H %I %p %M %S %f %z`, and `%s` and `%Q` \
                     are seconds and milliseconds since 1970"
                }
            };
            return Err(problem(length, format!("`{written}` is not a directive"), Some(help.to_owned())));
        }
    }
    Ok(rest)
}

/// Adds the steps of a format that consists of letters, blanks and literals only.
fn expand(format: &str, steps: &mut Vec<Step>) {
    let mut rest = format;
    while let Some(character) = rest.chars().next() {
        let behind = rest.get(1..).unwrap_or_default();
        rest = match character {
            '%' => directive(behind, 0, steps).unwrap_or_default(),
            ' ' => {
                steps.push(Step::Blank);
                behind
            }
            other => {
                literal(other, steps);
                behind
            }
        };
    }
}
