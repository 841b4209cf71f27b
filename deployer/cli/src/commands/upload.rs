//! `deployer upload`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::ObjectRef;
use serde_json::json;
use stack_core::Stack;
use stack_core::assets::Worker;
use stack_core::model::access::Verb;
use stack_core::model::bucket::BucketEvent;
use stack_core::model::{Resource, ResourceType};

use super::tally::Place;
use super::{logs, tally};
use crate::aws::Pause;
use crate::aws::cloudformation::{CloudFormation, StackResource};
use crate::aws::log_events::LogReader;
use crate::aws::session::Session;
use crate::aws::{items, objects};
use crate::context::Context;
use crate::error::{Error, Message, Result};
use crate::pipeline::{self, landing, physical};
use crate::progress::{Entry, Progress};

/// Uploads a CSV file to the stack's bucket, which starts the pipeline.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file.
    path: PathBuf,
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
    /// Key of the object; the name of the file unless given.
    #[arg(long)]
    key: Option<String>,
    /// Name in the stack file of the bucket, when there are several.
    #[arg(long)]
    bucket: Option<String>,
    /// Shows how far the rows are, until each is in the table or has failed.
    #[arg(long)]
    wait: bool,
    /// Gives up waiting after this.
    #[arg(long, value_name = "DURATION", default_value = "15m", requires = "wait", value_parser = duration)]
    timeout: u64,
}

fn duration(text: &str) -> std::result::Result<u64, String> {
    stack_core::units::parse_duration(text).ok_or_else(|| "expected a duration such as 90s or 15m".to_owned())
}

/// Events that are shown one by one; behind these only the counts.
const SHOWN_EVENTS: usize = 60;
/// Items that are shown at the end.
const SHOWN_ITEMS: i32 = 20;
/// Failed rows that are listed in the document.
const LISTED_FAILURES: usize = 10_000;
/// How often the counts are shown.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let landing = landing(&stack, args.bucket.as_deref())?;
    let key = match &args.key {
        Some(key) => key.clone(),
        None => default_key(&args.path)?,
    };
    check_file(&args.path)?;
    check_key(context, landing, &key, args.wait)?;
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = cloudformation.resources(&stack.name).await?;
    let bucket = physical(&resources, &stack, &landing.name)?.to_owned();
    // A stack that was deployed before it kept a tally has a log all the same.
    let tally = pipeline::tally(&stack).ok().filter(|name| physical(&resources, &stack, name).is_ok());
    // Before the upload: its first events may be there before its answer.
    let reader = match (args.wait, tally) {
        (true, None) => Some(observer(&session, &stack, &resources)?),
        _ => None,
    };
    let started = Instant::now();
    let stored = objects::put(&session, &bucket, &key, &args.path).await?;
    context.on_interrupt("the pipeline goes on", "`deployer logs observe --follow` shows what happens");
    context.ui.step("uploaded", format!("{} → s3://{bucket}/{key}", args.path.display()));
    let object =
        ObjectRef { bucket: bucket.clone(), key, version: stored.version, etag: stored.etag, uploaded: None };
    let limit = Duration::from_secs(args.timeout);
    let Some(reader) = reader else {
        if let (true, Some(tally)) = (args.wait, tally) {
            let place = Place::new(&session, resources, &stack, tally, Some(bucket))?;
            let progress = follow(context, &place, object, limit).await?;
            return finish(context, &session, &stack, place.resources(), &progress, started.elapsed()).await;
        }
        if context.ui.is_json() {
            return context.ui.json(json!({ "stack": stack.name, "object": object }));
        }
        context.ui.note("\n`deployer logs observe --follow` shows what happens to it");
        return Ok(());
    };
    let progress = wait(context, reader, Progress::new(object), limit).await?;
    finish(context, &session, &stack, &resources, &progress, started.elapsed()).await
}

fn default_key(path: &Path) -> Result<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Error::Usage(
            Message::new(format!("the name of {} can't be a key", path.display()))
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

/// An object that matches no notification starts nothing; nobody should wait for it.
fn check_key(context: &Context, bucket: &Resource, key: &str, wait: bool) -> Result<()> {
    let starts = match &bucket.is {
        ResourceType::Bucket(model) => model.notify.iter().any(|notify| {
            notify.on == BucketEvent::Created
                && notify.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
                && notify.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix))
        }),
        _ => false,
    };
    let text = format!("the key `{key}` matches no `notify` of `{}`, so nothing starts", bucket.name);
    match (starts, wait) {
        (true, _) => Ok(()),
        (false, true) => Err(Error::Usage(Message::new(text).hint("give another key with `--key`"))),
        (false, false) => {
            context.ui.warn(text);
            Ok(())
        }
    }
}

/// The log of the function that sees every event.
fn observer(session: &Session, stack: &Stack, resources: &[StackResource]) -> Result<LogReader> {
    let observer = stack.functions().find(|(_, function)| function.worker() == Some(Worker::Observe));
    let group = observer.and_then(|(resource, _)| logs::log_group(resources, &resource.name));
    let Some(group) = group else {
        return Err(Error::Usage(
            Message::new("`--wait` needs a function with `worker: observe`, and the deployed stack has none")
                .hint("add one with `triggers: [{ bus: …, event: any }]`, and deploy"),
        ));
    };
    // Clocks of this machine and of AWS may differ.
    let skew = if session.local { 0 } else { 60_000 };
    Ok(LogReader::new(session, group, logs::now() - skew))
}

/// Waits by the tally.
async fn follow(context: &Context, place: &Place, object: ObjectRef, limit: Duration) -> Result<Progress> {
    let tally = tally::wait(context, place, &object, limit).await.map_err(|error| match error {
        Error::Incomplete(message) => Error::Failed(message),
        other => other,
    })?;
    Ok(Progress::of(object, &tally.unwrap_or_default(), LISTED_FAILURES))
}

/// Waits by the observer's log, where the stack keeps no tally.
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
            return Err(Error::failed_with_hint(
                format!("gave up waiting after {} s: {}", limit.as_secs(), progress.describe()),
                "`deployer logs` shows what functions and tasks say; dead-letter queues keep what failed too often",
            ));
        }
        // Watching must not slow down what is watched, so it takes a tenth of the time at most.
        tokio::join!(pause.wait(), tokio::time::sleep(cost * 9));
    }
}

async fn finish(
    context: &Context,
    session: &Session,
    stack: &Stack,
    resources: &[StackResource],
    progress: &Progress,
    elapsed: Duration,
) -> Result<()> {
    context.ui.step("rows", format!("{} in {:.1} s", progress.describe(), elapsed.as_secs_f32()));
    for (record, reason) in progress.failures().take(10) {
        let what = record.map_or_else(|| "the file".to_owned(), |record| format!("row {record}"));
        context.ui.step("failed", format!("{what}: {reason}"));
    }
    if context.ui.is_json() {
        context.ui.json(json!({
            "stack": stack.name,
            "object": progress.object,
            "rows": progress.rows(),
            "loaded": progress.loaded(),
            "failed": progress.failed(),
            "seconds": elapsed.as_secs_f64(),
            "failures": progress.failures().map(|(record, reason)| json!({ "record": record, "reason": reason })).collect::<Vec<_>>(),
        }))?;
    } else {
        show_items(context, session, stack, resources).await?;
    }
    match (progress.file_failed(), progress.failed()) {
        (false, 0) => Ok(()),
        (true, _) => Err(Error::failed(format!(
            "s3://{}/{} could not be read",
            progress.object.bucket, progress.object.key
        ))),
        (false, failed) => {
            Err(Error::failed(format!("{failed} of {} rows failed", progress.rows().unwrap_or(failed))))
        }
    }
}

/// The first items of the table, in the columns that `transform` makes.
async fn show_items(
    context: &Context,
    session: &Session,
    stack: &Stack,
    resources: &[StackResource],
) -> Result<()> {
    let load = stack.functions().find(|(_, function)| function.worker() == Some(Worker::Load));
    let table =
        load.and_then(|(_, function)| function.access.iter().find(|access| access.verb == Verb::Write));
    let columns: Vec<String> = stack
        .functions()
        .filter_map(|(_, function)| function.settings.as_ref())
        .flat_map(|settings| settings.transform.fields.iter().map(|field| field.name.clone()))
        .collect();
    let (Some(table), false) = (table, columns.is_empty()) else { return Ok(()) };
    let name = physical(resources, stack, &table.resource.name)?;
    let (mut items, more) = items::first(session, name, SHOWN_ITEMS).await?;
    let key: Vec<String> = match stack.resource(&table.resource.name).map(|resource| &resource.is) {
        Some(ResourceType::Table(table)) => table.key.iter().map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    };
    // Numbers by value, as people count.
    items.sort_by_cached_key(|item| {
        key.iter()
            .map(|name| item.get(name).cloned().unwrap_or_default())
            .map(|text| (text.parse::<u64>().unwrap_or(u64::MAX), text))
            .collect::<Vec<_>>()
    });
    context.ui.note(format!("\nItems in table {name}{}:", if more { " (the first ones)" } else { "" }));
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|column| item.get(column).cloned().unwrap_or_default()).collect());
    context.ui.data(&crate::ui::wide_table(&columns, rows))
}
