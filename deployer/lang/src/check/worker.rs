//! Rules on the deployer's own workers: their permissions, their triggers and their settings.

use contract::EventKind;
use contract::settings::{OnConflict, Store};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::fix::Fix;

use super::{fields, kind_of};
use crate::loading;
use crate::model::access::{Access, Verb};
use crate::model::function::{Events, Function, SETTINGS, Trigger};
use crate::model::task::Task;
use crate::model::worker::Worker;
use crate::model::{Kind, Resource, Stack};
use crate::sensitive;

/// Messages of a call that a worker takes: one PutEvents call takes ten entries.
const MAX_BATCH: i64 = 10;
/// Messages of a call that `observe` takes: it publishes nothing, and merges them well within its time.
const MAX_BATCH_OF_OBSERVE: i64 = 1_000;

/// The trigger of a `load`.
const LOAD_TRIGGER: &str = "{ bus: \"${…}\", event: record-transformed }";
/// The trigger of a `snapshot`, and that of a `report` in a stack without one.
const OBJECT_COMPLETED: &str = "{ bus: \"${…}\", event: object-completed }";
/// The trigger of a `report` in a stack with a `snapshot`.
const SNAPSHOT_COMPLETED: &str = "{ bus: \"${…}\", event: snapshot-completed }";

/// Returns whether a stack has a `snapshot`.
fn has_snapshot(stack: &Stack) -> bool {
    stack.functions().any(|(_, function)| function.worker() == Some(Worker::Snapshot))
}

pub(super) fn check_function(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    worker: Worker,
    diagnostics: &mut Diagnostics,
) {
    let (wanted, trigger) = match worker {
        Worker::Extract => (vec![(Verb::Run, Kind::Task), (Verb::Publish, Kind::Bus)], "{ queue: \"${…}\" }"),
        Worker::Transform => (vec![(Verb::Publish, Kind::Bus)], "{ bus: \"${…}\", event: record-extracted }"),
        Worker::Load => (of_load(stack, function), LOAD_TRIGGER),
        Worker::Observe => (Vec::new(), "{ bus: \"${…}\", event: any }"),
        Worker::Report => (
            vec![(Verb::Read, Kind::Bucket), (Verb::Write, Kind::Bucket), (Verb::Tally, Kind::Table)],
            if has_snapshot(stack) { SNAPSHOT_COMPLETED } else { OBJECT_COMPLETED },
        ),
        Worker::Snapshot => (
            vec![
                (Verb::Read, Kind::Table),
                (Verb::Delete, Kind::Table),
                (Verb::Tally, Kind::Table),
                (Verb::Publish, Kind::Bus),
            ],
            OBJECT_COMPLETED,
        ),
        Worker::Extraction => (Vec::new(), ""),
    };
    needs(resource, worker, &function.access, &wanted, stack, diagnostics);
    inline(stack, resource, function, diagnostics);
    triggers(resource, function, worker, trigger, diagnostics);
    early_report(stack, resource, function, worker, diagnostics);
    settings(stack, resource, function, worker, diagnostics);
    if worker == Worker::Report {
        // Without a topic, it sends no message.
        let is_topic = |entry: &&Access| {
            entry.verb == Verb::Publish && kind_of(stack, &entry.resource) == Some(Kind::Topic)
        };
        if let Some(second) = function.access.iter().filter(is_topic).nth(1) {
            diagnostics.push(only_one(worker, Kind::Topic, second));
        }
    }
    if worker == Worker::Observe
        && let Some(publish) = function.access.iter().find(|entry| entry.verb == Verb::Publish)
        && !function.access.iter().any(|entry| entry.verb == Verb::Tally)
    {
        diagnostics.push(
            Diagnostic::warning(
                "W0414",
                publish.span,
                format!(
                    "`{}` publishes nothing: without a tally, it does not find the ends of objects",
                    resource.name
                ),
            )
            .help("add `{ tally: \"${…}\" }` to `access`, or remove `publish`"),
        );
    }
}

pub(super) fn check_task(
    stack: &Stack,
    resource: &Resource,
    worker: Worker,
    task: &Task,
    diagnostics: &mut Diagnostics,
) {
    let wanted = [(Verb::Read, Kind::Bucket), (Verb::Publish, Kind::Bus), (Verb::Encrypt, Kind::Key)];
    let wanted = if sensitive::of_task(stack, task).is_empty() { &wanted[..2] } else { &wanted[..] };
    needs(resource, worker, &task.access, wanted, stack, diagnostics);
}

/// Returns what a `load` must be allowed to do, by its settings and by what it gets.
fn of_load(stack: &Stack, load: &Function) -> Vec<(Verb, Kind)> {
    let mut wanted = vec![(loading::verb(load), Kind::Table)];
    // With `overwrite`, deletions go into the same requests as items, which need no more.
    let singly = matches!(loading::on_conflict(load), OnConflict::Newest | OnConflict::Merge);
    if singly && loading::is_asked_to_delete(stack, load) {
        wanted.push((Verb::Delete, Kind::Table));
    }
    wanted.push((Verb::Publish, Kind::Bus));
    if decrypts(stack, load) {
        wanted.push((Verb::Decrypt, Kind::Key));
    }
    wanted
}

/// Returns whether a `load` writes sensitive fields as they were in the file.
pub(super) fn decrypts(stack: &Stack, load: &Function) -> bool {
    let store = load.settings.as_ref().map_or(Store::default(), |settings| settings.load.store);
    store == Store::Decrypted && !sensitive::of_load(stack, load).is_empty()
}

/// Shortest time of an `extract` that reads objects itself: it stops four seconds before the end, and hands over to a task.
const LEAST_INLINE_SECONDS: u64 = 10;

/// Checks that an `extract` that reads small objects itself may do what the task does, and has time for it.
fn inline(stack: &Stack, own: &Resource, function: &Function, diagnostics: &mut Diagnostics) {
    let Some((resource, task)) = sensitive::inlined(stack, function) else { return };
    let given = function.settings.iter().flat_map(|settings| &settings.given);
    let Some((_, span)) = given.into_iter().find(|(name, _)| *name == "inline") else { return };
    for access in &task.access {
        let same = |own: &&Access| own.verb == access.verb && own.resource.name == access.resource.name;
        if !function.access.iter().any(|own| same(&own)) {
            let (verb, what) = (access.verb, &access.resource.name);
            diagnostics.push(
                Diagnostic::error(
                    "E0305",
                    *span,
                    format!(
                        "with `inline`, the worker `extract` does the work of `{}`, and must be allowed to {} `{what}` as well",
                        resource.name,
                        verb.phrase()
                    ),
                )
                .help(format!("add `{}` to its `access`", entry(verb, what)))
                .fix(allow(own, verb, what)),
            );
        }
    }
    if function.timeout < LEAST_INLINE_SECONDS {
        diagnostics.push(
            Diagnostic::error(
                "E0107",
                *span,
                format!(
                    "a function with a `timeout` of {} seconds has no time to read objects",
                    function.timeout
                ),
            )
            .help(format!("write `timeout: {LEAST_INLINE_SECONDS}s` or more, or remove `inline`")),
        );
    }
}

/// Checks the triggers: a worker understands the messages of one kind alone.
fn triggers(
    resource: &Resource,
    function: &Function,
    worker: Worker,
    example: &str,
    diagnostics: &mut Diagnostics,
) {
    if function.triggers.is_empty() {
        diagnostics.push(
            Diagnostic::error("E0305", resource.span, format!("nothing starts `{}`", resource.name))
                .help(format!("write `triggers: [{example}]`")),
        );
    }
    for trigger in &function.triggers {
        let span = trigger.source().span;
        let understood = match trigger {
            Trigger::Queue { .. } => worker == Worker::Extract,
            Trigger::Bus { events: Events::Named(event), .. } => match worker {
                Worker::Transform => *event == EventKind::RecordExtracted,
                Worker::Load => *event == EventKind::RecordTransformed,
                Worker::Observe => true,
                Worker::Report => {
                    matches!(event, EventKind::ObjectCompleted | EventKind::SnapshotCompleted)
                }
                Worker::Snapshot => *event == EventKind::ObjectCompleted,
                Worker::Extract | Worker::Extraction => false,
            },
            // The author of a pattern knows what it matches.
            Trigger::Bus { .. } => !matches!(worker, Worker::Extract | Worker::Extraction),
            Trigger::Table { .. } => false,
        };
        if !understood {
            let what = match trigger {
                Trigger::Queue { .. } => "the messages of a queue".to_owned(),
                Trigger::Bus { events: Events::Named(event), .. } => {
                    format!("`{}` events of a bus", event.name())
                }
                Trigger::Bus { .. } => "the events of a bus".to_owned(),
                Trigger::Table { .. } => "the changes of a table".to_owned(),
            };
            diagnostics.push(
                Diagnostic::error(
                    "E0309",
                    span,
                    format!("the worker `{}` can't process {what}", worker.name()),
                )
                .help(format!("write `{example}`")),
            );
        }
        let most = if worker == Worker::Observe { MAX_BATCH_OF_OBSERVE } else { MAX_BATCH };
        if trigger.batch().size > most {
            diagnostics.push(
                Diagnostic::error(
                    "E0107",
                    span,
                    format!("the worker `{}` accepts at most {most} messages per call", worker.name()),
                )
                .help("remove `batchSize`"),
            );
        }
    }
}

/// Warns of a `report` that does not wait for the deletions of a `snapshot`.
fn early_report(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    worker: Worker,
    diagnostics: &mut Diagnostics,
) {
    if worker != Worker::Report || !has_snapshot(stack) {
        return;
    }
    for trigger in &function.triggers {
        if let Trigger::Bus { bus, events: Events::Named(EventKind::ObjectCompleted), .. } = trigger {
            diagnostics.push(
                Diagnostic::warning(
                    "W0415",
                    bus.span,
                    format!(
                        "`{}` writes results before the items that a file lacks are deleted",
                        resource.name
                    ),
                )
                .help(format!("write `{SNAPSHOT_COMPLETED}`, which comes after every `object-completed`")),
            );
        }
    }
}

fn settings(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    worker: Worker,
    diagnostics: &mut Diagnostics,
) {
    let own = SETTINGS.iter().find(|(of, _)| *of == worker).map_or(&[][..], |(_, names)| *names);
    for (name, span) in function.settings.iter().flat_map(|settings| &settings.given) {
        if !own.contains(name) {
            let help = match own {
                [] => "remove it".to_owned(),
                [rest @ .., last] if !rest.is_empty() => {
                    format!("it has `{}` and `{last}`", rest.join("`, `"))
                }
                own => format!("it has `{}`", own.concat()),
            };
            diagnostics.push(
                Diagnostic::error("E0101", *span, format!("the worker `{}` has no `{name}`", worker.name()))
                    .help(help),
            );
        }
    }
    if worker == Worker::Transform {
        match function.settings.as_ref().filter(|settings| settings.has("fields")) {
            None => diagnostics.push(
                Diagnostic::error("E0102", resource.span, "the worker `transform` needs `settings.fields`")
                    .help("write `settings: { fields: { id: { from: ID, required: true } } }`"),
            ),
            Some(settings) => {
                fields::check(stack, resource, function, settings, diagnostics);
            }
        }
    }
}

/// Returns the problem of a second resource of a kind of which a worker uses one.
fn only_one(worker: Worker, kind: Kind, second: &Access) -> Diagnostic {
    let message =
        format!("the worker `{}` uses only one {}, and this is the second", worker.name(), kind.name());
    Diagnostic::error("E0305", second.span, message).help("remove one of them")
}

/// Returns an entry of `access`, as it is written.
fn entry(verb: Verb, name: &str) -> String {
    format!("{{ {}: \"${{{name}}}\" }}", verb.name())
}

/// Returns the fix that lets a resource do something with the resource of this name.
fn allow(resource: &Resource, verb: Verb, name: &str) -> Fix {
    let list = ["resources", &resource.name, "properties", "access"].map(str::to_owned).to_vec();
    Fix::Item { list, item: entry(verb, name) }
}

/// Checks the entries of `access` that a worker learns its places from, and without which it could not start.
fn needs(
    resource: &Resource,
    worker: Worker,
    access: &[Access],
    wanted: &[(Verb, Kind)],
    stack: &Stack,
    diagnostics: &mut Diagnostics,
) {
    let mut found: Vec<(Kind, &str)> = Vec::new();
    for (verb, kind) in wanted {
        let mut matching = access
            .iter()
            .filter(|entry| entry.verb == *verb && kind_of(stack, &entry.resource) == Some(*kind));
        let first = matching.next();
        // Another verb on what is found by the one before.
        let known = found.iter().find(|(of, _)| of == kind && *verb != Verb::Tally).map(|(_, name)| *name);
        let one = known.or(first.map(|first| first.resource.name.as_str()));
        // A bucket is named by each event, everything else by the one variable that the worker reads.
        if *kind != Kind::Bucket
            && let Some(second) = first
                .into_iter()
                .chain(matching)
                .find(|entry| one.is_some_and(|one| one != entry.resource.name))
        {
            diagnostics.push(only_one(worker, *kind, second));
        }
        found.extend(one.map(|one| (*kind, one)));
        if first.is_none() {
            let example = stack.resources.iter().find(|resource| resource.is.kind() == *kind);
            let first = if example.is_none() {
                format!("declare a resource of `type: {}`, and ", kind.name())
            } else {
                String::new()
            };
            let fix = example.map(|of| allow(resource, *verb, &of.name));
            let example = example.map_or("name", |resource| &resource.name);
            // Keys are needed for sensitive fields alone.
            let sensitive =
                sensitive::fields(stack).find(|field| *kind == Kind::Key && field.settings.sensitive);
            let because = sensitive.map_or(String::new(), |field| {
                format!(", because the field `{}` of `{}` is sensitive", field.settings.name, field.of.name)
            });
            let message = format!(
                "the worker `{}` must be allowed to {} a {}{because}",
                worker.name(),
                verb.phrase(),
                kind.name()
            );
            let help = format!("{first}add `access: [{}]`", entry(*verb, example));
            let problem = Diagnostic::error("E0305", resource.span, message).help(help);
            diagnostics.push(Diagnostic { fix, ..problem });
        }
    }
}
