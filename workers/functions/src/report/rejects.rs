//! The rows that failed, as a file that can be corrected and uploaded.

use std::fmt;
use std::time::Duration;

use contract::dialect::Dialect;
use contract::event::{ObjectOutcome, REJECT_COLUMNS};
use contract::location::BYTE_ORDER_MARK;
use contract::row::Cell;
use contract::settings::{Character, Format};
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
/// The share of its time that an invocation must have for rows that none has read before it. A file that can't be
/// continued in its middle is read from its first byte each time, so with less, a file would take any number of
/// invocations.
const LEAST_SHARE: u32 = 16;
/// The reason why rows are missing of which the file has no more.
const TOO_SHORT: &str = "the file ends before them";
/// The reason why rows are missing that no invocation reaches.
const TOO_SLOW: &str = "one invocation of the function is too short to read the file up to them; raise its `timeout`, and its \
    `memory`, which gives it more processor time, and send the rows again";

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
    Part,
    /// Nothing was done, and nothing is put aside.
    Nothing,
}

/// The end of reading.
enum Read {
    /// Up to the last rejected row, or to the end of the object.
    ToTheEnd,
    /// Up to a fault of the object, after which no row can be read.
    ToAFault(String),
    /// The time is over. `progress`: there was time for rows that were not read before.
    InPart { progress: bool },
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
    /// The file to write.
    key: &'a str,
    content_type: &'static str,
    /// The time at which the work is put aside.
    end: Instant,
}

/// The time of an invocation.
struct Clock {
    began: Instant,
    end: Instant,
    /// The time from which rows were read that had not been read before.
    progress: Option<Instant>,
    /// `true` if no row is read twice.
    never_too_slow: bool,
}

impl Clock {
    fn new(end: Instant) -> Self {
        Self { began: Instant::now(), end, progress: None, never_too_slow: false }
    }

    /// Notes whether a row was read that had not been read before.
    fn read(&mut self, is_new: bool) {
        if is_new {
            self.progress.get_or_insert_with(Instant::now);
        }
    }

    /// Notes that the reading continues where it had stopped.
    const fn never_too_slow(&mut self) {
        self.never_too_slow = true;
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Returns the end of reading because the time is over.
    fn end(&self) -> Read {
        let time = self.end.saturating_duration_since(self.began);
        let least = if self.never_too_slow { Duration::ZERO } else { time / LEAST_SHARE };
        let progress = self.progress.is_some_and(|from| self.end.saturating_duration_since(from) >= least);
        Read::InPart { progress }
    }
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Report<T, F, Q, N> {
    /// Writes the rejected rows of an object to `key`, until `end`. `last`: if that is too early to read anything, no
    /// further attempt is made to read them.
    pub(super) async fn write_rejects(
        &self,
        object: &ObjectRef,
        outcome: &ObjectOutcome,
        key: &str,
        end: Instant,
        last: bool,
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
        let Some(last_row) = rows.last() else {
            return Ok(Written::Not { problem: "no row has failed any more".to_owned() });
        };
        let content_type = match reading.settings.format {
            Format::Csv => CSV,
            Format::JsonLines => JSON_LINES,
        };
        let rejected = Rejected {
            object,
            digest: object.digest(),
            tally,
            reading,
            rows,
            last: last_row,
            key,
            content_type,
            end,
        };
        let (mut output, aside) = self.begin_output(&object.bucket, key, &outcome.id).await?;
        let writer = Writer::new(reading);
        if output.over.is_none() {
            output.over = match self.read_rejected(&rejected, &writer, &mut output).await? {
                Read::Not(problem) => return Ok(Written::Not { problem }),
                Read::InPart { progress: false } if !last => return Ok(Written::Nothing),
                Read::InPart { progress } => {
                    output.over = (!progress).then(|| TOO_SLOW.to_owned());
                    self.put_aside(&object.bucket, key, &output).await?;
                    return Ok(Written::Part);
                }
                Read::ToTheEnd => Some(TOO_SHORT.to_owned()),
                Read::ToAFault(fault) => Some(fault),
            };
        }
        if !self.write_missing(&rejected, &writer, &mut output).await? {
            self.put_aside(&object.bucket, key, &output).await?;
            return Ok(Written::Part);
        }
        let problem = output.over.take().filter(|_| output.missing > 0);
        let problem =
            problem.map(|why| format!("{} rows are there without their values: {why}", output.missing));
        self.finish_output(&object.bucket, key, content_type, output, aside).await?;
        Ok(problem.map_or(Written::All, |problem| Written::Some { problem }))
    }

    /// Reads the object with the reader of the task, and writes its rejected rows.
    async fn read_rejected(
        &self,
        rejected: &Rejected<'_>,
        writer: &Writer<'_>,
        output: &mut Output,
    ) -> Result<Read, NotDone> {
        let Reading { settings, columns, .. } = rejected.reading;
        // A row that was too large for an event has room here.
        let limit = usize::try_from(Location::MAX_BYTES).unwrap_or(usize::MAX);
        let mut scan = Scan::new(limit, settings, columns, &[]).lenient();
        let mut download = Download::new(self.files.open(rejected.object), self.backoff);
        let begun = output.row;
        let mut resume = (begun > 0).then_some((output.offset, begun));
        let mut wanted = rejected.rows.iter().skip_while(|row| *row <= begun).peekable();
        let mut chunk: Option<(u64, ChunkFailures)> = None;
        let mut clock = Clock::new(rejected.end);
        loop {
            match scan.step() {
                Err(fault) => return Ok(Read::ToAFault(fault.message)),
                Ok(Step::End) => return Ok(Read::ToTheEnd),
                Ok(Step::Piece) => {
                    tokio::task::yield_now().await;
                    let (row, offset) = scan.passed();
                    if row > output.row {
                        (output.row, output.offset) = (row, offset);
                    }
                    clock.read(output.row > begun);
                    if clock.is_over() {
                        return Ok(clock.end());
                    }
                }
                Ok(Step::Starved) => {
                    let read = tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(rejected.end) => return Ok(clock.end()),
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
                            scan.pass_over(wanted.peek().map_or(row, |row| row - 1), 0);
                            download.seek(offset);
                            clock.never_too_slow();
                            continue;
                        }
                    }
                    let row = scan.row();
                    let (index, offset) = (row.index, row.span.end);
                    if index > output.row {
                        if wanted.next_if_eq(&index).is_some() {
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
                        clock.read(true);
                        self.flush(&rejected.object.bucket, rejected.key, rejected.content_type, output)
                            .await?;
                        if index >= rejected.last {
                            return Ok(Read::ToTheEnd);
                        }
                    }
                    if let Some(next) = wanted.peek() {
                        scan.pass_over(next - 1, 0);
                    }
                    if index.is_multiple_of(BETWEEN_LOOKS) && clock.is_over() {
                        return Ok(clock.end());
                    }
                }
            }
        }
    }

    /// Writes the rejected rows that could not be read, without their values; returns whether there was time for all.
    async fn write_missing(
        &self,
        rejected: &Rejected<'_>,
        writer: &Writer<'_>,
        output: &mut Output,
    ) -> Result<bool, NotDone> {
        let (mut chunk, read) = (None, output.row);
        for row in rejected.rows.iter().skip_while(|row| *row <= read) {
            let of = row / ROWS_PER_CHUNK;
            if chunk.as_ref().is_none_or(|(known, _)| *known != of) {
                chunk = Some((of, self.failures(rejected, row).await?));
            }
            let Some((_, failures)) = &chunk else { continue };
            writer.write_empty(row, &Told::of(rejected.tally, failures, row), output);
            output.row = row;
            output.missing += 1;
            self.flush(&rejected.object.bucket, rejected.key, rejected.content_type, output).await?;
            if output.missing.is_multiple_of(BETWEEN_LOOKS) && Instant::now() >= rejected.end {
                return Ok(false);
            }
        }
        Ok(true)
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
}

impl<'r> Writer<'r> {
    fn new(reading: &'r Reading) -> Self {
        let sensitive = reading.sensitive.iter().map(|name| columns::key(name)).collect();
        Self { reading, sensitive }
    }

    /// Writes a row that was read.
    fn write(&self, row: &Row<'_>, told: &Told, output: &mut Output) {
        if self.reading.settings.format == Format::JsonLines {
            return self.write_json(row.index, row.line, told, output);
        }
        let delimiter = row.location().delimiter;
        let dialect = Dialect::new(&self.reading.settings.csv, delimiter);
        output.columns = Some((delimiter, row.columns.len()));
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
        let (delimiter, width) =
            output.columns.unwrap_or_else(|| (csv.delimiter.unwrap_or(Character::COMMA), 0));
        let dialect = Dialect::new(csv, delimiter);
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
