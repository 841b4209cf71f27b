//! `deployer upload`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::ObjectRef;
use contract::event::{SnapshotOutcome, is_result_file};
use contract::settings::FieldSettings;
use contract::verification;
use deployer_aws::Pause;
use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::dynamodb::items;
use deployer_aws::logs::log_events::LogReader;
use deployer_aws::s3::objects;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::StoredObject;
use deployer_lang::Stack;
use deployer_lang::loading;
use deployer_lang::model::bucket::BucketEvent;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{Resource, ResourceType};
use schemars::JsonSchema;
use serde::Serialize;

use super::status::has_report;
use super::tally::TallyHandle;
use super::tally::document::SnapshotCounts;
use super::{logs, tally};
use crate::context::Context;
use crate::existing;
use crate::pipeline::{self, landing, physical};
use crate::precheck;
use crate::progress::{self, Entry, Group, Progress};

pub(super) mod presign;

/// Upload a CSV file to the bucket of the stack, which starts the pipeline
///
/// Compares the columns of the file with the fields of the stack first and makes items of its first rows, and sends nothing if a
/// column is missing or all of these rows would fail. With `--wait`, exits with 0 if every row is in the table or was skipped, and
/// with 7 if rows have failed or the file has no rows.
///
/// With `--presign`, prints a `curl` line with which somebody without AWS credentials uploads one file, and sends nothing. It is valid
/// until `--expires`, or until your own credentials expire.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to upload; with `--presign`, the key under which somebody else uploads it
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Key of the object; the name of the file by default. It must match a `notify` entry of the bucket, which is case-sensitive:
    /// with `suffix: .csv`, `ORDERS.CSV` needs `--key orders.csv`.
    #[arg(long)]
    key: Option<String>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long)]
    bucket: Option<String>,
    /// Upload the file without checking its columns and first rows, and that its key starts the pipeline
    #[arg(long)]
    no_check: bool,
    /// Show the progress until every row is in the table, was skipped or has failed, then the items of the first rows
    #[arg(long)]
    wait: bool,
    /// Show the values of sensitive fields too
    #[arg(long, requires = "wait")]
    show_sensitive: bool,
    /// Stop waiting after this time
    #[arg(long, value_name = "DURATION", default_value = "15m", requires = "wait", value_parser = duration)]
    timeout: u64,
    /// Print a `curl` line with which anyone who has it can upload one file under this key, once
    #[arg(long, conflicts_with_all = ["wait", "no_check"])]
    presign: bool,
    /// End of the validity of `--presign`; 7d at most
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "presign", value_parser = presign::validity)]
    expires: u64,
    /// Write an HTML page with a form for the upload to this file, instead of a `curl` line
    #[arg(long, value_name = "PAGE", requires = "presign")]
    form: Option<PathBuf>,
    /// Largest file that the form takes; 5GiB at most
    #[arg(long, value_name = "SIZE", default_value = "1GiB", requires = "form", value_parser = presign::size)]
    max_size: u64,
    /// Let the upload of `--presign` replace an object of that key
    #[arg(long, requires = "presign")]
    overwrite: bool,
}

fn duration(text: &str) -> std::result::Result<u64, String> {
    deployer_syntax::units::parse_duration(text)
        .ok_or_else(|| "expected a duration such as 90s or 15m".to_owned())
}

/// Number of events that are shown one by one; after these only the counts are shown.
const SHOWN_EVENTS: usize = 60;
/// Number of reasons that are shown at the end.
const SHOWN_GROUPS: usize = 20;
/// Time limit for the messages of failures, which arrive by the log; and for the pages of the log that are read.
const WORDS_WITHIN: Duration = Duration::from_secs(5);
const PAGES_OF_WORDS: usize = 10;
/// Number of failed rows that are listed in the document.
const LISTED_FAILURES: usize = 10_000;
/// Interval at which the counts are shown.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    if args.presign {
        return presign::run(context, args).await;
    }
    let (source, stack) = context.load_stack_and_source(args.stack.as_deref())?;
    let landing = landing(&stack, args.bucket.as_deref())?;
    let key = match &args.key {
        Some(key) => key.clone(),
        None => default_key(&args.path)?,
    };
    check_file(&args.path)?;
    if args.wait || !args.no_check {
        check_key(&stack, landing, &key)?;
    }
    let checked = match args.no_check {
        true => None,
        false => precheck::check(&source, &stack, landing, &key, &args.path)?,
    };
    for advice in checked.iter().flat_map(|checked| &checked.advice) {
        context.ui.warn(advice);
    }
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = existing::resources(&cloudformation, &session, &stack).await?;
    let bucket = physical(&resources, &stack, &landing.name)?.to_owned();
    // A stack that was deployed before it had a tally has a log in any case.
    let tally = pipeline::tally(&stack).ok().filter(|name| physical(&resources, &stack, name).is_ok());
    // Before the upload: its first events may arrive before its response.
    let reader = match (args.wait, tally) {
        (true, None) => Some(observer(&session, &stack, &resources)?),
        _ => None,
    };
    let (started, since) = (Instant::now(), logs::now() - skew(&session));
    let stored = objects::put(&session, &bucket, &key, &args.path).await?;
    context.on_interrupt("the pipeline keeps running", "`deployer logs observe --follow` shows what happens");
    context.ui.step("uploaded", format!("{} → s3://{bucket}/{key}", args.path.display()));
    let object = ObjectRef {
        bucket: bucket.clone(),
        key,
        version: stored.version,
        etag: stored.etag,
        uploaded: None,
        replay: None,
    };
    let limit = Duration::from_secs(args.timeout);
    let keys = checked.map(|checked| checked.keys).unwrap_or_default();
    let file = Uploaded { session: &session, stack: &stack, keys };
    let Some(reader) = reader else {
        if let (true, Some(tally)) = (args.wait, tally) {
            let place = TallyHandle::new(&session, resources, &stack, tally, Some(bucket))?;
            let mut progress = follow(context, &place, object, limit).await?;
            if let Err(error) = explain(&file, place.resources(), &mut progress, since).await {
                not_shown(context, "the messages of the failures", error)?;
            }
            let elapsed = started.elapsed();
            return finish(context, &file, place.resources(), &progress, elapsed, args.show_sensitive).await;
        }
        if context.ui.is_json() {
            return context.ui.json(UploadedObject { stack: &stack.name, object: (&object).into() });
        }
        let key = &object.key;
        context.ui.note(match tally {
            Some(_) => format!("\n`deployer tally {key} --wait` shows what becomes of its rows"),
            None => "\n`deployer logs observe --follow` shows what becomes of its rows".to_owned(),
        });
        return Ok(());
    };
    let progress = wait(context, reader, Progress::new(object), limit).await?;
    finish(context, &file, &resources, &progress, started.elapsed(), args.show_sensitive).await
}

/// An uploaded file, and its destination.
struct Uploaded<'a> {
    session: &'a Session,
    stack: &'a Stack,
    /// The keys of the items of its first rows, by the rows' numbers, if it was checked.
    keys: BTreeMap<u64, items::Key>,
}

fn default_key(path: &Path) -> Result<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Error::Usage(
            Message::new(format!("the name of {} is not a valid key", path.display()))
                .hint("give one with `--key`"),
        )
    })
}

fn check_file(path: &Path) -> Result<()> {
    let data = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::Usage(Message::new(format!("there is no file {}", path.display())))
        }
        _ => Error::io("read", path, &error),
    })?;
    if !data.is_file() {
        return Err(Error::Usage(Message::new(format!("{} is not a file", path.display()))));
    }
    if data.len() > objects::MAX_PUT_BYTES {
        return Err(Error::Usage(
            Message::new(format!("{} is larger than 5 GiB", path.display()))
                .hint("split the file, or upload it with `aws s3 cp`, which sends parts"),
        ));
    }
    Ok(())
}

/// Refuses a key that no notification matches, or that the pipeline passes over, since the object would start nothing.
pub fn check_key(stack: &Stack, bucket: &Resource, key: &str) -> Result<()> {
    let ResourceType::Bucket(model) = &bucket.is else { return Ok(()) };
    if is_result_file(key) && has_report(stack) {
        return Err(Error::Usage(
            Message::new(format!("the key `{key}` is that of a file of `report`, which starts nothing"))
                .hint("give another key with `--key`"),
        ));
    }
    if verification::id_of(key).is_some() {
        return Err(Error::Usage(
            Message::new(format!(
                "the key `{key}` is that of a file of `deployer verify`, which leaves nothing"
            ))
            .hint("give another key with `--key`"),
        ));
    }
    let created: Vec<_> = model.notify.iter().filter(|notify| notify.on == BucketEvent::Created).collect();
    let starts = created.iter().any(|notify| {
        notify.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
            && notify.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix))
    });
    // Otherwise only the default bus of the account is notified, and the rules on it.
    if starts || model.event_bridge {
        return Ok(());
    }
    let wanted: Vec<String> = created
        .iter()
        .map(|notify| match (&notify.prefix, &notify.suffix) {
            (Some(prefix), Some(suffix)) => format!("`{prefix}…{suffix}`"),
            (Some(prefix), None) => format!("`{prefix}…`"),
            (None, Some(suffix)) => format!("`…{suffix}`"),
            (None, None) => "any key".to_owned(),
        })
        .collect();
    let wanted = match wanted.is_empty() {
        true => "the bucket has no `notify` for created objects".to_owned(),
        false => format!("expected {}", wanted.join(" or ")),
    };
    Err(Error::Usage(
        Message::new(format!(
            "the key `{key}` matches no `notify` of `{}`, so nothing would start: {wanted}",
            bucket.name
        ))
        .hint("give another key with `--key`; keys are case-sensitive"),
    ))
}

/// Returns the name of the log of the function that sees every event.
fn observer_group<'r>(stack: &Stack, resources: &'r [StackResource]) -> Option<&'r str> {
    let observer = stack.functions().find(|(_, function)| function.worker() == Some(Worker::Observe));
    observer.and_then(|(resource, _)| logs::log_group(resources, &resource.name))
}

/// Returns the possible difference between the clocks of this machine and of AWS, in milliseconds.
const fn skew(session: &Session) -> i64 {
    if session.local { 0 } else { 60_000 }
}

/// Returns a reader of the log of the function that sees every event.
fn observer(session: &Session, stack: &Stack, resources: &[StackResource]) -> Result<LogReader> {
    let Some(group) = observer_group(stack, resources) else {
        return Err(Error::Usage(
            Message::new("`--wait` needs a function with `worker: observe`, and the deployed stack has none")
                .hint("add one with `triggers: [{ bus: …, event: any }]`, and deploy"),
        ));
    };
    Ok(LogReader::new(session, group, logs::now() - skew(session)))
}

/// Finds the messages of failures in the observer's log: the tally keeps only reasons. A message that doesn't arrive
/// within some seconds is replaced by its reason.
async fn explain(
    file: &Uploaded<'_>,
    resources: &[StackResource],
    progress: &mut Progress,
    since: i64,
) -> Result<()> {
    let Some(group) = observer_group(file.stack, resources).filter(|_| progress.is_unexplained()) else {
        return Ok(());
    };
    let started = Instant::now();
    let mut pause = Pause::new();
    let mut reader = LogReader::new(file.session, group, since).filtered("failed", PAGES_OF_WORDS);
    loop {
        for event in reader.next().await? {
            if let Some(entry) = Entry::parse(&event.message) {
                progress.explain(&entry);
            }
        }
        if !progress.is_unexplained() || started.elapsed() > WORDS_WITHIN {
            return Ok(());
        }
        pause.wait().await;
    }
}

/// Waits with the tally.
async fn follow(
    context: &Context,
    place: &TallyHandle,
    object: ObjectRef,
    limit: Duration,
) -> Result<Progress> {
    let tally = tally::wait(context, place, &object, limit).await?;
    Ok(Progress::of(object, &tally.unwrap_or_default(), LISTED_FAILURES))
}

/// Waits with the observer's log, if the stack doesn't have a tally.
async fn wait(
    context: &Context,
    mut reader: LogReader,
    mut progress: Progress,
    limit: Duration,
) -> Result<Progress> {
    let started = Instant::now();
    let mut last_counts = Instant::now();
    let mut shown = 0;
    let mut pause = Pause::new();
    loop {
        let counted = shown;
        let asked = Instant::now();
        let events = reader.next().await?;
        let cost = asked.elapsed();
        for event in events {
            let Some(entry) = Entry::parse(&event.message) else { continue };
            if !progress.add(&entry) {
                continue;
            }
            shown += 1;
            if shown <= SHOWN_EVENTS {
                context.ui.step("event", entry.describe());
            }
        }
        if progress.is_complete() {
            return Ok(progress);
        }
        if shown > counted {
            pause.reset();
        }
        if shown > SHOWN_EVENTS && last_counts.elapsed() > HEARTBEAT {
            context.ui.step("rows", progress.describe());
            last_counts = Instant::now();
        }
        if started.elapsed() > limit {
            return Err(Error::Incomplete(
                Message::new(format!("stopped waiting after {} s: {}", limit.as_secs(), progress.describe()))
                    .hint("`deployer logs` shows the logs of functions and tasks; dead-letter queues hold messages that failed \
                           too often"),
            ));
        }
        // Watching must not slow down the work that it watches, so it takes a tenth of the time at most.
        tokio::join!(pause.wait(), tokio::time::sleep(cost * 9));
    }
}

async fn finish(
    context: &Context,
    file: &Uploaded<'_>,
    resources: &[StackResource],
    progress: &Progress,
    elapsed: Duration,
    show_sensitive: bool,
) -> Result<()> {
    context.ui.step("rows", format!("{} in {:.1} s", progress.describe(), elapsed.as_secs_f32()));
    let groups = progress.groups();
    for group in groups.iter().take(SHOWN_GROUPS) {
        context.ui.step("failed", group.describe());
    }
    if groups.len() > SHOWN_GROUPS {
        context.ui.step("failed", format!("and for {} more reasons", groups.len() - SHOWN_GROUPS));
    }
    if let Some(sentence) = progress.snapshot.as_ref().and_then(SnapshotOutcome::sentence) {
        context.ui.step("snapshot", sentence);
    }
    if context.ui.is_json() {
        let failures = progress.failures().map(|(record, failure)| UploadFailure {
            record,
            reason: &failure.reason,
            message: failure.message.as_deref(),
        });
        context.ui.json(LoadedObject {
            stack: &file.stack.name,
            object: (&progress.object).into(),
            rows: progress.rows(),
            loaded: progress.loaded(),
            deleted: Some(progress.deleted()).filter(|deleted| *deleted > 0),
            skipped: Some(progress.skipped()).filter(|skipped| *skipped > 0),
            existing: Some(progress.existing()).filter(|existing| *existing > 0),
            failed: progress.failed(),
            snapshot: progress.snapshot.as_ref().map(Into::into),
            seconds: elapsed.as_secs_f64(),
            reasons: groups.iter().map(FailureReason::new).collect(),
            failures: failures.collect(),
        })?;
    } else if progress.loaded() > 0
        && let Err(error) = show_items(context, file, resources, progress, show_sensitive).await
    {
        not_shown(context, "the items", error)?;
    }
    progress.verdict()
}

/// Warns about a part of the output that the caller has no permission to read; the outcome stays the same.
fn not_shown(context: &Context, what: &str, error: Error) -> Result<()> {
    match error {
        Error::Aws(_) => {
            let text = error.message().map(|message| message.text).unwrap_or_default();
            context.ui.warn(format!("{what} can't be shown: {text}"));
            Ok(())
        }
        other => Err(other),
    }
}

/// An object that was uploaded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UploadedObject<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The object.
    object: StoredObject<'a>,
}

/// With `--wait`: an object that was uploaded, and what became of its rows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LoadedObject<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The object.
    object: StoredObject<'a>,
    /// The number of rows; null when the file could not be read.
    rows: Option<u64>,
    /// Rows that are in the table, or have deleted an item.
    loaded: u64,
    /// The loaded rows that have deleted an item; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// Rows that were left out on purpose; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
    /// The skipped rows that `load` left out, because the table had an item of their key; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<u64>,
    /// Rows that failed.
    failed: u64,
    /// What `snapshot` did afterwards; absent in a stack without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotCounts<'a>>,
    /// Duration.
    seconds: f64,
    /// The failures, by reason.
    reasons: Vec<FailureReason<'a>>,
    /// The failures, row by row; the first 10,000.
    failures: Vec<UploadFailure<'a>>,
}

/// Rows that failed for the same reason.
#[derive(Debug, Serialize, JsonSchema)]
struct FailureReason<'a> {
    /// The stage that failed; null where no tally is kept.
    #[schemars(extend("enum" = ["extraction", "transform", "load", null]))]
    stage: Option<&'a str>,
    /// The reason, as in `failed` events; `deployer docs REASON` explains it.
    reason: &'a str,
    /// For people, about the first of the rows; null when it was not found.
    message: Option<&'a str>,
    /// The number of rows; missing when the file as a whole failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// The first and the last row of each range; the first ranges only.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges: Option<Vec<(u64, u64)>>,
    /// The number of rows in ranges that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

impl<'a> FailureReason<'a> {
    fn new(group: &'a Group) -> Self {
        let (ranges, more) = group.rows.as_ref().map(progress::ranges).unzip();
        Self {
            stage: group.stage.as_deref(),
            reason: &group.failure.reason,
            message: group.failure.message.as_deref(),
            rows: group.rows.as_ref().map(|rows| rows.len()),
            ranges,
            more,
        }
    }
}

/// A row that failed.
#[derive(Debug, Serialize, JsonSchema)]
struct UploadFailure<'a> {
    /// Its number in the file; null for the file as a whole.
    record: Option<u64>,
    /// The reason, as in `failed` events.
    reason: &'a str,
    /// For people.
    message: Option<&'a str>,
}

/// Returns the fields of the only `transform`, and the table that the only `load` writes: both are needed to find the
/// items of a file.
fn fields_and_table(stack: &Stack) -> Option<(&[FieldSettings], &Resource)> {
    let only = |worker| {
        let mut found = stack.functions().filter(|(_, function)| function.worker() == Some(worker));
        match (found.next(), found.next()) {
            (Some((_, only)), None) => Some(only),
            _ => None,
        }
    };
    let fields = &only(Worker::Transform)?.settings.as_ref()?.transform.fields;
    let written = loading::written(only(Worker::Load)?).next()?;
    let resource = stack.resource(&written.resource.name)?;
    match &resource.is {
        ResourceType::Table(_) => Some((fields, resource)),
        _ => None,
    }
}

/// Shows the items of the first rows of the file, in the columns that `transform` makes. A sensitive value doesn't even
/// leave the table unless it was requested.
async fn show_items(
    context: &Context,
    file: &Uploaded<'_>,
    resources: &[StackResource],
    progress: &Progress,
    show_sensitive: bool,
) -> Result<()> {
    let Some((fields, resource)) = fields_and_table(file.stack) else { return Ok(()) };
    let keys = &file.keys;
    if keys.is_empty() {
        return Ok(());
    }
    let hidden = |field: &&FieldSettings| field.sensitive && !show_sensitive;
    let asked: Vec<String> =
        fields.iter().filter(|field| !hidden(field)).map(|field| field.name.clone()).collect();
    let name = physical(resources, file.stack, &resource.name)?;
    let different: BTreeSet<items::Key> = keys.values().cloned().collect();
    let items = items::get(file.session, name, &different, &asked).await?;
    let rows: Vec<Vec<String>> = keys
        .iter()
        // The item with the key of a skipped row comes from another row or another file.
        .filter(|(row, _)| !progress.is_skipped(**row))
        .filter_map(|(row, key)| Some((row, items.get(key)?)))
        .map(|(row, item)| {
            let value = |field: &FieldSettings| match hidden(&field) {
                true => SENSITIVE.to_owned(),
                false => item.get(&field.name).cloned().unwrap_or_default(),
            };
            std::iter::once(row.to_string()).chain(fields.iter().map(value)).collect()
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let all = progress.rows().is_some_and(|all| all == rows.len() as u64);
    let which = if all { "the rows" } else { "the first rows" };
    context.ui.note(format!("\nItems of {which} of this file in table {name}:"));
    if fields.iter().any(|field| hidden(&field)) {
        context.ui.note(format!("{SENSITIVE}: `--show-sensitive` shows the value"));
    }
    let head: Vec<String> =
        std::iter::once("row".to_owned()).chain(fields.iter().map(|field| field.name.clone())).collect();
    context.ui.data(&deployer_base::ui::wide_table(&head, rows))
}

/// The text shown instead of a sensitive value.
const SENSITIVE: &str = "(sensitive)";
