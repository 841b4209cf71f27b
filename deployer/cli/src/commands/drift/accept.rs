//! `deployer drift --accept`: the actual values become those of the stack file.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::DeployedStack;
use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_base::text::printable;
use deployer_lang::Stack;
use deployer_plan::accept::{Acceptance, Drifted, Left, Place, PseudoParameters, accept};
use deployer_syntax::Source;
use schemars::JsonSchema;
use serde::Serialize;
use similar::TextDiff;

use super::Found;
use crate::context::Context;

/// Lines around a change that are shown.
const AROUND: usize = 2;

/// What the stack file takes over.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcceptReport {
    /// `true` if the file was written.
    written: bool,
    /// The properties that the file has as they are, or would have with `--dry-run`.
    accepted: Vec<AcceptedProperty>,
    /// The properties and resources that stay as the file has them.
    left: Vec<LeftProperty>,
}

/// A property that the file takes over.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AcceptedProperty {
    /// Logical ID.
    logical_id: String,
    /// Path of the property.
    path: String,
    /// Name of the resource in the file.
    resource: String,
}

/// A property, or a resource that was deleted, that the file does not take over.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LeftProperty {
    /// Logical ID.
    logical_id: String,
    /// Path of the property; empty for a resource.
    path: String,
    /// Line of the resource in the file, if the file has it.
    line: Option<usize>,
    /// The reason, and what to do.
    why: String,
}

/// The stack whose drift is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepting<'a> {
    pub(super) context: &'a Context,
    pub(super) stack: &'a Stack,
    pub(super) deployed: &'a DeployedStack,
    pub(super) pseudo: &'a PseudoParameters,
}

impl Accepting<'_> {
    /// Writes what has drifted into the stack file, after a question, or with `dry_run` only shows it.
    pub(super) async fn run(&self, found: &Found<'_>, dry_run: bool) -> Result<AcceptReport> {
        let ui = &self.context.ui;
        let source = self.context.source()?;
        let (accepted, diff) = self.edited(&source, found);
        let file = self.context.file.display().to_string();
        let report = |written: bool, accepted: Acceptance| AcceptReport {
            written,
            accepted: accepted
                .accepted
                .into_iter()
                .map(|one| AcceptedProperty {
                    logical_id: one.logical_id,
                    path: one.path,
                    resource: one.resource,
                })
                .collect(),
            left: accepted
                .left
                .into_iter()
                .map(|one| LeftProperty {
                    logical_id: one.logical_id,
                    path: one.path,
                    line: one.line,
                    why: one.why,
                })
                .collect(),
        };
        for Left { logical_id, path, line, why } in &accepted.left {
            let place = line.map(|line| format!("{file}:{line}: ")).unwrap_or_default();
            ui.warn(printable(&format!("{place}not accepted: {logical_id}{path}: {why}")));
        }
        if accepted.accepted.is_empty() {
            if !accepted.left.is_empty() {
                return Err(Error::Refused(
                    Message::new(format!("nothing of what has drifted can be written into {file}"))
                        .hint("the reasons are above; the file was not changed"),
                ));
            }
            ui.step("done", format!("nothing has drifted, so {file} stays as it is"));
            return Ok(report(false, accepted));
        }
        let count = accepted.accepted.len();
        let what = if count == 1 { "1 property".to_owned() } else { format!("{count} properties") };
        if !ui.is_json() {
            ui.data(&diff)?;
        }
        if dry_run {
            ui.step("done", format!("{what} would be written into {file}"));
            return Ok(report(false, accepted));
        }
        self.context.on_interrupt(&format!("{file} was not changed"), "run `deployer drift --accept` again");
        ui.confirm(&format!("Write {what} into {file} (shown above)?")).await?;
        // Somebody may have edited it while the question was open.
        if self.context.source()?.text != source.text {
            return Err(Error::Refused(
                Message::new(format!("{file} was changed meanwhile"))
                    .hint("run `deployer drift --accept` again; nothing was written"),
            ));
        }
        // A link stays a link.
        let path = std::fs::canonicalize(&self.context.file)
            .map_err(|error| Error::io("find", &self.context.file, &error))?;
        files::write_whole(&path, &accepted.text)?;
        ui.step("accepted", format!("{what}, written into {file}"));
        ui.note(format!(
            "\nnext: `deployer deploy {} --revert-drift` deploys the file, which leaves these properties as they are",
            self.stack.target.stack
        ));
        Ok(report(true, accepted))
    }

    /// Returns the edited file, and the difference to the one that is there.
    fn edited(&self, source: &Source, found: &Found<'_>) -> (Acceptance, String) {
        let modified = found.drifted.iter().filter(|(drift, _)| drift.status == "MODIFIED");
        let drifted: Vec<Drifted<'_>> = modified
            .flat_map(|(drift, _)| {
                drift.differences.iter().map(|one| Drifted {
                    logical_id: &drift.logical_id,
                    path: &one.path,
                    expected: &one.expected,
                    actual: &one.actual,
                    kind: &one.kind,
                })
            })
            .collect();
        let place = Place {
            stack: &self.stack.target.stack,
            overrides: &self.context.config,
            parameters: &self.deployed.parameters,
            pseudo: self.pseudo,
        };
        let mut accepted = accept(source, &place, &drifted);
        let lines: BTreeMap<&str, usize> = self
            .stack
            .resources
            .iter()
            .map(|one| (one.name.as_str(), source.position(one.span.start).line))
            .collect();
        let deleted = found.drifted.iter().filter(|(drift, _)| drift.status != "MODIFIED");
        accepted.left.extend(deleted.map(|(drift, origin)| Left {
            logical_id: drift.logical_id.clone(),
            path: String::new(),
            line: origin.and_then(|name| lines.get(name).copied()),
            why: "the resource was deleted; remove it from the file by hand, or `deployer deploy --revert-drift` creates it again"
                .to_owned(),
        }));
        let diff = TextDiff::from_lines(source.text.as_str(), accepted.text.as_str());
        let shown = diff.unified_diff().context_radius(AROUND).header(&source.name, &source.name).to_string();
        (accepted, shown)
    }
}
