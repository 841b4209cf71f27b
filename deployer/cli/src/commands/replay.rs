//! `deployer replay`.

use contract::ObjectRef;
use contract::assignment::{Replay, ReplayRequest};
use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::session::Session;
use deployer_aws::sqs::send;
use deployer_aws::sqs::send::Redrive;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::StoredObject;
use deployer_base::time;
use deployer_lang::Stack;
use schemars::JsonSchema;
use serde::Serialize;
use tally::{RowSet, Tally};

use super::tally::TallyHandle;
use crate::context::{Context, check_account};
use crate::pipeline::{self, physical};

/// Send rows of a file through the pipeline again, or messages of dead-letter queues
///
/// Sending a row again is safe: it becomes the same item.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["failed", "missing", "dead_letters"]))]
pub struct Args {
    /// Key of the object; with `--dead-letters`, the name of a queue in the stack file, all queues by default
    #[arg(value_name = "KEY|QUEUE")]
    subject: Option<String>,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Send the rows that failed, are not in the table and were not skipped
    #[arg(long)]
    failed: bool,
    /// Send the rows that are not in the table and were not reported as failed or skipped
    #[arg(long)]
    missing: bool,
    /// Send the messages of dead-letter queues, each back to the queue that it came from
    #[arg(long)]
    dead_letters: bool,
    /// Version of the object; the latest by default
    #[arg(long, value_name = "ID", conflicts_with = "dead_letters")]
    version_id: Option<String>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long, conflicts_with = "dead_letters")]
    bucket: Option<String>,
}

/// Rows that were sent again.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Replayed<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The object that the rows are in.
    object: StoredObject<'a>,
    /// The chosen rows: those that failed, or those that are missing.
    #[schemars(extend("enum" = [tally::FAILED, tally::MISSING]))]
    replay: &'a str,
    /// The number of rows when the replay was asked for.
    rows: u64,
    /// ID of the replay; null when there was nothing to send.
    id: Option<&'a str>,
}

/// With `--dead-letters`: messages that were sent back to their queues.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Redriven<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The number of messages.
    messages: usize,
    /// The same for each queue.
    queues: Vec<MovedMessages<'a>>,
}

/// Messages of one queue.
#[derive(Debug, Serialize, JsonSchema)]
struct MovedMessages<'a> {
    /// Name in the file of the queue, or of the resource that it was created for.
    queue: &'a str,
    /// URL of the dead-letter queue.
    from: &'a str,
    /// URL of the queue.
    to: &'a str,
    /// The number of messages.
    messages: usize,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    if args.dead_letters {
        return dead_letters(context, args).await;
    }
    let Some(key) = &args.subject else {
        return Err(Error::Usage(
            Message::new("the key of the object is missing").hint("write `deployer replay KEY --failed`"),
        ));
    };
    let replay = if args.failed { Replay::Failed } else { Replay::Missing };
    let stack = context.load_stack(args.stack.as_deref())?;
    let queue = pipeline::arrivals(&stack)?;
    let place = TallyHandle::find(context, &stack, args.bucket.as_deref(), true).await?;
    check_account(&stack.target, place.session())?;
    let object = place.object(key, args.version_id.as_deref()).await?;
    let url = physical(place.resources(), &stack, queue)?;
    let known = place.read(&object).await?;
    let Some(known) = known else {
        return Err(Error::failed_with_hint(
            format!("the tally has no record of s3://{}/{}", object.bucket, object.key),
            "upload it again, which sends every row",
        ));
    };
    // With the version that the tally has of the object, which may be more than was requested.
    let object = known.summary.object.clone().unwrap_or(object);
    let (asked, what) = rows_of(&known, replay);
    let rows = asked.len();
    let answer =
        |id| Replayed { stack: &stack.name, object: StoredObject::from(&object), replay: what, rows, id };
    if rows == 0 {
        context.ui.note(match (replay, known.total()) {
            (Replay::Missing, None) => {
                "Nothing to resend: the file was never read completely. Upload it again.".to_owned()
            }
            _ => format!("Nothing to resend: no row of s3://{}/{} is {what}.", object.bucket, object.key),
        });
        return if context.ui.is_json() { context.ui.json(answer(None)) } else { Ok(()) };
    }
    if matches!(replay, Replay::Missing) && known.total().is_none() {
        context.ui.note("The file was not read completely: rows that no task has read yet are not included.");
    }
    let noun = if rows == 1 { "row" } else { "rows" };
    context
        .ui
        .confirm(&format!("Send {rows} {what} {noun} of s3://{}/{} again?", object.bucket, object.key))
        .await?;
    let id = send_again(&place, url, &object, replay, &asked).await?;
    context.ui.step("sent", format!("{rows} {what} {noun} of s3://{}/{}", object.bucket, object.key));
    if context.ui.is_json() {
        return context.ui.json(answer(Some(&id)));
    }
    context.ui.note(format!("\n`deployer tally {key} --wait` waits for them"));
    Ok(())
}

/// Returns the rows that a replay sends, and the word for them.
pub fn rows_of(tally: &Tally, replay: Replay) -> (RowSet, &'static str) {
    match replay {
        Replay::Failed => (tally.failed(), tally::FAILED),
        Replay::Missing => (tally.missing(), tally::MISSING),
    }
}

/// Sends rows of an object through the pipeline again, by its queue of arrivals, and returns the ID of the replay.
///
/// # Errors
/// Returns the error of AWS, after which nothing was sent.
pub async fn send_again(
    place: &TallyHandle,
    queue_url: &str,
    object: &ObjectRef,
    replay: Replay,
    rows: &RowSet,
) -> Result<String> {
    let what = match replay {
        Replay::Failed => tally::FAILED,
        Replay::Missing => tally::MISSING,
    };
    let id = time::stamp();
    // The events of its rows name the replay that they belong to.
    let of_replay = ObjectRef { replay: Some(id.clone()), ..object.clone() };
    let request = ReplayRequest { replay, object: of_replay, id: id.clone() };
    let body = serde_json::to_string(&request).map_err(|error| Error::failed(error.to_string()))?;
    // First, so that a reader who looks right after this can't miss it.
    place.ask(object, &id, what, rows).await?;
    if let Err(error) = send::message(place.session(), queue_url, &body).await {
        place.withdraw(object, &id).await;
        return Err(error.into());
    }
    Ok(id)
}

/// A queue and its dead letters, which are moved back to it.
struct QueueRedrive {
    redrive: Redrive,
    /// Logical ID of the queue, for people.
    queue: String,
}

async fn dead_letters(context: &Context, args: &Args) -> Result<()> {
    let (stack, queue) = stack_and_queue(context, args)?;
    if let Some(queue) = queue
        && stack.resource(queue).is_none()
    {
        return Err(Error::Usage(
            Message::new(format!("no queue is named `{queue}`"))
                .hint("name a queue of the file, or the function that the queue starts"),
        ));
    }
    let session = context.connect(&stack.target).await?;
    check_account(&stack.target, &session)?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = cloudformation.resources(&stack.name).await?;
    let found = redrives(context, &session, &stack, &resources, queue).await?;
    let total: usize = found.iter().map(|one| one.redrive.messages).sum();
    if total > 0 {
        for one in found.iter().filter(|one| one.redrive.messages > 0) {
            context.ui.step("waiting", format!("{}: about {}", one.queue, one.redrive.messages));
        }
        let noun = if total == 1 { "message" } else { "messages" };
        context.ui.confirm(&format!("Send about {total} {noun} back to their queues?")).await?;
    }
    context.on_interrupt(
        "messages that were not moved are still in the dead-letter queues",
        "run the command again",
    );
    let mut moved = Vec::new();
    let mut count = 0;
    for QueueRedrive { redrive, queue } in &found {
        // A message that fails again meanwhile and comes back is not moved in circles.
        let messages = send::move_messages(&session, &redrive.from, &redrive.to, redrive.messages).await?;
        if messages > 0 {
            context.ui.step("moved", format!("{queue}: {messages}"));
        }
        count += messages;
        moved.push(MovedMessages { queue, from: &redrive.from, to: &redrive.to, messages });
    }
    if context.ui.is_json() {
        return context.ui.json(Redriven { stack: &stack.name, messages: count, queues: moved });
    }
    if count == 0 {
        context.ui.note("no dead letters; nothing was sent");
    }
    Ok(())
}

/// Returns the stack and the queue that are meant: `replay --dead-letters dev` means the stack `dev`, unless a resource
/// has that name.
fn stack_and_queue<'a>(context: &Context, args: &'a Args) -> Result<(Stack, Option<&'a str>)> {
    let queue = args.subject.as_deref();
    if let (Some(name), None) = (queue, &args.stack) {
        let document = context.load()?.document;
        if document.stacks.iter().any(|stack| stack.stack == name) && !document.has_resource(name) {
            return Ok((context.load_stack(Some(name))?, None));
        }
    }
    Ok((context.load_stack(args.stack.as_deref())?, queue))
}

/// Returns the queues of a stack that have dead letters, or only the queue that is named: by itself, or by the function
/// or rule that it was made for.
async fn redrives(
    context: &Context,
    session: &Session,
    stack: &Stack,
    resources: &[StackResource],
    name: Option<&str>,
) -> Result<Vec<QueueRedrive>> {
    let queues: Vec<&StackResource> =
        resources.iter().filter(|resource| resource.resource_type == "AWS::SQS::Queue").collect();
    let urls: Vec<&str> = queues.iter().map(|queue| queue.physical_id.as_str()).collect();
    let (redrives, shared) = send::redrives(session, &urls).await?;
    for url in shared {
        context.ui.warn(format!(
            "{url} is the dead-letter queue of several queues, so the origin of its messages is not known"
        ));
    }
    let found = redrives.into_iter().filter_map(|redrive| {
        let queue = queues.iter().find(|queue| queue.physical_id == redrive.to)?;
        let queue = pipeline::owner(stack, &queue.logical_id).unwrap_or(&queue.logical_id).to_owned();
        name.is_none_or(|name| name == queue).then_some(QueueRedrive { redrive, queue })
    });
    Ok(found.collect())
}
