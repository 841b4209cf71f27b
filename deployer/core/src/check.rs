//! Rules that cross resources. Every problem is collected, not the first.

use std::collections::{BTreeMap, BTreeSet};

use contract::EventKind;

use crate::assets::Worker;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::lower;
use crate::model::access::{Access, Verb};
use crate::model::bucket::Bucket;
use crate::model::function::{Function, Trigger};
use crate::model::table::{KeyType, Table};
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack, queue::Queue};
use crate::template::logical_id;
use crate::units;

/// Lambda's environment in all: AWS Lambda Developer Guide, "Lambda quotas".
const ENVIRONMENT_BYTES: usize = 4_096;
/// What the variables other than the settings take at most.
const ENVIRONMENT_RESERVE: usize = 1_024;

/// AWS CloudFormation User Guide, "Understand CloudFormation quotas": resources, outputs, bytes of a template in S3.
const MAX_RESOURCES: usize = 500;
const MAX_OUTPUTS: usize = 200;
const MAX_TEMPLATE_BYTES: usize = 1_000_000;

/// Applies every rule.
pub fn check(stack: &Stack, diagnostics: &mut Diagnostics) {
    for resource in &stack.resources {
        match &resource.is {
            ResourceType::Bucket(bucket) => {
                bucket_name(stack, resource, diagnostics);
                notifications(bucket, diagnostics);
                fifo_notifications(stack, bucket, diagnostics);
                if let Some(logging) =
                    bucket.logging.as_ref().filter(|logging| logging.to.name == resource.name)
                {
                    diagnostics.push(
                        Diagnostic::error(
                            "E0107",
                            logging.to.span,
                            "a bucket can't log its accesses into itself",
                        )
                        .help("each log would be an access to log; name another bucket"),
                    );
                }
            }
            ResourceType::Function(function) => check_function(stack, resource, function, diagnostics),
            ResourceType::Task(task) => {
                let wanted = [(Verb::Read, Kind::Bucket), (Verb::Publish, Kind::Bus)];
                needs(resource.span, task.worker, &task.access, &wanted, stack, diagnostics);
                each_once(&task.access, diagnostics);
            }
            ResourceType::Queue(_)
            | ResourceType::Bus(_)
            | ResourceType::Table(_)
            | ResourceType::Network(_)
            | ResourceType::Cluster(_)
            | ResourceType::Raw(_) => {}
        }
    }
    template(stack, diagnostics);
}

/// What shows in the template alone: logical ids that meet, circles, CloudFormation's limits.
fn template(stack: &Stack, diagnostics: &mut Diagnostics) {
    let template = lower::lower(stack);
    let place = |name: &str| stack.resource(name).map_or(Span::default(), |resource| resource.span);
    let mut owners: BTreeMap<&str, Option<&str>> =
        template.parameters.iter().map(|(id, _)| (id.as_str(), None)).collect();
    let mut reported = BTreeSet::new();
    for (id, resource) in &template.resources {
        let origin = resource.origin.as_str();
        let Some(first) = owners.insert(id, Some(origin)) else { continue };
        if first == Some(origin) || !reported.insert((first, origin)) {
            continue;
        }
        let owner = first.map_or("the code of the workers".to_owned(), |first| format!("`{first}`"));
        diagnostics.push(
            Diagnostic::error(
                "E0302",
                place(origin),
                format!("`{origin}` makes a resource with the logical id `{id}`, and so does {owner}"),
            )
            .help("logical ids are made of the name, without `-` and `_` and with capitals behind them; rename one"),
        );
    }
    for found in template.conditional_references() {
        let origin = |id: &str| {
            let resource = template.resources.iter().find(|(candidate, _)| candidate == id);
            resource.map(|(_, resource)| resource.origin.as_str())
        };
        let to = origin(&found.to).unwrap_or_default();
        let (from, span) = match origin(&found.from) {
            Some(from) => (format!("`{from}`"), place(from)),
            None => {
                let output = stack.outputs.iter().find(|(name, _)| logical_id(name) == found.from);
                output
                    .map_or_else(Default::default, |(name, text)| (format!("the output `{name}`"), text.span))
            }
        };
        diagnostics.push(
            Diagnostic::error(
                "E0516",
                span,
                format!("{from} refers to `{to}`, which exists only when the condition `{}` holds", found.condition),
            )
            .help("give it the same `options.condition`, or refer to something that is always there; in `AWS::…` types, `!If` can test it"),
        );
    }
    if let Some(cycle) = template.cycle() {
        let origin_of = |id: &String| {
            let found = template.resources.iter().find(|(candidate, _)| candidate == id);
            found.map_or("", |(_, resource)| resource.origin.as_str())
        };
        let mut path: Vec<&str> = cycle.iter().map(origin_of).collect();
        path.dedup();
        if let [only] = path[..] {
            path.push(only);
        }
        let shown: Vec<String> = path.iter().map(|name| format!("`{name}`")).collect();
        diagnostics.push(
            Diagnostic::error(
                "E0310",
                place(path[0]),
                format!("resources wait for each other: {}", shown.join(" → ")),
            )
            .help("CloudFormation could make none of them first; remove one of the references"),
        );
    }
    for (what, count, most) in [
        ("resources", template.resources.len(), MAX_RESOURCES),
        ("outputs", template.outputs.len(), MAX_OUTPUTS),
        ("bytes", template.to_compact_json().len(), MAX_TEMPLATE_BYTES),
    ] {
        if count > most {
            diagnostics.push(
                Diagnostic::error("E0308", Span::default(), format!("the template has {count} {what}"))
                    .help(format!("CloudFormation takes at most {most}; divide the file into several")),
            );
        }
    }
}

/// Longest stack name and resource name together that leave room for account, region and hyphens in the 63 characters
/// of a bucket name: Amazon S3 User Guide, "Bucket naming rules"; the longest region names have 14 characters.
const BUCKET_NAME_ROOM: usize = 63 - "-".len() * 3 - 12 - 14;

fn bucket_name(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    let length = stack.name.len() + resource.name.len();
    if length > BUCKET_NAME_ROOM {
        diagnostics.push(
            Diagnostic::error(
                "E0108",
                resource.span,
                format!("`{}-{}` is too long to be part of a bucket name", stack.name, resource.name),
            )
            .help(format!("name of the stack and of the bucket together may have {BUCKET_NAME_ROOM} characters, and have {length}")),
        );
    }
}

/// S3 refuses two notifications of the same event whose prefixes and suffixes overlap.
/// Source: Amazon S3 User Guide, "Configuring event notifications using object key name filtering".
fn notifications(bucket: &Bucket, diagnostics: &mut Diagnostics) {
    let overlaps = |a: &Option<String>, b: &Option<String>, ends: fn(&str, &str) -> bool| {
        let (a, b) = (a.as_deref().unwrap_or(""), b.as_deref().unwrap_or(""));
        ends(a, b) || ends(b, a)
    };
    for (index, second) in bucket.notify.iter().enumerate() {
        let clash = bucket.notify[..index].iter().any(|first| {
            first.on == second.on
                && overlaps(&first.prefix, &second.prefix, |a, b| a.starts_with(b))
                && overlaps(&first.suffix, &second.suffix, |a, b| a.ends_with(b))
        });
        if clash {
            diagnostics.push(
                Diagnostic::error(
                    "E0303",
                    second.queue.span,
                    "two notifications of this bucket match the same objects",
                )
                .help("S3 refuses that; give them prefixes or suffixes that exclude each other"),
            );
        }
    }
}

/// Amazon S3 User Guide, "Amazon S3 Event Notifications": FIFO queues are no destination.
fn fifo_notifications(stack: &Stack, bucket: &Bucket, diagnostics: &mut Diagnostics) {
    for notify in &bucket.notify {
        if queue(stack, &notify.queue).is_some_and(|queue| queue.fifo.is_some()) {
            diagnostics.push(
                Diagnostic::error(
                    "E0107",
                    notify.queue.span,
                    format!("S3 sends no messages to a FIFO queue, and `{}` is one", notify.queue.name),
                )
                .help("name a queue without `fifo`"),
            );
        }
    }
}

fn queue<'s>(stack: &'s Stack, reference: &ResourceRef) -> Option<&'s Queue> {
    match &stack.resource(&reference.name)?.is {
        ResourceType::Queue(queue) => Some(queue),
        _ => None,
    }
}

fn check_function(stack: &Stack, resource: &Resource, function: &Function, diagnostics: &mut Diagnostics) {
    for trigger in &function.triggers {
        if let Trigger::Queue(reference) = trigger
            && let Some(queue) = queue(stack, reference)
            && queue.visibility_timeout < function.timeout
        {
            diagnostics.push(
                Diagnostic::error(
                    "E0304",
                    reference.span,
                    format!(
                        "the queue hides a message for {}, but `{}` may take {} for it",
                        units::show_duration(queue.visibility_timeout),
                        resource.name,
                        units::show_duration(function.timeout)
                    ),
                )
                .help(format!(
                    "Lambda refuses that; set `visibilityTimeout` of `{}` to {} (six times the timeout)",
                    reference.name,
                    units::show_duration(function.timeout * 6)
                )),
            );
        }
    }
    let (wanted, trigger): (&[(Verb, Kind)], &str) = match function.worker {
        Worker::Extract => (&[(Verb::Run, Kind::Task), (Verb::Publish, Kind::Bus)], "{ queue: \"${…}\" }"),
        Worker::Transform => (&[(Verb::Publish, Kind::Bus)], "{ bus: \"${…}\", event: record-extracted }"),
        Worker::Load => (
            &[(Verb::Write, Kind::Table), (Verb::Publish, Kind::Bus)],
            "{ bus: \"${…}\", event: record-transformed }",
        ),
        Worker::Observe => (&[], "{ bus: \"${…}\", event: any }"),
        Worker::Extraction => (&[], ""),
    };
    needs(resource.span, function.worker, &function.access, wanted, stack, diagnostics);
    each_once(&function.access, diagnostics);
    triggers(resource, function, trigger, diagnostics);
    settings(stack, resource, function, diagnostics);
}

/// A worker understands the messages of one kind of trigger; each may stand once.
fn triggers(resource: &Resource, function: &Function, example: &str, diagnostics: &mut Diagnostics) {
    let worker = function.worker;
    if function.triggers.is_empty() {
        diagnostics.push(
            Diagnostic::error("E0305", resource.span, format!("nothing starts `{}`", resource.name))
                .help(format!("write `triggers: [{example}]`")),
        );
    }
    for (index, trigger) in function.triggers.iter().enumerate() {
        let span = trigger.source().span;
        let understood = match trigger {
            Trigger::Queue(_) => worker == Worker::Extract,
            Trigger::Bus { event, .. } => match worker {
                Worker::Transform => *event == EventKind::RecordExtracted,
                Worker::Load => *event == EventKind::RecordTransformed,
                Worker::Observe => true,
                Worker::Extract | Worker::Extraction => false,
            },
        };
        if !understood {
            let what = match trigger {
                Trigger::Queue(_) => "the messages of a queue".to_owned(),
                Trigger::Bus { event, .. } => format!("`{}` events of a bus", event.name()),
            };
            diagnostics.push(
                Diagnostic::error(
                    "E0309",
                    span,
                    format!("the worker `{}` does not understand {what}", worker.name()),
                )
                .help(format!("write `{example}`")),
            );
        }
        let same = |other: &Trigger| match (other, trigger) {
            (Trigger::Queue(a), Trigger::Queue(b)) => a.name == b.name,
            (Trigger::Bus { event: a, .. }, Trigger::Bus { event: b, .. }) => a == b,
            _ => false,
        };
        if function.triggers[..index].iter().any(same) {
            diagnostics.push(
                Diagnostic::error(
                    "E0303",
                    span,
                    format!("a trigger before this one starts `{}` for the same", resource.name),
                )
                .help("remove one of them"),
            );
        }
    }
}

/// No entry of `access` stands twice.
fn each_once(access: &[Access], diagnostics: &mut Diagnostics) {
    for (index, entry) in access.iter().enumerate() {
        let same = |other: &Access| other.verb == entry.verb && other.resource.name == entry.resource.name;
        if access[..index].iter().any(same) {
            let message =
                format!("`access` allows to {} `{}` twice", entry.verb.phrase(), entry.resource.name);
            diagnostics.push(Diagnostic::error("E0303", entry.span, message).help("remove one of them"));
        }
    }
}

fn settings(stack: &Stack, resource: &Resource, function: &Function, diagnostics: &mut Diagnostics) {
    match (&function.settings, function.worker) {
        (None, Worker::Transform) => diagnostics.push(
            Diagnostic::error("E0102", resource.span, "the worker `transform` needs `settings.fields`")
                .help("write `settings: { fields: { id: { from: ID, required: true } } }`"),
        ),
        (Some(_), worker) if worker != Worker::Transform => diagnostics.push(
            Diagnostic::error(
                "E0101",
                resource.span,
                format!("the worker `{}` has no `settings`", worker.name()),
            )
            .help("remove them"),
        ),
        (Some(settings), _) => {
            let bytes = serde_json::to_string(settings).map_or(0, |json| json.len());
            if bytes + ENVIRONMENT_RESERVE > ENVIRONMENT_BYTES {
                diagnostics.push(
                    Diagnostic::error(
                        "E0306",
                        resource.span,
                        format!("the settings of `{}` take {bytes} bytes", resource.name),
                    )
                    .help(format!(
                        "Lambda's environment holds {ENVIRONMENT_BYTES} bytes in all, {} of them for settings",
                        ENVIRONMENT_BYTES - ENVIRONMENT_RESERVE
                    )),
                );
            }
            table_keys(stack, resource, settings, diagnostics);
        }
        (None, _) => {}
    }
}

/// What `transform` makes must have the key of every table that `load` writes on the same bus.
fn table_keys(
    stack: &Stack,
    resource: &Resource,
    settings: &contract::settings::TransformSettings,
    diagnostics: &mut Diagnostics,
) {
    let tables = stack
        .functions()
        .filter(|(_, function)| function.worker == Worker::Load)
        .flat_map(|(_, function)| &function.access)
        .filter(|access| access.verb == Verb::Write)
        .filter_map(|access| Some((&access.resource.name, table(stack, &access.resource)?)));
    for (name, table) in tables {
        for (key, kind) in &table.key {
            if *kind != KeyType::String {
                let place = stack.resource(name).map_or(resource.span, |table| table.span);
                diagnostics.push(
                    Diagnostic::error(
                        "E0307",
                        place,
                        format!("the key attribute `{key}` of `{name}` is no string"),
                    )
                    .help(format!(
                        "the values that `{}` makes of a CSV are strings; write `{key}: string`",
                        resource.name
                    )),
                );
            }
            if !settings.fields.iter().any(|field| field.name == *key) {
                diagnostics.push(
                    Diagnostic::error(
                        "E0307",
                        resource.span,
                        format!(
                            "no field of `{}` makes `{key}`, a key attribute of the table `{name}`",
                            resource.name
                        ),
                    )
                    .help(format!("add `{key}: {{ from: …, required: true }}` to `settings.fields`")),
                );
            }
        }
    }
}

fn table<'s>(stack: &'s Stack, reference: &ResourceRef) -> Option<&'s Table> {
    match &stack.resource(&reference.name)?.is {
        ResourceType::Table(table) => Some(table),
        _ => None,
    }
}

/// A worker learns where things are from its `access`; without it, it could not start.
fn needs(
    span: Span,
    worker: Worker,
    access: &[Access],
    wanted: &[(Verb, Kind)],
    stack: &Stack,
    diagnostics: &mut Diagnostics,
) {
    for (verb, kind) in wanted {
        let mut matching = access
            .iter()
            .filter(|entry| entry.verb == *verb && kind_of(stack, &entry.resource) == Some(*kind));
        let first = matching.next();
        // A bucket is named by each event, everything else by the one variable that the worker reads.
        if *kind != Kind::Bucket
            && let Some(second) =
                matching.find(|entry| first.is_some_and(|first| first.resource.name != entry.resource.name))
        {
            diagnostics.push(
                Diagnostic::error(
                    "E0305",
                    second.span,
                    format!(
                        "the worker `{}` works with one {}, and this is the second",
                        worker.name(),
                        kind.name()
                    ),
                )
                .help("remove one of them"),
            );
        }
        if first.is_none() {
            let example = stack
                .resources
                .iter()
                .find(|resource| resource.is.kind() == *kind)
                .map_or("name", |resource| &resource.name);
            diagnostics.push(
                Diagnostic::error(
                    "E0305",
                    span,
                    format!(
                        "the worker `{}` must be allowed to {} a {}",
                        worker.name(),
                        verb.phrase(),
                        kind.name()
                    ),
                )
                .help(format!("add `access: [{{ {}: \"${{{example}}}\" }}]`", verb.name())),
            );
        }
    }
}

fn kind_of(stack: &Stack, reference: &ResourceRef) -> Option<Kind> {
    stack.resource(&reference.name).map(|resource| resource.is.kind())
}
