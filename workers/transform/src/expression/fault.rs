//! Rows without a value for an expression.

use std::fmt;

use super::shortened;

/// A row without a value for an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// The kind of fault.
    pub fault: Fault,
    /// A clause that names the part of the expression and the fault, and contains nothing of the row.
    pub message: String,
    /// The bytes of that part.
    pub range: (usize, usize),
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for EvaluationError {}

/// Defines the faults with their clauses from one text.
macro_rules! faults {
    ($(#[doc = $doc:literal] $fault:ident = $about:literal $(, $help:literal)?;)+) => {
        /// The kinds of faults of an evaluation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault { $(#[doc = $doc] $fault,)+ }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$fault),+];

            /// Returns a clause that says what is wrong.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$fault => $about,)+ }
            }

            /// Returns what would be right, if there is more to say.
            #[must_use]
            pub const fn help(self) -> Option<&'static str> {
                $($(if matches!(self, Self::$fault) { return Some($help); })?)+
                None
            }
        }
    };
}

faults! {
    /// The text is empty.
    EmptyText = "the text is empty", "write `Amount == \"\" ? … : …` where a column can be empty";
    /// The text is not a number.
    NotANumber = "the text is not a number", "numbers are written like `1200`, `-1.5` or `1e3`";
    /// The text is not a number, and has a comma.
    DecimalComma = "the text, which has a comma, is not a number",
        "read the column by a field of type number with `decimal: \",\"`, or with `group: \",\"`, and use that field";
    /// The text is not a whole number.
    NotAnInteger = "the text is not a whole number";
    /// The text is neither true nor false.
    NotABoolean = "the text is not a boolean", "`bool` takes `true`, `t`, `1`, `false`, `f` and `0`";
    /// The text is not a timestamp.
    NotATimestamp = "the text is not an RFC 3339 timestamp",
        "a timestamp is written like `2026-03-29T01:30:00Z`; other formats are read by a field of type timestamp";
    /// The text is not a duration.
    NotADuration = "the text is not a duration",
        "a duration is written like `90d`, `1h30m` or `1.5s`, with the units d, h, m, s and ms";
    /// A number is out of the range of an int.
    TooLargeForInt = "the number is too large for an int";
    /// A number is out of the range of a double.
    TooLargeForDouble = "the number is too large for a double";
    /// A division by zero.
    DivisionByZero = "the divisor is zero";
    /// A timestamp is outside the years 1 to 9999.
    TimestampOutOfRange = "the timestamp is not in the years 1 to 9999";
    /// A duration is longer than 10,000 years.
    DurationOutOfRange = "the duration is longer than 10,000 years";
    /// A list has no such element.
    IndexOutOfRange = "the list has no element of this position";
    /// A text has no such position.
    PositionOutOfRange = "the text has no such position";
    /// A list without elements has neither a least nor a greatest one.
    EmptyList = "the list is empty";
    /// A field has no value.
    NoValue = "the field has no value", "write `has(item.x) ? item.x : …` where a field can be without a value";
    /// The file has no such column.
    NoColumn = "the file has no such column";
    /// A text is longer than an item may be.
    TextTooLong = "the text is longer than 400 KiB";
    /// The evaluation takes too many steps.
    TooManySteps = "the evaluation takes too many steps";
    /// A value has not the type that was promised.
    WrongType = "the value has not the type of its field";
}

impl Fault {
    /// Returns whether the fault is a bound of the evaluation itself, which `||` and `&&` never hide.
    pub(super) const fn is_bound(self) -> bool {
        matches!(self, Self::TextTooLong | Self::TooManySteps | Self::WrongType)
    }
}

/// A fault with the part of the expression that has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) range: (usize, usize),
}

impl Failed {
    /// Returns the error for an expression of this text.
    pub(super) fn in_text(self, text: &str) -> EvaluationError {
        let part = shortened(text.get(self.range.0..self.range.1).unwrap_or_default());
        let message = format!("{} in `{part}`", self.fault.about());
        EvaluationError { fault: self.fault, message, range: self.range }
    }
}
