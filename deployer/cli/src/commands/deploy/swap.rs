//! Code in place of code, without CloudFormation: `deploy --hotswap`, and `dev` where nothing but code has changed.

use std::collections::BTreeMap;

use deployer_base::error::{Error, Message, Result};
use deployer_build::publish;
use deployer_lang::Stack;
use deployer_lang::assets::ASSET_BUCKET_PARAMETER;

use crate::context::Context;
use crate::deployment::{DeployReport, DeployResult};
use crate::hotswap::{self, Swap, Swapped};
use crate::plan;
use crate::records::{self, Finished, Kind};
use crate::situation::Situation;
use crate::state::Deployed;

/// The use of a swap of code in place of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Swapping {
    /// All changes are deployed.
    Never,
    /// A change of anything but code is refused.
    Always,
    /// Changes of code alone are swapped, and others are deployed.
    WherePossible,
}

/// The note on swapped code.
pub(super) const NOT_RECORDED: &str =
    "\nthis code is not recorded in CloudFormation; `deployer deploy` makes it permanent";

/// Returns whether a parameter differs from the code in use.
fn differs(deployed: &Deployed, (name, value): (&String, &String)) -> bool {
    Swapped::in_use(deployed.swapped.as_ref(), &deployed.stack.parameters, name) != Some(value)
}

/// Refuses a swap if more than code has changed, or a user of the code would not learn of it.
pub(super) fn check(look: &Situation, deployed: &Deployed) -> Result<()> {
    let wanted = &look.wanted;
    let refused =
        |what: &str| {
            Err(Error::Refused(Message::new(format!("{what} since the last deployment")).hint(
                "`deployer diff` shows the changes; deploy them without `--hotswap`; nothing was changed",
            )))
        };
    if !plan::is_template(deployed, &wanted.text) {
        return refused("more than code has changed");
    }
    plan::action(Some(&deployed.stack))?;
    if wanted.tags_to_send(Some(deployed)).is_some() {
        return refused("the tags of the stack have changed");
    }
    if wanted.notifications_to_send(Some(deployed)).is_some() {
        return refused("the topics in `notificationArns` have changed");
    }
    let is_code = |name: &str| {
        name == ASSET_BUCKET_PARAMETER || wanted.code.iter().any(|one| one.asset.parameter == name)
    };
    let differing = wanted.parameters.iter().filter(|&pair| differs(deployed, pair)).map(|(name, _)| name);
    if let Some(other) = differing.clone().find(|name| !is_code(name)) {
        return refused(&format!("the parameter {other} has changed"));
    }
    hotswap::check(&deployed.template, differing)
}

/// Swaps code without CloudFormation.
pub(super) async fn swap(
    context: &Context,
    look: &Situation,
    stack: &Stack,
    deployed: &Deployed,
) -> Result<DeployReport> {
    let resources = look.cloudformation.resources(&deployed.stack.id);
    let (values, resources) = tokio::join!(publish(&context.ui, &look.session, &look.wanted.code), resources);
    let (values, resources) = (values?, resources?);
    let new: BTreeMap<String, String> =
        values.into_iter().filter(|(name, value)| differs(deployed, (name, value))).collect();
    let done = |result| DeployReport {
        result,
        plan: None,
        changes: Vec::new(),
        stack: Some(deployed.stack.clone()),
    };
    if new.is_empty() {
        return Ok(done(DeployResult::Unchanged));
    }
    let started = std::time::Instant::now();
    let swap = Swap {
        context,
        session: &look.session,
        stack: &stack.name,
        stack_id: &deployed.stack.id,
        template: &deployed.template,
        deployed: &deployed.stack.parameters,
        resources: &resources,
        before: deployed.swapped.clone(),
    };
    let swapped = swap.run(&new).await?;
    let mut parameters = deployed.stack.parameters.clone();
    parameters.extend(swapped.parameters);
    let finished = Finished {
        stack: &stack.name,
        stack_id: &deployed.stack.id,
        kind: Kind::Hotswap,
        cause: None,
        took: started.elapsed(),
        template: Some(&deployed.text),
        parameters: &parameters,
        tags: &deployed.stack.tags,
        changes: &[],
        remains: None,
    };
    records::keep(context, &look.session, &finished).await;
    context.ui.step("done", format!("code swapped: {}", hotswap::names(&new)));
    Ok(done(DeployResult::Swapped))
}
