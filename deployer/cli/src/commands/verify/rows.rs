//! The rows of a verified file: made so that `transform` accepts them, by the code of `transform` itself.
//!
//! The settings of the fields are not inverted as such. Each column has texts that suit its fields ([`super::candidates`]); the
//! code of the pipeline says what is wrong with a row, and the columns that are to blame get other texts, until there is an item.

use std::collections::BTreeSet;
use std::io::Read;

use contract::columns;
use contract::dialect::Dialect;
use contract::row::Cell;
use contract::settings::{Character, Format};
use deployer_aws::dynamodb::items::{Key, TypedItem};
use deployer_base::error::{Error, Message, Result};
use deployer_lang::columns::{Source, Use, uses};
use fastrand::Rng;
use serde_json::{Map, Value as Json};
use task::sample::Sample;
use transform::Failure;

use super::candidates::{Candidate, Column, of_column};
use crate::preview::route::Route;
use crate::preview::table_key::key_of;
use crate::preview::{Fate, Preview, Stop};

/// The number of rows.
pub(super) const ROWS: usize = 3;
/// Attempts at one row.
const ATTEMPTS: usize = 4_000;
/// Attempts after which all texts of the columns in question are chosen anew.
const STUCK: usize = 40;
/// Rows that are made to see whether their keys differ.
const TRIED: usize = 4_096;

/// The rows of a file, each as its texts in the order of the columns.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// Names of the columns.
    columns: Vec<String>,
    /// The rows.
    cells: Vec<Vec<String>>,
    /// `true` if no other row has the key of one of them by chance.
    pub(super) unique: bool,
}

/// The item that a row becomes.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The number of the row.
    pub(super) row: u64,
    /// The key of the item.
    pub(super) key: Key,
    /// The item in DynamoDB's JSON.
    pub(super) item: TypedItem,
}

/// The end of a row that was tried.
enum Tried {
    Item,
    Skipped,
    Deleted,
    /// It is not read as a row.
    Blank,
    Failed(Failure),
    /// The file fails as a whole.
    File(String),
}

/// Makes the rows of a file with this key; of a sample of the user, its first ones, in which only the columns of the key
/// are made.
///
/// # Errors
/// [`Error::Refused`] if no row is found that becomes an item.
pub(super) fn make(
    route: Route<'_>,
    key: &str,
    sample: Option<&mut dyn Read>,
    rng: &mut Rng,
) -> Result<Rows> {
    let preview = Preview::new(route, key.to_owned())?;
    let of_route: Vec<Use<'_>> = uses(route.stack()).filter(|one| one.of.name == route.name()).collect();
    let is_made_up = sample.is_none();
    let mut found: Vec<Vec<Column>> = match sample {
        Some(file) => of_sample(&preview, route, &of_route, file)?,
        None => vec![own_columns(&preview, route, &of_route)],
    };
    let first = found.first().cloned().unwrap_or_default();
    found.resize(ROWS.min(if is_made_up { ROWS } else { found.len() }), first);
    let names: Vec<String> = found.iter().flatten().map(|column| column.name.clone()).collect();
    let width = found.first().map_or(0, Vec::len);
    let names = names.get(..width).unwrap_or_default().to_vec();
    let mut cells = Vec::new();
    let mut chosen = vec![0; width];
    for columns in &found {
        cells.push(search(&preview, &of_route, columns, &mut chosen, rng)?);
    }
    let mut rows = Rows { columns: names, cells, unique: false };
    let tried = match found.first() {
        Some(columns) => {
            let made = (0..TRIED).map(|_| texts(columns, &chosen, rng)).collect();
            Rows { cells: made, ..rows.clone() }
        }
        None => rows.clone(),
    };
    let keys = tried.expected(&preview)?;
    let different: BTreeSet<&Key> = keys.iter().map(|one| &one.key).collect();
    rows.unique = different.len() == keys.len() && keys.len() > TRIED / 4;
    Ok(rows)
}

/// Returns the columns of a file that a stack expects.
fn own_columns(preview: &Preview<'_>, route: Route<'_>, of_route: &[Use<'_>]) -> Vec<Column> {
    let (extraction, expected) = preview.reader();
    let mut names: Vec<String> = Vec::new();
    let given = extraction.columns();
    let used = of_route.iter().map(|one| one.column.as_str()).chain(expected.iter().map(String::as_str));
    let all: Vec<&str> =
        if given.is_empty() { used.collect() } else { given.iter().map(String::as_str).collect() };
    for name in all {
        if !names.iter().any(|known| columns::same(known, name)) {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        names.push("verification".to_owned());
    }
    let settings = &route.settings().transform;
    names.iter().map(|name| of_column(name, settings)).collect()
}

/// Returns the columns of each of the first rows of a sample: the columns of the key have texts that are made first.
fn of_sample(
    preview: &Preview<'_>,
    route: Route<'_>,
    of_route: &[Use<'_>],
    file: &mut dyn Read,
) -> Result<Vec<Vec<Column>>> {
    let (extraction, expected) = preview.reader();
    let sample = Sample::read(file, extraction, expected, ROWS)
        .map_err(|error| Error::Usage(Message::new(format!("the sample can't be read: {error}"))))?;
    if sample.rows.is_empty() {
        return Err(Error::Usage(Message::new("the sample has no rows")));
    }
    let keys = route.keys().key;
    let of_key = |column: &str| {
        of_route.iter().any(|one| {
            let field = one.field.split('.').next().unwrap_or_default();
            keys.iter().any(|key| key == field) && columns::same(&one.column, column)
        })
    };
    let settings = &route.settings().transform;
    let column = |(name, cell): (&String, &String)| {
        let own = Candidate::Fixed(cell.clone());
        let mut column = of_column(name, settings);
        // Where the key can't be made, the text of the sample is as good as others.
        column.candidates.insert(if of_key(name) { column.candidates.len() } else { 0 }, own);
        column
    };
    let rows = sample.rows.iter().map(|(_, cells)| sample.columns.iter().zip(cells).map(column).collect());
    Ok(rows.collect())
}

/// Returns the texts of a row.
fn texts(columns: &[Column], chosen: &[usize], rng: &mut Rng) -> Vec<String> {
    let text = |(column, chosen): (&Column, &usize)| {
        column.candidates.get(*chosen).map(|candidate| candidate.make(rng)).unwrap_or_default()
    };
    columns.iter().zip(chosen).map(text).collect()
}

/// Searches a row that becomes an item. `chosen` has the texts to begin with, and in the end those that were found.
fn search(
    preview: &Preview<'_>,
    of_route: &[Use<'_>],
    columns: &[Column],
    chosen: &mut [usize],
    rng: &mut Rng,
) -> Result<Vec<String>> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let of_use = |wanted: &dyn Fn(&Use<'_>) -> bool| -> Vec<usize> {
        let used: Vec<&str> =
            of_route.iter().filter(|one| wanted(one)).map(|one| one.column.as_str()).collect();
        (0..names.len())
            .filter(|index| {
                names.get(*index).is_some_and(|name| used.iter().any(|one| columns::same(one, name)))
            })
            .collect()
    };
    let mut why = String::new();
    for attempt in 1..=ATTEMPTS {
        let cells = texts(columns, chosen, rng);
        let row = Rows { columns: names.clone(), cells: vec![cells.clone()], unique: false };
        let mut blamed = match row.tried(preview)? {
            Tried::Item => return Ok(cells),
            Tried::Skipped => {
                "`where` leaves every row out that was tried".clone_into(&mut why);
                of_use(&|one| one.source == Source::Where)
            }
            Tried::Deleted => {
                "`delete` holds for every row that was tried".clone_into(&mut why);
                of_use(&|one| one.source == Source::Delete)
            }
            Tried::Blank => Vec::new(),
            Tried::Failed(failure) => {
                why.clone_from(&failure.message);
                let by_column =
                    |name: &String| failure.column.as_ref().is_some_and(|one| columns::same(one, name));
                match names.iter().position(by_column) {
                    Some(index) => vec![index],
                    None => of_use(&|one| Some(&one.field) == failure.field.as_ref()),
                }
            }
            Tried::File(message) => {
                why = message;
                break;
            }
        };
        // An expression over other fields names no column.
        if blamed.is_empty() || attempt % STUCK == 0 {
            blamed = (0..columns.len()).collect();
        }
        let again: Vec<usize> = match attempt % STUCK {
            0 => blamed,
            _ => rng.choice(&blamed).copied().into_iter().collect(),
        };
        for index in again {
            let many = columns.get(index).map_or(1, |column| column.candidates.len()).max(1);
            if let Some(chosen) = chosen.get_mut(index) {
                *chosen = if rng.u8(0..4) == 0 { rng.usize(0..many) } else { (*chosen + 1) % many };
            }
        }
    }
    Err(Error::Refused(
        Message::new(format!("no row was found that `{}` makes an item of: {why}", preview.route.name()))
            .hint("give a file of your own with `--sample FILE`; its first rows are sent, with keys of their own"),
    ))
}

impl Rows {
    /// Returns the bytes of the file.
    pub(super) fn file(&self, preview: &Preview<'_>) -> Vec<u8> {
        let (extraction, _) = preview.reader();
        let mut out = String::new();
        if extraction.format == Format::JsonLines {
            for cells in &self.cells {
                let mut object = Map::new();
                for (name, cell) in self.columns.iter().zip(cells) {
                    let path: Vec<&str> = match extraction.columns().is_empty() {
                        true => vec![name],
                        false => name.split('.').collect(),
                    };
                    put(&mut object, &path, cell);
                }
                out.push_str(&Json::Object(object).to_string());
                out.push('\n');
            }
            return out.into_bytes();
        }
        let csv = &extraction.csv;
        // A byte order mark counts more than the setting.
        if csv.encoding.is_some() {
            out.push('\u{feff}');
        }
        (0..csv.skip).for_each(|_| out.push_str("deployer verify\n"));
        let delimiter = csv.delimiter.unwrap_or(Character::COMMA);
        let dialect = Dialect { delimiter, quote: csv.quote, escape: csv.escape, comment: csv.comment };
        if csv.header {
            dialect.write(self.columns.iter().map(|name| Cell::from(name.as_str())), &mut out);
        }
        for cells in &self.cells {
            dialect.write(cells.iter().map(|cell| Cell::from(cell.as_str())), &mut out);
        }
        out.into_bytes()
    }

    /// Returns the end of the first row.
    fn tried(&self, preview: &Preview<'_>) -> Result<Tried> {
        // A row without a text is a blank line.
        let mut end = Tried::Blank;
        let read = preview.first(&*self.file(preview), 1, |_, fate| {
            end = match fate {
                Fate::Item(_) => Tried::Item,
                Fate::Deleted(_) => Tried::Deleted,
                Fate::Skipped => Tried::Skipped,
                Fate::Failed(failure) => Tried::Failed(failure),
            };
        });
        match read {
            Ok(()) | Err(Stop::Enough) => Ok(end),
            Err(Stop::File(failure)) => Ok(Tried::File(failure.message)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Returns the items that the rows become.
    pub(super) fn expected(&self, preview: &Preview<'_>) -> Result<Vec<Expected>> {
        let mut out = Vec::new();
        let most = u64::try_from(self.cells.len()).unwrap_or(u64::MAX);
        let read = preview.first(&*self.file(preview), most, |row, fate| {
            let Fate::Item(item) = fate else { return };
            let Some(key) = key_of(&item, preview.key_attributes()) else { return };
            let mut json = Vec::new();
            item.write_dynamodb_json(&mut json);
            let item = serde_json::from_slice(&json).unwrap_or_default();
            out.push(Expected { row, key, item });
        });
        match read {
            Ok(()) | Err(Stop::Enough) => Ok(out),
            Err(Stop::File(failure)) => Err(Error::Refused(Message::new(failure.message))),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }
}

/// Sets a member of an object, in objects of its own along the path.
fn put(object: &mut Map<String, Json>, path: &[&str], text: &str) {
    match path {
        [] => {}
        [name] => {
            object.insert((*name).to_owned(), text.into());
        }
        [name, rest @ ..] => {
            let inner = object.entry(*name).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
