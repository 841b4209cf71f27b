//! Calls of functions and operators with computed arguments.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::datum::{Datum, Elements};
use super::fault::Fault;
use super::functions::Function;
use super::number::{boolean, double, finite, integer, truncated};
use super::steps::Steps;
use super::text;
use super::time;

/// Calls a function of one argument.
pub(super) fn one<'r>(
    function: Function,
    argument: Datum<'r>,
    steps: &mut Steps,
) -> Result<Datum<'r>, Fault> {
    use Datum::{Boolean, Double, Duration, Integer, List, Text, Timestamp};
    if let Text(text) = &argument {
        steps.bytes(text.len())?;
    }
    Ok(match (function, argument) {
        (Function::Double, Text(text)) => Double(double(&text)?),
        (Function::Double, Double(value)) => Double(value),
        #[expect(clippy::cast_precision_loss, reason = "CEL's conversion rounds to the nearest double")]
        (Function::Double, Integer(value)) => Double(value as f64),
        (Function::Int, Text(text)) => Integer(integer(&text)?),
        (Function::Int, Double(value)) => Integer(truncated(value)?),
        (Function::Int, Integer(value)) => Integer(value),
        (Function::Int, Timestamp(value)) => Integer(value.seconds()),
        (Function::Bool, Text(text)) => Boolean(boolean(&text)?),
        (Function::Bool, Boolean(value)) => Boolean(value),
        (Function::Timestamp, Text(text)) => Timestamp(time::timestamp(&text)?),
        (Function::Timestamp, Integer(value)) => Timestamp(time::of_seconds(value)?),
        (Function::Timestamp, Timestamp(value)) => Timestamp(value),
        (Function::Duration, Text(text)) => Duration(time::duration(&text)?),
        (Function::Duration, Duration(value)) => Duration(value),
        (Function::String, value) => Text(string(value)?),
        (Function::Size, Text(text)) => Integer(text::size(&text)),
        (Function::Size, List(elements)) => Integer(length(elements.len())),
        (Function::Trim, Text(text)) => Text(text::trimmed(text)),
        (Function::LowerAscii, Text(text)) => Text(text::lowered(text)),
        (Function::UpperAscii, Text(text)) => Text(text::raised(text)),
        (Function::Join, List(elements)) => joined(&elements, "", steps)?,
        (Function::Negate, Integer(value)) => Integer(value.checked_neg().ok_or(Fault::TooLargeForInt)?),
        (Function::Negate, Double(value)) => Double(-value),
        (Function::Abs, Integer(value)) => Integer(value.checked_abs().ok_or(Fault::TooLargeForInt)?),
        (Function::Abs, Double(value)) => Double(value.abs()),
        (Function::Round, Double(value)) => Double(value.round()),
        (Function::Ceil, Double(value)) => Double(value.ceil()),
        (Function::Floor, Double(value)) => Double(value.floor()),
        (Function::LeastOf, List(elements)) => extreme(elements, Ordering::Less, steps)?,
        (Function::GreatestOf, List(elements)) => extreme(elements, Ordering::Greater, steps)?,
        (Function::Part(part), Timestamp(value)) => Integer(time::part(value, part)),
        (Function::Part(part), Duration(value)) => Integer(time::whole(value, part).ok_or(Fault::WrongType)?),
        _ => return Err(Fault::WrongType),
    })
}

/// Calls a function of two arguments.
pub(super) fn two<'r>(
    function: Function,
    one: Datum<'r>,
    other: Datum<'r>,
    steps: &mut Steps,
) -> Result<Datum<'r>, Fault> {
    use Datum::{Boolean, Double, Duration, Integer, List, Text, Timestamp};
    for argument in [&one, &other] {
        if let Text(text) = argument {
            steps.bytes(text.len())?;
        }
    }
    Ok(match (function, one, other) {
        (Function::Add, Double(one), Double(other)) => Double(finite(one + other)?),
        (Function::Subtract, Double(one), Double(other)) => Double(finite(one - other)?),
        (Function::Multiply, Double(one), Double(other)) => Double(finite(one * other)?),
        (Function::Divide, Double(_), Double(0.0)) => return Err(Fault::DivisionByZero),
        (Function::Divide, Double(one), Double(other)) => Double(finite(one / other)?),
        (Function::Add, Integer(one), Integer(other)) => exact(one.checked_add(other))?,
        (Function::Subtract, Integer(one), Integer(other)) => exact(one.checked_sub(other))?,
        (Function::Multiply, Integer(one), Integer(other)) => exact(one.checked_mul(other))?,
        (Function::Divide | Function::Remainder, Integer(_), Integer(0)) => {
            return Err(Fault::DivisionByZero);
        }
        (Function::Divide, Integer(one), Integer(other)) => exact(one.checked_div(other))?,
        (Function::Remainder, Integer(one), Integer(other)) => exact(one.checked_rem(other))?,
        (Function::Add, Text(one), Text(other)) => Text(text::concatenated(one, other)?),
        (Function::Add, List(one), List(other)) => {
            steps.elements(one.len().saturating_add(other.len()))?;
            let mut elements = one.into_vec();
            elements.extend(other.into_vec());
            Datum::list(elements)
        }
        (Function::Add, Timestamp(at), Duration(by)) | (Function::Add, Duration(by), Timestamp(at)) => {
            Timestamp(time::add(at, by, 1)?)
        }
        (Function::Subtract, Timestamp(at), Duration(by)) => Timestamp(time::add(at, by, -1)?),
        (Function::Subtract, Timestamp(end), Timestamp(start)) => Duration(time::between(end, start)?),
        (Function::Add, Duration(one), Duration(other)) => Duration(time::add_durations(one, other, 1)?),
        (Function::Subtract, Duration(one), Duration(other)) => {
            Duration(time::add_durations(one, other, -1)?)
        }
        (Function::Equal, one, other) => Boolean(equal(&one, &other, steps)?),
        (Function::Unequal, one, other) => Boolean(!equal(&one, &other, steps)?),
        (Function::Less, one, other) => Boolean(order(&one, &other)?.is_lt()),
        (Function::LessOrEqual, one, other) => Boolean(order(&one, &other)?.is_le()),
        (Function::Greater, one, other) => Boolean(order(&one, &other)?.is_gt()),
        (Function::GreaterOrEqual, one, other) => Boolean(order(&one, &other)?.is_ge()),
        (Function::Least, one, other) => {
            if order(&other, &one)?.is_lt() {
                other
            } else {
                one
            }
        }
        (Function::Greatest, one, other) => {
            if order(&other, &one)?.is_gt() {
                other
            } else {
                one
            }
        }
        (Function::In, value, List(elements)) => {
            let mut found = false;
            for element in elements.iter() {
                found = equal(&value, element, steps)?;
                if found {
                    break;
                }
            }
            Boolean(found)
        }
        (Function::Element, List(elements), Integer(position)) => {
            let position = usize::try_from(position).map_err(|_| Fault::IndexOutOfRange)?;
            match elements {
                Elements::Borrowed(elements) => {
                    elements.get(position).ok_or(Fault::IndexOutOfRange)?.borrowed()
                }
                Elements::Owned(mut elements) => match position < elements.len() {
                    true => elements.swap_remove(position),
                    false => return Err(Fault::IndexOutOfRange),
                },
            }
        }
        (Function::Contains, Text(text), Text(sought)) => Boolean(text.contains(&*sought)),
        (Function::StartsWith, Text(text), Text(sought)) => Boolean(text.starts_with(&*sought)),
        (Function::EndsWith, Text(text), Text(sought)) => Boolean(text.ends_with(&*sought)),
        (Function::IndexOf, Text(text), Text(sought)) => Integer(text::index_of(&text, &sought, 0)?),
        (Function::Substring, Text(text), Integer(start)) => Text(text::substring(text, start, None)?),
        (Function::Join, List(elements), Text(separator)) => joined(&elements, &separator, steps)?,
        (Function::Split, Text(text), Text(separator)) => split(text, &separator, steps)?,
        _ => return Err(Fault::WrongType),
    })
}

/// Calls a function of three arguments.
pub(super) fn three<'r>(
    function: Function,
    one: Datum<'r>,
    two: Datum<'r>,
    three: Datum<'r>,
    steps: &mut Steps,
) -> Result<Datum<'r>, Fault> {
    use Datum::{Integer, Text};
    if let Text(text) = &one {
        steps.bytes(text.len())?;
    }
    Ok(match (function, one, two, three) {
        (Function::Substring, Text(text), Integer(start), Integer(end)) => {
            Text(text::substring(text, start, Some(end))?)
        }
        (Function::IndexOf, Text(text), Text(sought), Integer(start)) => {
            Integer(text::index_of(&text, &sought, start)?)
        }
        (Function::Replace, Text(text), Text(old), Text(new)) => {
            let replaced = text::replaced(text, &old, &new)?;
            steps.bytes(replaced.len())?;
            Text(replaced)
        }
        _ => return Err(Fault::WrongType),
    })
}

fn exact<'r>(value: Option<i64>) -> Result<Datum<'r>, Fault> {
    value.map(Datum::Integer).ok_or(Fault::TooLargeForInt)
}

fn order(one: &Datum<'_>, other: &Datum<'_>) -> Result<Ordering, Fault> {
    one.compare(other).ok_or(Fault::WrongType)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn equal(one: &Datum<'_>, other: &Datum<'_>, steps: &mut Steps) -> Result<bool, Fault> {
    // A list is compared with one of any depth; every element was a step when it was made, but may be
    // compared often.
    steps.elements(if let Datum::List(elements) = one { 1 + elements.len() } else { 1 })?;
    if let (Datum::List(one), Datum::List(other)) = (one, other) {
        if one.len() != other.len() {
            return Ok(false);
        }
        for (one, other) in one.iter().zip(other.iter()) {
            if !equal(one, other, steps)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Datum::Text(one), Datum::Text(other)) = (one, other)
        && one.len() == other.len()
    {
        steps.bytes(one.len())?;
    }
    Ok(one.compare(other) == Some(Ordering::Equal))
}

fn extreme<'r>(elements: Elements<'r>, wanted: Ordering, steps: &mut Steps) -> Result<Datum<'r>, Fault> {
    steps.elements(elements.len())?;
    let mut elements = elements.into_vec().into_iter();
    let mut extreme = elements.next().ok_or(Fault::EmptyList)?;
    for element in elements {
        if order(&element, &extreme)? == wanted {
            extreme = element;
        }
    }
    Ok(extreme)
}

fn string(value: Datum<'_>) -> Result<Cow<'_, str>, Fault> {
    Ok(match value {
        Datum::Text(text) => text,
        Datum::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        Datum::Integer(value) => Cow::Owned(value.to_string()),
        Datum::Double(value) => Cow::Owned(value.to_string()),
        Datum::Timestamp(value) => Cow::Owned(time::timestamp_text(value)),
        Datum::Duration(value) => Cow::Owned(time::duration_text(value)),
        Datum::List(_) => return Err(Fault::WrongType),
    })
}

fn joined<'r>(elements: &[Datum<'_>], separator: &str, steps: &mut Steps) -> Result<Datum<'r>, Fault> {
    let mut joined = String::new();
    for (position, element) in elements.iter().enumerate() {
        let Datum::Text(text) = element else {
            return Err(Fault::WrongType);
        };
        let separator = if position == 0 { "" } else { separator };
        text::bounded(joined.len() + separator.len() + text.len())?;
        steps.elements(1)?;
        steps.bytes(separator.len() + text.len())?;
        joined.push_str(separator);
        joined.push_str(text);
    }
    Ok(Datum::text(joined))
}

fn split<'r>(text: Cow<'r, str>, separator: &str, steps: &mut Steps) -> Result<Datum<'r>, Fault> {
    let elements: Vec<Datum<'r>> = match &text {
        Cow::Borrowed(text) => {
            let parts = text::split(text, separator);
            parts.into_iter().map(Datum::text).collect()
        }
        Cow::Owned(text) => {
            let parts = text::split(text, separator);
            parts.into_iter().map(|part| Datum::text(part.to_owned())).collect()
        }
    };
    steps.elements(elements.len())?;
    Ok(Datum::list(elements))
}
