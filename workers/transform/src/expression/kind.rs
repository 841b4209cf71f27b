//! The types of values.

use std::fmt;

/// The type of a value of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `bool`.
    Boolean,
    /// `int`: 64 bits.
    Integer,
    /// `double`: 64 bits of IEEE 754, always finite.
    Double,
    /// `string`.
    Text,
    /// `timestamp`: an instant, without a time zone.
    Timestamp,
    /// `duration`.
    Duration,
    /// `list`, of elements of one type.
    List(Box<Kind>),
    /// The type of the elements of `[]`, which has none.
    Nothing,
}

impl Kind {
    /// Returns the type of a list of this type.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// Returns the type with its article, for a message.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Integer => "an int".to_owned(),
            other => format!("a {other}"),
        }
    }

    /// Returns whether values of the type are numbers.
    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Double)
    }

    /// Returns the type of values that may have one or the other type.
    pub(super) fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Nothing, kind) | (kind, Self::Nothing) => Some(kind.clone()),
            (Self::List(one), Self::List(other)) => one.common(other).map(Self::list),
            _ => (self == other).then(|| self.clone()),
        }
    }

    /// Returns whether values of the two types can be equal. An int and a double can.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => true,
            (Self::List(one), Self::List(other)) => one.comparable(other),
            _ => self == other || (self.is_number() && other.is_number()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Boolean => "bool",
            Self::Integer => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::List(element) => return write!(formatter, "list({element})"),
            Self::Nothing => "value",
        })
    }
}
