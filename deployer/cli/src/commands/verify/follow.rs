//! Follows a marked file: by the tally and the table while it is under way, and by the logs where these say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contract::ObjectRef;
use contract::event::ResultFiles;
use contract::settings::Store;
use deployer_aws::Pause;
use deployer_aws::cloudformation::StackResource;
use deployer_aws::dynamodb::{items, tally as objects_of};
use deployer_aws::ecs::stopped_tasks::stopped_tasks;
use deployer_aws::logs::log_events::LogReader;
use deployer_aws::session::Session;
use deployer_aws::sqs::messages;
use deployer_base::error::Result;
use deployer_base::text::printable;
use deployer_base::time;
use tally::Tally;

use super::hops::{self, Hop, Stop};
use super::note::{LEASE, Note};
use super::rows::Expected;
use crate::commands::items::rows::differences;
use crate::commands::logs::{log_group, now};
use crate::commands::tally::TallyHandle;
use crate::pipeline::physical;
use crate::preview::Preview;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_millis(1_000);
/// Time in which the lines of a log may arrive that tell when a hop was passed; they tell nothing else.
const LINES_WITHIN: Duration = Duration::from_secs(8);
/// Pages of a log that are read.
const PAGES: usize = 3;
/// Last lines of a log that are shown.
const SHOWN_LINES: usize = 6;
/// The possible difference between the clocks of this machine and of AWS, in milliseconds.
const SKEW: i64 = 60_000;

/// A file that is followed.
pub(super) struct Follower<'a> {
    pub(super) session: &'a Session,

    pub(super) resources: &'a [StackResource],
    pub(super) preview: &'a Preview<'a>,
    pub(super) tally: Option<TallyHandle>,
    pub(super) object: ObjectRef,
    pub(super) expected: &'a [Expected],
    pub(super) stops: &'a [Stop],
    /// Time for each hop, if it was given.
    pub(super) limit: Option<Duration>,
    /// Milliseconds since 1970 at which the upload began.
    pub(super) started: i64,
}

/// What is known of the way of a file.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The hops that were passed, with the time in milliseconds since 1970.
    passed: BTreeMap<Hop, i64>,
    /// A hop that failed, and why.
    failure: Option<(Hop, String)>,
    /// ARNs of the tasks.
    tasks: BTreeSet<String>,
}

/// A hop that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// Its place among the hops.
    pub(super) at: usize,
    /// Why.
    pub(super) message: String,
    /// The last lines of its log.
    pub(super) lines: Vec<String>,
}

impl Known {
    /// Notes that a hop was passed, and all that lead to it; an earlier time counts.
    fn pass(&mut self, hop: Hop, at: i64) {
        let known = self.passed.entry(hop).or_insert(at);
        *known = (*known).min(at);
    }

    fn fail(&mut self, hop: Hop, message: String) {
        self.failure.get_or_insert((hop, message));
    }

    /// Returns whether a hop was passed.
    pub(super) fn has(&self, hop: Hop) -> bool {
        self.passed.contains_key(&hop)
            || (hop.is_before_table()
                && self.passed.keys().any(|one| *one > hop && (one.is_before_table() || *one == Hop::Table)))
            || self.passed.keys().any(|one| *one > hop && *one > Hop::Table && hop > Hop::Table)
    }

    /// Returns the times at which the hops were passed, in their order. What comes later can't have been passed before.
    pub(super) fn times(&self, stops: &[Stop]) -> Vec<Option<i64>> {
        let mut out: Vec<Option<i64>> =
            stops.iter().map(|stop| self.passed.get(&stop.hop).copied()).collect();
        let mut next: Option<i64> = None;
        for (time, stop) in out.iter_mut().zip(stops).rev() {
            if stop.hop == Hop::Table {
                next = None;
            }
            let known = [*time, next].into_iter().flatten().min();
            *time = if self.has(stop.hop) { known } else { None };
            next = known;
        }
        out
    }
}

impl Follower<'_> {
    /// Follows the file to its end, and renews the lease of its note. Returns what is known, and the hop that failed if one did.
    pub(super) async fn follow(&self, note: &mut Note, stack: &str) -> Result<(Known, Option<Failed>)> {
        let mut known = Known::default();
        known.pass(Hop::Bucket, now());
        let mut pause = Pause::up_to(LONGEST);
        let mut progress = Instant::now();
        let mut passed = 0;
        loop {
            self.look(&mut known).await?;
            let open = self.stops.iter().position(|stop| !known.has(stop.hop));
            let Some(open) = open else { return Ok((known, None)) };
            if let Some((hop, message)) = known.failure.clone() {
                let at = self.stops.iter().position(|stop| stop.hop == hop).unwrap_or(open);
                return self.failed(known, at, message).await;
            }
            let Some(stop) = self.stops.get(open) else { return Ok((known, None)) };
            if known.passed.len() > passed {
                passed = known.passed.len();
                progress = Instant::now();
                pause.reset();
            }
            let limit = stop.limit(self.session.local, self.limit);
            if progress.elapsed() > limit {
                // The tally and the table may lack what the logs have.
                self.read_logs(&mut known).await?;
                if known.passed.len() > passed {
                    continue;
                }
                let message = format!("no sign of it within {} s", limit.as_secs());
                return self.failed(known, open, message).await;
            }
            if note.until.saturating_sub(time::now()) < LEASE / 2 {
                note.write(self.session, stack).await?;
            }
            pause.wait().await;
        }
    }

    /// Looks at the tally, the table and the results.
    async fn look(&self, known: &mut Known) -> Result<()> {
        let at = now();
        if let Some(handle) = &self.tally
            && let Some(tally) = handle.read(&self.object).await?
        {
            self.read_tally(&tally, known, at);
        }
        if !known.passed.contains_key(&Hop::Table) {
            self.look_at_table(known, at).await?;
        }
        let reported = self.stops.iter().any(|stop| stop.hop == Hop::Report);
        if reported && known.passed.contains_key(&Hop::Tally) && !known.passed.contains_key(&Hop::Report) {
            let results = ResultFiles::of(&self.object.key, None).results;
            if objects_of::latest(self.session, &self.object.bucket, &results).await?.is_some() {
                known.pass(Hop::Report, now());
            }
        }
        let snapshot = self.stops.iter().any(|stop| stop.hop == Hop::Snapshot);
        if snapshot && !reported && known.passed.contains_key(&Hop::Tally) {
            // Only its log shows that it had its turn.
            self.read_logs(known).await?;
        }
        Ok(())
    }

    fn read_tally(&self, tally: &Tally, known: &mut Known, at: i64) {
        known.pass(Hop::Observe, at);
        known.tasks.extend(tally.summary.tasks.iter().cloned());
        if !tally.summary.tasks.is_empty() {
            known.pass(Hop::Extract, at);
        }
        for (rows, hop) in
            [(&tally.extracted, Hop::Task), (&tally.transformed, Hop::Transform), (&tally.loaded, Hop::Load)]
        {
            if !rows.is_empty() {
                known.pass(hop, at);
            }
        }
        let hop_of = |stage: &str| match stage {
            "extraction" if self.stops.iter().any(|stop| stop.hop == Hop::Task) => Hop::Task,
            "extraction" => Hop::Extract,
            "transform" => Hop::Transform,
            _ => Hop::Load,
        };
        let of_object =
            tally.object_failures().into_iter().map(|(stage, reason)| (stage.to_owned(), reason.to_owned()));
        let of_rows = tally.failures().into_iter().map(|failure| (failure.stage, failure.reason));
        if let Some((stage, reason)) = of_object.chain(of_rows).next() {
            let said = tally.message(&stage, &reason).unwrap_or_default();
            known.fail(hop_of(&stage), format!("{said} ({reason})"));
        }
        if !tally.skipped.is_empty() {
            let hop = if tally.existing.is_empty() { Hop::Transform } else { Hop::Load };
            known.fail(hop, "it left rows out that should have become items".to_owned());
        }
        let ended = tally.ended.is_some() || !hops::ends(self.preview.route.stack());
        if tally.is_loaded() && ended {
            known.pass(Hop::Tally, at);
        }
    }

    /// Compares the items of the table with those that the rows should become.
    async fn look_at_table(&self, known: &mut Known, at: i64) -> Result<()> {
        let route = &self.preview.route;
        let Some((load, table, _)) = &route.table else { return Ok(()) };
        let table = physical(self.resources, route.stack(), &table.name)?;
        let fields: Vec<String> = self.preview.fields().iter().map(|field| field.name.clone()).collect();
        let keys = self.expected.iter().map(|one| one.key.clone()).collect();
        let found = items::get_typed(self.session, table, &keys, &fields).await?;
        // What is stored encrypted is another text each time.
        let is_encrypted =
            load.settings.as_ref().is_some_and(|settings| settings.load.store == Store::Encrypted);
        let left_out = |name: &str| is_encrypted && self.preview.is_sensitive(name);
        let mut same = 0;
        for one in self.expected {
            let Some(item) = found.get(&one.key) else { continue };
            let different = differences(one.item.clone(), item, &left_out);
            if different.is_empty() {
                same += 1;
            } else if item.len() > one.key.len() {
                let names: Vec<&str> = different.iter().map(|one| one.name.as_str()).collect();
                known.fail(
                    Hop::Table,
                    format!(
                        "the item of row {} has other values than it should have: {}",
                        one.row,
                        printable(&names.join(", "))
                    ),
                );
            }
        }
        // An item of the key alone is there from the beginning.
        let is_place = self.expected.iter().all(|one| one.item.len() == one.key.len());
        if same == self.expected.len() && (!is_place || known.has(Hop::Load)) {
            known.pass(Hop::Table, at);
        }
        Ok(())
    }

    /// Returns the lines about the file in the log of a function or task, oldest first.
    async fn lines(&self, name: &str) -> Result<Vec<(i64, String)>> {
        let Some(group) = log_group(self.resources, name) else { return Ok(Vec::new()) };
        let since = self.started - if self.session.local { 0 } else { SKEW };
        let mark = contract::verification::id_of(&self.object.key).unwrap_or_default();
        let mut reader = LogReader::new(self.session, group, since).filtered(mark, PAGES);
        let lines = match reader.next().await {
            Ok(lines) => lines,
            Err(error) if error.is("ResourceNotFoundException") => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let own = lines.into_iter().filter(|line| line.message.contains(mark));
        Ok(own.map(|line| (line.timestamp, line.message)).collect())
    }

    /// Reads the logs of all functions for hops that were passed.
    async fn read_logs(&self, known: &mut Known) -> Result<()> {
        for stop in self.stops {
            let hops: &[(&str, Hop)] = match stop.hop {
                Hop::Extract => &[
                    ("", Hop::Queue),
                    ("task started", Hop::Extract),
                    ("extraction completed", Hop::Extract),
                ],
                Hop::Task => &[("extraction started", Hop::Extract)],
                Hop::Transform => &[("marked rows arrived", Hop::TransformRule)],
                Hop::Load => &[("marked rows arrived", Hop::LoadRule)],
                Hop::Observe => &[
                    ("", Hop::ObserveRule),
                    ("", Hop::Observe),
                    ("s3RecordExtraction", Hop::Task),
                    ("\"transformed\"", Hop::Transform),
                    ("data-loaded", Hop::Load),
                    ("s3ObjectCompleted", Hop::Tally),
                ],
                Hop::Snapshot => &[("were looked for", Hop::Snapshot)],
                Hop::Report => &[("result of a file was written", Hop::Report)],
                _ => continue,
            };
            for (at, line) in self.lines(&stop.name).await? {
                for (word, hop) in hops {
                    // Without the tally, the log says that a file is at its end; the tally says more.
                    if line.contains(word) && (*hop != Hop::Tally || known.passed.contains_key(hop)) {
                        known.pass(*hop, at.max(self.started));
                    }
                }
                if stop.hop == Hop::Extract
                    && let Some(task) = serde_json::from_str::<serde_json::Value>(&line).ok()
                    && let Some(arn) = task["task"].as_str()
                {
                    known.tasks.insert(arn.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Reads the logs until each hop has a time, or they had time enough.
    pub(super) async fn complete_times(&self, known: &mut Known) -> Result<()> {
        let started = Instant::now();
        loop {
            self.read_logs(known).await?;
            let timed = [Hop::Queue, Hop::TransformRule, Hop::LoadRule]
                .iter()
                .all(|hop| known.passed.contains_key(hop));
            if timed || started.elapsed() > LINES_WITHIN {
                return Ok(());
            }
            tokio::time::sleep(LONGEST).await;
        }
    }

    /// Finds out more of a hop that failed.
    async fn failed(
        &self,
        mut known: Known,
        at: usize,
        mut message: String,
    ) -> Result<(Known, Option<Failed>)> {
        let mut at = at;
        if known.failure.is_none()
            && let Some(function) = self.stops.get(at).and_then(|stop| stop.hop.function_after())
            && let Some(position) = self.stops.iter().position(|stop| stop.hop == function)
            && let Some(stop) = self.stops.get(at)
            && self.has_messages(stop).await?
        {
            // The event has come, and is not taken.
            known.pass(stop.hop, now());
            at = position;
            message = format!("its queue has messages that it does not process; {message}");
        }
        let Some(stop) = self.stops.get(at) else { return Ok((known, None)) };
        let mut lines = match stop.hop {
            Hop::Bucket | Hop::Queue | Hop::TransformRule | Hop::LoadRule | Hop::ObserveRule => Vec::new(),
            Hop::Table => self.last_lines(hops::load_of(&self.preview.route).unwrap_or_default()).await?,
            Hop::Tally => {
                let observe = self.stops.iter().find(|stop| stop.hop == Hop::Observe);
                self.last_lines(observe.map_or("", |stop| &stop.name)).await?
            }
            _ => self.last_lines(&stop.name).await?,
        };
        if stop.hop == Hop::Task {
            lines.extend(self.stopped(&known).await?);
        }
        Ok((known, Some(Failed { at, message, lines })))
    }

    /// Returns whether the queue before a function has messages: of the file, as nothing else is known of it.
    async fn has_messages(&self, stop: &Stop) -> Result<bool> {
        let own = match stop.hop {
            Hop::Queue => deployer_cfn::template::logical_id(&stop.name),
            _ => hops::made_by_triggers(&stop.name),
        };
        let is_own = |id: &str| match stop.hop {
            Hop::Queue => id == own,
            _ => id.starts_with(&own) && id.ends_with("Buffer"),
        };
        let queue = self
            .resources
            .iter()
            .find(|one| one.resource_type == "AWS::SQS::Queue" && is_own(&one.logical_id));
        let Some(queue) = queue else { return Ok(false) };
        let depth = messages::depth(self.session, &queue.physical_id).await?;
        Ok(depth.waiting + depth.in_flight + depth.delayed > 0)
    }

    /// Returns the last lines of a log.
    async fn last_lines(&self, name: &str) -> Result<Vec<String>> {
        let Some(group) = log_group(self.resources, name) else { return Ok(Vec::new()) };
        let mut reader = LogReader::new(self.session, group, self.started);
        let lines = match reader.next().await {
            Ok(lines) => lines,
            Err(error) if error.is("ResourceNotFoundException") => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let from = lines.len().saturating_sub(SHOWN_LINES);
        let shown = lines.get(from..).unwrap_or_default();
        Ok(shown.iter().map(|line| printable(&line.message).to_string()).collect())
    }

    /// Returns what ECS says of the tasks of the file that have stopped.
    async fn stopped(&self, known: &Known) -> Result<Vec<String>> {
        let route = &self.preview.route;
        let cluster = &route.task.1.cluster.name;
        let Ok(cluster) = physical(self.resources, route.stack(), cluster) else { return Ok(Vec::new()) };
        let tasks = stopped_tasks(self.session, cluster).await?;
        let own = tasks.into_iter().filter(|task| known.tasks.contains(&task.arn));
        let said = own.map(|task| {
            let of_containers = task.containers.iter().map(|(name, code, reason)| {
                let code = code.map_or_else(String::new, |code| format!(", exit code {code}"));
                format!("; container {name}{code} {}", reason.as_deref().unwrap_or_default())
            });
            printable(&format!("ECS: {}{}", task.reason, of_containers.collect::<String>())).to_string()
        });
        Ok(said.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops() -> Vec<Stop> {
        let hops = [
            Hop::Bucket,
            Hop::Queue,
            Hop::Extract,
            Hop::Task,
            Hop::Table,
            Hop::Observe,
            Hop::Tally,
            Hop::Report,
        ];
        hops.into_iter().map(|hop| Stop { hop, name: String::new() }).collect()
    }

    #[test]
    fn what_comes_later_is_proof_of_what_leads_to_it() {
        let mut known = Known::default();
        known.pass(Hop::Bucket, 1);
        assert!(known.has(Hop::Bucket) && !known.has(Hop::Queue));
        known.pass(Hop::Table, 9);
        assert!(
            [Hop::Queue, Hop::Extract, Hop::Task, Hop::Load, Hop::Table]
                .into_iter()
                .all(|hop| known.has(hop))
        );
        assert!(!known.has(Hop::Observe), "another branch");
        known.pass(Hop::Report, 20);
        assert!(known.has(Hop::ObserveRule) && known.has(Hop::Tally));
        let mut observed = Known::default();
        observed.pass(Hop::Tally, 5);
        assert!(observed.has(Hop::Observe) && !observed.has(Hop::Table) && !observed.has(Hop::Queue));
    }

    #[test]
    fn times_do_not_run_backwards() {
        let mut known = Known::default();
        for (hop, at) in [
            (Hop::Bucket, 1),
            (Hop::Extract, 30),
            (Hop::Task, 20),
            (Hop::Table, 40),
            (Hop::Table, 35),
            (Hop::Observe, 33),
            (Hop::Tally, 50),
        ] {
            known.pass(hop, at);
        }
        let times = known.times(&stops());
        let expected = [Some(1), Some(20), Some(20), Some(20), Some(35), Some(33), Some(50), None];
        assert_eq!(times, expected);
    }
}
