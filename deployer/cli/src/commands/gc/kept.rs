//! `gc --kept`: what deleted stacks have kept in the account, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::cloudformation::stacks;
use deployer_aws::error::AwsError;
use deployer_aws::published;
use deployer_aws::s3::records as stored_records;
use deployer_aws::session::Session;
use deployer_aws::stored::{self, Kept};
use deployer_base::error::Result;
use deployer_base::output::Moment;
use deployer_build::bucket_name;
use deployer_cfn::deployed;
use deployer_lang::Document;
use deployer_plan::cost::{self, kept};
use deployer_syntax::units::human;
use futures::{StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::data_loss::COUNT_UP_TO;
use crate::gc::What;
use crate::records::{self, Kind, Record, RecordedResource, RecordedResult};

/// Number of records and resources that are read at a time.
const PARALLEL: usize = 8;

/// The resources that deleted stacks have kept.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct KeptResources {
    /// The resources that exist and are in no stack of their name, by stack.
    resources: Vec<KeptResource>,
    /// Sum of the known costs, in dollars a month.
    dollars: f64,
    /// Number of resources whose cost is not known.
    unknown: usize,
}

/// A resource that a deleted stack has kept.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeptResource {
    /// Name of the stack in CloudFormation.
    stack: String,
    /// Logical ID.
    logical_id: String,
    /// Physical ID.
    physical_id: String,
    /// CloudFormation type.
    #[serde(rename = "type")]
    resource_type: String,
    /// Time at which the stack was deleted.
    #[schemars(with = "Moment")]
    since: String,
    /// Number of its items or object versions, if it has such.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Its size in bytes, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// `true` if it holds more than was counted.
    more: bool,
    /// Its cost in dollars a month, by the prices of us-east-1; for a bucket that holds more, of what was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    dollars: Option<f64>,
    /// `true` if a stack of this name is deployed, so that no deployment adopts the resource.
    deployed: bool,
}

/// A resource that a record names, before anybody asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    stack: String,
    since: String,
    template: Option<String>,
    resource: RecordedResource,
}

/// Lists the resources.
pub(super) async fn run(context: &Context, document: &Document, session: &Session) -> Result<()> {
    let cloudformation = CloudFormation::new(session);
    let (records, live) =
        tokio::try_join!(all_records(context, session), async { Ok(stacks::all(session).await?) })?;
    let candidates = candidates(&records);
    let named: BTreeSet<&str> = candidates.iter().map(|one| one.stack.as_str()).collect();
    // A stack of the same name that is deployed again has adopted its resources.
    let mut owned: BTreeSet<(String, String)> = BTreeSet::new();
    let mut deployed_again: BTreeSet<String> = BTreeSet::new();
    for stack in live.iter().filter(|stack| named.contains(stack.name.as_str())) {
        let resources = cloudformation.resources(&stack.id).await?;
        deployed_again.extend((!resources.is_empty()).then(|| stack.name.clone()));
        owned.extend(resources.into_iter().map(|one| (one.resource_type, one.physical_id)));
    }
    let left: Vec<&Candidate> = candidates
        .iter()
        .filter(|one| {
            !owned.contains(&(one.resource.resource_type.clone(), one.resource.physical_id.clone()))
        })
        .collect();
    let templates = templates(session, &left).await?;
    let asked = left.iter().map(async |one| {
        let RecordedResource { resource_type, physical_id, .. } = &one.resource;
        (*one, stored::of(session, resource_type, physical_id, COUNT_UP_TO).await)
    });
    let answers: Vec<_> = futures::stream::iter(asked).buffered(PARALLEL).collect().await;
    let mut resources = Vec::new();
    for (one, answer) in answers {
        let found = match answer {
            Err(error) if error.is_denied() => {
                context
                    .ui
                    .warn(format!("{} was not looked at: {} is denied", error.resource, error.operation));
                Kept::Uncounted
            }
            answer => answer?,
        };
        let template = one.template.as_ref().and_then(|digest| templates.get(digest));
        resources.extend(row(one, found, template, deployed_again.contains(&one.stack)));
    }
    let dollars = cents(resources.iter().filter_map(|one: &KeptResource| one.dollars));
    let unknown = resources.iter().filter(|one| one.dollars.is_none()).count();
    if context.ui.is_json() {
        return context.ui.json(KeptResources { resources, dollars, unknown });
    }
    show(context, document, &resources, dollars, unknown)
}

/// Returns the sum of costs, in whole cents.
fn cents(dollars: impl Iterator<Item = f64>) -> f64 {
    // The sum of nothing is -0.0.
    let sum = dollars.fold(0.0, |sum, one| sum + one);
    (sum * 100.0).round() / 100.0
}

/// Reads every record of every stack.
async fn all_records(context: &Context, session: &Session) -> Result<Vec<Record>> {
    let bucket = bucket_name(session);
    let objects = published::objects(session, &bucket).await?;
    let keys = objects.iter().filter(|object| matches!(What::of_key(&object.key), What::Record { .. }));
    let reads = keys.map(async |object| {
        let text = stored_records::get(session, &bucket, &object.key).await?;
        Ok::<_, AwsError>((object.key.clone(), text))
    });
    let texts: Vec<(String, Option<String>)> =
        futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let mut out = Vec::new();
    for (key, text) in texts {
        match text.map(|text| serde_json::from_str::<Record>(&text)) {
            Some(Ok(record)) => out.push(record),
            Some(Err(why)) => context.ui.warn(format!("the record {key} can't be read: {why}")),
            None => {}
        }
    }
    Ok(out)
}

/// Returns what the records of deletions name, each resource once, with the last deletion that kept it.
fn candidates(records: &[Record]) -> Vec<Candidate> {
    let deletions = records
        .iter()
        .filter(|record| record.kind == Kind::Destroy && record.result == RecordedResult::Succeeded);
    let mut out: BTreeMap<(String, String), Candidate> = BTreeMap::new();
    for record in deletions {
        for resource in &record.kept {
            let key = (resource.resource_type.clone(), resource.physical_id.clone());
            let candidate = Candidate {
                stack: record.stack.clone(),
                since: record.time.clone(),
                template: record.template.clone(),
                resource: resource.clone(),
            };
            match out.get(&key) {
                Some(known) if known.since > candidate.since => {}
                _ => drop(out.insert(key, candidate)),
            }
        }
    }
    let mut out: Vec<Candidate> = out.into_values().collect();
    out.sort_by(|a, b| (&a.stack, &a.resource.logical_id).cmp(&(&b.stack, &b.resource.logical_id)));
    out
}

/// Reads the templates that the resources were deployed with, by digest.
async fn templates(session: &Session, candidates: &[&Candidate]) -> Result<BTreeMap<String, Value>> {
    let digests: BTreeSet<&String> = candidates.iter().filter_map(|one| one.template.as_ref()).collect();
    let reads = digests.into_iter().map(async |digest| {
        let text = records::template(session, digest).await?;
        Ok::<_, deployer_base::error::Error>(text.map(|text| (digest.clone(), deployed::read(&text))))
    });
    let read: Vec<Option<(String, Value)>> =
        futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// Returns the row of a resource that exists.
fn row(one: &Candidate, found: Kept, template: Option<&Value>, deployed: bool) -> Option<KeptResource> {
    let data = match found {
        Kept::Gone => return None,
        Kept::There(data) => Some(data),
        Kept::Uncounted => None,
    };
    let bytes = data.map(|data| data.bytes);
    Some(KeptResource {
        stack: one.stack.clone(),
        logical_id: one.resource.logical_id.clone(),
        physical_id: one.resource.physical_id.clone(),
        resource_type: one.resource.resource_type.clone(),
        since: one.since.clone(),
        count: data.and_then(|data| data.count),
        bytes,
        more: data.is_some_and(|data| data.more),
        dollars: template.and_then(|template| kept::month(template, &one.resource.logical_id, bytes)),
        deployed,
    })
}

fn show(
    context: &Context,
    document: &Document,
    resources: &[KeptResource],
    dollars: f64,
    unknown: usize,
) -> Result<()> {
    if resources.is_empty() {
        context
            .ui
            .step("done", "no deleted stack has kept anything that still exists, as far as the records say");
        return Ok(());
    }
    let rows = resources.iter().map(|one| {
        let more = if one.more { "more than " } else { "" };
        let size = one.bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{more}{}", human(bytes)));
        let price =
            one.dollars.map_or_else(|| "?".to_owned(), |dollars| format!("{more}{}", cost::money(dollars)));
        let since = one.since.split('T').next().unwrap_or_default().to_owned();
        [one.stack.clone(), one.logical_id.clone(), one.physical_id.clone(), since, size, price]
    });
    let heads = ["stack", "resource", "name", "since", "size", "a month"];
    context.ui.data(&deployer_base::ui::table(heads, rows))?;
    let unknown = match unknown {
        0 => String::new(),
        1 => "; the cost of 1 resource is not known".to_owned(),
        count => format!("; the cost of {count} resources is not known"),
    };
    context.ui.note(format!("\n{} a month by the prices of us-east-1{unknown}", cost::money(dollars)));
    let stacks: BTreeMap<&str, bool> =
        resources.iter().map(|one| (one.stack.as_str(), one.deployed)).collect();
    for (stack, deployed) in stacks {
        context.ui.note(next(document, stack, deployed));
    }
    Ok(())
}

/// Returns what can be done with the resources of a stack.
fn next(document: &Document, stack: &str, deployed: bool) -> String {
    let own = document.stacks.iter().find(|target| target.full_name(&document.name) == stack);
    match (own, deployed) {
        (_, true) => format!(
            "{stack} is deployed again without them: `deployer import NAME=ID` makes one of them a part of it; otherwise, delete it in its own service"
        ),
        (Some(target), false) => format!(
            "`deployer deploy {0}` brings back what {stack} has kept, and `deployer destroy {0} --delete-data` deletes it",
            target.stack
        ),
        (None, false) => format!(
            "`deployer deploy` with the file of {stack} brings back what it has kept, and `deployer destroy --delete-data` deletes it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_aws::stored::Stored;
    use serde_json::json;

    fn record(stack: &str, time: &str, kind: &str, kept: &[&str]) -> Record {
        let kept: Vec<Value> = kept
            .iter()
            .map(|id| json!({ "logicalId": id, "physicalId": format!("{id}-1"), "type": "AWS::S3::Bucket" }))
            .collect();
        let record = json!({
            "schemaVersion": 1, "number": 1, "stack": stack, "stackId": "i", "time": time, "caller": "", "deployer": "",
            "kind": kind, "result": "succeeded", "seconds": 1, "kept": kept,
        });
        serde_json::from_value(record).expect("a record")
    }

    #[test]
    fn a_resource_that_was_kept_twice_is_named_once_with_its_last_deletion() {
        let records = [
            record("b", "2026-11-02T00:00:00Z", "destroy", &["Landing"]),
            record("b", "2026-11-01T00:00:00Z", "destroy", &["Landing", "Items"]),
            record("a", "2026-11-01T00:00:00Z", "destroy", &["Other"]),
            record("c", "2026-11-01T00:00:00Z", "deploy", &["Never"]),
        ];
        let found: Vec<(String, String, String)> = candidates(&records)
            .into_iter()
            .map(|one| (one.stack, one.resource.logical_id, one.since[..10].to_owned()))
            .collect();
        let expected =
            [("a", "Other", "2026-11-01"), ("b", "Items", "2026-11-01"), ("b", "Landing", "2026-11-02")];
        assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn the_sum_of_no_costs_is_zero() {
        let text = |costs: &[f64]| json!(cents(costs.iter().copied())).to_string();
        assert_eq!(text(&[]), "0.0");
        assert_eq!(text(&[1.004, 0.25]), "1.25");
    }

    #[test]
    fn what_is_gone_has_no_row_and_what_is_unknown_no_price() {
        let candidates = candidates(&[record("a", "2026-11-01T00:00:00Z", "destroy", &["Landing"])]);
        let template = json!({ "Resources": { "Landing": { "Type": "AWS::S3::Bucket" } } });
        let there = Kept::There(Stored { count: Some(2), bytes: 100 << 30, more: true });
        let of = |found, template| row(&candidates[0], found, template, false);
        assert_eq!(of(Kept::Gone, Some(&template)), None);
        assert_eq!(of(there, Some(&template)).and_then(|one| one.dollars), Some(2.3));
        assert_eq!(of(there, None).and_then(|one| one.dollars), None);
        assert_eq!(of(Kept::Uncounted, Some(&template)).and_then(|one| one.dollars), None);
    }
}
