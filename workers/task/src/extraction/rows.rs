//! The fate of each row: an event of its own, a place in the event of a group, or a failure; and the row up to which
//! all events are on the bus.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use contract::event::Skipped;
use contract::{Detail, Location, Reason, row};
use publisher::{PutEvents, Stream};
use runtime::Backoff;
use sealing::Kms;
use tally::checkpoint::Checkpoint;

use super::{Job, failed, not_published};
use crate::group::Group;
use crate::reader::{Fault, Row};
use crate::scan::Indivisible;
use crate::seal::{EncodedRow, Sealing};

/// The destination of rows.
pub(super) struct Rows<'a, P, K> {
    job: &'a Job<'a>,
    stream: Stream<P>,
    sealing: Option<Sealing<K>>,
    backoff: Backoff,
    /// The header as events carry it, and the layout of the rows that it is for.
    headers: Option<(u64, String)>,
    /// Good rows that wait for more of them.
    group: Option<Group>,
    /// The reason why positions in the text are not positions in the object, if they aren't.
    pub(super) indivisible: Option<Indivisible>,
    /// The reason why no row can be read by itself, if there is one.
    pub(super) refusal: Option<&'static str>,
    /// Lines of this part that were skipped before its rows; `None` if that isn't known.
    pub(super) skipped: Option<Skipped>,
    /// The position after the last row that was taken, including the rows of the group.
    pub(super) at: Checkpoint,
    /// Checkpoints, each with the number of events on the bus from which it is true. The first of them is true.
    marks: VecDeque<(u64, Checkpoint)>,
}

impl<'a, P: PutEvents + 'static, K: Kms> Rows<'a, P, K> {
    pub(super) fn new(
        job: &'a Job<'a>,
        stream: Stream<P>,
        sealing: Option<Sealing<K>>,
        backoff: Backoff,
        at: Checkpoint,
    ) -> Self {
        let marks = VecDeque::from([(0, at)]);
        let skipped = (at.index == 0).then(Skipped::default);
        Self {
            job,
            stream,
            sealing,
            backoff,
            headers: None,
            group: None,
            indivisible: None,
            refusal: None,
            skipped,
            at,
            marks,
        }
    }

    /// Publishes a good row as `record-extracted` and a bad one as `extractionFailed`. Breaks after the last row of the
    /// part.
    pub(super) async fn take(&mut self, row: Row<'_>) -> Result<ControlFlow<()>, Fault> {
        // Read again to reach the position of another task.
        if row.index <= self.at.index {
            return Ok(ControlFlow::Continue(()));
        }
        let part = self.job.assignment.part.filter(|_| self.indivisible.is_none());
        if part.and_then(|part| part.to).is_some_and(|to| row.span.start >= to) {
            return Ok(ControlFlow::Break(()));
        }
        let (index, offset, location) = (row.index, row.span.end, row.location());
        if let Some(skipped) =
            self.skipped.as_mut().filter(|_| part.is_none_or(|part| row.span.start >= part.from))
        {
            *skipped += row.skipped;
        }
        if part.is_some_and(|part| row.span.start < part.from) {
            self.pass(index, offset, 0);
        } else if self.job.selection.is_some_and(|selection| !selection.rows.contains(index)) {
            self.flush().await?;
            self.pass(index, offset, 1);
        } else {
            let headers = row.columns;
            if row.fields.is_ok() || (self.headers.is_none() && !headers.is_empty()) {
                self.set_headers(row.layout, headers).await?;
            }
            let broken = |fields| self.sealing.as_ref().and_then(|sealing| sealing.check(headers, fields));
            match row.fields.and_then(|fields| broken(fields).map_or(Ok(fields), Err)) {
                Ok(fields) => {
                    let sealed = match &mut self.sealing {
                        Some(sealing) => {
                            let record = self.job.object.record(index);
                            sealing.row(&record.id, headers, fields, self.backoff).await?
                        }
                        None => EncodedRow { line: row::encode_cells(fields.cells()), data_key: None },
                    };
                    self.add(index, location, sealed).await?;
                }
                Err(fault) => {
                    self.flush().await?;
                    // After the row only when its event is pushed: `refer` and `reject` mark.
                    self.at = Checkpoint { index, offset, rows: self.at.rows + 1, ..self.at };
                    match fault.reason {
                        Reason::RowTooLarge => self.refer(index, location, fault).await?,
                        _ => self.reject(index, &fault).await?,
                    }
                }
            }
        }
        // There is no use in reading further: the object cannot become complete any more.
        match self.stream.failed() {
            0 => Ok(ControlFlow::Continue(())),
            lost => Err(not_published(lost)),
        }
    }

    /// Takes the header of the rows from now on.
    async fn set_headers(&mut self, layout: u64, columns: &[String]) -> Result<(), Fault> {
        if self.headers.as_ref().is_some_and(|(known, _)| *known == layout) {
            return Ok(());
        }
        let headers = row::encode(columns.iter().map(String::as_str));
        if self.headers.as_ref().is_none_or(|(_, known)| *known != headers) {
            self.flush().await?;
            if let Some(sealing) = &mut self.sealing {
                sealing.forget_columns();
            }
        }
        self.headers = Some((layout, headers));
        Ok(())
    }

    /// Moves the position after a row, which counts as `rows` rows of this part.
    fn pass(&mut self, index: u64, offset: u64, rows: u64) {
        self.at = Checkpoint { index, offset, rows: self.at.rows + rows, ..self.at };
        if self.group.is_none() {
            self.mark();
        }
    }

    /// Moves the position after rows that were passed over, none of which belongs to this part. Does nothing where it is
    /// already further.
    pub(super) fn pass_to(&mut self, index: u64, offset: u64) {
        if index > self.at.index {
            self.pass(index, offset, 0);
        }
    }

    /// Adds a good row to the group, and publishes the group when it is full.
    async fn add(&mut self, index: u64, location: Location, row: EncodedRow) -> Result<(), Fault> {
        let EncodedRow { line, data_key } = row;
        let most = self.job.settings.rows_per_event.max(1);
        let weight = if most == 1 { 0 } else { Group::weight(&line) };
        if self.group.as_ref().is_some_and(|group| !group.fits(weight) || group.data_key != data_key) {
            self.flush().await?;
        }
        match &mut self.group {
            Some(group) => group.add(&line, weight),
            None => {
                let base = match most {
                    1 => 0,
                    _ => {
                        self.stream.size(&self.extracted(index, 1, String::new(), data_key.as_deref(), None))
                    }
                };
                self.group = Some(Group::new(index, location, line, data_key, base + weight));
            }
        }
        let full = self.group.as_ref().is_some_and(|group| group.count >= u64::from(most));
        self.pass(index, location.to, 1);
        if full { self.flush().await } else { Ok(()) }
    }

    fn extracted(
        &self,
        first: u64,
        count: u64,
        text: String,
        data_key: Option<&str>,
        location: Option<Location>,
    ) -> Detail {
        Detail::RecordExtracted {
            object: self.job.object.clone(),
            record: self.job.object.records(first, count),
            headers: self.headers.as_ref().map(|(_, headers)| headers.clone()).unwrap_or_default(),
            data: text,
            data_key: data_key.map(str::to_owned),
            location,
        }
    }

    /// Publishes the group, if there is one.
    async fn flush(&mut self) -> Result<(), Fault> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let Group { first, location, count, text, data_key, .. } = group;
        let extracted = self.extracted(first, count, text, data_key.as_deref(), None);
        match self.stream.push(&extracted).await {
            Ok(()) => {
                self.mark();
                Ok(())
            }
            // Several rows are never so large.
            Err(failure) => {
                let fault = Fault::new(Reason::RowTooLarge, format!("row {first}: {failure}"));
                self.refer(first, location, fault).await
            }
        }
    }

    /// Publishes the location of a row that is too large for an event. If `transform` could not read it, the row is
    /// rejected.
    async fn refer(&mut self, index: u64, location: Location, fault: Fault) -> Result<(), Fault> {
        let refused = match self.may_refer(&location) {
            Ok(()) => {
                let extracted = self.extracted(index, 1, String::new(), None, Some(location));
                match self.stream.push(&extracted).await {
                    Ok(()) => {
                        self.mark();
                        return Ok(());
                    }
                    Err(failure) => format!("the header alone is too large: {failure}"),
                }
            }
            Err(refused) => refused.to_owned(),
        };
        let message = format!("{}, and {refused}", fault.message);
        self.reject(index, &Fault::new(fault.reason, message)).await
    }

    /// Returns an error with the reason if `transform` can't read the row by itself.
    const fn may_refer(&self, location: &Location) -> Result<(), &'static str> {
        // There, sensitive values are in clear.
        if self.sealing.is_some() {
            return Err("a row with sensitive columns can't be read from the object later");
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if location.is_too_large() {
            return Err(match location.encoding {
                None => "at most 16 MiB of an object can be read by themselves",
                Some(_) => "at most 8 MiB of an object that is not UTF-8 can be read by themselves",
            });
        }
        Ok(())
    }

    async fn reject(&mut self, index: u64, fault: &Fault) -> Result<(), Fault> {
        self.at.rejected += 1;
        let rejected = failed(self.job.object, Some(self.job.object.record(index)), fault);
        self.stream.push(&rejected).await.map_err(|_| not_published(1))?;
        self.mark();
        Ok(())
    }

    /// Remembers that everything is published about the rows so far, once the events that were pushed are on the bus.
    fn mark(&mut self) {
        let pushed = self.stream.pushed();
        match self.marks.back_mut() {
            Some((events, checkpoint)) if *events == pushed => *checkpoint = self.at,
            _ => self.marks.push_back((pushed, self.at)),
        }
        self.forget();
    }

    /// Forgets marks that others have overtaken.
    fn forget(&mut self) {
        let acknowledged = self.stream.acknowledged();
        while self.marks.get(1).is_some_and(|(events, _)| *events <= acknowledged) {
            self.marks.pop_front();
        }
    }

    /// Returns the checkpoint up to which everything is on the bus.
    pub(super) fn acknowledged(&mut self) -> Checkpoint {
        self.forget();
        self.marks.front().map(|(_, checkpoint)| *checkpoint).unwrap_or_default()
    }

    /// Publishes the rest, and waits until it is on the bus.
    pub(super) async fn finish(&mut self) -> Result<(), Fault> {
        let flushed = self.flush().await;
        self.stream.flush().await;
        match self.stream.failed() {
            0 => flushed,
            lost => {
                tracing::error!(events = lost, code = self.stream.failure_code(), "events were not accepted");
                Err(not_published(lost))
            }
        }
    }
}
