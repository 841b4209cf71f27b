//! Resources that had another name: `was` and the deployed template together say which logical IDs change, and which stay.
//!
//! CloudFormation gives most resources another logical ID without replacing them ([`deployer_cfn::refactor`]). Some types, such as
//! policies and permissions, keep the ID that they were created with, and names that the template computes from the name of a
//! resource stay as well. The `Metadata` of the template remembers both, so that they stay when `was` has left the file.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::refactor;
use deployer_cfn::schemas::{self, Replacement};
use deployer_cfn::stack_settings::SECTION;
use deployer_cfn::template::{Template, logical_id};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use serde_json::{Map, Value, json};

use crate::model::Stack;

/// Key of the memory below `Metadata.deployer`.
const MEMORY: &str = "renamed";
/// Most combinations of former names that are tried for one logical ID; it contains two or three names.
const MOST_FORMS: usize = 64;
/// The words between the names in the logical ID of what belongs to two resources.
const LINKS: [&str; 3] = ["From", "On", "To"];

/// Types that can't be renamed, with the properties by which there is one for each target. A second one for the same target would be
/// cleared when the first is deleted, or could not be created.
const ONE_FOR_EACH: [(&str, &[&str]); 4] = [
    ("AWS::EC2::SubnetRouteTableAssociation", &["SubnetId"]),
    ("AWS::Lambda::EventInvokeConfig", &["FunctionName", "Qualifier"]),
    ("AWS::SNS::TopicPolicy", &["Topics"]),
    ("AWS::SQS::QueuePolicy", &["Queues"]),
];

/// A logical ID that had other forms before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerId {
    /// The present logical ID.
    pub id: String,
    /// The former ones, the latest first.
    pub former: Vec<String>,
    /// The CloudFormation type.
    pub kind: String,
    /// The name of its resource in the file.
    pub resource: String,
    /// The present and former names that the ID is made of, the latest first: for computed names.
    names: Vec<(String, String)>,
}

/// A resource that is renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The deployed logical ID.
    pub old: String,
    /// The logical ID in the file.
    pub new: String,
}

/// A rename that can't be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The reason.
    pub why: String,
    /// A way out.
    pub help: String,
}

/// Returns the logical IDs of a template that had other forms, according to `was`.
#[must_use]
pub fn former_ids(stack: &Stack, template: &Template) -> Vec<FormerId> {
    if stack.resources.iter().all(|resource| resource.was.is_empty()) {
        return Vec::new();
    }
    let names: Vec<(String, &str)> =
        stack.resources.iter().map(|one| (stack.id_of(&one.name), one.name.as_str())).collect();
    let mut out = Vec::new();
    for (id, resource) in &template.resources {
        let parts = parts(id, &resource.origin, &names);
        let (former, renamed) = forms(stack, &parts);
        if former.is_empty() {
            continue;
        }
        out.push(FormerId {
            id: id.clone(),
            former,
            kind: resource.kind.to_owned(),
            resource: resource.origin.clone(),
            names: renamed,
        });
    }
    out
}

/// A part of a logical ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// A text.
    Fixed(&'a str),
    /// The ID of the resource with this name.
    Of(&'a str),
}

/// Splits a logical ID into the names that it is made of: that of the resource it belongs to, and those after `To`, `On` and
/// `From`.
fn parts<'a>(id: &'a str, origin: &'a str, names: &[(String, &'a str)]) -> Vec<Part<'a>> {
    let mut out = Vec::new();
    let own = names.iter().find(|(_, name)| *name == origin).map_or("", |(own, _)| own.as_str());
    let mut rest = match id.strip_prefix(own) {
        Some(rest) if !own.is_empty() => {
            out.push(Part::Of(origin));
            rest
        }
        _ => id,
    };
    let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_ascii_lowercase());
    let mut fixed = 0;
    while let Some(here) = rest.get(fixed..).filter(|here| !here.is_empty()) {
        let link = LINKS.iter().find(|link| here.starts_with(**link));
        let after = link.and_then(|link| here.get(link.len()..)).unwrap_or_default();
        let named = names.iter().filter(|(named, _)| after.strip_prefix(named.as_str()).is_some_and(ends));
        match (link, named.max_by_key(|(named, _)| named.len())) {
            (Some(link), Some((named, name))) => {
                let at = fixed + link.len();
                out.push(Part::Fixed(rest.get(..at).unwrap_or_default()));
                out.push(Part::Of(name));
                rest = rest.get(at + named.len()..).unwrap_or_default();
                fixed = 0;
            }
            _ => fixed += here.chars().next().map_or(1, char::len_utf8),
        }
    }
    out.push(Part::Fixed(rest));
    out
}

/// Returns the former forms of a logical ID, the latest first, with the names of which they are made.
fn forms(stack: &Stack, parts: &[Part<'_>]) -> (Vec<String>, Vec<(String, String)>) {
    let mut made = vec![String::new()];
    let mut names = Vec::new();
    for part in parts {
        let choices: Vec<String> = match part {
            Part::Fixed(text) => vec![(*text).to_owned()],
            Part::Of(name) => {
                let was = stack.resource(name).map_or(&[][..], |resource| &resource.was);
                names.extend(was.iter().rev().map(|was| ((*name).to_owned(), was.name.clone())));
                let former = was.iter().rev().map(|was| stack.id_from(name, &was.name));
                std::iter::once(stack.id_of(name)).chain(former).collect()
            }
        };
        // The first part changes last, so that the latest names come first.
        made = choices
            .iter()
            .flat_map(|choice| made.iter().map(move |made| format!("{made}{choice}")))
            .take(MOST_FORMS)
            .collect();
    }
    let mut seen = BTreeSet::new();
    let present = made.first().cloned().unwrap_or_default();
    let former = made.into_iter().filter(|form| *form != present && seen.insert(form.clone()));
    (former.collect(), names)
}

/// The logical IDs and computed names that a template keeps from before a rename.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Memory {
    /// Logical ID of the file → logical ID in the template.
    ids: BTreeMap<String, String>,
    /// Computed name of the file → name in the template.
    names: BTreeMap<String, String>,
}

impl Memory {
    /// Reads what a template remembers, whoever wrote it.
    fn of(template: &Value) -> Self {
        let section = &template["Metadata"][SECTION][MEMORY];
        let texts = |name: &str| {
            let members = section[name].as_object().into_iter().flatten();
            members.filter_map(|(from, to)| Some((from.clone(), to.as_str()?.to_owned()))).collect()
        };
        Self { ids: texts("ids"), names: texts("names") }
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.names.is_empty()
    }

    fn add_to(&self, metadata: &mut Option<Value>) {
        let Value::Object(members) = metadata.get_or_insert_with(|| json!({})) else { return };
        if let Value::Object(own) = members.entry(SECTION).or_insert_with(|| Value::Object(Map::new())) {
            own.insert(MEMORY.to_owned(), json!({ "ids": self.ids, "names": self.names }));
        }
    }
}

/// Gives a template the logical IDs and computed names that stay as they are deployed, although the file names their resources
/// otherwise. Returns whether anything stays.
///
/// # Errors
/// Returns the resource of the file that has such an ID or name too.
pub fn keep(template: &mut Template, former: &[FormerId], deployed: &Value) -> Result<bool, Impossible> {
    let memory = kept(template, former, deployed);
    if memory.is_empty() {
        return Ok(false);
    }
    for (new, old) in &memory.ids {
        if let Some((_, other)) = template.resources.iter().find(|(id, _)| id == old) {
            return Err(taken(&other.origin, &format!("the logical ID `{old}`"), new));
        }
    }
    for (new, old) in &memory.names {
        let own = |(_, resource): &&(String, deployer_cfn::template::Resource)| {
            let properties = resource.properties.as_object().into_iter().flatten();
            properties.map(|(_, value)| value).any(|value| text_of(value) == Some(old))
        };
        if let Some((_, other)) = template.resources.iter().find(own) {
            return Err(taken(&other.origin, &format!("the name `{old}`"), new));
        }
    }
    template.rename(&memory.ids);
    // The longest first: a name may begin with another.
    let mut names: Vec<(&String, &String)> = memory.names.iter().collect();
    names.sort_by_key(|(new, _)| std::cmp::Reverse(new.len()));
    let values = template.resources.iter_mut().map(|(_, resource)| &mut resource.properties);
    for value in values.chain(template.outputs.iter_mut().map(|(_, output)| output)) {
        for (new, old) in &names {
            replace(value, new, old);
        }
    }
    memory.add_to(&mut template.metadata);
    Ok(true)
}

fn taken(other: &str, what: &str, new: &str) -> Impossible {
    Impossible {
        why: format!("`{other}` would get {what}, which `{new}` has had since before it was renamed"),
        help: format!("give `{other}` another name in the file"),
    }
}

/// Returns what stays: what the deployed template remembers, and what `was` and the deployed resources say.
fn kept(template: &Template, former: &[FormerId], deployed: &Value) -> Memory {
    let there = &deployed["Resources"];
    let mut out = Memory::of(deployed);
    out.ids.retain(|new, old| {
        template.resources.iter().any(|(id, _)| id == new)
            && there[new.as_str()].is_null()
            && !there[old.as_str()].is_null()
    });
    out.names.retain(|new, _| {
        let properties = template.resources.iter().filter_map(|(_, one)| one.properties.as_object());
        properties.flatten().any(|(_, value)| text_of(value) == Some(new))
    });
    for one in former {
        if refactor::can_rename(&one.kind) {
            let found =
                [&one.id].into_iter().chain(&one.former).map(|id| &there[id]).find(|one| !one.is_null());
            let wanted = template.resources.iter().find(|(id, _)| *id == one.id);
            if let (Some(found), Some((_, wanted))) = (found, wanted)
                && found["Type"] == *one.kind
            {
                out.names.extend(computed(one, &wanted.properties, &found["Properties"]));
            }
            continue;
        }
        let old = one.former.iter().find(|old| there[*old]["Type"] == *one.kind);
        if let Some(old) = old.filter(|_| there[&one.id].is_null()) {
            out.ids.insert(one.id.clone(), old.clone());
        }
    }
    let of_same_target = same_targets(template, deployed, &out.ids);
    out.ids.extend(of_same_target);
    out
}

/// Returns the logical IDs of resources that the deployed template has for the same target under another ID: those of a rename that is
/// done, of which nothing is remembered. Logical ID of the file → deployed logical ID.
fn same_targets(
    template: &Template,
    deployed: &Value,
    known: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let there = &deployed["Resources"];
    let wanted: BTreeSet<&str> = template.resources.iter().map(|(id, _)| id.as_str()).collect();
    let new = template.resources.iter().filter(|(id, _)| there[id].is_null() && !known.contains_key(id));
    let pairs = new.filter_map(|(id, resource)| {
        let (_, target) = ONE_FOR_EACH.iter().find(|(kind, _)| *kind == resource.kind)?;
        let same =
            |one: &Value| target.iter().all(|name| one["Properties"][*name] == resource.properties[*name]);
        let gone = there.as_object()?.iter().filter(|(old, _)| !wanted.contains(old.as_str()));
        let mut fitting = gone.filter(|(_, one)| one["Type"] == *resource.kind && same(one));
        Some((id.clone(), fitting.next()?.0.clone()))
    });
    pairs.collect()
}

/// Returns the properties that are computed from the name of a resource and that only a replacement changes: the text in the
/// file and the deployed one.
fn computed(one: &FormerId, wanted: &Value, deployed: &Value) -> Vec<(String, String)> {
    let Some(schema) = schemas::find(&one.kind).map(schemas::TypeId::schema) else { return Vec::new() };
    let properties = wanted.as_object().into_iter().flatten();
    let found = properties.filter_map(|(name, value)| {
        let (new, old) = (text_of(value)?, text_of(&deployed[name])?);
        let fixed = schema.replacement(&[name]) == Replacement::Always;
        (fixed && new != old && is_derived(one, new, old)).then(|| (new.to_owned(), old.to_owned()))
    });
    found.collect()
}

/// Returns whether one text is another with a former name in the place of the present one.
fn is_derived(one: &FormerId, new: &str, old: &str) -> bool {
    let in_bucket = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let pairs = one.names.iter().flat_map(|(name, was)| {
        [(name.clone(), was.clone()), (in_bucket(name), in_bucket(was)), (logical_id(name), logical_id(was))]
    });
    pairs.chain(one.former.iter().map(|was| (one.id.clone(), was.clone()))).any(|(name, was)| {
        new.match_indices(name.as_str()).any(|(at, _)| {
            let (before, after) = (new.get(..at), new.get(at + name.len()..));
            before.zip(after).is_some_and(|(before, after)| format!("{before}{was}{after}") == old)
        })
    })
}

/// Returns a text, or that of `Fn::Sub`.
fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) if map.len() == 1 => map.get("Fn::Sub")?.as_str(),
        other => other.as_str(),
    }
}

/// Replaces a computed name in all texts of a value, where it is not a part of a longer name.
fn replace(value: &mut Value, name: &str, by: &str) {
    match value {
        Value::String(text) if text.contains(name) => {
            let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
            let mut out = String::new();
            let mut rest = text.as_str();
            while let Some(at) = rest.find(name) {
                let (before, after) =
                    (rest.get(..at).unwrap_or_default(), rest.get(at + name.len()..).unwrap_or_default());
                let inside =
                    after.starts_with(of_name) || (name.starts_with(of_name) && before.ends_with(of_name));
                out.push_str(before);
                out.push_str(if inside { name } else { by });
                rest = after;
            }
            out.push_str(rest);
            *text = out;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, name, by)),
        Value::Object(map) => map.values_mut().for_each(|inner| replace(inner, name, by)),
        _ => {}
    }
}

/// Returns the renames that a deployed template still lacks.
///
/// # Errors
/// Returns the first that CloudFormation can't make: the deployed resource has another type.
pub fn pending(former: &[FormerId], deployed: &Value) -> Result<Vec<Rename>, Impossible> {
    let there = &deployed["Resources"];
    let mut out: Vec<Rename> = Vec::new();
    for one in former.iter().filter(|one| refactor::can_rename(&one.kind) && there[&one.id].is_null()) {
        let Some(old) = one.former.iter().find(|old| !there[*old].is_null()) else { continue };
        let kind = there[old]["Type"].as_str().unwrap_or_default();
        if kind != one.kind {
            return Err(Impossible {
                why: format!(
                    "`was` of `{}` says that {} is the deployed {old}, but that is an {kind}, and CloudFormation does not change the \
                     type of a resource ({})",
                    one.resource, one.id, one.kind
                ),
                help: format!(
                    "remove `was` of `{}`, and the deployment creates it and deletes {old}",
                    one.resource
                ),
            });
        }
        if !out.iter().any(|rename| rename.old == *old) {
            out.push(Rename { old: old.clone(), new: one.id.clone() });
        }
    }
    Ok(out)
}

/// Returns a remark for each `was` that a deployed stack no longer needs.
#[must_use]
pub fn done(stack: &Stack, former: &[FormerId], wanted: &Value, deployed: &Value) -> Vec<Diagnostic> {
    let there = &deployed["Resources"];
    // IDs that stay are found again, but computed names only if they are remembered.
    let remembered = Memory::of(deployed).names == Memory::of(wanted).names;
    let is_done = |name: &str| {
        let own = former.iter().filter(|one| one.resource == name && refactor::can_rename(&one.kind));
        let mut own = own.peekable();
        own.peek().is_some()
            && own.all(|one| !there[&one.id].is_null() && one.former.iter().all(|old| there[old].is_null()))
    };
    let resources = stack.resources.iter().filter(|one| remembered && is_done(&one.name));
    let remarks = resources.filter_map(|one| {
        let span = one.was.first()?.span;
        let end = one.was.last()?.span.end;
        let message = format!("the rename of `{}` is done in {}", one.name, stack.name);
        Some(
            Diagnostic::warning("W0417", Span { start: span.start, end }, message)
                .help("remove `was` once every stack of the file has been deployed with it"),
        )
    });
    remarks.collect()
}
