//! A file as the pipeline would treat it, without a cloud: the reader of the task, the items of `transform`, and the
//! checks of `load`.
//!
//! `deployer preview` shows its results, and `deployer upload` refuses a file by them. The same packages run in the
//! pipeline, so that both give the same items.

use std::io::Read;

use contract::columns;
use contract::row::Cell;
use contract::settings::{ExtractionSettings, FieldSettings, Format};
use contract::{Location, Reason};
use deployer_base::error::{Error, Message, Result};
use task::file::{self, FileEnd, MAX_ROW};
use task::reader::{Fields, Row};
use task::sample::SampleError;
use transform::{Context, Failure, Item, Mapping, Outcome, Sensitive, TableKeys, Transform, Value};

pub mod keys;
pub mod route;
pub mod shown;
pub mod summary;
pub mod table_key;

use route::Route;

/// The text that is shown in the place of a sensitive value.
pub const SENSITIVE: &str = "(sensitive)";

/// The end of one row.
#[derive(Debug)]
pub enum Fate<'r> {
    /// It becomes this item.
    Item(Item<'r>),
    /// It deletes the item of this key.
    Deleted(Item<'r>),
    /// `where` leaves it out.
    Skipped,
    /// It fails.
    Failed(Failure),
}

/// A file that fails as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFailure {
    /// Stable code.
    pub reason: Reason,
    /// The columns that are missing.
    pub columns: Vec<String>,
    /// One sentence for a person, without any value.
    pub message: String,
}

/// The reason why a file was not read to its end.
#[derive(Debug)]
pub enum Stop {
    /// No more rows are needed.
    Enough,
    /// The file fails as a whole.
    File(FileFailure),
    /// It can't be read, or the results can't be written.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<SampleError> for Stop {
    fn from(error: SampleError) -> Self {
        match error {
            SampleError::Io(error) => Self::Error(Error::failed(format!("could not read the file: {error}"))),
            SampleError::Fault(fault) => {
                Self::File(FileFailure { reason: fault.reason, columns: Vec::new(), message: fault.message })
            }
        }
    }
}

/// The way of rows to items, ready for files.
#[derive(Debug)]
pub struct Preview<'s> {
    /// The parts of the stack.
    pub route: Route<'s>,
    transform: Transform,
    keys: TableKeys,
    extraction: ExtractionSettings,
    expected: Vec<String>,
    /// Columns that the task encrypts.
    sealed: Vec<String>,
    /// Names of the attributes whose values are sensitive.
    sensitive: Vec<String>,
    /// Key of the object.
    key: String,
    /// Bucket and version of an object that exists.
    place: Option<(String, Option<String>)>,
}

impl<'s> Preview<'s> {
    /// Prepares the way for a file that would be uploaded under this key.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that don't compile, which the check of the stack file reports as well.
    pub fn new(route: Route<'s>, key: String) -> Result<Self> {
        let settings = &route.settings().transform;
        let transform = Transform::new(&route.transform_settings(), None).map_err(|problems| {
            let message = problems.into_iter().next().map(|problem| problem.message).unwrap_or_default();
            Error::Usage(Message::new(format!("the settings of `{}` are invalid: {message}", route.name())))
        })?;
        let is_sensitive = |field: &&FieldSettings| holds_sensitive(field);
        Ok(Self {
            keys: route.keys(),
            extraction: route.extraction(),
            expected: route.expected(),
            sealed: route.sealed(),
            sensitive: settings.fields.iter().filter(is_sensitive).map(|field| field.name.clone()).collect(),
            transform,
            route,
            key,
            place: None,
        })
    }

    /// Returns the same for an object that exists, in this bucket and with this version, which fields may contain.
    #[must_use]
    pub fn of_object(self, bucket: &str, version: Option<&str>) -> Self {
        Self { place: Some((bucket.to_owned(), version.map(str::to_owned))), ..self }
    }

    /// Returns the fields of the items.
    #[must_use]
    pub fn fields(&self) -> &'s [FieldSettings] {
        &self.route.settings().transform.fields
    }

    /// Returns whether the values of an attribute are sensitive.
    #[must_use]
    pub fn is_sensitive(&self, attribute: &str) -> bool {
        self.sensitive.iter().any(|name| name == attribute)
    }

    /// Replaces the sensitive values of an item.
    pub fn hide(&self, item: &mut Item<'_>) {
        if self.sensitive.is_empty() {
            return;
        }
        for (name, value) in &mut item.attributes {
            if self.is_sensitive(name) {
                *value = Value::text(SENSITIVE);
            }
        }
    }

    /// Returns the names of the key attributes of the table.
    #[must_use]
    pub fn key_attributes(&self) -> &[String] {
        &self.keys.key
    }

    /// Reads a file, and gives the fate of each of its rows to `each`, with the row's number.
    ///
    /// # Errors
    /// [`Stop::File`] when the file fails as a whole; [`Stop::Error`] when it can't be read, and the errors of `each`,
    /// which stop the reading.
    pub fn read(
        &self,
        file: impl Read,
        mut each: impl FnMut(u64, Fate<'_>) -> std::result::Result<(), Stop>,
    ) -> std::result::Result<FileEnd, Stop> {
        let mut mapping: Option<(u64, Mapping<'_>)> = None;
        let mut spare: Vec<Cell<'static>> = Vec::new();
        // `transform` reads larger rows from the object, which is not possible for these.
        let limit = if self.sealed.is_empty() { large() } else { MAX_ROW };
        let end = file::read(file, &self.extraction, &self.expected, &self.sealed, limit, |row: Row<'_>| {
            let index = row.index;
            // Rows of JSON have columns of their own.
            if mapping.as_ref().is_none_or(|(layout, _)| *layout != row.layout) && row.fields.is_ok() {
                mapping = Some((
                    row.layout,
                    match (self.bind(row.columns), self.extraction.format) {
                        (Ok(mapping), _) => mapping,
                        (Err(failure), Format::JsonLines) => return each(index, Fate::Failed(failure)),
                        (Err(failure), Format::Csv) => return Err(self.file_failure(failure, row.columns)),
                    },
                ));
            }
            let fields = match row.fields {
                Ok(fields) => fields,
                Err(fault) => {
                    return each(index, Fate::Failed(Failure::of_row(fault.reason, fault.message)));
                }
            };
            let mut cells: Vec<Cell<'_>> = std::mem::take(&mut spare);
            fill(&mut cells, fields);
            let Some((_, mapping)) = &mapping else { return Ok(()) };
            each(index, self.fate(mapping, &cells, &self.context(index)))?;
            spare = emptied(cells);
            Ok(())
        })?;
        if mapping.is_none() && !end.columns.is_empty() {
            self.bind(&end.columns).map_err(|failure| self.file_failure(failure, &end.columns))?;
        }
        Ok(end)
    }

    /// Reads the first rows of a file: at most this number of them.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn first(
        &self,
        file: impl Read,
        most: u64,
        mut each: impl FnMut(u64, Fate<'_>),
    ) -> std::result::Result<(), Stop> {
        let read = self.read(file, |row, fate| {
            each(row, fate);
            if row < most { Ok(()) } else { Err(Stop::Enough) }
        });
        match read {
            Ok(_) | Err(Stop::Enough) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// Finds the columns of rows.
    fn bind(&self, headers: &[String]) -> std::result::Result<Mapping<'_>, Failure> {
        self.transform.bind(headers, Sensitive::Clear)
    }

    fn file_failure(&self, failure: Failure, headers: &[String]) -> Stop {
        let columns = self.missing(headers);
        Stop::File(FileFailure { reason: failure.reason, columns, message: failure.message })
    }

    /// Returns the columns that the fields need, and that are not among these.
    #[must_use]
    pub fn missing(&self, headers: &[String]) -> Vec<String> {
        let own = self.transform.columns().iter().filter(|column| !column.optional);
        let names = own.map(|column| column.name.as_str()).chain(self.expected.iter().map(String::as_str));
        columns::missing(headers, names).map(|missing| missing.0).unwrap_or_default()
    }

    /// Returns the settings of the reader, and the columns that it expects, which tell the delimiter.
    #[must_use]
    pub fn reader(&self) -> (&ExtractionSettings, &[String]) {
        (&self.extraction, &self.expected)
    }

    fn context(&self, index: u64) -> Context<'_> {
        let (bucket, version) = match &self.place {
            Some((bucket, version)) => (bucket.as_str(), version.as_deref()),
            // There is none before the upload.
            None => (self.route.bucket_name(), self.route.is_versioned().then_some("preview")),
        };
        Context { bucket, key: &self.key, version, index }
    }

    fn fate<'r>(
        &'r self,
        mapping: &'r Mapping<'r>,
        cells: &'r [Cell<'r>],
        context: &'r Context<'r>,
    ) -> Fate<'r> {
        let (mut item, fate): (_, fn(_) -> _) = match mapping.row(cells, context) {
            Ok(Outcome::Skipped) => return Fate::Skipped,
            Err(failure) => return Fate::Failed(failure),
            Ok(Outcome::Item(item)) => (item, Fate::Item),
            Ok(Outcome::Deletion(key)) => (key, Fate::Deleted),
        };
        match self.keys.apply(&mut item) {
            Ok(()) => fate(item),
            Err(failure) => Fate::Failed(failure),
        }
    }
}

/// Returns the number of bytes of the largest row that `transform` reads by itself.
fn large() -> usize {
    usize::try_from(Location::MAX_BYTES).unwrap_or(usize::MAX)
}

/// Returns whether a field, or one in its map, is sensitive.
#[must_use]
pub fn holds_sensitive(field: &FieldSettings) -> bool {
    field.sensitive || field.map.iter().flatten().any(holds_sensitive)
}

fn fill<'r>(cells: &mut Vec<Cell<'r>>, fields: Fields<'r>) {
    cells.extend(fields.cells());
}

/// Returns the memory of a list of cells for those of another row.
fn emptied(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'static>> {
    cells.clear();
    // Collected in place: the elements have the same size, and there are none.
    cells.into_iter().map(|_| Cell::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_cells_is_kept() {
        let text = "x".to_owned();
        let mut cells = Vec::with_capacity(64);
        cells.push(Cell::from(text.as_str()));
        let place = cells.as_ptr() as usize;
        let emptied = emptied(cells);
        assert_eq!((emptied.len(), emptied.capacity(), emptied.as_ptr() as usize), (0, 64, place));
    }
}
