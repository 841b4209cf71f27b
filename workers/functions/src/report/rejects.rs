//! The rows that failed, as a file that can be corrected and uploaded.

use std::fmt;

use contract::dialect::Dialect;
use contract::event::{ObjectOutcome, REJECT_COLUMNS};
use contract::location::BYTE_ORDER_MARK;
use contract::row::Cell;
use contract::settings::Format;
use contract::{Location, ObjectRef, columns};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;
use tally::details::{ChunkFailures, Reading};
use tally::{ROWS_PER_CHUNK, RowSet, Tally};
use task::download::{Download, ReadError};
use task::reader::Row;
use task::scan::{Scan, Step};
use tokio::time::Instant;

use super::output::{CSV, JSON_LINES, Output};
use super::{Files, Report, Topic};
use crate::extract::Delay;
use crate::messages::NotDone;

/// Rows between two looks at the clock.
const BETWEEN_LOOKS: u64 = 256;

/// The result of writing rejected rows.
pub(super) enum Written {
    /// They are all there.
    All,
    /// They are there, but for some that could not be read.
    Some {
        /// The reason.
        problem: String,
    },
    /// There is no file.
    Not {
        /// The reason.
        problem: String,
    },
    /// The work is put aside.
    Part {
        /// `true` if something was done.
        progress: bool,
    },
}

/// The end of reading.
enum Read {
    /// Up to the last rejected row, or to the end of the object.
    ToTheEnd,
    /// Up to a fault of the object, after which no row can be read.
    ToAFault(String),
    /// The time is over.
    InPart,
    /// The object can't be read.
    Not(String),
}

/// The rows to write.
struct Rejected<'a> {
    object: &'a ObjectRef,
    digest: String,
    tally: &'a Tally,
    reading: &'a Reading,
    rows: RowSet,
    last: u64,
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Report<T, F, Q, N> {
    /// Writes the rejected rows of an object to `key`, until `end`.
    pub(super) async fn write_rejects(
        &self,
        object: &ObjectRef,
        outcome: &ObjectOutcome,
        key: &str,
        end: Instant,
    ) -> Result<Written, NotDone> {
        let unreadable = |error: tally::TallyError| NotDone { cause: error.to_string() };
        let tally = tally::read(&self.tally, object).await.map_err(unreadable)?;
        let Some((tally, reading)) = tally.as_ref().and_then(|tally| Some((tally, tally.reading.as_ref()?)))
        else {
            let problem = "the tally does not say how the file was read".to_owned();
            return Ok(Written::Not { problem });
        };
        let rows = tally.failed();
        // A replay has loaded them since then; its own event follows.
        let Some(last) = rows.last() else {
            return Ok(Written::Not { problem: "no row has failed any more".to_owned() });
        };
        let rejected = Rejected { object, digest: object.digest(), tally, reading, rows, last };
        let (mut output, aside) = self.begin_output(&object.bucket, key, &outcome.id).await?;
        let begun = output.row;
        let content_type = match reading.settings.format {
            Format::Csv => CSV,
            Format::JsonLines => JSON_LINES,
        };
        let mut writer = Writer::new(reading);
        let read = self.read_rejected(&rejected, key, content_type, &mut writer, &mut output, end).await?;
        let problem = match read {
            Read::Not(problem) => return Ok(Written::Not { problem }),
            Read::InPart => {
                let progress = output.row > begun;
                if progress {
                    self.put_aside(&object.bucket, key, &output).await?;
                }
                return Ok(Written::Part { progress });
            }
            Read::ToTheEnd => None,
            Read::ToAFault(fault) => Some(fault),
        };
        let missing = self.write_missing(&rejected, &mut writer, &mut output).await?;
        let problem = match (problem, missing) {
            (_, 0) => None,
            (Some(fault), rows) => Some(format!("{rows} rows are there without their values: {fault}")),
            (None, rows) => {
                Some(format!("{rows} rows are there without their values: the file ends before them"))
            }
        };
        self.finish_output(&object.bucket, key, content_type, output, aside).await?;
        Ok(problem.map_or(Written::All, |problem| Written::Some { problem }))
    }

    /// Reads the object with the reader of the task, and writes its rejected rows.
    async fn read_rejected(
        &self,
        rejected: &Rejected<'_>,
        key: &str,
        content_type: &str,
        writer: &mut Writer<'_>,
        output: &mut Output,
        end: Instant,
    ) -> Result<Read, NotDone> {
        let Reading { settings, columns, .. } = rejected.reading;
        // A row that was too large for an event has room here.
        let limit = usize::try_from(Location::MAX_BYTES).unwrap_or(usize::MAX);
        let mut scan = Scan::new(limit, settings, columns, &[]).lenient();
        let mut download = Download::new(self.files.open(rejected.object), self.backoff);
        let mut resume = (output.row > 0).then_some((output.offset, output.row));
        let mut chunk: Option<(u64, ChunkFailures)> = None;
        loop {
            match scan.step() {
                Err(fault) => return Ok(Read::ToAFault(fault.message)),
                Ok(Step::End) => return Ok(Read::ToTheEnd),
                Ok(Step::Piece) => {
                    tokio::task::yield_now().await;
                    if Instant::now() >= end {
                        return Ok(Read::InPart);
                    }
                }
                Ok(Step::Starved) => {
                    let read = tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(end) => return Ok(Read::InPart),
                        read = download.read() => read,
                    };
                    match read {
                        Ok(Some(bytes)) => scan.feed(bytes),
                        Ok(None) => scan.end(),
                        Err(error) => match why_gone(&error) {
                            Some(why) => return Ok(Read::Not(why)),
                            None => {
                                return Err(NotDone { cause: format!("could not read the object: {error}") });
                            }
                        },
                    }
                }
                Ok(Step::Row) => {
                    if let Some((offset, row)) = resume.take() {
                        let divisible = scan.indivisible().is_ok_and(|indivisible| indivisible.is_none());
                        // Elsewhere, the rows before are read again.
                        if divisible && scan.may_resume() {
                            scan.resume(offset, row);
                            download.seek(offset);
                            continue;
                        }
                    }
                    let row = scan.row();
                    if row.index <= output.row {
                        continue;
                    }
                    let (index, offset) = (row.index, row.span.end);
                    if rejected.rows.contains(index) {
                        let of = index / ROWS_PER_CHUNK;
                        let known = match chunk.take().filter(|(known, _)| *known == of) {
                            Some(known) => known,
                            None => (of, self.failures(rejected, index).await?),
                        };
                        let told = Told::of(rejected.tally, &known.1, index);
                        writer.write(&row, &told, output);
                        chunk = Some(known);
                    }
                    (output.row, output.offset) = (index, offset);
                    self.flush(&rejected.object.bucket, key, content_type, output).await?;
                    if index >= rejected.last {
                        return Ok(Read::ToTheEnd);
                    }
                    if index % BETWEEN_LOOKS == 0 && Instant::now() >= end {
                        return Ok(Read::InPart);
                    }
                }
            }
        }
    }

    /// Writes the rejected rows that could not be read, without their values, and returns their number.
    async fn write_missing(
        &self,
        rejected: &Rejected<'_>,
        writer: &mut Writer<'_>,
        output: &mut Output,
    ) -> Result<u64, NotDone> {
        let (mut missing, mut chunk, read) = (0, None, output.row);
        let ranges = rejected.rows.ranges().skip_while(|rows| *rows.end() <= read);
        for row in ranges.flatten().filter(|row| *row > read) {
            let of = row / ROWS_PER_CHUNK;
            if chunk.as_ref().is_none_or(|(known, _)| *known != of) {
                chunk = Some((of, self.failures(rejected, row).await?));
            }
            let Some((_, failures)) = &chunk else { continue };
            writer.write_empty(row, &Told::of(rejected.tally, failures, row), output);
            missing += 1;
        }
        Ok(missing)
    }

    async fn failures(&self, rejected: &Rejected<'_>, row: u64) -> Result<ChunkFailures, NotDone> {
        let failures = ChunkFailures::read(&self.tally, &rejected.digest, row).await;
        failures.map_err(|error| NotDone { cause: error.to_string() })
    }
}

/// Returns the reason why an object can't be read by any attempt.
fn why_gone(error: &ReadError) -> Option<String> {
    let why = match error.code.as_str() {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound" => "the object no longer exists",
        "AccessDenied" | "Forbidden" => "access to the object is denied",
        "PreconditionFailed" => "the object was replaced after its upload was announced",
        _ => return None,
    };
    Some(why.to_owned())
}

/// What is said of a row that failed.
struct Told {
    reason: String,
    field: String,
    message: String,
}

impl Told {
    fn of(tally: &Tally, failures: &ChunkFailures, row: u64) -> Self {
        if let Some(failure) = failures.of(row) {
            let field = failure.field.clone().or_else(|| failure.column.clone());
            let (reason, message) = (failure.reason.clone(), failure.message(row));
            return Self { reason, field: field.unwrap_or_default(), message };
        }
        // It failed before the stack had a `report`.
        let failure = tally.failures().into_iter().find(|failure| failure.rows.contains(row));
        let (reason, message) = failure.map(|one| (one.reason, one.message)).unwrap_or_default();
        Self { reason, field: String::new(), message: message.unwrap_or_default() }
    }

    /// Returns the cells of the first columns.
    fn cells<'t>(&'t self, row: &'t str) -> [Cell<'t>; REJECT_COLUMNS.len()] {
        [row, &self.reason, &self.field, &self.message].map(Cell::from)
    }
}

/// The writer of rows, in the format and the dialect of the file, and without sensitive values.
struct Writer<'r> {
    reading: &'r Reading,
    /// Keys of the sensitive columns.
    sensitive: Vec<String>,
    /// The dialect of the file, and the number of its columns, once a row was read.
    dialect: Option<(Dialect, usize)>,
}

impl<'r> Writer<'r> {
    fn new(reading: &'r Reading) -> Self {
        let sensitive = reading.sensitive.iter().map(|name| columns::key(name)).collect();
        Self { reading, sensitive, dialect: None }
    }

    /// Writes a row that was read.
    fn write(&mut self, row: &Row<'_>, told: &Told, output: &mut Output) {
        if self.reading.settings.format == Format::JsonLines {
            return self.write_json(row.index, row.line, told, output);
        }
        let dialect = Dialect::new(&self.reading.settings.csv, row.location().delimiter);
        self.dialect = Some((dialect, row.columns.len()));
        if !std::mem::replace(&mut output.has_header, true) {
            write_header(dialect, row.columns, &mut output.text);
        }
        let number = row.index.to_string();
        let is_secret = |column: &String| self.sensitive.contains(&columns::key(column));
        let cells: Vec<Cell<'_>> = match (&row.fields, row.found) {
            (Ok(fields), _) => {
                let cell = |(cell, column)| if is_secret(column) { Cell::default() } else { cell };
                fields.cells().zip(row.columns).map(cell).collect()
            }
            // Of a row with other fields than columns, nobody knows which of them is sensitive.
            (Err(_), Some(found)) if self.sensitive.is_empty() => found.cells().collect(),
            (Err(_), _) => vec![Cell::default(); row.columns.len()],
        };
        dialect.write(told.cells(&number).into_iter().chain(cells), &mut output.text);
    }

    /// Writes a row that could not be read.
    fn write_empty(&self, row: u64, told: &Told, output: &mut Output) {
        if self.reading.settings.format == Format::JsonLines {
            return self.write_json(row, None, told, output);
        }
        let csv = &self.reading.settings.csv;
        let comma = || (Dialect::new(csv, csv.delimiter.unwrap_or(contract::settings::Character::COMMA)), 0);
        let (dialect, width) = self.dialect.unwrap_or_else(comma);
        if !std::mem::replace(&mut output.has_header, true) {
            write_header(dialect, &[], &mut output.text);
        }
        let number = row.to_string();
        let empty = std::iter::repeat_n(Cell::default(), width);
        dialect.write(told.cells(&number).into_iter().chain(empty), &mut output.text);
    }

    fn write_json(&self, row: u64, line: Option<&[u8]>, told: &Told, output: &mut Output) {
        let own = [json!(row), json!(told.reason), json!(told.field), json!(told.message)];
        let mut members: Vec<String> =
            REJECT_COLUMNS.iter().zip(own).map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let object = line.and_then(|line| serde_json::from_slice::<Members<'_>>(line).ok());
        match (object, line) {
            (Some(Members(found)), _) => {
                let kept = found
                    .iter()
                    .filter(|(name, _)| !REJECT_COLUMNS.contains(&name.as_str()) && !self.has_secret(name));
                members.extend(kept.map(|(name, value)| format!("{}:{}", json!(name), value.get())));
            }
            (None, Some(line)) if self.sensitive.is_empty() => {
                members.push(format!("\"_line\":{}", json!(String::from_utf8_lossy(line))));
            }
            (None, _) => {}
        }
        output.text.push_str(&format!("{{{}}}\n", members.join(",")));
    }

    /// Returns whether a member is sensitive, or contains something that is.
    fn has_secret(&self, member: &str) -> bool {
        let member = columns::key(member);
        let within = |column: &String| {
            column.strip_prefix(&member).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let part_of =
            |column: &String| member.strip_prefix(column.as_str()).is_some_and(|rest| rest.starts_with('.'));
        self.sensitive.iter().any(|column| within(column) || part_of(column))
    }
}

/// Writes the header: the columns about the failure, and those of the file. The mark before it says that it is UTF-8,
/// whatever the encoding of other files is.
fn write_header(dialect: Dialect, columns: &[String], out: &mut String) {
    out.push_str(std::str::from_utf8(BYTE_ORDER_MARK).unwrap_or_default());
    let names = REJECT_COLUMNS.into_iter().chain(columns.iter().map(String::as_str));
    dialect.write(names.map(Cell::from), out);
}

/// The members of an object of JSON, in their order, each as it is written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}
