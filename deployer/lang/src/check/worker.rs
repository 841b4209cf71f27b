//! Rules on the deployer's own workers: their permissions, their triggers and their settings.

use std::collections::BTreeMap;

use contract::settings::{OnConflict, Store, TransformSettings, VERSION_ATTRIBUTE};
use contract::{EventKind, columns};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::yaml::shorten;

use super::{kind_of, table};
use crate::model::access::{Access, Verb};
use crate::model::function::{Events, Function, SETTINGS, Settings, Trigger};
use crate::model::table::{KeyType, Table};
use crate::model::task::Task;
use crate::model::worker::Worker;
use crate::model::{Kind, Resource, ResourceType, Stack};
use crate::sensitive;

/// Messages of a call that a worker takes: one PutEvents call takes ten entries.
const MAX_BATCH: i64 = 10;
/// Messages of a call that `observe` takes: it publishes nothing, and merges them well within its time.
const MAX_BATCH_OF_OBSERVE: i64 = 1_000;

/// The trigger of a `load`.
const LOAD_TRIGGER: &str = "{ bus: \"${…}\", event: record-transformed }";

pub(super) fn check_function(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    worker: Worker,
    diagnostics: &mut Diagnostics,
) {
    let (wanted, trigger): (&[(Verb, Kind)], &str) = match worker {
        Worker::Load if decrypts(stack, function) => (
            &[(Verb::Write, Kind::Table), (Verb::Publish, Kind::Bus), (Verb::Decrypt, Kind::Key)],
            LOAD_TRIGGER,
        ),
        Worker::Extract => (&[(Verb::Run, Kind::Task), (Verb::Publish, Kind::Bus)], "{ queue: \"${…}\" }"),
        Worker::Transform => (&[(Verb::Publish, Kind::Bus)], "{ bus: \"${…}\", event: record-extracted }"),
        Worker::Load => (&[(Verb::Write, Kind::Table), (Verb::Publish, Kind::Bus)], LOAD_TRIGGER),
        Worker::Observe => (&[], "{ bus: \"${…}\", event: any }"),
        Worker::Extraction => (&[], ""),
    };
    needs(resource.span, worker, &function.access, wanted, stack, diagnostics);
    triggers(resource, function, worker, trigger, diagnostics);
    settings(stack, resource, function, worker, diagnostics);
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
    needs(resource.span, worker, &task.access, wanted, stack, diagnostics);
}

/// Returns whether a `load` writes sensitive fields as they were in the file.
pub(super) fn decrypts(stack: &Stack, load: &Function) -> bool {
    let store = load.settings.as_ref().map_or(Store::default(), |settings| settings.load.store);
    store == Store::Decrypted && !sensitive::of_load(stack, load).is_empty()
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
                Worker::Extract | Worker::Extraction => false,
            },
            // The author of a pattern knows what it matches.
            Trigger::Bus { .. } => matches!(worker, Worker::Transform | Worker::Load | Worker::Observe),
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
                own => format!("it has `{}`", own.join("` and `")),
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
                table_keys(stack, resource, &settings.transform, diagnostics);
                keys_without_value(stack, function, settings, diagnostics);
                version(stack, function, settings, diagnostics);
                named_columns(stack, function, diagnostics);
            }
        }
    }
}

/// Checks that the items of `transform` have the key of every table that `load` writes on the same bus.
fn table_keys(
    stack: &Stack,
    resource: &Resource,
    settings: &TransformSettings,
    diagnostics: &mut Diagnostics,
) {
    let tables = stack
        .functions()
        .filter(|(_, function)| function.worker() == Some(Worker::Load))
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
                        format!("the key attribute `{key}` of `{name}` is not a string"),
                    )
                    .help(format!(
                        "the values that `{}` reads from a CSV are strings; write `{key}: string`",
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
                            "no field of `{}` sets `{key}`, a key attribute of the table `{name}`",
                            resource.name
                        ),
                    )
                    .help(format!("add `{key}: {{ from: …, required: true }}` to `settings.fields`")),
                );
            }
        }
    }
}

/// Warns of keys without a value in a row: such a row comes into no table, or no index.
fn keys_without_value(
    stack: &Stack,
    transform: &Function,
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) {
    let loads = stack.functions().filter(|(_, function)| {
        function.worker() == Some(Worker::Load) && sensitive::comes_to(stack, transform, function)
    });
    let tables = loads
        .flat_map(|(_, load)| load.access.iter().filter(|access| access.verb == Verb::Write))
        .filter_map(|access| Some((access.resource.name.as_str(), table(stack, &access.resource)?)));
    let tables: BTreeMap<&str, &Table> = tables.collect();
    for (field, span) in settings.transform.fields.iter().zip(&settings.fields) {
        if field.required || field.default.is_some() {
            continue;
        }
        let name = &field.name;
        let is_key = |key: &[(String, KeyType)]| key.iter().any(|(attribute, _)| attribute == name);
        let found = tables.iter().find_map(|(of, table)| {
            if is_key(&table.key) {
                return Some((
                    format!("the field `{name}` is a key of the table `{of}`, and not required"),
                    "write `required: true`: without it, a row without a value fails only when `load` writes it",
                ));
            }
            let (index, _) = table.indexes.iter().find(|(_, index)| is_key(&index.key))?;
            (!field.optional).then(|| {
                (
                    format!("the field `{name}` is a key of the index `{index}` of `{of}`, and not required"),
                    "items without a value are not in the index; write `required: true`, or `optional: true` if this is intended",
                )
            })
        });
        if let Some((message, help)) = found {
            diagnostics.push(Diagnostic::warning("W0410", *span, message).help(help));
        }
    }
}

/// Checks that no field takes the attribute that a `load` with `onConflict: newest` writes itself.
fn version(stack: &Stack, transform: &Function, settings: &Settings, diagnostics: &mut Diagnostics) {
    let load = stack.functions().find(|(_, function)| {
        function.worker() == Some(Worker::Load)
            && sensitive::comes_to(stack, transform, function)
            && function.settings.as_ref().is_some_and(|own| own.load.on_conflict == OnConflict::Newest)
    });
    let field = settings
        .transform
        .fields
        .iter()
        .zip(&settings.fields)
        .find(|(field, _)| field.name == VERSION_ATTRIBUTE);
    if let (Some((load, _)), Some((_, span))) = (load, field) {
        diagnostics.push(
            Diagnostic::error(
                "E0354",
                *span,
                format!(
                    "`{}` writes an attribute `{VERSION_ATTRIBUTE}` of its own, to tell which item is newer",
                    load.name
                ),
            )
            .help("give the field another name, or remove `onConflict: newest`"),
        );
    }
}

/// Checks that every required field comes from a column that the settings of an extraction name, if they name any:
/// otherwise all files would fail.
fn named_columns(stack: &Stack, function: &Function, diagnostics: &mut Diagnostics) {
    for extraction in &stack.resources {
        let ResourceType::Task(task) = &extraction.is else { continue };
        let named = task.settings.as_ref().map_or(&[][..], |settings| &settings.csv.columns[..]);
        if named.is_empty() {
            continue;
        }
        let expected = sensitive::expected(stack, task);
        for field in expected.iter().filter(|field| std::ptr::eq(field.function, function)) {
            if named.iter().any(|column| columns::same(column, field.column())) {
                continue;
            }
            let (name, from, task) = (&field.settings.name, shorten(field.column()), &extraction.name);
            diagnostics.push(
                Diagnostic::error(
                    "E0316",
                    field.span,
                    format!("the field `{name}` comes from the column `{from}`, which the files of `{task}` don't have"),
                )
                .suggest(field.column(), named.iter().map(String::as_str)),
            );
        }
    }
}

/// Checks the entries of `access` that a worker learns its places from, and without which it could not start.
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
                        "the worker `{}` uses only one {}, and this is the second",
                        worker.name(),
                        kind.name()
                    ),
                )
                .help("remove one of them"),
            );
        }
        if first.is_none() {
            let example = stack.resources.iter().find(|resource| resource.is.kind() == *kind);
            let first = if example.is_none() {
                format!("declare a resource of `type: {}`, and ", kind.name())
            } else {
                String::new()
            };
            let example = example.map_or("name", |resource| &resource.name);
            // Keys are needed for sensitive fields alone.
            let sensitive =
                sensitive::fields(stack).find(|field| *kind == Kind::Key && field.settings.sensitive);
            let because = sensitive.map_or(String::new(), |field| {
                format!(", because the field `{}` of `{}` is sensitive", field.settings.name, field.of.name)
            });
            diagnostics.push(
                Diagnostic::error(
                    "E0305",
                    span,
                    format!(
                        "the worker `{}` must be allowed to {} a {}{because}",
                        worker.name(),
                        verb.phrase(),
                        kind.name()
                    ),
                )
                .help(format!("{first}add `access: [{{ {}: \"${{{example}}}\" }}]`", verb.name())),
            );
        }
    }
}
