//! Rules on sensitive fields: one key, never a key of a table, and the same wherever their names and columns are used.

use std::collections::BTreeMap;

use contract::columns;
use contract::settings::{Format, SensitiveField};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::yaml::shorten;

use super::{table, worker};
use crate::columns::Source;
use crate::loading;
use crate::model::Stack;
use crate::model::task::Task;
use crate::model::worker::Worker;
use crate::sensitive::{self, Field};

pub(super) fn check(stack: &Stack, diagnostics: &mut Diagnostics) {
    if sensitive::sensitive(stack).next().is_none() {
        return;
    }
    one_key(stack, diagnostics);
    table_keys(stack, diagnostics);
    agreement(stack, diagnostics);
    uses(stack, diagnostics);
    members(stack, diagnostics);
}

/// Checks that `load` can decrypt the values that a task encrypts.
fn one_key(stack: &Stack, diagnostics: &mut Diagnostics) {
    let tasks = stack.tasks().filter_map(|(task, properties)| {
        let fields = sensitive::contract(&sensitive::of_task(stack, properties));
        Some((task, sensitive::key(properties.image.worker()?, &properties.access)?, fields))
    });
    for (task, encrypt, sealed) in tasks {
        let loads = stack.functions().filter(|(_, function)| {
            function.worker() == Some(Worker::Load) && worker::decrypts(stack, function)
        });
        for (load, function) in loads {
            let Some(decrypt) = sensitive::key(Worker::Load, &function.access) else { continue };
            let opened = sensitive::contract(&sensitive::of_load(stack, function));
            let (theirs, own) = (&encrypt.resource.name, &decrypt.resource.name);
            if theirs != own && opened.iter().any(|field| sealed.contains(field)) {
                diagnostics.push(
                    Diagnostic::error(
                        "E0351",
                        decrypt.span,
                        format!(
                            "`{}` encrypts with `{theirs}`, and `{}` decrypts with `{own}`",
                            task.name, load.name
                        ),
                    )
                    .help("name the same key in both"),
                );
            }
        }
    }
}

/// Checks that no key of a table is sensitive: keys of items are in events, and a value that is encrypted twice is
/// never the same key.
fn table_keys(stack: &Stack, diagnostics: &mut Diagnostics) {
    let loads = stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Load));
    for (_, load) in loads {
        let tables = loading::written(load)
            .filter_map(|access| Some((&access.resource.name, table(stack, &access.resource)?)));
        let fields = sensitive::of_load(stack, load);
        let found = tables.flat_map(|(name, table)| fields.iter().map(move |field| (name, table, field)));
        for (table, properties, field) in found {
            let name = &field.settings.name;
            if !properties.key.iter().any(|(key, _)| key == name) {
                continue;
            }
            diagnostics.push(
                Diagnostic::error(
                    "E0352",
                    field.span,
                    format!("the sensitive field `{name}` is a key attribute of the table `{table}`"),
                )
                .help("keys are part of events, and encrypted keys differ each time; use another field as the key"),
            );
        }
    }
}

/// Checks that a column and a field's name mean the same everywhere: the task recognizes a value by the one, `load` by
/// the other.
fn agreement(stack: &Stack, diagnostics: &mut Diagnostics) {
    let mut by_column: BTreeMap<String, Field<'_>> = BTreeMap::new();
    let mut names: BTreeMap<&str, Field<'_>> = BTreeMap::new();
    for field in sensitive::fields(stack) {
        let of_column = field.column().map(|column| *by_column.entry(columns::key(column)).or_insert(field));
        let of_name = *names.entry(&field.settings.name).or_insert(field);
        let found = of_column.and_then(|first| of_one_column(first, field));
        let found = found.or_else(|| of_one_name(of_name, field));
        if let Some((message, help)) = found {
            diagnostics.push(Diagnostic::error("E0353", field.span, message).help(help));
        }
    }
}

/// Returns the problem of two fields of the same column, and its solution.
fn of_one_column(first: Field<'_>, second: Field<'_>) -> Option<(String, &'static str)> {
    let (of_first, of_second) = (first.column()?, second.column()?);
    let column = shorten(of_second);
    let what = |field: Field<'_>| format!("`{}` of `{}`", field.settings.name, field.of.name);
    match (first.settings.sensitive, second.settings.sensitive) {
        (true, true) if of_first != of_second => Some((
            format!(
                "the column of sensitive fields is spelled in two ways: `{}` and `{}`",
                shorten(of_first),
                shorten(of_second)
            ),
            "a value is bound to the name of its column; write it the same way everywhere",
        )),
        (true, false) => Some((
            format!("the column `{column}` is sensitive in {}, and not in {}", what(first), what(second)),
            "the task encrypts it for every reader; write `sensitive: true` in both",
        )),
        (false, true) => Some((
            format!("the column `{column}` is sensitive in {}, and not in {}", what(second), what(first)),
            "the task encrypts it for every reader; write `sensitive: true` in both",
        )),
        _ => None,
    }
}

/// Returns the problem of two fields of the same name, and its solution.
fn of_one_name(first: Field<'_>, second: Field<'_>) -> Option<(String, &'static str)> {
    let name = &first.settings.name;
    let (one, other) = (&first.of.name, &second.of.name);
    let help = "`load` finds a field by its name; rename one of them, or make them the same";
    let (of_first, of_second) = (first.column().unwrap_or_default(), second.column().unwrap_or_default());
    let message = match (first.settings.sensitive, second.settings.sensitive) {
        (true, true) if !columns::same(of_first, of_second) => format!(
            "the sensitive field `{name}` comes from `{}` in `{one}`, and from `{}` in `{other}`",
            shorten(of_first),
            shorten(of_second)
        ),
        (true, true) if SensitiveField::new(first.settings) != SensitiveField::new(second.settings) => {
            format!("the sensitive field `{name}` has other settings in `{one}` than in `{other}`")
        }
        (true, false) => format!("the field `{name}` is sensitive in `{one}`, and not in `{other}`"),
        (false, true) => format!("the field `{name}` is sensitive in `{other}`, and not in `{one}`"),
        _ => return None,
    };
    Some((message, help))
}

/// Checks that no template, expression or map uses a sensitive column: the task has encrypted it by then, so that only
/// `load` could read it.
fn uses(stack: &Stack, diagnostics: &mut Diagnostics) {
    let sealed: BTreeMap<String, Field<'_>> = sensitive::sensitive(stack)
        .filter_map(|field| Some((columns::key(field.column()?), field)))
        .collect();
    for used in crate::columns::uses(stack) {
        // Two fields of one column at the top level are compared above.
        let compared = used.source == Source::From && used.outermost;
        let Some(field) = sealed.get(&columns::key(&used.column)).filter(|_| !compared) else { continue };
        let message = format!(
            "{} uses the column `{}`, which is sensitive in `{}` of `{}`",
            used.user(),
            shorten(&used.column),
            field.settings.name,
            field.of.name
        );
        diagnostics.push(Diagnostic::error("E0353", used.span, message).help(
            "the task encrypts it, and `transform` sees the encrypted value only; use another column, or remove \
             `sensitive`",
        ));
    }
}

/// Checks that no field of JSON Lines comes from a column that contains a sensitive one, or is a part of one: neither
/// leaves the task.
fn members(stack: &Stack, diagnostics: &mut Diagnostics) {
    let of_json = |task: &&Task| task.settings.as_ref().is_some_and(|is| is.format == Format::JsonLines);
    let sealed: Vec<(&Task, Vec<Field<'_>>)> = stack
        .tasks()
        .map(|(_, task)| task)
        .filter(of_json)
        .map(|task| (task, sensitive::of_task(stack, task)))
        .collect();
    for used in crate::columns::uses(stack) {
        let reached = sealed.iter().filter(|(task, _)| sensitive::rows_come_to(stack, task, used.function));
        let related = reached.flat_map(|(_, fields)| fields).find_map(|field| {
            let column = field.column()?;
            let contains = columns::contains(&used.column, column);
            (contains || columns::contains(column, &used.column)).then_some((contains, column, field))
        });
        let Some((contains, column, field)) = related else { continue };
        let (how, help) = match contains {
            true => ("contains", "name the members that are wanted, each by its path"),
            false => ("is a part of", "use another column, or write `sensitive: true` for this one instead"),
        };
        let message = format!(
            "{} uses the column `{}`, which {how} the column `{}`, which is sensitive in `{}` of `{}`",
            used.user(),
            shorten(&used.column),
            shorten(column),
            field.settings.name,
            field.of.name
        );
        let help = format!("it does not leave the task, where `{}` is encrypted; {help}", shorten(column));
        diagnostics.push(Diagnostic::error("E0356", used.span, message).help(help));
    }
}
