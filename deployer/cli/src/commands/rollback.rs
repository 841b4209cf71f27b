//! `deployer rollback`.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::try_join_all;
use serde_json::json;
use stack_core::assets::ASSET_BUCKET_PARAMETER;

use super::history;
use crate::assets::{REPOSITORY, bucket_name, sha256_hex};
use crate::aws::cloudformation::{
    Change, ChangeSetInput, ChangeSetOutcome, CloudFormation, DeployedStack, TemplateSource,
};
use crate::aws::{ecr, published};
use crate::context::{Context, Place};
use crate::error::{Error, Message, Result};
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES, Step};
use crate::records::{self, Finished, Kind, MASKED, Record};
use crate::time;
use crate::watch::{Goal, Outcome, Watch};

/// Deploys what was deployed before: template, parameters and code as they were recorded.
///
/// Without `--to`, that is the last success that differs from what is deployed now. `deployer history` lists what there
/// is. Nothing is built, and the stack file may say what it will: only its stacks are read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
    /// Number of the recorded deployment to go back to.
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
}

/// Records that are looked through for one that differs.
const LOOK_BACK: usize = 200;

/// A deployment that is made of what was kept, not of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeploy {
    /// The template as it was sent.
    pub template_text: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// Tags of the stack.
    pub tags: Vec<(String, String)>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let place = context.open(args.stack.as_deref()).await?;
    let session = &place.session;
    let cloudformation = CloudFormation::new(session);
    context.ui.step("target", format!("{} in {} as {}", place.name, session.region, session.caller));
    let (deployed, records) = tokio::try_join!(
        history::deployed(&cloudformation, &place.name),
        candidates(context, &place, args.to)
    )?;
    let current = deployed.as_ref().map(|(stack, template)| (template.as_str(), &stack.parameters));
    let record = match choose(&records, current, args.to, &place.name)? {
        Choice::Deployed(number) => {
            context.ui.step("done", format!("nothing to do: {} is as record {number} says", place.name));
            return report(context, &place.name, "unchanged", number, &[]);
        }
        Choice::Record(record) => record,
    };
    let ago = time::parse_rfc3339(&record.time).map(|moment| time::ago(moment, time::now()));
    let (who, number) = (record.who(), record.number);
    context.ui.step("record", format!("{number}, {} ({}) by {who}", record.time, ago.unwrap_or_default()));
    let redeploy = redeploy(&place, record).await?;
    let run = Run { context, place: &place, cloudformation: &cloudformation, redeploy: &redeploy, number };
    run.run(deployed.map(|(stack, _)| stack)).await
}

/// The records that could be gone back to: the one asked for, else all that may matter.
async fn candidates(context: &Context, place: &Place, to: Option<u64>) -> Result<Vec<Record>> {
    match to {
        Some(number) => Ok(records::read(&place.session, &place.name, number).await?.into_iter().collect()),
        None => records::list(context, &place.session, &place.name, LOOK_BACK).await,
    }
}

/// Where to go.
#[derive(Debug, PartialEq, Eq)]
enum Choice<'r> {
    /// To this record.
    Record(&'r Record),
    /// Nowhere: what is deployed is what this record says.
    Deployed(u64),
}

/// The record to go back to, of the newest first.
///
/// That it differs from what is deployed is all that is asked of the record before: what was deployed by other means, and
/// a deployment that failed and was rolled back, are so left behind too.
fn choose<'r>(
    records: &'r [Record],
    deployed: Option<(&str, &BTreeMap<String, String>)>,
    to: Option<u64>,
    stack: &str,
) -> Result<Choice<'r>> {
    let is_deployed = |record: &Record| {
        deployed.is_some_and(|(template, parameters)| record.is_deployed(template, parameters))
    };
    let usage =
        |text: String| Error::Usage(Message::new(text).hint("`deployer history` lists what there is"));
    if let Some(number) = to {
        let record = records.iter().find(|record| record.number == number);
        let record = record.ok_or_else(|| usage(format!("{stack} has no record {number}")))?;
        return match record {
            record if !record.is_way_back() => Err(usage(format!(
                "record {number} of {stack} is of a {} that {}: there is nothing to go back to",
                record.kind.name(),
                record.result.name()
            ))),
            record if is_deployed(record) => Ok(Choice::Deployed(number)),
            record => Ok(Choice::Record(record)),
        };
    }
    let found = records.iter().find(|record| record.is_way_back() && !is_deployed(record));
    found.map(Choice::Record).ok_or_else(|| {
        Error::Failed(
            Message::new(format!("nothing is recorded of {stack} but what is deployed"))
                .hint("`deployer history` lists what there is"),
        )
    })
}

/// Collects what a record names. Everything must still be there before anything is done.
async fn redeploy(place: &Place, record: &Record) -> Result<Redeploy> {
    let session = &place.session;
    let digest = record.template.as_deref().unwrap_or_default();
    let hidden: Vec<&str> = record
        .parameters
        .iter()
        .filter(|(_, value)| *value == MASKED)
        .map(|(name, _)| name.as_str())
        .collect();
    if !hidden.is_empty() {
        return Err(Error::failed_with_hint(
            format!("record {} does not hold the secret values of {}", record.number, hidden.join(", ")),
            "go back in the file, and run `deployer deploy`",
        ));
    }
    let codes = codes(&record.parameters);
    let looks = codes.iter().map(async |code| {
        let there = match code {
            Code::Zip { bucket, key } => published::has_object(session, bucket, key).await?,
            Code::Image { digest } => ecr::has_image(session, REPOSITORY, digest).await?,
        };
        Ok::<_, Error>((!there).then(|| code.describe()))
    });
    let (template, missing) = tokio::try_join!(records::template(session, digest), try_join_all(looks))?;
    let mut missing: Vec<String> = missing.into_iter().flatten().collect();
    if template.is_none() {
        missing.push(format!("template {digest}"));
    }
    let Some(template_text) = template.filter(|_| missing.is_empty()) else {
        return Err(Error::failed_with_hint(
            format!("record {} needs what is no longer there: {}", record.number, missing.join(", ")),
            "go to another record, or back in the file and run `deployer deploy`; nothing was changed",
        ));
    };
    let pairs = |map: &BTreeMap<String, String>| map.clone().into_iter().collect();
    Ok(Redeploy { template_text, parameters: pairs(&record.parameters), tags: pairs(&record.tags) })
}

/// Published code that a parameter names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Code<'p> {
    Zip { bucket: &'p str, key: &'p str },
    Image { digest: &'p str },
}

impl Code<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Zip { bucket, key } => format!("object {key} in bucket {bucket}"),
            Self::Image { digest } => format!("image {digest} in repository {REPOSITORY}"),
        }
    }
}

/// The published code that parameters name: zips by their keys in the asset bucket, images of the asset repository by
/// their digests.
fn codes(parameters: &BTreeMap<String, String>) -> Vec<Code<'_>> {
    let bucket = parameters.get(ASSET_BUCKET_PARAMETER);
    let mut codes = Vec::new();
    for value in parameters.values() {
        codes.extend(image_of(value).or_else(|| zip_of(bucket?, value)));
    }
    codes
}

fn zip_of<'p>(bucket: &'p str, value: &'p str) -> Option<Code<'p>> {
    let (_, file) = value.split_once('/')?;
    file.strip_suffix(".zip").filter(|digest| records::is_digest(digest))?;
    Some(Code::Zip { bucket, key: value })
}

fn image_of(value: &str) -> Option<Code<'_>> {
    let (uri, digest) = value.split_once('@')?;
    let ours = uri.rsplit('/').next() == Some(REPOSITORY);
    let digest = Some(digest).filter(|_| ours)?;
    digest.strip_prefix("sha256:").filter(|digest| records::is_digest(digest))?;
    Some(Code::Image { digest })
}

/// One deployment of what was kept.
struct Run<'a> {
    context: &'a Context,
    place: &'a Place,
    cloudformation: &'a CloudFormation,
    redeploy: &'a Redeploy,
    number: u64,
}

impl Run<'_> {
    async fn run(&self, deployed: Option<DeployedStack>) -> Result<()> {
        let stack = &self.place.name;
        let steps = plan::steps(deployed.as_ref())?;
        let action = steps.iter().find_map(|step| match step {
            Step::ChangeSet(action) => Some(*action),
            Step::Publish | Step::Execute => None,
        });
        let create = action == Some(Action::Create);
        let name = format!("deployer-rollback-{}-{}", self.number, time::now());
        let Some(changes) = self.plan(&name, create, deployed.as_ref()).await? else {
            self.context.ui.step("done", format!("nothing to do: {stack} is up to date"));
            return report(self.context, stack, "unchanged", self.number, &[]);
        };
        let started = Instant::now();
        let outcome = self.execute(&name).await?;
        let cause = match &outcome {
            Outcome::Succeeded => None,
            Outcome::Failed(message) => Some(message.text.as_str()),
        };
        self.record(&changes, cause, started).await;
        match outcome {
            Outcome::Succeeded => {
                self.context.ui.step("done", format!("{stack} is as record {} says", self.number));
                report(self.context, stack, "deployed", self.number, &changes)
            }
            Outcome::Failed(message) => Err(Error::Deployment(message)),
        }
    }

    /// Asks CloudFormation what would change, and the user whether it should.
    async fn plan(
        &self,
        name: &str,
        create: bool,
        deployed: Option<&DeployedStack>,
    ) -> Result<Option<Vec<Change>>> {
        let (ui, stack) = (&self.context.ui, &self.place.name);
        let url = self.template_url().await?;
        let tags: Vec<(&str, &str)> =
            self.redeploy.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let input = ChangeSetInput {
            stack,
            name,
            create,
            template: url
                .as_deref()
                .map_or(TemplateSource::Body(&self.redeploy.template_text), TemplateSource::Url),
            parameters: &self.redeploy.parameters,
            tags: &tags,
        };
        let outcome = self.cloudformation.change_set(&input).await?;
        let gate = async |changes: &[Change]| {
            for change in changes {
                let (kind, id) = (change.kind.name(), &change.logical_id);
                ui.step("", format!("{kind:<8} {id} ({})", change.resource_type));
            }
            if let Some(deployed) = deployed {
                let template = self.cloudformation.template(&deployed.id).await?.unwrap_or_default();
                plan::check_protection(&template, changes)?;
            }
            ui.confirm(&format!("Bring {stack} back to record {}?", self.number)).await
        };
        let refused = match outcome {
            ChangeSetOutcome::Ready(changes) => match gate(&changes).await {
                Ok(()) => return Ok(Some(changes)),
                Err(refused) => Some(refused),
            },
            ChangeSetOutcome::Empty => None,
            ChangeSetOutcome::Refused(reason) => Some(Error::Deployment(
                Message::new(format!("CloudFormation refused the change set of {stack}: {reason}"))
                    .hint("nothing was changed"),
            )),
        };
        // What is left behind when it can't be removed is harmless, and no reason to hide why it has to go.
        if let Err(error) = self.cloudformation.discard_change_set(stack, name, create).await {
            ui.warn(format!("the change set {name} stays: {}", error.message));
        }
        refused.map_or(Ok(None), Err)
    }

    /// Templates that are too large for a call are in the asset bucket already.
    async fn template_url(&self) -> Result<Option<String>> {
        let text = &self.redeploy.template_text;
        if text.len() <= INLINE_TEMPLATE_BYTES {
            return Ok(None);
        }
        let session = &self.place.session;
        let (bucket, key) = (bucket_name(session), records::template_key(&sha256_hex(text.as_bytes())));
        Ok(Some(published::object_url(session, &bucket, &key)))
    }

    async fn execute(&self, name: &str) -> Result<Outcome> {
        let stack = &self.place.name;
        let Some(before) = self.cloudformation.describe(stack).await? else {
            return Err(Error::failed(format!("{stack} went away before its change set was executed")));
        };
        let last = self.cloudformation.newest_event(&before.id).await?;
        self.cloudformation.execute(stack, name, name).await?;
        self.context
            .on_interrupt("CloudFormation goes on with the deployment", "`deployer deploy` watches it again");
        let watch = Watch {
            context: self.context,
            cloudformation: self.cloudformation,
            stack_id: &before.id,
            goal: Goal::Deploy,
            origins: &BTreeMap::new(),
        };
        watch.until_end(last).await
    }

    async fn record(&self, changes: &[Change], cause: Option<&str>, started: Instant) {
        let id = self.cloudformation.describe(&self.place.name).await.ok().flatten().map(|stack| stack.id);
        let tags: Vec<(&str, &str)> =
            self.redeploy.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let finished = Finished {
            stack: &self.place.name,
            stack_id: id.as_deref().unwrap_or_default(),
            kind: Kind::Rollback,
            cause,
            took: started.elapsed(),
            template: Some(&self.redeploy.template_text),
            parameters: &self.redeploy.parameters,
            tags: &tags,
            changes,
        };
        records::keep(self.context, &self.place.session, &finished).await;
    }
}

fn report(context: &Context, stack: &str, result: &str, number: u64, changes: &[Change]) -> Result<()> {
    if !context.ui.is_json() {
        return Ok(());
    }
    let changes: Vec<_> = changes
        .iter()
        .map(|change| json!({ "action": change.kind.name(), "logicalId": change.logical_id, "type": change.resource_type }))
        .collect();
    context.ui.json(json!({ "stack": stack, "result": result, "to": number, "changes": changes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, kind: &str, result: &str, template: &str) -> Record {
        serde_json::from_value(json!({
            "schemaVersion": 1, "number": number, "stack": "s", "stackId": "arn", "time": "2026-11-24T22:04:25Z",
            "caller": "arn", "deployer": "0.1.0", "kind": kind, "result": result, "seconds": 3, "template": template,
            "parameters": { "Code": "a" },
        }))
        .expect("a record")
    }

    fn number(choice: Result<Choice<'_>>) -> std::result::Result<u64, u8> {
        match choice {
            Ok(Choice::Record(record)) => Ok(record.number),
            // What needs nothing to be done is told from the rest by a number that no record has.
            Ok(Choice::Deployed(number)) => Ok(number + 100),
            Err(error) => Err(error.exit_code()),
        }
    }

    #[test]
    fn the_way_back_is_the_last_success_that_differs() {
        let records = [
            record(6, "hotswap", "succeeded", "e"),
            record(5, "deploy", "failed", "d"),
            record(4, "rollback", "succeeded", "a"),
            record(3, "deploy", "succeeded", "b"),
            record(2, "destroy", "succeeded", "x"),
            record(1, "deploy", "succeeded", "a"),
        ];
        let same = BTreeMap::from([("Code".to_owned(), "a".to_owned())]);
        let other = BTreeMap::from([("Code".to_owned(), "b".to_owned())]);
        for (deployed, to, wanted) in [
            (Some(("a", &same)), None, Ok(3)),
            (Some(("b", &same)), None, Ok(4)),
            // Changed by other means, in the template or in a parameter.
            (Some(("z", &same)), None, Ok(4)),
            (Some(("a", &other)), None, Ok(4)),
            // Deleted.
            (None, None, Ok(4)),
            (Some(("b", &same)), Some(1), Ok(1)),
            (Some(("a", &same)), Some(1), Ok(101)),
            (Some(("a", &same)), Some(5), Err(2)),
            (Some(("a", &same)), Some(6), Err(2)),
            (Some(("a", &same)), Some(2), Err(2)),
            (Some(("a", &same)), Some(9), Err(2)),
        ] {
            assert_eq!(number(choose(&records, deployed, to, "s")), wanted, "{deployed:?} {to:?}");
        }
        assert_eq!(number(choose(&records[5..], Some(("a", &same)), None, "s")), Err(1));
        assert_eq!(number(choose(&[], None, None, "s")), Err(1));
    }

    #[test]
    fn published_code_is_found_among_the_parameters() {
        let (zip, image) = (format!("load/{}.zip", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let parameters = [
            ("AssetBucket", "bucket".to_owned()),
            ("LoadCode", zip.clone()),
            ("TaskImage", format!("{host}/deployer-assets@{image}")),
            ("OtherImage", format!("{host}/other@{image}")),
            ("Word", "a/b.zip".to_owned()),
            ("Nothing", String::new()),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value)).into();
        let found = codes(&parameters);
        assert_eq!(found, [Code::Zip { bucket: "bucket", key: &zip }, Code::Image { digest: &image }]);
        assert_eq!(
            codes(&BTreeMap::from([("LoadCode".to_owned(), zip)])),
            [],
            "of nobody knows which bucket"
        );
    }
}
