//! Resources of an imported template as types of the language, where exactly the same is made of them.
//!
//! A candidate is a resource in the form that a type would give it ([`forms`]). All candidates are compiled at once, and
//! those of which something else is made than the template has are given up, until the rest makes the template. What was given
//! up because of another candidate is tried once more. The comparison is that of the templates alone, so that a wrong
//! form costs a type, and never changes a resource.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::{self, Template};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};
use deployer_syntax::yaml::Entry;
use serde_json::{Map, Value, json};

use crate::check;
use crate::document::Document;
use crate::lower;
use crate::model::{Kind, Stack};

mod calls;
mod difference;
mod forms;
mod function;
mod naming;
mod rows;
mod text;
mod view;

use difference::{first_difference, further_waits};
use text::Names;
use view::View;

/// Resources that are compiled in all attempts together, at most; afterwards nothing is tried once more.
const WORK: usize = 5_000;
/// Attempts, at most: each gives up at least one candidate.
const ATTEMPTS: usize = 40;
/// Attempts after which nothing is tried once more.
const ENOUGH: usize = 16;

/// A resource in the form of a type.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its name in the file.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Kind,
    /// Its properties.
    pub(super) properties: Map<String, Value>,
    /// Its options.
    pub(super) options: Map<String, Value>,
    /// The logical ID in whose place it is written.
    at: String,
    /// The parameter of the template that the type makes for its code.
    parameter: Option<String>,
    /// The parameter of the bucket with the code.
    bucket: Option<String>,
    /// The zip that its code is expected in.
    zip: Option<String>,
}

/// The parts of the file that are written otherwise than the template has them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifted {
    /// Resources in the form of a type, by the logical ID in whose place they are written.
    pub(super) entries: BTreeMap<String, Candidate>,
    /// Logical IDs that types make, so that the file does not have them.
    pub(super) made: BTreeSet<String>,
    /// Parameters that types make.
    pub(super) parameters: BTreeSet<String>,
    /// `name` of the stack.
    pub(super) name: Option<String>,
    /// `removal` of the stack.
    pub(super) removal: Option<&'static str>,
    /// `key` of the file.
    pub(super) key: Option<String>,
}

/// A resource that became one of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftedResource {
    /// Its name in the file.
    pub name: String,
    /// The type's word.
    pub kind: &'static str,
    /// The logical IDs that it makes.
    pub makes: Vec<String>,
    /// The zip that its code is expected in, if it is a function.
    pub zip: Option<String>,
}

/// A resource for which there is a type, and that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResource {
    /// Its logical ID.
    pub logical_id: String,
    /// The type's word.
    pub kind: &'static str,
    /// The first difference between the template and what the type makes.
    pub reason: String,
}

/// The resources of a template that became types, and those that stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typing {
    /// Those that became types, in the order of the template.
    pub lifted: Vec<LiftedResource>,
    /// Those that stay although there is a type for them.
    pub kept: Vec<KeptResource>,
    /// Resources of the template in all.
    pub resources: usize,
}

/// The text of a file, and the places in the template that its parts are made from.
type Written = (String, Vec<(usize, Span)>);

/// Finds the resources that can be types. `write` writes the file with some of them, `entries` are the resources of the template,
/// and `stack` is the name of the stack, if it is deployed.
pub(super) fn lift(
    original: &Template,
    entries: &[Entry],
    stack: Option<&str>,
    local: bool,
    write: &dyn Fn(&Lifted) -> Written,
) -> (Lifted, Typing) {
    let mut search = Search::new(original, entries, write);
    search.typing.resources = original.resources.len();
    if original.has_macros() {
        return (Lifted::default(), search.typing);
    }
    search.propose(stack, local);
    search.settle();
    search.retry();
    search.forget_name();
    search.finish()
}

/// A file with some candidates, and what is made of it.
struct Made {
    stack: Stack,
    template: Template,
    marks: Vec<(usize, Span)>,
}

/// Which candidates make which logical IDs.
type Makers = BTreeMap<String, BTreeSet<String>>;

struct Search<'s> {
    original: &'s Template,
    /// The original as a value, without its resources.
    rest: Value,
    /// The resources of the original as values.
    resources: Map<String, Value>,
    entries: &'s [Entry],
    write: &'s dyn Fn(&Lifted) -> Written,
    lifted: Lifted,
    /// Candidates that were given up, with the reasons.
    given_up: BTreeMap<String, (Candidate, String)>,
    /// Those of them that are worth another attempt.
    again: BTreeSet<String>,
    /// The makers of what the candidates make, as of the last comparison.
    makes: Makers,
    attempts: usize,
    work: usize,
    typing: Typing,
}

/// Returns a template without its resources, and its resources.
fn parts(template: &Template) -> (Value, Map<String, Value>) {
    let mut value = template.to_value();
    let resources = value.as_object_mut().and_then(|map| map.remove("Resources"));
    match resources {
        Some(Value::Object(resources)) => (value, resources),
        _ => (value, Map::new()),
    }
}

impl<'s> Search<'s> {
    fn new(original: &'s Template, entries: &'s [Entry], write: &'s dyn Fn(&Lifted) -> Written) -> Self {
        let (rest, resources) = parts(original);
        Self {
            original,
            rest,
            resources,
            entries,
            write,
            lifted: Lifted::default(),
            given_up: BTreeMap::new(),
            again: BTreeSet::new(),
            makes: Makers::new(),
            attempts: 0,
            work: 0,
            typing: Typing::default(),
        }
    }

    /// Makes a candidate of each resource for which there is a type.
    fn propose(&mut self, stack: Option<&str>, local: bool) {
        let kinds = naming::kinds(&self.resources);
        let names = naming::names(&self.resources, &kinds);
        let mut known = Names::default();
        for (id, name) in &names {
            known.insert(id, name, kinds[id]);
        }
        let own = naming::stack(&self.resources);
        if stack.is_none() {
            self.lifted.name.clone_from(&own);
        }
        let stack = stack.map(str::to_owned).or(own).unwrap_or_default();
        let view = View { resources: &self.resources, names: known, stack };
        self.lifted.removal = naming::removal(&self.resources, local);
        let keep = self.lifted.removal.map_or(!local, |removal| removal == "keep");
        self.lifted.key = naming::key(&self.resources)
            .filter(|key| kinds.get(key) == Some(&Kind::Key))
            .map(|key| view.names.name(&key).to_owned());
        let mut entries = BTreeMap::new();
        for (id, name) in &names {
            let (kind, resource) = (kinds[id], &self.resources[id]);
            let mut properties = forms::properties(&view, kind, id);
            if let Some(key) = &self.lifted.key
                && properties.get("encryptionKey").is_some_and(|own| *own == format!("${{{key}}}"))
            {
                properties.remove("encryptionKey");
            }
            let code = (kind == Kind::Function).then(|| function::code_parameter(&view, id)).flatten();
            let bucket = code.and_then(|_| text::target(&view.properties(id)["Code"]["S3Bucket"]));
            let own_code = code.filter(|_| function::worker(view.properties(id)).is_none());
            let candidate = Candidate {
                zip: own_code.map(|_| function::zip(name)),
                name: name.clone(),
                kind,
                properties,
                options: naming::options(resource, kind, id, name, keep),
                at: id.clone(),
                parameter: code.map(str::to_owned),
                bucket: bucket.map(str::to_owned),
            };
            entries.insert(id.clone(), candidate);
        }
        for (id, properties, alarms) in forms::dead_letter_alarms(&view) {
            alarms.iter().for_each(|alarm| drop(entries.remove(alarm)));
            let Some(at) = alarms.into_iter().next() else { continue };
            let candidate = Candidate {
                name: naming::free(&id, &self.resources),
                kind: Kind::Alarm,
                properties,
                options: Map::new(),
                at: at.clone(),
                parameter: None,
                bucket: None,
                zip: None,
            };
            entries.insert(at, candidate);
        }
        self.lifted.entries = entries;
        // The type always makes a dead-letter queue; these are most of the queues that can't be one, and cost an attempt.
        let without: Vec<String> = self
            .lifted
            .entries
            .iter()
            .filter(|(id, one)| {
                one.kind == Kind::Queue && self.resources[*id]["Properties"]["RedrivePolicy"].is_null()
            })
            .map(|(id, _)| id.clone())
            .collect();
        let reason = "Properties.RedrivePolicy is not there, and the type makes one";
        without.iter().for_each(|id| self.give_up(id, reason.to_owned()));
    }

    /// Notes the parameters that the types make, which the file must not have.
    fn name_parameters(&mut self) {
        self.lifted.parameters = self
            .lifted
            .entries
            .values()
            .flat_map(|one| one.parameter.iter().chain(&one.bucket))
            .cloned()
            .collect();
    }

    /// Gives up a candidate.
    fn give_up(&mut self, at: &str, reason: String) {
        if let Some(candidate) = self.lifted.entries.remove(at) {
            self.given_up.insert(at.to_owned(), (candidate, reason));
        }
    }

    /// Makes the template of the file with the present candidates. If they can't be read, gives up those that can't.
    fn attempt(&mut self) -> Option<Made> {
        self.name_parameters();
        self.attempts += 1;
        self.work += self.original.resources.len();
        let (text, marks) = (self.write)(&self.lifted);
        let source = Source::new("stack.yaml", text);
        let mut found = Diagnostics::default();
        let document = Document::parse(&source, &mut found);
        let stack = document.as_ref().and_then(|document| {
            document.stacks.first().and_then(|target| document.model(target, &[], &mut found))
        });
        match stack {
            Some(stack) if !found.has_errors() => {
                let template = lower::lower(&stack).0;
                Some(Made { stack, template, marks })
            }
            _ => {
                self.refuse(&found, &marks);
                None
            }
        }
    }

    /// Gives up the candidates that errors are about.
    fn refuse(&mut self, found: &Diagnostics, marks: &[(usize, Span)]) {
        self.blamed(found, marks).into_iter().for_each(|(at, reason)| self.give_up(&at, reason));
        self.lifted.made.clear();
    }

    /// Returns the candidates that errors are about, with the errors. An error elsewhere is about all of them.
    fn blamed(&self, found: &Diagnostics, marks: &[(usize, Span)]) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for problem in found.sorted().into_iter().filter(|problem| problem.severity == Severity::Error) {
            let after = marks.partition_point(|(at, _)| *at <= problem.span.start);
            let place = after.checked_sub(1).and_then(|index| marks.get(index)).map(|mark| mark.1.start);
            let entry = place.and_then(|place| {
                let within = |entry: &&Entry| (entry.key_span.start..=entry.value.span.end).contains(&place);
                self.entries.iter().find(within)
            });
            let of_candidate = entry.filter(|entry| self.lifted.entries.contains_key(&entry.key));
            if let Some(entry) = of_candidate
                && !out.iter().any(|(at, _)| *at == entry.key)
            {
                out.push((entry.key.clone(), problem.message.clone()));
            }
        }
        if out.is_empty() {
            let reason = found.sorted().first().map_or_else(String::new, |one| one.message.clone());
            out.extend(self.suspects().into_iter().map(|at| (at, reason.clone())));
        }
        out
    }

    /// Gives up candidates until the rest makes the template.
    fn settle(&mut self) {
        while self.attempts < ATTEMPTS && !self.lifted.entries.is_empty() {
            let Some(made) = self.attempt() else { continue };
            if self.compare(&made.template) && self.checked(&made) {
                return;
            }
        }
        let left: Vec<String> = self.lifted.entries.keys().cloned().collect();
        for at in left {
            self.give_up(&at, "the search for a form was given up".to_owned());
        }
        self.lifted.made.clear();
        self.name_parameters();
    }

    /// Applies the rules of the language to the file. Returns whether nothing had to be given up.
    fn checked(&mut self, made: &Made) -> bool {
        let mut found = Diagnostics::default();
        let defect = check::check(&made.stack, &made.template, &mut found);
        if let Some(defect) = defect {
            let place = check::place_of(&made.stack, &made.template, &defect);
            found.push(Diagnostic::error("E0203", place.unwrap_or_default(), defect.to_string()));
        }
        if found.has_errors() {
            self.refuse(&found, &made.marks);
        }
        !found.has_errors()
    }

    /// Compares what is made with the original, and gives up what differs. Returns whether nothing did.
    fn compare(&mut self, made: &Template) -> bool {
        let owners: BTreeMap<&str, &str> = self
            .lifted
            .entries
            .values()
            .map(|candidate| (candidate.name.as_str(), candidate.at.as_str()))
            .collect();
        let mut makes = Makers::new();
        // Faults of candidates: they are wrong in themselves, or in what may be so because of another one.
        let mut faults: [Vec<(String, String)>; 2] = Default::default();
        let mut waits: Vec<(String, Vec<String>)> = Vec::new();
        for (id, resource) in &made.resources {
            let Some(at) = owners.get(resource.origin.as_str()) else { continue };
            makes.entry(id.clone()).or_default().insert((*at).to_owned());
            let Some(wanted) = self.resources.get(id) else {
                faults[0].push(((*at).to_owned(), format!("the type also makes `{id}`")));
                continue;
            };
            let value = serde_json::to_value(resource).unwrap_or_default();
            let Some(difference) = first_difference(wanted, &value) else { continue };
            if id == *at
                && let Some(further) = further_waits(wanted, &value)
            {
                waits.push(((*at).to_owned(), further));
                continue;
            }
            let (rank, place) = if id == *at { (0, String::new()) } else { (1, format!("{id}: ")) };
            faults[rank].push(((*at).to_owned(), format!("{place}{difference}")));
        }
        for candidate in self.lifted.entries.values() {
            if !makes.values().any(|makers| makers.contains(&candidate.at)) {
                faults[0].push((candidate.at.clone(), "the type makes nothing".to_owned()));
            }
        }
        let ranks = faults.into_iter().enumerate();
        if let Some((rank, worst)) =
            ranks.filter(|(_, faults)| !faults.is_empty()).min_by_key(|(rank, _)| *rank)
        {
            for (at, reason) in worst {
                // What another one makes is not wrong in itself.
                if rank == 1 {
                    self.again.insert(at.clone());
                }
                self.give_up(&at, reason);
            }
            self.lifted.made.clear();
            return false;
        }
        // A candidate for what another one makes anyway is not needed.
        let twice: Vec<String> = self
            .lifted
            .entries
            .keys()
            .filter(|at| makes.get(*at).is_some_and(|makers| makers.iter().any(|maker| maker != *at)))
            .cloned()
            .collect();
        if !twice.is_empty() {
            twice.iter().for_each(|at| drop(self.lifted.entries.remove(at)));
            return false;
        }
        if !waits.is_empty() {
            for (at, further) in waits {
                let names: Vec<String> =
                    further.iter().map(|id| format!("${{{}}}", self.name_of(id))).collect();
                if let Some(candidate) = self.lifted.entries.get_mut(&at) {
                    candidate.options.insert("dependsOn".to_owned(), json!(names));
                }
            }
            return false;
        }
        let own: BTreeSet<String> = makes
            .iter()
            .filter(|(id, _)| !self.lifted.entries.contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        let referred = self.referred(&own, &makes);
        if !referred.is_empty() {
            referred.into_iter().for_each(|(at, reason)| self.give_up(&at, reason));
            self.lifted.made.clear();
            return false;
        }
        self.makes = makes;
        if own != self.lifted.made {
            self.lifted.made = own;
            return false;
        }
        self.is_same(made)
    }

    /// Returns the name in the file of a resource of the template.
    fn name_of(&self, id: &str) -> String {
        self.lifted.entries.get(id).map_or_else(|| id.to_owned(), |candidate| candidate.name.clone())
    }

    /// Returns the candidates whose further resources are named by what stays as it is, which the language can't do.
    fn referred(&self, own: &BTreeSet<String>, makes: &Makers) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut look = |from: &str, to: &str| {
            let maker = makes.get(to).filter(|_| own.contains(to)).and_then(|makers| makers.first());
            if let Some(at) = maker.filter(|at| !found.iter().any(|(known, _)| known == *at)) {
                let reason = format!("`{from}` refers to `{to}`, which the type makes by itself");
                found.push((at.clone(), reason));
            }
        };
        for (id, resource) in self.original.resources.iter().filter(|(id, _)| !makes.contains_key(id)) {
            template::references(&resource.properties, &mut |to| look(id, to));
            resource.depends_on.iter().for_each(|to| look(id, to));
            for (_, value) in &resource.attributes {
                template::references(value, &mut |to| look(id, to));
            }
        }
        for (name, output) in &self.original.outputs {
            template::references(output, &mut |to| look(name, to));
        }
        found
    }

    /// Returns the candidates to give up when nothing says which one is wrong: functions, whose parameters others may
    /// name, and only then all.
    fn suspects(&self) -> Vec<String> {
        let is_function = |(_, one): &(&String, &Candidate)| one.kind == Kind::Function;
        let functions: Vec<String> =
            self.lifted.entries.iter().filter(is_function).map(|(at, _)| at.clone()).collect();
        match functions.is_empty() {
            true => self.lifted.entries.keys().cloned().collect(),
            false => functions,
        }
    }

    /// Returns whether a template is the original; if it is not, gives up the suspects.
    fn is_same(&mut self, made: &Template) -> bool {
        let (rest, resources) = parts(made);
        let once = resources.len() == made.resources.len();
        if once && rest == self.rest && resources == self.resources {
            return true;
        }
        let reason = match first_difference(&self.rest, &rest) {
            Some(difference) => difference,
            None => first_difference(&json!(self.resources), &json!(resources)).unwrap_or_default(),
        };
        self.suspects().iter().for_each(|at| self.give_up(at, reason.clone()));
        self.lifted.made.clear();
        false
    }

    /// Tries what was given up once more, each by itself beside what is there: it may have been given up because of another one.
    fn retry(&mut self) {
        for at in std::mem::take(&mut self.again) {
            let enough = self.attempts > ENOUGH || self.work + 2 * self.original.resources.len() > WORK;
            if enough || self.lifted.made.contains(&at) {
                continue;
            }
            let Some((candidate, reason)) = self.given_up.get(&at).cloned() else { continue };
            let (before, given_up, makes) = (self.lifted.clone(), self.given_up.clone(), self.makes.clone());
            self.given_up.remove(&at);
            self.lifted.entries.insert(at.clone(), candidate.clone());
            self.settle();
            let worse = before
                .entries
                .keys()
                .any(|known| !self.lifted.entries.contains_key(known) && !self.lifted.made.contains(known));
            if worse || !self.lifted.entries.contains_key(&at) {
                (self.lifted, self.given_up, self.makes) = (before, given_up, makes);
                self.given_up.insert(at, (candidate, reason));
            }
        }
    }

    /// Forgets the name of the stack if no resource of a type has it: a description of another resource proves nothing.
    fn forget_name(&mut self) {
        let Some(name) = self.lifted.name.clone() else { return };
        let shown = |id: &String| self.resources.get(id).and_then(naming::stack_in) == Some(name.as_str());
        if !self.lifted.entries.keys().chain(&self.lifted.made).any(shown) {
            self.lifted.name = None;
            self.settle();
        }
    }

    fn finish(mut self) -> (Lifted, Typing) {
        self.name_parameters();
        if self.lifted.entries.is_empty() {
            self.lifted = Lifted::default();
        }
        for (id, _) in &self.original.resources {
            let Some(candidate) = self.lifted.entries.get(id) else { continue };
            let makes = self.makes.iter().filter(|(_, makers)| makers.contains(id));
            self.typing.lifted.push(LiftedResource {
                name: candidate.name.clone(),
                kind: candidate.kind.name(),
                makes: makes.map(|(id, _)| id.clone()).collect(),
                zip: candidate.zip.clone(),
            });
        }
        for (id, _) in &self.original.resources {
            if let Some((candidate, reason)) = self.given_up.remove(id)
                && !self.lifted.made.contains(id)
            {
                self.typing.kept.push(KeptResource {
                    logical_id: id.clone(),
                    kind: candidate.kind.name(),
                    reason,
                });
            }
        }
        (self.lifted, self.typing)
    }
}

impl Candidate {
    /// Returns the entry of the file, without its name.
    pub(super) fn value(&self) -> Value {
        let mut out = Map::new();
        out.insert("type".to_owned(), json!(self.kind.name()));
        if !self.properties.is_empty() {
            out.insert("properties".to_owned(), Value::from(self.properties.clone()));
        }
        if !self.options.is_empty() {
            out.insert("options".to_owned(), Value::from(self.options.clone()));
        }
        Value::from(out)
    }
}
