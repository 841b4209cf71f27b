//! `topic` → Topic, TopicPolicy, and a Subscription per entry.

use contract::environment;
use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, senders};
use crate::iam;
use crate::model::Stack;
use crate::model::access::Verb;
use crate::model::topic::{Subscriber, Subscription, Topic};

/// The key of the account that SNS makes. Other services can't use it: Amazon SNS Developer Guide, "Enable
/// compatibility between event sources from AWS services and encrypted topics".
const MANAGED_KEY: &str = "alias/aws/sns";

impl Lowering for Topic {
    const GRANTS: &'static [Grant] = &[Grant::new(Verb::Publish, "Publish", &["sns:Publish"], On::Itself)];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let senders = senders::senders(builder.stack, name);
        let arn = json!(Ref(id));
        let mut statements: Vec<Value> =
            senders.iter().map(|sender| senders::allow(sender, "sns:Publish", &arn)).collect();
        if self.existing.is_some() {
            builder.need(statements);
            return self.subscriptions.iter().for_each(|one| subscribe(builder, id, one));
        }
        let mut properties = json!({});
        match &self.encryption_key {
            Some(key) => properties["KmsMasterKeyId"] = json!(GetAtt(logical_id(&key.name), "Arn")),
            None if senders.is_empty() => properties["KmsMasterKeyId"] = json!(MANAGED_KEY),
            None => {}
        }
        if let Some(fifo) = self.fifo {
            properties["FifoTopic"] = json!(true);
            properties["ContentBasedDeduplication"] = json!(fifo.content_based_deduplication);
            if fifo.high_throughput {
                properties["FifoThroughputScope"] = json!("MessageGroup");
            }
        }
        builder.add(id, "AWS::SNS::Topic", properties);
        statements.push(iam::deny_without_tls("sns:Publish", arn));
        let policy = json!({ "Topics": [Ref(id)], "PolicyDocument": iam::document(&statements) });
        builder.add(format!("{id}Policy"), "AWS::SNS::TopicPolicy", policy);
        for subscription in &self.subscriptions {
            subscribe(builder, id, subscription);
        }
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "name" => json!(GetAtt(id, "TopicName")),
            _ => json!(Ref(id)),
        }
    }

    fn arn(&self, id: &str, _: &str) -> Value {
        json!(Ref(id))
    }

    fn variables(&self, _: &Stack, id: &str, _: &str, verb: Verb) -> Vec<(&'static str, Value)> {
        match verb {
            Verb::Publish => vec![(environment::TOPIC, json!(Ref(id)))],
            _ => Vec::new(),
        }
    }

    fn sender(&self, _: &Stack, id: &str, _: &str, to: &str) -> Option<(&'static str, Value)> {
        let sends = self.subscriptions.iter().any(|subscription| {
            let own = matches!(&subscription.to, Subscriber::Queue(queue) if queue.name == to);
            own || subscription.dead_letter.as_ref().is_some_and(|queue| queue.name == to)
        });
        sends.then(|| ("sns.amazonaws.com", json!(Ref(id))))
    }
}

fn subscribe(builder: &mut Builder<'_>, id: &str, subscription: &Subscription) {
    let (suffix, protocol, endpoint) = match &subscription.to {
        Subscriber::Queue(queue) => {
            let queue = logical_id(&queue.name);
            (queue.clone(), "sqs", json!(GetAtt(queue, "Arn")))
        }
        Subscriber::Function(function) => {
            let function = logical_id(&function.name);
            (function.clone(), "lambda", json!(GetAtt(function, "Arn")))
        }
        // Only letters and digits of the address are kept: a logical ID has no others.
        Subscriber::Email(address) => {
            (address.chars().filter(char::is_ascii_alphanumeric).collect(), "email", json!(address))
        }
    };
    let mut properties = json!({ "TopicArn": Ref(id), "Protocol": protocol, "Endpoint": endpoint });
    if matches!(subscription.to, Subscriber::Queue(_)) && subscription.raw {
        properties["RawMessageDelivery"] = json!(true);
    }
    if let Some(filter) = &subscription.filter {
        properties["FilterPolicy"] = super::pattern(builder.stack, &filter.json);
        if subscription.filter_body {
            properties["FilterPolicyScope"] = json!("MessageBody");
        }
    }
    if let Some(queue) = &subscription.dead_letter {
        properties["RedrivePolicy"] =
            json!({ "deadLetterTargetArn": GetAtt(logical_id(&queue.name), "Arn") });
    }
    builder.add(format!("{id}To{suffix}"), "AWS::SNS::Subscription", properties);
    if let Subscriber::Function(function) = &subscription.to {
        let permission = json!({
            "Action": "lambda:InvokeFunction",
            "FunctionName": Ref(logical_id(&function.name)),
            "Principal": "sns.amazonaws.com",
            "SourceArn": Ref(id),
        });
        builder.add(format!("{id}To{suffix}Permission"), "AWS::Lambda::Permission", permission);
    }
}
