//! The edits that may make a property of a resource have a value, the likeliest first.

use std::collections::BTreeSet;

use deployer_cfn::template::{logical_id, yaml_quoted, yaml_scalar};
use deployer_lang::model::Kind;
use deployer_lang::model::properties::{Property, Shape};
use deployer_syntax::edit::{Edit, remove, set};
use deployer_syntax::units;
use deployer_syntax::yaml::{self, Node};
use serde_json::Value;

use super::{Drifted, File, Place, actual, steps};

/// Depth to which properties of the language are tried that the file doesn't give.
const DEEPEST: usize = 3;

/// The edits for one property.
pub(super) struct Candidates<'a> {
    file: &'a File,
    place: &'a Place<'a>,
    resource: &'a str,
    drifted: &'a Drifted<'a>,
}

/// A single value of the file.
struct Leaf {
    keys: Vec<String>,
    text: String,
}

impl<'a> Candidates<'a> {
    pub(super) const fn new(
        file: &'a File,
        place: &'a Place<'a>,
        resource: &'a str,
        drifted: &'a Drifted<'a>,
    ) -> Self {
        Self { file, place, resource, drifted }
    }

    /// Returns the edits, those of each candidate in the order of the text.
    pub(super) fn edits(&self) -> Vec<Vec<Edit>> {
        let mut out = match self.file.kind(self.resource) {
            Some(Kind::Raw(_)) | None => self.raw(),
            Some(kind) => self.typed(kind),
        };
        for edits in &mut out {
            edits.sort_by_key(|edit| edit.span);
        }
        out
    }

    fn keys(&self, rest: &[String]) -> Vec<String> {
        let own = ["resources", self.resource].map(str::to_owned);
        own.into_iter().chain(rest.iter().cloned()).collect()
    }

    fn set(&self, keys: &[String], value: &str) -> Option<Edit> {
        set(&self.file.source, &self.file.root, keys, value)
    }

    /// Returns the edits of a resource with CloudFormation's own properties.
    fn raw(&self) -> Vec<Vec<Edit>> {
        let path: Vec<String> =
            std::iter::once("properties".to_owned()).chain(steps(self.drifted.path)).collect();
        let keys = self.keys(&path);
        if self.drifted.kind == "REMOVE" {
            return remove(&self.file.source, &self.file.root, &keys)
                .map(|edit| vec![edit])
                .into_iter()
                .collect();
        }
        let value = actual(self.drifted.actual);
        // The language reads `${` as the beginning of a reference.
        if self.drifted.actual.contains("${") {
            return Vec::new();
        }
        let mut texts = match &value {
            Value::String(text) => vec![yaml_scalar(text), yaml_quoted(text)],
            other => vec![other.to_string(), yaml_quoted(self.drifted.actual)],
        };
        texts.dedup();
        let mut out = Vec::new();
        if let Some(old) = self.leaf(&keys) {
            out.extend(self.in_config(&old, &texts));
            out.extend(texts.iter().filter_map(|text| Some(vec![self.set(&keys, text)?])));
            out.extend(self.by_config(&Leaf { keys, text: old }, &texts));
        } else {
            out.extend(texts.iter().filter_map(|text| Some(vec![self.set(&keys, text)?])));
        }
        out
    }

    /// Returns the edits of a resource of the language.
    fn typed(&self, kind: Kind) -> Vec<Vec<Edit>> {
        let Some(entry) = self.file.document.resource(self.resource) else { return Vec::new() };
        let mut leaves = Vec::new();
        collect(&entry.value, &mut self.keys(&[]), &mut leaves);
        leaves.retain(|leaf| leaf.keys.len() > 3);
        let mut out = Vec::new();
        if self.drifted.kind == "REMOVE" {
            let removed =
                leaves.iter().filter_map(|leaf| remove(&self.file.source, &self.file.root, &leaf.keys));
            out.extend(removed.map(|edit| vec![edit]));
        }
        let forms = forms(self.drifted.actual);
        let texts: Vec<String> = forms.iter().map(|form| yaml_scalar_of(form)).collect();
        // A value from which the deployed one is made, and a reference to a config value, which may be.
        let likely = |leaf: &&Leaf| {
            meanings(&leaf.text).contains(self.drifted.expected) || config_of(&leaf.text).is_some()
        };
        for leaf in leaves.iter().filter(likely) {
            out.extend(self.in_config(&leaf.text, &texts));
            if config_of(&leaf.text).is_none() {
                out.extend(texts.iter().filter_map(|text| Some(vec![self.set(&leaf.keys, text)?])));
            }
        }
        for leaf in leaves.iter().filter(likely).filter(|leaf| config_of(&leaf.text).is_none()) {
            out.extend(self.by_config(leaf, &texts));
        }
        let given: BTreeSet<&[String]> = leaves.iter().map(|leaf| leaf.keys.as_slice()).collect();
        let mut properties = Vec::new();
        let start = self.keys(&["properties".to_owned()]);
        describe(&kind.properties(), &start, 1, &mut properties);
        // A word, or a yes or no, that the file has.
        for (keys, property) in &properties {
            if given.contains(keys.as_slice()) {
                let others = words(&property.shape);
                out.extend(others.iter().filter_map(|word| Some(vec![self.set(keys, word)?])));
                if let Some(leaf) = leaves.iter().find(|leaf| leaf.keys == *keys) {
                    out.extend(self.by_config(leaf, &others));
                }
            }
        }
        // A default that the file doesn't have.
        for (keys, property) in properties.iter().filter(|(keys, _)| !given.contains(keys.as_slice())) {
            let fitting = fitting(&property.shape, &forms);
            out.extend(fitting.iter().filter_map(|text| Some(vec![self.set(keys, text)?])));
            if let Some(default) = &property.default {
                out.extend(self.by_config(&Leaf { keys: keys.clone(), text: default.clone() }, &fitting));
            }
        }
        out
    }

    /// Returns the text of a single value of the file.
    fn leaf(&self, keys: &[String]) -> Option<String> {
        let mut node = &self.file.root;
        for key in keys {
            node = match &node.value {
                yaml::Value::Mapping(entries) => &entries.iter().find(|entry| entry.key == *key)?.value,
                yaml::Value::Sequence(items) => items.get(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match &node.value {
            yaml::Value::Scalar { text, .. } if !node.is_null() => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns the edits that give a config value, to which a text refers, another value in the stack.
    fn in_config(&self, text: &str, values: &[String]) -> Vec<Vec<Edit>> {
        let Some(name) = config_of(text) else { return Vec::new() };
        let keys = ["stacks", self.place.stack, "config", name].map(str::to_owned);
        values.iter().filter_map(|value| Some(vec![self.set(&keys, value)?])).collect()
    }

    /// Returns the edits that make a config value of a single value, with another one in the stack, if the file has several stacks.
    fn by_config(&self, leaf: &Leaf, values: &[String]) -> Vec<Vec<Edit>> {
        let (Some(last), false) = (leaf.keys.last(), self.file.templates.len() < 2) else {
            return Vec::new();
        };
        let name = lower_first(&format!("{}{}", logical_id(self.resource), logical_id(last)));
        let declared = ["config", &name].map(str::to_owned);
        let of_stack = ["stacks", self.place.stack, "config", &name].map(str::to_owned);
        // A name that is taken, and a text with references, stay as they are.
        if self.leaf(&[declared[0].clone(), name.clone(), "type".to_owned()]).is_some()
            || leaf.text.contains("${")
        {
            return Vec::new();
        }
        let edits = |value: &String| {
            let kind = kind_of(&leaf.text, value.trim_matches('"'))?;
            let declaration = format!("{{ type: {kind}, default: {} }}", yaml_scalar_of(&leaf.text));
            Some(vec![
                self.set(&leaf.keys, &format!("\"${{config.{name}}}\""))?,
                self.set(&declared, &declaration)?,
                self.set(&of_stack, value)?,
            ])
        };
        values.iter().filter_map(edits).collect()
    }
}

/// Returns the name in `${config.name}`, if a text is nothing else.
fn config_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${config.")?.strip_suffix('}')?;
    (!name.is_empty() && !name.contains(['$', '{', '}', '.'])).then_some(name)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

/// Returns the type of a config value that both texts can be.
fn kind_of(old: &str, new: &str) -> Option<&'static str> {
    type Fits = fn(&str) -> bool;
    let both = |fits: Fits| fits(old) && fits(new);
    let kinds: [(&str, Fits); 5] = [
        ("duration", |text| units::parse_duration(text).is_some()),
        ("size", |text| units::parse_size(text).is_some()),
        ("integer", |text| units::integer(text).is_some()),
        ("boolean", |text| matches!(text, "true" | "false")),
        ("string", |text| !text.is_empty()),
    ];
    kinds.into_iter().find(|(_, fits)| both(*fits)).map(|(kind, _)| kind)
}

fn collect(node: &Node, keys: &mut Vec<String>, out: &mut Vec<Leaf>) {
    match &node.value {
        yaml::Value::Scalar { text, .. } if !node.is_null() => {
            out.push(Leaf { keys: keys.clone(), text: text.clone() });
        }
        yaml::Value::Mapping(entries) => {
            for entry in entries {
                keys.push(entry.key.clone());
                collect(&entry.value, keys, out);
                keys.pop();
            }
        }
        yaml::Value::Sequence(items) => {
            for (at, item) in items.iter().enumerate() {
                keys.push(at.to_string());
                collect(item, keys, out);
                keys.pop();
            }
        }
        _ => {}
    }
}

/// Lists properties with the keys to them, also those of mappings in them.
fn describe(properties: &[Property], keys: &[String], depth: usize, out: &mut Vec<(Vec<String>, Property)>) {
    for property in properties {
        let mut own = keys.to_vec();
        own.push(property.name.to_owned());
        if let Shape::Object(inner) = &property.shape
            && depth < DEEPEST
        {
            describe(inner, &own, depth + 1, out);
        }
        out.push((own, property.clone()));
    }
}

/// Returns the words that a property takes.
fn words(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Boolean => ["true", "false"].map(str::to_owned).to_vec(),
        Shape::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        Shape::WordOrInteger(word, ..) => vec![(*word).to_owned()],
        Shape::Either(shapes) => shapes.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// Returns the forms of a value that a property takes.
fn fitting(shape: &Shape, forms: &[String]) -> Vec<String> {
    let of = |fits: fn(&str) -> bool| forms.iter().filter(|form| fits(form)).cloned().collect::<Vec<_>>();
    match shape {
        Shape::Duration(..) => of(|form| units::parse_duration(form).is_some()),
        Shape::Size(..) => of(|form| units::parse_size(form).is_some()),
        Shape::Integer(..) => of(|form| units::integer(form).is_some()),
        Shape::WordOrInteger(..) => {
            let mut out = of(|form| units::integer(form).is_some());
            out.extend(words(shape));
            out
        }
        Shape::Boolean | Shape::Choice(_) => words(shape),
        Shape::String | Shape::Text => forms.first().map(|text| yaml_scalar_of(text)).into_iter().collect(),
        Shape::Either(shapes) => shapes.iter().flat_map(|shape| fitting(shape, forms)).collect(),
        _ => Vec::new(),
    }
}

/// The units of durations and sizes in which CloudFormation counts: seconds, minutes, hours, days; bytes, KiB, MiB, GiB.
const SECONDS: [u64; 4] = [1, 60, 3_600, 86_400];
const BYTES: [u64; 4] = [1, 1 << 10, 1 << 20, 1 << 30];

/// Returns the texts by which the language may say a value of CloudFormation.
fn forms(value: &str) -> Vec<String> {
    let mut out = Vec::new();
    if let Ok(number) = value.parse::<u64>() {
        let times = |units: [u64; 4], show: fn(u64) -> String| {
            units.into_iter().filter_map(move |unit| number.checked_mul(unit)).map(show).collect::<Vec<_>>()
        };
        out.push(value.to_owned());
        out.extend(times(SECONDS, units::show_duration));
        out.extend(times(BYTES, units::show_size));
    } else if !value.contains("${") && !value.contains('\n') {
        out.push(value.to_owned());
    }
    out.dedup();
    out
}

/// Returns the values of CloudFormation that a text of the language may mean.
fn meanings(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::from([text.to_owned()]);
    for (number, units) in [(units::parse_duration(text), SECONDS), (units::parse_size(text), BYTES)] {
        if let Some(number) = number {
            out.extend(
                units.iter().filter(|unit| number % **unit == 0).map(|unit| (number / unit).to_string()),
            );
        }
    }
    out
}

/// Returns a value as the file writes it: a number, a boolean, a duration or a size as it is, all else as a text.
fn yaml_scalar_of(text: &str) -> String {
    let plain = matches!(text, "true" | "false")
        || units::integer(text).is_some()
        || units::parse_duration(text).is_some()
        || units::parse_size(text).is_some();
    if plain { text.to_owned() } else { yaml_scalar(text) }
}
