//! Rules on buses: the computed names of their logs.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use crate::model::bus::{Bus, LogLevel};
use crate::model::{Resource, Stack};
use crate::names;

/// Longest name of the source of a log, and of its destination: Amazon CloudWatch Logs API reference,
/// `PutDeliverySource`.
const MAX_LOG_NAME: usize = 60;

pub(super) fn check(stack: &Stack, resource: &Resource, bus: &Bus, diagnostics: &mut Diagnostics) {
    // The words of all levels have the same number of letters.
    let longest = names::event_log(&stack.name, &resource.name, LogLevel::Error).len();
    if bus.log.is_none() || longest <= MAX_LOG_NAME {
        return;
    }
    let length = stack.name.len() + resource.name.len();
    let room = MAX_LOG_NAME - (longest - length);
    diagnostics.push(
        Diagnostic::error(
            "E0108",
            resource.span,
            format!("`{}-{}` is too long to be part of the name of a log", stack.name, resource.name),
        )
        .help(format!(
            "the names of the stack and of the bus can have {room} characters together, but have {length}"
        )),
    );
}
