//! `deployer verify`, and the verification after a deployment.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::verification::{ID_DIGITS, MARK};
use deployer_aws::dynamodb::marked;
use deployer_aws::s3::objects;
use deployer_base::error::{Error, Message, Result};
use deployer_lang::model::bucket::{BucketEvent, Notified};
use deployer_lang::model::{Resource, ResourceType};
use deployer_lang::{Compiled, Stack};
use fastrand::Rng;
use schemars::JsonSchema;
use serde::Serialize;

use super::logs::now;
use super::tally::TallyHandle;
use crate::context::Context;
use crate::existing;
use crate::pipeline::{self, physical};
use crate::plan;
use crate::preview::Preview;
use crate::preview::route::{Choice, Route};
use crate::situation::{Busy, Look, Situation};

mod candidates;
mod follow;
mod hops;
mod note;
mod rows;
mod safety;

use follow::{Failed, Follower, Known};
use hops::{Hop, Stop};
use note::Note;
use rows::{Expected, Rows};

/// Send a marked file through the deployed pipeline, and check each hop up to the table
///
/// Makes a few rows that the stack accepts, uploads them, follows them, compares the items with those that the rows should become, and
/// deletes the file, the items and all traces. Marked rows are in no metric, message or result of yours, and no rule of the stack
/// but those of the pipeline takes their events. Exits with 7 if a hop fails, which is named with the last lines of its log, and with 5 if
/// the stack can't be verified without harm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// The options of a verification.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Send the first rows of a file of yours, with keys of their own, rather than rows that are made up
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Time that each hop may take; by default 90s, and 240s for a task (on the local cloud 45s)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<u64>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long)]
    bucket: Option<String>,
    /// Function with `worker: transform` that makes the items, if there are several
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Task with `worker: extraction` that reads the file, if there are several
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
}

fn duration(text: &str) -> std::result::Result<u64, String> {
    deployer_syntax::units::parse_duration(text)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "expected a duration such as 90s or 5m".to_owned())
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "verificationResult")]
pub(super) enum Outcome {
    /// Each hop was passed, and the items are right.
    Verified,
    /// A hop failed.
    Failed,
}

/// A hop of the file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "verificationHop")]
pub(super) struct HopReport {
    /// Its kind.
    hop: Hop,
    /// Name of the resource in the file; for a rule of the bus, of the function that it serves.
    name: String,
    /// `true` if the file was seen after it.
    passed: bool,
    /// Seconds from the beginning of the upload until then; null if the hop was not passed, or the time is not known.
    seconds: Option<f64>,
}

/// The hop that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "verificationFailure")]
pub(super) struct HopFailure {
    /// Its kind.
    hop: Hop,
    /// Name of the resource in the file.
    name: String,
    /// What was seen.
    message: String,
    /// What to do.
    hint: String,
    /// The last lines of its log.
    log: Vec<String>,
}

/// A verification of a deployed stack.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Verification {
    /// Name of the CloudFormation stack.
    stack: String,
    /// The result.
    result: Outcome,
    /// Key of the file, which is deleted.
    key: String,
    /// Number of its rows.
    rows: usize,
    /// The hops, in the order of the way.
    hops: Vec<HopReport>,
    /// The hop that failed; null if none did.
    failure: Option<HopFailure>,
}

impl Verification {
    /// Returns the hop that failed as an error.
    pub(super) fn verdict(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(Error::Incomplete(
                Message::new(format!(
                    "{} is deployed, but doesn't work: {} failed: {}",
                    self.stack,
                    Stop { hop: failure.hop, name: failure.name.clone() }.describe(),
                    failure.message
                ))
                .hint(failure.hint.clone()),
            )),
        }
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let compiled = context.compile(args.stack.as_deref())?;
    let done = verify(context, &compiled, &args.options).await?;
    if context.ui.is_json() {
        context.ui.json(&done)?;
    }
    done.verdict()
}

/// A file that can be sent through a stack.
pub(super) struct Prepared<'s> {
    /// The bucket.
    landing: &'s Resource,
    /// The queue that the bucket notifies.
    queue: &'s str,
    id: String,
    key: String,
    route: Route<'s>,
    /// The table.
    table: &'s Resource,
    rows: Rows,
}

/// Prepares a file for a stack, if it can be verified without harm.
///
/// # Errors
/// [`Error::Usage`] if the stack has no pipeline, or several and none is chosen; [`Error::Refused`] with the reason for which it is not
/// verified.
pub(super) fn prepare<'s>(compiled: &'s Compiled, options: &Options) -> Result<Prepared<'s>> {
    let stack = &compiled.stack;
    let landing = pipeline::landing(stack, options.bucket.as_deref())?;
    let mut rng = Rng::with_seed(seed());
    let id: String = format!("{:016x}{:016x}", seed(), seed()).chars().take(ID_DIGITS).collect();
    let (queue, key) = way_in(landing, stack, &id)?;
    let choice = Choice { function: options.function.as_deref(), task: options.task.as_deref() };
    let route = Route::find(stack, choice, &key)?;
    let Some((_, table, _)) = route.table else {
        return Err(Error::Usage(Message::new(format!(
            "no function with `worker: load` writes the items of `{}`, so there is nothing to verify",
            route.name()
        ))));
    };
    safety::check(&route, &landing.name, &key, &compiled.template.to_value())?;
    let mut sample = options.sample.as_deref().map(open_sample).transpose()?;
    let rows = rows::make(route, &key, sample.as_mut().map(|file| file as &mut dyn Read), &mut rng)?;
    safety::check_keys(&route, &rows)?;
    Ok(Prepared { landing, queue, id, key, route, table, rows })
}

/// Verifies a deployed stack, and shows the hops to people. A hop that fails is not an error here.
///
/// # Errors
/// [`Error::Refused`] if the stack can't be verified without harm; the errors of AWS.
pub(super) async fn verify(
    context: &Context,
    compiled: &Compiled,
    options: &Options,
) -> Result<Verification> {
    let stack = &compiled.stack;
    let Prepared { landing, queue, id, key, route, table, rows } = prepare(compiled, options)?;
    let look = Situation::new(
        context,
        compiled,
        Look { code: false, busy: Busy::Refuse, fresh: false, allow_replace: &[] },
    )
    .await?;
    let session = &look.session;
    let Some(deployed) = look.deployed.as_ref().filter(|deployed| !deployed.is_empty()) else {
        return Err(Error::failed_with_hint(
            format!("{} is not deployed", stack.name),
            format!("run `deployer deploy {}`", stack.target.stack),
        ));
    };
    if !plan::is_template(deployed, &look.wanted.text) {
        return Err(Error::Refused(
            Message::new(format!("{} is deployed from another file than this one", stack.name))
                .hint(format!("`deployer diff {}` shows the differences; deploy the file, or verify with the one that is deployed; nothing was sent", stack.target.stack)),
        ));
    }
    let resources = existing::resources(&look.cloudformation, session, stack).await?;
    let bucket = physical(&resources, stack, &landing.name)?.to_owned();
    let tally = pipeline::tally(stack).ok();
    let table = physical(&resources, stack, &table.name)?.to_owned();
    let tally_table = tally.map(|name| physical(&resources, stack, name).map(str::to_owned)).transpose()?;
    note::clean_interrupted(context, session, &stack.name).await?;

    // Two versions show whether keys depend on the version, which is not known before the upload.
    let of_version = |version: Option<&str>| -> Result<Vec<Expected>> {
        rows.expected(&Preview::new(route, key.clone())?.of_object(&bucket, version))
    };
    let before = of_version(Some("1"))?;
    let is_known = of_version(Some("2"))?.iter().map(|one| &one.key).eq(before.iter().map(|one| &one.key));
    let mut note = Note {
        id: id.clone(),
        until: 0,
        bucket: bucket.clone(),
        key: key.clone(),
        version: None,
        table: table.clone(),
        items: if is_known { keys_of(&before) } else { Vec::new() },
        tally: tally_table.clone(),
    };
    let word = stack.target.stack.as_str();
    let run = Run { context, look: &look, stack: &stack.name, word, table: &table, key: &key, id: &id };
    context.on_interrupt(
        "the pipeline works on a marked file",
        "the next `deployer verify` deletes what it leaves",
    );
    note.write(session, &stack.name).await?;
    let sent = async {
        if is_known {
            run.make_places(&before).await?;
        }
        if let Some(tally) = &tally_table {
            marked::allow(session, tally, &id).await?;
        }
        let preview = Preview::new(route, key.clone())?;
        let bytes = rows.file(&preview);
        let stops = hops::of_route(&route, &landing.name, queue, bytes.len());
        let started = now();
        let stored = objects::put_bytes(session, &bucket, &key, bytes).await?;
        note.version = stored.version;
        let preview = preview.of_object(&bucket, note.version.as_deref());
        let expected = rows.expected(&preview)?;
        if !is_known {
            note.items = keys_of(&expected);
        }
        if !is_known || note.version.is_some() {
            note.write(session, &stack.name).await?;
        }
        if !is_known {
            run.make_places(&expected).await?;
        }
        let tally = match tally {
            Some(name) => {
                Some(TallyHandle::new(session, resources.clone(), stack, name, Some(bucket.clone()))?)
            }
            None => None,
        };
        let follower = Follower {
            session,
            resources: &resources,
            preview: &preview,
            tally,
            object: note.object(note.version.clone()),
            expected: &expected,
            stops: &stops,
            limit: options.timeout.map(Duration::from_secs),
            started,
        };
        let (mut known, failed) = follower.follow(&mut note, &stack.name).await?;
        if failed.is_none() {
            follower.complete_times(&mut known).await?;
        }
        Ok::<_, Error>(run.report(&rows, &stops, started, &known, failed))
    };
    let sent = sent.await;
    let cleaned = note.clean(session, &stack.name).await;
    if let Err(error) = &cleaned {
        let why = error.message().map(|message| message.text).unwrap_or_default();
        context
            .ui
            .warn(format!("not everything could be deleted: {why}; the next `deployer verify` tries again"));
    }
    let done = sent?;
    run.show(&done);
    cleaned?;
    Ok(done)
}

/// What the steps of a verification share.
struct Run<'a> {
    context: &'a Context,
    look: &'a Situation,
    stack: &'a str,
    /// The word for the stack in command lines.
    word: &'a str,
    table: &'a str,
    key: &'a str,
    id: &'a str,
}

impl Run<'_> {
    /// Makes places for the items.
    async fn make_places(&self, expected: &[Expected]) -> Result<()> {
        for one in expected {
            if !marked::make_place(&self.look.session, self.table, &one.key, self.id).await? {
                return Err(Error::Refused(
                    Message::new(format!(
                        "the table {} has an item with the key of row {}, which is not replaced",
                        self.table, one.row
                    ))
                    .hint("try again, or give a sample whose keys the table does not have; nothing of yours was changed"),
                ));
            }
        }
        Ok(())
    }

    fn report(
        &self,
        rows: &Rows,
        stops: &[Stop],
        started: i64,
        known: &Known,
        failed: Option<Failed>,
    ) -> Verification {
        let times = known.times(stops);
        let reports = stops.iter().zip(times).enumerate().map(|(at, (stop, time))| {
            let passed = known.has(stop.hop) && failed.as_ref().is_none_or(|failed| failed.at != at);
            #[expect(clippy::cast_precision_loss, reason = "shown to people")]
            let seconds = time.filter(|_| passed).map(|time| (time - started).max(0) as f64 / 1_000.0);
            HopReport { hop: stop.hop, name: stop.name.clone(), passed, seconds }
        });
        let hops = reports.collect();
        let failure = failed.and_then(|Failed { at, message, lines }| {
            let stop = stops.get(at)?;
            let hint = stop.advice(self.word);
            Some(HopFailure { hop: stop.hop, name: stop.name.clone(), message, hint, log: lines })
        });
        Verification {
            stack: self.stack.to_owned(),
            result: if failure.is_some() { Outcome::Failed } else { Outcome::Verified },
            key: self.key.to_owned(),
            rows: rows.len(),
            hops,
            failure,
        }
    }

    /// Shows the hops to people.
    fn show(&self, done: &Verification) {
        let ui = &self.context.ui;
        let mut before = 0.0;
        for hop in &done.hops {
            let name = Stop { hop: hop.hop, name: hop.name.clone() }.describe();
            let failed = done.failure.as_ref().is_some_and(|failure| failure.hop == hop.hop);
            match (hop.passed, hop.seconds) {
                (true, Some(seconds)) => {
                    let took = (seconds - before).max(0.0);
                    ui.step("passed", format!("{name:<24} after {seconds:>5.1} s (+{took:.1} s)"));
                    before = seconds;
                }
                (true, None) => ui.step("passed", name),
                (false, _) if failed => ui.step("failed", name),
                (false, _) => {}
            }
        }
        match &done.failure {
            None if done.rows == 1 => ui.step(
                "verified",
                format!("{}: 1 row became the item that it should, and nothing of it is left", done.stack),
            ),
            None => ui.step(
                "verified",
                format!(
                    "{}: {} rows became the items that they should, and nothing of them is left",
                    done.stack, done.rows
                ),
            ),
            Some(failure) => {
                for line in &failure.log {
                    ui.note(format!("  {line}"));
                }
            }
        }
    }
}

fn keys_of(expected: &[Expected]) -> Vec<serde_json::Map<String, serde_json::Value>> {
    expected.iter().map(|one| note::to_json(&one.key)).collect()
}

/// Returns a random number: its keys come from the operating system.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}

fn open_sample(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::Usage(Message::new(format!("there is no file {}", path.display())))
        }
        _ => Error::io("read", path, &error),
    })
}

/// Returns the queue by which the bucket starts the pipeline, and a key that does so and has the mark.
fn way_in<'s>(landing: &'s Resource, stack: &Stack, id: &str) -> Result<(&'s str, String)> {
    let ResourceType::Bucket(bucket) = &landing.is else {
        return Err(Error::Usage(Message::new(format!("`{}` is not a bucket", landing.name))));
    };
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let found = bucket.notify.iter().find_map(|one| match &one.to {
        Notified::Queue(queue)
            if one.on == BucketEvent::Created && safety::is_of_extract(stack, &queue.name) =>
        {
            Some((queue.name.as_str(), format!("{}{MARK}{id}{}", part(&one.prefix), part(&one.suffix))))
        }
        _ => None,
    });
    found.ok_or_else(|| {
        Error::Usage(Message::new(format!(
            "`{}` notifies no queue of a function with `worker: extract` of created objects, so a file would start nothing",
            landing.name
        )))
    })
}
