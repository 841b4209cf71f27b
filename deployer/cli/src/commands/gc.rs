//! `deployer gc`.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::cloudformation::stacks;
use deployer_aws::error::AwsError;
use deployer_aws::published;
use deployer_aws::published::{Failures, Object};
use deployer_aws::s3::records as stored;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_base::output::Moment;
use deployer_base::time;
use deployer_build::{REPOSITORY, bucket_name};
use deployer_syntax::units::{self, human};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::gc::{self, Digest, Item, Needs, Rules, Verdict, What};

pub(super) mod kept;

/// Delete published code, templates and records that are no longer used
///
/// Checks everything that the deployer has published in the account and region of the stack, and every CloudFormation stack there.
/// Keeps anything used by a stack, a pending change set or a recent deployment, anything newer than `--older-than`, and anything
/// that it can't prove unused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stack whose account and region are cleaned up; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Number of successful records to keep for each stack, with the code that they use
    #[arg(long, default_value = "10", value_parser = at_least_one)]
    keep: usize,
    /// Keep anything newer than this, since a deployment in progress may have published it
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = duration)]
    older_than: u64,
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// List what deleted stacks have kept in the account, with its size and cost, and delete nothing
    #[arg(long, conflicts_with_all = ["keep", "older_than", "dry_run"])]
    kept: bool,
}

/// Number of stacks and records that are read at a time.
const PARALLEL: usize = 4;

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    text.parse().ok().filter(|keep| *keep > 0).ok_or_else(|| "expected a number of 1 or more".to_owned())
}

fn duration(text: &str) -> std::result::Result<u64, String> {
    units::parse_duration(text).ok_or_else(|| "expected a duration, such as 12h or 7d".to_owned())
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    // Before any listing: an object that is written from now on is young.
    let younger_than = time::now().saturating_sub(args.older_than);
    let handle = context.open(args.stack.as_deref()).await?;
    let session = &handle.session;
    let bucket = bucket_name(session);
    let what =
        if session.local { "the local cloud".to_owned() } else { format!("account {}", session.account) };
    context.ui.step("target", format!("{what}, {} as {}", session.region, session.caller));
    if args.kept {
        return kept::run(context, &context.load()?.document, session).await;
    }

    // The published objects first, then their users: an object that is published in between is not considered.
    let (objects, images) =
        tokio::try_join!(published::objects(session, &bucket), published::images(session, REPOSITORY))?;
    let mut items: Vec<Item> = objects
        .iter()
        .map(|object| Item {
            what: What::of_key(&object.key),
            name: object.key.clone(),
            bytes: object.bytes,
            written: object.modified,
        })
        .collect();
    items.extend(images.iter().map(|image| Item {
        what: What::of_image(&image.digest, image.tagged),
        name: image.digest.clone(),
        bytes: image.bytes,
        written: image.pushed,
    }));
    let needs = needs(context, session, &bucket, &items).await?;
    let verdicts = gc::judge(&items, &needs, Rules { keep: args.keep, younger_than });
    let garbage: Vec<&Item> = items
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| **verdict == Verdict::Garbage)
        .map(|(item, _)| item)
        .collect();
    let groups = groups(&items, &verdicts);
    if !context.ui.is_json() {
        show(context, &groups, &garbage)?;
    }
    let failures = if garbage.is_empty() || args.dry_run {
        Vec::new()
    } else {
        let size = human(garbage.iter().map(|item| item.bytes).sum());
        context.ui.confirm(&format!("Delete {} things, {size}?", garbage.len())).await?;
        context.on_interrupt("some of it may be deleted already", "run `deployer gc` again");
        delete(session, &bucket, &objects, &garbage).await?
    };
    let deleted = if args.dry_run { 0 } else { garbage.len() - failures.len().min(garbage.len()) };
    context.ui.step(
        "done",
        if args.dry_run { "nothing was deleted".to_owned() } else { format!("{deleted} deleted") },
    );
    if context.ui.is_json() {
        context.ui.json(document(&bucket, args.dry_run, &groups, &garbage, &failures))?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        [(name, why), ..] => {
            Err(Error::failed(format!("{} were not deleted, such as {name}: {why}", failures.len())))
        }
    }
}

/// Collects the needs of every stack and record that may use a published object.
async fn needs(context: &Context, session: &Session, bucket: &str, items: &[Item]) -> Result<Needs> {
    let records = items.iter().filter_map(|item| match &item.what {
        What::Record { stack, number } => Some((item.name.as_str(), stack.clone(), *number)),
        _ => None,
    });
    let records = records.map(async |(key, stack, number)| {
        let text = stored::get(session, bucket, key).await?;
        Ok::<_, AwsError>(((stack, number), text))
    });
    let records = futures::stream::iter(records).buffer_unordered(PARALLEL).try_collect::<BTreeMap<_, _>>();
    let notes = items.iter().filter_map(|item| match &item.what {
        What::Note(stack) => Some((item.name.as_str(), stack)),
        _ => None,
    });
    let notes = try_join_all(notes.map(async |(key, stack)| {
        let text = stored::get(session, bucket, key).await?.unwrap_or_default();
        Ok::<_, AwsError>((stack.clone(), gc::digests(&text)))
    }));
    let (all, records, notes) = tokio::try_join!(stacks::all(session), records, notes)?;
    let cloudformation = CloudFormation::new(session);
    let asks = all.iter().map(async |stack| (stack, named_by(session, &cloudformation, stack).await));
    let answers: Vec<_> = futures::stream::iter(asks).buffer_unordered(PARALLEL).collect().await;
    let named = all.iter().map(|stack| stack.name.clone()).collect();
    let mut needs = Needs { records, named, ..Needs::default() };
    for (stack, digests) in notes {
        needs.stacks.extend(digests.into_iter().map(|digest| (digest, stack.clone())));
    }
    for (stack, answer) in answers {
        match answer {
            Ok(digests) => {
                needs.stacks.extend(digests.into_iter().map(|digest| (digest, stack.name.clone())));
            }
            Err(error) => {
                let name = &stack.name;
                context
                    .ui
                    .warn(format!("the stack {name} can't be read: {}: {}", error.operation, error.message));
                needs.unread.push(name.clone());
            }
        }
    }
    Ok(needs)
}

/// Returns the digests that a stack names: in its parameters, its template, and its change sets that wait.
async fn named_by(
    session: &Session,
    cloudformation: &CloudFormation,
    stack: &stacks::Listed,
) -> std::result::Result<BTreeSet<Digest>, AwsError> {
    let waiting = async {
        if stack.may_wait { stacks::waiting_parameters(session, &stack.id).await } else { Ok(Vec::new()) }
    };
    let (template, waiting) = tokio::try_join!(cloudformation.template(&stack.id), waiting)?;
    let texts = stack.parameters.iter().chain(&waiting).chain(&template);
    Ok(texts.flat_map(|text| gc::digests(text)).collect())
}

async fn delete(session: &Session, bucket: &str, objects: &[Object], garbage: &[&Item]) -> Result<Failures> {
    let names: BTreeSet<&str> = garbage.iter().map(|item| item.name.as_str()).collect();
    // Records last: until then they describe the objects that are gone.
    let (records, others): (Vec<&Object>, Vec<&Object>) = objects
        .iter()
        .filter(|object| names.contains(object.key.as_str()))
        .partition(|object| matches!(What::of_key(&object.key), What::Record { .. }));
    let images = garbage.iter().filter(|item| matches!(item.what, What::Image(_)));
    let images: Vec<&str> = images.map(|item| item.name.as_str()).collect();
    let (mut failures, more) = tokio::try_join!(
        published::delete_objects(session, bucket, &others),
        published::delete_images(session, REPOSITORY, &images)
    )?;
    failures.extend(more);
    failures.extend(published::delete_objects(session, bucket, &records).await?);
    Ok(failures)
}

/// Items of one kind with the same verdict.
#[derive(Debug, PartialEq, Eq)]
struct Group<'v> {
    what: &'static str,
    verdict: &'v Verdict,
    count: usize,
    bytes: u64,
}

/// Groups the items: kept ones first, deleted ones last.
fn groups<'v>(items: &[Item], verdicts: &'v [Verdict]) -> Vec<Group<'v>> {
    let mut groups: BTreeMap<(&Verdict, &'static str), (usize, u64)> = BTreeMap::new();
    for (item, verdict) in items.iter().zip(verdicts) {
        let (count, bytes) = groups.entry((verdict, item.what.name())).or_default();
        *count += 1;
        *bytes += item.bytes;
    }
    groups
        .into_iter()
        .map(|((verdict, what), (count, bytes))| Group { what, verdict, count, bytes })
        .collect()
}

fn show(context: &Context, groups: &[Group<'_>], garbage: &[&Item]) -> Result<()> {
    let rows = groups.iter().map(|group| {
        [
            if *group.verdict == Verdict::Garbage { "delete" } else { "keep" }.to_owned(),
            group.what.to_owned(),
            group.count.to_string(),
            human(group.bytes),
            group.verdict.describe(),
        ]
    });
    context.ui.data(&deployer_base::ui::table(["", "what", "count", "size", "why"], rows))?;
    if garbage.is_empty() {
        return Ok(());
    }
    let now = time::now();
    let rows = garbage.iter().map(|item| {
        [item.what.name().to_owned(), item.name.clone(), human(item.bytes), time::ago(item.written, now)]
    });
    context.ui.data(&format!("\n{}", deployer_base::ui::table(["delete", "name", "size", "written"], rows)))
}

/// The published files, and those of them that are no longer used.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Collection<'a> {
    /// Name of the asset bucket.
    bucket: &'a str,
    /// Name of the image repository.
    repository: &'a str,
    /// `true` if nothing was deleted, because of `--dry-run`.
    dry_run: bool,
    /// The files that stay.
    kept: Vec<KeptGroup<'a>>,
    /// The files that are no longer used, and are deleted.
    garbage: Vec<GarbageItem<'a>>,
}

/// Things that stay for the same reason.
#[derive(Debug, Serialize, JsonSchema)]
struct KeptGroup<'a> {
    /// Kind of the files.
    #[schemars(extend("enum" = ["zip", "image", "template", "record", "note", "verification", "other"]))]
    what: &'a str,
    /// Number of the files.
    count: usize,
    /// Their size in bytes.
    bytes: u64,
    /// Why they stay.
    why: String,
}

/// A thing that is no longer used.
#[derive(Debug, Serialize, JsonSchema)]
struct GarbageItem<'a> {
    /// Kind of the file.
    #[schemars(extend("enum" = ["zip", "image", "template", "record", "verification"]))]
    what: &'a str,
    /// Key of the object, or digest of the image.
    name: &'a str,
    /// Its size in bytes.
    bytes: u64,
    /// Time at which it was written.
    #[schemars(with = "Moment")]
    written: String,
    /// Why it could not be deleted.
    failure: Option<&'a str>,
}

fn document<'a>(
    bucket: &'a str,
    dry_run: bool,
    groups: &'a [Group<'_>],
    garbage: &'a [&Item],
    failures: &'a Failures,
) -> Collection<'a> {
    let kept = groups.iter().filter(|group| *group.verdict != Verdict::Garbage).map(|group| KeptGroup {
        what: group.what,
        count: group.count,
        bytes: group.bytes,
        why: group.verdict.describe(),
    });
    let garbage = garbage.iter().map(|item| GarbageItem {
        what: item.what.name(),
        name: &item.name,
        bytes: item.bytes,
        written: time::rfc3339(item.written),
        failure: failures.iter().find(|(name, _)| *name == item.name).map(|(_, why)| why.as_str()),
    });
    Collection { bucket, repository: REPOSITORY, dry_run, kept: kept.collect(), garbage: garbage.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_with_the_same_fate_are_counted_together() {
        let item =
            |key: &str, bytes| Item { what: What::of_key(key), name: key.to_owned(), bytes, written: 0 };
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let items = [item(&format!("x/{a}.zip"), 1), item(&format!("y/{b}.zip"), 2), item("notes", 4)];
        let verdicts = [Verdict::Garbage, Verdict::Garbage, Verdict::Foreign];
        let groups = groups(&items, &verdicts);
        let told: Vec<_> = groups.iter().map(|group| (group.what, group.count, group.bytes)).collect();
        assert_eq!(told, [("other", 1, 4), ("zip", 2, 3)]);
        let garbage: Vec<&Item> = items[..2].iter().collect();
        let failures = vec![(items[1].name.clone(), "no".to_owned())];
        let document = document("b", false, &groups, &garbage, &failures);
        assert_eq!(document.kept[0].why, "not created by the deployer");
        assert_eq!((document.garbage[0].failure, document.garbage[1].failure), (None, Some("no")));
    }
}
