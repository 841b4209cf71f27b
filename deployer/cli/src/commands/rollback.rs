//! `deployer rollback`.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::{CloudFormation, Mode};
use deployer_aws::session::Session;
use deployer_aws::{ecr, published};
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::{AnnouncedChange, DeploymentResult};
use deployer_base::time;
use deployer_build::REPOSITORY;
use deployer_cfn::deployed::lossy;
use deployer_cfn::stack_settings::{OWN_TAGS, StackSettings};
use deployer_lang::assets::ASSET_BUCKET_PARAMETER;
use deployer_packing::sha256_hex;
use deployer_plan::diff::Diff;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::RoleArgs;
use crate::adoption::Adopter;
use crate::context::{Context, StackHandle};
use crate::deployment::{DeployReport, DeployResult, Deployment, Losses, Options, announced};
use crate::hotswap::Swapped;
use crate::plan;
use crate::records::{self, Kind, MASKED, Record};
use crate::situation;
use crate::state::{Deployed, Wanted};

/// Deploy an earlier deployment again, with its recorded template, parameters and code
///
/// Without `--to`, deploys the last successful deployment that differs from what is deployed now. `deployer history` lists the
/// deployments. Builds nothing. Only the `stacks` section of stack.yaml is used; its resources are ignored.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Number of the recorded deployment to go back to
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Allow a resource with data to be removed or replaced, by its logical id; can be given several times
    #[arg(long, value_name = "ID")]
    allow_replace: Vec<String>,
    #[command(flatten)]
    role: RoleArgs,
}

/// Number of records that are searched for one that differs.
const LOOK_BACK: usize = 200;

/// A rollback to a record.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RolledBack<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The result.
    result: DeploymentResult,
    /// Number of the record.
    to: u64,
    /// The plan; null if there was nothing to do.
    plan: Option<&'a Diff>,
    /// The changes that CloudFormation announced.
    changes: Vec<AnnouncedChange<'a>>,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let Gone { stack, to, done } = go_back(context, args).await?;
    report(context, &stack, to, &done)
}

/// A rollback that is done.
pub(super) struct Gone {
    /// Name of the CloudFormation stack.
    stack: String,
    /// Number of the record.
    pub(super) to: u64,
    done: DeployReport,
}

/// Deploys what was deployed before in this stack.
///
/// # Errors
/// Those of a rollback; [`Error::Failed`] if nothing else was deployed before.
pub(super) async fn last(context: &Context, stack: &str, role: Option<String>) -> Result<Gone> {
    let args = Args {
        stack: Some(stack.to_owned()),
        to: None,
        allow_replace: Vec::new(),
        role: RoleArgs { role_arn: role },
    };
    go_back(context, &args).await
}

async fn go_back(context: &Context, args: &Args) -> Result<Gone> {
    let handle = context.open(args.stack.as_deref()).await?;
    let session = &handle.session;
    let cloudformation = CloudFormation::new(session);
    context.ui.step("target", format!("{} in {} as {}", handle.name, session.region, session.caller));
    let ((found, text), records) = tokio::try_join!(
        async {
            Ok(tokio::try_join!(
                cloudformation.describe(&handle.name),
                cloudformation.template(&handle.name)
            )?)
        },
        candidates(context, &handle, args.to)
    )?;
    let deployed = match found {
        Some(stack) => {
            plan::action(Some(&stack))?;
            let swapped = Swapped::read(session, &handle.name, &stack.id).await?;
            Some(Deployed::new(stack, text.unwrap_or_default(), swapped)?)
        }
        None => None,
    };
    let digest = deployed.as_ref().map(|deployed| sha256_hex(deployed.text.as_bytes()));
    let settings = deployed.as_ref().map(Deployed::settings).unwrap_or_default();
    let own = deployed.as_ref().map(|deployed| &deployed.stack.tags).into_iter().flatten();
    let own = own.filter(|(key, _)| settings.tags.contains(*key));
    let own: BTreeMap<String, String> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    let current = deployed.as_ref().zip(digest.as_deref()).map(|(found, template)| Current {
        template,
        parameters: &found.stack.parameters,
        tags: &own,
    });
    let record = match choose(&records, current, args.to, &handle.name)? {
        Choice::Deployed(number) => {
            context.ui.step("done", format!("nothing to do: {} matches record {number}", handle.name));
            let stack = deployed.map(|deployed| deployed.stack);
            let done =
                DeployReport { result: DeployResult::Unchanged, plan: None, changes: Vec::new(), stack };
            return Ok(Gone { stack: handle.name, to: number, done });
        }
        Choice::Record(record) => record,
    };
    let ago = time::parse_rfc3339(&record.time).map(|moment| time::ago(moment, time::now()));
    let (who, number) = (record.who(), record.number);
    context.ui.step("record", format!("{number}, {} ({}) by {who}", record.time, ago.unwrap_or_default()));
    let there = deployed.as_ref().map(|deployed| (&deployed.stack.tags, &settings));
    let wanted = wanted(session, record, there).await?;
    let role = args.role.or(context.role_of(&handle)?, session)?;
    situation::show_role(context, role.as_deref(), deployed.as_ref().map(|deployed| &deployed.stack));
    let options = Options {
        allow_replace: args.allow_replace.clone(),
        no_execute: false,
        mode: Mode::default(),
        role,
        accepted: false,
        side_by_side: false,
        losses: Losses::Refused,
    };
    let former = match deployed {
        Some(_) => Vec::new(),
        None => situation::former_records(context, session, &handle.name).await,
    };
    let adopter = Adopter {
        session,
        cloudformation: &cloudformation,
        name: &handle.name,
        wanted: &wanted,
        records: &former,
        allow_replace: &args.allow_replace,
    };
    let adoption = adopter.find(deployed.as_ref()).await?;
    let deployment = Deployment {
        context,
        session,
        cloudformation: &cloudformation,
        name: &handle.name,
        target: &handle.target,
        wanted: &wanted,
        deployed: deployed.as_ref(),
        adoption: adoption.as_ref(),
        imports: &[],
        options: &options,
    };
    let done = deployment.run().await?;
    Ok(Gone { stack: handle.name.clone(), to: number, done })
}

/// Returns the candidates for the rollback: the record that was requested, otherwise all records that may matter.
async fn candidates(context: &Context, handle: &StackHandle, to: Option<u64>) -> Result<Vec<Record>> {
    match to {
        Some(number) => Ok(records::read(&handle.session, &handle.name, number).await?.into_iter().collect()),
        None => records::list(context, &handle.session, &handle.name, LOOK_BACK).await,
    }
}

/// The deployed stack, as far as a record names it.
#[derive(Debug, Clone, Copy)]
struct Current<'a> {
    /// SHA-256 of the template.
    template: &'a str,
    parameters: &'a BTreeMap<String, String>,
    /// The tags of its file.
    tags: &'a BTreeMap<String, String>,
}

/// The target of a rollback.
#[derive(Debug, PartialEq, Eq)]
enum Choice<'r> {
    /// This record.
    Record(&'r Record),
    /// None: the deployed stack is as this record describes it.
    Deployed(u64),
}

/// Chooses the record to go back to, from the records with the newest first.
///
/// The record only has to differ from the deployed stack: so changes that were deployed by other means, and a
/// deployment that failed and was rolled back, are undone too.
fn choose<'r>(
    records: &'r [Record],
    deployed: Option<Current<'_>>,
    to: Option<u64>,
    stack: &str,
) -> Result<Choice<'r>> {
    let is_deployed = |record: &Record| {
        deployed.is_some_and(|Current { template, parameters, tags }| {
            record.is_deployed(template, parameters)
                && lossy::restored_texts(tags, &record.tags)
                    .iter()
                    .all(|(key, value)| record.tags.get(key) == Some(value))
        })
    };
    let usage = |text: String| Error::Usage(Message::new(text).hint("`deployer history` lists the records"));
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
            Message::new(format!("{stack} has no record of a deployment that differs from what is deployed"))
                .hint("`deployer history` lists the records"),
        )
    })
}

/// Collects the parts that a record names. All of them must still exist before anything is done. `there` are the tags of
/// the deployed stack and its settings; tags that others have set stay.
pub(super) async fn wanted(
    session: &Session,
    record: &Record,
    there: Option<(&BTreeMap<String, String>, &StackSettings)>,
) -> Result<Wanted> {
    let digest = record.template.as_deref().unwrap_or_default();
    let hidden: Vec<&str> = record
        .parameters
        .iter()
        .filter(|(_, value)| *value == MASKED)
        .map(|(name, _)| name.as_str())
        .collect();
    if !hidden.is_empty() {
        return Err(Error::failed_with_hint(
            format!("record {} does not contain the secret values of {}", record.number, hidden.join(", ")),
            "restore the older stack file, and run `deployer deploy`",
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
    let Some(text) = template.filter(|_| missing.is_empty()) else {
        return Err(Error::failed_with_hint(
            format!("record {} needs code that no longer exists: {}", record.number, missing.join(", ")),
            "choose another record, or restore the older stack file and run `deployer deploy`; nothing was changed",
        ));
    };
    let template = deployer_cfn::deployed::read(&text);
    let settings = StackSettings::of(&template);
    let is_own = |key: &str| key.starts_with(OWN_TAGS) || settings.tags.contains(key);
    let own = record.tags.iter().filter(|(key, _)| is_own(key));
    let own = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Wanted {
        kind: Kind::Rollback,
        template,
        text,
        parameters: record.parameters.clone(),
        tags: match there {
            Some((tags, before)) => settings.tags_beside(&own, tags, before),
            None => own,
        },
        origins: BTreeMap::new(),
        code: Vec::new(),
        renames: Vec::new(),
    })
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

/// Returns the published code that parameters name: zips by their keys in the asset bucket, images of the asset
/// repository by their digests.
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

fn report(context: &Context, stack: &str, number: u64, done: &DeployReport) -> Result<()> {
    if !context.ui.is_json() {
        return Ok(());
    }
    context.ui.json(RolledBack {
        stack,
        result: done.result.summary(),
        to: number,
        plan: done.plan.as_ref().map(|plan| &plan.diff),
        changes: announced(&done.changes),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            // The result without work to do is marked by a number that no record has.
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
        let none = BTreeMap::new();
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
            let deployed =
                deployed.map(|(template, parameters)| Current { template, parameters, tags: &none });
            assert_eq!(number(choose(&records, deployed, to, "s")), wanted, "{deployed:?} {to:?}");
        }
        assert_eq!(
            number(choose(
                &records[5..],
                Some(Current { template: "a", parameters: &same, tags: &none }),
                None,
                "s"
            )),
            Err(1)
        );
        assert_eq!(number(choose(&[], None, None, "s")), Err(1));
        // A value of a tag is not in the template.
        let mut tagged = records[5].clone();
        tagged.tags.insert("team".to_owned(), "shop".to_owned());
        for (team, wanted) in [("shop", Err(1)), ("orders", Ok(1))] {
            let tags = BTreeMap::from([("team".to_owned(), team.to_owned())]);
            let now = Current { template: "a", parameters: &same, tags: &tags };
            let found = choose(std::slice::from_ref(&tagged), Some(now), None, "s");
            assert_eq!(number(found), wanted, "{team}");
        }
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
