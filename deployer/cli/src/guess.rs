//! The settings for a CSV file, guessed from the file itself: its dialect, the fields and their types, and the key of the
//! table.
//!
//! A guess is conservative. A column has a type only if `transform` reads every value of the file by it, and stays text
//! where there is a doubt, with a note that says so. All of it is a function of the rows: no I/O.

use contract::settings::{FieldSettings, Type};

mod column;
pub mod dialect;
mod keys;
mod names;
mod numbers;
mod readings;
pub mod survey;
mod types;
mod writer;

use self::column::{Column, Counting};
pub use self::keys::Proof;
use self::keys::Unique;
use self::survey::{MAX_KEY, Survey};
pub use self::types::counted;
use self::types::{Decimals, decide};
pub use self::writer::Writer;

/// The fewest rows from which different values make a column of any name a key.
const ENOUGH_ROWS: u64 = 100;
/// The greatest number of bytes of values that look like a key in a column of any name.
const MAX_PLAIN_KEY: usize = 64;
/// The number of columns of which pairs are tried.
const PAIRED: usize = 5;
/// The template of a key for rows that nothing else identifies.
pub const ROW_KEY: &str = "${object.key}#${record.index}";

/// A field, with what a person should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field.
    pub settings: FieldSettings,
    /// Notes, without a full stop.
    pub notes: Vec<String>,
    /// The sensitive data that it seems to contain.
    pub sensitive: Option<&'static str>,
}

/// An attribute of the table's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// `true` if it is a number, and not a text.
    pub is_number: bool,
}

/// The settings for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The fields, in the order of the columns.
    pub fields: Vec<Field>,
    /// The key of the table, the partition key first.
    pub key: Vec<KeyAttribute>,
    /// Notes on the key, without a full stop.
    pub key_notes: Vec<String>,
    /// Notes on the file, without a full stop.
    pub notes: Vec<String>,
    /// The program that wrote the file.
    pub writer: Option<Writer>,
}

/// The key of the table, by positions of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The user chose these columns.
    Given(Vec<usize>),
    /// A column whose values are different.
    Column(usize, Proof),
    /// Two columns whose values are different together.
    Pair([usize; 2], Proof),
    /// The object and the position in it.
    Row,
}

/// Returns the column that identifies the rows of a file; `None` if no single column does.
pub fn single_key(survey: &Survey) -> Option<Key> {
    let unique = survey.unique();
    let mut fit: Vec<(u8, usize, Proof)> = unique
        .into_iter()
        .filter_map(|(position, proof)| {
            let name = survey.names().get(position)?;
            let rank = key_rank(survey, position, name, survey.column(position)?)?;
            Some((rank, position, proof))
        })
        .collect();
    fit.sort_by_key(|(rank, position, _)| (*rank, *position));
    fit.first().map(|(_, position, proof)| Key::Column(*position, *proof))
}

/// Returns how well a column, whose values are different, serves as a key: lower is better, `None` is not at all.
fn key_rank(survey: &Survey, position: usize, name: &str, column: &Column) -> Option<u8> {
    let kind = decide(name, column, Decimals::default()).settings.kind;
    let is_filled = survey.rows() > 0 && column.filled == survey.rows();
    if !is_filled || column.max_bytes > MAX_KEY || is_sensitive(name, column).is_some() {
        return None;
    }
    if !matches!(kind, None | Some(Type::String | Type::Integer)) {
        return None;
    }
    let named = names::identifier_rank(name);
    let first = survey.names().iter().position(|name| names::is_usable(name)) == Some(position);
    let is_short = !column.has_blanks && column.max_bytes <= MAX_PLAIN_KEY;
    if named <= names::IDENTIFIER {
        Some(named)
    } else if !column.not_uuid {
        Some(1)
    } else if is_short && (first || survey.rows() >= ENOUGH_ROWS) {
        Some(3)
    } else if first {
        Some(4)
    } else {
        None
    }
}

/// Returns the sensitive data that a column seems to contain.
fn is_sensitive(name: &str, column: &Column) -> Option<&'static str> {
    let mails = !column.not_mail && column.filled > column.marked;
    names::sensitive(name).or_else(|| mails.then_some("e-mail addresses"))
}

/// Pairs of columns, tried as partition key and sort key while the rows are read a second time.
#[derive(Debug)]
pub struct Pairs {
    pairs: Vec<[usize; 2]>,
    unique: Unique,
}

impl Pairs {
    /// Creates the pairs that are worth a try; `None` if there are none.
    pub fn new(survey: &Survey) -> Option<Self> {
        let mut fit: Vec<(u8, usize)> = survey
            .columns()
            .filter(|(_, name, column)| {
                let kind = decide(name, column, Decimals::default()).settings.kind;
                let is_key =
                    matches!(kind, None | Some(Type::String | Type::Integer | Type::Date | Type::Timestamp));
                names::is_usable(name)
                    && is_key
                    && survey.rows() > 1
                    && column.filled == survey.rows()
                    && column.max_bytes <= MAX_PLAIN_KEY
                    && is_sensitive(name, column).is_none()
            })
            .map(|(position, name, column)| {
                let kind = decide(name, column, Decimals::default()).settings.kind;
                let is_time = matches!(kind, Some(Type::Date | Type::Timestamp));
                // A time is a good second part.
                (if is_time { names::IDENTIFIER } else { names::identifier_rank(name) }, position)
            })
            .collect();
        fit.sort_unstable();
        fit.truncate(PAIRED);
        let mut pairs = Vec::new();
        for (at, (_, one)) in fit.iter().enumerate() {
            pairs.extend(fit.iter().skip(at + 1).map(|(_, other)| [*one, *other]));
        }
        pairs.iter_mut().for_each(|pair| {
            let is_time = |position: usize| {
                let named = survey.columns().nth(position);
                let kind = named
                    .and_then(|(_, name, column)| decide(name, column, Decimals::default()).settings.kind);
                matches!(kind, Some(Type::Date | Type::Timestamp))
            };
            let [one, other] = *pair;
            if is_time(one) && !is_time(other) {
                *pair = [other, one];
            }
        });
        let unique = Unique::new(pairs.len());
        (!pairs.is_empty()).then_some(Self { pairs, unique })
    }

    /// Adds a row.
    pub fn take(&mut self, row: u64, values: &[&str]) {
        for (candidate, [one, other]) in self.pairs.iter().enumerate() {
            if self.unique.wants(candidate) {
                let pair = values.get(*one).zip(values.get(*other));
                let pair = pair.map(|(one, other)| [one.trim(), other.trim()].into_iter());
                self.unique.take(candidate, row, pair);
            }
        }
    }

    /// Returns whether a pair is still possible.
    pub fn any(&self) -> bool {
        (0..self.pairs.len()).any(|candidate| self.unique.wants(candidate))
    }

    /// Returns the best pair.
    pub fn key(&self) -> Option<Key> {
        let (candidate, proof) = *self.unique.found().first()?;
        self.pairs.get(candidate).map(|pair| Key::Pair(*pair, proof))
    }
}

/// Guesses the settings for a file with these rows. `dialect` is the one with which they were read.
pub fn guess(survey: &Survey, key: &Key, dialect: &dialect::Guess) -> Guess {
    let decimals = Decimals::of(survey.columns().map(|(_, _, column)| column));
    let mut notes = dialect.notes.clone();
    let unnamed = survey.names().iter().filter(|name| !names::is_usable(name)).count();
    if unnamed > 0 {
        notes.push(format!(
            "{} without a usable name {} left out; `columns` in the `csv` settings of `extraction` would name all of them",
            counted(unnamed as u64, "column"),
            if unnamed == 1 { "is" } else { "are" }
        ));
    }
    let named: Vec<(usize, &str, &Column)> =
        survey.columns().filter(|(_, name, _)| names::is_usable(name)).collect();
    let reserved: &[&str] = if *key == Key::Row { &["id"] } else { &[] };
    let attributes =
        names::attributes(reserved.iter().copied().chain(named.iter().map(|(_, name, _)| *name)));
    let mut fields = Vec::new();
    let mut parts: Vec<(usize, KeyAttribute)> = Vec::new();
    if let (Key::Row, Some(name)) = (key, attributes.first()) {
        parts.push((0, KeyAttribute { name: name.clone(), is_number: false }));
        let template = Some(ROW_KEY.to_owned());
        let settings = FieldSettings { name: name.clone(), template, ..FieldSettings::default() };
        fields.push(Field { settings, notes: Vec::new(), sensitive: None });
    }
    let positions: &[usize] = match key {
        Key::Given(positions) => positions,
        Key::Column(position, _) => std::slice::from_ref(position),
        Key::Pair(pair, _) => pair,
        Key::Row => &[],
    };
    for ((position, name, column), attribute) in named.into_iter().zip(attributes.iter().skip(reserved.len()))
    {
        let decision = decide(name, column, decimals);
        let sensitive = is_sensitive(name, column);
        let mut settings =
            FieldSettings { name: attribute.clone(), from: Some(name.to_owned()), ..decision.settings };
        let mut notes = decision.notes;
        if let Some(order) = positions.iter().position(|part| *part == position) {
            let is_number =
                settings.kind == Some(Type::Integer) && names::identifier_rank(name) <= names::IDENTIFIER;
            let is_time = matches!(settings.kind, Some(Type::Date | Type::Timestamp));
            if !is_number && !is_time && settings.kind.is_some() {
                settings =
                    FieldSettings { name: settings.name, from: settings.from, ..FieldSettings::default() };
                notes.clear();
            }
            settings.required = true;
            parts.push((order, KeyAttribute { name: attribute.clone(), is_number }));
        } else if column.empty == 0 && column.filled > 0 {
            notes.push("never empty".to_owned());
        }
        fields.push(Field { settings, notes, sensitive });
    }
    parts.sort_by_key(|(order, _)| *order);
    let key_notes = key_notes(survey, key);
    let file = writer::File {
        separator_line: dialect.separator_line,
        unnamed_index: survey.columns().next().filter(|(_, name, _)| name.is_empty()).and_then(
            |(.., column)| match column.counts_from {
                Counting::From(first @ (0 | 1), _) if survey.rows() > 1 => Some(first),
                _ => None,
            },
        ),
    };
    let writer = writer::recognise(file, survey.columns().map(|(_, _, column)| &column.traces));
    let key = parts.into_iter().map(|(_, part)| part).collect();
    Guess { fields, key, key_notes, notes, writer }
}

/// Returns notes that say why this is the key.
fn key_notes(survey: &Survey, key: &Key) -> Vec<String> {
    let name = |position: usize| format!("`{}`", survey.names().get(position).cloned().unwrap_or_default());
    let rows = counted(survey.rows(), "row");
    let proven = |proof: Proof| match proof {
        Proof::Whole => format!("in all {rows}"),
        Proof::Until(row) => format!("in the first {}; later ones were not compared", counted(row, "row")),
    };
    let mut notes = match key {
        Key::Given(positions) => {
            let names: Vec<String> = positions.iter().map(|position| name(*position)).collect();
            let unique = match positions.as_slice() {
                [one] => survey.unique().iter().any(|(position, _)| position == one),
                _ => true,
            };
            let mut notes = vec![format!("{}, as `--key` says", names.join(" and "))];
            if !unique {
                notes.push("rows have the same key: the last one overwrites the others".to_owned());
            }
            notes
        }
        Key::Column(position, proof) => {
            vec![format!("{}, which is never empty, and different {}", name(*position), proven(*proof))]
        }
        Key::Pair([one, other], proof) => vec![format!(
            "{} with {} as the sort key, which together are different {}; no column is by itself",
            name(*one),
            name(*other),
            proven(*proof)
        )],
        Key::Row => vec![
            match survey.rows() {
                0 => "the name of the file and the position of the row, since there are no rows to compare".to_owned(),
                _ => "the name of the file and the position of the row, since no column, and no pair of columns that was tried, is \
                      different in all rows"
                    .to_owned(),
            },
            "the same file overwrites its items when it is uploaded again; another file adds its own, even of the same rows"
                .to_owned(),
        ],
    };
    let used: &[usize] = match key {
        Key::Column(position, _) => std::slice::from_ref(position),
        _ => &[],
    };
    let others: Vec<String> = survey
        .unique()
        .into_iter()
        .map(|(position, _)| position)
        .filter(|position| !used.contains(position) && !used.is_empty())
        .filter(|position| {
            let column = survey.column(*position);
            let named = survey.names().get(*position);
            named
                .zip(column)
                .is_some_and(|(name, column)| key_rank(survey, *position, name, column).is_some())
        })
        .take(3)
        .map(name)
        .collect();
    if !others.is_empty() {
        notes.push(format!("{} could be the key too: `--key`", others.join(" and ")));
    }
    notes
}

#[cfg(test)]
mod tests;
