//! The start of a file, as the task would read it: an examination of a file before it is uploaded.
//!
//! The same decoder and the same reader decide, so that a file that is refused here is one that the task would fail.

use std::io::Read;

use contract::Encoding;
use contract::settings::ExtractionSettings;
use publisher::MAX_BYTES;

use crate::reader::{Fault, Row};
use crate::scan::{Indivisible, Scan, Step};

/// Bytes of the file, or of its rows, after which no more is read, once the columns are known.
const ENOUGH: u64 = 256 * 1024;
/// Bytes of the file that are read at a time.
const CHUNK: usize = 64 * 1024;

/// The start of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Names of the columns. Empty if the file ends before there is a header.
    pub columns: Vec<String>,
    /// The first rows that can be used, each with its number.
    pub rows: Vec<(u64, Vec<String>)>,
    /// The number of rows that were read, including those that can't be used.
    pub seen: u64,
    /// The number of bytes of text in the header and these rows.
    pub bytes: u64,
    /// `true` if the file is compressed, as a workbook is.
    pub compressed: bool,
    /// The encoding of the part that was read, unless it is UTF-8.
    pub encoding: Option<Encoding>,
    /// What a person should know of the file, in sentences without a value.
    pub notes: Vec<String>,
    /// `true` if the file was read completely.
    pub whole: bool,
}

/// The reason why a file can't be used, or can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The task would fail the file.
    #[error("{}", .0.message)]
    Fault(Fault),
}

impl From<Fault> for SampleError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Sample {
    /// Reads the start of a file with these `settings`, and keeps up to `most` of its rows. The `expected` columns help
    /// to find the delimiter, as they help the task; a file that lacks one is not a fault here.
    ///
    /// # Errors
    /// [`SampleError::Fault`] when the task would fail the file, as far as its start tells.
    pub fn read(
        mut file: impl Read,
        settings: &ExtractionSettings,
        expected: &[String],
        most: usize,
    ) -> Result<Self, SampleError> {
        let mut sample = Self::default();
        let mut scan = Scan::new(MAX_BYTES, settings, expected, &[]).lenient();
        let mut chunk = vec![0; CHUNK];
        let mut bytes_read = 0;
        loop {
            match scan.step()? {
                Step::Row => {
                    if sample.columns.is_empty() {
                        sample.columns = scan.columns().unwrap_or_default().to_vec();
                    }
                    sample.take(&scan.row(), most);
                    // Compressed bytes may stand for many times as much.
                    if sample.bytes >= ENOUGH {
                        break;
                    }
                }
                Step::Piece => {}
                Step::Starved if bytes_read >= ENOUGH && scan.columns().is_some() => break,
                Step::Starved => match file.read(&mut chunk)? {
                    0 => scan.end(),
                    count => {
                        bytes_read += count as u64;
                        scan.feed(chunk.get(..count).unwrap_or_default());
                    }
                },
                Step::End => {
                    sample.whole = true;
                    break;
                }
            }
        }
        sample.columns = scan.columns().unwrap_or_default().to_vec();
        sample.compressed =
            matches!(scan.indivisible()?, Some(Indivisible::Compressed | Indivisible::Workbook));
        sample.notes = scan.notes().to_vec();
        sample.encoding = scan.encoding();
        Ok(sample)
    }

    fn take(&mut self, row: &Row<'_>, most: usize) {
        (self.seen, self.bytes) = (row.index, row.span.end);
        if let Ok(fields) = &row.fields
            && self.rows.len() < most
        {
            let values: Vec<&str> = fields.iter().collect();
            let value = |position: usize| values.get(position).copied().unwrap_or_default().to_owned();
            let values = match row.columns == self.columns {
                true => values.into_iter().map(str::to_owned).collect(),
                // Rows of JSON have columns of their own.
                false => {
                    let position = |name| row.columns.iter().position(|column| column == name);
                    self.columns.iter().map(|name| position(name).map_or_else(String::new, value)).collect()
                }
            };
            self.rows.push((row.index, values));
        }
    }

    /// Returns the approximate number of rows of a file of `file_bytes` bytes; the exact one if it was read completely.
    /// `None` if there is no basis for it.
    #[must_use]
    pub fn estimate(&self, file_bytes: u64) -> Option<u64> {
        if self.whole {
            return Some(self.seen);
        }
        let per_row = self.bytes.checked_div(self.seen).filter(|per_row| *per_row > 0)?;
        (!self.compressed).then(|| file_bytes / per_row)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use contract::Reason;

    use super::*;

    fn sample(bytes: &[u8]) -> Result<Sample, SampleError> {
        Sample::read(bytes, &ExtractionSettings::default(), &[], 2)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn a_small_file_is_read_to_its_end() {
        let text = "\u{feff}ID;Town\r\n1;\"A;B\"\r\n2\r\n3;C\r\n4;D";
        for (bytes, compressed) in [(text.as_bytes().to_vec(), false), (gzip(text.as_bytes()), true)] {
            let found = sample(&bytes).expect("a CSV");
            assert_eq!(found.columns, ["ID", "Town"]);
            let rows = [(1, vec!["1".to_owned(), "A;B".into()]), (3, vec!["3".into(), "C".into()])];
            assert_eq!(found.rows, rows);
            assert_eq!((found.seen, found.whole, found.compressed), (4, true, compressed));
            assert_eq!(found.estimate(1 << 40), Some(4));
        }
    }

    #[test]
    fn of_a_large_file_only_the_start_is_read() {
        let text = format!("ID,Town\n{}", "12345678,Bristol\n".repeat(1_000_000));
        let found = sample(text.as_bytes()).expect("a CSV");
        assert!(!found.whole && found.seen < 50_000, "{}", found.seen);
        let estimate = found.estimate(text.len() as u64).expect("rows");
        assert!((990_000..=1_010_000).contains(&estimate), "{estimate}");
        let packed = sample(&gzip(text.as_bytes())).expect("a CSV");
        assert_eq!((packed.columns.len(), packed.estimate(9)), (2, None));
    }

    #[test]
    fn a_file_without_rows_has_columns_or_nothing() {
        assert_eq!(sample(b"").expect("nothing").estimate(0), Some(0));
        let header = sample(b"ID,Town\n").expect("a header");
        assert_eq!((header.columns.len(), header.seen, header.whole), (2, 0, true));
    }

    #[test]
    fn what_the_task_would_fail_is_a_fault() {
        for (bytes, reason) in [
            (&b"ID,ID\n1,2\n"[..], Reason::DuplicateHeader),
            (b"\x1f\x8bno gzip", Reason::InvalidCompression),
        ] {
            match sample(bytes) {
                Err(SampleError::Fault(fault)) => assert_eq!(fault.reason, reason),
                other => panic!("{other:?}"),
            }
        }
    }
}
