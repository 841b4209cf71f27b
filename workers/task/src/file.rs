//! A whole file of this machine, row by row, as the task would read it: a preview of the rows that it would publish.
//!
//! The same scan decides, in the same fixed amount of memory.

use std::io::Read;

use contract::Reason;
use contract::event::Skipped;
use contract::settings::ExtractionSettings;

use crate::reader::{Fault, Row};
use crate::sample::SampleError;
use crate::scan::{Indivisible, Scan, Step};

/// The greatest number of bytes of a row that can be in an event.
pub const MAX_ROW: usize = publisher::MAX_BYTES;
/// Bytes of the file that are read at a time.
const CHUNK: usize = 128 * 1024;

/// A file that was read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileEnd {
    /// Names of the columns. Empty if the file ends before there is a header.
    pub columns: Vec<String>,
    /// The number of rows, including those that are rejected.
    pub rows: u64,
    /// The lines that are not rows.
    pub skipped: Skipped,
    /// The number of bytes of text up to the end of the last row, decompressed.
    pub text: u64,
    /// `true` if the file is compressed, as a workbook is.
    pub compressed: bool,
    /// What a person should know of the file, in sentences without a value.
    pub notes: Vec<String>,
}

/// Reads a file with these `settings`, which must have the `expected` columns, and gives each of its rows to `each`.
/// Where rows have columns of their own, the `sensitive` ones must be in each. Rows
/// of more than `limit` bytes are rejected, and those of more than [`MAX_ROW`] if none can be read by itself.
///
/// # Errors
/// [`SampleError::Fault`] when the task would fail the file; those of `each`, which stop the reading.
pub fn read<E: From<SampleError>>(
    mut file: impl Read,
    settings: &ExtractionSettings,
    expected: &[String],
    sensitive: &[String],
    limit: usize,
    mut each: impl FnMut(Row<'_>) -> Result<(), E>,
) -> Result<FileEnd, E> {
    let fault = |fault| E::from(SampleError::Fault(fault));
    let mut end = FileEnd::default();
    let mut scan = Scan::new(limit, settings, expected, sensitive);
    let mut chunk = vec![0; CHUNK];
    let mut refusal = None;
    loop {
        match scan.step().map_err(fault)? {
            Step::Row => {
                if end.text == 0 {
                    refusal = scan.refusal().map_err(fault)?;
                }
                let mut row = scan.row();
                end.skipped += row.skipped;
                end.text = row.span.end;
                let bytes = usize::try_from(row.span.end - row.span.start).unwrap_or(usize::MAX);
                if let Some(why) = refusal.filter(|_| bytes > MAX_ROW && row.fields.is_ok()) {
                    let index = row.index;
                    let message = format!(
                        "row {index} has more than {MAX_ROW} bytes, which is too large for an event, and {why}"
                    );
                    row.fields = Err(Fault::new(Reason::RowTooLarge, message));
                }
                each(row)?;
            }
            Step::Piece => {}
            Step::Starved => match file.read(&mut chunk) {
                Ok(0) => scan.end(),
                Ok(count) => scan.feed(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SampleError::Io(error).into()),
            },
            Step::End => break,
        }
    }
    end.compressed =
        matches!(scan.indivisible().map_err(fault)?, Some(Indivisible::Compressed | Indivisible::Workbook));
    end.rows = scan.rows();
    end.skipped += scan.skipped();
    end.columns = scan.columns().unwrap_or_default().to_vec();
    end.notes = scan.notes().to_vec();
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// The fields of a row, or the reason why it is rejected.
    type Read = Result<Vec<String>, Reason>;

    /// Returns the rows of a file.
    fn rows(file: impl std::io::Read, expected: &[String]) -> Result<(Vec<Read>, FileEnd), SampleError> {
        let mut rows = Vec::new();
        let end = read(file, &ExtractionSettings::default(), expected, &[], MAX_ROW, |row| {
            rows.push(match row.fields {
                Ok(fields) => Ok(fields.iter().map(str::to_owned).collect()),
                Err(fault) => Err(fault.reason),
            });
            Ok::<_, SampleError>(())
        })?;
        Ok((rows, end))
    }

    /// A file that is read in pieces of any size.
    struct Pieces<'a>(&'a [u8], usize);

    impl std::io::Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn every_row_is_given_and_every_other_line_counted() {
        let text = "ID,Town\n1,A\n\n2\nID,Town\n3,\"B\nC\"\n,\n";
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text.as_bytes()).expect("in memory");
            encoder.finish().expect("in memory")
        };
        let zstd = zstd::encode_all(text.as_bytes(), 1).expect("in memory");
        for (bytes, compressed) in [(text.as_bytes(), false), (&gzip, true), (&zstd, true)] {
            let (rows, end) = rows(bytes, &[]).expect("a file");
            let row = |fields: [&str; 2]| Ok(fields.map(str::to_owned).to_vec());
            assert_eq!(rows, [row(["1", "A"]), Err(Reason::RowLength), row(["3", "B\nC"])]);
            assert_eq!((end.rows, end.skipped.blank, end.skipped.headers), (3, 2, 1));
            // The line of delimiters after it is no row.
            assert_eq!((end.compressed, end.text), (compressed, text.len() as u64 - 2));
            assert_eq!(end.columns, ["ID", "Town"]);
        }
    }

    #[test]
    fn a_file_without_rows_has_an_end() {
        assert_eq!(rows(&b""[..], &[]).expect("nothing"), (Vec::new(), FileEnd::default()));
        let (none, end) = rows(&b"ID,Town"[..], &[]).expect("a header");
        assert_eq!((none.len(), end.columns.len(), end.rows), (0, 2, 0));
    }

    #[test]
    fn what_the_task_would_fail_is_a_fault() {
        for (bytes, reason) in [
            (&b"ID,ID\n1,2\n"[..], Reason::DuplicateHeader),
            (b"Town\nA\n", Reason::MissingColumn),
            (b"\x1f\x8bno gzip", Reason::InvalidCompression),
        ] {
            match rows(bytes, &["ID".to_owned()]) {
                Err(SampleError::Fault(fault)) => assert_eq!(fault.reason, reason),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_caller_can_stop() {
        let mut seen = 0;
        let stopped = read(&b"a\n1\n2\n3\n"[..], &ExtractionSettings::default(), &[], &[], MAX_ROW, |_| {
            seen += 1;
            if seen == 2 { Err(SampleError::Io(std::io::ErrorKind::BrokenPipe.into())) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(SampleError::Io(_))), "{stopped:?}");
        assert_eq!(seen, 2);
    }

    proptest! {
        #[test]
        fn the_size_of_the_pieces_changes_nothing(text in "[ab,\"\n]{0,60}", size in 1..9_usize) {
            let whole = rows(text.as_bytes(), &[]);
            let pieces = rows(Pieces(text.as_bytes(), size), &[]);
            prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        }
    }
}
