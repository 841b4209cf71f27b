//! `deployer destroy`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deployer_aws::cloudformation::{CloudFormation, DeleteOptions, DeployedStack, StackResource, StackState};
use deployer_aws::dynamodb::tables;
use deployer_aws::s3::emptying;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::ListedResource;
use deployer_base::text::printable;
use deployer_base::ui::terminal_width;
use deployer_cfn::status::Status;
use deployer_cfn::template::Policy;
use deployer_lang::Compiled;
use deployer_lang::model::target::Removal;
use deployer_plan::diff;
use futures::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::data_loss::{self, Holds};
use crate::hotswap::Swapped;
use crate::operation::Operation;
use crate::plan;
use crate::records::{self, Finished, Kind, Remains};
use crate::recovery;
use crate::retry::{Repeated, Retries};
use crate::situation;
use crate::state::read_deployed;
use crate::tasks;
use crate::watch::{Goal, Outcome, Watch};

mod data;

/// Delete a deployed stack, after showing what is deleted and what is kept
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Delete the buckets, tables and log groups that would be kept, with all their data; also those that an earlier deletion kept
    #[arg(long)]
    delete_data: bool,
    /// Finish as soon as the deletion of each resource has begun, without waiting until it has disappeared everywhere
    #[arg(long, conflicts_with = "delete_data")]
    express: bool,
    #[command(flatten)]
    role: super::RoleArgs,
}

/// Interval at which the progress of emptying a bucket is shown.
const PROGRESS: Duration = Duration::from_secs(3);

/// A stack that is deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Destroyed<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The result.
    result: Deletion,
    /// Resources that are no longer part of a stack, and still exist.
    kept: Vec<ListedResource<'a>>,
    /// Physical IDs of kept resources that were deleted with their data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted_data: Vec<&'a str>,
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Deletion {
    /// The stack was deleted.
    Deleted,
    /// There was no stack.
    Absent,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let compiled = context.compile(args.stack.as_deref())?;
    let Compiled { stack, template, .. } = &compiled;
    let open = context.reach(&stack.target).await?;
    let cloudformation = CloudFormation::unidentified(&open);
    // The caller must be known before anything is done, but the question need not wait for the answer.
    let (session, deployed) = tokio::join!(open.identify(), cloudformation.describe(&stack.name));
    let session = session?;
    situation::greet(context, stack, &session)?;
    let deployed = deployed?;
    if stack.target.protect && (deployed.is_some() || args.delete_data) {
        return Err(Error::Refused(
            Message::new(format!("stack `{}` is protected", stack.target.stack))
                .hint("remove `protect: true` from the stack in the file first"),
        ));
    }
    let Some(deployed) = deployed else {
        if args.delete_data {
            return delete_remains(context, &session, &cloudformation, &stack.name).await;
        }
        context.ui.step("done", format!("nothing to do: {} is not deployed", stack.name));
        return result(context, &stack.name, Deletion::Absent, &[], &[]);
    };
    let role = args.role.or(stack.organisation.role_arn.clone(), &session)?;
    situation::show_role(context, role.as_deref(), Some(&deployed));
    let options = DeleteOptions { role: role.as_deref(), express: args.express };
    let origins = situation::origins(template);
    let watch = Watch {
        context,
        cloudformation: &cloudformation,
        stack_id: &deployed.id,
        goal: Goal::Destroy,
        origins: &origins,
        expected: None,
    };
    context.on_interrupt("nothing was deleted", "run `deployer destroy` again");
    let (doomed, last) = if Status::of(&deployed.status) == Status::DeleteInProgress {
        context.ui.step("waiting", format!("{} is already being deleted", deployed.name));
        let (doomed, operation) = tokio::join!(
            DeletionPlan::read(&cloudformation, &deployed),
            Operation::find(&cloudformation, &deployed)
        );
        // The deletion goes on in any case, so its end must be watched.
        let doomed = doomed.map(|(doomed, _)| doomed).unwrap_or_else(|error| {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            context.ui.warn(format!("resources that are kept will be neither listed nor recorded: {why}"));
            DeletionPlan::default()
        });
        if args.delete_data {
            let (doomed_data, _) = split(&doomed.kept);
            describe_data(context, &session, &doomed_data, "deletes").await?;
            confirm_data(context, &stack.name, &doomed_data, "").await?;
        }
        (doomed, operation?.before)
    } else if deployed.state == StackState::Busy {
        return Err(Error::Refused(
            Message::new(format!("{} is in {}", deployed.name, deployed.status))
                .hint("`deployer recover` watches that operation until it finishes; nothing was deleted"),
        ));
    } else {
        let (doomed, last) =
            prepare(context, &session, &cloudformation, &compiled, &deployed, args.delete_data).await?;
        if deployed.protected {
            // Only here: until now the deletion may have ended, and left the stack unchanged.
            cloudformation.protect(&deployed.id, false).await?;
        }
        cloudformation.delete_with(&deployed.id, options).await?;
        (doomed, last)
    };
    let watched = || {
        context.on_interrupt("CloudFormation continues the deletion", "`deployer destroy` watches it again");
    };
    watched();
    let started = Instant::now();
    let ended = async {
        let (mut last, mut retries) = (last, Retries::default());
        while let Outcome::Failed { message, .. } = watch.until_end(last).await? {
            if session.local || !retries.wait(context, Repeated::Cleanup, &message).await {
                return Err(Error::Deployment(message));
            }
            last = cloudformation.past(&deployed.id).await?.last;
            cloudformation.delete_with(&deployed.id, options).await?;
            watched();
        }
        Ok(())
    };
    let ready = records::prepare(context, &session, &stack.name, doomed.remains.template.as_deref());
    let (ended, ready) = tokio::join!(ended, ready);
    ended?;
    if let Some(left) = cloudformation.describe(&stack.name).await? {
        return Err(Error::Deployment(Message::new(format!(
            "{} still exists, in {}",
            left.name, left.status
        ))));
    }
    let finished = Finished {
        stack: &stack.name,
        stack_id: &deployed.id,
        kind: Kind::Destroy,
        cause: None,
        took: started.elapsed(),
        template: doomed.remains.template.as_deref(),
        parameters: &deployed.parameters,
        tags: &deployed.tags,
        changes: &[],
        remains: Some(&doomed.remains),
    };
    let (written, forgotten, verified) = tokio::join!(
        records::write(context, &session, ready, &finished),
        Swapped::forget(&session, &stack.name),
        verify(context, &session, &doomed, args.express)
    );
    records::tell(context, written);
    forgotten?;
    verified?;
    let (deleted, kept) = if args.delete_data { split(&doomed.kept) } else { (Vec::new(), doomed.kept) };
    data::delete(context, &session, &deleted).await?;
    context.ui.step("done", format!("{} is deleted", stack.name));
    list_kept(context, &kept);
    if kept.iter().any(data::is_deletable) {
        let word = &stack.target.stack;
        context.ui.note(format!(
            "\n`deployer deploy {word}` makes them part of the stack again; `deployer destroy {word} --delete-data` deletes those with \
             data"
        ));
    }
    result(context, &stack.name, Deletion::Deleted, &kept, &deleted)
}

/// Divides kept resources into those whose data `--delete-data` deletes, and the others.
fn split(kept: &[StackResource]) -> (Vec<StackResource>, Vec<StackResource>) {
    kept.iter().cloned().partition(data::is_deletable)
}

/// Asks for the name of the stack before data is deleted, if there is any.
async fn confirm_data(context: &Context, stack: &str, doomed: &[StackResource], also: &str) -> Result<()> {
    if doomed.is_empty() {
        return Ok(());
    }
    let noun =
        if doomed.len() == 1 { "1 kept resource" } else { &format!("{} kept resources", doomed.len()) };
    let question = format!("{also}Delete {noun} of {stack} with all data (shown above), for good?");
    context.ui.confirm_by_name(&question, stack).await
}

/// Deletes what earlier deletions of a stack have kept.
async fn delete_remains(
    context: &Context,
    session: &Session,
    cloudformation: &CloudFormation,
    stack: &str,
) -> Result<()> {
    let remains = data::remains(context, session, cloudformation, stack).await?;
    let (doomed, kept) = split(&remains);
    if doomed.is_empty() {
        context.ui.step("done", format!("nothing to do: {stack} is not deployed, and has left no data"));
    } else {
        describe_data(context, session, &doomed, "deletes").await?;
        context.on_interrupt("nothing was deleted", "run `deployer destroy --delete-data` again");
        confirm_data(context, stack, &doomed, "").await?;
        data::delete(context, session, &doomed).await?;
        context.ui.step("done", format!("the data that {stack} had left is deleted"));
    }
    list_kept(context, &kept);
    result(context, stack, Deletion::Absent, &kept, &doomed)
}

/// The resources that a deletion affects.
#[derive(Debug, Default)]
struct DeletionPlan {
    /// Resources that are kept.
    kept: Vec<StackResource>,
    /// Resources that are deleted.
    lost: Vec<StackResource>,
    /// The record of the kept ones.
    remains: Remains,
}

impl DeletionPlan {
    /// Reads the resources of a stack, and divides them by the deployed template, which CloudFormation obeys whatever
    /// the file contains. Also returns that template.
    async fn read(cloudformation: &CloudFormation, deployed: &DeployedStack) -> Result<(Self, Value)> {
        let (text, mut resources) =
            tokio::try_join!(cloudformation.template(&deployed.id), cloudformation.resources(&deployed.id))?;
        let text = text.unwrap_or_default();
        let template = read_deployed(&text)?;
        let retained = |resource: &StackResource| {
            let policy = &template["Resources"][&resource.logical_id]["DeletionPolicy"];
            policy.as_str().is_some_and(|policy| policy.starts_with("Retain"))
        };
        // A resource that a deletion in progress has left behind or deleted is still named.
        let named =
            |one: &StackResource| !one.physical_id.is_empty() && Status::of(&one.status).is_deletion();
        resources.retain(|one| one.exists() || named(one));
        // By type and physical ID, since logical IDs are not shown.
        resources.sort_by(|a, b| (&a.resource_type, &a.physical_id).cmp(&(&b.resource_type, &b.physical_id)));
        let (mut kept, lost): (Vec<StackResource>, Vec<StackResource>) =
            resources.into_iter().partition(retained);
        kept.retain(|one| Status::of(&one.status) != Status::DeleteComplete);
        let remains = Remains::new(&text, &template, &kept, &lost);
        Ok((Self { kept, lost, remains }, template))
    }
}

/// Checks with the services themselves that resources with data are gone, or are still there if they were to be kept.
///
/// CloudFormation reports the deletion of each resource before that of the stack; but its report is not enough for
/// resources with data.
async fn verify(context: &Context, session: &Session, doomed: &DeletionPlan, express: bool) -> Result<()> {
    let kept = doomed.kept.iter().map(|resource| (resource, true));
    // In express mode, deleted resources disappear later.
    let lost = doomed.lost.iter().filter(|_| !express);
    let all = kept.chain(lost.map(|resource| (resource, false)));
    let asked = all.map(async |(resource, stays)| {
        let there = match resource.resource_type.as_str() {
            "AWS::S3::Bucket" => emptying::bucket_exists(session, &resource.physical_id).await,
            "AWS::DynamoDB::Table" => tables::exists(session, &resource.physical_id).await,
            _ => return None,
        };
        Some((resource, stays, there))
    });
    let mut wrong = Vec::new();
    for (resource, stays, there) in join_all(asked).await.into_iter().flatten() {
        match there {
            Ok(there) if there == stays => {}
            Ok(true) => wrong.push(format!("{} still exists", resource.physical_id)),
            Ok(false) => {
                wrong.push(format!("{} should have been kept, but does not exist", resource.physical_id))
            }
            // The stack is deleted in any case.
            Err(error) => context.ui.warn(printable(&format!(
                "not verified: {} of {} failed: {}",
                error.operation, error.resource, error.message
            ))),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Deployment(
        Message::new(printable(&format!("the stack is deleted, but {}", wrong.join(", "))))
            .hint("check it in its own service: CloudFormation no longer manages it"),
    ))
}

/// Lists the commands that delete the resources that are kept without a stack.
pub fn list_kept(context: &Context, kept: &[StackResource]) {
    let width = terminal_width();
    for (index, resource) in kept.iter().enumerate() {
        if index == 0 {
            let count = if kept.len() == 1 { "1 resource" } else { &format!("{} resources", kept.len()) };
            context.ui.note(format!("\nThe account keeps {count}. To delete what you no longer need:"));
        }
        for line in recovery::delete_lines(resource, width) {
            context.ui.note(format!("  {}", printable(&line)));
        }
    }
}

/// Empties a bucket, and shows the progress every few seconds.
pub async fn empty(context: &Context, session: &Session, bucket: &str) -> Result<()> {
    let done = AtomicUsize::new(0);
    let watch = async {
        loop {
            tokio::time::sleep(PROGRESS).await;
            let count = done.load(Ordering::Relaxed);
            context.ui.step("emptying", format!("{bucket}: {} deleted", object_versions(count)));
        }
    };
    let emptied = tokio::select! {
        emptied = emptying::empty(session, bucket, &done) => emptied,
        () = watch => return Ok(()),
    };
    let emptied = match emptied {
        // A bucket that somebody else removed is not an error.
        Err(error) if error.is("NoSuchBucket") => return Ok(()),
        emptied => emptied?,
    };
    if emptied.deleted > 0 {
        context.ui.step("emptied", format!("{bucket} ({})", object_versions(emptied.deleted)));
    }
    if emptied.refused == 0 {
        return Ok(());
    }
    let named = emptied.examples.iter().map(|(key, code, message)| format!("{key} ({code}: {message})"));
    Err(Error::Refused(
        Message::new(printable(&format!(
            "{} of the bucket {bucket} can't be deleted, such as {}",
            object_versions(emptied.refused),
            named.collect::<Vec<_>>().join(", ")
        )))
        .hint("a retention period, a legal hold or a bucket policy prevents it; the stack was not deleted"),
    ))
}

/// Shows the losses and the kept resources, asks, and empties the buckets that must be empty. Returns the plan of the
/// deletion, and the last event before it.
///
/// CloudFormation obeys the deployed template and not the current file; so does this function.
async fn prepare(
    context: &Context,
    session: &Session,
    cloudformation: &CloudFormation,
    Compiled { stack, template: file, .. }: &Compiled,
    deployed: &DeployedStack,
    delete_data: bool,
) -> Result<(DeletionPlan, Option<String>)> {
    let (mut doomed, template) = DeletionPlan::read(cloudformation, deployed).await?;
    // What an earlier attempt deleted is neither counted nor verified.
    doomed.lost.retain(StackResource::exists);
    let protected: Vec<String> = plan::protected(&template).into_iter().collect();
    if !protected.is_empty() {
        return Err(Error::Refused(
            Message::new(format!(
                "{} has resources with `protect: true`: {}",
                deployed.name,
                protected.join(", ")
            ))
            .hint("remove that `protect` from the file and run `deployer deploy` first; nothing was deleted"),
        ));
    }
    let DeletionPlan { kept, lost, .. } = &doomed;
    // `options.retain: false` counts only for a resource that the file still names.
    let given_up = |one: &StackResource| {
        let found = file.resources.iter().find(|(id, _)| *id == one.logical_id);
        found.is_some_and(|(_, resource)| matches!(resource.policy, None | Some(Policy::Delete)))
    };
    // `removal` doesn't apply to queues: they are deleted with their stack.
    let is_kept = |kind: &str| diff::holds(kind).is_some() && kind != "AWS::SQS::Queue";
    let holds_data = |one: &&StackResource| is_kept(&one.resource_type) && !given_up(one);
    if stack.target.removal == Removal::Keep
        && let Some(data) = lost.iter().find(holds_data)
    {
        return Err(Error::Refused(
            Message::new(format!(
                "the file keeps the data of `{}`, but {} would be deleted: it was deployed with another `removal`",
                stack.target.stack, data.logical_id
            ))
            .hint("run `deployer deploy` first, or set `removal: delete`; nothing was deleted"),
        ));
    }
    let (keeps, deletes, running) =
        tokio::join!(data_of(session, kept), data_of(session, lost), tasks::running(context, session, lost));
    let (with_data, _) = if delete_data { split(kept) } else { (Vec::new(), Vec::new()) };
    for (kept, line) in keeps? {
        let deleted = with_data.iter().any(|one| one.physical_id == kept.physical_id);
        context.ui.step(if deleted { "deletes" } else { "keeps" }, line);
    }
    tell_data(context, "deletes", &deletes?);
    if deployed.protected {
        // The file doesn't ask for protection; otherwise the command would have ended above.
        context.ui.step("also", "termination protection is on, and will be turned off");
    }
    let running = running?;
    let noun = if lost.len() == 1 { "resource" } else { "resources" };
    let mut question = format!("Delete the stack {} with {} {noun}", stack.name, lost.len());
    if running.count() > 0 {
        context
            .ui
            .step("stops", format!("{}: a cluster with active tasks cannot be deleted", running.describe()));
        question.push_str(&format!(", and stop {}", running.describe()));
    }
    match with_data.is_empty() {
        true => context.ui.confirm(&format!("{question}?")).await?,
        false => confirm_data(context, &stack.name, &with_data, &format!("{question}? ")).await?,
    }
    if running.count() > 0 {
        context.on_interrupt("some tasks may be stopped already", "run `deployer destroy` again");
        running.stop(context).await?;
    }
    let buckets: Vec<_> = lost.iter().filter(|one| one.resource_type == "AWS::S3::Bucket").collect();
    if !buckets.is_empty() {
        context.on_interrupt("some objects may be deleted already", "run `deployer destroy` again");
    }
    let emptied = buckets.into_iter().map(|bucket| empty(context, session, &bucket.physical_id));
    let past = async { Ok::<_, Error>(cloudformation.past(&deployed.id).await?) };
    let (_, past) = tokio::try_join!(try_join_all(emptied), past)?;
    Ok((doomed, past.last))
}

/// Shows the data in resources that can't be restored.
pub async fn describe_data(
    context: &Context,
    session: &Session,
    resources: &[StackResource],
    word: &str,
) -> Result<()> {
    tell_data(context, word, &data_of(session, resources).await?);
    Ok(())
}

/// Describes the data in resources that can't be restored, one line each.
async fn data_of<'r>(
    session: &Session,
    resources: &'r [StackResource],
) -> Result<Vec<(&'r StackResource, String)>> {
    let holding: Vec<(&StackResource, &str)> =
        resources.iter().filter_map(|one| Some((one, diff::holds(&one.resource_type)?))).collect();
    let asked = holding.iter().map(|(one, _)| data_loss::of(session, &one.resource_type, &one.physical_id));
    let mut lines = Vec::new();
    for ((resource, what), holds) in holding.iter().zip(join_all(asked).await) {
        let kind = diff::kind_in_words(&resource.resource_type);
        let holds = match holds? {
            Holds::This(holds) => holds,
            // An empty table or bucket is worth a line; there are too many queues and logs for that.
            Holds::Nothing if matches!(kind.as_str(), "bucket" | "table") => "nothing".to_owned(),
            Holds::Nothing => continue,
            Holds::Unknown => format!("all {what}"),
        };
        lines.push((*resource, format!("{kind} {}: {holds}", resource.physical_id)));
    }
    Ok(lines)
}

fn tell_data(context: &Context, word: &str, lines: &[(&StackResource, String)]) {
    for (_, line) in lines {
        context.ui.step(word, line);
    }
}

/// Returns a number of object versions in words.
fn object_versions(count: usize) -> String {
    match count {
        1 => "1 object version".to_owned(),
        count => format!("{count} object versions"),
    }
}

fn result(
    context: &Context,
    stack: &str,
    result: Deletion,
    kept: &[StackResource],
    deleted: &[StackResource],
) -> Result<()> {
    if context.ui.is_json() {
        let deleted_data = deleted.iter().map(|one| one.physical_id.as_str()).collect();
        return context.ui.json(Destroyed {
            stack,
            result,
            kept: kept.iter().map(listed).collect(),
            deleted_data,
        });
    }
    Ok(())
}

/// Returns a resource for the JSON output.
pub fn listed(resource: &StackResource) -> ListedResource<'_> {
    ListedResource {
        logical_id: &resource.logical_id,
        physical_id: &resource.physical_id,
        resource_type: &resource.resource_type,
        delete_with: recovery::delete_command(resource),
    }
}
