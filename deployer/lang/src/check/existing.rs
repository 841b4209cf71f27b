//! Rules on existing resources: their place, and what nobody can say of them.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};

use crate::lower::senders::gets_events;
use crate::model::alarm::Watches;
use crate::model::existing::Existing;
use crate::model::options::Options;
use crate::model::target::Target;
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack};

pub(super) fn check(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    metrics(stack, resource, diagnostics);
    dead_letters(stack, resource, diagnostics);
    let Some(existing) = resource.is.existing() else { return };
    place(stack, resource, existing, diagnostics);
    receiver(stack, resource, existing, diagnostics);
    if resource.options != Options::default() {
        diagnostics.push(
            Diagnostic::error("E0363", resource.span, format!("`{}` can't have options, since it exists outside of the stack", resource.name))
                .help("remove `options`: CloudFormation neither creates nor deletes the resource, and nothing waits for it"),
        );
    }
    // The key that a stack creates encrypts nothing that was there before it.
    if let Some((key, _)) = resource.is.encryption_key()
        && stack.resource(&key.name).is_some_and(|key| key.is.existing().is_none())
    {
        let message = format!(
            "`{}` is a key of the stack, and can't encrypt an existing {}",
            key.name,
            resource.is.kind().name()
        );
        diagnostics.push(
            Diagnostic::error("E0363", key.span, message)
                .help(format!("write `existing: ID` for `{}`, or remove `encryptionKey`", key.name)),
        );
    }
}

/// Checks that the stack can use a resource there.
fn place(stack: &Stack, resource: &Resource, existing: &Existing, diagnostics: &mut Diagnostics) {
    let mut report = |what: &str, own: &str, other: &str, help: &str| {
        let message = format!("`{}` is in {what} {other}, and the stack in {own}", resource.name);
        diagnostics.push(Diagnostic::error("E0364", existing.span, message).help(help));
    };
    let place = stack.target.place();
    if let (Some(own), Some(other)) = (place.partition, existing.partition())
        && own != other
    {
        let help = "name a resource of the partition of the stack: nothing is shared between partitions";
        return report("partition", own, other, help);
    }
    if let (Some(own), Some(other)) = (place.region, existing.region())
        && own != other
    {
        report("region", own, other, "name a resource in the region of the stack: its code calls no other");
    }
    if let Some((own, other)) = existing.other_account(&stack.target)
        && matches!(resource.is.kind(), Kind::Table | Kind::Cluster)
    {
        let help = "name a resource of the account of the stack: another account's table or cluster is not found by its name";
        report("account", own, other, help);
    }
}

/// Checks that an alarm or a dashboard shows no metrics that are in another account.
fn metrics(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    let shown: Vec<&ResourceRef> = match &resource.is {
        ResourceType::Alarm(alarm) => match &alarm.watches {
            Watches::Metric(metric) => vec![&metric.of],
            Watches::DeadLetters => Vec::new(),
        },
        ResourceType::Dashboard(dashboard) => dashboard.of.iter().collect(),
        _ => return,
    };
    for of in shown {
        let found = stack.resource(&of.name).and_then(|found| found.is.existing());
        if let Some((own, other)) = found.and_then(|existing| existing.other_account(&stack.target)) {
            let message =
                format!("the metrics of `{}` are in account {other}, and the stack in {own}", of.name);
            diagnostics.push(
                Diagnostic::error("E0364", of.span, message).help("watch the resource in its own account"),
            );
        }
    }
}

/// Checks that dead letters go to a queue of the account: Amazon SQS Developer Guide, "Configuring a dead-letter queue"; Amazon SNS
/// Developer Guide, "Amazon SNS dead-letter queues".
fn dead_letters(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    if !matches!(resource.is.kind(), Kind::Queue | Kind::Topic) {
        return;
    }
    for to in resource.is.dead_letter_queues() {
        let found = stack.resource(&to.name).and_then(|found| found.is.existing());
        if let Some((own, other)) = found.and_then(|existing| existing.other_account(&stack.target)) {
            let message =
                format!("`{}` is in account {other}, and what sends dead letters to it is in {own}", to.name);
            diagnostics
                .push(Diagnostic::error("E0364", to.span, message).help(
                    "AWS takes a queue of the same account only; name one, or let the stack create it",
                ));
        }
    }
}

/// Warns of a receiver that may be in another account, where a rule needs a role: Amazon EventBridge User Guide, "Sending events to
/// an AWS service in another account". In the same account, a role is not needed, and a delivery may fail with it.
fn receiver(stack: &Stack, resource: &Resource, existing: &Existing, diagnostics: &mut Diagnostics) {
    let is_open = stack.target.account.is_none() && stack.target.target == Target::Aws;
    if let Some(account) = existing.account().filter(|_| is_open && gets_events(stack, &resource.name)) {
        let message = format!(
            "a rule sends to `{}` in account {account}, and the file does not say whether the stack is there too",
            resource.name
        );
        diagnostics.push(Diagnostic::warning("W0364", existing.span, message).help(
            "write `account` of the stack: a rule needs a role to send to another account, and gets one then",
        ));
    }
}

/// Reports a reference to an attribute, by CloudFormation's name, that an existing resource does not have, as far as the file
/// says.
pub(super) fn without(resource: &Resource, attribute: &str, span: Span, diagnostics: &mut Diagnostics) {
    let known = resource.is.kind().attributes().iter().map(|(name, _)| *name);
    let fits = |name: &&str| {
        attribute.eq_ignore_ascii_case(name) || attribute.eq_ignore_ascii_case(&format!("{name}Name"))
    };
    let what = match known.clone().find(fits).unwrap_or(attribute) {
        "" => "the attribute that is named here".to_owned(),
        name => format!("its attribute `{name}`"),
    };
    let message = format!("`{}` exists outside of the stack, and {what} is not known", resource.name);
    diagnostics.push(
        Diagnostic::error("E0365", span, message)
            .help("an existing resource has a name and an ARN, and a queue a URL; of a stream or an alias only AWS knows"),
    );
}

/// Reports the use of such an attribute by its name.
pub(super) fn without_attribute(reference: &ResourceRef, what: &str, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::error("E0365", reference.span, format!("the {what} of `{}` is not known, since the table exists outside of the stack", reference.name))
            .help("name a table that the stack creates, or use `type: AWS::Lambda::EventSourceMapping` with the ARN of the stream"),
    );
}
