//! A judge of conversations with CloudFormation: a small model of its stacks, with which each call and each answer is
//! compared, across calls.
//!
//! The model keeps the states in which a stack may be, as far as the conversation tells. Calls change these, answers
//! narrow them; an answer that no such state allows breaks a rule, and so does a call that is accepted although
//! CloudFormation refuses it. A lost answer leaves both possibilities. `tools/conversations.py` judges single
//! exchanges.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::states::{ABSENT, ALL, OPERATIONS, OnFailure, Operation, by_itself, by_others, next};
use crate::wire::Call;

pub use rules::RULES;

/// The end of a call.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// An answer with this output.
    Answered(&'a Value),
    /// An error: message and HTTP status.
    Refused(&'a str, u16),
    /// A lost answer, or a caller that ended first.
    Lost,
}

/// A change set.
#[derive(Debug, Clone, Default)]
struct ChangeSet {
    /// `true` if the type is CREATE; `None` if the change set was created before the conversation.
    create: Option<bool>,
    imports: bool,
    on_failure: Option<OnFailure>,
    express: bool,
    /// Value of `DisableRollback` in `DeploymentConfig`.
    config_keeps: bool,
    has_config: bool,
    status: Option<String>,
    gone: bool,
    executed: bool,
}

/// A stack as far as it is known.
#[derive(Debug, Clone)]
struct Stack {
    possible: BTreeSet<String>,
    change_sets: BTreeMap<String, ChangeSet>,
    protected: Option<bool>,
    on_failure: OnFailure,
    /// `true` if the operation under way is in express mode, without rollback.
    express_keeps: bool,
    /// `true` if the last operation failed in that mode.
    left_by_express: bool,
    token: Option<String>,
    /// Ids of the events that are known, newest first.
    events: Vec<String>,
    /// Status of the stack in the newest of them.
    last_event: Option<String>,
    resources: BTreeMap<String, String>,
    settings: settings::Settings,
    /// The deployed template, as far as it was asked for and is JSON.
    template: Option<Value>,
    has_policy: bool,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            possible: ALL.iter().map(|status| (*status).to_owned()).collect(),
            change_sets: BTreeMap::new(),
            protected: None,
            on_failure: OnFailure::Unknown,
            express_keeps: false,
            left_by_express: false,
            token: None,
            events: Vec::new(),
            last_event: None,
            resources: BTreeMap::new(),
            settings: settings::Settings::default(),
            template: None,
            has_policy: false,
        }
    }
}

/// The judge of one conversation.
#[derive(Debug, Default)]
pub struct Judge {
    stacks: BTreeMap<String, Stack>,
    refactors: BTreeMap<String, refactors::Refactor>,
    findings: Vec<(&'static str, String)>,
}

impl Judge {
    /// Takes note of a call and how it ended.
    pub fn hear(&mut self, call: &Call, ended: Ended) {
        if call.service != "CloudFormation" {
            return;
        }
        if call.operation.contains("StackRefactor") {
            return self.hear_refactor(call, ended);
        }
        let named = text(&call.input, "StackName").map(name_of);
        let before = self.findings.len();
        match (named, ended) {
            (Some(name), ended) => {
                let mut stack = self.stacks.remove(&name).unwrap_or_default();
                let mut hearing = Hearing { stack: &mut stack, findings: &mut self.findings };
                hearing.hear(&call.operation, &call.input, ended);
                self.stacks.insert(name, stack);
            }
            (None, Ended::Answered(output)) => {
                for described in list(output, "Stacks") {
                    let name = name_of(text(described, "StackName").unwrap_or_default());
                    let mut stack = self.stacks.remove(&name).unwrap_or_default();
                    Hearing { stack: &mut stack, findings: &mut self.findings }.described(described);
                    self.stacks.insert(name, stack);
                }
            }
            (None, _) => {}
        }
        for (_, finding) in self.findings.iter_mut().skip(before) {
            *finding = format!("{}: {finding}", call.name());
        }
    }

    /// Returns the errors of the conversation, given the rules that the case breaks on purpose.
    pub fn verdict(&self, breaks: &[String]) -> Vec<String> {
        let unknown = breaks.iter().filter(|name| !RULES.iter().any(|(known, _)| known == name));
        let mut out: Vec<String> = unknown.map(|name| format!("breaks: there is no rule {name}")).collect();
        for (rule, text) in RULES {
            let found = self.findings.iter().filter(|(name, _)| *name == rule);
            match (breaks.iter().any(|name| name == rule), found.clone().next()) {
                (true, None) => out.push(format!("breaks: {rule} is not broken")),
                (false, Some(_)) => {
                    out.extend(found.map(|(_, finding)| format!("{rule} ({text}): {finding}")));
                }
                _ => {}
            }
        }
        out
    }
}

/// A call about one stack.
struct Hearing<'a> {
    stack: &'a mut Stack,
    findings: &'a mut Vec<(&'static str, String)>,
}

impl Hearing<'_> {
    fn find(&mut self, rule: &'static str, text: String) {
        self.findings.push((rule, text));
    }

    fn hear(&mut self, operation: &str, input: &Value, ended: Ended) {
        if let Ended::Refused(message, status) = ended {
            if message.contains("does not exist") && !message.contains("hange") {
                self.observe(ABSENT);
            }
            // CloudFormation refuses before it acts; after an error of its own the outcome is unknown.
            if status < 500 {
                return;
            }
        }
        let certain = matches!(ended, Ended::Answered(_));
        let output = if let Ended::Answered(output) = ended { output } else { &Value::Null };
        match operation {
            "CreateChangeSet" => self.change_set_created(input, certain),
            "ExecuteChangeSet" => self.change_set_executed(input, certain),
            "DeleteChangeSet" => {
                self.change_set(input).gone |= certain;
            }
            "DescribeChangeSet" if certain => self.change_set_described(input, output),
            "DeleteStack" => self.deleted(input, certain),
            "UpdateStack" => self.updated(input, certain),
            "CancelUpdateStack" => self.begin(Operation::Cancel, certain),
            "ContinueUpdateRollback" => {
                self.skips(input);
                self.begin(Operation::ContinueRollback, certain);
            }
            "RollbackStack" => {
                if self.stack.left_by_express {
                    self.find(
                        "express-follow-up",
                        "the stack failed in express mode without rollback".to_owned(),
                    );
                }
                self.begin(Operation::RollBack, certain);
            }
            "UpdateTerminationProtection" => {
                let on = is_true(&input["EnableTerminationProtection"]);
                self.stack.protected = certain.then_some(on);
                self.exists();
            }
            "DescribeStacks" if certain => {
                for described in list(output, "Stacks") {
                    self.described(described);
                }
            }
            "GetTemplate" if certain => {
                self.stack.settings.template(output);
                self.stack.template =
                    text(output, "TemplateBody").and_then(|body| serde_json::from_str(body).ok());
            }
            "GetStackPolicy" if certain => {
                self.stack.has_policy = text(output, "StackPolicyBody").is_some_and(|body| !body.is_empty());
            }
            "DescribeStackEvents" if certain => self.events(input, output),
            "ListStackResources" if certain => {
                self.exists();
                for one in list(output, "StackResourceSummaries") {
                    self.resource(one);
                }
            }
            _ => {}
        }
    }

    /// Takes note that the stack is in this status now.
    fn observe(&mut self, status: &str) {
        let reached = by_itself(&self.stack.possible, self.stack.on_failure);
        if !reached.contains(status) {
            let from = self.stack.possible.iter().cloned().collect::<Vec<_>>().join(" or ");
            let text = format!("the stack was in {from}, and is in {status}");
            let rule = if by_others(&reached).contains(status) { "only-this-caller" } else { "status" };
            self.find(rule, text);
            self.stack.on_failure = OnFailure::Unknown;
        }
        if status.ends_with("_FAILED") && self.stack.express_keeps {
            self.stack.left_by_express = true;
        }
        if status.ends_with("_COMPLETE") {
            self.stack.left_by_express = false;
        }
        self.stack.possible = BTreeSet::from([status.to_owned()]);
        if status == ABSENT {
            self.stack.change_sets.clear();
            self.stack.protected = None;
            self.stack.last_event = None;
        }
    }

    /// Checks that the stack may exist, since only an existing one can have an answer.
    fn exists(&mut self) {
        let reached = by_itself(&self.stack.possible, self.stack.on_failure);
        if reached.iter().all(|status| status == ABSENT) {
            self.find("absent", "the stack does not exist".to_owned());
        }
    }

    fn begin(&mut self, operation: Operation, certain: bool) {
        let reached = by_itself(&self.stack.possible, self.stack.on_failure);
        let after: BTreeSet<String> =
            reached.iter().filter_map(|status| operation.of(status)).map(str::to_owned).collect();
        if after.is_empty() {
            let from = reached.into_iter().collect::<Vec<_>>().join(" or ");
            self.find("operation", format!("{operation:?} is accepted of a stack in {from}"));
            return;
        }
        if certain {
            self.stack.possible = after;
        } else {
            self.stack.possible.extend(after);
        }
        // A rollback or a deletion has no options for its failure.
        if ![Operation::PlanCreation, Operation::PlanUpdate].contains(&operation) {
            self.stack.on_failure = OnFailure::Unknown;
        }
    }

    fn described(&mut self, described: &Value) {
        if let Some(status) = text(described, "StackStatus") {
            self.observe(status);
        }
        self.stack.settings.described(described);
        let config = &described["DeploymentConfig"];
        let failed = text(described, "StackStatus").is_some_and(|status| status.ends_with("_FAILED"));
        if failed && text(config, "Mode") == Some("EXPRESS") && is_true(&config["DisableRollback"]) {
            self.stack.left_by_express = true;
        }
        if let Some(on) = described.get("EnableTerminationProtection").and_then(Value::as_bool) {
            self.stack.protected = Some(on);
        }
    }

    fn change_set(&mut self, input: &Value) -> &mut ChangeSet {
        let name = change_set_name(text(input, "ChangeSetName").unwrap_or_default());
        self.stack.change_sets.entry(name).or_default()
    }

    fn change_set_created(&mut self, input: &Value, certain: bool) {
        let create = text(input, "ChangeSetType") == Some("CREATE");
        let imports = text(input, "ChangeSetType") == Some("IMPORT");
        let config = &input["DeploymentConfig"];
        let on_failure = text(input, "OnStackFailure").map(|word| match word {
            "DELETE" => OnFailure::Delete,
            "DO_NOTHING" => OnFailure::Nothing,
            _ => OnFailure::RollBack,
        });
        if on_failure.is_some() && !create {
            self.find("on-failure-type", "OnStackFailure with a change set of the type UPDATE".to_owned());
        }
        if on_failure.is_some() && config.is_object() {
            self.find("on-failure-and-deployment-config", "both are given".to_owned());
        }
        if certain {
            let broken = self.stack.settings.broken(input);
            broken.into_iter().for_each(|(rule, found)| self.find(rule, found));
        }
        let made = ChangeSet {
            create: Some(create),
            imports,
            on_failure,
            has_config: config.is_object(),
            express: text(config, "Mode") == Some("EXPRESS"),
            config_keeps: is_true(&config["DisableRollback"]),
            ..ChangeSet::default()
        };
        let before = self.change_set(input);
        if certain && before.create.is_some() && !before.gone {
            self.find("change-set", "a second change set of the same name is accepted".to_owned());
        }
        *self.change_set(input) = made;
        let reached = by_itself(&self.stack.possible, self.stack.on_failure);
        let new = |status: &String| [ABSENT, "REVIEW_IN_PROGRESS"].contains(&status.as_str());
        if imports {
            let new = reached.iter().all(new);
            if certain {
                let there = self.stack.resources.keys().map(String::as_str).filter(|_| !new).collect();
                let broken = imports::broken(input, &there, new);
                broken.into_iter().for_each(|(rule, found)| self.find(rule, found));
            }
            return self.begin(if new { Operation::PlanCreation } else { Operation::PlanUpdate }, certain);
        }
        if !reached.iter().any(|status| new(status) == create) {
            let of = if create { "CREATE" } else { "UPDATE" };
            let from = reached.into_iter().collect::<Vec<_>>().join(" or ");
            self.find("change-set-type", format!("{of} is accepted of a stack in {from}"));
            return;
        }
        self.begin(if create { Operation::PlanCreation } else { Operation::PlanUpdate }, certain);
    }

    fn change_set_described(&mut self, input: &Value, output: &Value) {
        self.exists();
        let available = text(output, "ExecutionStatus") == Some("AVAILABLE");
        let status = text(output, "Status").map(str::to_owned);
        let known = self.change_set(input);
        let wrong = if known.gone {
            Some("a change set that was deleted is described")
        } else if known.executed && available {
            Some("a change set that was executed is available")
        } else if known.status.as_deref() == Some("CREATE_COMPLETE") && status.as_deref() == Some("FAILED") {
            Some("a change set that was complete has failed")
        } else {
            None
        };
        known.status = status;
        if let Some(wrong) = wrong {
            self.find("change-set", wrong.to_owned());
        }
    }

    fn change_set_executed(&mut self, input: &Value, certain: bool) {
        let disables = is_true(&input["DisableRollback"]);
        let set = self.change_set(input).clone();
        let ready = set.status.as_deref().is_none_or(|status| status == "CREATE_COMPLETE");
        if set.gone || set.executed || !ready || (set.create.is_none() && set.status.is_none()) {
            let what = match (&set.status, set.gone, set.executed) {
                (_, true, _) => "that is deleted".to_owned(),
                (_, _, true) => "for the second time".to_owned(),
                (Some(status), ..) => format!("in {status}"),
                (None, ..) => "of which nothing is known".to_owned(),
            };
            self.find("change-set", format!("a change set is executed {what}"));
        }
        if set.on_failure.is_some() && !input["DisableRollback"].is_null() {
            self.find("on-failure-and-disable-rollback", "both are given".to_owned());
        }
        if set.has_config && !input["DisableRollback"].is_null() {
            self.find("deployment-config-and-disable-rollback", "both are given".to_owned());
        }
        if self.stack.left_by_express && !set.express {
            self.find("express-follow-up", "a change set in another mode is executed".to_owned());
        }
        let create = set
            .create
            .unwrap_or_else(|| self.stack.possible.iter().all(|status| status == "REVIEW_IN_PROGRESS"));
        let operation = match (set.imports, create) {
            (true, _) => Operation::Import,
            (_, true) => Operation::Create,
            (_, false) => Operation::Update,
        };
        self.begin(operation, certain);
        let name = change_set_name(text(input, "ChangeSetName").unwrap_or_default());
        if certain {
            for (other, set) in &mut self.stack.change_sets {
                set.executed |= *other == name;
                set.gone |= *other != name;
            }
        }
        self.stack.on_failure = match set.on_failure {
            _ if !certain || (set.create.is_none() && !disables) => OnFailure::Unknown,
            _ if disables || set.config_keeps => OnFailure::Nothing,
            Some(on_failure) => on_failure,
            None => OnFailure::RollBack,
        };
        self.stack.express_keeps = set.express && set.config_keeps;
        self.stack.token = text(input, "ClientRequestToken").map(str::to_owned);
    }

    fn updated(&mut self, input: &Value, certain: bool) {
        let config = &input["DeploymentConfig"];
        let express = text(config, "Mode") == Some("EXPRESS");
        if self.stack.left_by_express && !express {
            self.find("express-follow-up", "an update in another mode is accepted".to_owned());
        }
        self.begin(Operation::Update, certain);
        let keeps = is_true(&input["DisableRollback"]) || is_true(&config["DisableRollback"]);
        self.stack.on_failure = match (certain, keeps) {
            (false, _) => OnFailure::Unknown,
            (true, true) => OnFailure::Nothing,
            (true, false) => OnFailure::RollBack,
        };
        self.stack.express_keeps = express && keeps;
        self.stack.token = text(input, "ClientRequestToken").map(str::to_owned);
    }

    fn deleted(&mut self, input: &Value, certain: bool) {
        if self.stack.protected == Some(true) {
            self.find("termination-protection", "a protected stack is deleted".to_owned());
        }
        let reached = by_itself(&self.stack.possible, self.stack.on_failure);
        let retains = input["RetainResources"].as_array().is_some_and(|list| !list.is_empty());
        let forces = text(input, "DeletionMode") == Some("FORCE_DELETE_STACK");
        if (retains || forces) && !reached.contains("DELETE_FAILED") {
            let from = reached.into_iter().collect::<Vec<_>>().join(" or ");
            self.find("deletion-mode", format!("the stack is in {from}"));
        }
        self.stack.token = text(input, "ClientRequestToken").map(str::to_owned);
        let in_review = self.stack.possible.contains("REVIEW_IN_PROGRESS");
        self.begin(Operation::Delete, certain);
        if in_review {
            self.stack.possible.insert(ABSENT.to_owned());
        }
    }

    fn skips(&mut self, input: &Value) {
        for id in input["ResourcesToSkip"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let status = self.stack.resources.get(id).cloned();
            if status.as_deref().is_some_and(|status| !status.ends_with("_FAILED")) {
                self.find("skip", format!("{id} is in {}", status.unwrap_or_default()));
            }
        }
    }

    fn resource(&mut self, one: &Value) {
        if let (Some(id), Some(status)) = (text(one, "LogicalResourceId"), text(one, "ResourceStatus")) {
            self.stack.resources.insert(id.to_owned(), status.to_owned());
        }
    }

    fn events(&mut self, input: &Value, output: &Value) {
        let events = output["StackEvents"].as_array().cloned().unwrap_or_default();
        // Older pages contain nothing new about the present.
        if !input["NextToken"].is_null() {
            return;
        }
        let ids: Vec<String> =
            events.iter().filter_map(|one| text(one, "EventId")).map(str::to_owned).collect();
        let known = self.stack.events.first().and_then(|newest| ids.iter().position(|id| id == newest));
        let fresh = match (known, self.stack.events.is_empty()) {
            (Some(at), _) => {
                let same = ids.iter().skip(at).zip(&self.stack.events).all(|(now, before)| now == before);
                if !same {
                    self.find("events", "events that were there have changed".to_owned());
                }
                at
            }
            // The stack is a new one of the same name, or the known events are on a later page: there is nothing to
            // compare.
            (None, true) => ids.len(),
            (None, false) if !output["NextToken"].is_null() => {
                self.stack.last_event = None;
                ids.len()
            }
            (None, false) => {
                self.find("events", "events that were there are gone".to_owned());
                ids.len()
            }
        };
        let first = self.stack.events.is_empty();
        for event in events.iter().take(fresh).rev() {
            self.resource(event);
            let token = text(event, "ClientRequestToken").map(mark_of);
            if let (false, Some(token), Some(ours)) = (first, token, self.stack.token.as_deref().map(mark_of))
                && token != ours
            {
                self.find("events", format!("an event carries the token {token}, and the operation {ours}"));
            }
            if event["PhysicalResourceId"] != event["StackId"] {
                continue;
            }
            let Some(status) = text(event, "ResourceStatus") else { continue };
            if let Some(before) = self.stack.last_event.replace(status.to_owned())
                && before != status
            {
                let from = BTreeSet::from([before.clone()]);
                // Older operations may have had any option for a failure.
                let how = if first { OnFailure::Unknown } else { self.stack.on_failure };
                let begun = |from: &String| OPERATIONS.iter().any(|one| one.of(from) == Some(status));
                let follows = next(&before, how).contains(&status) || by_itself(&from, how).iter().any(begun);
                if !follows {
                    self.find("status", format!("an event of the stack says {status} after {before}"));
                }
            }
        }
        let last = events.iter().find(|event| event["PhysicalResourceId"] == event["StackId"]);
        if fresh > 0
            && let Some(status) = last.and_then(|event| text(event, "ResourceStatus"))
        {
            self.observe(status);
        }
        // A stack that is created anew under this name has events of its own.
        let gone = self.stack.possible.contains(ABSENT);
        self.stack.events = if gone { Vec::new() } else { ids };
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Checks whether a value of a request is true: values are texts in the query protocol.
fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or(false) || value == "true"
}

/// Returns the name of a stack in its ARN.
fn name_of(stack: &str) -> String {
    stack.strip_prefix("arn:").and_then(|arn| arn.split('/').nth(1)).unwrap_or(stack).to_owned()
}

fn change_set_name(name: &str) -> String {
    name.strip_prefix("arn:").and_then(|arn| arn.split('/').nth(1)).unwrap_or(name).to_owned()
}

/// Returns a token without the moment at its end, which a case cannot predict.
fn mark_of(token: &str) -> &str {
    token.rsplit_once('-').map_or(token, |(mark, _)| mark)
}

mod imports;
mod refactors;
mod rules;
mod settings;
mod tests;
