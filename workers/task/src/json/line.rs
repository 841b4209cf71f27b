//! The content of one line: the members of an object, by their paths.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use contract::brief::Text;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::reader::Fields;

/// The greatest depth of objects, as for everything that serde_json reads.
const MAX_DEPTH: usize = 128;

/// The reason why a line is not a row: a clause about the row, without anything of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("is not text")]
    NotText,
    #[error("is not an object of JSON")]
    NotObject,
    /// The position of the first character that can't be, from 1; 0 if the line ends too early.
    #[error("is not JSON{}", Position(*.0))]
    Syntax(usize),
    #[error("has a member twice")]
    Twice,
    #[error("has a number that is too large: text such as 1e999 stands for infinity")]
    TooLarge,
    #[error("has half of a character: a surrogate without its other half")]
    HalfCharacter,
    #[error("has more than {MAX_DEPTH} objects in each other")]
    TooDeep,
}

struct Position(usize);

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => formatter.write_str(": it ends too early"),
            column => write!(formatter, " at byte {column}"),
        }
    }
}

/// The paths of members, which tell whether two lines have the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Paths {
    text: String,
    ends: Vec<usize>,
}

impl Paths {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |&end| self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default())
    }
}

/// Values that follow each other in a text.
#[derive(Debug, Default)]
struct Values {
    text: String,
    ends: Vec<usize>,
    /// For each, whether it is a string: an empty one is not nothing.
    strings: Vec<bool>,
}

impl Values {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.strings.clear();
    }

    fn push(&mut self, text: &str, string: bool) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.strings.push(string);
    }

    fn get(&self, position: usize) -> (&str, bool) {
        let start = position.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(position).copied().unwrap_or(start);
        let string = self.strings.get(position).copied().unwrap_or_default();
        (self.text.get(start..end).unwrap_or_default(), string)
    }
}

/// The content of a line. Its buffers are used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Line {
    paths: Paths,
    values: Values,
    /// The values in the order of the columns, and the positions of empty texts among them.
    row: Values,
    quoted: Vec<usize>,
}

impl Line {
    /// Reads a line.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.paths.text.clear();
        self.paths.ends.clear();
        self.values.clear();
        let text = std::str::from_utf8(bytes).map_err(|_| Flaw::NotText)?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Flaw::NotObject);
        }
        let members: Members<'_> = serde_json::from_str(text).map_err(|error| flaw(&error))?;
        self.add("", &members, 1)
    }

    fn add(&mut self, prefix: &str, members: &Members<'_>, depth: usize) -> Result<(), Flaw> {
        for (name, value) in &members.0 {
            self.paths.text.push_str(prefix);
            self.paths.text.push_str(name);
            self.paths.ends.push(self.paths.text.len());
            let json = value.get();
            match json.as_bytes().first() {
                Some(b'"') => {
                    let text: Text<'_> = serde_json::from_str(json).map_err(|error| flaw(&error))?;
                    self.values.push(&text, true);
                }
                Some(b'{') if depth == MAX_DEPTH => return Err(Flaw::TooDeep),
                Some(b'{') => {
                    self.values.push(json, false);
                    let members: Members<'_> = serde_json::from_str(json).map_err(|error| flaw(&error))?;
                    self.add(&format!("{prefix}{name}."), &members, depth + 1)?;
                }
                Some(b'[') => {
                    serde_json::from_str::<Checked>(json).map_err(|error| flaw(&error))?;
                    self.values.push(json, false);
                }
                Some(b'n') => self.values.push("", false),
                Some(b't' | b'f') => self.values.push(json, false),
                _ if json.parse::<f64>().is_ok_and(f64::is_finite) => self.values.push(json, false),
                _ => return Err(Flaw::TooLarge),
            }
        }
        Ok(())
    }

    /// Returns the paths of its members.
    pub(super) const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Puts its values into the order of columns: for each, the position of its member, if it has one.
    pub(super) fn arrange(&mut self, order: &[Option<usize>]) {
        self.row.clear();
        self.quoted.clear();
        for (column, member) in order.iter().enumerate() {
            let (text, string) = member.map(|member| self.values.get(member)).unwrap_or_default();
            if string && text.is_empty() {
                self.quoted.push(column);
            }
            self.row.push(text, string);
        }
    }

    /// Returns its fields, after [`Self::arrange`].
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields::of_texts(&self.row.text, &self.row.ends, &self.quoted)
    }
}

/// Returns the flaw that serde_json has found. Its messages are fixed texts but for those about types, of which none
/// is asked for.
fn flaw(error: &serde_json::Error) -> Flaw {
    let message = error.to_string();
    if message.starts_with(TWICE) {
        Flaw::Twice
    } else if message.contains("surrogate") || message.contains("hex escape") {
        Flaw::HalfCharacter
    } else if message.starts_with("number out of range") {
        Flaw::TooLarge
    } else if message.starts_with("recursion limit") {
        Flaw::TooDeep
    } else if error.is_eof() {
        Flaw::Syntax(0)
    } else {
        Flaw::Syntax(error.column())
    }
}

const TWICE: &str = "a member is there twice";

/// The members of an object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                let mut seen = HashSet::new();
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    // Few members are compared one by one.
                    let twice = match members.len() {
                        0..16 => members.iter().any(|(other, _)| *other == name),
                        16 => {
                            seen.extend(members.iter().map(|(other, _)| other.clone()));
                            !seen.insert(name.clone())
                        }
                        _ => !seen.insert(name.clone()),
                    };
                    if twice {
                        return Err(A::Error::custom(TWICE));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// JSON that is right in every part: serde_json skips what nobody wants without looking at its texts and numbers.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Checked;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_unit<E>(self) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
                while items.next_element::<Checked>()?.is_some() {}
                Ok(Checked)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checked, A::Error> {
                let mut seen = HashSet::new();
                while let Some((Text(name), Checked)) = map.next_entry::<Text<'de>, Checked>()? {
                    if !seen.insert(name) {
                        return Err(A::Error::custom(TWICE));
                    }
                }
                Ok(Checked)
            }
        }
        deserializer.deserialize_any(Visit)
    }
}
