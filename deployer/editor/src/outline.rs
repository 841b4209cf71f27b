//! The names that a file declares: resources with their types, config values, stacks.

use deployer_cfn::schemas;
use deployer_cfn::template::logical_id;
use deployer_lang::model::Kind;
use deployer_syntax::Span;
use deployer_syntax::yaml::{Entry, Node, Value};

/// The names that a file declares.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The resources, in the order of the file.
    pub resources: Vec<Resource>,
    /// The config values, in the order of the file.
    pub config: Vec<ConfigValue>,
}

/// A resource of a file, right or wrong.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Place of its name.
    pub span: Span,
    /// Place of its key with its value.
    pub whole: Span,
    /// Its type; `None` for an unknown one.
    pub kind: Option<Kind>,
    /// The text after `type:`.
    pub type_name: Option<String>,
    /// Logical ID of its main resource in CloudFormation, by which functions may name it as well.
    pub logical_id: String,
}

/// A config value of a file.
#[derive(Debug, Clone)]
pub struct ConfigValue {
    /// Its name.
    pub name: String,
    /// Place of its name.
    pub span: Span,
    /// `type`, `default` and `description`, as the file has them.
    pub members: Vec<(String, String)>,
}

impl Outline {
    /// Reads the names of a file.
    #[must_use]
    pub fn of(root: &Node) -> Self {
        let exact = member(root, "logicalIds").and_then(text) == Some("exact");
        let resources =
            entries(member(root, "resources")).iter().map(|entry| resource(entry, exact)).collect();
        let config = entries(member(root, "config")).iter().map(|entry| ConfigValue {
            name: entry.key.clone(),
            span: name_span(entry),
            members: entries(Some(&entry.value))
                .iter()
                .filter_map(|member| Some((member.key.clone(), text(&member.value)?.to_owned())))
                .collect(),
        });
        Self { resources, config: config.collect() }
    }

    /// Returns the resource of this name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == name)
    }

    /// Returns the resource that a function of CloudFormation names: by its name, or by its logical ID.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Resource> {
        self.resource(name).or_else(|| self.resources.iter().find(|resource| resource.logical_id == name))
    }

    /// Returns the attributes of a resource, each with its meaning.
    #[must_use]
    pub fn attributes(&self, name: &str) -> Vec<(String, String)> {
        match self.target(name).and_then(|resource| resource.kind) {
            Some(Kind::Raw(type_id)) => {
                let names = type_id.schema().attributes().iter();
                names.map(|name| (name.clone(), format!("of {}", type_id.name()))).collect()
            }
            Some(kind) => {
                let known = kind.attributes().iter();
                known.map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).collect()
            }
            None => Vec::new(),
        }
    }

    /// Returns the config value of this name.
    #[must_use]
    pub fn config_value(&self, name: &str) -> Option<&ConfigValue> {
        self.config.iter().find(|value| value.name == name)
    }
}

fn resource(entry: &Entry, exact: bool) -> Resource {
    let type_name = member(&entry.value, "type").and_then(text);
    let kind =
        type_name.and_then(|name| Kind::from_name(name).or_else(|| schemas::find(name).map(Kind::Raw)));
    let own = member(&entry.value, "options").and_then(|options| member(options, "logicalId")).and_then(text);
    let raw = type_name.is_some_and(|name| name.contains("::"));
    Resource {
        name: entry.key.clone(),
        span: name_span(entry),
        whole: Span { start: entry.key_span.start, end: entry.value.span.end.max(entry.key_span.end) },
        kind,
        type_name: type_name.map(str::to_owned),
        logical_id: match own {
            Some(own) => own.to_owned(),
            None if raw && exact => entry.key.clone(),
            None => logical_id(&entry.key),
        },
    }
}

/// Returns the place of a key without its quotes.
#[must_use]
pub fn name_span(entry: &Entry) -> Span {
    let Span { start, end } = entry.key_span;
    match end - start == entry.key.len() + 2 {
        true => Span { start: start + 1, end: end - 1 },
        false => entry.key_span,
    }
}

/// Returns the value of a key.
#[must_use]
pub fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(Some(node)).iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// Returns the entries of a mapping; none of anything else.
#[must_use]
pub fn entries(node: Option<&Node>) -> &[Entry] {
    match node.map(|node| &node.value) {
        Some(Value::Mapping(entries)) => entries,
        _ => &[],
    }
}

/// Returns the text of a single value.
#[must_use]
pub fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}
