//! The facts about the fields of a stack that the workers need: the sensitive ones and the users of their key, and the
//! columns that a file must have. [`crate::check`] compares them with all that could show a value, and [`crate::lower`]
//! passes them to the workers.

use std::collections::BTreeSet;

use contract::columns;
use contract::event::EventKind;
use contract::settings::{FieldSettings, SensitiveField};
use deployer_syntax::diagnostic::Span;

use crate::columns::{Use, uses};
use crate::model::access::{Access, Verb};
use crate::model::function::{Events, Function, Trigger};
use crate::model::statement::Statement;
use crate::model::task::Task;
use crate::model::worker::Worker;
use crate::model::{Kind, Resource, ResourceType, Stack};

/// A field of a `transform` worker, at the top level: an attribute of the item.
#[derive(Debug, Clone, Copy)]
pub struct Field<'s> {
    /// The function, as a resource.
    pub of: &'s Resource,
    /// The function.
    pub function: &'s Function,
    /// Its settings.
    pub settings: &'s FieldSettings,
    /// Its place in the file.
    pub span: Span,
}

impl Field<'_> {
    /// Returns the name of its column, without blanks and invisible characters around it; `None` if it has another
    /// source.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.settings.from.as_deref().map(columns::trim)
    }
}

/// Returns the fields of all `transform` workers, in the order of the file.
pub fn fields(stack: &Stack) -> impl Iterator<Item = Field<'_>> {
    stack
        .functions()
        .filter(|(_, function)| function.worker() == Some(Worker::Transform))
        .filter_map(|(of, function)| Some((of, function, function.settings.as_ref()?)))
        .flat_map(|(of, function, settings)| {
            let fields = settings.transform.fields.iter().zip(&settings.fields);
            fields.map(move |(settings, place)| Field { of, function, settings, span: place.span })
        })
}

/// Returns the fields that are sensitive.
pub fn sensitive(stack: &Stack) -> impl Iterator<Item = Field<'_>> {
    fields(stack).filter(|field| field.settings.sensitive)
}

/// Returns the sensitive fields of every `transform` that gets events of this task.
#[must_use]
pub fn of_task<'s>(stack: &'s Stack, task: &'s Task) -> Vec<Field<'s>> {
    let buses = reached(stack, published(&task.access));
    sensitive(stack).filter(|field| triggering(field.function).any(|bus| buses.contains(bus))).collect()
}

/// Returns the uses of columns that a file must have by every `transform` that certainly gets all rows of this task:
/// without one of these columns, no row of a file would become an item. If a pattern chooses among events, the file may
/// be meant for another function.
#[must_use]
pub fn expected<'s>(stack: &'s Stack, task: &Task) -> Vec<Use<'s>> {
    certain(stack, task).into_iter().filter(|used| !used.optional).collect()
}

/// Returns the uses of columns that a file may lack, and that no other use expects, by the same functions: with two
/// columns that fit one of them, no row of a file would become an item.
#[must_use]
pub fn optional<'s>(stack: &'s Stack, task: &Task) -> Vec<Use<'s>> {
    let (optional, expected): (Vec<Use<'_>>, Vec<Use<'_>>) =
        certain(stack, task).into_iter().partition(|used| used.optional);
    let is_expected =
        |used: &Use<'_>| expected.iter().any(|other| columns::same(&other.column, &used.column));
    optional.into_iter().filter(|used| !is_expected(used)).collect()
}

/// Returns the uses of columns by every `transform` that certainly gets all rows of this task.
fn certain<'s>(stack: &'s Stack, task: &Task) -> Vec<Use<'s>> {
    let all_rows =
        |events: &Events| matches!(events, Events::Named(EventKind::RecordExtracted | EventKind::Any));
    let mut buses: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = task
        .access
        .iter()
        .filter(|access| access.verb == Verb::Publish)
        .map(|access| access.resource.name.as_str())
        .filter_map(|name| Some(stack.resource(name)?.name.as_str()))
        .collect();
    while let Some(bus) = next.pop() {
        if !buses.insert(bus) {
            continue;
        }
        for resource in &stack.resources {
            if let ResourceType::Rule(rule) = &resource.is
                && rule.enabled
                && rule.bus.name == bus
                && all_rows(&rule.events)
            {
                let targets = rule.targets.iter().filter(|target| target.kind == Kind::Bus);
                next.extend(targets.map(|target| target.to.name.as_str()));
            }
        }
    }
    let gets_all = |function: &Function| {
        function.triggers.iter().any(|trigger| match trigger {
            Trigger::Bus { bus, events, .. } => all_rows(events) && buses.contains(bus.name.as_str()),
            _ => false,
        })
    };
    uses(stack).filter(|used| gets_all(used.function)).collect()
}

/// Returns the names of the columns that are used, each once.
#[must_use]
pub fn columns_of(uses: &[Use<'_>]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for Use { column, .. } in uses {
        if !out.iter().any(|name| columns::same(name, column)) {
            out.push(column.clone());
        }
    }
    out
}

/// Returns the task whose work an `extract` does itself for small objects; `None` if it starts a task for each.
#[must_use]
pub fn inlined<'s>(stack: &'s Stack, extract: &Function) -> Option<(&'s Resource, &'s Task)> {
    extract.settings.as_ref()?.extract.inline?;
    let run = extract.access.iter().find(|access| access.verb == Verb::Run)?;
    let resource = stack.resource(&run.resource.name)?;
    match &resource.is {
        ResourceType::Task(task) if extract.worker() == Some(Worker::Extract) => Some((resource, task)),
        _ => None,
    }
}

/// Returns the sensitive fields of every `transform` whose events this `load` gets.
#[must_use]
pub fn of_load<'s>(stack: &'s Stack, load: &'s Function) -> Vec<Field<'s>> {
    sensitive(stack).filter(|field| comes_to(stack, field.function, load)).collect()
}

/// Returns whether events that one function publishes may start another.
#[must_use]
pub fn comes_to(stack: &Stack, from: &Function, to: &Function) -> bool {
    let buses = reached(stack, published(&from.access));
    triggering(to).any(|bus| buses.contains(bus))
}

/// Returns whether rows that a task publishes may start a function.
#[must_use]
pub fn rows_come_to(stack: &Stack, from: &Task, to: &Function) -> bool {
    let buses = reached(stack, published(&from.access));
    triggering(to).any(|bus| buses.contains(bus))
}

/// Returns the fields in the form that workers read, each once.
#[must_use]
pub fn contract(fields: &[Field<'_>]) -> Vec<SensitiveField> {
    let mut out: Vec<SensitiveField> = Vec::new();
    for field in fields.iter().filter_map(|field| SensitiveField::new(field.settings)) {
        if !out.contains(&field) {
            out.push(field);
        }
    }
    out
}

fn published(access: &[Access]) -> impl Iterator<Item = &str> {
    access.iter().filter(|access| access.verb == Verb::Publish).map(|access| access.resource.name.as_str())
}

fn triggering(function: &Function) -> impl Iterator<Item = &str> {
    function.triggers.iter().map(|trigger| trigger.source().name.as_str())
}

/// Returns the buses that events of these buses may come to: by rules, and by code of the file's own, which may publish
/// any event that it gets. The further way of events is not known if it depends on an existing bus, on `statements`, or
/// on rules and code in CloudFormation's words, so that any bus may be reached.
fn reached<'s>(stack: &'s Stack, from: impl Iterator<Item = &'s str>) -> BTreeSet<&'s str> {
    let mut reached: BTreeSet<&str> = from.collect();
    let mut known = true;
    for resource in &stack.resources {
        match &resource.is {
            ResourceType::Function(function) if function.worker().is_none() => {
                reached.extend(published(&function.access));
                known &= !function.statements.iter().any(may_publish);
            }
            ResourceType::Task(task) if task.image.worker().is_none() => {
                reached.extend(published(&task.access));
                known &= !task.statements.iter().any(may_publish);
            }
            ResourceType::Raw(raw) => {
                let name = raw.type_id.name();
                known &= !PASSING_ON.iter().any(|service| name.starts_with(service));
            }
            _ => {}
        }
    }
    let mut before = 0;
    while before < reached.len() {
        before = reached.len();
        for resource in &stack.resources {
            match &resource.is {
                ResourceType::Rule(rule) if reached.contains(rule.bus.name.as_str()) => {
                    let buses = rule.targets.iter().filter(|target| target.kind == Kind::Bus);
                    reached.extend(buses.map(|target| target.to.name.as_str()));
                }
                ResourceType::Bus(bus) if bus.existing.is_some() => {
                    known &= !reached.contains(resource.name.as_str());
                }
                _ => {}
            }
        }
    }
    if !known {
        let buses = stack.resources.iter().filter(|resource| resource.is.kind() == Kind::Bus);
        reached.extend(buses.map(|resource| resource.name.as_str()));
    }
    reached
}

/// Services whose resources may pass events on.
const PASSING_ON: [&str; 7] = [
    "AWS::Batch::",
    "AWS::EC2::",
    "AWS::ECS::",
    "AWS::Events::",
    "AWS::Lambda::",
    "AWS::Pipes::",
    "AWS::StepFunctions::",
];

/// Returns whether a statement in the file may allow putting events on a bus.
fn may_publish(statement: &Statement) -> bool {
    statement.actions.iter().any(|action| {
        let action = action.to_ascii_lowercase();
        // A star means anything: the text before it must fit.
        let fixed = action.split('*').next().unwrap_or_default();
        if fixed.len() == action.len() { action == PUT_EVENTS } else { PUT_EVENTS.starts_with(fixed) }
    })
}

/// The action that puts events on a bus, in small letters: IAM ignores the case.
const PUT_EVENTS: &str = "events:putevents";

/// Returns the verb for the key of sensitive fields that a worker needs. The other workers never need a value.
#[must_use]
pub const fn verb(worker: Worker) -> Option<Verb> {
    match worker {
        Worker::Extraction | Worker::Extract => Some(Verb::Encrypt),
        Worker::Load => Some(Verb::Decrypt),
        Worker::Transform | Worker::Observe | Worker::Report | Worker::Snapshot => None,
    }
}

/// Returns the entry of `access` that names the key that a worker uses.
#[must_use]
pub fn key(worker: Worker, access: &[Access]) -> Option<&Access> {
    let verb = verb(worker)?;
    access.iter().find(|entry| entry.verb == verb)
}
