//! One object from its first byte to `extraction-completed`.

use std::sync::Arc;

use contract::settings::ExtractionSettings;
use contract::{Detail, FailedStage, ObjectRef, Reason, RecordRef, row};
use publisher::{Backoff, Failure, MAX_BYTES, Publisher, PutEvents, Stream};
use tokio::sync::watch;

use crate::decompress::Decoder;
use crate::download::{Download, ReadError, Source};
use crate::reader::{Fault, Reader, Row};

/// How an extraction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole object was read, every event accepted and `extraction-completed` published.
    Completed(Totals),
    /// It was not, and `extractionFailed` says so (unless the bus is unreachable).
    Failed(Fault),
}

/// Counts over the whole object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Data rows, rejected ones included.
    pub rows: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Bytes of the object, as it is stored.
    pub bytes: u64,
}

/// Reads `object`, which is written as the settings say, from `source` and publishes an event per row, until the end or until `stop` turns true.
pub async fn extract<S: Source, P: PutEvents + 'static>(
    object: &ObjectRef,
    settings: &ExtractionSettings,
    source: S,
    publisher: &Arc<Publisher<P>>,
    backoff: Backoff,
    stop: watch::Receiver<bool>,
) -> Outcome {
    let mut download = Download::new(source, backoff);
    let mut reader = Reader::new(MAX_BYTES, &settings.csv);
    let mut rows = Rows { object, stream: publisher.stream(), headers: None, rejected: 0 };
    let end = read_rows(&mut download, &mut reader, &mut rows, stop).await;
    let totals = Totals { rows: reader.rows(), rejected: rows.rejected, bytes: download.offset() };
    // Whatever happened, the events of the rows that were read are on their way: wait for them.
    let summary = rows.stream.finish().await;
    if let Some(failure) = &summary.first_failure {
        tracing::error!(events = summary.failed, code = failure.code(), "events were not accepted");
    }
    let end = end.and_then(|()| match summary.failed {
        0 => Ok(()),
        lost => Err(not_published(lost)),
    });
    let end = match end {
        Ok(()) => {
            let Totals { rows, rejected, bytes } = totals;
            let completed = Detail::ExtractionCompleted { object: object.clone(), rows, bytes, rejected };
            publish(publisher, completed).await.map_err(|_| not_published(1))
        }
        Err(fault) => Err(fault),
    };
    match end {
        Ok(()) => Outcome::Completed(totals),
        Err(fault) => {
            // The last word about this object. If the bus doesn't take it either, log and exit code remain.
            let _ = publish(publisher, failed(object, None, &fault)).await;
            Outcome::Failed(fault)
        }
    }
}

async fn publish<P: PutEvents>(publisher: &Publisher<P>, detail: Detail) -> Result<(), Failure> {
    let detail_type = detail.detail_type();
    let result = publisher.publish(&[detail]).await.pop().unwrap_or(Ok(()));
    if let Err(failure) = &result {
        tracing::error!(detail_type, code = failure.code(), "the event was not accepted");
    }
    result
}

fn not_published(events: u64) -> Fault {
    Fault::new(Reason::RetriesExhausted, format!("{events} events could not be published in any attempt"))
}

fn failed(object: &ObjectRef, record: Option<RecordRef>, fault: &Fault) -> Detail {
    Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object.clone()),
        record,
        reason: fault.reason,
        message: fault.message.clone(),
    }
}

fn unreadable(error: &ReadError) -> Fault {
    let why = match error.code.as_str() {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound" => "the object does not exist any more",
        "AccessDenied" | "Forbidden" => "the object may not be read",
        "PreconditionFailed" => "the object was replaced after its upload was announced",
        _ => "the object could not be read",
    };
    Fault::new(Reason::ObjectUnreadable, format!("{why}: {error}"))
}

async fn read_rows<S: Source, P: PutEvents + 'static>(
    download: &mut Download<S>,
    reader: &mut Reader,
    rows: &mut Rows<'_, P>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let mut decoder = Decoder::new();
    let mut ended = false;
    while !ended {
        let chunk = tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => return Err(interrupted(reader.rows())),
            chunk = download.read() => chunk.map_err(|error| unreadable(&error))?,
        };
        match chunk {
            Some(chunk) => decoder.feed(chunk),
            None => {
                decoder.end();
                ended = true;
            }
        }
        while let Some(mut text) = decoder.read()? {
            while let Some(row) = reader.read(&mut text)? {
                let index = row.index;
                rows.take(row).await?;
                // A chunk holds thousands of rows, and a throttled bus makes each of them slow.
                if *stop.borrow() {
                    return Err(interrupted(index));
                }
            }
            // Compressed, a chunk may stand for gigabytes without a row.
            if *stop.borrow() {
                return Err(interrupted(reader.rows()));
            }
        }
    }
    while let Some(row) = reader.finish()? {
        rows.take(row).await?;
    }
    Ok(())
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending().await
    }
}

fn interrupted(row: u64) -> Fault {
    Fault::new(Reason::Interrupted, format!("the task was told to stop after row {row}"))
}

/// Where rows go.
struct Rows<'a, P> {
    object: &'a ObjectRef,
    stream: Stream<P>,
    /// The header as every event carries it.
    headers: Option<String>,
    rejected: u64,
}

impl<P: PutEvents + 'static> Rows<'_, P> {
    /// Publishes a good row as `record-extracted` and a bad one as `extractionFailed`.
    async fn take(&mut self, row: Row<'_>) -> Result<(), Fault> {
        let record = self.object.record(row.index);
        let published = match row.fields {
            Ok(fields) => {
                let headers =
                    self.headers.get_or_insert_with(|| row::encode(row.columns.iter().map(String::as_str)));
                let extracted = Detail::RecordExtracted {
                    object: self.object.clone(),
                    record: record.clone(),
                    headers: headers.clone(),
                    data: row::encode(fields.iter()),
                };
                self.stream.push(&extracted).await.map_err(|failure| {
                    Fault::new(Reason::RowTooLarge, format!("row {}: {failure}", row.index))
                })
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = published {
            self.rejected += 1;
            let rejected = failed(self.object, Some(record), &fault);
            self.stream.push(&rejected).await.map_err(|_| not_published(1))?;
        }
        // No use in reading on: the object cannot become complete any more.
        match self.stream.failed() {
            0 => Ok(()),
            lost => Err(not_published(lost)),
        }
    }
}

#[cfg(test)]
mod tests;
