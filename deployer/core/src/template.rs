//! The CloudFormation template as data: resources, parameters and outputs in a stable order.
//!
//! Intrinsic functions are types, and [`Template::check`] finds a reference to nothing before CloudFormation does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// `Description`.
    pub description: Option<String>,
    /// `Parameters`: name → type, description and constraint.
    pub parameters: Vec<(String, Value)>,
    /// `Resources` in the order of the file.
    pub resources: Vec<(String, Resource)>,
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
    /// `DependsOn`.
    pub depends_on: Vec<String>,
    /// `DeletionPolicy` and `UpdateReplacePolicy`.
    pub policy: Option<Policy>,
    /// `Properties`.
    pub properties: Value,
}

/// What happens to a resource when it leaves the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It goes.
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless the operation that made it fails: then a first deployment leaves nothing behind that the next
    /// one would meet.
    RetainExceptOnCreate,
}

/// `{"Ref": …}`: a parameter, pseudo parameter, or a resource's primary identifier.
#[derive(Debug, Clone, Copy)]
pub struct Ref<S>(pub S);

/// `{"Fn::GetAtt": [resource, attribute]}`.
#[derive(Debug, Clone, Copy)]
pub struct GetAtt<S>(pub S, pub &'static str);

/// `{"Fn::Sub": …}`; `${Name}` and `${Name.Attribute}` stand for references.
#[derive(Debug, Clone, Copy)]
pub struct Sub<S>(pub S);

impl<S: AsRef<str>> Serialize for Ref<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        json!({ "Ref": self.0.as_ref() }).serialize(serializer)
    }
}

impl<S: AsRef<str>> Serialize for GetAtt<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        json!({ "Fn::GetAtt": [self.0.as_ref(), self.1] }).serialize(serializer)
    }
}

impl<S: AsRef<str>> Serialize for Sub<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        json!({ "Fn::Sub": self.0.as_ref() }).serialize(serializer)
    }
}

/// The logical id of a name in `stack.yaml`: its words in capitals, without `-` and `_`.
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
    /// What it refers to.
    pub to: String,
}

impl Template {
    /// Every reference that leads nowhere.
    #[must_use]
    pub fn check(&self) -> Vec<DanglingReference> {
        let known: BTreeSet<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(self.resources.iter().map(|(id, _)| id.as_str()))
            .collect();
        let mut dangling = Vec::new();
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
        for (name, output) in &self.outputs {
            look(name, output);
        }
        dangling
    }

    /// Resources that wait for each other, as a path from one of them back to itself.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<String>> {
        let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (id, resource) in &self.resources {
            let targets = edges.entry(id).or_default();
            references(&resource.properties, &mut |to| {
                targets.insert(to.to_owned());
            });
            targets.extend(resource.depends_on.iter().cloned());
        }
        // What waits for nothing that is left can be made, and is taken away; what stays waits for a circle.
        while let Some(free) = edges
            .iter()
            .find_map(|(id, to)| to.iter().all(|to| !edges.contains_key(to.as_str())).then_some(*id))
        {
            edges.remove(free);
        }
        let mut path = vec![(*edges.keys().next()?).to_owned()];
        loop {
            let next =
                edges.get(path.last()?.as_str())?.iter().find(|to| edges.contains_key(to.as_str()))?.clone();
            if let Some(first) = path.iter().position(|id| *id == next) {
                path.push(next);
                return Some(path.split_off(first));
            }
            path.push(next);
        }
    }

    /// The template as CloudFormation takes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut out = Map::new();
        out.insert("AWSTemplateFormatVersion".to_owned(), json!("2010-09-09"));
        if let Some(description) = &self.description {
            out.insert("Description".to_owned(), json!(description));
        }
        let section = |entries: &[(String, Value)]| Value::Object(entries.iter().cloned().collect());
        if !self.parameters.is_empty() {
            out.insert("Parameters".to_owned(), section(&self.parameters));
        }
        let resources = self.resources.iter().map(|(id, resource)| (id.clone(), resource.to_value()));
        out.insert("Resources".to_owned(), Value::Object(resources.collect()));
        if !self.outputs.is_empty() {
            out.insert("Outputs".to_owned(), section(&self.outputs));
        }
        Value::Object(out)
    }

    /// Indented JSON with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// JSON without white space, in ASCII: what is sent. CloudFormation counts bytes, and gives `?` back for every
    /// character beyond ASCII, so that a deployed template could not be compared with this one.
    #[must_use]
    pub fn to_compact_json(&self) -> String {
        let mut out = String::new();
        for letter in self.to_value().to_string().chars() {
            if letter.is_ascii() {
                out.push(letter);
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        out
    }

    /// YAML in which every string that a YAML 1.1 reader could take for something else is quoted.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        write_yaml(&self.to_value(), 0, &mut out);
        out
    }
}

impl Resource {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        out.insert("Type".to_owned(), json!(self.kind));
        match self.depends_on.as_slice() {
            [] => {}
            [one] => {
                out.insert("DependsOn".to_owned(), json!(one));
            }
            several => {
                out.insert("DependsOn".to_owned(), json!(several));
            }
        }
        if let Some(policy) = self.policy {
            let (deletion, replacement) = match policy {
                Policy::Delete => ("Delete", "Delete"),
                Policy::Retain => ("Retain", "Retain"),
                Policy::RetainExceptOnCreate => ("RetainExceptOnCreate", "Retain"),
            };
            out.insert("DeletionPolicy".to_owned(), json!(deletion));
            out.insert("UpdateReplacePolicy".to_owned(), json!(replacement));
        }
        if self.properties.as_object().is_some_and(|properties| !properties.is_empty()) {
            out.insert("Properties".to_owned(), self.properties.clone());
        }
        Value::Object(out)
    }
}

/// Calls `found` with the target of each `Ref`, `Fn::GetAtt` and `${…}` in `Fn::Sub`.
fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("Ref", Value::String(target)) => found(target),
                    ("Fn::GetAtt", Value::Array(path)) => {
                        path.first().and_then(Value::as_str).into_iter().for_each(&mut *found);
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        for piece in text.split("${").skip(1) {
                            let name = piece.split(['}', '.']).next().unwrap_or_default();
                            // `${!Literal}` is CloudFormation's way to write `${Literal}`.
                            if !name.starts_with('!') {
                                found(name);
                            }
                        }
                    }
                    _ => references(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn write_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                out.push_str(&format!("{pad}{}:", yaml_scalar(key)));
                write_yaml_inner(inner, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                write_yaml_inner(item, indent, out);
            }
        }
        other => out.push_str(&format!("{pad}{other}\n")),
    }
}

fn write_yaml_inner(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        Value::String(text) => out.push_str(&format!(" {}\n", yaml_scalar(text))),
        other => out.push_str(&format!(" {other}\n")),
    }
}

/// A word that no YAML reader takes for anything but itself stays bare; all else is quoted as JSON, which YAML reads.
fn yaml_scalar(text: &str) -> String {
    const NOT_STRINGS: [&str; 11] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'/' | b'.' | b'-' | b' ');
    let bare = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(word)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #")
        && !NOT_STRINGS.contains(&text.to_ascii_lowercase().as_str());
    if bare { text.to_owned() } else { yaml_quoted(text) }
}

/// JSON's quoted form, with what YAML 1.1 breaks lines at or refuses to read escaped too.
fn yaml_quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let unsafe_in_yaml = |letter: char| {
        matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    json.chars().fold(String::with_capacity(json.len()), |mut out, letter| {
        match unsafe_in_yaml(letter) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => out.push(letter),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn logical_ids_come_from_the_name_alone() {
        assert_eq!(logical_id("landing"), "Landing");
        assert_eq!(logical_id("my-landing_zone2"), "MyLandingZone2");
    }

    #[test]
    fn what_is_sent_is_ascii_and_the_same() {
        let template =
            Template { description: Some("Größe 東京 🦀".to_owned()), ..Template::default() };
        let sent = template.to_compact_json();
        assert!(sent.is_ascii(), "{sent}");
        assert_eq!(serde_json::from_str::<Value>(&sent).expect("JSON"), template.to_value());
    }

    #[test]
    fn references_to_nothing_are_found() {
        let resource = Resource {
            kind: "AWS::X::Y",
            depends_on: vec!["Gone".into()],
            properties: json!({ "A": Ref("Q"), "B": [Sub("${Q.Arn}-${AWS::Region}-${!L}-${Z}")], "C": GetAtt("W", "Arn") }),
            ..Resource::default()
        };
        let template = Template { resources: vec![("Q".into(), resource)], ..Template::default() };
        let found: Vec<String> = template.check().into_iter().map(|dangling| dangling.to).collect();
        assert_eq!(found, ["Z", "W", "Gone"]);
    }

    #[test]
    fn circles_are_shown_as_a_path() {
        let resource = |properties: Value| Resource { kind: "AWS::X::Y", properties, ..Resource::default() };
        let template = |last: Value| Template {
            resources: vec![
                ("Before".into(), resource(json!({ "A": Ref("B") }))),
                ("B".into(), resource(json!({ "A": [GetAtt("C", "Arn")] }))),
                ("C".into(), resource(last)),
            ],
            ..Template::default()
        };
        assert_eq!(template(json!({ "A": Ref("P") })).cycle(), None);
        let circle = template(json!({ "A": Sub("${B}") })).cycle().expect("a circle");
        assert_eq!(circle, ["B", "C", "B"]);
    }

    proptest! {
        #[test]
        fn yaml_says_what_json_says(
            texts in proptest::collection::vec("\\PC{0,12}|[a\u{7f}\u{85}\u{2028}\u{feff}\u{ffff}\\n\\t ]{1,4}|no|ON|012|1e3|2012-10-17|~|0x1F|a: b|- x|1:30|=|<<|null", 1..6)
        ) {
            let properties = json!({ "List": texts, "Map": texts.iter().map(|t| (t.clone(), json!(t))).collect::<Map<_, _>>(), "Empty": {}, "N": 1, "B": true });
            let resource = Resource { kind: "AWS::X::Y", properties, ..Resource::default() };
            let template = Template { resources: vec![("Q".into(), resource)], ..Template::default() };
            let read: Value = serde_yaml::from_str(&template.to_yaml()).expect("valid YAML");
            prop_assert_eq!(read, template.to_value());
        }
    }
}
