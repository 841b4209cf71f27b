//! Single values of events, and numbers as the matcher compares them.

use std::fmt;

use deployer_syntax::number::Decimal;

/// A single value of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A text that is not known before the deployment.
    Unknown,
    /// A text.
    Text(String),
    /// A number as it was written, `true`, `false` or `null`.
    Word(String),
}

impl fmt::Display for Leaf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => out.write_str("(not known)"),
            Self::Text(text) => write!(out, "{}", serde_json::Value::from(text.as_str())),
            Self::Word(word) => out.write_str(word),
        }
    }
}

/// A number that a double holds, in the order of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

impl Amount {
    fn of(number: f64) -> Self {
        // Negative zero becomes zero.
        let bits = (number + 0.0).to_bits().cast_signed();
        Self(bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed())
    }
}

/// Returns the amount of a number, unless it has digits that a double doesn't: the matcher doesn't take that for a
/// number.
pub fn amount(text: &str) -> Option<Amount> {
    let decimal = Decimal::parse(text)?;
    let double: f64 = text.parse().ok().filter(|double: &f64| double.is_finite())?;
    (Decimal::parse(&format!("{double:e}"))? == decimal).then(|| Amount::of(double))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_amount_when_a_double_holds_them() {
        assert_eq!(amount("100e-2"), amount("1.0"));
        assert_eq!(amount("-0"), amount("0"));
        assert!(
            amount("-1") < amount("-0.5") && amount("-0.5") < amount("0") && amount("0") < amount("1e300")
        );
        for text in ["12345678901234567890", "1e400", "1e-400", "0.1000000000000000055", "x", ""] {
            assert_eq!(amount(text), None, "{text}");
        }
        assert!(amount("12345678901234567000").is_some());
    }
}
