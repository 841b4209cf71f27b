//! `notify` of an existing bucket → a Rule for each receiver and event. The configuration of the bucket belongs to
//! others, and S3 takes it as a whole; events of the bucket are on the default bus, where a rule takes nothing from
//! anyone.

use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::delivery::add_role;
use super::{Builder, queue, rule};
use crate::iam;
use crate::model::access::Verb;
use crate::model::bucket::{Bucket, BucketEvent, Notification, Notified};
use crate::model::delivery::Retry;

/// The name of an event in an ID, its `detail-type`, and its `reason`, which leaves out what a lifecycle rule does.
/// Source: Amazon S3 User Guide, "EventBridge event message structure".
const fn event(on: BucketEvent) -> (&'static str, &'static str, Option<&'static str>) {
    match on {
        BucketEvent::Created => ("Created", "Object Created", None),
        BucketEvent::Removed => ("Removed", "Object Deleted", Some("DeleteObject")),
    }
}

/// Returns the ID of the rule for a notification.
fn rule_id(bucket: &str, notify: &Notification) -> String {
    format!("{bucket}{}To{}", event(notify.on).0, logical_id(&notify.to.resource().name))
}

/// Returns the ARNs of the rules that send to a queue or a topic.
pub(super) fn rules_to(bucket: &Bucket, id: &str, to: &str) -> Option<Value> {
    let sends =
        |one: &&Notification| !matches!(one.to, Notified::Function(_)) && one.to.resource().name == to;
    let mut rules: Vec<String> = bucket.notify.iter().filter(sends).map(|one| rule_id(id, one)).collect();
    rules.sort();
    rules.dedup();
    match rules.as_slice() {
        [] => None,
        [only] => Some(json!(GetAtt(only, "Arn"))),
        several => Some(several.iter().map(|rule| json!(GetAtt(rule, "Arn"))).collect()),
    }
}

/// Adds the rules, the queue for events that reach no receiver, and the permissions of the functions that the rules call.
pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, bucket: &Bucket) {
    let dead_letters = format!("{id}DeadLetters");
    let retry = Retry::default();
    let mut made: Vec<String> = Vec::new();
    for notify in &bucket.notify {
        let rule_id = rule_id(id, notify);
        if made.contains(&rule_id) {
            continue;
        }
        let same = |one: &&Notification| self::rule_id(id, one) == rule_id;
        let keys: Vec<Value> = bucket.notify.iter().filter(same).filter_map(key).collect();
        // One without a filter is for every key.
        let every = bucket.notify.iter().filter(same).any(|one| key(one).is_none());
        let (_, what, reason) = event(notify.on);
        let mut detail = json!({ "bucket": { "name": [Ref(id)] } });
        if !every {
            detail["object"] = json!({ "key": keys });
        }
        if let Some(reason) = reason {
            detail["reason"] = json!([reason]);
        }
        let to = logical_id(&notify.to.resource().name);
        let arn = match notify.to {
            Notified::Topic(_) => json!(Ref(&to)),
            Notified::Queue(_) | Notified::Function(_) => json!(GetAtt(&to, "Arn")),
        };
        let verb = if matches!(notify.to, Notified::Topic(_)) { Verb::Publish } else { Verb::Send };
        let mut target = json!({ "Id": to, "Arn": arn });
        if let Some(role) = add_role(builder, &rule_id, verb, notify.to.resource()) {
            target["RoleArn"] = role;
        }
        target["RetryPolicy"] = json!({
            "MaximumRetryAttempts": retry.attempts,
            "MaximumEventAgeInSeconds": retry.max_age,
        });
        target["DeadLetterConfig"] = json!({ "Arn": GetAtt(&dead_letters, "Arn") });
        let properties = json!({
            "Description": format!("Objects of the bucket {name} for {}.", notify.to.resource().name),
            "EventBusName": "default",
            "EventPattern": { "source": ["aws.s3"], "detail-type": [what], "detail": detail },
            "State": "ENABLED",
            "Targets": [target],
        });
        builder.add(&rule_id, "AWS::Events::Rule", properties);
        if matches!(notify.to, Notified::Function(_)) {
            rule::add_permission(builder, &format!("{rule_id}Permission"), &to, &rule_id);
        }
        made.push(rule_id);
    }
    if !made.is_empty() {
        let senders = made.iter().map(|rule| iam::rule_may_send(rule, &dead_letters)).collect();
        let key = builder.stack.key.as_ref();
        queue::add_dead_letters(builder, &dead_letters, false, key, senders);
    }
}

/// Returns the pattern of the keys of a notification; `None` if it is for every key.
fn key(notify: &Notification) -> Option<Value> {
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (some(&notify.prefix), some(&notify.suffix)) {
        (None, None) => None,
        (Some(prefix), None) => Some(json!({ "prefix": prefix })),
        (None, Some(suffix)) => Some(json!({ "suffix": suffix })),
        (Some(prefix), Some(suffix)) => {
            let plain = |text: &str| text.replace('\\', "\\\\").replace('*', "\\*");
            Some(json!({ "wildcard": format!("{}*{}", plain(&prefix), plain(&suffix)) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceRef;
    use deployer_syntax::diagnostic::Span;

    #[test]
    fn a_filter_matches_the_keys_that_s3_would_tell_of() {
        let key = |prefix: Option<&str>, suffix: Option<&str>| {
            let to = Notified::Queue(ResourceRef { name: "jobs".to_owned(), span: Span::default() });
            let (prefix, suffix) = (prefix.map(str::to_owned), suffix.map(str::to_owned));
            key(&Notification { on: BucketEvent::Created, to, prefix, suffix })
        };
        assert_eq!(key(None, None), None);
        assert_eq!(key(Some(""), None), None);
        assert_eq!(key(Some("in/"), None), Some(json!({ "prefix": "in/" })));
        assert_eq!(key(None, Some(".csv")), Some(json!({ "suffix": ".csv" })));
        assert_eq!(key(Some("a*b/"), Some(".csv")), Some(json!({ "wildcard": "a\\*b/*.csv" })));
    }
}
