//! Rules on functions: their triggers against the sources, and their queues against their concurrency.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::units;

use super::{events, existing, table};
use crate::lower::function::{VISIBILITY_FACTOR, queue_concurrency};
use crate::model::function::{Events, Function, Trigger};
use crate::model::network::{Egress, Network};
use crate::model::{Resource, ResourceType, Stack};

pub(super) fn check(stack: &Stack, resource: &Resource, function: &Function, diagnostics: &mut Diagnostics) {
    for (index, trigger) in function.triggers.iter().enumerate() {
        if function.triggers[..index].iter().any(|other| same(other, trigger)) {
            let message = format!("an earlier trigger of `{}` is the same", resource.name);
            let help = match trigger {
                Trigger::Bus { events: Events::Matching { .. }, .. } => {
                    "remove one of them, or give them different names by `name`"
                }
                _ => "remove one of them",
            };
            diagnostics.push(Diagnostic::error("E0303", trigger.source().span, message).help(help));
        }
        match trigger {
            Trigger::Queue { .. } => of_queue(stack, resource, function, trigger, diagnostics),
            Trigger::Bus { bus, events, .. } => events::check_events(stack, bus, events, diagnostics),
            Trigger::Table { table: reference, .. } => {
                let table = table(stack, reference);
                if table.is_some_and(|table| table.existing.is_some()) {
                    existing::without_attribute(reference, "stream", diagnostics);
                } else if table.is_some_and(|table| table.stream.is_none()) {
                    diagnostics.push(
                        Diagnostic::error(
                            "E0313",
                            reference.span,
                            format!("the table `{}` has no stream", reference.name),
                        )
                        .help(
                            "set `stream: new-and-old-images` of the table, or another part of the changes",
                        ),
                    );
                }
            }
        }
    }
    concurrency(resource, function, diagnostics);
    if let Some(reference) = &function.network
        && let Some(ResourceType::Network(Network::New(network))) =
            stack.resource(&reference.name).map(|resource| &resource.is)
        && network.egress == Egress::Public
    {
        diagnostics.push(
            Diagnostic::warning(
                "W0409",
                reference.span,
                format!("in `{}`, a function can reach only S3 and DynamoDB", reference.name),
            )
            .help(
                "functions have no public address: set `egress: nat` or `egress: endpoints` of the network",
            ),
        );
    }
}

fn same(a: &Trigger, b: &Trigger) -> bool {
    match (a, b) {
        (Trigger::Queue { queue: a, .. }, Trigger::Queue { queue: b, .. })
        | (Trigger::Table { table: a, .. }, Trigger::Table { table: b, .. }) => a.name == b.name,
        (Trigger::Bus { events: Events::Named(a), .. }, Trigger::Bus { events: Events::Named(b), .. }) => {
            a == b
        }
        (
            Trigger::Bus { bus: one, events: Events::Matching { name: a, .. }, .. },
            Trigger::Bus { bus: other, events: Events::Matching { name: b, .. }, .. },
        ) => a.as_ref().unwrap_or(&one.name) == b.as_ref().unwrap_or(&other.name),
        _ => false,
    }
}

fn of_queue(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    trigger: &Trigger,
    diagnostics: &mut Diagnostics,
) {
    let reference = trigger.source();
    let Some(queue) = stack.queue(reference) else { return };
    let better = function.timeout * VISIBILITY_FACTOR;
    let shown = units::show_duration;
    if queue.existing.is_some() {
        // A deployment asks SQS for it.
    } else if queue.visibility_timeout < function.timeout {
        diagnostics.push(
            Diagnostic::error(
                "E0304",
                reference.span,
                format!(
                    "the queue hides a message for {}, but `{}` can take {} to process it",
                    shown(queue.visibility_timeout),
                    resource.name,
                    shown(function.timeout)
                ),
            )
            .help(format!(
                "Lambda rejects that; set `visibilityTimeout` of `{}` to {} (six times the timeout)",
                reference.name,
                shown(better)
            )),
        );
    } else if queue.visibility_timeout < better {
        diagnostics.push(
            Diagnostic::warning(
                "W0407",
                reference.span,
                format!(
                    "the queue hides a message for {}, less than six times the {} that `{}` can take",
                    shown(queue.visibility_timeout),
                    shown(function.timeout),
                    resource.name
                ),
            )
            .help(format!(
                "a throttled message may be received twice; set `visibilityTimeout` of `{}` to {}",
                reference.name,
                shown(better)
            )),
        );
    }
    let batch = trigger.batch();
    if queue.fifo.is_some() && (batch.size > 10 || batch.window > 0) {
        diagnostics.push(
            Diagnostic::error(
                "E0107",
                reference.span,
                "Lambda reads at most 10 messages of a FIFO queue per call, and does not wait for more",
            )
            .help("remove `batchSize` and `batchWindow`"),
        );
    }
}

/// Checks that the concurrency of queues stays below the reserved one: AWS Lambda Developer Guide, "Configuring maximum
/// concurrency for SQS event sources".
fn concurrency(resource: &Resource, function: &Function, diagnostics: &mut Diagnostics) {
    let Some(reserved) = function.concurrency else { return };
    let mut sum = 0;
    for trigger in &function.triggers {
        let Some(own) = queue_concurrency(function, trigger) else { continue };
        sum += own;
        let span = trigger.source().span;
        if own > reserved {
            let message = format!(
                "this queue can start {own} executions, but `{}` has {reserved} in total",
                resource.name
            );
            let help =
                format!("set `concurrency` of `{}` to {own} or more, or use `unreserved`", resource.name);
            diagnostics.push(Diagnostic::error("E0312", span, message).help(help));
            return;
        }
    }
    if sum > reserved {
        diagnostics.push(
            Diagnostic::warning(
                "W0408",
                resource.span,
                format!(
                    "the queues of `{}` can start {sum} executions, but it has {reserved} in total",
                    resource.name
                ),
            )
            .help(format!(
                "a message that is throttled too often becomes a dead letter; set `concurrency` to {sum} or more"
            )),
        );
    }
}
