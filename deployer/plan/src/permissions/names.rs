//! The names of a template's resources, as far as they are known before a deployment, and the ARNs made of them.
//!
//! Most names are made by CloudFormation: `STACK-LOGICALID-RANDOM`. So the name of the stack, with `*` behind it, is as
//! exact as a policy can be that is written before the stack is created.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::permissions::published;
use serde_json::Value;

use super::Place;
use super::rules::{Naming, rules};
use crate::resolve::{MAX_DEPTH as MAX_DEPTH_OF_VALUES, SubPiece, function, sub_pieces};

/// Characters of a stack's name that CloudFormation leaves in a name that would otherwise be too long: the rest is
/// its own, and this is the shortest beginning that was seen in names of roles and functions, which have 64.
const LEAST_OF_STACK: usize = 24;
/// Depth of references between names.
const MAX_DEPTH: usize = 8;
/// The name of anything.
const ANY: &str = "*";

/// A resource of a template with what is known of its properties.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) properties: Value,
}

/// The resources of a template, and the place that they are made for.
pub(super) struct Names<'a> {
    pub(super) place: &'a Place,
    pub(super) stack: &'a str,
    pub(super) resources: Vec<Resource>,
    /// The names of all resources that the template has or names.
    all: NamesByKind,
    /// Those of the template's own resources.
    own: NamesByKind,
}

/// Kind of resource → names; each in as many pieces as the ARN takes.
type NamesByKind = BTreeMap<&'static str, BTreeSet<Vec<String>>>;

impl<'a> Names<'a> {
    pub(super) fn new(place: &'a Place, stack: &'a str, resources: Vec<Resource>) -> Self {
        let mut names = Self { place, stack, resources, all: BTreeMap::new(), own: BTreeMap::new() };
        let (mut all, mut own) = (NamesByKind::new(), NamesByKind::new());
        for resource in &names.resources {
            if let Some(naming) = rules().names.get(&resource.kind) {
                let kind = kind_of(resource, naming);
                let found = names.of(resource, 0);
                if !naming.belongs {
                    own.entry(kind).or_default().extend(found.iter().cloned());
                }
                all.entry(kind).or_default().extend(found);
            }
        }
        names.add_keys(&mut all);
        (names.all, names.own) = (all, own);
        names
    }

    /// Adds the keys that the properties of resources name by their ARNs. Any other name of a key stands for every key of the
    /// account.
    fn add_keys(&self, all: &mut NamesByKind) {
        let mut values = Vec::new();
        self.resources.iter().for_each(|one| key_values(&one.properties, &mut values, 0));
        let named: BTreeSet<Vec<String>> =
            values.iter().filter_map(|value| key_arn(value)).map(|text| vec![literal(text)]).collect();
        if named.is_empty() {
            return;
        }
        let of_aws = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("alias/aws/"));
        let has_others = values.iter().any(|value| key_arn(value).is_none() && !of_aws(value));
        let keys = all.entry("kms:key").or_default();
        keys.extend(named);
        if has_others {
            keys.insert(Vec::new());
        }
    }

    /// Returns the resources of a type.
    pub(super) fn of_type(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    /// Returns whether the template has a resource of a kind, or one that names such a resource.
    pub(super) fn has(&self, kind: &str) -> bool {
        self.all.contains_key(owner(kind))
    }

    /// Returns whether the template has a resource of a kind.
    pub(super) fn owns(&self, kind: &str) -> bool {
        self.own.contains_key(owner(kind))
    }

    /// Returns the ARNs of the resources of a kind that the template has or names.
    pub(super) fn arns(&self, kind: &str) -> Vec<String> {
        self.arns_of(kind, &self.all)
    }

    /// Returns the ARNs of the template's own resources of a kind.
    pub(super) fn own_arns(&self, kind: &str) -> Vec<String> {
        self.arns_of(kind, &self.own)
    }

    fn arns_of(&self, kind: &str, names: &NamesByKind) -> Vec<String> {
        let Some(form) = published().arn(kind) else { return vec![ANY.to_owned()] };
        let mut out = BTreeSet::new();
        match names.get(owner(kind)) {
            Some(names) => {
                for name in names {
                    let arn = self.place.fill(form, name);
                    // Streams of a log group have an ARN that begins with that of the group.
                    if kind == "logs:log-group" && !arn.ends_with('*') {
                        out.insert(format!("{arn}:*"));
                    }
                    out.insert(arn);
                }
            }
            None => drop(out.insert(self.place.fill(form, &[]))),
        }
        out.into_iter().collect()
    }

    /// Returns the names of a resource by its properties, each in the pieces that its ARN takes.
    fn of(&self, resource: &Resource, depth: usize) -> Vec<Vec<String>> {
        let Some(naming) = rules().names.get(&resource.kind) else { return Vec::new() };
        let mut out = vec![Vec::new()];
        for property in &naming.by {
            let values = match (&resource.properties[property.as_str()], property.as_str()) {
                // Rules and schedules without the name of a bus or group belong to the default one.
                (Value::Null, "EventBusName") => continue,
                (Value::Null, "GroupName") => vec!["default".to_owned()],
                (Value::Null, _) => vec![self.generated(naming.kind.as_str())],
                (value, "EventBusName") if value == "default" && resource.kind.ends_with("::Rule") => {
                    continue;
                }
                (value, _) => self.patterns(value, depth),
            };
            let extended = |name: &Vec<String>| {
                let values = values.iter();
                values
                    .map(|value| [name.as_slice(), std::slice::from_ref(value)].concat())
                    .collect::<Vec<_>>()
            };
            out = out.iter().flat_map(extended).collect();
        }
        if resource.kind == "AWS::IAM::Role" {
            let path = match &resource.properties["Path"] {
                Value::Null => String::new(),
                Value::String(path) => path.trim_start_matches('/').replace(['*', '?', '$'], "?"),
                _ => ANY.to_owned(),
            };
            for name in out.iter_mut().filter_map(|name| name.last_mut()) {
                *name = joined([path.as_str(), name]);
            }
        }
        // Names of parameters are paths, and their ARN has the slash already; so have aliases their prefix.
        if let "AWS::SSM::Parameter" | "AWS::KMS::Alias" = resource.kind.as_str() {
            for name in out.iter_mut().filter_map(|name| name.last_mut()) {
                *name = name.trim_start_matches("alias/").trim_start_matches('/').to_owned();
            }
        }
        out
    }

    /// Returns the name that CloudFormation makes for a resource of this stack.
    pub(super) fn generated(&self, kind: &str) -> String {
        let name = match self.stack.get(..LEAST_OF_STACK) {
            Some(start) if self.stack.len() > LEAST_OF_STACK => format!("{start}*"),
            _ => format!("{}-*", self.stack),
        };
        if kind == "s3:bucket" { name.to_ascii_lowercase() } else { name }
    }

    /// Returns the names that a value stands for, with `*` for unknown parts.
    pub(super) fn patterns(&self, value: &Value, depth: usize) -> Vec<String> {
        if depth > MAX_DEPTH {
            return vec![ANY.to_owned()];
        }
        if let Value::Array(items) = value {
            return items.iter().flat_map(|item| self.patterns(item, depth + 1)).collect();
        }
        if let Some(text) = value.as_str() {
            return vec![literal(text)];
        }
        let own = |id: &str| self.resources.iter().find(|resource| resource.id == id);
        match function(value) {
            Some(("Ref", Value::String(id))) => self.referred(own(id), depth),
            Some(("Fn::GetAtt", path)) => self.referred(path[0].as_str().and_then(own), depth),
            Some(("Fn::Sub", Value::String(text))) => {
                let piece = |piece| match piece {
                    SubPiece::Text(text) => text,
                    SubPiece::Name(_) => ANY,
                };
                vec![literal(&joined(sub_pieces(text).map(piece)))]
            }
            Some(("Fn::Join", argument)) if argument[0] == "" => {
                let pieces = argument[1].as_array().into_iter().flatten();
                vec![literal(&joined(pieces.map(|piece| piece.as_str().unwrap_or(ANY))))]
            }
            _ => vec![ANY.to_owned()],
        }
    }

    fn referred(&self, resource: Option<&Resource>, depth: usize) -> Vec<String> {
        let names = resource.map(|resource| self.of(resource, depth + 1)).unwrap_or_default();
        let names: Vec<String> = names.into_iter().filter_map(|mut name| name.pop()).collect();
        if names.is_empty() { vec![ANY.to_owned()] } else { names }
    }

    /// Returns the ARNs of the roles in a value.
    pub(super) fn roles(&self, value: &Value) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        self.add_roles(value, &mut out, 0);
        out
    }

    fn add_roles(&self, value: &Value, out: &mut BTreeSet<String>, depth: usize) {
        if depth > MAX_DEPTH_OF_VALUES {
            return;
        }
        let form = published().arn("iam:role").unwrap_or(ANY);
        match (value, function(value)) {
            (_, Some(("Ref" | "Fn::GetAtt", target))) => {
                let id = target.as_str().or_else(|| target[0].as_str());
                let role = |resource: &&Resource| {
                    resource.kind == "AWS::IAM::Role" && Some(resource.id.as_str()) == id
                };
                for role in self.resources.iter().filter(role) {
                    out.extend(self.of(role, 0).iter().map(|name| self.place.fill(form, name)));
                }
            }
            (Value::String(text), _) | (_, Some(("Fn::Sub", Value::String(text))))
                if text.contains(":role/") =>
            {
                let (start, name) = text.split_once(":role/").unwrap_or_default();
                let piece = |piece| match piece {
                    SubPiece::Text(text) => text,
                    SubPiece::Name(_) => ANY,
                };
                let name = joined(sub_pieces(name).map(piece)).replace('$', "?");
                let start = joined(sub_pieces(start).map(piece));
                out.insert(self.place.fill(form, &[format!("{start}:{name}")]));
            }
            (Value::Array(items), _) => items.iter().for_each(|item| self.add_roles(item, out, depth + 1)),
            (Value::Object(map), None) => {
                map.values().for_each(|inner| self.add_roles(inner, out, depth + 1))
            }
            _ => {}
        }
    }
}

/// Returns the kind whose names the ARNs of a kind begin with: indexes, streams, objects and tasks belong to something.
fn owner(kind: &str) -> &str {
    match kind {
        "s3:object" => "s3:bucket",
        "logs:log-stream" => "logs:log-group",
        "ecs:task" | "ecs:service" => "ecs:cluster",
        "dynamodb:index" | "dynamodb:stream" | "dynamodb:import" => "dynamodb:table",
        other => other,
    }
}

/// Returns the kind of a resource. A rule on the default bus has another form of ARN than one on a bus with a name.
pub(super) fn kind_of(resource: &Resource, naming: &'static Naming) -> &'static str {
    let bus = &resource.properties["EventBusName"];
    if resource.kind == "AWS::Events::Rule" && (bus.is_null() || bus == "default") {
        return "events:rule-on-default-event-bus";
    }
    &naming.kind
}

/// Returns a value that is the ARN of a key.
fn key_arn(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| text.starts_with("arn:") && text.contains(":key/"))
}

/// Adds the values of properties that name a key of KMS, such as `KmsMasterKeyId`.
fn key_values<'v>(value: &'v Value, out: &mut Vec<&'v Value>, depth: usize) {
    if depth > MAX_DEPTH_OF_VALUES {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let name = name.to_ascii_lowercase();
                let is_key = name.contains("kms") && name.contains("key");
                match inner {
                    Value::String(_) if is_key => out.push(inner),
                    Value::Object(_) if is_key && function(inner).is_some() => out.push(inner),
                    _ => key_values(inner, out, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| key_values(item, out, depth + 1)),
        _ => {}
    }
}

/// Returns the name in a text that may be an ARN or a URL. The name of a resource of another place has the ARN before it, up to
/// the account, which [`Place::fill`] takes off.
fn literal(text: &str) -> String {
    let name = name_in(text);
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, service, region, account, _] if !account.is_empty() => {
            format!("arn:{partition}:{service}:{region}:{account}:{name}")
        }
        _ => match text.split('/').collect::<Vec<_>>().as_slice() {
            // The URL of a queue.
            ["https:", "", host, account, _] if host.starts_with("sqs.") => {
                let region = host.split('.').nth(1).unwrap_or(ANY);
                format!("arn:{ANY}:sqs:{region}:{account}:{name}")
            }
            _ => name,
        },
    }
}

fn name_in(text: &str) -> String {
    let name = match text {
        // Names of buses of partners have slashes.
        _ if text.starts_with("arn:") && text.contains(":event-bus/") => {
            text.split_once(":event-bus/").map_or(text, |(_, name)| name)
        }
        _ if text.starts_with("arn:") => text.rsplit([':', '/']).next().unwrap_or(text),
        _ if text.starts_with("https:") => text.rsplit('/').next().unwrap_or(text),
        _ => text,
    };
    // These letters mean something in a policy, and are in no name.
    name.replace(['?', '$'], "?")
}

/// Joins pieces of a name, with one `*` in the place of several.
fn joined<'t>(pieces: impl IntoIterator<Item = &'t str>) -> String {
    let mut out = String::new();
    for piece in pieces {
        let piece = if out.ends_with(ANY) { piece.trim_start_matches(ANY) } else { piece };
        out.push_str(piece);
    }
    out
}

impl Place {
    /// Returns an ARN by its form: the place, then the names, then `*` for each name that is not known.
    pub(super) fn fill(&self, form: &str, names: &[String]) -> String {
        let (mut partition, mut region, mut account) =
            (self.partition.as_str(), self.region.as_str(), self.account.as_str());
        let mut own = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let parts: Vec<&str> = name.splitn(6, ':').collect();
            let ["arn", of, _, at, by, name] = parts[..] else {
                own.push(name.as_str());
                continue;
            };
            // Parts that a parameter of the template gives are those of the stack, as far as anybody knows.
            let is_known = |text: &str| !matches!(text, "" | ANY);
            // What belongs to something, such as a rule to a bus, is in the account of the stack.
            if index + 1 == names.len() {
                partition = if is_known(of) { of } else { partition };
                region = if is_known(at) { at } else { region };
                account = if is_known(by) { by } else { account };
            }
            own.push(name);
        }
        let mut names = own.into_iter();
        let pieces: Vec<&str> = sub_pieces(form)
            .map(|piece| match piece {
                SubPiece::Text(text) => text,
                SubPiece::Name("Partition") => partition,
                SubPiece::Name("Region") => region,
                SubPiece::Name("Account") => account,
                SubPiece::Name(_) => names.next().unwrap_or(ANY),
            })
            .collect();
        joined(pieces)
    }
}
