//! The rules of stack refactors: AWS CloudFormation User Guide, "Stack refactoring"; API Reference, `CreateStackRefactor`,
//! `ExecuteStackRefactor`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Ended, Hearing, Judge, list, name_of, text};
use crate::states::Operation;
use crate::wire::Call;

/// Types that no refactor moves: they have no handler that reads or updates, or the page excludes them.
const NOT_MOVED: [&str; 5] = [
    "AWS::EC2::EIP",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// A refactor of one stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Refactor {
    stack: String,
    /// Status and execution status that were seen last.
    seen: (String, String),
    executed: bool,
}

impl Judge {
    /// Takes note of a call about a refactor.
    pub(super) fn hear_refactor(&mut self, call: &Call, ended: Ended) {
        let before = self.findings.len();
        let id = text(&call.input, "StackRefactorId").unwrap_or_default().to_owned();
        match (call.operation.as_str(), ended) {
            ("CreateStackRefactor", Ended::Answered(output)) => {
                self.refactor_created(&call.input, text(output, "StackRefactorId").unwrap_or_default());
            }
            ("DescribeStackRefactor", Ended::Answered(output)) => self.refactor_described(&id, output),
            ("ExecuteStackRefactor", Ended::Answered(_) | Ended::Lost) => {
                self.refactor_executed(&id, matches!(ended, Ended::Answered(_)));
            }
            _ => {}
        }
        for (_, finding) in self.findings.iter_mut().skip(before) {
            *finding = format!("{}: {finding}", call.name());
        }
    }

    fn refactor_created(&mut self, input: &Value, id: &str) {
        let definitions: Vec<&Value> = list(input, "StackDefinitions").collect();
        let [definition] = definitions.as_slice() else {
            self.findings.push(("refactor-alone", format!("{} stacks are given, not 1", definitions.len())));
            return;
        };
        let name = name_of(text(definition, "StackName").unwrap_or_default());
        let stack = self.stacks.entry(name.clone()).or_default();
        let sent = text(definition, "TemplateBody").and_then(|body| serde_json::from_str::<Value>(body).ok());
        if let (Some(deployed), Some(sent)) = (&stack.template, sent) {
            self.findings
                .extend(wrong(input, deployed, &sent).into_iter().map(|found| ("refactor-alone", found)));
        }
        if stack.has_policy {
            self.findings.push(("refactor", "the stack has a stack policy".to_owned()));
        }
        self.refactors.insert(id.to_owned(), Refactor { stack: name, ..Refactor::default() });
    }

    fn refactor_described(&mut self, id: &str, output: &Value) {
        let own = |name: &str| text(output, name).unwrap_or_default().to_owned();
        let known = self.refactors.entry(id.to_owned()).or_default();
        let seen = (own("Status"), own("ExecutionStatus"));
        let follows = match (known.seen.1.as_str(), seen.1.as_str()) {
            ("" | "UNAVAILABLE", _) => true,
            (before, now) if before == now => true,
            ("AVAILABLE", now) => known.executed || now == "OBSOLETE",
            ("EXECUTE_IN_PROGRESS", now) => {
                ["EXECUTE_COMPLETE", "EXECUTE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
                    .contains(&now)
            }
            ("ROLLBACK_IN_PROGRESS", now) => ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"].contains(&now),
            _ => false,
        };
        if !follows {
            self.findings.push(("refactor", format!("{} follows {}", seen.1, known.seen.1)));
        }
        known.seen = seen;
    }

    fn refactor_executed(&mut self, id: &str, certain: bool) {
        let known = self.refactors.entry(id.to_owned()).or_default();
        let ready = known.seen == ("CREATE_COMPLETE".to_owned(), "AVAILABLE".to_owned());
        if known.executed || !ready {
            let (status, execution) = &known.seen;
            self.findings.push(("refactor", format!("a refactor in {status} and {execution} is executed")));
        }
        known.executed = true;
        let stack = self.stacks.entry(known.stack.clone()).or_default();
        stack.token = None;
        stack.template = None;
        Hearing { stack, findings: &mut self.findings }.begin(Operation::Update, certain);
    }
}

/// Returns the differences between a template and another that is to differ from it by logical IDs alone.
fn wrong(input: &Value, deployed: &Value, sent: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let end = |mapping: &Value, side: &str| {
        text(&mapping[side], "LogicalResourceId").unwrap_or_default().to_owned()
    };
    let names: BTreeMap<String, String> = list(input, "ResourceMappings")
        .map(|mapping| (end(mapping, "Source"), end(mapping, "Destination")))
        .collect();
    if names.is_empty() {
        out.push("no resource is moved".to_owned());
    }
    let there = |id: &str| &deployed["Resources"][id];
    for (old, new) in &names {
        if there(old).is_null() || !there(new).is_null() {
            out.push(format!("{old} can't become {new}"));
        }
        let kind = there(old)["Type"].as_str().unwrap_or_default();
        if NOT_MOVED.contains(&kind) {
            out.push(format!("Stack Refactor does not support {kind}"));
        }
    }
    let ids = |template: &Value| -> BTreeSet<String> {
        template["Resources"].as_object().into_iter().flatten().map(|(id, _)| id.clone()).collect()
    };
    let expected: BTreeSet<String> =
        ids(deployed).into_iter().map(|id| names.get(&id).cloned().unwrap_or(id)).collect();
    if ids(sent) != expected {
        out.push(format!("the template has {:?}, not {expected:?}", ids(sent)));
    }
    // References say the new IDs; all else is as it was.
    let mut renamed = deployed.clone();
    rename(&mut renamed, &names);
    if renamed != *sent {
        out.push("the template differs by more than logical IDs".to_owned());
    }
    out
}

/// Changes the IDs of resources, and the references to them: written here anew, so that a mistake of the deployer's is seen.
fn rename(template: &mut Value, names: &BTreeMap<String, String>) {
    let new = |id: &str| names.get(id).map_or(id, String::as_str).to_owned();
    if let Some(resources) = template["Resources"].as_object_mut() {
        *resources = std::mem::take(resources).into_iter().map(|(id, one)| (new(&id), one)).collect();
        for resource in resources.values_mut() {
            if let Some(ids) = resource.get_mut("DependsOn").and_then(Value::as_array_mut) {
                ids.iter_mut().for_each(|id| *id = Value::String(new(id.as_str().unwrap_or_default())));
            }
        }
    }
    for section in ["Resources", "Outputs"] {
        if let Some(value) = template.get_mut(section) {
            references(value, names);
        }
    }
}

fn references(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members.iter_mut() {
                let target = match key.as_str() {
                    "Ref" => Some(&mut *inner),
                    "Fn::GetAtt" => inner.get_mut(0),
                    _ => None,
                };
                if let Some(Value::String(id)) = target
                    && let Some(new) = names.get(id)
                {
                    id.clone_from(new);
                }
                if let ("Fn::Sub", Value::String(text)) = (key.as_str(), &mut *inner) {
                    for (old, new) in names {
                        *text = text.replace(&format!("${{{old}}}"), &format!("${{{new}}}"));
                        *text = text.replace(&format!("${{{old}."), &format!("${{{new}."));
                    }
                }
                references(inner, names);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| references(item, names)),
        _ => {}
    }
}
