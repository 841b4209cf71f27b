//! `rule` → Rule, its dead-letter queue, and per target the permission by which EventBridge calls it.

use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::delivery::{Caller, ecs_network, input, is_elsewhere, role_statements, runs_on};
use super::lowering::Lowering;
use super::{Builder, queue};
use crate::iam;
use crate::loading;
use crate::model::delivery::{Input, Target};
use crate::model::function::{Events, Function};
use crate::model::rule::Rule;
use crate::model::{Kind, ResourceRef, ResourceType, Stack};
use crate::names;

impl Lowering for Rule {
    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let dead_letters = format!("{id}DeadLetters");
        if self.targets.iter().any(|target| target.dead_letter) {
            let key = builder.stack.key.as_ref();
            queue::add_dead_letters(
                builder,
                &dead_letters,
                false,
                key,
                vec![iam::rule_may_send(id, &dead_letters)],
            );
        }
        let role = format!("{id}Role");
        let statements = role_statements(builder.stack, &self.targets, Caller::Rule);
        if !statements.is_empty() {
            let description = format!("What the rule {name} may do.");
            let properties = iam::role(&description, "events.amazonaws.com", &statements, true);
            builder.add(&role, "AWS::IAM::Role", properties);
        }
        let targets: Vec<Value> =
            self.targets.iter().map(|one| target(builder.stack, one, &role, &dead_letters)).collect();
        let properties = json!({
            "Description": format!("Rule {name} of the stack {}.", builder.stack.name),
            "EventBusName": bus_name(builder.stack, &self.bus),
            "EventPattern": pattern(builder.stack, &self.bus, &self.events, None),
            "State": if self.enabled { "ENABLED" } else { "DISABLED" },
            "Targets": targets,
        });
        builder.add(id, "AWS::Events::Rule", properties);
        for target in &self.targets {
            if target.kind == Kind::Function {
                let function = logical_id(&target.to.name);
                add_permission(builder, &format!("{id}To{function}Permission"), &function, id);
            }
        }
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, _: &str) -> Value {
        json!(GetAtt(id, "Arn"))
    }

    fn sender(&self, _: &Stack, id: &str, _: &str, to: &str) -> Option<(&'static str, Value)> {
        let sends = self.targets.iter().any(|target| target.to.name == to);
        sends.then(|| (iam::EVENTBRIDGE, json!(GetAtt(id, "Arn"))))
    }
}

fn target(stack: &Stack, target: &Target, role: &str, dead_letters: &str) -> Value {
    let id = logical_id(&target.to.name);
    let mut out = json!({ "Id": id });
    out["Arn"] = super::delivery::arn(stack, target);
    match target.kind {
        Kind::Task => {
            let mut ecs = json!({ "TaskDefinitionArn": Ref(&id) });
            runs_on(&mut ecs, stack, target);
            ecs["NetworkConfiguration"] = json!({ "AwsVpcConfiguration": ecs_network(stack, target) });
            out["EcsParameters"] = ecs;
        }
        Kind::Queue if super::delivery::is_fifo(stack, target) => {
            out["SqsParameters"] = json!({ "MessageGroupId": id });
        }
        _ => {}
    }
    if matches!(target.kind, Kind::Task | Kind::Bus) || is_elsewhere(stack, &target.to.name) {
        out["RoleArn"] = json!(GetAtt(role, "Arn"));
    }
    match &target.input {
        Some(Input::Path(path)) => out["InputPath"] = json!(path),
        Some(Input::Transformer { paths, template }) => {
            let mut transformer = json!({ "InputTemplate": template });
            if !paths.is_empty() {
                let map: serde_json::Map<String, Value> =
                    paths.iter().map(|(name, path)| (name.clone(), json!(path))).collect();
                transformer["InputPathsMap"] = json!(map);
            }
            out["InputTransformer"] = transformer;
        }
        Some(Input::Constant(_)) | None => {
            if let Some(text) = input(stack, target) {
                out["Input"] = text;
            }
        }
    }
    out["RetryPolicy"] = json!({
        "MaximumRetryAttempts": target.retry.attempts,
        "MaximumEventAgeInSeconds": target.retry.max_age,
    });
    if target.dead_letter {
        out["DeadLetterConfig"] = json!({ "Arn": GetAtt(dead_letters, "Arn") });
    }
    out
}

/// Returns the name of a bus, which the stack creates or finds.
pub(super) fn bus_name(stack: &Stack, bus: &ResourceRef) -> Value {
    let id = logical_id(&bus.name);
    match stack.resource(&bus.name).map(|resource| &resource.is) {
        Some(ResourceType::Bus(bus)) => names::bus(&id, bus),
        _ => json!(Ref(id)),
    }
}

/// Returns the event pattern of a rule on a bus, which is the trigger of a function if there is one.
pub(super) fn pattern(stack: &Stack, bus: &ResourceRef, events: &Events, taker: Option<&Function>) -> Value {
    match events {
        Events::Named(event) => loading::event_pattern(stack, bus, taker, *event),
        Events::Matching { pattern, .. } => super::pattern(stack, &pattern.json),
    }
}

/// Lets a rule call a function.
pub(super) fn add_permission(builder: &mut Builder<'_>, id: &str, function: &str, rule: &str) {
    let permission = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": Ref(function),
        "Principal": "events.amazonaws.com",
        "SourceArn": GetAtt(rule, "Arn"),
    });
    builder.add(id, "AWS::Lambda::Permission", permission);
}
