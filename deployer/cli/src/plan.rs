//! The changes of a deployment, before any of them is made: the difference between the deployed stack and the wanted
//! one, with CloudFormation's own list if a change set was created.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::{Change, DeployedStack, Mode, StackState};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::DeploymentEvent;
use deployer_build::Prepared;
use deployer_cfn::deployed;
use deployer_cfn::deployed::lossy;
use deployer_cfn::refactor;
use deployer_cfn::template;
use deployer_plan::diagnose;
use deployer_plan::diff::{self, ChangeKind, Detail, Diff, Fate, Forces, Side, indexes};
use serde_json::{Value, json};

use crate::adoption::Adoption;
use crate::context::Context;
use crate::data_loss::Holds;
use crate::gates::Loss;
use crate::parameters;
use crate::state::{self, Deployed, Wanted};
use crate::watch::way_out;

/// Largest template that a call carries: CloudFormation User Guide, "AWS CloudFormation quotas".
pub const INLINE_TEMPLATE_BYTES: usize = 51_200;

/// The operation on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The creation of a stack that does not exist yet.
    Create,
    /// The update of a stack that exists.
    Update,
}

/// The changes of a deployment.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The differences.
    pub diff: Diff,
    /// `true` if CloudFormation was asked.
    asked: bool,
    /// The policies of the templates for resources that are removed, for those whose removal only CloudFormation knows.
    retention: RetentionPolicies,
}

/// Logical IDs by the policies that the templates give them.
#[derive(Debug, Clone, Default)]
struct RetentionPolicies {
    /// Kept in the account when they leave the stack, according to the deployed template.
    kept_when_removed: BTreeSet<String>,
    /// Kept in the account when they are replaced, according to the wanted template.
    kept_when_replaced: BTreeSet<String>,
    /// Protected, according to the deployed template.
    protected: BTreeSet<String>,
}

impl RetentionPolicies {
    fn new(wanted: &Value, deployed: &Value) -> Self {
        let keeping = |template: &Value, policy: &str| {
            let keeps = |resource: &Value| {
                resource[policy].as_str().is_some_and(|word| word.starts_with("Retain") || word == "Snapshot")
            };
            let resources = template["Resources"].as_object().into_iter().flatten();
            resources.filter(|(_, resource)| keeps(resource)).map(|(id, _)| id.clone()).collect()
        };
        Self {
            kept_when_removed: keeping(deployed, "DeletionPolicy"),
            kept_when_replaced: keeping(wanted, "UpdateReplacePolicy"),
            protected: protected(deployed),
        }
    }

    /// Returns the fate of the deployed resource.
    fn of(&self, id: &str, becomes: ChangeKind) -> Fate {
        let kept = match becomes {
            ChangeKind::Delete => &self.kept_when_removed,
            _ => &self.kept_when_replaced,
        };
        if kept.contains(id) { Fate::Retained } else { Fate::Deleted }
    }
}

impl Plan {
    /// Compares the deployed stack with the wanted one.
    #[must_use]
    pub fn new(
        session: &Session,
        stack: &str,
        wanted: &Wanted,
        deployed: Option<&Deployed>,
        adoption: Option<&Adoption>,
    ) -> Self {
        let pseudo = state::pseudo(session, stack);
        let none = BTreeMap::new();
        // A rename comes first, and changes nothing else.
        let ids = deployed.map(|deployed| wanted.renamed_ids(&deployed.template)).unwrap_or_default();
        let renamed = deployed.map(|deployed| refactor::renamed(&deployed.template, &ids));
        let before = match (adoption, deployed.filter(|deployed| !deployed.is_empty())) {
            (Some(adoption), _) => {
                Some(Side { template: &adoption.template, parameters: &none, tags: &none })
            }
            (None, Some(deployed)) => Some(Side {
                template: renamed.as_ref().unwrap_or(&deployed.template),
                parameters: &deployed.stack.parameters,
                tags: &deployed.stack.tags,
            }),
            (None, None) => None,
        };
        let after = Side { template: &wanted.template, parameters: &wanted.parameters, tags: &wanted.tags };
        let mut diff = diff::compare(before.as_ref(), &after, &pseudo, &wanted.origins);
        match adoption {
            Some(adoption) => adoption.mark(&mut diff),
            None => diff.notes.extend(diff.reach_of_tags()),
        }
        diff.rename(&ids.into_iter().map(|(old, new)| (new, old)).collect());
        if let Some(deployed) = deployed.filter(|deployed| !deployed.is_empty())
            && let Some(after) = wanted.notifications_to_send(Some(deployed))
        {
            diff.notifications(&deployed.stack.notifications, &after);
        }
        for code in &mut diff.code {
            let prepared = wanted.code.iter().find(|one| one.asset.parameter == code.parameter);
            code.after_bytes = prepared.map(Prepared::size);
        }
        if let Some(swapped) = deployed.and_then(|deployed| deployed.swapped.as_ref()) {
            let names = swapped.parameters.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            diff.notes.push(format!(
                "code was swapped without CloudFormation ({names}, {} by {}); `deployer deploy` makes it permanent, or reverts it",
                swapped.time, swapped.caller
            ));
        }
        let updates =
            before.map(|before| indexes::updates(before.template, &wanted.template)).unwrap_or_default();
        if !updates.is_empty() {
            let steps: Vec<String> = updates.iter().map(|update| update.says.join(", ")).collect();
            diff.notes.push(format!(
                "CloudFormation changes one index of a table per update, so `deployer deploy` runs {} updates: {}",
                steps.len(),
                steps.join("; ")
            ));
        }
        let lossy = before.map_or(0, |before| lossy::count(before.template, &wanted.template));
        if lossy > 0 {
            let values = if lossy == 1 { "1 value differs" } else { &format!("{lossy} values differ") };
            diff.notes.push(format!(
                "{values} only by `?`, with which CloudFormation may have replaced characters that are not ASCII; this does not \
                 count as a difference, and `deployer deploy` lets CloudFormation decide"
            ));
        }
        let retention =
            RetentionPolicies::new(&wanted.template, before.map_or(&Value::Null, |before| before.template));
        Self { diff, asked: false, retention }
    }

    /// Adds CloudFormation's changes of each resource: the certainty of replacements that depend, and changes that the
    /// templates don't show, since macros make resources that no template names.
    #[must_use]
    pub fn merged(mut self, changes: &[Change]) -> Self {
        self.asked = true;
        let mut unseen = Vec::new();
        let mut unknown = Vec::new();
        for change in changes {
            // The plan says on how many resources the tags of the stack change.
            let tags = change.only_tags && change.kind == ChangeKind::Update && !self.diff.tags.is_empty();
            if tags || change.kind == ChangeKind::Keep {
                continue;
            }
            let becomes = match (change.kind, change.perhaps) {
                (ChangeKind::Replace, true) => ChangeKind::Update,
                (kind, _) => kind,
            };
            let replaces = change.kind == ChangeKind::Replace;
            let replacement = match (replaces, change.perhaps) {
                (true, false) => Forces::Always,
                (true, true) => Forces::Conditional,
                (false, _) => Forces::Never,
            };
            let goes = replaces || becomes == ChangeKind::Delete;
            let fate = goes.then(|| self.retention.of(&change.logical_id, becomes));
            let perhaps = if change.perhaps { "perhaps " } else { "" };
            let said = format!("{perhaps}{} {}", change.kind.change_set_word(), change.logical_id);
            let Some(own) = self.diff.resources.iter_mut().find(|own| own.id == change.logical_id) else {
                unseen.push(said);
                unknown.push(diff::ResourceChange {
                    id: change.logical_id.clone(),
                    kind: change.resource_type.clone(),
                    origin: None,
                    action: becomes,
                    replacement,
                    holds: diff::holds(&change.resource_type),
                    protected: self.retention.protected.contains(&change.logical_id),
                    old: fate,
                    adopted: None,
                    was: None,
                    blocked_by_name: None,
                    changes: Vec::new(),
                });
                continue;
            };
            match own.action {
                // The resource refers to one that is updated in place, and the reference stays the same.
                ChangeKind::Keep if !goes && change.perhaps => {}
                ChangeKind::Keep | ChangeKind::Update if becomes == ChangeKind::Delete => {
                    unseen.push(said);
                    (own.action, own.old) = (ChangeKind::Delete, fate);
                }
                ChangeKind::Keep => {
                    unseen.push(said);
                    (own.action, own.replacement, own.old) = (becomes, replacement, fate);
                }
                ChangeKind::Update if becomes == ChangeKind::Replace => {
                    (own.action, own.replacement) = (ChangeKind::Replace, Forces::Always);
                    own.old = own.old.or(fate);
                }
                ChangeKind::Update if !replaces && own.replacement == Forces::Conditional => {
                    (own.replacement, own.old) = (Forces::Never, None);
                }
                _ => {}
            }
        }
        self.diff.resources.extend(unknown);
        if !unseen.is_empty() {
            self.diff.notes.push(format!("CloudFormation would also: {}", unseen.join(", ")));
        }
        self.diff.summary = diff::summary(&self.diff.resources);
        self
    }

    /// Renders the plan for people, with this much detail unless `--verbose` asks for all of it.
    #[must_use]
    pub fn lines(&self, context: &Context, detail: Detail) -> Vec<diff::Line> {
        let detail = if context.ui.verbose { Detail::Full } else { detail };
        diff::render(&self.diff, deployer_base::ui::terminal_width(), detail)
    }

    /// Shows the plan to people.
    pub fn show(&self, context: &Context) {
        context.ui.plan(&self.lines(context, Detail::Brief));
        context.ui.event(&DeploymentEvent::Plan { plan: &self.diff });
    }

    /// Counts the permissions that let a principal do more than before. In a new stack there are none: all of its
    /// permissions are new.
    #[must_use]
    pub fn widened(&self) -> usize {
        if self.diff.new {
            return 0;
        }
        self.diff.permissions.iter().filter(|permission| permission.widens).count()
    }

    /// Counts the new ways of access for anyone.
    #[must_use]
    pub fn exposed(&self) -> usize {
        self.diff.exposure.iter().filter(|exposure| exposure.gained && exposure.public).count()
    }

    /// Returns the resources with data or protection that would be removed or replaced. A replacement that depends
    /// counts once CloudFormation was asked and did not exclude it.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let goes = |change: &&diff::ResourceChange| {
            matches!(change.action, ChangeKind::Delete | ChangeKind::Replace)
                || (self.asked
                    && change.action == ChangeKind::Update
                    && change.replacement == Forces::Conditional)
        };
        self.diff
            .resources
            .iter()
            .filter(goes)
            .filter(|change| change.protected || change.holds.is_some())
            .map(|change| Loss {
                logical_id: change.id.clone(),
                origin: change.origin.clone(),
                resource_type: change.kind.clone(),
                replaced: change.action != ChangeKind::Delete,
                kept: matches!(change.old, Some(Fate::Retained | Fate::Snapshot)),
                protected: change.protected,
                holds: Holds::Unknown,
            })
            .collect()
    }

    /// Returns whether CloudFormation was asked.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.asked
    }

    /// Returns whether a name may be that of a resource, by logical ID or by its name in the file. Macros make
    /// resources of any name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let id = template::logical_id(name);
        self.diff
            .resources
            .iter()
            .any(|own| own.id == name || own.id == id || own.origin.as_deref() == Some(name))
            || self.diff.notes.iter().any(|note| note.contains("`Transform`"))
    }

    /// Returns the resources that are, or may be, replaced.
    fn replaced(&self) -> impl Iterator<Item = &str> {
        let replaced = |change: &&diff::ResourceChange| {
            change.action == ChangeKind::Replace
                || (change.action == ChangeKind::Update && change.replacement == Forces::Conditional)
        };
        self.diff.resources.iter().filter(replaced).map(|change| change.id.as_str())
    }
}

/// Refuses to turn rollback off if that would leave the stack stuck.
///
/// AWS CloudFormation User Guide, "Choose how to handle failures when provisioning resources": with rollback off, an
/// update that replaces a resource fails, and leaves the stack in UPDATE_FAILED.
///
/// # Errors
/// Returns [`Error::Refused`] with the resources that would be replaced.
pub fn check_mode(plan: &Plan, mode: Mode) -> Result<()> {
    let replaced: Vec<&str> = plan.replaced().collect();
    if !mode.no_rollback || replaced.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(
        Message::new(format!(
            "without rollback, CloudFormation refuses replacements and leaves the stack in UPDATE_FAILED; this deployment would \
             replace {}",
            replaced.join(", ")
        ))
        .hint("deploy without `--no-rollback`; nothing was changed"),
    ))
}

/// Returns whether the deployed template is the wanted one, as far as CloudFormation can return it.
#[must_use]
pub fn is_template(deployed: &Deployed, wanted: &str) -> bool {
    deployed.text == wanted
        || (deployed.text.contains('?') && {
            let wanted = deployed::read(wanted);
            *lossy::restored(&deployed.template, &wanted) == wanted
        })
}

/// Returns whether the deployed stack certainly is the wanted one: same template, same code, same tags. A difference only by `?`
/// is left to a change set: only CloudFormation can tell whether the deployed text has a `?` there.
#[must_use]
pub fn is_current(deployed: &Deployed, wanted: &Wanted) -> bool {
    let parameters = &deployed.stack.parameters;
    let is_code = |name: &String| wanted.code.iter().any(|one| one.asset.parameter == *name);
    let same = |(name, value): (&String, &String)| is_code(name) || parameters.get(name) == Some(value);
    deployed.stack.state == StackState::Settled
        && deployed.text == wanted.text
        && deployed.swapped.is_none()
        && wanted.tags_to_send(Some(deployed)).is_none()
        && wanted.notifications_to_send(Some(deployed)).is_none()
        && wanted.parameters.iter().all(same)
        && wanted
            .code
            .iter()
            .all(|one| parameters.get(&one.asset.parameter).is_some_and(|value| value.contains(&one.digest)))
}

/// Returns the logical IDs of the resources that a deployed template protects (`options.protect`).
#[must_use]
pub fn protected(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    let protects = |resource: &Value| {
        let word = &resource["Metadata"]["deployer"]["protect"];
        // An author who wrote the template in YAML may have quoted the value.
        *word == json!(true) || *word == json!("true")
    };
    resources.filter(|(_, resource)| protects(resource)).map(|(id, _)| id.clone()).collect()
}

/// Returns the operation that is possible on a stack in its state.
///
/// # Errors
/// Returns [`Error::Refused`] while an operation is in progress, [`Error::Deployment`] if CloudFormation would refuse
/// in this state.
pub fn action(deployed: Option<&DeployedStack>) -> Result<Action> {
    let Some(stack) = deployed else { return Ok(Action::Create) };
    match stack.state {
        StackState::Review => Ok(Action::Create),
        StackState::Settled => Ok(Action::Update),
        StackState::Busy => Err(Error::Refused(
            Message::new(format!("an operation is in progress on {}: {}", stack.name, stack.status))
                .hint("`deployer events --follow` shows its progress; try again when it has finished"),
        )),
        StackState::Dead => Err(Error::Deployment(
            Message::new(format!(
                "the stack {} is in {} and cannot be updated: {}",
                stack.name,
                stack.status,
                diagnose::fate(&stack.status).fate
            ))
            .hint(way_out(&stack.status)),
        )),
    }
}

/// Returns the parameters of the change set, in the order of the template; without a value where CloudFormation alone
/// knows the one that is deployed.
#[must_use]
pub fn parameters(template: &Value, values: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
    let declared = template["Parameters"].as_object().into_iter().flatten();
    let parameter = |(name, declaration): (&String, &Value)| {
        let value = values.get(name)?;
        let masked = value == parameters::MASKED && parameters::is_hidden(declaration);
        Some((name.clone(), (!masked).then(|| value.clone())))
    };
    declared.filter_map(parameter).collect()
}

/// Counts the resources that a change set creates, changes, replaces and removes.
#[must_use]
pub fn summary(changes: &[Change]) -> String {
    let kinds =
        [ChangeKind::Adopt, ChangeKind::Create, ChangeKind::Update, ChangeKind::Replace, ChangeKind::Delete];
    let certain = |change: &&Change| !change.perhaps || change.kind == ChangeKind::Replace;
    let counts =
        kinds.map(|kind| (kind, changes.iter().filter(certain).filter(|change| change.kind == kind).count()));
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} to {}", kind.change_set_word()))
        .collect();
    if parts.is_empty() { "no resource changes".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use deployer_plan::diff::PseudoParameters;

    use super::*;

    /// Returns the plan of an update from one template to another.
    fn plan(before: &Value, after: &Value) -> Plan {
        let none = BTreeMap::new();
        let side = |template| Side { template, parameters: &none, tags: &none };
        let diff = diff::compare(Some(&side(before)), &side(after), &PseudoParameters::default(), &none);
        Plan { diff, asked: false, retention: RetentionPolicies::new(after, before) }
    }

    fn table(key: &str, protect: bool) -> Value {
        json!({ "Resources": {
            "Records": {
                "Type": "AWS::DynamoDB::Table",
                "UpdateReplacePolicy": "Retain",
                "Metadata": { "deployer": { "protect": protect } },
                "Properties": { "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }] },
            },
            "Jobs": { "Type": "AWS::SQS::Queue", "Properties": { "DelaySeconds": 1 } },
            "Reader": { "Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                "EventSourceArn": { "Ref": "Jobs" }, "FunctionName": "f" } },
        } })
    }

    fn change(kind: ChangeKind, perhaps: bool, id: &str) -> Change {
        Change {
            kind,
            perhaps,
            logical_id: id.to_owned(),
            resource_type: String::new(),
            only_tags: false,
            drift: None,
        }
    }

    fn becomes(plan: &Plan, id: &str) -> Option<(ChangeKind, Forces)> {
        plan.diff.resources.iter().find(|one| one.id == id).map(|one| (one.action, one.replacement))
    }

    #[test]
    fn what_holds_data_or_is_protected_is_a_loss() {
        let losses = plan(&table("id", false), &table("other", false)).losses();
        assert_eq!(losses.iter().map(|loss| loss.logical_id.as_str()).collect::<Vec<_>>(), ["Records"]);
        assert!(losses[0].replaced && losses[0].kept && !losses[0].protected);
        // The deployed template protects the resource, whatever the file contains now.
        assert!(plan(&table("id", true), &table("other", false)).losses()[0].protected);
        assert!(!plan(&table("id", false), &table("other", true)).losses()[0].protected);
        let mut gone = table("id", false);
        gone["Resources"].as_object_mut().expect("resources").remove("Reader");
        assert_eq!(plan(&table("id", false), &gone).losses(), [], "a mapping can be made again");
        gone["Resources"].as_object_mut().expect("resources").remove("Jobs");
        assert!(!plan(&table("id", false), &gone).losses()[0].replaced);
    }

    #[test]
    fn cloudformation_knows_what_depends() {
        let mut after = table("id", false);
        after["Resources"]["Jobs"]["Properties"]["DelaySeconds"] = json!(2);
        let own = plan(&table("id", false), &after);
        assert_eq!(becomes(&own, "Jobs"), Some((ChangeKind::Update, Forces::Never)));
        // The resource refers to one that is updated in place.
        let merged = own
            .clone()
            .merged(&[change(ChangeKind::Update, false, "Jobs"), change(ChangeKind::Update, true, "Reader")]);
        assert_eq!(becomes(&merged, "Reader"), Some((ChangeKind::Keep, Forces::Never)));
        assert!(merged.diff.notes.is_empty() && merged.losses().is_empty(), "{:?}", merged.diff.notes);
        // An unexpected replacement is detected, and stopped.
        let merged = own.clone().merged(&[change(ChangeKind::Replace, false, "Records")]);
        assert_eq!(becomes(&merged, "Records"), Some((ChangeKind::Replace, Forces::Always)));
        assert_eq!(merged.losses().len(), 1);
        assert!(merged.diff.notes[0].contains("replace Records"), "{:?}", merged.diff.notes);
        assert_eq!((merged.diff.summary.replace, merged.diff.summary.update), (1, 1));
        let merged = own.merged(&[change(ChangeKind::Replace, true, "Records")]);
        assert_eq!(merged.losses().len(), 1, "it may be lost");
    }

    #[test]
    fn what_only_cloudformation_knows_to_go_is_a_loss_too() {
        let mut before = table("id", true);
        before["Resources"]["Records"]["DeletionPolicy"] = json!("Retain");
        // A resource of a macro, and one that the template no longer names.
        let made = Change {
            resource_type: "AWS::DynamoDB::Table".to_owned(),
            ..change(ChangeKind::Delete, false, "Made")
        };
        let merged = plan(&before, &before).merged(&[made, change(ChangeKind::Delete, false, "Records")]);
        assert_eq!(becomes(&merged, "Made").map(|(action, _)| action), Some(ChangeKind::Delete));
        assert_eq!((merged.diff.summary.delete, merged.diff.summary.keep), (2, 2));
        let losses = merged.losses();
        let made = losses.iter().find(|loss| loss.logical_id == "Made").expect("a loss");
        assert!(!made.kept && !made.protected && !made.replaced, "{made:?}");
        let kept = losses.iter().find(|loss| loss.logical_id == "Records").expect("a loss");
        assert!(kept.kept && kept.protected, "{kept:?}");
    }

    #[test]
    fn rollback_stays_on_where_something_is_replaced() {
        let mode = Mode { no_rollback: true, ..Mode::default() };
        let replaces = plan(&table("id", false), &table("other", false));
        assert_eq!(check_mode(&replaces, mode).expect_err("refused").exit_code(), 5);
        check_mode(&replaces, Mode { express: true, ..Mode::default() }).expect("rolls back");
        check_mode(&plan(&table("id", false), &table("id", false)), mode).expect("replaces nothing");
    }

    #[test]
    fn templates_in_yaml_protect_resources_as_well() {
        let yaml = "Resources: { A: { Type: T, Metadata: { deployer: { protect: true } } } }";
        assert_eq!(protected(&deployed::read(yaml)), BTreeSet::from(["A".to_owned()]));
    }

    #[test]
    fn a_summary_leaves_out_what_is_only_looked_at_again() {
        let changes = [
            change(ChangeKind::Update, false, "A"),
            change(ChangeKind::Update, true, "B"),
            change(ChangeKind::Replace, true, "C"),
        ];
        assert_eq!(summary(&changes), "1 to modify, 1 to replace");
        assert_eq!(summary(&changes[1..2]), "no resource changes");
    }
}
