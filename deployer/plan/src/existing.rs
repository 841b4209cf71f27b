//! Resources that exist outside of a stack: what the file says of them, against what their services say.

use std::collections::BTreeMap;

use deployer_lang::lower::existing::Need;
use deployer_lang::lower::senders::gets_events;
use deployer_lang::model::existing::Existing;
use deployer_lang::model::function::Trigger;
use deployer_lang::model::table::{Index, KeyType, Table};
use deployer_lang::model::{Resource, ResourceType, Stack};
use deployer_syntax::{number, units};
use serde_json::{Value, json};

use crate::adopt::PhysicalResource;
use crate::resolve::{PseudoParameters, Resolver, Side};

/// The key that encrypts a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFact {
    /// One of AWS's own, which everybody in the account may use by way of the service.
    OfAws,
    /// A key of the account, by its ARN.
    Own(String),
    /// The caller may not ask whose key it is.
    Unknown,
}

/// The state of an existing resource, as its service describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    /// It doesn't exist.
    Missing,
    /// A bucket.
    Bucket {
        /// Its region.
        region: String,
        /// The key that encrypts new objects.
        key: KeyFact,
        /// `true` if it sends its events to EventBridge; `None` if nobody asked.
        event_bridge: Option<bool>,
        /// Its policy, if anybody asked.
        policy: Option<Value>,
    },
    /// A table.
    Table {
        /// Its status.
        status: String,
        /// Its key and its indexes.
        keys: TableKeys,
        /// The key that encrypts its items.
        key: KeyFact,
    },
    /// A queue.
    Queue {
        /// Seconds for which a received message is hidden.
        visibility_timeout: u64,
        /// Receives after which a message is moved to the dead-letter queue, if there is one.
        receives: Option<i64>,
        /// The key that encrypts its messages.
        key: KeyFact,
        /// Its policy.
        policy: Option<Value>,
    },
    /// A topic.
    Topic {
        /// The key that encrypts its messages.
        key: KeyFact,
        /// Its policy.
        policy: Option<Value>,
    },
    /// A key.
    Key {
        /// Its state.
        state: String,
        /// `true` if AWS manages it, so that no policy can allow anything on it.
        of_aws: bool,
        /// Its policy, if anybody asked.
        policy: Option<Value>,
    },
    /// A cluster.
    Cluster {
        /// Its status.
        status: String,
        /// Its capacity providers.
        providers: Vec<String>,
    },
}

/// The key of a table and of its indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableKeys {
    /// The attributes of its key, each with its type: partition key, sort key.
    pub key: KeyAttributes,
    /// Global secondary indexes by name.
    pub indexes: BTreeMap<String, KeyAttributes>,
}

/// The attributes of a key, each with DynamoDB's letter for its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyAttributes {
    /// Those of the partition key.
    pub partition: Vec<(String, String)>,
    /// Those of the sort key.
    pub sort: Vec<(String, String)>,
}

impl KeyAttributes {
    fn new(key: &[(String, KeyType)], partition: usize) -> Self {
        let one = |(name, kind): &(String, KeyType)| (name.clone(), kind.letter().to_owned());
        let (first, last) = key.split_at(partition.min(key.len()));
        Self { partition: first.iter().map(one).collect(), sort: last.iter().map(one).collect() }
    }

    /// Returns it in the words of a stack file.
    fn words(&self) -> String {
        let word = |letter: &str| match letter {
            "S" => "string",
            "N" => "number",
            "B" => "binary",
            _ => "unknown",
        };
        let list = |attributes: &[(String, String)]| {
            let all: Vec<String> =
                attributes.iter().map(|(name, letter)| format!("{name}: {}", word(letter))).collect();
            format!("{{ {} }}", all.join(", "))
        };
        if self.partition.len() == 1 && self.sort.len() < 2 {
            let all: Vec<(String, String)> = self.partition.iter().chain(&self.sort).cloned().collect();
            return format!("key: {}", list(&all));
        }
        let sort =
            if self.sort.is_empty() { String::new() } else { format!(", sortKey: {}", list(&self.sort)) };
        format!("partitionKey: {}{sort}", list(&self.partition))
    }
}

/// A difference between the file and an existing resource, for which a deployment would fail or its code could not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Name of the resource in the file.
    pub resource: String,
    /// What is, and what the file expects.
    pub message: String,
    /// The way to solve it.
    pub help: String,
}

/// A deployed stack, and the template that it is to have.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The template that is wanted.
    pub wanted: &'a Value,
    /// The template that is deployed.
    pub deployed: &'a Value,
    /// The resources of the stack by logical ID.
    pub resources: &'a BTreeMap<String, PhysicalResource>,
}

/// The place of a stack.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Its account, region and name.
    pub pseudo: &'a PseudoParameters,
}

impl Place<'_> {
    /// Returns a text of `Fn::Sub` with its place filled in.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let value = self.value(&json!({ "Fn::Sub": text }));
        value.as_str().map_or_else(|| text.to_owned(), str::to_owned)
    }

    fn value(&self, value: &Value) -> Value {
        let none = BTreeMap::new();
        let side = Side { template: &Value::Null, parameters: &none, tags: &none };
        Resolver::new(&side, &none, self.pseudo).value(value)
    }

    /// Returns why the stack can't use a resource in the place that the file names; nothing more need be asked then.
    #[must_use]
    pub fn elsewhere(&self, resource: &Resource) -> Vec<Mismatch> {
        let mut found = Found { name: &resource.name, out: Vec::new() };
        let Some(existing) = resource.is.existing() else { return Vec::new() };
        let of_account = matches!(resource.is, ResourceType::Table(_) | ResourceType::Cluster(_));
        for (what, own, other) in [
            ("partition", self.pseudo.partition.as_deref(), existing.partition()),
            ("region", self.pseudo.region.as_deref(), existing.region()),
            ("account", self.pseudo.account.as_deref(), existing.account().filter(|_| of_account)),
        ] {
            if let (Some(own), Some(other)) = (own, other)
                && own != other
                && found.out.is_empty()
            {
                found.add(
                    format!("it is in {what} {other}, and the stack in {own}"),
                    "name a resource where the stack is, or deploy the stack there",
                );
            }
        }
        // Without the account in the file, the rule has no role.
        let other = existing
            .account()
            .filter(|other| self.pseudo.account.as_deref().is_some_and(|own| own != *other));
        if let (Some(other), None) = (other, &self.stack.target.account)
            && gets_events(self.stack, &resource.name)
        {
            let own = self.pseudo.account.as_deref().unwrap_or_default();
            found.add(
                format!("it is in account {other}, and a rule needs a role to send to it"),
                &format!("write `account: \"{own}\"` of the stack in the file, which gives the rule a role"),
            );
        }
        found.out
    }

    /// Returns the mismatch of a resource that is one of the stack itself, and that a deployment would delete.
    #[must_use]
    pub fn deleted(&self, resource: &Resource, change: &Change<'_>) -> Option<Mismatch> {
        let existing = resource.is.existing()?;
        let kind = resource.is.kind().cloudformation()?.name();
        if existing.account().is_some_and(|own| Some(own) != self.pseudo.account.as_deref()) {
            return None;
        }
        let name = |id: &str| id.rsplit(['/', ':']).next() == Some(existing.name.as_str());
        let (id, _) = change.resources.iter().find(|(_, one)| one.kind == kind && name(&one.id))?;
        let policy = change.deployed["Resources"][id]["DeletionPolicy"].as_str().unwrap_or_default();
        let leaves = change.wanted["Resources"][id].is_null() && !policy.starts_with("Retain");
        leaves.then(|| Mismatch {
            resource: resource.name.clone(),
            message: format!("{} is {id} of this stack, which the deployment would delete", existing.name),
            help: "deploy the resource with `options: { retain: true }` first, and then write `existing`"
                .to_owned(),
        })
    }

    /// Compares a resource with its state. `needs` are those of all resources.
    #[must_use]
    pub fn mismatches(&self, resource: &Resource, needs: &[Need], facts: &Facts) -> Vec<Mismatch> {
        let Some(existing) = resource.is.existing() else { return Vec::new() };
        let mut found = Found { name: &resource.name, out: Vec::new() };
        let what = resource.is.kind().name();
        let account = self.pseudo.account.as_deref().unwrap_or_default();
        let region = self.pseudo.region.as_deref().unwrap_or_default();
        match (&resource.is, facts) {
            (_, Facts::Missing) => found.add(
                format!("there is no {what} {} in account {account}, {region}", existing.name),
                "write its name or ARN as it is in AWS, or remove `existing` to create one",
            ),
            (ResourceType::Bucket(bucket), Facts::Bucket { region: found_in, event_bridge, .. }) => {
                if found_in != region {
                    found.add(
                        format!("the bucket {} is in {found_in}, and the stack in {region}", existing.name),
                        "deploy the stack to the region of the bucket, or name another bucket",
                    );
                }
                if *event_bridge == Some(false) {
                    let why = if bucket.event_bridge { "`eventBridge: true`" } else { "`notify`" };
                    found.add(
                        format!("the bucket {} sends no events to EventBridge, and {why} needs them", existing.name),
                        "its owner switches them on, in S3's console below Properties, Amazon EventBridge; `aws s3api \
                         put-bucket-notification-configuration` replaces all that is configured there",
                    );
                }
            }
            (ResourceType::Table(table), Facts::Table { status, keys, .. }) => {
                if !["ACTIVE", "UPDATING"].contains(&status.as_str()) {
                    found.add(format!("the table {} is {status}", existing.name), "wait until it is ACTIVE");
                }
                compare_keys(&mut found, table, keys);
            }
            (ResourceType::Queue(queue), Facts::Queue { visibility_timeout, receives, .. }) => {
                self.compare_queue(
                    &mut found,
                    &resource.name,
                    *visibility_timeout,
                    queue.dead_letter.after,
                    *receives,
                );
            }
            (ResourceType::Key(_), Facts::Key { state, of_aws, .. }) => {
                if *of_aws {
                    found.add(
                        format!(
                            "the key {} is managed by AWS, and no policy can allow its use",
                            existing.name
                        ),
                        "name a key of the account's own",
                    );
                } else if state != "Enabled" {
                    found.add(
                        format!(
                            "the key {} is {state}, so nothing can be encrypted or decrypted with it",
                            existing.name
                        ),
                        "enable it, or name another",
                    );
                }
            }
            (ResourceType::Cluster(_), Facts::Cluster { status, providers }) => {
                self.compare_cluster(&mut found, &resource.name, existing, status, providers);
            }
            _ => {}
        }
        self.compare_key(&mut found, resource, facts);
        self.compare_policy(&mut found, existing, needs, facts);
        found.out
    }

    /// Checks what functions need of a queue that they read.
    fn compare_queue(
        &self,
        found: &mut Found<'_>,
        name: &str,
        hidden: u64,
        after: i64,
        receives: Option<i64>,
    ) {
        let readers = self.stack.functions().filter(|(_, function)| {
            function
                .triggers
                .iter()
                .any(|one| matches!(one, Trigger::Queue { queue, .. } if queue.name == name))
        });
        for (reader, function) in readers {
            if hidden < function.timeout {
                found.add(
                    format!(
                        "the queue hides a message for {}, but `{}` can take {} to process it",
                        units::show_duration(hidden),
                        reader.name,
                        units::show_duration(function.timeout)
                    ),
                    "Lambda rejects that; raise the visibility timeout of the queue, better to six times the timeout of the \
                     function, or lower `timeout`",
                );
            }
            // A worker does more at the last attempt, so it must know which one that is.
            if function.worker().is_some() && receives != Some(after) {
                let (is, help) = match receives {
                    Some(count) => (
                        format!("gives a message up after {count} receives"),
                        format!("write `deadLetter: {{ after: {count} }}`"),
                    ),
                    None => ("has no dead-letter queue".to_owned(), "give the queue one".to_owned()),
                };
                found.add(format!("the queue {is}, and the file says {after}"), &help);
            }
        }
    }

    fn compare_cluster(
        &self,
        found: &mut Found<'_>,
        name: &str,
        existing: &Existing,
        status: &str,
        providers: &[String],
    ) {
        if status != "ACTIVE" {
            found.add(format!("the cluster {} is {status}", existing.name), "name another cluster");
        }
        let of_spot = self.stack.tasks().find(|(_, task)| task.cluster.name == name && task.spot);
        if let Some((task, _)) = of_spot.filter(|_| !providers.iter().any(|one| one == "FARGATE_SPOT")) {
            found.add(
                format!(
                    "the cluster {} has no capacity provider FARGATE_SPOT, and `{}` runs on Spot",
                    existing.name, task.name
                ),
                "add the provider to the cluster, or remove `spot`",
            );
        }
    }

    /// Compares the customer key that encrypts a resource: without it nobody could use what it encrypts.
    fn compare_key(&self, found: &mut Found<'_>, resource: &Resource, facts: &Facts) {
        let key = match facts {
            Facts::Bucket { key, .. }
            | Facts::Table { key, .. }
            | Facts::Queue { key, .. }
            | Facts::Topic { key, .. } => match key {
                KeyFact::OfAws => None,
                KeyFact::Own(key) => Some(key.as_str()),
                KeyFact::Unknown => return,
            },
            _ => return,
        };
        let wanted = resource.is.encryption_key().and_then(|(key, _)| {
            let existing = self.stack.resource(&key.name)?.is.existing()?;
            Some((key.name.as_str(), existing))
        });
        let id = |key: &str| key.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
        match (key, wanted) {
            (Some(key), Some((_, existing))) if id(key) == existing.name => {}
            (None, None) => {}
            (Some(key), Some((name, existing))) => found.add(
                format!("it is encrypted with the key {}, and `{name}` is {}", id(key), existing.name),
                "name that key by `encryptionKey`",
            ),
            (Some(key), None) => found.add(
                format!("it is encrypted with the key {}, which nobody here may use", id(key)),
                "declare the key (`type: key` with `existing`), and name it by `encryptionKey`",
            ),
            (None, Some((name, _))) => found.add(
                format!("it is not encrypted with a key of the account, and the file says `{name}`"),
                "remove `encryptionKey`",
            ),
        }
    }

    /// Checks that the policy of a resource allows what the stack needs, and does not write itself.
    fn compare_policy(&self, found: &mut Found<'_>, existing: &Existing, needs: &[Need], facts: &Facts) {
        let policy = match facts {
            Facts::Bucket { policy, .. }
            | Facts::Queue { policy, .. }
            | Facts::Topic { policy, .. }
            | Facts::Key { policy, .. } => policy.as_ref(),
            _ => return,
        };
        let name = found.name.to_owned();
        for need in needs.iter().filter(|need| need.resource == name) {
            let statement = self.value(&need.statement);
            if !policy.is_some_and(|policy| allows(policy, &statement)) {
                let principal = &statement["Principal"];
                let service = principal["Service"].as_str().or(principal["AWS"].as_str());
                let service = service.unwrap_or("a service").to_owned();
                found.add(
                    format!("the policy of {} does not allow {service} what this stack needs", existing.name),
                    &format!(
                        "the deployer never replaces the policy of others; its owner adds this statement: {}",
                        number::to_json(&statement)
                    ),
                );
            }
        }
    }
}

/// The mismatches of one resource.
struct Found<'a> {
    name: &'a str,
    out: Vec<Mismatch>,
}

impl Found<'_> {
    fn add(&mut self, message: String, help: &str) {
        self.out.push(Mismatch { resource: self.name.to_owned(), message, help: help.to_owned() });
    }
}

/// Compares the keys that the file says with those that the table has. The file need not name every index.
fn compare_keys(found: &mut Found<'_>, table: &Table, keys: &TableKeys) {
    let own = KeyAttributes::new(&table.key, 1);
    if own != keys.key {
        found.add(
            format!("the table has `{}`, and the file says `{}`", keys.key.words(), own.words()),
            "write the key as the table has it, with its sort key",
        );
    }
    for (name, Index { key, partition, .. }) in &table.indexes {
        let own = KeyAttributes::new(key, *partition);
        match keys.indexes.get(name) {
            None => {
                let known: Vec<&str> = keys.indexes.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                found.add(
                    format!("the table has no index `{name}`; its indexes: {known}"),
                    "remove the index from the file, or add it to the table",
                );
            }
            Some(other) if *other != own => found.add(
                format!("the index `{name}` has `{}`, and the file says `{}`", other.words(), own.words()),
                "write the key as the index has it",
            ),
            Some(_) => {}
        }
    }
}

/// Returns whether a policy allows what a statement of ours would: the service, the actions. The conditions of a statement for
/// the service are its owner's. A statement for anyone counts without conditions only: in the policy that SNS gives each topic, they
/// mean the owner's account, and leave out services.
fn allows(policy: &Value, wanted: &Value) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let is_allowed = |action: &str, is_named: &dyn Fn(&Value) -> bool| {
        statements.iter().any(|one| {
            let principal = &one["Principal"];
            let anyone = one["Condition"].is_null()
                && (*principal == json!("*") || texts(&principal["AWS"]).any(|who| who == "*"));
            one["Effect"] == "Allow"
                && (anyone || is_named(principal))
                && texts(&one["Action"]).any(|pattern| matches(pattern, action))
        })
    };
    let wanted_principal = &wanted["Principal"];
    texts(&wanted["Action"]).all(|action| {
        texts(&wanted_principal["Service"])
            .all(|service| is_allowed(action, &|own| texts(&own["Service"]).any(|one| one == service)))
            && texts(&wanted_principal["AWS"]).all(|who| {
                is_allowed(action, &|own| texts(&own["AWS"]).any(|one| account_of(one) == account_of(who)))
            })
    })
}

/// Returns the account of a principal, which is an account or an ARN. A role of the account may be the one that sends.
fn account_of(principal: &str) -> &str {
    principal.split(':').nth(4).unwrap_or(principal)
}

/// Returns the texts of a text or a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().filter_map(Value::as_str)
}

/// Returns whether a pattern of an action, with `*`, matches one. IAM ignores the case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    // An action of ours may end with `*` too, and then nothing less may be allowed.
    let mut rest = action.as_str();
    let mut parts = pattern.split('*');
    let Some(after) = rest.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    rest = after;
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
