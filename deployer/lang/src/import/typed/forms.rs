//! The form that a type of the language would give to a resource of a template. It may be wrong: what is made of it is
//! compared with the template.

use deployer_syntax::units::show_duration;
use serde_json::{Map, Value, json};

use super::rows::{fill, put, without_defaults};
use super::text::target;
use super::view::{View, list, put_some};
use super::{calls, function};
use crate::model::Kind;

/// Returns the properties that a resource would have as a resource of a type.
pub(super) fn properties(view: &View<'_>, kind: Kind, id: &str) -> Map<String, Value> {
    let from = view.properties(id);
    let mut out = Map::new();
    fill(kind, from, &view.names, &mut out);
    match kind {
        Kind::Queue => queue(view, id, from, &mut out),
        Kind::Topic => topic(view, id, from, &mut out),
        Kind::Bucket => bucket(view, from, &mut out),
        Kind::Table => table(from, &mut out),
        Kind::Bus => bus(view, id, &mut out),
        Kind::Key => key(view, id, &mut out),
        Kind::Network => network(view, id, &mut out),
        Kind::Parameter => {
            put_some(&mut out, "value", view.names.text(&from["Value"]).map(Value::from));
        }
        Kind::Alarm => alarm(view, from, &mut out),
        Kind::Rule => calls::rule(view, from, &mut out),
        Kind::Schedule => calls::schedule(view, from, &mut out),
        Kind::Function => function::properties(view, id, from, &mut out),
        _ => {}
    }
    without_defaults(&kind.properties(), &mut out);
    out
}

fn queue(view: &View<'_>, id: &str, from: &Value, out: &mut Map<String, Value>) {
    if from["FifoQueue"] == true {
        out.entry("fifo").or_insert_with(|| json!({}));
        if from["FifoThroughputLimit"].is_null() {
            put(out, "fifo.highThroughput", json!(false));
        }
    }
    let dead_letters = &from["RedrivePolicy"]["deadLetterTargetArn"];
    if target(dead_letters).is_some_and(|target| target != format!("{id}DeadLetters")) {
        put_some(out, "deadLetter.queue", view.names.reference(dead_letters));
    }
}

fn topic(view: &View<'_>, id: &str, from: &Value, out: &mut Map<String, Value>) {
    if from["KmsMasterKeyId"].is_string() {
        out.remove("encryptionKey");
    }
    if from["FifoTopic"] == true {
        out.entry("fifo").or_insert_with(|| json!({}));
        if from["FifoThroughputScope"].is_null() {
            put(out, "fifo.highThroughput", json!(false));
        }
    }
    let mut subscriptions = Vec::new();
    for (other, resource) in view.resources {
        let properties = &resource["Properties"];
        if resource["Type"] != "AWS::SNS::Subscription"
            || target(&properties["TopicArn"]) != Some(id)
            || !other.starts_with(&format!("{id}To"))
        {
            continue;
        }
        let mut one = Map::new();
        let endpoint = &properties["Endpoint"];
        match properties["Protocol"].as_str() {
            Some("sqs") => {
                put_some(&mut one, "queue", view.names.reference(endpoint));
                put(&mut one, "raw", json!(properties["RawMessageDelivery"] == true));
            }
            Some("lambda") => put_some(&mut one, "function", view.names.reference(endpoint)),
            _ => put_some(&mut one, "email", view.names.text(endpoint).map(Value::from)),
        }
        put_some(&mut one, "filter", view.names.document(&properties["FilterPolicy"]));
        if properties["FilterPolicyScope"] == "MessageBody" {
            put(&mut one, "filterScope", json!("body"));
        }
        let dead_letters = &properties["RedrivePolicy"]["deadLetterTargetArn"];
        put_some(&mut one, "deadLetter", view.names.reference(dead_letters));
        subscriptions.push(Value::from(one));
    }
    if !subscriptions.is_empty() {
        put(out, "subscriptions", json!(subscriptions));
    }
}

/// Returns a number of days as a duration.
fn days(value: &Value) -> Option<Value> {
    Some(json!(show_duration(value.as_u64()?.checked_mul(86_400)?)))
}

fn bucket(view: &View<'_>, from: &Value, out: &mut Map<String, Value>) {
    let notifications = &from["NotificationConfiguration"];
    let mut notify = Vec::new();
    for (several, property, word) in [
        ("QueueConfigurations", "Queue", "queue"),
        ("LambdaConfigurations", "Function", "function"),
        ("TopicConfigurations", "Topic", "topic"),
    ] {
        for one in list(&notifications[several]) {
            let mut entry = Map::new();
            if one["Event"] == "s3:ObjectRemoved:*" {
                put(&mut entry, "on", json!("removed"));
            }
            put_some(&mut entry, word, view.names.reference(&one[property]));
            for rule in list(&one["Filter"]["S3Key"]["Rules"]) {
                if let (Some(name @ ("prefix" | "suffix")), Some(text)) =
                    (rule["Name"].as_str(), view.names.text(&rule["Value"]))
                {
                    put(&mut entry, name, json!(text));
                }
            }
            notify.push(Value::from(entry));
        }
    }
    if !notify.is_empty() {
        put(out, "notify", json!(notify));
    }
    let own =
        |rule: &&Value| !matches!(rule["Id"].as_str(), Some("ExpireOldVersions" | "AbortBrokenUploads"));
    let mut rules = Vec::new();
    for rule in list(&from["LifecycleConfiguration"]["Rules"]).iter().filter(own) {
        let mut one = Map::new();
        put_some(&mut one, "prefix", view.names.text(&rule["Prefix"]).map(Value::from));
        put_some(&mut one, "expireAfter", days(&rule["ExpirationInDays"]));
        put_some(
            &mut one,
            "oldVersionsExpireAfter",
            days(&rule["NoncurrentVersionExpiration"]["NoncurrentDays"]),
        );
        let transitions: Vec<Value> = list(&rule["Transitions"])
            .iter()
            .map(|one| {
                let class = one["StorageClass"].as_str().unwrap_or_default();
                let class = match class {
                    "GLACIER_IR" => "glacier-ir".to_owned(),
                    other => other.to_ascii_lowercase().replace('_', "-"),
                };
                json!({ "to": class, "after": days(&one["TransitionInDays"]) })
            })
            .collect();
        if !transitions.is_empty() {
            put(&mut one, "transitions", json!(transitions));
        }
        rules.push(Value::from(one));
    }
    if !rules.is_empty() {
        put(out, "lifecycle", json!(rules));
    }
    let mut cors = Vec::new();
    for rule in list(&from["CorsConfiguration"]["CorsRules"]) {
        let mut one = Map::new();
        for (word, property) in [
            ("origins", "AllowedOrigins"),
            ("methods", "AllowedMethods"),
            ("headers", "AllowedHeaders"),
            ("exposeHeaders", "ExposedHeaders"),
        ] {
            put_some(&mut one, word, view.names.tree(&rule[property]));
        }
        put_some(&mut one, "maxAge", rule["MaxAge"].as_u64().map(|age| json!(show_duration(age))));
        cors.push(Value::from(one));
    }
    if !cors.is_empty() {
        put(out, "cors", json!(cors));
    }
}

fn table(from: &Value, out: &mut Map<String, Value>) {
    let kind = |name: &Value| {
        let definitions = list(&from["AttributeDefinitions"]);
        let found = definitions.iter().find(|one| one["AttributeName"] == *name)?;
        match found["AttributeType"].as_str()? {
            "S" => Some("string"),
            "N" => Some("number"),
            "B" => Some("binary"),
            _ => None,
        }
    };
    // The attributes of one part of a key, or of both.
    let attributes = |schema: &Value, part: Option<&str>| -> Map<String, Value> {
        let of_part = |one: &&Value| part.is_none_or(|part| one["KeyType"] == part);
        list(schema)
            .iter()
            .filter(of_part)
            .filter_map(|one| {
                let name = &one["AttributeName"];
                Some((name.as_str()?.to_owned(), json!(kind(name)?)))
            })
            .collect()
    };
    let mut read = Map::new();
    put(&mut read, "key", json!(attributes(&from["KeySchema"], None)));
    // The key first, as people write it.
    read.append(out);
    *out = read;
    let mut indexes = Map::new();
    for index in list(&from["GlobalSecondaryIndexes"]) {
        let Some(name) = index["IndexName"].as_str() else { continue };
        let (partition, sort) =
            (attributes(&index["KeySchema"], Some("HASH")), attributes(&index["KeySchema"], Some("RANGE")));
        let mut one = Map::new();
        if partition.len() <= 1 && sort.len() <= 1 {
            put(&mut one, "key", json!(attributes(&index["KeySchema"], None)));
        } else {
            put(&mut one, "partitionKey", json!(partition));
            if !sort.is_empty() {
                put(&mut one, "sortKey", json!(sort));
            }
        }
        match index["Projection"]["ProjectionType"].as_str() {
            Some("KEYS_ONLY") => put(&mut one, "projection", json!("keys-only")),
            Some("INCLUDE") => {
                put(&mut one, "projection", json!("include"));
                put_some(&mut one, "attributes", index["Projection"].get("NonKeyAttributes").cloned());
            }
            _ => {}
        }
        indexes.insert(name.to_owned(), Value::from(one));
    }
    if !indexes.is_empty() {
        out.insert("indexes".to_owned(), Value::from(indexes));
    }
}

fn bus(view: &View<'_>, id: &str, out: &mut Map<String, Value>) {
    let accounts = &view.properties(&format!("{id}AllowAccounts"))["Statement"]["Principal"]["AWS"];
    let accounts: Vec<&str> = list(accounts)
        .iter()
        .filter_map(|arn| arn["Fn::Sub"].as_str()?.split("iam::").nth(1)?.split(':').next())
        .collect();
    if !accounts.is_empty() {
        put(out, "allow.accounts", json!(accounts));
    }
    let organization = view.properties(&format!("{id}AllowOrganization"));
    let organization = &organization["Statement"]["Condition"]["StringEquals"]["aws:PrincipalOrgID"];
    put_some(out, "allow.organization", view.names.text(organization).map(Value::from));
    let archive = format!("{id}Archive");
    if view.kind(&archive) == "AWS::Events::Archive" {
        let archive = view.properties(&archive);
        put(out, "archive", json!({}));
        put_some(out, "archive.retention", days(&archive["RetentionDays"]));
        put_some(out, "archive.pattern", view.names.document(&archive["EventPattern"]));
    }
    if out.contains_key("log") {
        put_some(out, "logRetention", days(&view.properties(&format!("{id}Logs"))["RetentionInDays"]));
    }
}

fn key(view: &View<'_>, id: &str, out: &mut Map<String, Value>) {
    let own = format!("Key {} of {}.", view.names.name(id), view.stack);
    if out.get("description").is_some_and(|text| *text == own) {
        out.remove("description");
    }
}

fn network(view: &View<'_>, id: &str, out: &mut Map<String, Value>) {
    let is = |suffix: &str, kind: &str| view.kind(&format!("{id}{suffix}")) == kind;
    let zones = (1..=4).take_while(|zone| is(&format!("Subnet{zone}"), "AWS::EC2::Subnet")).count();
    put(out, "zones", json!(zones));
    if is("NatGateway", "AWS::EC2::NatGateway") {
        put(out, "egress", json!("nat"));
    } else if !is("InternetGateway", "AWS::EC2::InternetGateway") {
        put(out, "egress", json!("endpoints"));
        let services: Vec<&str> = view
            .resources
            .iter()
            .filter(|(other, resource)| {
                other.starts_with(id)
                    && resource["Type"] == "AWS::EC2::VPCEndpoint"
                    && resource["Properties"]["VpcEndpointType"] == "Interface"
            })
            .filter_map(|(_, resource)| {
                let name = resource["Properties"]["ServiceName"]["Fn::Sub"].as_str()?;
                name.strip_prefix("com.amazonaws.${AWS::Region}.")
            })
            .collect();
        put(out, "endpoints", json!(services));
    }
}

fn alarm(view: &View<'_>, from: &Value, out: &mut Map<String, Value>) {
    let of = list(&from["Dimensions"]).first().and_then(|one| view.names.reference(&one["Value"]));
    put_some(out, "of", of);
    notify(view, from, out);
}

fn notify(view: &View<'_>, from: &Value, out: &mut Map<String, Value>) {
    let topics: Vec<Value> =
        list(&from["AlarmActions"]).iter().filter_map(|topic| view.names.reference(topic)).collect();
    if !topics.is_empty() {
        put(out, "notify", json!(topics));
    }
}

/// The alarms on dead-letter queues that one resource of the language makes: its logical ID, its properties, and the IDs
/// of the alarms.
type Alarms = (String, Map<String, Value>, Vec<String>);

/// Returns the alarms that may be one resource of the language.
pub(super) fn dead_letter_alarms(view: &View<'_>) -> Vec<Alarms> {
    let mut found: Vec<Alarms> = Vec::new();
    for (id, resource) in view.resources {
        let properties = &resource["Properties"];
        if resource["Type"] != "AWS::CloudWatch::Alarm" || properties["Namespace"] != "AWS/SQS" {
            continue;
        }
        let queue = list(&properties["Dimensions"]).first().and_then(|one| target(&one["Value"]));
        let Some(own) = queue.and_then(|queue| id.strip_suffix(&format!("On{queue}"))) else { continue };
        if let Some((_, _, alarms)) = found.iter_mut().find(|(known, ..)| known == own) {
            alarms.push(id.clone());
            continue;
        }
        if own.is_empty() {
            continue;
        }
        let mut out = Map::new();
        put(&mut out, "deadLetters", json!(true));
        notify(view, properties, &mut out);
        found.push((own.to_owned(), out, vec![id.clone()]));
    }
    found
}
