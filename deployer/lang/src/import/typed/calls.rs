//! Rules and schedules: what they call, and when.

use deployer_syntax::units::show_duration;
use serde_json::{Map, Value, json};

use super::rows::put;
use super::text::target;
use super::view::{View, list, put_some};
use crate::model::Kind;

pub(super) fn rule(view: &View<'_>, from: &Value, out: &mut Map<String, Value>) {
    put_some(out, "pattern", view.names.document(&from["EventPattern"]));
    let targets: Vec<Value> = list(&from["Targets"]).iter().map(|one| of_target(view, one)).collect();
    put(out, "targets", json!(targets));
}

/// Returns a target in the form of the language.
fn of_target(view: &View<'_>, from: &Value) -> Value {
    let mut out = Map::new();
    let arn = match from["EcsParameters"]["TaskDefinitionArn"].is_null() {
        true => &from["Arn"],
        false => &from["EcsParameters"]["TaskDefinitionArn"],
    };
    let kind = target(arn).and_then(|id| view.names.get(id)).map(|(_, kind)| kind);
    let word = match kind {
        Some(kind @ (Kind::Function | Kind::Queue | Kind::Topic | Kind::Bus | Kind::Task)) => kind.name(),
        _ => "queue",
    };
    put_some(&mut out, word, view.names.reference(arn));
    put_some(&mut out, "input", view.names.document(&from["Input"]));
    put_some(&mut out, "inputPath", view.names.text(&from["InputPath"]).map(Value::from));
    let transformer = &from["InputTransformer"];
    put_some(&mut out, "inputTransformer.paths", view.names.tree(&transformer["InputPathsMap"]));
    let template = view.names.text(&transformer["InputTemplate"]);
    put_some(&mut out, "inputTransformer.template", template.map(Value::from));
    let retry = &from["RetryPolicy"];
    put_some(&mut out, "retry.attempts", retry.get("MaximumRetryAttempts").cloned());
    let age = retry["MaximumEventAgeInSeconds"].as_u64();
    put_some(&mut out, "retry.maxAge", age.map(|age| json!(show_duration(age))));
    if from["DeadLetterConfig"].is_null() {
        put(&mut out, "deadLetter", json!(false));
    }
    Value::from(out)
}

pub(super) fn schedule(view: &View<'_>, from: &Value, out: &mut Map<String, Value>) {
    let expression = from["ScheduleExpression"].as_str().unwrap_or_default();
    let inner = |word: &str| expression.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    let mut when = Map::new();
    for word in ["cron", "at"] {
        put_some(&mut when, word, inner(word).map(|text| json!(text)));
    }
    if let Some((count, unit)) = inner("rate").and_then(|text| text.split_once(' ')) {
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            _ => 86_400,
        };
        let every = count.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
        put_some(&mut when, "every", every.map(|every| json!(show_duration(every))));
    }
    when.append(out);
    *out = when;
    put(out, "target", of_target(view, &from["Target"]));
}
