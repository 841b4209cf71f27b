//! Functions: their triggers, and what their roles may do.

use deployer_cfn::template::logical_id;
use deployer_syntax::units::show_duration;
use serde_json::{Map, Value, json};

use super::super::scalar::escaped;
use super::rows::put;
use super::text::target;
use super::view::{View, list, put_some};
use crate::model::Kind;

/// Returns the name of the parameter for the code of a function; `None` if its code is elsewhere.
pub(super) fn code_parameter<'t>(view: &View<'t>, id: &str) -> Option<&'t str> {
    let resource = view.resources.get(id)?;
    let code = &resource["Properties"]["Code"];
    target(&code["S3Bucket"])?;
    target(&code["S3Key"]).filter(|name| !view.resources.contains_key(*name))
}

/// Returns the path of the zip of a function, which a template does not have.
pub(super) fn zip(name: &str) -> String {
    format!("{name}.zip")
}

/// Returns the worker of the deployer that a function runs, which its description names.
pub(super) fn worker(from: &Value) -> Option<&str> {
    from["Description"].as_str()?.strip_prefix("Worker ")?.split(' ').next()
}

pub(super) fn properties(view: &View<'_>, id: &str, from: &Value, out: &mut Map<String, Value>) {
    let names = &view.names;
    let mut code = Map::new();
    match worker(from) {
        Some(worker) => put(&mut code, "worker", json!(worker)),
        None => {
            put(&mut code, "code.zip", json!(zip(names.name(id))));
            put_some(&mut code, "code.runtime", names.text(&from["Runtime"]).map(Value::from));
            put_some(&mut code, "code.handler", names.text(&from["Handler"]).map(Value::from));
            put_some(&mut code, "environment", names.tree(&from["Environment"]["Variables"]));
        }
    }
    code.append(out);
    *out = code;
    if from["ReservedConcurrentExecutions"].is_null() {
        put(out, "concurrency", json!("unreserved"));
    }
    let retention = view.properties(&format!("{id}Logs"))["RetentionInDays"].as_u64();
    let retention = retention.and_then(|days| days.checked_mul(86_400));
    put_some(out, "logRetention", retention.map(|seconds| json!(show_duration(seconds))));
    put_some(out, "layers", names.tree(&from["Layers"]));
    // `NetworkSubnet1` is that of the network `Network`.
    let subnet = list(&from["VpcConfig"]["SubnetIds"]).first().and_then(target);
    if let Some(network) = subnet.and_then(|subnet| subnet.strip_suffix("Subnet1")) {
        put(out, "network", json!(format!("${{{}}}", names.name(network))));
        let egress = view.properties(&format!("{id}SecurityGroup")).get("SecurityGroupEgress");
        let ports: Vec<&Value> = egress.map_or(&[][..], list).iter().map(|one| &one["FromPort"]).collect();
        if ports != [&json!(443)] {
            put(out, "outbound", json!(ports));
        }
    }
    let asynchronous = view.properties(&format!("{id}Async"));
    if !asynchronous.is_null() {
        put(out, "async", json!({}));
        put_some(out, "async.retries", asynchronous.get("MaximumRetryAttempts").cloned());
        let age = asynchronous["MaximumEventAgeInSeconds"].as_u64();
        put_some(out, "async.maxAge", age.map(|age| json!(show_duration(age))));
        let failures = &asynchronous["DestinationConfig"]["OnFailure"]["Destination"];
        put_some(out, "async.onFailure", names.reference(failures));
    }
    let url = view.properties(&format!("{id}Url"));
    if !url.is_null() {
        put(out, "url", json!({}));
        if url["AuthType"] == "NONE" {
            put(out, "url.auth", json!("none"));
        }
        put_some(out, "url.origins", names.tree(&url["Cors"]["AllowOrigins"]));
    }
    let triggers = triggers(view, id, from);
    let read: Vec<String> =
        triggers.iter().filter_map(|one| one["queue"].as_str().map(str::to_owned)).collect();
    if !triggers.is_empty() {
        put(out, "triggers", json!(triggers));
    }
    permissions(view, id, &read, out);
}

fn triggers(view: &View<'_>, id: &str, from: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    let all = from["ReservedConcurrentExecutions"].as_i64();
    fn mine<'t>(id: &str, other: &'t str, word: &str) -> Option<&'t str> {
        other.strip_prefix(id)?.strip_prefix(word)
    }
    let mapping_of = |source: &str| view.properties(&format!("{source}Mapping"));
    let queues = view
        .resources
        .iter()
        .filter(|(other, resource)| {
            resource["Type"] == "AWS::Lambda::EventSourceMapping"
                && other.starts_with(id)
                && target(&resource["Properties"]["FunctionName"]) == Some(id)
                && resource["Properties"]["StartingPosition"].is_null()
        })
        .count();
    let share = all.map(|all| (all / i64::try_from(queues).unwrap_or(1).max(1)).max(2));
    for (other, resource) in view.resources {
        let properties = &resource["Properties"];
        let mut one = Map::new();
        let mapping = match resource["Type"].as_str() {
            Some("AWS::Lambda::EventSourceMapping") if mine(id, other, "From").is_some() => {
                let source = &properties["EventSourceArn"];
                let stream = source["Fn::GetAtt"][1] == "StreamArn";
                let word = if stream { "table" } else { "queue" };
                put_some(&mut one, word, view.names.reference(source));
                if properties["StartingPosition"] == "TRIM_HORIZON" {
                    put(&mut one, "startFrom", json!("trim-horizon"));
                }
                let filter = list(&properties["FilterCriteria"]["Filters"]).first();
                let pattern = filter.and_then(|filter| view.names.document(&filter["Pattern"]));
                put_some(&mut one, "pattern", pattern);
                properties
            }
            Some("AWS::Events::Rule") => {
                let Some(what) = mine(id, other, "On").and_then(|rest| rest.strip_suffix("Rule")) else {
                    continue;
                };
                let bus = &properties["EventBusName"];
                put_some(&mut one, "bus", view.names.reference(bus));
                // The descriptions of our own rules name the event.
                let description = properties["Description"].as_str().unwrap_or_default();
                match description.split('`').nth(1) {
                    Some(event) => put(&mut one, "event", json!(escaped(event))),
                    None => {
                        let pattern = view.names.document(&properties["EventPattern"]);
                        put_some(&mut one, "pattern", pattern);
                        let name = target(bus).map(|bus| logical_id(view.names.name(bus)));
                        if name.as_deref() != Some(what) {
                            put(&mut one, "name", json!(what));
                        }
                    }
                }
                let to = list(&properties["Targets"]).first().and_then(|one| target(&one["Arn"]));
                if to == Some(id) {
                    put(&mut one, "buffer", json!(false));
                }
                mapping_of(other.strip_suffix("Rule").unwrap_or(other))
            }
            _ => continue,
        };
        put_some(&mut one, "batchSize", mapping.get("BatchSize").cloned());
        let window = mapping["MaximumBatchingWindowInSeconds"].as_u64();
        put_some(&mut one, "batchWindow", window.map(|window| json!(show_duration(window))));
        let concurrency = mapping["ScalingConfig"]["MaximumConcurrency"].as_i64();
        if concurrency != share {
            put_some(&mut one, "concurrency", concurrency.map(Value::from));
        }
        out.push(Value::from(one));
    }
    out
}

/// Adds what the role may do besides what the type allows it anyway. `read` are the queues of triggers.
fn permissions(view: &View<'_>, id: &str, read: &[String], out: &mut Map<String, Value>) {
    let role = view.properties(&format!("{id}Role"));
    let mut access: Vec<Value> = Vec::new();
    let mut statements: Vec<Value> = Vec::new();
    for statement in list(&role["Policies"]).iter().flat_map(|one| list(&one["PolicyDocument"]["Statement"]))
    {
        let sid = statement["Sid"].as_str().unwrap_or_default();
        if sid.strip_prefix("Statement").is_some_and(|rest| rest.parse::<usize>().is_ok()) {
            let mut one = Map::new();
            put_some(&mut one, "actions", statement.get("Action").cloned());
            put_some(&mut one, "resources", view.names.tree(&statement["Resource"]));
            put_some(&mut one, "condition", view.names.document(&statement["Condition"]));
            statements.push(Value::from(one));
            continue;
        }
        let meant = Kind::ALL.into_iter().find_map(|kind| {
            kind.grants().iter().find_map(|grant| {
                let (name, found) = view.names.get(sid.strip_prefix(grant.sid)?)?;
                (found == kind).then(|| (grant.verb, format!("${{{name}}}")))
            })
        });
        if let Some((verb, resource)) = meant {
            let entry = json!({ verb.name(): resource });
            let of_trigger = verb.name() == "receive" && read.contains(&resource);
            if !of_trigger && !access.contains(&entry) {
                access.push(entry);
            }
        }
    }
    if !access.is_empty() {
        put(out, "access", json!(access));
    }
    if !statements.is_empty() {
        put(out, "statements", json!(statements));
    }
}
