//! The reasons why a stack is not verified: others would see the marked rows, or lose something by them.

use contract::settings::OnConflict;
use contract::{EventKind, verification};
use deployer_base::error::{Error, Message, Result};
use deployer_cfn::template::logical_id;
use deployer_lang::matching::Event;
use deployer_lang::model::bucket::{BucketEvent, Notified};
use deployer_lang::model::function::{Function, Trigger};
use deployer_lang::model::pattern::Pattern;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{ResourceType, Stack};
use deployer_syntax::Source;
use serde_json::{Value, json};

use super::rows::Rows;
use crate::preview::route::Route;

/// The bus to which S3 sends its events.
const DEFAULT_BUS: &str = "default";

fn refused(text: String, hint: &str) -> Error {
    Error::Refused(Message::new(text).hint(format!("{hint}; nothing was sent")))
}

/// Checks that nobody but the workers would see a marked file with this key.
///
/// # Errors
/// [`Error::Refused`] with the reason.
pub(super) fn check(route: &Route<'_>, bucket: &str, key: &str, template: &Value) -> Result<()> {
    let stack = route.stack();
    if !route.is_of_all_rows() {
        return Err(refused(
            format!("the trigger of `{}` has a pattern, which chooses among the rows", route.name()),
            "a stack is verified if its trigger has `event: record-extracted`",
        ));
    }
    in_bucket(stack, bucket, key, template)?;
    if let Some((_, resource, table)) = &route.table
        && table.stream.is_some()
    {
        return Err(refused(
            format!("the table `{}` has a stream, whose readers would see the marked items", resource.name),
            "verify a stack without `stream`, such as one for development",
        ));
    }
    in_rules(stack, template, route.name(), &source_of(stack, route))
}

/// Checks the notifications of the bucket.
fn in_bucket(stack: &Stack, bucket: &str, key: &str, template: &Value) -> Result<()> {
    let Some(ResourceType::Bucket(model)) = stack.resource(bucket).map(|resource| &resource.is) else {
        return Ok(());
    };
    for one in &model.notify {
        let takes = one.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
            && one.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix));
        let to = &one.to.resource().name;
        let starts = one.on == BucketEvent::Created
            && matches!(&one.to, Notified::Queue(queue) if is_of_extract(stack, &queue.name));
        if takes && !starts {
            return Err(refused(
                format!("`{bucket}` also notifies `{to}`, which would be told of the marked file"),
                "give that entry of `notify` a prefix or suffix of its own",
            ));
        }
    }
    if model.event_bridge {
        let object = json!({ "bucket": { "name": bucket }, "object": { "key": key } });
        let told = ["Object Created", "Object Deleted"].into_iter().find_map(|detail_type| {
            let event = json!({ "source": "aws.s3", "detail-type": detail_type, "detail": object });
            rules(template).find(|(_, rule)| is_on(rule, &json!(DEFAULT_BUS)) && may_match(rule, &event))
        });
        if let Some((id, _)) = told {
            return Err(refused(
                format!(
                    "the rule {id} would be told of the marked file, because of `eventBridge: true` of `{bucket}`"
                ),
                "make its pattern narrower, such as by the prefix of the key",
            ));
        }
    }
    Ok(())
}

/// Returns whether only functions with `worker: extract` take the messages of a queue.
pub(super) fn is_of_extract(stack: &Stack, queue: &str) -> bool {
    let takes = |function: &Function| {
        let of =
            |trigger: &Trigger| matches!(trigger, Trigger::Queue { queue: own, .. } if own.name == queue);
        function.triggers.iter().any(of)
    };
    let mut takers = stack.functions().filter(|(_, function)| takes(function)).peekable();
    takers.peek().is_some() && takers.all(|(_, function)| function.worker() == Some(Worker::Extract))
}

/// Returns the source of marked events.
fn source_of(stack: &Stack, route: &Route<'_>) -> String {
    let bus = match &route.transform.is {
        ResourceType::Function(function) => function.triggers.iter().find_map(|trigger| match trigger {
            Trigger::Bus { bus, .. } => Some(bus),
            _ => None,
        }),
        _ => None,
    };
    let own = bus.and_then(|bus| match &stack.resource(&bus.name)?.is {
        ResourceType::Bus(bus) => Some(bus.source.clone()),
        _ => None,
    });
    verification::source(&own.unwrap_or_else(|| contract::SOURCE.to_owned()))
}

/// Checks the rules: only those of workers take marked events.
fn in_rules(stack: &Stack, template: &Value, transform: &str, source: &str) -> Result<()> {
    let of_workers: Vec<String> = stack
        .functions()
        .filter(|(_, function)| function.worker().is_some())
        .map(|(resource, _)| format!("{}On", logical_id(&resource.name)))
        .collect();
    let own = format!("{}On", logical_id(transform));
    let bus =
        rules(template).find(|(id, _)| id.starts_with(&own)).map(|(_, rule)| rule["EventBusName"].clone());
    for (id, rule) in rules(template) {
        if bus.as_ref().is_some_and(|bus| !is_on(rule, bus)) {
            continue;
        }
        if of_workers.iter().any(|prefix| id.starts_with(prefix) && id.ends_with("Rule")) {
            continue;
        }
        for (detail_type, status, _) in EventKind::Any.details() {
            let event =
                json!({ "source": source, "detail-type": detail_type, "detail": { "status": status } });
            if may_match(rule, &event) {
                return Err(refused(
                    format!(
                        "the rule {id} takes events of any source, and so would take marked ones (`{detail_type}`)"
                    ),
                    "give its pattern the `source` of the events that it means",
                ));
            }
        }
    }
    Ok(())
}

/// Returns the rules of a template with a pattern.
fn rules(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter_map(|(id, resource)| {
        let rule =
            resource["Type"] == "AWS::Events::Rule" && !resource["Properties"]["EventPattern"].is_null();
        rule.then_some((id, &resource["Properties"]))
    })
}

/// Returns whether a rule is on a bus; a rule that names none is on the default bus.
fn is_on(rule: &Value, bus: &Value) -> bool {
    match &rule["EventBusName"] {
        Value::Null => bus == DEFAULT_BUS,
        own => own == bus,
    }
}

/// Returns whether a rule may match an event, by the parts of its pattern that don't depend on the content of rows. A part that
/// is not known before the deployment may match.
fn may_match(rule: &Value, event: &Value) -> bool {
    let pattern = &rule["EventPattern"];
    let mut part = json!({});
    for name in ["source", "detail-type"] {
        if is_plain(&pattern[name]) {
            part[name] = pattern[name].clone();
        }
    }
    if is_plain(&pattern["detail"]["status"]) {
        part["detail"] = json!({ "status": pattern["detail"]["status"] });
    }
    if part == json!({}) {
        return true;
    }
    let source = Source::new("pattern", part.to_string());
    match Pattern::from_json(&source) {
        Ok(pattern) => pattern.compiled.matches(&Event::of_value(event)),
        Err(_) => true,
    }
}

/// Returns whether a list of a pattern has no function of CloudFormation in it.
fn is_plain(list: &Value) -> bool {
    let is_function = |value: &Value| {
        value.as_object().is_some_and(|one| one.keys().any(|name| name == "Ref" || name.contains("::")))
    };
    list.as_array().is_some_and(|list| !list.iter().any(is_function))
}

/// Checks that nobody loses a row whose key is that of a marked one by chance.
///
/// # Errors
/// [`Error::Refused`] with the reason.
pub(super) fn check_keys(route: &Route<'_>, rows: &Rows) -> Result<()> {
    if rows.unique || route.on_conflict() == OnConflict::Overwrite {
        return Ok(());
    }
    Err(refused(
        format!(
            "the key of an item can't be made unique, and with `onConflict: {}` a row of yours that has it by chance would not \
             become the item that it should",
            route.on_conflict().word()
        ),
        "verify a stack with a key that has room for other values, or with `onConflict: overwrite`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_takes_marked_events_unless_its_pattern_has_another_source() {
        let source = verification::source(contract::SOURCE);
        let event =
            json!({ "source": source, "detail-type": "transformFailed", "detail": { "status": "failed" } });
        for (pattern, takes) in [
            (EventKind::Failed.pattern(contract::SOURCE), false),
            (EventKind::pattern_of_worker(&[EventKind::Failed], contract::SOURCE), true),
            (json!({ "detail": { "status": ["failed"] } }), true),
            (json!({ "detail": { "status": ["loaded"] } }), false),
            (json!({ "detail-type": ["order"] }), false),
            (json!({ "source": [{ "prefix": "cdkpatterns" }] }), true),
            (json!({ "source": [{ "Ref": "Source" }] }), true),
            (json!({ "detail": { "reason": ["x"] } }), true),
            (json!({ "account": ["1"] }), true),
        ] {
            assert_eq!(may_match(&json!({ "EventPattern": pattern }), &event), takes, "{pattern}");
        }
    }
}
