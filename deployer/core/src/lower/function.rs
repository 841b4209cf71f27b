//! `function` → Function, Role, LogGroup, and per trigger an EventSourceMapping, or a Rule with its buffer queue.

use contract::environment;
use serde_json::{Map, Value, json};

use super::{Builder, network, queue};
use crate::assets::{ASSET_BUCKET_PARAMETER, code_parameter};
use crate::iam;
use crate::model::access::{Access, Verb};
use crate::model::function::{Function, Trigger};
use crate::model::queue::{DeadLetter, Queue};
use crate::model::{ResourceType, Stack};
use crate::template::{GetAtt, Ref, Sub, logical_id};

/// Receives after which a buffered event is a dead letter.
const BUFFER_MAX_RECEIVE_COUNT: i64 = 5;
/// What every function has in `/tmp`: AWS Lambda Developer Guide, "Configure ephemeral storage".
const DEFAULT_TMP: u64 = 512 << 20;
/// How long a buffered event is kept.
const BUFFER_RETENTION: u64 = 4 * 86_400;
/// AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": visibility timeout against function timeout.
const VISIBILITY_FACTOR: u64 = 6;
/// Messages a call: one PutEvents call takes ten entries.
const BATCH_SIZE: u64 = 10;

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, function: &Function) {
    let log_group = format!("{id}Logs");
    let role = format!("{id}Role");
    builder.add_log_group(&log_group, function.log_retention);

    let sources = sources(id, function);
    let mut statements = vec![iam::write_logs(&log_group)];
    statements.extend(sources.iter().filter_map(|source| source.queue.as_deref()).map(iam::consume));
    statements.extend(function.access.iter().flat_map(|access| iam::statements(builder.stack, access)));
    if function.tracing {
        // AWS allows no resource here: Service Authorization Reference, AWS X-Ray.
        let actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
        statements.push(iam::allow("Trace", &actions, json!("*")));
    }
    let description = format!("What the function {name} may do.");
    builder.add(&role, "AWS::IAM::Role", iam::role(&description, "lambda.amazonaws.com", &statements, false));

    let variables = environment_of(builder.stack, function);
    let mut properties = json!({
        "Description": format!("Worker {} of the stack {}.", function.worker.name(), builder.stack.name),
        "Runtime": "provided.al2023",
        "Architectures": ["x86_64"],
        "Handler": "bootstrap",
        "Code": { "S3Bucket": Ref(ASSET_BUCKET_PARAMETER), "S3Key": Ref(code_parameter(name)) },
        "Role": GetAtt(&role, "Arn"),
        "MemorySize": function.memory >> 20,
        "Timeout": function.timeout,
        "ReservedConcurrentExecutions": function.concurrency,
        "LoggingConfig": { "LogFormat": "JSON", "LogGroup": Ref(&log_group) },
    });
    if function.tmp > DEFAULT_TMP {
        properties["EphemeralStorage"] = json!({ "Size": function.tmp >> 20 });
    }
    if function.tracing {
        properties["TracingConfig"] = json!({ "Mode": "Active" });
    }
    if !variables.is_empty() {
        properties["Environment"] = json!({ "Variables": variables });
    }
    builder.add(id, "AWS::Lambda::Function", properties);

    for source in sources {
        add_source(builder, id, function, &source);
    }
}

/// Where the invocations of one trigger come from.
struct SourceOf<'f> {
    trigger: &'f Trigger,
    /// Prefix of the logical ids that the trigger makes.
    id: String,
    /// Logical id of the queue that the function reads, if it reads one.
    queue: Option<String>,
}

fn sources<'f>(id: &str, function: &'f Function) -> Vec<SourceOf<'f>> {
    let of = |trigger: &'f Trigger| match trigger {
        Trigger::Queue(queue) => {
            let queue = logical_id(&queue.name);
            SourceOf { trigger, id: format!("{id}From{queue}"), queue: Some(queue) }
        }
        Trigger::Bus { event, buffer, .. } => {
            let id = format!("{id}On{}", logical_id(event.name()));
            SourceOf { trigger, queue: buffer.then(|| format!("{id}Buffer")), id }
        }
    };
    function.triggers.iter().map(of).collect()
}

fn add_source(builder: &mut Builder<'_>, function_id: &str, function: &Function, source: &SourceOf<'_>) {
    if let Trigger::Bus { bus, event, .. } = source.trigger {
        let source_name = match builder.stack.resource(&bus.name).map(|resource| &resource.is) {
            Some(ResourceType::Bus(bus)) => bus.source.clone(),
            _ => contract::SOURCE.to_owned(),
        };
        let rule = format!("{}Rule", source.id);
        let from_rule = |queue: &str| {
            json!({
                "Sid": format!("SendFrom{rule}"),
                "Effect": "Allow",
                "Principal": { "Service": "events.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": GetAtt(queue, "Arn"),
                "Condition": {
                    "ArnEquals": { "aws:SourceArn": GetAtt(&rule, "Arn") },
                    "StringEquals": { "aws:SourceAccount": Ref("AWS::AccountId") },
                },
            })
        };
        let mut target = json!({ "Id": function_id });
        match &source.queue {
            Some(buffer) => {
                let dead_letters = format!("{buffer}DeadLetters");
                let model = Queue::standard(
                    function.timeout * VISIBILITY_FACTOR,
                    BUFFER_RETENTION,
                    DeadLetter { after: BUFFER_MAX_RECEIVE_COUNT },
                );
                queue::add_pair(
                    builder,
                    buffer,
                    &model,
                    vec![from_rule(buffer)],
                    vec![from_rule(&dead_letters)],
                );
                target["Arn"] = json!(GetAtt(buffer, "Arn"));
                target["DeadLetterConfig"] = json!({ "Arn": GetAtt(dead_letters, "Arn") });
            }
            None => {
                target["Arn"] = json!(GetAtt(function_id, "Arn"));
                let permission = json!({
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": Ref(function_id),
                    "Principal": "events.amazonaws.com",
                    "SourceArn": GetAtt(&rule, "Arn"),
                });
                builder.add(format!("{}Permission", source.id), "AWS::Lambda::Permission", permission);
            }
        }
        let properties = json!({
            "Description": format!("Events `{}` for the function {}.", event.name(), builder.origin),
            "EventBusName": Ref(logical_id(&bus.name)),
            "EventPattern": event.pattern(&source_name),
            "State": "ENABLED",
            "Targets": [target],
        });
        builder.add(&rule, "AWS::Events::Rule", properties);
    }
    if let Some(queue) = &source.queue {
        let mapping = json!({
            "EventSourceArn": GetAtt(queue, "Arn"),
            "FunctionName": Ref(function_id),
            "BatchSize": BATCH_SIZE,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": { "MaximumConcurrency": function.concurrency },
        });
        builder.add(format!("{}Mapping", source.id), "AWS::Lambda::EventSourceMapping", mapping);
    }
}

fn environment_of(stack: &Stack, function: &Function) -> Map<String, Value> {
    let mut out = Map::new();
    for access in &function.access {
        out.extend(variables(stack, access));
    }
    let counts = function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Queue(reference) => match &stack.resource(&reference.name)?.is {
            ResourceType::Queue(queue) => Some(queue.dead_letter.after),
            _ => None,
        },
        Trigger::Bus { buffer, .. } => buffer.then_some(BUFFER_MAX_RECEIVE_COUNT),
    });
    if let Some(count) = counts.min() {
        out.insert(environment::MAX_RECEIVE_COUNT.to_owned(), json!(count.to_string()));
    }
    if let Some(settings) = &function.settings {
        let text = serde_json::to_string(settings).unwrap_or_default();
        out.insert(environment::SETTINGS.to_owned(), json!(text));
    }
    out
}

/// The variables through which one `access` entry tells the worker where things are.
fn variables(stack: &Stack, access: &Access) -> Vec<(String, Value)> {
    let Some(resource) = stack.resource(&access.resource.name) else { return Vec::new() };
    let id = logical_id(&resource.name);
    let variable = |name: &str, value: Value| (name.to_owned(), value);
    match (&resource.is, access.verb) {
        (ResourceType::Bus(bus), _) => vec![
            variable(environment::EVENT_BUS, json!(Ref(&id))),
            variable(environment::EVENT_SOURCE, json!(bus.source)),
        ],
        (ResourceType::Table(table), Verb::Write) => {
            let keys: Vec<&str> = table.key.iter().map(|(name, _)| name.as_str()).collect();
            vec![
                variable(environment::TABLE, json!(Ref(&id))),
                variable(environment::TABLE_KEY, json!(keys.join(","))),
            ]
        }
        (ResourceType::Task(task), _) => {
            let network = &task.network.name;
            let subnets = match stack.resource(network).map(|resource| &resource.is) {
                Some(ResourceType::Network(model)) => network::subnets(&logical_id(network), model),
                _ => Vec::new(),
            };
            let subnets: Vec<String> = subnets.iter().map(|subnet| format!("${{{subnet}}}")).collect();
            vec![
                variable(environment::TASK_CLUSTER, json!(GetAtt(logical_id(&task.cluster.name), "Arn"))),
                variable(environment::TASK_DEFINITION, json!(Ref(&id))),
                variable(environment::TASK_CONTAINER, json!(resource.name)),
                variable(environment::TASK_SUBNETS, json!(Sub(subnets.join(",")))),
                variable(
                    environment::TASK_SECURITY_GROUPS,
                    json!(GetAtt(format!("{id}SecurityGroup"), "GroupId")),
                ),
                variable(environment::TASK_PUBLIC_IP, json!("ENABLED")),
            ]
        }
        _ => Vec::new(),
    }
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
