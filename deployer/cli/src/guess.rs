//! The settings for a CSV file, guessed from the file itself: its dialect, the fields and their types, and the key of the
//! table.
//!
//! A guess is conservative. A column has a type only if `transform` reads every value of the file by it, and stays text
//! where there is a doubt, with a note that says so. All of it is a function of the rows: no I/O.

use contract::settings::{FieldSettings, Format, Type};
use transform::item::MAX_PARTITION_KEY;

mod column;
pub mod dialect;
pub mod footer;
pub mod header;
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
pub use self::names::is_usable;
use self::survey::Survey;
pub use self::types::counted;
use self::types::{Decimals, decide};
pub use self::writer::Writer;

/// The fewest rows from which different values make a column of any name a key.
const ENOUGH_ROWS: u64 = 100;
/// The greatest number of bytes of values that look like a key in a column of any name.
const MAX_PLAIN_KEY: usize = 64;
/// The number of columns of which pairs are tried.
const PAIRED: usize = 5;
/// Columns that could be the key as well, and are named in a note.
const NAMED_KEYS: usize = 3;
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
    let rank = |(position, proof)| Some((key_rank(survey, position)?.ok()?, position, proof));
    let mut fit: Vec<(u8, usize, Proof)> = survey.unique().into_iter().filter_map(rank).collect();
    fit.sort_by_key(|(rank, position, _)| (*rank, *position));
    fit.first().map(|(_, position, proof)| Key::Column(*position, *proof))
}

/// Returns how well a column, whose values are different, serves as a key: lower is better. The error is the reason why
/// it does not, as a clause. `None` if there is no such column.
fn key_rank(survey: &Survey, position: usize) -> Option<Result<u8, String>> {
    let (name, column) = (survey.names().get(position)?, survey.column(position)?);
    let kind = decide(name, column, Decimals::default()).settings.kind;
    if survey.rows() == 0 || column.filled < survey.rows() {
        return Some(Err("it is empty in some rows".to_owned()));
    }
    if column.max_bytes > MAX_PARTITION_KEY {
        return Some(Err(format!(
            "it has values of up to {}, and a key can have at most {}",
            counted(column.max_bytes as u64, "byte"),
            counted(MAX_PARTITION_KEY as u64, "byte")
        )));
    }
    if let Some(what) = is_sensitive(name, column) {
        return Some(Err(format!("it seems to contain {what}")));
    }
    if let Some(kind) = kind.filter(|kind| !matches!(kind, Type::String | Type::Integer)) {
        return Some(Err(format!("it is of `type: {}`", kind.word())));
    }
    let named = names::identifier_rank(name);
    let first = survey.names().iter().position(|name| names::is_usable(name)) == Some(position);
    let is_short = !column.has_blanks && column.max_bytes <= MAX_PLAIN_KEY;
    Some(if named <= names::IDENTIFIER {
        Ok(named)
    } else if !column.not_uuid {
        Ok(1)
    } else if is_short && (first || survey.rows() >= ENOUGH_ROWS) {
        Ok(3)
    } else if first {
        Ok(4)
    } else {
        Err("nothing but its values shows that it identifies rows".to_owned())
    })
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
        let is_time = |position: usize| {
            let named = survey.columns().nth(position);
            let kind =
                named.and_then(|(_, name, column)| decide(name, column, Decimals::default()).settings.kind);
            matches!(kind, Some(Type::Date | Type::Timestamp))
        };
        pairs.iter_mut().for_each(|pair| {
            let [one, other] = *pair;
            if is_time(one) && !is_time(other) {
                *pair = [other, one];
            }
        });
        // With a column that is different in all rows by chance, any pair is.
        let by_chance: Vec<usize> = survey
            .unique()
            .into_iter()
            .map(|(position, _)| position)
            .filter(|position| {
                let mut named = survey.columns().filter(|(at, ..)| at == position);
                named.any(|(_, name, _)| names::identifier_rank(name) > names::IDENTIFIER)
            })
            .collect();
        pairs.retain(|[one, other]| {
            !by_chance.contains(one) && (is_time(*other) || !by_chance.contains(other))
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
            "{} without a usable name, of 1 to {} bytes, {} left out{}",
            counted(unnamed as u64, "column"),
            names::MAX_BYTES,
            if unnamed == 1 { "is" } else { "are" },
            match dialect.settings.format {
                Format::Csv => "; `columns` in the `csv` settings of `extraction` would name all of them",
                Format::JsonLines => "",
            }
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
        settings.optional = column.absent > 0;
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
            settings.optional = false;
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
            "{} with {} as the sort key, which together are different {}",
            name(*one),
            name(*other),
            proven(*proof)
        )],
        Key::Row => vec![
            match survey.rows() {
                0 => "the name of the file and the position of the row, since there are no rows to compare".to_owned(),
                _ => "the name of the file and the position of the row, since no column, and no pair of columns that was tried, \
                      identifies a row"
                    .to_owned(),
            },
            "the same file overwrites its items when it is uploaded again; another file adds its own, even of the same rows"
                .to_owned(),
        ],
    };
    let unique = survey.unique().into_iter().map(|(position, _)| position).filter(|_| survey.rows() > 0);
    match key {
        Key::Column(used, _) => {
            let fit = |position: &usize| matches!(key_rank(survey, *position), Some(Ok(_)));
            let others: Vec<String> =
                unique.filter(|position| position != used).filter(fit).take(NAMED_KEYS).map(name).collect();
            if !others.is_empty() {
                notes.push(format!("{} could be the key too: `--key`", others.join(" and ")));
            }
        }
        Key::Pair(..) | Key::Row => {
            let unfit = |position| Some((name(position), key_rank(survey, position)?.err()?));
            notes.extend(unique.filter_map(unfit).take(NAMED_KEYS).map(|(name, why)| {
                format!("{name} is different in all rows, but not taken for the key: {why}")
            }));
        }
        Key::Given(_) => {}
    }
    notes
}

#[cfg(test)]
mod tests;
