//! The CloudFormation template as data: resources, parameters and outputs in a stable order.
//!
//! Intrinsic functions are types, and [`Template::check`] finds a reference to nothing before CloudFormation does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use deployer_syntax::number::Exact;
use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::{Value, json};

use self::references::{targets, tested_conditions};
use self::yaml::write_yaml;

mod references;
mod yaml;

pub use self::references::{
    attributes, conditions_of, has_macros, has_named_iam, references, rename, replace_references, sub_text,
};
pub use self::yaml::{yaml_quoted, yaml_scalar};

/// A template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// `Transform`: a name, or a list of names and mappings.
    pub transform: Option<Value>,
    /// `Description`.
    pub description: Option<String>,
    /// `Metadata`.
    pub metadata: Option<Value>,
    /// Sections that only a macro reads, by name, such as `Globals`.
    pub sections: Vec<(String, Value)>,
    /// `Parameters`: name → type, description and constraint.
    pub parameters: Vec<(String, Value)>,
    /// `Rules`: name → condition and assertions.
    pub rules: Vec<(String, Value)>,
    /// `Mappings`: name → key → key → text or list.
    pub mappings: Vec<(String, Value)>,
    /// `Conditions`: name → condition function.
    pub conditions: Vec<(String, Value)>,
    /// `Resources` in the order of the file.
    pub resources: Vec<(String, Resource)>,
    /// Loops among the resources: `Fn::ForEach::Name` → its arguments.
    pub loops: Vec<(String, Value)>,
    /// `Outputs`: name → value and description.
    pub outputs: Vec<(String, Value)>,
}

/// One resource of a template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// `Type`.
    pub kind: &'static str,
    /// Name in `stack.yaml` of the resource that it was made for.
    pub origin: String,
    /// `Condition`.
    pub condition: Option<String>,
    /// `DependsOn`.
    pub depends_on: Vec<String>,
    /// `Metadata`.
    pub metadata: Option<Value>,
    /// `DeletionPolicy` and `UpdateReplacePolicy`.
    pub policy: Option<Policy>,
    /// Other attributes by name, such as `CreationPolicy`; also the two policies when they differ from any [`Policy`].
    pub attributes: Vec<(String, Value)>,
    /// `Properties`.
    pub properties: Value,
}

/// The policy for a resource that leaves the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Deletion.
    Delete,
    /// Retention.
    Retain,
    /// Retention, unless the operation that created the resource fails: a failed first deployment leaves nothing that
    /// would be in the way of the next one.
    RetainExceptOnCreate,
}

/// `{"Ref": …}`: a parameter, pseudo parameter, or a resource's primary identifier.
#[derive(Debug, Clone, Copy)]
pub struct Ref<S>(pub S);

/// `{"Fn::GetAtt": [resource, attribute]}`.
#[derive(Debug, Clone, Copy)]
pub struct GetAtt<S>(pub S, pub &'static str);

/// `{"Fn::Sub": …}`; `${Name}` and `${Name.Attribute}` are references.
#[derive(Debug, Clone, Copy)]
pub struct Sub<S>(pub S);

impl<S: AsRef<str>> Serialize for Ref<S> {
    fn serialize<T: serde::Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        function(serializer, "Ref", self.0.as_ref())
    }
}

impl<S: AsRef<str>> Serialize for GetAtt<S> {
    fn serialize<T: serde::Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        function(serializer, "Fn::GetAtt", &[self.0.as_ref(), self.1])
    }
}

impl<S: AsRef<str>> Serialize for Sub<S> {
    fn serialize<T: serde::Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        function(serializer, "Fn::Sub", self.0.as_ref())
    }
}

/// Writes a mapping of one entry, as every intrinsic function is.
fn function<T: serde::Serializer>(
    serializer: T,
    name: &str,
    argument: &(impl Serialize + ?Sized),
) -> Result<T::Ok, T::Error> {
    let mut out = serializer.serialize_map(Some(1))?;
    out.serialize_entry(name, argument)?;
    out.end()
}

/// Returns the logical ID of a name in `stack.yaml`: its words in capitals, without `-` and `_`.
#[must_use]
pub fn logical_id(name: &str) -> String {
    name.split(['-', '_'])
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

/// A reference in a template to something that is not in it. A defect of the lowering, never of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{from}` refers to `{to}`, which is not in the template")]
pub struct DanglingReference {
    /// Resource or output that refers.
    pub from: String,
    /// The name that it refers to.
    pub to: String,
}

/// A reference to something that is not there whenever its condition is false: CloudFormation refuses it then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConditionalReference {
    /// Resource or output that refers.
    pub from: String,
    /// The resource that it refers to.
    pub to: String,
    /// The condition of that resource.
    pub condition: String,
}

impl Template {
    /// Returns whether macros may add to the template: all of it, or one of its sections.
    #[must_use]
    pub fn has_macros(&self) -> bool {
        let sections = [&self.mappings, &self.conditions, &self.loops, &self.outputs];
        let includes =
            |section: &&Vec<(String, Value)>| section.iter().any(|(key, _)| key == "Fn::Transform");
        self.transform.is_some() || !self.loops.is_empty() || sections.iter().any(includes)
    }

    /// Returns every reference to something that is not in the template.
    #[must_use]
    pub fn check(&self) -> Vec<DanglingReference> {
        let known: BTreeSet<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(self.resources.iter().map(|(id, _)| id.as_str()))
            .collect();
        let mut dangling = Vec::new();
        // A macro may add what the template refers to.
        if self.has_macros() {
            return dangling;
        }
        let mut look = |from: &str, value: &Value| {
            references(value, &mut |to| {
                if !to.starts_with("AWS::") && !known.contains(to) {
                    dangling.push(DanglingReference { from: from.to_owned(), to: to.to_owned() });
                }
            });
        };
        for (id, resource) in &self.resources {
            look(id, &resource.properties);
            resource.depends_on.iter().for_each(|to| look(id, &json!(Ref(to))));
        }
        for (name, value) in self.conditions.iter().chain(&self.outputs) {
            look(name, value);
        }
        let conditions: BTreeSet<&str> = self.conditions.iter().map(|(name, _)| name.as_str()).collect();
        let mut named = |from: &str, condition: &str| {
            if !conditions.contains(condition) {
                dangling.push(DanglingReference { from: from.to_owned(), to: condition.to_owned() });
            }
        };
        for (id, resource) in &self.resources {
            resource.condition.iter().for_each(|condition| named(id, condition));
            tested_conditions(&resource.properties, &mut |condition| named(id, condition));
        }
        for (name, condition) in &self.conditions {
            conditions_of(condition, &mut |to| named(name, to));
        }
        for (name, output) in &self.outputs {
            output["Condition"].as_str().into_iter().for_each(|condition| named(name, condition));
        }
        dangling
    }

    /// Returns the references to resources with a condition from places where that condition need not hold, each once.
    ///
    /// `DependsOn` is not one of them: CloudFormation waits for nothing if the resource isn't there.
    #[must_use]
    pub fn conditional_references(&self) -> BTreeSet<ConditionalReference> {
        let guarded: BTreeMap<&str, &str> = self
            .resources
            .iter()
            .filter_map(|(id, resource)| Some((id.as_str(), resource.condition.as_deref()?)))
            .collect();
        let mut found = BTreeSet::new();
        if guarded.is_empty() {
            return found;
        }
        let mut look = |from: &str, condition: Option<&str>, value: &Value| {
            let mut holding = BTreeSet::new();
            if let Some(condition) = condition {
                self.follow(condition, true, &mut holding);
            }
            self.unguarded(
                value,
                &holding,
                &mut |to| {
                    if let Some(condition) = guarded.get(to) {
                        found.insert(ConditionalReference {
                            from: from.to_owned(),
                            to: to.to_owned(),
                            condition: (*condition).to_owned(),
                        });
                    }
                },
                &guarded,
            );
        };
        for (id, resource) in &self.resources {
            look(id, resource.condition.as_deref(), &resource.properties);
        }
        for (name, output) in &self.outputs {
            look(name, output["Condition"].as_str(), &output["Value"]);
        }
        found
    }

    /// Adds the facts that are known once a condition holds or does not: conditions by name, with whether they hold.
    fn follow<'t>(&'t self, name: &'t str, holds: bool, known: &mut BTreeSet<(&'t str, bool)>) {
        if !known.insert((name, holds)) {
            return;
        }
        if let Some((_, value)) = self.conditions.iter().find(|(candidate, _)| candidate == name) {
            self.follow_value(value, holds, known);
        }
    }

    fn follow_value<'t>(&'t self, value: &'t Value, holds: bool, known: &mut BTreeSet<(&'t str, bool)>) {
        let Some((function, inner)) = value.as_object().and_then(|map| map.iter().next()) else { return };
        match (function.as_str(), inner) {
            ("Condition", Value::String(name)) => self.follow(name, holds, known),
            ("Fn::Not", Value::Array(items)) => {
                items.iter().for_each(|item| self.follow_value(item, !holds, known));
            }
            ("Fn::And", Value::Array(items)) if holds => {
                items.iter().for_each(|item| self.follow_value(item, true, known));
            }
            ("Fn::Or", Value::Array(items)) if !holds => {
                items.iter().for_each(|item| self.follow_value(item, false, known));
            }
            _ => {}
        }
    }

    /// Collects the references of a value to resources whose condition is not known to hold there.
    fn unguarded<'t>(
        &'t self,
        value: &'t Value,
        holding: &BTreeSet<(&'t str, bool)>,
        found: &mut impl FnMut(&str),
        guarded: &BTreeMap<&str, &str>,
    ) {
        match value {
            Value::Object(map) => match map.get("Fn::If").and_then(Value::as_array).map(Vec::as_slice) {
                Some([Value::String(condition), then, otherwise]) if map.len() == 1 => {
                    for (branch, holds) in [(then, true), (otherwise, false)] {
                        let mut holding = holding.clone();
                        self.follow(condition, holds, &mut holding);
                        self.unguarded(branch, &holding, found, guarded);
                    }
                }
                _ => {
                    targets(map, &mut |to| {
                        if guarded.get(to).is_some_and(|condition| !holding.contains(&(*condition, true))) {
                            found(to);
                        }
                    });
                    map.values().for_each(|inner| self.unguarded(inner, holding, found, guarded));
                }
            },
            Value::Array(items) => {
                items.iter().for_each(|item| self.unguarded(item, holding, found, guarded));
            }
            _ => {}
        }
    }

    /// Replaces logical IDs by other names, everywhere at once.
    pub fn rename(&mut self, names: &BTreeMap<String, String>) {
        if names.is_empty() {
            return;
        }
        let change = |id: &mut String| {
            if let Some(new) = names.get(id) {
                id.clone_from(new);
            }
        };
        for (id, resource) in &mut self.resources {
            change(id);
            resource.depends_on.iter_mut().for_each(change);
            rename(&mut resource.properties, names);
            resource.metadata.iter_mut().for_each(|metadata| rename(metadata, names));
            resource.attributes.iter_mut().for_each(|(_, value)| rename(value, names));
        }
        self.loops.iter_mut().for_each(|(_, value)| rename(value, names));
        self.outputs.iter_mut().for_each(|(_, output)| rename(output, names));
    }

    /// Replaces references by texts of `Fn::Sub`, everywhere: `Name` and `Name.Attribute` → text.
    pub fn replace_references(&mut self, texts: &BTreeMap<String, String>) {
        for (_, resource) in &mut self.resources {
            replace_references(&mut resource.properties, texts);
            resource.metadata.iter_mut().for_each(|metadata| replace_references(metadata, texts));
            resource.attributes.iter_mut().for_each(|(_, value)| replace_references(value, texts));
        }
        self.loops.iter_mut().for_each(|(_, value)| replace_references(value, texts));
        self.outputs.iter_mut().for_each(|(_, output)| replace_references(output, texts));
    }

    /// Returns resources that wait for each other, as a path from one of them back to itself.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<String>> {
        let mut edges: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, resource) in &self.resources {
            let targets = edges.entry(id).or_default();
            references(&resource.properties, &mut |to| targets.push(to.to_owned()));
            targets.extend(resource.depends_on.iter().cloned());
        }
        circle(&edges)
    }

    /// Returns the template as CloudFormation takes it, for comparisons; to write it out, see [`Self::to_json`] and
    /// [`deployer_syntax::number::to_json`].
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Nothing in a template can fail to become JSON: its maps have texts as keys.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns the template as indented JSON with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = self.written_by(PrettyFormatter::new());
        out.push('\n');
        out
    }

    /// Returns the template as it is sent: JSON without white space, in ASCII. CloudFormation counts bytes, and returns
    /// `?` for every character beyond ASCII, so that a deployed template could not be compared with this one.
    #[must_use]
    pub fn to_compact_json(&self) -> String {
        self.written_by(AsciiFormatter)
    }

    fn written_by(&self, formatter: impl Formatter) -> String {
        let mut out = Vec::new();
        // As in `to_value`; a vector takes every byte.
        let _ = self.serialize(&mut Serializer::with_formatter(&mut out, Exact::new(formatter)));
        String::from_utf8(out).unwrap_or_default()
    }

    /// Returns the template as YAML in which every string that a YAML 1.1 reader could take for something else is
    /// quoted.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        write_yaml(&self.to_value(), 0, &mut out);
        out
    }
}

/// Returns a circle in a graph of names, as a path from one of them back to itself. Takes time in proportion to the
/// edges.
#[must_use]
pub fn circle(edges: &BTreeMap<&str, Vec<String>>) -> Option<Vec<String>> {
    // Names from which every way comes to an end.
    let mut ended = BTreeSet::new();
    for start in edges.keys() {
        // The way to the present name of the search, and the number of edges of each name on it that were followed.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_way = BTreeSet::from([*start]);
        while let Some((name, followed)) = way.last_mut() {
            let name = *name;
            let next = edges.get(name).and_then(|targets| targets.get(*followed));
            *followed += 1;
            match next.and_then(|next| edges.get_key_value(next.as_str())) {
                Some((next, _)) if on_way.contains(next) => {
                    let first = way.iter().position(|(name, _)| name == next)?;
                    let path = way[first..].iter().map(|(name, _)| *name).chain([*next]);
                    return Some(path.map(str::to_owned).collect());
                }
                Some((next, _)) if !ended.contains(next) => {
                    on_way.insert(next);
                    way.push((next, 0));
                }
                // Ended, a parameter, or no more edges.
                _ if next.is_some() => {}
                _ => {
                    way.pop();
                    on_way.remove(name);
                    ended.insert(name);
                }
            }
        }
    }
    None
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("AWSTemplateFormatVersion", "2010-09-09")?;
        if let Some(transform) = &self.transform {
            out.serialize_entry("Transform", transform)?;
        }
        if let Some(description) = &self.description {
            out.serialize_entry("Description", description)?;
        }
        if let Some(metadata) = &self.metadata {
            out.serialize_entry("Metadata", metadata)?;
        }
        for (name, section) in &self.sections {
            out.serialize_entry(name, section)?;
        }
        if !self.parameters.is_empty() {
            out.serialize_entry("Parameters", &Entries(&self.parameters))?;
        }
        if !self.rules.is_empty() {
            out.serialize_entry("Rules", &Entries(&self.rules))?;
        }
        if !self.mappings.is_empty() {
            out.serialize_entry("Mappings", &Entries(&self.mappings))?;
        }
        if !self.conditions.is_empty() {
            out.serialize_entry("Conditions", &Entries(&self.conditions))?;
        }
        out.serialize_entry("Resources", &Resources(self))?;
        if !self.outputs.is_empty() {
            out.serialize_entry("Outputs", &Entries(&self.outputs))?;
        }
        out.end()
    }
}

impl Serialize for Resource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("Type", self.kind)?;
        if let Some(condition) = &self.condition {
            out.serialize_entry("Condition", condition)?;
        }
        match self.depends_on.as_slice() {
            [] => {}
            [one] => out.serialize_entry("DependsOn", one)?,
            several => out.serialize_entry("DependsOn", several)?,
        }
        if let Some(policy) = self.policy {
            let (deletion, replacement) = match policy {
                Policy::Delete => ("Delete", "Delete"),
                Policy::Retain => ("Retain", "Retain"),
                Policy::RetainExceptOnCreate => ("RetainExceptOnCreate", "Retain"),
            };
            out.serialize_entry("DeletionPolicy", deletion)?;
            out.serialize_entry("UpdateReplacePolicy", replacement)?;
        }
        for (name, value) in &self.attributes {
            out.serialize_entry(name, value)?;
        }
        if let Some(metadata) = &self.metadata {
            out.serialize_entry("Metadata", metadata)?;
        }
        if self.properties.as_object().is_some_and(|properties| !properties.is_empty()) {
            out.serialize_entry("Properties", &self.properties)?;
        }
        out.end()
    }
}

/// `Resources`: the resources, and the loops after them.
struct Resources<'a>(&'a Template);

impl Serialize for Resources<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for (id, resource) in &self.0.resources {
            out.serialize_entry(id, resource)?;
        }
        for (name, arguments) in &self.0.loops {
            out.serialize_entry(name, arguments)?;
        }
        out.end()
    }
}

/// A mapping in the order of its entries.
struct Entries<'a, T>(&'a [(String, T)]);

impl<T: Serialize> Serialize for Entries<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A formatter that writes compact JSON with every character beyond ASCII escaped.
struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        if text.is_ascii() {
            return out.write_all(text.as_bytes());
        }
        for letter in text.chars() {
            let mut buffer = [0; 2];
            match u8::try_from(letter) {
                Ok(byte) if byte.is_ascii() => out.write_all(&[byte])?,
                _ => {
                    for unit in letter.encode_utf16(&mut buffer) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
