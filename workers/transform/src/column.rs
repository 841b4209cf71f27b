//! The columns that fields need.

use contract::columns;

/// A column that the fields need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, without blanks and invisible characters around it.
    pub name: String,
    /// `true` if a file may lack it: all fields that use it are optional.
    pub optional: bool,
}

/// The columns of the fields, each once.
#[derive(Debug, Default)]
pub(crate) struct Columns(pub(crate) Vec<Column>);

impl Columns {
    /// Returns the position of a column, which is added if it is new.
    pub(crate) fn slot(&mut self, name: &str, optional: bool) -> usize {
        let name = columns::trim(name);
        // Names that differ in a way that nobody sees may still be two columns of one file: see `columns::find`.
        let known = self.0.iter_mut().enumerate().find(|(_, known)| known.name == name);
        if let Some((slot, known)) = known {
            known.optional &= optional;
            return slot;
        }
        self.0.push(Column { name: name.to_owned(), optional });
        self.0.len() - 1
    }
}
