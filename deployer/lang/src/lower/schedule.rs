//! `schedule` → Schedule, its role and its dead-letter queue.

use deployer_cfn::template::{GetAtt, Ref, logical_id};
use serde_json::{Value, json};

use super::delivery::{Caller, arn, ecs_network, input, is_fifo, role_statements, runs_on};
use super::lowering::Lowering;
use super::{Builder, queue};
use crate::iam;
use crate::model::access::Verb;
use crate::model::schedule::{Schedule, When};
use crate::model::{Kind, Stack};

impl Lowering for Schedule {
    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let target = &self.target;
        let role = format!("{id}Role");
        let dead_letters = format!("{id}DeadLetters");
        let mut statements = role_statements(builder.stack, [target], Caller::Schedule);
        if target.dead_letter {
            let key = builder.stack.key.as_ref();
            queue::add_dead_letters(builder, &dead_letters, false, key, Vec::new());
            let send = json!(GetAtt(&dead_letters, "Arn"));
            statements.push(iam::allow(&format!("SendTo{dead_letters}"), &["sqs:SendMessage"], send));
            statements.extend(iam::made_queue_key_statement(builder.stack, Verb::Send));
        }
        let description = format!("What the schedule {name} may do.");
        let properties = iam::role(&description, "scheduler.amazonaws.com", &statements, true);
        builder.add(&role, "AWS::IAM::Role", properties);

        let stack = builder.stack;
        let mut to = json!({ "Arn": arn(stack, target), "RoleArn": GetAtt(&role, "Arn") });
        if let Some(text) = input(stack, target) {
            to["Input"] = text;
        }
        if target.kind == Kind::Task {
            let mut ecs = json!({ "TaskDefinitionArn": Ref(logical_id(&target.to.name)) });
            runs_on(&mut ecs, stack, target);
            ecs["NetworkConfiguration"] = json!({ "AwsvpcConfiguration": ecs_network(stack, target) });
            to["EcsParameters"] = ecs;
        }
        if is_fifo(stack, target) {
            to["SqsParameters"] = json!({ "MessageGroupId": id });
        }
        to["RetryPolicy"] = json!({
            "MaximumRetryAttempts": target.retry.attempts,
            "MaximumEventAgeInSeconds": target.retry.max_age,
        });
        if target.dead_letter {
            to["DeadLetterConfig"] = json!({ "Arn": GetAtt(&dead_letters, "Arn") });
        }
        let mut properties = json!({
            "Description": format!("Schedule {name} of the stack {}.", stack.name),
            "ScheduleExpression": expression(&self.when),
            "FlexibleTimeWindow": match self.window {
                Some(seconds) => json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": seconds / 60 }),
                None => json!({ "Mode": "OFF" }),
            },
            "State": if self.enabled { "ENABLED" } else { "DISABLED" },
            "Target": to,
        });
        if !matches!(self.when, When::Every(_)) {
            properties["ScheduleExpressionTimezone"] = json!(self.timezone);
        }
        for (property, time) in [("StartDate", &self.start), ("EndDate", &self.end)] {
            if let Some(time) = time {
                properties[property] = json!(time);
            }
        }
        builder.add(id, "AWS::Scheduler::Schedule", properties);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            _ => json!(Ref(id)),
        }
    }
}

/// Returns the expression of a schedule: EventBridge Scheduler User Guide, "Schedule types".
fn expression(when: &When) -> String {
    match when {
        When::Cron(fields) => format!("cron({fields})"),
        When::At(time) => format!("at({time})"),
        When::Every(seconds) => {
            let minutes = seconds / 60;
            let (count, unit) = match minutes {
                _ if minutes.is_multiple_of(1_440) => (minutes / 1_440, "day"),
                _ if minutes.is_multiple_of(60) => (minutes / 60, "hour"),
                _ => (minutes, "minute"),
            };
            format!("rate({count} {unit}{})", if count == 1 { "" } else { "s" })
        }
    }
}
