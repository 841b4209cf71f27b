//! Values of expressions.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Deref;

use super::time::{SignedDuration, Timestamp};

/// The value of an expression. Texts are borrowed from the row, or from the expression, as long as they are
/// unchanged.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum<'r> {
    /// A `bool`.
    Boolean(bool),
    /// An `int`.
    Integer(i64),
    /// A `double`, which is neither infinite nor NaN.
    Double(f64),
    /// A `string`.
    Text(Cow<'r, str>),
    /// A `timestamp`.
    Timestamp(Timestamp),
    /// A `duration`.
    Duration(SignedDuration),
    /// A `list`.
    List(Elements<'r>),
}

/// The elements of a list.
#[derive(Debug, Clone)]
pub enum Elements<'r> {
    /// Elements that belong to the row or to the expression.
    Borrowed(&'r [Datum<'r>]),
    /// Elements of a list that was computed.
    Owned(Vec<Datum<'r>>),
}

impl<'r> Deref for Elements<'r> {
    type Target = [Datum<'r>];

    fn deref(&self) -> &[Datum<'r>] {
        match self {
            Self::Borrowed(elements) => elements,
            Self::Owned(elements) => elements,
        }
    }
}

impl PartialEq for Elements<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'r> Elements<'r> {
    /// Returns the elements by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<Datum<'r>> {
        match self {
            Self::Borrowed(elements) => elements.iter().map(Datum::borrowed).collect(),
            Self::Owned(elements) => elements,
        }
    }
}

impl<'r> Datum<'r> {
    /// Returns a text.
    pub fn text(text: impl Into<Cow<'r, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns a list.
    #[must_use]
    pub const fn list(elements: Vec<Self>) -> Self {
        Self::List(Elements::Owned(elements))
    }

    /// Returns the same value, borrowed from this one.
    #[must_use]
    pub fn borrowed(&'r self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::List(elements) => Self::List(Elements::Borrowed(elements)),
            Self::Boolean(value) => Self::Boolean(*value),
            Self::Integer(value) => Self::Integer(*value),
            Self::Double(value) => Self::Double(*value),
            Self::Timestamp(value) => Self::Timestamp(*value),
            Self::Duration(value) => Self::Duration(*value),
        }
    }

    /// Returns the value without anything borrowed.
    #[must_use]
    pub fn into_owned(self) -> Datum<'static> {
        match self {
            Self::Text(text) => Datum::Text(Cow::Owned(text.into_owned())),
            Self::List(elements) => {
                Datum::list(elements.into_vec().into_iter().map(Datum::into_owned).collect())
            }
            Self::Boolean(value) => Datum::Boolean(value),
            Self::Integer(value) => Datum::Integer(value),
            Self::Double(value) => Datum::Double(value),
            Self::Timestamp(value) => Datum::Timestamp(value),
            Self::Duration(value) => Datum::Duration(value),
        }
    }

    /// Returns the bytes that a copy takes, roughly.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(Cow::Owned(text)) => text.len(),
            Self::List(Elements::Owned(elements)) => {
                elements.iter().map(|element| 32 + element.weight()).fold(0, usize::saturating_add)
            }
            _ => 0,
        }
    }

    /// Returns the order of two values; `None` if their types have no common order.
    pub(super) fn compare(&self, other: &Datum<'_>) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Boolean(one), Datum::Boolean(other)) => one.cmp(other),
            (Self::Integer(one), Datum::Integer(other)) => one.cmp(other),
            (Self::Double(one), Datum::Double(other)) => one.partial_cmp(other)?,
            (Self::Integer(one), Datum::Double(other)) => compare(*one, *other),
            (Self::Double(one), Datum::Integer(other)) => compare(*other, *one).reverse(),
            (Self::Text(one), Datum::Text(other)) => one.cmp(other),
            (Self::Timestamp(one), Datum::Timestamp(other)) => one.cmp(other),
            (Self::Duration(one), Datum::Duration(other)) => one.cmp(other),
            _ => return None,
        })
    }
}

/// Compares an int with a finite double exactly, without making a double of the int.
fn compare(integer: i64, double: f64) -> Ordering {
    // 2⁶³, which a double can be exactly.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if double >= END {
        return Ordering::Less;
    }
    if double < -END {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the double is between -2⁶³ and 2⁶³")]
    let whole = double as i64;
    integer.cmp(&whole).then_with(|| match double.fract() {
        rest if rest > 0.0 => Ordering::Less,
        rest if rest < 0.0 => Ordering::Greater,
        _ => Ordering::Equal,
    })
}
