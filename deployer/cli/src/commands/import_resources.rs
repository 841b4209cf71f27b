//! `deployer import NAME=ID`: resources that exist become part of a deployed stack.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::{ImportedResource, StackState};
use deployer_aws::existing;
use deployer_base::error::{Error, Message, Result};
use deployer_base::text::printable;
use deployer_cfn::deployed::lossy;
use deployer_cfn::importable;
use deployer_cfn::template::logical_id;
use deployer_plan::adopt::{FormerStack, import_template};
use deployer_plan::diff::{Adopted, ChangeKind};
use deployer_syntax::number;
use schemars::JsonSchema;
use serde::Serialize;

use super::RoleArgs;
use crate::adoption::Adoption;
use crate::context::Context;
use crate::data_loss::{self, Holds};
use crate::deployment::{Deployment, Options};
use crate::plan;
use crate::records::MASKED;
use crate::situation::{self, Busy, Look, Situation};
use crate::state::{self, Deployed, Wanted};

/// Resources that became part of a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportedResources<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// CloudFormation's status of the stack.
    status: &'a str,
    /// The resources.
    imported: Vec<ImportedEntry<'a>>,
    /// `true` if the file has more for these resources, which `deployer deploy` creates.
    incomplete: bool,
}

/// A resource that became part of a stack.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportedEntry<'a> {
    /// Logical ID.
    logical_id: &'a str,
    /// Physical ID.
    physical_id: &'a str,
    /// CloudFormation type.
    #[serde(rename = "type")]
    resource_type: &'a str,
}

/// Imports resources, given as their names in the file and their IDs, into a stack of the file.
pub async fn run(
    context: &Context,
    resources: &[(String, String)],
    stack: Option<&str>,
    role: &RoleArgs,
) -> Result<()> {
    let compiled = context.compile_by_policies(stack)?;
    let stack = &compiled.stack;
    // The code of the stack is not part of an import.
    let situation = Situation::new(
        context,
        &compiled,
        Look { code: false, busy: Busy::Refuse, fresh: false, allow_replace: &[] },
    )
    .await?;
    let Some(deployed) = &situation.deployed else {
        return Err(Error::Refused(
            Message::new(format!("{} is not deployed, so nothing can be imported into it", stack.name)).hint(
                "`deployer deploy` adopts what a deleted stack of this name has kept; for other resources, deploy the stack \
                 without them first, and then import them",
            ),
        ));
    };
    plan::action(Some(&deployed.stack))?;
    if deployed.stack.state != StackState::Settled {
        return Err(Error::Refused(
            Message::new(format!("{} has nothing but a change set that was never executed", stack.name))
                .hint("run `deployer deploy` first; nothing was changed"),
        ));
    }
    let chosen = choose(resources, &situation.wanted, deployed)?;
    check_unmangled(deployed, &situation.wanted)?;
    let others = other_changes(&situation, &stack.name, &chosen);
    if !others.is_empty() {
        return Err(Error::Refused(
            Message::new(format!(
                "the file has other changes, and an import can't contain them: {}",
                others.join(", ")
            ))
            .hint(
                "take them back until the import is done, or deploy them first with the imported resources left out of the file; \
                 nothing was changed",
            ),
        ));
    }
    let adoption = adoption(context, &situation, &stack.name, deployed, &chosen).await?;
    let role = role.or(stack.organisation.role_arn.clone(), &situation.session)?;
    situation::show_role(context, role.as_deref(), Some(&deployed.stack));
    let options = Options { role, ..Options::default() };
    let deployment = Deployment {
        context,
        session: &situation.session,
        cloudformation: &situation.cloudformation,
        name: &stack.name,
        target: &stack.target,
        wanted: &situation.wanted,
        deployed: Some(deployed),
        adoption: None,
        imports: &[],
        options: &options,
    };
    for (id, one) in &adoption.adopted {
        let holds = one.holds.as_ref().map(|holds| format!(", with {holds}")).unwrap_or_default();
        context.ui.step("imports", printable(&format!("{} as {id}{holds}", one.physical_id)));
    }
    for note in &adoption.notes {
        context.ui.warn(note);
    }
    let noun = if chosen.len() == 1 { "this resource" } else { "these resources" };
    let question = format!("Make {noun} part of {}, with the properties of the file?", stack.name);
    context.on_interrupt("nothing was changed", "run `deployer import` again");
    context.ui.confirm(&question).await?;
    let now = deployment.import_into(deployed, &adoption).await?;
    context.ui.step("done", format!("{} is in {}", stack.name, now.stack.status));
    let incomplete = now.template != situation.wanted.template;
    if incomplete {
        context.ui.note("\nnext: `deployer deploy` creates what belongs to the imported resources");
    }
    if context.ui.is_json() {
        let imported = chosen.iter().map(Chosen::listed).collect();
        let document =
            ImportedResources { stack: &stack.name, status: &now.stack.status, imported, incomplete };
        return context.ui.json(document);
    }
    Ok(())
}

/// A resource of the file that is imported.
#[derive(Debug, Clone, Copy)]
struct Chosen<'a> {
    /// Logical ID.
    id: &'a str,
    /// CloudFormation type.
    kind: &'a str,
    /// Key of its identifier.
    key: &'static str,
    /// Value of that key.
    physical_id: &'a str,
}

impl<'a> Chosen<'a> {
    const fn listed(&self) -> ImportedEntry<'a> {
        ImportedEntry { logical_id: self.id, physical_id: self.physical_id, resource_type: self.kind }
    }
}

/// Returns the chosen resources of the file, which the stack must not have yet.
fn choose<'a>(
    named: &'a [(String, String)],
    wanted: &'a Wanted,
    deployed: &Deployed,
) -> Result<Vec<Chosen<'a>>> {
    let mut out: Vec<Chosen<'a>> = Vec::new();
    for (name, physical_id) in named {
        let (id, kind) = find(name, wanted)?;
        if !deployed.template["Resources"][id].is_null() {
            return Err(Error::Usage(
                Message::new(format!("{id} is already part of {}", deployed.stack.name))
                    .hint("name only resources that the file has and the stack has not; nothing was changed"),
            ));
        }
        let Some(importable) = importable::find(kind) else {
            return Err(Error::Usage(
                Message::new(format!("{id} is an {kind}, which can't be imported by its ID"))
                    .hint("let `deployer deploy` create it; nothing was changed"),
            ));
        };
        if out.iter().any(|one| one.id == id || one.physical_id == physical_id) {
            return Err(Error::Usage(
                Message::new(format!("`{name}={physical_id}` names a resource that is already named"))
                    .hint("name each resource once; nothing was changed"),
            ));
        }
        out.push(Chosen { id, kind, key: importable.identifier, physical_id });
    }
    Ok(out)
}

/// Returns logical ID and type of the resource of a name in the file, or of a logical ID.
fn find<'a>(name: &str, wanted: &'a Wanted) -> Result<(&'a str, &'a str)> {
    let id = logical_id(name);
    let resources = || wanted.template["Resources"].as_object().into_iter().flatten();
    let of_name = |id: &str| wanted.origins.get(id).is_some_and(|origin| origin == name);
    let exact = resources().find(|(known, _)| *known == name || (**known == id && of_name(known)));
    // `options.logicalId` gives the main resource another ID.
    let renamed = || {
        let mut all = resources().filter(|(known, resource)| {
            of_name(known) && importable::find(resource["Type"].as_str().unwrap_or_default()).is_some()
        });
        all.next().filter(|_| all.next().is_none())
    };
    let Some((id, resource)) = exact.or_else(renamed) else {
        return Err(Error::Usage(
            Message::new(format!("the file has no resource `{name}` that can be imported"))
                .hint("`deployer synth` shows the logical IDs; nothing was changed"),
        ));
    };
    Ok((id, resource["Type"].as_str().unwrap_or_default()))
}

/// Refuses a deployed template that CloudFormation does not return as it was sent: an import built on it would change
/// other resources.
fn check_unmangled(deployed: &Deployed, wanted: &Wanted) -> Result<()> {
    let lossy = lossy::count(&deployed.template, &wanted.template) > 0;
    let masked = deployed.stack.parameters.values().any(|value| value == MASKED);
    if !lossy && !masked {
        return Ok(());
    }
    let what = if lossy { "characters that are not ASCII" } else { "parameters with `NoEcho`" };
    Err(Error::Refused(
        Message::new(format!("the deployed template has {what}, which CloudFormation does not return"))
            .hint("run `deployer deploy` first, without the resources to import; nothing was changed"),
    ))
}

/// Returns the changes of the file that have nothing to do with the imported resources.
fn other_changes(situation: &Situation, name: &str, chosen: &[Chosen<'_>]) -> Vec<String> {
    let plan =
        plan::Plan::new(&situation.session, name, &situation.wanted, situation.deployed.as_ref(), None);
    let origin = |id: &str| situation.wanted.origins.get(id);
    let imported: BTreeSet<&str> = chosen.iter().map(|one| one.id).collect();
    let origins: BTreeSet<&String> = chosen.iter().filter_map(|one| origin(one.id)).collect();
    let belongs =
        |id: &str| imported.contains(id) || origin(id).is_some_and(|origin| origins.contains(origin));
    let resources = plan.diff.changed().filter(|one| one.action != ChangeKind::Create || !belongs(&one.id));
    let mut out: Vec<String> = resources.map(|one| one.id.clone()).collect();
    out.extend(plan.diff.outputs.iter().map(|one| format!("output {}", one.name)));
    out.extend(plan.diff.parameters.iter().map(|one| format!("parameter {}", one.name)));
    out.extend(plan.diff.tags.iter().map(|one| format!("tag {}", one.name)));
    out.extend(plan.diff.template.iter().map(|one| one.name.clone()));
    out
}

/// Returns the import: the deployed template, and the chosen resources as the file describes them.
async fn adoption(
    context: &Context,
    situation: &Situation,
    name: &str,
    deployed: &Deployed,
    chosen: &[Chosen<'_>],
) -> Result<Adoption> {
    let (session, none) = (&situation.session, BTreeMap::new());
    for one in chosen {
        if existing::exists(session, one.kind, one.physical_id).await? == Some(false) {
            return Err(Error::Usage(
                Message::new(format!("there is no {} {} in {}", one.kind, one.physical_id, session.region))
                    .hint("check the ID, the account and the region; nothing was changed"),
            ));
        }
    }
    let pseudo = state::pseudo(session, name);
    let wanted = FormerStack {
        template: &situation.wanted.template,
        parameters: &situation.wanted.parameters,
        pseudo: &pseudo,
        resources: &none,
    };
    // What is deployed can be referred to, beside what is imported.
    let there = deployed.template["Resources"].as_object().into_iter().flatten().map(|(id, _)| id.clone());
    let known: BTreeSet<String> = there.chain(chosen.iter().map(|one| one.id.to_owned())).collect();
    let made = import_template(&wanted, &known);
    let mut template = deployed.template.clone();
    let mut adopted = BTreeMap::new();
    for one in chosen {
        if let Some(why) = made.impossible.get(one.id) {
            return Err(Error::Refused(
                Message::new(format!("{} can't be imported: {why}", one.id))
                    .hint("deploy first what it refers to; nothing was changed"),
            ));
        }
        template["Resources"][one.id] = made.template["Resources"][one.id].clone();
        let holds = data_loss::of(session, one.kind, one.physical_id).await.unwrap_or(Holds::Unknown);
        let holds = match holds {
            Holds::This(words) => Some(words),
            Holds::Nothing | Holds::Unknown => None,
        };
        adopted.insert(one.id.to_owned(), Adopted { physical_id: one.physical_id.to_owned(), holds });
    }
    let left_out = made.left_out.iter().filter(|(id, _)| chosen.iter().any(|one| one.id == id));
    let notes = left_out.map(|(id, property)| {
        format!("{id} is imported without its {property}, which refers to something that isn't deployed; `deployer deploy` sets it")
    });
    let resources = chosen.iter().map(|one| ImportedResource {
        logical_id: one.id.to_owned(),
        resource_type: one.kind.to_owned(),
        key: one.key,
        value: one.physical_id.to_owned(),
    });
    let (resources, notes, text) = (resources.collect(), notes.collect(), number::to_ascii_json(&template));
    context.ui.step("checked", format!("{} of {name} can be imported", adopted.len()));
    Ok(Adoption { template, text, resources, adopted, losses: Vec::new(), notes })
}
