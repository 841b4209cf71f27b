//! `deployer drift`.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::drift::{Detection, Difference, ResourceDrift, detect};
use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_base::error::{Error, Message, Result};
use deployer_cfn::status::Status;
use deployer_lang::Compiled;
use schemars::JsonSchema;
use serde::Serialize;

use self::accept::{AcceptReport, Accepting};
use crate::context::Context;
use crate::plan;
use crate::situation;
use crate::state;

mod accept;

/// Show where deployed resources differ from their template
///
/// Also lists what CloudFormation can't compare: types that don't support it, and properties that it never returns. With
/// `--accept`, the actual values are written into the stack file, where the file has a place for them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Exit with 3 if anything has drifted
    #[arg(long, conflicts_with = "accept")]
    fail: bool,
    /// Write the actual values into the stack file, after a question
    #[arg(long)]
    accept: bool,
    /// Show what `--accept` would write, and write nothing
    #[arg(long, requires = "accept")]
    dry_run: bool,
}

/// Properties that CloudFormation leaves out of every comparison: CloudFormation API Reference,
/// `ResourceDriftIgnoredAttribute`.
const NEVER_COMPARED: [NeverCompared; 3] = [
    NeverCompared { reason: "MANAGED_BY_AWS", what: "properties that AWS sets and changes by itself" },
    NeverCompared {
        reason: "WRITE_ONLY_PROPERTY",
        what: "properties that no call returns, such as passwords and code",
    },
    NeverCompared { reason: "SENSITIVE_PROPERTY", what: "properties whose values are secret" },
];

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let origins = situation::origins(&template);
    let session = context.connect(&stack.target).await?;
    crate::context::check_account(&stack.target, &session)?;
    let cloudformation = CloudFormation::new(&session);
    let deployed = super::outputs::deployed(&cloudformation, &stack).await?;
    // CloudFormation User Guide, "Detect drift on an entire CloudFormation stack": in this stuck state alone it is
    // possible.
    if Status::of(&deployed.status) != Status::UpdateRollbackFailed {
        plan::action(Some(&deployed))?;
    }
    context.ui.step("asking", format!("CloudFormation compares the resources of {}", deployed.name));
    context.on_interrupt(
        "CloudFormation continues the comparison, which changes nothing",
        "run `deployer drift` again",
    );
    let (detection, resources) = tokio::try_join!(async { detect(&session, &deployed.id).await }, async {
        cloudformation.resources(&deployed.id).await
    })?;
    let found = Found::of(&detection, &resources, &origins);
    if !context.ui.is_json() {
        show(context, &deployed.name, &detection, &found)?;
    }
    let accepted = match args.accept {
        true => {
            let pseudo = state::pseudo(&session, &deployed.name);
            let accepting = Accepting { context, stack: &stack, deployed: &deployed, pseudo: &pseudo };
            Some(accepting.run(&found, args.dry_run).await?)
        }
        false => None,
    };
    if context.ui.is_json() {
        context.ui.json(document(&deployed.name, &detection, &found, accepted))?;
    }
    match found.drifted.is_empty() || !args.fail {
        true => Ok(()),
        false => Err(Error::Differences(Message::new(format!("{} has drifted", deployed.name)))),
    }
}

/// The result of a detection, in the words of the file.
#[derive(Debug)]
pub struct Found<'d> {
    /// Resources that differ, with the name in the file.
    pub drifted: Vec<(&'d ResourceDrift, Option<&'d str>)>,
    /// Resources that were not compared: logical ID, type, reason.
    pub unchecked: Vec<(&'d str, &'d str, &'d str)>,
    /// Number of resources without a difference.
    pub in_sync: usize,
}

impl<'d> Found<'d> {
    /// Sorts the resources of a stack by their drift.
    pub fn of(
        detection: &'d Detection,
        resources: &'d [StackResource],
        origins: &'d BTreeMap<String, String>,
    ) -> Self {
        let known: BTreeMap<&str, &ResourceDrift> =
            detection.resources.iter().map(|one| (one.logical_id.as_str(), one)).collect();
        let mut found = Self { drifted: Vec::new(), unchecked: Vec::new(), in_sync: 0 };
        for resource in resources {
            let id = resource.logical_id.as_str();
            let Some(drift) = known.get(id) else {
                found.unchecked.push((id, &resource.resource_type, "CloudFormation can't compare this type"));
                continue;
            };
            match drift.status.as_str() {
                "IN_SYNC" => found.in_sync += 1,
                "MODIFIED" | "DELETED" => {
                    found.drifted.push((drift, origins.get(id).map(String::as_str)));
                }
                status => {
                    let why = drift.reason.as_deref().unwrap_or(match status {
                        "UNKNOWN" => "CloudFormation could not read it",
                        _ => "CloudFormation can't compare this type",
                    });
                    found.unchecked.push((id, &drift.resource_type, why));
                }
            }
        }
        found
    }
}

fn show(context: &Context, stack: &str, detection: &Detection, found: &Found<'_>) -> Result<()> {
    let (ui, differ, same) = (&context.ui, found.drifted.len(), found.in_sync);
    if let Some(failure) = &detection.failure {
        ui.warn(format!("not all of {stack} could be compared: {failure}"));
    }
    if differ > 0 {
        let head = ["resource", "in the file", "property", "expected", "actual", ""].map(str::to_owned);
        ui.data(&deployer_base::ui::wrapped_table(
            &head,
            found.drifted.iter().flat_map(|(drift, origin)| rows(drift, *origin)),
        ))?;
    }
    ui.step("done", format!("{differ} drifted, {same} unchanged, {} not compared", found.unchecked.len()));
    for (id, resource_type, why) in &found.unchecked {
        ui.step("", format!("not compared: {id} ({resource_type}): {why}"));
    }
    for NeverCompared { what, .. } in NEVER_COMPARED {
        ui.step("", format!("never compared: {what}"));
    }
    Ok(())
}

fn rows(drift: &ResourceDrift, origin: Option<&str>) -> Vec<Vec<String>> {
    let row = |path: &str, expected: &str, actual: &str, what: &str| {
        [&drift.logical_id, origin.unwrap_or_default(), path, expected, actual, what]
            .map(str::to_owned)
            .to_vec()
    };
    if drift.status == "DELETED" {
        return vec![row("", "", "", "deleted")];
    }
    let word = |difference: &Difference| match difference.kind.as_str() {
        "ADD" => "added",
        "REMOVE" => "removed",
        _ => "changed",
    };
    drift.differences.iter().map(|one| row(&one.path, &one.expected, &one.actual, word(one))).collect()
}

fn document<'a>(
    stack: &'a str,
    detection: &'a Detection,
    found: &Found<'a>,
    accepted: Option<AcceptReport>,
) -> DriftReport<'a> {
    let drifted = found.drifted.iter().map(|(drift, origin)| {
        let differences = drift.differences.iter().map(|one| DriftedProperty {
            path: &one.path,
            expected: &one.expected,
            actual: &one.actual,
            difference: &one.kind,
        });
        DriftedResource {
            logical_id: &drift.logical_id,
            resource: *origin,
            resource_type: &drift.resource_type,
            status: &drift.status,
            differences: differences.collect(),
        }
    });
    let unchecked = found.unchecked.iter().map(|(logical_id, resource_type, why)| UncheckedResource {
        logical_id,
        resource_type,
        why,
    });
    DriftReport {
        stack,
        status: &detection.status,
        failure: detection.failure.as_deref(),
        in_sync: found.in_sync,
        drifted: drifted.collect(),
        not_compared: unchecked.collect(),
        never_compared: &NEVER_COMPARED,
        accepted,
    }
}

/// The drift of a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DriftReport<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// CloudFormation's drift status of the stack.
    status: &'a str,
    /// Why not everything could be compared.
    failure: Option<&'a str>,
    /// Number of resources that are as they were deployed.
    in_sync: usize,
    /// The resources that differ.
    drifted: Vec<DriftedResource<'a>>,
    /// Resources that could not be compared.
    not_compared: Vec<UncheckedResource<'a>>,
    /// The part that CloudFormation leaves out of every comparison.
    never_compared: &'a [NeverCompared],
    /// With `--accept`: what the stack file takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<AcceptReport>,
}

/// A resource that differs from its template.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DriftedResource<'a> {
    /// Logical ID.
    logical_id: &'a str,
    /// Name in the file.
    resource: Option<&'a str>,
    /// CloudFormation type.
    #[serde(rename = "type")]
    resource_type: &'a str,
    /// CloudFormation's drift status of the resource.
    #[schemars(extend("enum" = ["MODIFIED", "DELETED"]))]
    status: &'a str,
    /// The properties that differ.
    differences: Vec<DriftedProperty<'a>>,
}

/// A property that differs from the template.
#[derive(Debug, Serialize, JsonSchema)]
struct DriftedProperty<'a> {
    /// Path of the property.
    path: &'a str,
    /// The value in the template.
    expected: &'a str,
    /// The value of the resource.
    actual: &'a str,
    /// CloudFormation's word for the difference.
    difference: &'a str,
}

/// A resource that could not be compared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UncheckedResource<'a> {
    /// Logical ID.
    logical_id: &'a str,
    /// CloudFormation type.
    #[serde(rename = "type")]
    resource_type: &'a str,
    /// Why it could not be compared.
    why: &'a str,
}

/// The part that CloudFormation leaves out of every comparison.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct NeverCompared {
    /// A word for it.
    reason: &'static str,
    /// The part that is left out.
    what: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(id: &str, status: &str, differences: Vec<Difference>) -> ResourceDrift {
        ResourceDrift {
            logical_id: id.to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            status: status.to_owned(),
            reason: None,
            differences,
        }
    }

    #[test]
    fn what_differs_what_does_not_and_what_nobody_knows_are_told_apart() {
        let difference = Difference {
            path: "/VisibilityTimeout".to_owned(),
            expected: "30".to_owned(),
            actual: "60".to_owned(),
            kind: "NOT_EQUAL".to_owned(),
        };
        let detection = Detection {
            status: "DRIFTED".to_owned(),
            failure: None,
            resources: vec![
                drift("Jobs", "MODIFIED", vec![difference]),
                drift("Gone", "DELETED", Vec::new()),
                drift("Same", "IN_SYNC", Vec::new()),
                drift("Shy", "UNKNOWN", Vec::new()),
            ],
        };
        let resources = ["Jobs", "Gone", "Same", "Shy", "Odd"].map(|id| StackResource {
            logical_id: id.to_owned(),
            physical_id: String::new(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            status: String::new(),
        });
        let origins = BTreeMap::from([("Jobs".to_owned(), "jobs".to_owned())]);
        let found = Found::of(&detection, &resources, &origins);
        assert_eq!(found.in_sync, 1);
        assert_eq!(found.unchecked.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), ["Shy", "Odd"]);
        let rows: Vec<Vec<String>> =
            found.drifted.iter().flat_map(|(drift, origin)| rows(drift, *origin)).collect();
        assert_eq!(rows[0], ["Jobs", "jobs", "/VisibilityTimeout", "30", "60", "changed"]);
        assert_eq!(rows[1], ["Gone", "", "", "", "", "deleted"]);
        assert_eq!(document("s", &detection, &found, None).drifted[0].resource, Some("jobs"));
    }
}
