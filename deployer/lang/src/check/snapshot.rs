//! Rules on `snapshot`: items that name their files, the worker that deletes those that a file lacks, and the rows that
//! come to no other.

use contract::settings::OnConflict;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};

use crate::loading;
use crate::model::function::{Events, Function, Trigger};
use crate::model::worker::Worker;
use crate::model::{Resource, Stack};
use crate::sensitive;

pub(super) fn check(stack: &Stack, diagnostics: &mut Diagnostics) {
    for (resource, load) in stack.functions().filter(|(_, function)| loading::has_sources(function)) {
        let given = load.settings.iter().flat_map(|settings| &settings.given);
        let span = given.filter(|(name, _)| *name == "snapshot").map(|(_, span)| *span).next();
        let span = span.unwrap_or(resource.span);
        if loading::on_conflict(load) != OnConflict::Newest {
            let message = "`snapshot: true` needs `onConflict: newest`, which orders the versions of a file";
            diagnostics.push(
                Diagnostic::error("E0357", span, message)
                    .help("write `onConflict: newest` beside it, or remove `snapshot`"),
            );
        }
        is_cleaned(stack, load, span, diagnostics);
        alone(stack, (resource, load), span, diagnostics);
    }
    for (resource, snapshot) in stack.functions() {
        has_items(stack, resource, snapshot, diagnostics);
    }
}

/// Checks that a `snapshot` deletes from the table of a `load`.
fn is_cleaned(stack: &Stack, load: &Function, span: Span, diagnostics: &mut Diagnostics) {
    let Some(table) = loading::written(load).next() else { return };
    let table = &table.resource.name;
    let mut cleaned = stack.functions().flat_map(|(_, function)| loading::cleaned(function));
    if !cleaned.any(|access| access.resource.name == *table) {
        diagnostics.push(
            Diagnostic::error(
                "E0358",
                span,
                format!("no function with `worker: snapshot` deletes from `{table}`, so nothing would ever be deleted"),
            )
            .help(format!(
                "add a function with `worker: snapshot`, `triggers: [{{ bus: \"${{…}}\", event: object-completed, batchSize: 1 }}]` and \
                 `access: [{{ read: \"${{{table}}}\" }}, {{ delete: \"${{{table}}}\" }}, {{ tally: \"${{…}}\" }}, {{ publish: \"${{…}}\" }}]`"
            )),
        );
    }
}

/// Checks that a `load` writes items that name their files into the table of a `snapshot`.
fn has_items(stack: &Stack, resource: &Resource, snapshot: &Function, diagnostics: &mut Diagnostics) {
    for access in loading::cleaned(snapshot) {
        let table = &access.resource.name;
        let mut written = stack
            .functions()
            .filter(|(_, function)| loading::has_sources(function))
            .flat_map(|(_, load)| loading::written(load));
        if !written.any(|access| access.resource.name == *table) {
            diagnostics.push(
                Diagnostic::error(
                    "E0359",
                    access.span,
                    format!("`{}` finds no items in `{table}`: no `load` names their files", resource.name),
                )
                .help(format!(
                    "write `settings: {{ onConflict: newest, snapshot: true }}` of the `load` that writes `{table}`, or remove \
                     `{}`",
                    resource.name
                )),
            );
        }
    }
}

/// Checks that no other function takes the rows of a `load`, or of its `transform`: the tally counts a row as loaded when
/// one of them has written or skipped it, and a file would be complete before the other has its rows in the table.
fn alone(stack: &Stack, (resource, load): (&Resource, &Function), span: Span, diagnostics: &mut Diagnostics) {
    let others = |worker: Worker, own: &Function| {
        let shares = |other: &Function| !std::ptr::eq(other, own) && share_events(own, other);
        let mut functions = stack.functions();
        functions.find(|(_, other)| other.worker() == Some(worker) && shares(other)).map(|(other, _)| other)
    };
    let transforms = stack.functions().filter(|(_, function)| {
        function.worker() == Some(Worker::Transform) && sensitive::comes_to(stack, function, load)
    });
    let found = others(Worker::Load, load).map(|other| (&resource.name, &other.name)).or_else(|| {
        transforms
            .filter_map(|(own, function)| Some((&own.name, &others(Worker::Transform, function)?.name)))
            .next()
    });
    if let Some((own, other)) = found {
        diagnostics.push(
            Diagnostic::error(
                "E0360",
                span,
                format!("`{other}` takes the same rows as `{own}`, so a file may be complete before its items are in the table"),
            )
            .help("let each row come to one `transform` and one `load`: by patterns, or by a bus for each"),
        );
    }
}

/// Returns whether two functions are started by all events of the same name on the same bus.
fn share_events(one: &Function, other: &Function) -> bool {
    one.triggers.iter().any(|trigger| {
        let Trigger::Bus { bus, events: events @ Events::Named(_), .. } = trigger else { return false };
        other.triggers.iter().any(|trigger| {
            matches!(trigger, Trigger::Bus { bus: its, events: theirs, .. } if its.name == bus.name && theirs == events)
        })
    })
}
