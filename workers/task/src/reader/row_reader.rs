//! The interface of readers.

use contract::Encoding;
use contract::event::Skipped;

use super::{Fault, Row};

/// A reader of rows, whatever their format.
pub trait RowReader: Send {
    /// Accepts files that lack an expected column, for a caller that reports it by itself.
    fn lenient(&mut self);

    /// Rejects files in which one of these columns, which they may lack, can't be told from another. Does nothing where
    /// rows have columns of their own.
    fn set_optional(&mut self, _: &[String]) {}

    /// Takes the text from now on for text of this encoding; of UTF-8 by default. What was read of it before must be
    /// ASCII.
    fn set_encoding(&mut self, encoding: Option<Encoding>);

    /// Reads from the front of `input` up to the end of the next row, which is then [`Self::row`]; returns `false` if
    /// the input is used up.
    ///
    /// # Errors
    /// A [`Fault`] that makes the whole object useless.
    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, Fault>;

    /// Marks the end of the input, and reads the next row that ends with it, which is then [`Self::row`]; returns
    /// `false` if there is none.
    ///
    /// # Errors
    /// A [`Fault`] that makes the whole object useless.
    fn advance_at_end(&mut self) -> Result<bool, Fault>;

    /// Returns the row that was read last. To be called once for each.
    fn row(&mut self) -> Row<'_>;

    /// Continues after row number `rows`, at the byte of the text where that row's span ends; all input from now on is
    /// the text from there. To be called when a row has been read: the header must be known.
    fn resume(&mut self, position: u64, rows: u64);

    /// Leaves out the rows up to number `rows`, and those that begin before byte `before`. They are counted, and no more
    /// is read of them than that takes. To be called when a row has been read, as often as needed. A reader to which all
    /// of a row is at hand may do nothing: the caller still finds out whether it wants a row.
    fn pass_over(&mut self, _rows: u64, _before: u64) {}

    /// Returns the number of the last row that was taken or passed over, and the byte of the text where its span ends; 0
    /// for both if no row is passed over.
    fn passed(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Returns the number of rows that have been read, rejected ones included.
    fn rows(&self) -> u64;

    /// Returns the number of lines that were skipped since the last row.
    fn skipped(&self) -> Skipped;

    /// Returns the names of the columns, once they are known.
    fn columns(&self) -> Option<&[String]>;

    /// Returns what a person should know of the file, in sentences without a value.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// Returns the reason why no row of the file can be read by itself, as a clause, once the columns are known.
    fn refusal(&self) -> Option<&'static str> {
        None
    }
}
