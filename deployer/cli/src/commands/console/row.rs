//! The way of a row: what the tally has of it, with the times that the log of `observe` has.

use contract::ObjectRef;
use deployer_aws::logs::log_events::LogReader;
use deployer_base::time;
use deployer_console::backend::{self, Cause, Failed};
use deployer_console::model::{Problem, RowWay, Step};
use deployer_lang::Stack;
use deployer_lang::model::worker::Worker;
use serde_json::Value;
use tally::Tally;

use super::failure::problem;
use super::linked::Linked;
use crate::commands::logs::log_group;

/// Rows among which one is looked for by its ID.
const MOST_ROWS: u64 = 2_000_000;
/// Rows after which others get their turn.
const AT_ONCE: u64 = 10_000;
/// Bytes of a file that are read for the item of a row.
const MOST_BYTES: u64 = 256 << 20;
/// Pages of a log that are read for a row.
const PAGES: usize = 20;
/// Time before the first event, in seconds, in which lines about a row may be.
const EARLY: u64 = 60;
/// The most rows of an event.
const MOST_OF_EVENT: u64 = 1_000;

/// Finds the row with an ID among those of files.
pub async fn find(all: Vec<Tally>, id: &str) -> backend::Result<(Tally, u64)> {
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(Failed::new(Cause::Request, "the ID of a row has 32 hexadecimal digits"));
    }
    // Digits are the same in capitals, as some tools show them.
    let id = id.to_ascii_lowercase();
    let mut looked = 0;
    for tally in all {
        let Some(object) = tally.summary.object.clone() else { continue };
        for row in tally.known().iter() {
            if object.record(row).id == id {
                return Ok((tally, row));
            }
            looked += 1;
            if looked % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
            if looked > MOST_ROWS {
                let text = format!("the row is not one of the first {MOST_ROWS}");
                return Err(Failed::new(Cause::Absent, text).hint("give the number of the row"));
            }
        }
    }
    Err(Failed::new(Cause::Absent, "no file that the stack knows has a row with this ID"))
}

/// Returns whether a file is small enough to be read up to a row.
pub fn is_within_reach(tally: &Tally) -> bool {
    tally.summary.total().is_none_or(|total| total.bytes <= MOST_BYTES)
}

/// Returns the problem of a file that is too large to be read up to a row.
pub fn out_of_reach(object: &ObjectRef, row: u64) -> Problem {
    let key = deployer_base::text::quoted(&object.key);
    Problem {
        text: "the file is too large to be read for the item of a row".to_owned(),
        hint: Some(format!("`deployer items {key} --from {row} --rows 1` reads it")),
    }
}

/// A file whose row is asked for.
pub struct Asked<'a> {
    pub linked: &'a Linked,
    pub stack: &'a Stack,
    pub tally: &'a Tally,
    pub object: &'a ObjectRef,
}

impl Asked<'_> {
    /// Returns the way of a row, without its item.
    pub async fn way(&self, row: u64) -> backend::Result<RowWay> {
        if !self.tally.known().contains(row) {
            let text = match self.tally.total() {
                Some(total) => format!("the file has {total} rows, and no row {row}"),
                None => format!("no event about row {row} has arrived"),
            };
            return Err(Failed::new(Cause::Absent, text));
        }
        let mut problems = Vec::new();
        let logged = match self.logged(row, &mut problems).await {
            Ok(logged) => logged,
            Err(error) => {
                problems.push(problem(&error));
                Vec::new()
            }
        };
        let mut steps = vec![self.uploaded()];
        steps.extend(self.unlogged(row, &logged));
        steps.extend(logged);
        // Steps without a time come before those with the same rank, which have one.
        steps.sort_by(|a, b| order(a).cmp(&order(b)));
        let row_id = self.object.record(row).id;
        Ok(RowWay { row, row_id, steps, item: None, problems })
    }

    /// Returns the name in the file of the only worker of a kind.
    fn worker(&self, worker: Worker) -> Option<String> {
        let functions = self.stack.functions().filter(|(_, function)| function.worker() == Some(worker));
        let tasks = self.stack.tasks().filter(|(_, task)| task.image.worker() == Some(worker));
        let mut names =
            functions.map(|(resource, _)| &resource.name).chain(tasks.map(|(resource, _)| &resource.name));
        let name = names.next()?;
        names.next().is_none().then(|| name.clone())
    }

    fn worker_of(&self, step: &str) -> Option<String> {
        match step {
            "extracted" => self.worker(Worker::Extraction),
            "transformed" => self.worker(Worker::Transform),
            "loaded" => self.worker(Worker::Load),
            _ => None,
        }
    }

    fn uploaded(&self) -> Step {
        let buckets = self.stack.resources.iter().find(|resource| {
            self.linked.resource(&resource.name).is_some_and(|one| one.physical_id == self.object.bucket)
        });
        Step {
            name: "uploaded".to_owned(),
            time: self.object.uploaded.clone(),
            resource: buckets.map(|resource| resource.name.clone()),
            text: match &self.object.uploaded {
                Some(_) => "the file was uploaded".to_owned(),
                None => "the file was uploaded; its time is not known".to_owned(),
            },
            detail: None,
        }
    }

    /// Returns the steps that the tally has, and no line of the log.
    fn unlogged(&self, row: u64, logged: &[Step]) -> Vec<Step> {
        let tally = self.tally;
        let step = |name: &str, text: &str| Step {
            name: name.to_owned(),
            time: None,
            resource: self.worker_of(name),
            text: text.to_owned(),
            detail: None,
        };
        let no_time = "; no line of the log has its time";
        let mut steps = Vec::new();
        for (name, set, text) in [
            ("extracted", &tally.extracted, "the row was read from the file"),
            ("transformed", &tally.transformed, "the row became an item"),
            ("loaded", &tally.loaded, "the item was written to the table"),
            ("skipped", &tally.skipped, "the row was left out on purpose"),
        ] {
            if set.contains(row) && !logged.iter().any(|step| step.name == name) {
                steps.push(step(name, &format!("{text}{no_time}")));
            }
        }
        for failure in tally.failures().into_iter().filter(|failure| failure.rows.contains(row)) {
            if !logged.iter().any(|step| step.name == "failed") {
                let why = failure.message.map(|message| format!(": {message}")).unwrap_or_default();
                steps.push(step("failed", &format!("{} in {}{why}{no_time}", failure.reason, failure.stage)));
            }
        }
        if tally.missing().contains(row) {
            steps.push(step("missing", "nothing has said yet what became of the row"));
        }
        steps
    }

    /// Returns the steps that the log of `observe` has.
    async fn logged(&self, row: u64, problems: &mut Vec<Problem>) -> deployer_base::error::Result<Vec<Step>> {
        let observer = self.worker(Worker::Observe);
        let group = observer.as_deref().and_then(|name| log_group(&self.linked.resources, name));
        let Some(group) = group else { return Ok(Vec::new()) };
        let at = |text: &Option<String>| text.as_deref().and_then(time::parse_rfc3339);
        let first = at(&self.tally.started_at).or_else(|| at(&self.object.uploaded)).unwrap_or_default();
        let start = i64::try_from(first.saturating_sub(EARLY).saturating_mul(1_000)).unwrap_or_default();
        // An event names its first row. Nothing else than numbers is in the pattern, since a key may hold anything.
        let least = row.saturating_sub(MOST_OF_EVENT);
        let pattern = format!("{{ $.record > {least} && $.record <= {row} }}");
        let mut reader = LogReader::new(&self.linked.session, group, start).matching(pattern, PAGES);
        let events = reader.next().await?;
        if reader.is_cut() {
            problems.push(Problem {
                text: "the log has more lines than were read, so times may be missing".to_owned(),
                hint: Some("`deployer logs observe --key KEY --row N` reads all of them".to_owned()),
            });
        }
        let lines = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.message).ok());
        Ok(lines.filter(|line| self.is_about(line, row)).filter_map(|line| self.step(line)).collect())
    }

    /// Returns whether a line is about a row of this version of the object.
    fn is_about(&self, line: &Value, row: u64) -> bool {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let (Some(bucket), Some(key)) = (text("bucket"), text("key")) else { return false };
        let object = ObjectRef {
            bucket,
            key,
            version: text("version"),
            etag: text("etag"),
            uploaded: None,
            replay: None,
        };
        let count = line["recordCount"].as_u64().unwrap_or(1);
        let rows = line["record"].as_u64().map(|first| first..first.saturating_add(count));
        object.digest() == self.tally.digest && rows.is_some_and(|rows| rows.contains(&row))
    }

    /// Returns a line as a step.
    fn step(&self, line: Value) -> Option<Step> {
        let (name, text) = match line["message"].as_str()? {
            "record-extracted" => ("extracted", "the row was read from the file".to_owned()),
            "record-transformed" => ("transformed", "the row became an item".to_owned()),
            "deletion-requested" => ("transformed", "the row became the key of an item to delete".to_owned()),
            "record-loaded" => ("loaded", "the item was written to the table".to_owned()),
            "record-deleted" => ("loaded", "the item was deleted from the table".to_owned()),
            "record-existing" => {
                ("skipped", "the table had an item of its key, which was left alone".to_owned())
            }
            "record-skipped" => ("skipped", "the row was left out on purpose".to_owned()),
            "failed" => {
                let reason = line["reason"].as_str().unwrap_or("no reason was given");
                let cause = line["cause"].as_str().map(|cause| format!(": {cause}")).unwrap_or_default();
                ("failed", format!("{reason}{cause}"))
            }
            _ => return None,
        };
        Some(Step {
            name: name.to_owned(),
            time: line["timestamp"].as_str().map(str::to_owned),
            resource: self.worker_of(name),
            text,
            detail: Some(line),
        })
    }
}

/// Returns the place of a step: by time, and without a time by its rank.
fn order(step: &Step) -> (u8, Option<&str>) {
    let rank = match step.name.as_str() {
        "uploaded" => 0,
        "extracted" => 1,
        "transformed" => 2,
        "missing" => 4,
        _ => 3,
    };
    (rank, step.time.as_deref())
}
