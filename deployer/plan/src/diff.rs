//! The changes that a deployment would make: the deployed template beside that of the file, as resolved resources, not
//! as lines.
//!
//! Beside the flow: `deployer diff` and `deployer deploy` show the same [`Diff`]. Each side is resolved (`resolve`),
//! different values are brought into one form by the resource schemas (`canonical`) and compared (`values`), and
//! references to a replaced resource change with it (`follow`). Permissions, exposure, code and cost are read off the
//! same resolved sides. A deployed template can be anything: nothing here expects a form or goes on without end.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::deployed::lossy;
use deployer_cfn::schemas;
use deployer_syntax::secrets::is_secret_name;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::resolve::{Resolved, Resolver, is_dynamic, truthy};

mod adopted;
mod canonical;
mod code;
pub mod comment;
mod cost;
mod exposure;
mod follow;
pub mod indexes;
mod notes;
mod permissions;
mod renamed;
mod sections;
mod settings;
mod stateful;
mod text;
mod values;
mod words;

pub use crate::resolve::{PseudoParameters, Side};
pub use adopted::Adopted;
pub use code::{CodeChange, CodeState};
pub use cost::{Cost, CostItem};
pub use exposure::{Exposure, ExposureKind};
pub(crate) use permissions::fits;
pub use permissions::{Effect, Permission};
pub use stateful::holds;
pub use text::{Detail, Line, Sign, kind_in_words, render};

use canonical::{At, canonical};
use notes::notes;
use sections::{outputs, parameters, rest, tags};
use values::{Step, differences, schema_path, shown};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is created.
    Create,
    /// It exists outside of every stack, and becomes part of this one, with its data.
    Adopt,
    /// It is updated in place.
    Update,
    /// A new one is created, which replaces it.
    Replace,
    /// It is removed from the stack.
    Delete,
    /// It stays as it is.
    Keep,
}

impl ChangeKind {
    /// Returns the word of CloudFormation's change sets.
    #[must_use]
    pub const fn change_set_word(self) -> &'static str {
        match self {
            Self::Create => "add",
            Self::Adopt => "import",
            Self::Update => "modify",
            Self::Replace => "replace",
            Self::Delete => "remove",
            Self::Keep => "keep",
        }
    }
}

/// The degree to which a change forces a replacement of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "replacement")]
pub enum Forces {
    /// It does not.
    Never,
    /// There is no schema of the type.
    Unknown,
    /// It may: that depends on the change, or on what is deployed.
    Conditional,
    /// It does.
    Always,
}

/// The treatment of a resource that is removed from the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "removedResource")]
pub enum Fate {
    /// It is deleted, with what is in it.
    Deleted,
    /// It stays in the account, outside of the stack.
    Retained,
    /// It is deleted, and a snapshot stays.
    Snapshot,
}

/// A change of a property, or of another attribute of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "property")]
pub struct PropertyChange {
    /// The path: `Properties.ScalingConfig.MaximumConcurrency`; entries of lists by name where they have one, else by position.
    pub path: String,
    /// The deployed value; an expression where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value in the file; an expression where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The degree to which the change forces a replacement.
    pub replacement: Forces,
    /// The replaced resource that the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// Logical ID.
    pub id: String,
    /// CloudFormation type; the new one where it changes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name in `stack.yaml` of the resource that it is created for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The change.
    pub action: ChangeKind,
    /// The replacement that its changes force, if any.
    pub replacement: Forces,
    /// The data that is lost with it, if it can't be created again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<&'static str>,
    /// `true` if the deployed template protects it (`options.protect`).
    pub protected: bool,
    /// The treatment of the deployed resource if it is, or may be, deleted or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Fate>,
    /// The resource that is adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adopted>,
    /// The logical ID that it has in the deployed stack, if it is renamed; `action` says what changes beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The unchanged name for which CloudFormation refuses to replace it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by_name: Option<String>,
    /// Its changes.
    pub changes: Vec<PropertyChange>,
}

/// A change of an output, parameter, tag, or another part of the template.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "value")]
pub struct ValueChange {
    /// Its name.
    pub name: String,
    /// The change.
    #[schemars(extend("enum" = ["create", "update", "delete"]))]
    pub action: ChangeKind,
    /// The deployed value; an expression where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value in the file; an expression where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The replaced resource that the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// The number of resources of each action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Summary {
    /// Resources to create.
    pub create: usize,
    /// Resources to adopt.
    #[serde(skip_serializing_if = "adopted::is_zero")]
    pub adopt: usize,
    /// Resources that get another logical ID; those that change in another way too are counted there as well.
    #[serde(skip_serializing_if = "adopted::is_zero")]
    pub rename: usize,
    /// Resources to update.
    pub update: usize,
    /// Resources to replace.
    pub replace: usize,
    /// Resources to remove.
    pub delete: usize,
    /// Resources that stay as they are.
    pub keep: usize,
}

/// The changes that a deployment would make.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "plan")]
pub struct Diff {
    /// Name of the stack.
    pub stack: String,
    /// `true` if nothing is deployed.
    pub new: bool,
    /// Counts of resources.
    pub summary: Summary,
    /// All resources: those of the file in its order, then those that are removed.
    pub resources: Vec<ResourceChange>,
    /// Permissions gained and lost.
    pub permissions: Vec<Permission>,
    /// Network and public access, gained and lost.
    pub exposure: Vec<Exposure>,
    /// Code.
    pub code: Vec<CodeChange>,
    /// Outputs.
    pub outputs: Vec<ValueChange>,
    /// Parameters that name no code.
    pub parameters: Vec<ValueChange>,
    /// Tags of the stack.
    pub tags: Vec<ValueChange>,
    /// Other parts of the template.
    pub template: Vec<ValueChange>,
    /// Cost of the idle stack.
    pub cost: Cost,
    /// Notes on this comparison.
    pub notes: Vec<String>,
}

impl Diff {
    /// Returns whether a deployment would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.iter().all(|resource| resource.action == ChangeKind::Keep && resource.was.is_none())
            && self.code.iter().all(|code| code.state == CodeState::Unknown)
            && self.outputs.is_empty()
            && self.parameters.is_empty()
            && self.tags.is_empty()
            && self.template.is_empty()
    }

    /// Returns the resources that change.
    pub fn changed(&self) -> impl Iterator<Item = &ResourceChange> {
        self.resources.iter().filter(|resource| resource.action != ChangeKind::Keep || resource.was.is_some())
    }

    /// Returns the diff as JSON, as `docs/diff.schema.json` describes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Nothing in it can fail to become JSON: its maps have texts as keys.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Compares the deployed stack, if there is one, with the file. `origins`: logical ID → name in the file.
#[must_use]
pub fn compare(
    before: Option<&Side<'_>>,
    after: &Side<'_>,
    pseudo: &PseudoParameters,
    origins: &BTreeMap<String, String>,
) -> Diff {
    let (nothing, none) = (json!({}), BTreeMap::new());
    let old_side = before.copied().unwrap_or(Side { template: &nothing, parameters: &none, tags: &none });
    // A text that CloudFormation can't return is not a difference.
    let template = lossy::restored(old_side.template, after.template);
    let parameters_back = lossy::restored_texts(old_side.parameters, after.parameters);
    let tags_back = lossy::restored_texts(old_side.tags, after.tags);
    let old_side = Side { template: &template, parameters: &parameters_back, tags: &tags_back };
    let old = Resolver::new(&old_side, &none, pseudo);
    let new = Resolver::new(after, old_side.parameters, pseudo);
    let (a, b) = (old.resources(), new.resources());

    let mut changes: Vec<ResourceChange> = new
        .section("Resources")
        .filter_map(|(id, _)| Some((id, b.get(id)?)))
        .map(|(id, resource)| resource_change(id, a.get(id), Some(resource), origins))
        .collect();
    let gone = old.section("Resources").filter(|(id, _)| !b.contains_key(id));
    changes.extend(
        gone.filter_map(|(id, _)| Some((id, a.get(id)?)))
            .map(|(id, resource)| resource_change(id, Some(resource), None, origins)),
    );
    let replaced = follow::follow(&mut changes, &b);
    for change in &mut changes {
        change.changes.iter_mut().for_each(hide);
        finish(change, a.get(change.id.as_str()), b.get(change.id.as_str()), old_side.template);
    }
    let at = |action| changes.iter().filter(move |change| change.action == action);
    let gone: BTreeSet<&str> = at(ChangeKind::Delete).map(|change| change.id.as_str()).collect();
    let changed = changes.iter().filter(|change| change.action != ChangeKind::Keep);
    let changed: BTreeSet<&str> = changed.map(|change| change.id.as_str()).collect();
    let code = code::changes(&old_side, after, &new, origins);
    let mut out = Diff {
        stack: pseudo.stack.clone(),
        new: before.is_none(),
        summary: summary(&changes),
        permissions: permissions::changes(&a, &b, &changed, &gone),
        exposure: exposure::changes(&a, &b, &changed),
        outputs: outputs(&old, &new, &replaced),
        parameters: parameters(&old_side, after, &code),
        code: code.into_iter().filter(|code| code.state != CodeState::Same).collect(),
        tags: tags(old_side.tags, after.tags),
        template: if before.is_some() { rest(&old, &new, &old_side, after) } else { Vec::new() },
        cost: Cost::of(&a, &b, &changed),
        notes: Vec::new(),
        resources: changes,
    };
    out.notes = notes(&out, &a, &b, [old_side.template, after.template]);
    out
}

/// Returns the differences of a resource, before it is known what else is replaced.
fn resource_change(
    id: &str,
    before: Option<&Resolved>,
    after: Option<&Resolved>,
    origins: &BTreeMap<String, String>,
) -> ResourceChange {
    let kind = after.or(before).map(|resource| resource.kind.clone()).unwrap_or_default();
    let (action, changes) = match (before, after) {
        (Some(before), Some(after)) if before.kind != after.kind => {
            let forces = Forces::Always;
            (
                ChangeKind::Replace,
                vec![change("Type".to_owned(), Some(json!(before.kind)), Some(json!(kind)), forces)],
            )
        }
        (Some(before), Some(after)) => {
            let changes = changes_between(&kind, before, after);
            (if changes.is_empty() { ChangeKind::Keep } else { ChangeKind::Update }, changes)
        }
        (None, Some(after)) => (ChangeKind::Create, whole(after, true)),
        (Some(before), None) => (ChangeKind::Delete, whole(before, false)),
        (None, None) => (ChangeKind::Keep, Vec::new()),
    };
    let replacement = match action {
        ChangeKind::Update | ChangeKind::Replace => strongest(&changes),
        ChangeKind::Create | ChangeKind::Adopt | ChangeKind::Delete | ChangeKind::Keep => Forces::Never,
    };
    ResourceChange {
        id: id.to_owned(),
        origin: origins.get(id).cloned(),
        action: if replacement == Forces::Always { ChangeKind::Replace } else { action },
        replacement,
        holds: None,
        protected: false,
        old: None,
        adopted: None,
        was: None,
        blocked_by_name: None,
        changes,
        kind,
    }
}

const fn change(
    path: String,
    before: Option<Value>,
    after: Option<Value>,
    replacement: Forces,
) -> PropertyChange {
    PropertyChange { path, before, after, replacement, because: None }
}

fn strongest(changes: &[PropertyChange]) -> Forces {
    changes.iter().map(|change| change.replacement).max().unwrap_or(Forces::Never)
}

/// Returns the properties of a resource that comes or goes.
fn whole(resource: &Resolved, after: bool) -> Vec<PropertyChange> {
    let properties = resource.properties.as_object().into_iter().flatten();
    properties
        .map(|(name, value)| {
            let (none, value) = (None, Some(value.clone()));
            let (before, after) = if after { (none, value) } else { (value, none) };
            change(format!("Properties.{name}"), before, after, Forces::Never)
        })
        .collect()
}

fn changes_between(kind: &str, before: &Resolved, after: &Resolved) -> Vec<PropertyChange> {
    let mut out = Vec::new();
    let within = |name: &str| vec![Step::Member(name.to_owned())];
    if before.properties != after.properties {
        let at = place_of(kind);
        let (a, b) =
            (canonical(&before.properties, at, "Properties"), canonical(&after.properties, at, "Properties"));
        for found in differences(&a, &b, at, within("Properties")) {
            let forces = forces(kind, &schema_path(&found.path));
            out.push(change(shown(&found.path), found.before, found.after, forces));
        }
    }
    if before.attributes != after.attributes {
        let (a, b) = (Value::Object(before.attributes.clone()), Value::Object(after.attributes.clone()));
        let at = At::json();
        let (a, b) = (canonical(&a, at, ""), canonical(&b, at, ""));
        for found in differences(&a, &b, at, Vec::new()) {
            out.push(change(shown(&found.path), found.before, found.after, Forces::Never));
        }
    }
    out
}

/// Returns the place of the properties of a type.
fn place_of(kind: &str) -> At<'static> {
    At::properties(schemas::find(kind).map_or(schemas::Shape::UNKNOWN, |kind| kind.schema().shape()))
}

/// Properties whose schema says that it depends, but whose change certainly replaces the resource: the key of a table
/// can't be changed (DynamoDB Developer Guide, "Primary key").
const CERTAIN: [(&str, &str); 1] = [("AWS::DynamoDB::Table", "KeySchema")];

fn forces(kind: &str, path: &[&str]) -> Forces {
    let Some(schema) = schemas::find(kind) else { return Forces::Unknown };
    if path.first().is_some_and(|first| CERTAIN.contains(&(kind, *first))) {
        return Forces::Always;
    }
    match schema.schema().replacement(path) {
        schemas::Replacement::Never => Forces::Never,
        schemas::Replacement::Conditional => Forces::Conditional,
        schemas::Replacement::Always => Forces::Always,
    }
}

/// The text in the place of a secret.
const HIDDEN: &str = "****";

/// Hides values that are secrets by their names: a plan is shown, and kept in files and logs.
fn hide(change: &mut PropertyChange) {
    let secret = change.path.split(['.', '[', ']']).any(is_secret_name);
    for value in [&mut change.before, &mut change.after].into_iter().flatten() {
        if secret { hide_texts(value) } else { hide_members(value) }
    }
}

/// Hides the texts of a value; a reference to a secret elsewhere may be seen.
fn hide_texts(value: &mut Value) {
    match value {
        Value::String(text) if !is_dynamic(text) => HIDDEN.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(hide_texts),
        _ => {}
    }
}

fn hide_members(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if is_secret_name(name) { hide_texts(inner) } else { hide_members(inner) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_members),
        _ => {}
    }
}

/// Completes a change that is final: the data that is lost, the resources that stay, the protection in its way.
fn finish(
    change: &mut ResourceChange,
    before: Option<&Resolved>,
    after: Option<&Resolved>,
    deployed: &Value,
) {
    change.protected =
        before.is_some() && truthy(&deployed["Resources"][&change.id]["Metadata"]["deployer"]["protect"]);
    let kind = before.or(after).map_or("", |resource| resource.kind.as_str());
    change.holds = stateful::holds(kind);
    let policy = match change.action {
        ChangeKind::Delete => before.and_then(|before| before.attributes.get("DeletionPolicy")),
        ChangeKind::Replace => after.and_then(|after| after.attributes.get("UpdateReplacePolicy")),
        ChangeKind::Update if change.replacement == Forces::Conditional => {
            after.and_then(|after| after.attributes.get("UpdateReplacePolicy"))
        }
        ChangeKind::Create | ChangeKind::Adopt | ChangeKind::Update | ChangeKind::Keep => return,
    };
    change.old = Some(match policy.and_then(Value::as_str) {
        Some("Retain" | "RetainExceptOnCreate") => Fate::Retained,
        Some("Snapshot") => Fate::Snapshot,
        Some(_) => Fate::Deleted,
        None if change.action == ChangeKind::Delete => {
            stateful::default_fate(kind, before.map(|before| &before.properties))
        }
        None => Fate::Deleted,
    });
    if change.action == ChangeKind::Replace
        && let (Some(before), Some(after)) = (before, after)
        && before.kind == after.kind
        && let Some(name) = schemas::find(kind).and_then(|id| id.schema().name_property(kind))
        && let (Some(was), Some(is)) = (before.properties.get(name), after.properties.get(name))
        && was == is
    {
        change.blocked_by_name = Some(format!("Properties.{name}"));
    }
}

/// Counts resources by action.
#[must_use]
pub fn summary(changes: &[ResourceChange]) -> Summary {
    let count = |action| changes.iter().filter(|change| change.action == action).count();
    Summary {
        create: count(ChangeKind::Create),
        update: count(ChangeKind::Update),
        replace: count(ChangeKind::Replace),
        delete: count(ChangeKind::Delete),
        keep: changes.iter().filter(|one| one.action == ChangeKind::Keep && one.was.is_none()).count(),
        rename: changes.iter().filter(|change| change.was.is_some()).count(),
        adopt: count(ChangeKind::Adopt),
    }
}

/// Returns the names of two mappings, those of the second first.
fn names<'n>(
    after: impl Iterator<Item = &'n str>,
    before: impl Iterator<Item = &'n str>,
) -> impl Iterator<Item = &'n str> {
    let mut seen = BTreeSet::new();
    after.chain(before).filter(move |name| seen.insert(*name))
}
