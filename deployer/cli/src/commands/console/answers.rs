//! What the page asks for: reads on demand, and the actions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use contract::ObjectRef;
use contract::assignment::Replay;
use deployer_aws::cloudformation::drift::{self, Detection};
use deployer_aws::logs::log_events::LogReader;
use deployer_aws::s3::objects;
use deployer_base::error::{Error, Result};
use deployer_base::time;
use deployer_console::backend::{self, Backend, Cause, Download, Failed, Upload};
use deployer_console::model::{
    Drift, DriftedProperty, DriftedResource, FileDetail, ItemRow, Items, LogLine, NextStep, Plan, PlanLine,
    ReplayRequest, ReplayRows, Replayed, Resource, Results, RowChoice, RowWay, Setting, Severity, Uploaded,
    Written,
};
use deployer_lang::{Document, compile};
use deployer_plan::diff::{self, Sign};
use deployer_syntax::Diagnostics;
use serde_json::Value;
use tally::Tally;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::failure::{failed, problem, problems};
use super::files;
use super::linked::Linked;
use super::row::{self, Asked};
use super::site::Site;
use crate::commands::drift::Found;
use crate::commands::items::{self, Question, Range, RowOfFile};
use crate::commands::logs::filter::Level;
use crate::commands::logs::{log_group, now};
use crate::commands::status::next;
use crate::commands::status::pace::{Pace, Speed};
use crate::commands::{replay, upload};
use crate::deployment::{Deployment, Options};
use crate::pipeline::{self, physical};
use crate::preview::route::Choice;
use crate::situation::{Busy, Look, Situation};
use crate::{existing, situation};

/// The time of a log that is read for a resource, and the lines that are shown.
const LOG_SINCE: i64 = 3_600_000;
const LOG_LINES: usize = 200;
const LOG_PAGES: usize = 3;
/// Time after which the result of a detection of drift is not told any more.
const DRIFT_LASTS: Duration = Duration::from_secs(300);
/// Letters of a setting that are shown.
const SETTING: usize = 400;
/// Pieces of a download that wait.
const PIECES: usize = 4;

/// The answers of a site.
pub struct Answers<'s> {
    site: &'s Site,
    /// The detection of drift that runs, or has ended and was not told, and its beginning.
    drift: RefCell<Option<(Instant, JoinHandle<Result<Detection>>)>>,
}

impl<'s> Answers<'s> {
    /// Creates the answers of a site.
    pub fn new(site: &'s Site) -> Self {
        Self { site, drift: RefCell::default() }
    }

    /// Returns a file by its identifier, as it is now.
    async fn tally(&self, id: &str) -> backend::Result<(Rc<Linked>, Tally)> {
        let linked = self.site.link().await.map_err(|error| failed(&error))?;
        let compiled = self.site.compiled();
        let handle = linked.tally(&compiled.stack).map_err(|error| failed(&error))?;
        let known = self.site.objects.borrow().get(id).cloned();
        let read = match known {
            Some(object) => handle.read(&object).await,
            // Nobody has looked yet, or it is new.
            None => handle.list().await.map(|all| all.into_iter().find(|tally| tally.digest == id)),
        };
        let read = read.map_err(|error| failed(&error))?;
        let found = read.ok_or_else(|| Failed::new(Cause::Absent, "the stack knows no such file"))?;
        Ok((linked, found))
    }

    /// Returns the results of a file that `report` has written.
    async fn results(&self, linked: &Linked, object: &ObjectRef) -> Result<Option<Results>> {
        let compiled = self.site.compiled();
        let found = linked.places(&compiled.stack).results(Some(object)).await?;
        Ok(found.map(|found| {
            let files = found.outcome.files.as_ref();
            Results {
                attempt: found.outcome.attempt,
                results: files.map(|files| files.results.clone()),
                rejects: files.and_then(|files| files.rejects.clone()),
                problem: found.problem,
            }
        }))
    }

    async fn compared(&self, linked: &Linked, object: &ObjectRef, range: Range) -> Result<Items> {
        let compiled = self.site.compiled();
        let landing = linked_bucket(linked, &compiled.stack, &object.bucket);
        let question = Question {
            bucket: landing,
            key: &object.key,
            version: object.version.as_deref(),
            choice: Choice::default(),
            range,
            show_sensitive: self.site.options.show_sensitive,
        };
        let chosen = question.of(&compiled.stack)?;
        let compared = chosen.answer(&linked.session, &linked.resources, &compiled.stack).await?;
        let columns: Vec<String> = compared.preview.fields().iter().map(|field| field.name.clone()).collect();
        let is_hidden = |name: &str| !self.site.options.show_sensitive && compared.preview.is_sensitive(name);
        let item = |row: &RowOfFile| {
            let item = row.item.as_ref()?;
            let value = |name: &String| match item.get(name) {
                _ if is_hidden(name) => Some(crate::preview::SENSITIVE.to_owned()),
                value => value.map(items::cell),
            };
            Some(columns.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect())
        };
        let rows = compared.rows.iter().map(|row| ItemRow {
            row: row.row,
            item: item(row),
            state: row.state.word().to_owned(),
            reason: row.message.clone().or_else(|| different(row)),
        });
        let rows = rows.collect();
        Ok(Items { columns, rows })
    }
}

/// Returns the names of attributes that are not as the file has them.
fn different(row: &RowOfFile) -> Option<String> {
    let names: Vec<&str> = row.different.iter().map(|one| one.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("different: {}", names.join(", ")))
}

/// Returns the name in the file of a bucket.
fn linked_bucket<'a>(linked: &Linked, stack: &'a deployer_lang::Stack, bucket: &str) -> Option<&'a str> {
    let names = stack.resources.iter().map(|resource| resource.name.as_str());
    names.into_iter().find(|name| linked.resource(name).is_some_and(|one| one.physical_id == bucket))
}

impl Backend for Answers<'_> {
    async fn resource(&self, name: &str) -> backend::Result<Resource> {
        let compiled = self.site.compiled();
        let Some(resource) = compiled.stack.resource(name) else {
            return Err(Failed::new(Cause::Absent, format!("the stack file has no resource `{name}`")));
        };
        let linked = self.site.link().await.map_err(|error| failed(&error))?;
        let id = resource.logical_id();
        let found = linked.resources.iter().find(|one| one.logical_id == id);
        let mut configuration = Vec::new();
        if let Some(made) = compiled.template.resources.iter().find(|(own, _)| *own == id) {
            settings(&made.1.properties, &mut configuration);
        }
        let group = log_group(&linked.resources, name);
        let (log, log_problem) = match group {
            Some(group) => match last_lines(&linked, group).await {
                Ok(lines) => (lines, None),
                Err(error) => (Vec::new(), Some(problem(&error))),
            },
            None => (Vec::new(), None),
        };
        Ok(Resource {
            name: name.to_owned(),
            kind: resource.is.kind().name().to_owned(),
            logical_id: found.map(|found| found.logical_id.clone()),
            physical_id: found.map(|found| found.physical_id.clone()),
            state: found.map(|found| found.status.clone()),
            configuration,
            log,
            log_problem,
            link: found.and_then(|found| linked.link_of(found)),
        })
    }

    async fn file(&self, id: &str) -> backend::Result<FileDetail> {
        let (linked, tally) = self.tally(id).await?;
        let compiled = self.site.compiled();
        let mut problems = Vec::new();
        let (mut results, mut next) = (None, Vec::new());
        let speed = Pace::default().of(&tally, time::now());
        if let Some(object) = &tally.summary.object {
            match self.results(&linked, object).await {
                Ok(found) => results = found,
                Err(error) => problems.push(problem(&error)),
            }
            let steps = next::steps(&compiled.stack, object, Some(&tally), None, speed.is_quiet());
            next = steps
                .into_iter()
                .map(|step| NextStep { command: step.command, purpose: step.purpose })
                .collect();
        }
        // The speed of a file that is being read is in the list, which has seen it more than once.
        let row = files::row(&tally, Speed { rows_per_second: speed.rows_per_second, ..speed });
        Ok(FileDetail { row, failures: files::failures(&tally), results, next, problems })
    }

    async fn items(&self, id: &str, limit: u32) -> backend::Result<Items> {
        let (linked, tally) = self.tally(id).await?;
        let object = object_of(&tally)?;
        let range = Range { from: 1, rows: u64::from(limit) };
        self.compared(&linked, &object, range).await.map_err(|error| failed(&error))
    }

    async fn row(&self, id: &str, choice: RowChoice) -> backend::Result<RowWay> {
        let (linked, tally, number) = match choice {
            RowChoice::Number(number) => {
                let (linked, tally) = self.tally(id).await?;
                (linked, tally, number)
            }
            RowChoice::Id(row_id) => {
                let linked = self.site.link().await.map_err(|error| failed(&error))?;
                let compiled = self.site.compiled();
                let handle = linked.tally(&compiled.stack).map_err(|error| failed(&error))?;
                let all = match id.is_empty() {
                    true => handle.list().await.map_err(|error| failed(&error))?,
                    false => vec![self.tally(id).await?.1],
                };
                let (tally, number) = row::find(all, &row_id).await?;
                (linked, tally, number)
            }
        };
        let object = object_of(&tally)?;
        let compiled = self.site.compiled();
        let asked = Asked { linked: &linked, stack: &compiled.stack, tally: &tally, object: &object };
        let mut way = asked.way(number).await?;
        if row::is_within_reach(&tally) {
            let range = Range { from: number, rows: 1 };
            match self.compared(&linked, &object, range).await {
                Ok(items) => way.item = items.rows.into_iter().next().and_then(|row| row.item),
                Err(error) => way.problems.push(problem(&error)),
            }
        } else {
            way.problems.push(row::out_of_reach(&object, number));
        }
        Ok(way)
    }

    async fn download(&self, id: &str, which: Written) -> backend::Result<Download> {
        let (linked, tally) = self.tally(id).await?;
        let object = object_of(&tally)?;
        let results = self.results(&linked, &object).await.map_err(|error| failed(&error))?;
        let key = results.and_then(|results| match which {
            Written::Rejects => results.rejects,
            Written::Results => results.results,
        });
        let key = key.ok_or_else(|| {
            Failed::new(Cause::Absent, "no such file was written for this version of the file")
                .hint("`report` writes it when every row of the file is settled")
        })?;
        let opened = objects::open(&linked.session, &object.bucket, &key, None).await;
        let mut opened = opened.map_err(|error| match error.is("NoSuchKey") {
            true => Failed::new(Cause::Absent, format!("{key} has been deleted from {}", object.bucket))
                .hint("the failures of its rows are still in the tally: `deployer errors` lists them"),
            false => failed(&error.into()),
        })?;
        let size = opened.size();
        let (pieces, body) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            loop {
                let piece = match opened.next().await {
                    Ok(Some(piece)) => Ok(piece),
                    Ok(None) => return,
                    Err(error) => Err(std::io::Error::other(error.to_string())),
                };
                let is_end = piece.is_err();
                // Whoever wanted it may be gone.
                if pieces.send(piece).await.is_err() || is_end {
                    return;
                }
            }
        });
        let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
        Ok(Download { name, size, body })
    }

    async fn plan(&self) -> backend::Result<Plan> {
        let context = &self.site.context;
        let source = context.source().map_err(|error| failed(&error))?;
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics);
        let compiled = document.as_ref().and_then(|document| {
            let target = document.select(self.site.name.as_deref()).ok()?;
            compile(document, target, &context.config, &mut diagnostics)
        });
        let problems = problems(&source, &diagnostics);
        let Some(compiled) = compiled else { return Ok(Plan { lines: Vec::new(), problems }) };
        let lines = async {
            let situation = Situation::new(
                context,
                &compiled,
                Look { code: false, busy: Busy::Ignore, fresh: false, allow_replace: &[] },
            )
            .await?;
            let adoption = situation.adoption(&compiled.stack.name, &[]).await?;
            let options = Options::default();
            let deployment = Deployment {
                context,
                session: &situation.session,
                cloudformation: &situation.cloudformation,
                name: &compiled.stack.name,
                target: &compiled.stack.target,
                wanted: &situation.wanted,
                deployed: situation.deployed.as_ref(),
                adoption: adoption.as_ref(),
                imports: &[],
                options: &options,
            };
            let mut plan = deployment.plan();
            plan.diff.notes.extend(existing::notes(context, &situation, &compiled).await?);
            Ok::<_, Error>(diff::render(&plan.diff, PLAN_WIDTH, diff::Detail::Changes))
        };
        let lines = lines.await.map_err(|error| failed(&error))?;
        let line = |line: diff::Line| PlanLine {
            sign: line.sign.mark().trim().to_owned(),
            severity: match line.sign {
                Sign::Delete | Sign::Replace => Severity::Error,
                Sign::Warning => Severity::Warning,
                _ => Severity::None,
            },
            text: line.text,
        };
        Ok(Plan { lines: lines.into_iter().map(line).collect(), problems })
    }

    async fn drift(&self) -> backend::Result<Option<Drift>> {
        let running = self.drift.borrow_mut().take();
        // One that nobody came back for says nothing of the present.
        let running = running.filter(|(begun, job)| !job.is_finished() || begun.elapsed() < DRIFT_LASTS);
        let Some((begun, running)) = running else {
            let linked = self.site.link().await.map_err(|error| failed(&error))?;
            let Some(deployed) = &linked.deployed else {
                return Err(Failed::new(Cause::Conflict, "the stack is not deployed"));
            };
            let (session, id) = (linked.session.clone(), deployed.id.clone());
            let detection = tokio::spawn(async move { Ok(drift::detect(&session, &id).await?) });
            *self.drift.borrow_mut() = Some((Instant::now(), detection));
            return Ok(None);
        };
        if !running.is_finished() {
            *self.drift.borrow_mut() = Some((begun, running));
            return Ok(None);
        }
        let ended = Failed::new(Cause::Service, "the detection of drift has ended without a result");
        let detection = running.await.map_err(|_| ended)?.map_err(|error| failed(&error))?;
        let linked = self.site.link().await.map_err(|error| failed(&error))?;
        let origins = situation::origins(&self.site.compiled().template);
        let found = Found::of(&detection, &linked.resources, &origins);
        let resources = found.drifted.iter().map(|(drift, _)| DriftedResource {
            logical_id: drift.logical_id.clone(),
            status: drift.status.clone(),
            differences: drift
                .differences
                .iter()
                .map(|one| DriftedProperty {
                    property: one.path.clone(),
                    expected: one.expected.clone(),
                    actual: one.actual.clone(),
                })
                .collect(),
        });
        let unchecked = found.unchecked.iter().map(|(id, ..)| (*id).to_owned());
        Ok(Some(Drift { resources: resources.collect(), unchecked: unchecked.collect() }))
    }

    async fn upload(&self, upload: Upload) -> backend::Result<Uploaded> {
        let Upload { bucket, key, size, body } = upload;
        let compiled = self.site.compiled();
        let stack = &compiled.stack;
        let landing = pipeline::landing(stack, bucket.as_deref()).map_err(|error| failed(&error))?;
        upload::check_key(stack, landing, &key)
            .map_err(|error| failed(&error).hint("give it another key; keys are case-sensitive"))?;
        let linked = self.site.link().await.map_err(|error| failed(&error))?;
        let bucket = physical(&linked.resources, stack, &landing.name).map_err(|error| failed(&error))?;
        let stored = objects::put_pieces(&linked.session, bucket, &key, size, body).await;
        let stored = stored.map_err(|error| failed(&error.into()))?;
        let object = ObjectRef {
            bucket: bucket.to_owned(),
            key,
            version: stored.version,
            etag: stored.etag,
            uploaded: None,
            replay: None,
        };
        self.site.wake.notify_one();
        Ok(Uploaded { id: object.digest(), bucket: object.bucket, key: object.key, version: object.version })
    }

    async fn replay(&self, request: ReplayRequest) -> backend::Result<Replayed> {
        let (linked, tally) = self.tally(&request.id).await?;
        let object = object_of(&tally)?;
        let kind = match request.which {
            ReplayRows::Failed => Replay::Failed,
            ReplayRows::Missing => Replay::Missing,
        };
        let (rows, _) = replay::rows_of(&tally, kind);
        if rows.is_empty() {
            return Ok(Replayed { replay: None, rows: 0 });
        }
        let compiled = self.site.compiled();
        let sent = async {
            let stack = &compiled.stack;
            let url = physical(&linked.resources, stack, pipeline::arrivals(stack)?)?;
            replay::send_again(linked.tally(stack)?, url, &object, kind, &rows).await
        };
        let id = sent.await.map_err(|error| failed(&error))?;
        self.site.wake.notify_one();
        Ok(Replayed { replay: Some(id), rows: rows.len() })
    }
}

/// Width of the lines of a plan, which the page breaks by itself.
const PLAN_WIDTH: usize = 120;

/// Returns the object of a tally.
fn object_of(tally: &Tally) -> backend::Result<ObjectRef> {
    tally.summary.object.clone().ok_or_else(|| {
        Failed::new(Cause::Conflict, "no event has named the file yet").hint("try it again in a moment")
    })
}

/// Returns the settings of a resource by its properties. Of variables, only the names are shown.
fn settings(properties: &Value, into: &mut Vec<Setting>) {
    let Value::Object(properties) = properties else { return };
    for (label, value) in properties {
        let text = match (label.as_str(), value) {
            ("Environment", value) => {
                let variables = value["Variables"].as_object();
                variables.map(|all| all.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()
            }
            ("ContainerDefinitions", _) => continue,
            (_, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        };
        let cut = text.char_indices().nth(SETTING).map(|(at, _)| format!("{}…", &text[..at]));
        into.push(Setting { label: label.clone(), value: cut.unwrap_or(text) });
    }
}

/// Returns the last lines of a log.
async fn last_lines(linked: &Linked, group: &str) -> Result<Vec<LogLine>> {
    let start = now().saturating_sub(LOG_SINCE).max(0);
    // An empty pattern matches every line; the number of pages is what counts.
    let mut reader = LogReader::new(&linked.session, group, start).matching(String::new(), LOG_PAGES);
    let events = reader.next().await?;
    let from = events.len().saturating_sub(LOG_LINES);
    Ok(events.iter().skip(from).map(|event| line(event.timestamp, &event.message)).collect())
}

/// Returns a line of a log with its level.
fn line(timestamp: i64, message: &str) -> LogLine {
    let document = serde_json::from_str::<Value>(message).ok().filter(Value::is_object);
    let level = document.as_ref().and_then(|line| Level::of(line["level"].as_str()?));
    LogLine {
        time: time::rfc3339(u64::try_from(timestamp / 1_000).unwrap_or_default()),
        level: level.map(|level| format!("{level:?}").to_lowercase()),
        text: message.to_owned(),
    }
}
