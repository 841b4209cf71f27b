//! The fields of an item: the source of each value, its type, and the rules that it must keep. `transform` gives them
//! their meaning.

use serde::{Deserialize, Serialize};

/// One attribute of the item. Exactly one of `from`, `template`, `expression` and `map` is its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSettings {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the file, found by [`crate::columns::find`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A text in which `${Column}`, `${object.key}`, `${object.version}` and `${record.index}` are replaced; `$${` is a
    /// literal `${`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// An expression of CEL, over columns as texts and other fields as typed values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Fields of a map, which is the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Vec<FieldSettings>>,

    /// Type of the value. `None`: a text, or the type of the expression.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Type>,
    /// Type of the elements of a set or a list. `None`: texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Element>,
    /// The text between two elements of a set or a list. `None`: a list is written as JSON or as PostgreSQL does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,

    /// The treatment of an empty value. `None`: that of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<Empty>,
    /// The treatment of a value that is written as two quotes, if it differs from `empty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_quoted: Option<Empty>,
    /// `true` if a row without a value fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// `true` if a file may lack the column; otherwise such a file fails as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The value to use when the value is empty, or when an optional column is missing: a text as it would be in the
    /// file, and treated as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,

    /// `true` if blanks and invisible characters around the value do not belong to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// The case into which letters are turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// The texts of the file and what they stand for. A value that is not one of them is treated by `otherwise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<(String, String)>>,
    /// The treatment of a value that is not in `values`. `None`: the row fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Otherwise>,

    /// The least number, or the first timestamp or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// The greatest number, or the last timestamp or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<String>,
    /// The greatest number of characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// A regular expression that a text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,

    /// The character before the decimals of a number. `None`: a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// The character between groups of digits of a number. `None`: there are no groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<char>,
    /// The texts that are true. `None`: those that databases and libraries write.
    #[serde(default, rename = "true", skip_serializing_if = "Option::is_none")]
    pub truths: Option<Vec<String>>,
    /// The texts that are false. `None`: those that databases and libraries write.
    #[serde(default, rename = "false", skip_serializing_if = "Option::is_none")]
    pub falsehoods: Option<Vec<String>>,

    /// The formats of a timestamp or date, tried in this order. `None`: ISO 8601, as databases and libraries write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Vec<String>>,
    /// The time zone of a timestamp that has no offset. `None`: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The instant that is meant by a local time that occurs twice. `None`: the row fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// The language of the names of months and weekdays. `None`: English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `true` if the second 60 is taken, as second 59.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leap_seconds: bool,
    /// A span that is added: days and longer units are those of the calendar in `zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plus: Option<String>,
    /// The form in which a timestamp is stored. `None`: ISO 8601 in UTC.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,

    /// `true` if the value must never be seen: the task encrypts it, and only `load` decrypts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// Defines an enum of words, with the word of each.
macro_rules! words {
    ($(#[$attribute:meta])* $name:ident { $($(#[$about:meta])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$about])+ #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every word with its meaning.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            /// Returns the word in `stack.yaml`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
/// The type of a value.
Type {
    /// A text.
    String = "string",
    /// A number of DynamoDB: up to 38 digits.
    Number = "number",
    /// A number without decimals.
    Integer = "integer",
    /// `true` or `false`.
    Boolean = "boolean",
    /// An instant.
    Timestamp = "timestamp",
    /// A day of the calendar.
    Date = "date",
    /// A set of texts, numbers or bytes.
    Set = "set",
    /// A list.
    List = "list",
    /// Any JSON.
    Json = "json",
    /// Bytes.
    Binary = "binary",
}
}

words! {
/// The type of the elements of a set or a list.
Element {
    /// Texts.
    String = "string",
    /// Numbers.
    Number = "number",
    /// Numbers without decimals.
    Integer = "integer",
    /// `true` or `false`; in lists only.
    Boolean = "boolean",
}
}

words! {
/// The treatment of an empty value.
Empty {
    /// The item has an empty text.
    Keep = "keep",
    /// The item has no such attribute.
    Omit = "omit",
    /// The attribute is DynamoDB's null.
    Null = "null",
    /// The row fails.
    Fail = "fail",
}
}

words! {
/// The case into which letters are turned.
Case {
    /// Lower case.
    Lower = "lower",
    /// Upper case.
    Upper = "upper",
}
}

words! {
/// The treatment of a value that is not in `values`.
Otherwise {
    /// The row fails.
    Fail = "fail",
    /// The value stays as it is.
    Keep = "keep",
    /// The value counts as empty.
    Empty = "empty",
}
}

words! {
/// The instant that is meant by a local time that occurs twice, when clocks go back.
Fold {
    /// The first, in summer time.
    First = "first",
    /// The second, in winter time.
    Second = "second",
}
}

words! {
/// The form in which a timestamp or date is stored.
Form {
    /// ISO 8601: a timestamp in UTC (`2026-03-29T01:30:00Z`), a date as `2026-03-29`.
    Iso = "iso",
    /// Seconds since 1970, a number; DynamoDB's time to live reads it.
    Epoch = "epoch",
    /// Milliseconds since 1970, a number.
    EpochMilliseconds = "epoch-milliseconds",
}
}
