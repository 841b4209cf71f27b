//! `function` → Function, Role, LogGroup, and per trigger an EventSourceMapping, or a Rule with its buffer queue.

use contract::environment;
use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use serde_json::{Map, Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, json_text, late_value, network, queue, restart, rule, sensitive, statement};
use crate::assets::{ASSET_BUCKET_PARAMETER, code_parameter};
use crate::iam;
use crate::loading;
use crate::model::access::{Access, Verb};
use crate::model::function::{Async, Events, Function, Trigger, Url, UrlAuth};
use crate::model::pattern::Pattern;
use crate::model::queue::{DeadLetter, Queue};
use crate::model::worker::Worker;
use crate::model::{ResourceType, Stack};

/// Receives after which a buffered event is a dead letter.
const BUFFER_MAX_RECEIVE_COUNT: i64 = 5;
/// Attempts after which a change of a table is a dead letter: as often as a buffered event.
const STREAM_RETRIES: i64 = 4;
/// Bytes that every function has in `/tmp`: AWS Lambda Developer Guide, "Configure ephemeral storage".
const DEFAULT_TMP: u64 = 512 << 20;
/// Seconds for which a buffered event is kept.
const BUFFER_RETENTION: u64 = 4 * 86_400;
/// Least ratio of visibility timeout and function timeout: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
pub(crate) const VISIBILITY_FACTOR: u64 = 6;
/// Smallest maximum concurrency of a queue: AWS Lambda API reference, `ScalingConfig`.
const MIN_QUEUE_CONCURRENCY: i64 = 2;

impl Lowering for Function {
    const GRANTS: &'static [Grant] =
        &[Grant::new(Verb::Invoke, "Invoke", &["lambda:InvokeFunction"], On::Itself)];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let log_group = format!("{id}Logs");
        let role = format!("{id}Role");
        builder.add_log_group(&log_group, self.log_retention);

        let sources = sources(id, self);
        let mut statements = vec![iam::write_logs(&log_group)];
        for source in &sources {
            statements.extend(source_statements(builder.stack, source));
        }
        let worker = self.worker();
        statements
            .extend(self.access.iter().flat_map(|access| iam::statements(builder.stack, access, worker)));
        statements.extend(restart::statements(builder.stack, self));
        if matches!(worker, Some(Worker::Report | Worker::Snapshot)) {
            statements.extend(continues(builder.stack, &sources));
        }
        if let Some(queue) =
            self.asynchronous.as_ref().and_then(|asynchronous| asynchronous.on_failure.as_ref())
        {
            let mut send = iam::statements(
                builder.stack,
                &Access { verb: Verb::Send, resource: queue.clone(), span: queue.span },
                worker,
            );
            // Beside the same statement of `access`, it needs an ID of its own.
            if let Some(first) = send.first_mut() {
                first["Sid"] = json!(format!("SendFailuresTo{}", logical_id(&queue.name)));
            }
            statements.extend(send);
        }
        if self.tracing {
            statements.push(iam::without_resource("Trace"));
        }
        if self.network.is_some() {
            // Lambda creates the interfaces before their ARNs are known: AWS Lambda Developer Guide, "Giving Lambda
            // functions access to resources in an Amazon VPC".
            let make = [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:UnassignPrivateIpAddresses",
            ];
            let any = ["network-interface", "security-group", "subnet"].map(|what| {
                Sub(format!("arn:${{AWS::Partition}}:ec2:${{AWS::Region}}:${{AWS::AccountId}}:{what}/*"))
            });
            statements.push(iam::allow("JoinNetwork", &make, json!(any)));
            statements.push(iam::without_resource("DescribeNetwork"));
        }
        statements.extend(statement::statements(builder.stack, &self.statements));
        let description = format!("What the function {name} may do.");
        builder.add(
            &role,
            "AWS::IAM::Role",
            iam::role(&description, "lambda.amazonaws.com", &statements, false),
        );

        if let Some(network) = &self.network {
            network::add_security_group(builder, id, &format!("Function {name}"), network, &self.outbound);
        }
        let properties = properties(builder.stack, id, name, self);
        builder.add(id, "AWS::Lambda::Function", properties);

        for source in &sources {
            add_source(builder, id, self, source);
        }
        restart::lower(builder, id, name, self);
        if let Some(asynchronous) = &self.asynchronous {
            add_async(builder, id, asynchronous);
        }
        if let Some(url) = &self.url {
            add_url(builder, id, url);
        }
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            "url" => json!(GetAtt(format!("{id}Url"), "FunctionUrl")),
            "securityGroup" => json!(GetAtt(format!("{id}SecurityGroup"), "GroupId")),
            _ => json!(Ref(id)),
        }
    }

    fn sender(&self, stack: &Stack, id: &str, _: &str, to: &str) -> Option<(&'static str, Value)> {
        restart::sends(stack, self, to)
            .then(|| (iam::EVENTBRIDGE, json!(GetAtt(restart::rule_id(id), "Arn"))))
    }
}

fn properties(stack: &Stack, id: &str, name: &str, function: &Function) -> Value {
    let what = match function.worker() {
        Some(worker) => format!("Worker {}", worker.name()),
        None => format!("Function {name}"),
    };
    let mut properties = json!({
        "Description": format!("{what} of the stack {}.", stack.name),
        "Runtime": function.code.runtime,
        "Architectures": [function.architecture.name()],
        "Handler": function.code.handler,
        "Code": { "S3Bucket": Ref(ASSET_BUCKET_PARAMETER), "S3Key": Ref(code_parameter(name)) },
        "Role": GetAtt(format!("{id}Role"), "Arn"),
        "MemorySize": function.memory >> 20,
        "Timeout": function.timeout,
    });
    if let Some(concurrency) = function.concurrency {
        properties["ReservedConcurrentExecutions"] = json!(concurrency);
    }
    properties["LoggingConfig"] = json!({ "LogFormat": "JSON", "LogGroup": Ref(format!("{id}Logs")) });
    if function.tmp > DEFAULT_TMP {
        properties["EphemeralStorage"] = json!({ "Size": function.tmp >> 20 });
    }
    if function.tracing {
        properties["TracingConfig"] = json!({ "Mode": "Active" });
    }
    let variables = environment_of(stack, function);
    if !variables.is_empty() {
        properties["Environment"] = json!({ "Variables": variables });
    }
    if !function.layers.is_empty() {
        let layers: Vec<Value> =
            function.layers.iter().map(|layer| super::text_value(stack, layer)).collect();
        properties["Layers"] = json!(layers);
    }
    if let Some(network) = &function.network {
        properties["VpcConfig"] = json!({
            "SecurityGroupIds": [GetAtt(format!("{id}SecurityGroup"), "GroupId")],
            "SubnetIds": network::subnet_list(stack, network),
        });
    }
    properties
}

/// The source of the invocations of one trigger.
struct SourceOf<'f> {
    trigger: &'f Trigger,
    /// Prefix of the logical IDs that the trigger makes.
    id: String,
    /// Logical ID of the queue that the function reads, if it reads one.
    queue: Option<String>,
}

fn sources<'f>(id: &str, function: &'f Function) -> Vec<SourceOf<'f>> {
    let of = |trigger: &'f Trigger| match trigger {
        Trigger::Queue { queue, .. } => {
            let queue = logical_id(&queue.name);
            SourceOf { trigger, id: format!("{id}From{queue}"), queue: Some(queue) }
        }
        Trigger::Bus { bus, events, buffer, .. } => {
            let what = match events {
                Events::Named(event) => event.name(),
                Events::Matching { name, .. } => name.as_ref().unwrap_or(&bus.name),
            };
            let id = format!("{id}On{}", logical_id(what));
            SourceOf { trigger, queue: buffer.then(|| format!("{id}Buffer")), id }
        }
        Trigger::Table { table, .. } => {
            SourceOf { trigger, id: format!("{id}From{}", logical_id(&table.name)), queue: None }
        }
    };
    function.triggers.iter().map(of).collect()
}

/// Returns the statements for Lambda's poller, which acts with the role of the function.
fn source_statements(stack: &Stack, source: &SourceOf<'_>) -> Vec<Value> {
    if let Trigger::Table { table, .. } = source.trigger {
        let id = logical_id(&table.name);
        let actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
        let dead_letters = format!("{}DeadLetters", source.id);
        let mut out = vec![
            iam::allow(&format!("Follow{id}"), &actions, json!(GetAtt(&id, "StreamArn"))),
            iam::without_resource("ListStreams"),
            iam::allow(
                &format!("SendTo{dead_letters}"),
                &["sqs:SendMessage"],
                json!(GetAtt(&dead_letters, "Arn")),
            ),
        ];
        // Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest": a stream has the key of its table.
        let resource = stack.resource(&table.name);
        out.extend(resource.and_then(|resource| iam::key_statement(stack, resource, Verb::Read)));
        out.extend(iam::made_queue_key_statement(stack, Verb::Send));
        return out;
    }
    let mut out: Vec<Value> = source.queue.as_deref().map(iam::consume).into_iter().collect();
    if let Trigger::Queue { queue, .. } = source.trigger {
        let resource = stack.resource(&queue.name);
        out.extend(resource.and_then(|resource| iam::key_statement(stack, resource, Verb::Receive)));
    } else if source.trigger.is_buffered() {
        out.extend(iam::made_queue_key_statement(stack, Verb::Receive));
    }
    out
}

/// Returns the statements that let a worker continue with a message to its own buffer.
fn continues(stack: &Stack, sources: &[SourceOf<'_>]) -> Vec<Value> {
    let buffers = sources.iter().filter_map(|source| source.queue.as_ref());
    let send = |queue: &String| {
        iam::allow(&format!("SendTo{queue}"), &["sqs:SendMessage"], json!(GetAtt(queue, "Arn")))
    };
    let mut out: Vec<Value> = buffers.map(send).collect();
    if !out.is_empty() {
        out.extend(iam::made_queue_key_statement(stack, Verb::Send));
    }
    out
}

fn add_source(builder: &mut Builder<'_>, function_id: &str, function: &Function, source: &SourceOf<'_>) {
    match source.trigger {
        Trigger::Bus { bus, events, .. } => {
            let target = add_bus_target(builder, function_id, function, source);
            let what = match events {
                Events::Named(event) => format!("`{}`", event.name()),
                Events::Matching { .. } => "that match".to_owned(),
            };
            let (stack, name) = (builder.stack, builder.origin.clone());
            let properties = json!({
                "Description": format!("Events {what} for the function {name}."),
                "EventBusName": rule::bus_name(stack, bus),
                "EventPattern": rule::pattern(stack, bus, events, Some(function)),
                "State": "ENABLED",
                "Targets": [target],
            });
            builder.add(format!("{}Rule", source.id), "AWS::Events::Rule", properties);
        }
        Trigger::Table { table, from_oldest, .. } => {
            let dead_letters = format!("{}DeadLetters", source.id);
            let key = builder.stack.key.as_ref();
            queue::add_dead_letters(builder, &dead_letters, false, key, Vec::new());
            let properties = json!({
                "EventSourceArn": GetAtt(logical_id(&table.name), "StreamArn"),
                "FunctionName": Ref(function_id),
                "BatchSize": source.trigger.batch().size,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "StartingPosition": if *from_oldest { "TRIM_HORIZON" } else { "LATEST" },
                "BisectBatchOnFunctionError": true,
                "MaximumRetryAttempts": STREAM_RETRIES,
                "DestinationConfig": { "OnFailure": { "Destination": GetAtt(dead_letters, "Arn") } },
            });
            add_mapping(builder, source, properties);
        }
        Trigger::Queue { .. } => {}
    }
    if let Some(queue) = &source.queue {
        let mut mapping = json!({
            "EventSourceArn": GetAtt(queue, "Arn"),
            "FunctionName": Ref(function_id),
            "BatchSize": source.trigger.batch().size,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        if let Some(concurrency) = queue_concurrency(function, source.trigger) {
            mapping["ScalingConfig"] = json!({ "MaximumConcurrency": concurrency });
        }
        add_mapping(builder, source, mapping);
    }
}

/// Returns the executions at the same time for a trigger with a queue: its own number, else an equal share of the
/// function's. A queue that could start more than the function may run would see its messages refused, and at last
/// treat them as dead letters.
pub(crate) fn queue_concurrency(function: &Function, trigger: &Trigger) -> Option<i64> {
    let own = trigger.queue_concurrency()?;
    let shares = function.triggers.iter().filter(|trigger| trigger.queue_concurrency().is_some()).count();
    let shares = i64::try_from(shares).unwrap_or(1).max(1);
    own.or(function.concurrency.map(|all| (all / shares).max(MIN_QUEUE_CONCURRENCY)))
}

fn add_mapping(builder: &mut Builder<'_>, source: &SourceOf<'_>, mut properties: Value) {
    let batch = source.trigger.batch();
    if batch.window > 0 {
        properties["MaximumBatchingWindowInSeconds"] = json!(batch.window);
    }
    if let Trigger::Queue { pattern: Some(pattern), .. } | Trigger::Table { pattern: Some(pattern), .. } =
        source.trigger
    {
        properties["FilterCriteria"] = filter(builder.stack, pattern);
    }
    builder.add(format!("{}Mapping", source.id), "AWS::Lambda::EventSourceMapping", properties);
}

fn filter(stack: &Stack, pattern: &Pattern) -> Value {
    json!({ "Filters": [{ "Pattern": json_text(stack, &pattern.json) }] })
}

/// Adds the target of a trigger's rule: the buffer, which is created here, or the function itself.
fn add_bus_target(
    builder: &mut Builder<'_>,
    function_id: &str,
    function: &Function,
    source: &SourceOf<'_>,
) -> Value {
    let rule = format!("{}Rule", source.id);
    let mut target = json!({ "Id": function_id });
    match &source.queue {
        Some(buffer) => {
            let dead_letters = format!("{buffer}DeadLetters");
            let mut model = Queue::standard(
                function.timeout * VISIBILITY_FACTOR,
                BUFFER_RETENTION,
                DeadLetter { after: BUFFER_MAX_RECEIVE_COUNT, queue: None },
            );
            model.encryption_key.clone_from(&builder.stack.key);
            let from_rule = |queue: &str| vec![iam::rule_may_send(&rule, queue)];
            queue::add_pair(builder, buffer, &model, from_rule(buffer), from_rule(&dead_letters));
            target["Arn"] = json!(GetAtt(buffer, "Arn"));
            target["DeadLetterConfig"] = json!({ "Arn": GetAtt(dead_letters, "Arn") });
        }
        None => {
            target["Arn"] = json!(GetAtt(function_id, "Arn"));
            rule::add_permission(builder, &format!("{}Permission", source.id), function_id, &rule);
        }
    }
    target
}

fn add_async(builder: &mut Builder<'_>, id: &str, asynchronous: &Async) {
    let mut properties = json!({
        "FunctionName": Ref(id),
        "Qualifier": "$LATEST",
        "MaximumRetryAttempts": asynchronous.retries,
        "MaximumEventAgeInSeconds": asynchronous.max_age,
    });
    if let Some(queue) = &asynchronous.on_failure {
        let queue = GetAtt(logical_id(&queue.name), "Arn");
        properties["DestinationConfig"] = json!({ "OnFailure": { "Destination": queue } });
    }
    builder.add(format!("{id}Async"), "AWS::Lambda::EventInvokeConfig", properties);
}

fn add_url(builder: &mut Builder<'_>, id: &str, url: &Url) {
    let auth = match url.auth {
        UrlAuth::Iam => "AWS_IAM",
        UrlAuth::None => "NONE",
    };
    let mut properties = json!({ "TargetFunctionArn": GetAtt(id, "Arn"), "AuthType": auth });
    if !url.origins.is_empty() {
        properties["Cors"] = json!({ "AllowOrigins": url.origins, "AllowMethods": ["*"] });
    }
    builder.add(format!("{id}Url"), "AWS::Lambda::Url", properties);
    if url.auth == UrlAuth::None {
        // AWS Lambda Developer Guide, "Control access to Lambda function URLs": both are needed.
        let call = json!({
            "Action": "lambda:InvokeFunctionUrl",
            "FunctionName": Ref(id),
            "FunctionUrlAuthType": auth,
            "Principal": "*",
        });
        builder.add(format!("{id}UrlPermission"), "AWS::Lambda::Permission", call);
        let invoke = json!({
            "Action": "lambda:InvokeFunction",
            "FunctionName": Ref(id),
            "InvokedViaFunctionUrl": true,
            "Principal": "*",
        });
        builder.add(format!("{id}UrlInvokePermission"), "AWS::Lambda::Permission", invoke);
    }
}

fn environment_of(stack: &Stack, function: &Function) -> Map<String, Value> {
    let mut out = Map::new();
    for variable in &function.environment.0 {
        out.insert(variable.name.clone(), late_value(stack, &variable.value));
    }
    let Some(worker) = function.worker() else { return out };
    for access in &function.access {
        let Some(resource) = stack.resource(&access.resource.name) else { continue };
        let id = logical_id(&resource.name);
        // A `load` that merges finds its table by another verb, and so does a `snapshot`.
        let changes = match worker {
            Worker::Load => access.verb == loading::verb(function),
            Worker::Snapshot => access.verb == Verb::Delete,
            _ => false,
        };
        let verb = if changes { Verb::Write } else { access.verb };
        let variables = resource.is.variables(stack, &id, &resource.name, verb);
        out.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    if worker == Worker::Load {
        let fields = crate::sensitive::of_load(stack, function);
        let own = sensitive::variables(worker, &function.access, &fields);
        out.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    if let Some((_, task)) = crate::sensitive::inlined(stack, function) {
        let fields = crate::sensitive::of_task(stack, task);
        let settings = task.settings.as_ref().map(|settings| {
            (environment::EXTRACTION_SETTINGS, json!(serde_json::to_string(settings).unwrap_or_default()))
        });
        let own = sensitive::variables(worker, &function.access, &fields)
            .into_iter()
            .chain(sensitive::columns(stack, task))
            .chain(settings);
        out.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    if matches!(worker, Worker::Extract | Worker::Observe) {
        out.extend(super::result_files(stack).map(|(name, value)| (name.to_owned(), json!(value))));
    }
    let counts = function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Queue { queue, .. } => match &stack.resource(&queue.name)?.is {
            ResourceType::Queue(queue) => Some(queue.dead_letter.after),
            _ => None,
        },
        Trigger::Bus { buffer, .. } => buffer.then_some(BUFFER_MAX_RECEIVE_COUNT),
        Trigger::Table { .. } => None,
    });
    if let Some(count) = counts.min() {
        out.insert(environment::MAX_RECEIVE_COUNT.to_owned(), json!(count.to_string()));
    }
    let key = if loading::deletes(function) { loading::key(stack, function) } else { Vec::new() };
    if let Some(text) = function.settings.as_ref().and_then(|settings| settings.json(worker, key)) {
        out.insert(environment::SETTINGS.to_owned(), json!(text));
    }
    out
}
