//! The published resource schemas of CloudFormation: the types, and the properties that each takes.
//!
//! Beside the flow: `deployer_lang::model` asks for types and attributes, `check` judges the properties of raw
//! resources, and a diff asks what a change replaces. `schemas.bin` is written by `tools/registry.py`; `source.json`
//! names its source and date. Names are found in the file as it is embedded in the program, and a type's block is read
//! when it is first used, so a file without raw types pays nothing.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use flate2::read::DeflateDecoder;
use serde_json::Value;

mod check;
mod shape;

pub use shape::{Scalar, Shape};

static FILE: &[u8] = include_bytes!("schemas/schemas.bin");
/// Source and date of the schemas: JSON with `source`, `date`, `types` and `bytes`.
pub const SOURCE: &str = include_str!("schemas/source.json");

/// Bytes of one entry of the index.
const ENTRY: usize = 16;

/// One published type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u16);

/// The effect that the change of a property has on the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replacement {
    /// An update in place.
    Never,
    /// Perhaps a replacement: the schema says that it depends, or only a part of the property forces it.
    Conditional,
    /// A replacement.
    Always,
}

/// The schema of a resource type.
#[derive(Debug)]
pub struct TypeSchema {
    root: Value,
    attributes: Vec<String>,
    /// Compiled patterns; `None` for one that the engine can't take, which then matches everything.
    patterns: Mutex<BTreeMap<String, Option<regex::Regex>>>,
}

fn number(at: usize) -> usize {
    let bytes = FILE.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    u32::from_le_bytes(bytes.unwrap_or_default()) as usize
}

fn slice(offset: usize, length: usize) -> &'static [u8] {
    FILE.get(offset..offset + length).unwrap_or_default()
}

fn count() -> usize {
    number(0)
}

/// Names of types without a published schema, each once, for as long as the program runs: a file names few of them.
static UNPUBLISHED: LazyLock<Mutex<Vec<&'static str>>> = LazyLock::new(Mutex::default);

/// Returns the names of all types, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    (0..count()).map(name_at)
}

fn name_at(index: usize) -> &'static str {
    let entry = 4 + index * ENTRY;
    std::str::from_utf8(slice(number(entry), number(entry + 4))).unwrap_or_default()
}

/// Returns the type with this name.
#[must_use]
pub fn find(name: &str) -> Option<TypeId> {
    let (mut low, mut high) = (0, count());
    while low < high {
        let middle = low.midpoint(high);
        match name_at(middle).cmp(name) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return u16::try_from(middle).ok().map(TypeId),
        }
    }
    None
}

/// Returns a type of which no schema is published, such as a custom resource. `None` when the program has met as many of
/// them as there are numbers.
#[must_use]
pub fn unpublished(name: &str) -> Option<TypeId> {
    let mut names = UNPUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = names.iter().position(|known| *known == name);
    let index = known.unwrap_or(names.len());
    let id = u16::try_from(count() + index).ok().map(TypeId)?;
    if known.is_none() {
        names.push(Box::leak(name.to_owned().into_boxed_str()));
    }
    Some(id)
}

impl TypeId {
    /// Returns its name, such as `AWS::SQS::Queue`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let index = usize::from(self.0);
        if index < count() {
            return name_at(index);
        }
        let names = UNPUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(index - count()).copied().unwrap_or_default()
    }

    /// Returns whether the type has a published schema. One without takes any properties, and has any attributes.
    #[must_use]
    pub fn is_published(self) -> bool {
        usize::from(self.0) < count()
    }

    /// Returns its schema, read when it is first asked for.
    #[must_use]
    pub fn schema(self) -> &'static TypeSchema {
        static SCHEMAS: OnceLock<Vec<OnceLock<TypeSchema>>> = OnceLock::new();
        static NOTHING: OnceLock<TypeSchema> = OnceLock::new();
        let all = SCHEMAS.get_or_init(|| (0..count()).map(|_| OnceLock::new()).collect());
        match all.get(usize::from(self.0)) {
            Some(schema) => schema.get_or_init(|| TypeSchema::read(self)),
            None => NOTHING.get_or_init(|| TypeSchema::of(Value::Null)),
        }
    }
}

impl TypeSchema {
    fn read(id: TypeId) -> Self {
        let entry = 4 + usize::from(id.0) * ENTRY;
        let block = slice(number(entry + 8), number(entry + 12));
        let mut text = Vec::new();
        // A test reads every block, so none can fail here.
        let read = DeflateDecoder::new(block).read_to_end(&mut text);
        let root = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
        Self::of(root.unwrap_or_default())
    }

    fn of(root: Value) -> Self {
        let attributes = texts(&root["attributes"]).map(str::to_owned).collect();
        Self { root, attributes, patterns: Mutex::default() }
    }

    /// Returns the attributes for `Fn::GetAtt`, sorted. A `*` in an attribute means any name in that place.
    #[must_use]
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// Returns whether `Fn::GetAtt` accepts this attribute.
    #[must_use]
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|known| {
            known == name
                || known == "*"
                || known.strip_suffix(".*").is_some_and(|start| {
                    name.strip_prefix(start).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'))
                })
        })
    }

    /// Returns the names of its properties.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.root["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Returns the properties that must be given.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        texts(&self.root["required"])
    }

    /// Returns the paths that only AWS sets, with `/` between the names and `*` for the items of a list.
    pub fn read_only(&self) -> impl Iterator<Item = &str> {
        pointers(&self.root["readOnlyProperties"])
    }

    /// Returns the effect of a change of the property at this path: the names from the top, `*` for the items of a
    /// list.
    #[must_use]
    pub fn replacement(&self, path: &[&str]) -> Replacement {
        let touches = |pointer: &str| {
            let words: Vec<&str> = pointer.split('/').collect();
            let same = words.iter().zip(path).all(|(a, b)| a == b || *a == "*" || *b == "*");
            same.then_some(words.len() <= path.len())
        };
        let find = |key: &str| pointers(&self.root[key]).filter_map(touches).max();
        match (find("createOnlyProperties"), find("conditionalCreateOnlyProperties")) {
            (Some(true), _) => Replacement::Always,
            (Some(false), _) | (_, Some(_)) => Replacement::Conditional,
            (None, None) => Replacement::Never,
        }
    }

    /// Returns whether a text matches a pattern of the schema. Patterns are ECMA 262's; one that needs more than a
    /// linear-time engine has (look-around) matches everything.
    fn fits(&self, pattern: &str, text: &str) -> bool {
        /// Size limit of a compiled pattern: enough for every published one but those that count to thousands of
        /// Unicode letters.
        const MOST_BYTES: usize = 1 << 20;
        let mut patterns = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        if !patterns.contains_key(pattern) {
            let compiled = regex::RegexBuilder::new(pattern).size_limit(MOST_BYTES).build().ok();
            patterns.insert(pattern.to_owned(), compiled);
        }
        patterns.get(pattern).and_then(Option::as_ref).is_none_or(|compiled| compiled.is_match(text))
    }
}

/// Returns the texts of a JSON list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Returns the JSON pointers of a list, without `/properties/`.
fn pointers(value: &Value) -> impl Iterator<Item = &str> {
    texts(value).filter_map(|pointer| pointer.strip_prefix("/properties/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_can_be_read_and_the_index_is_sorted() {
        let all: Vec<&str> = names().collect();
        assert!(all.len() > 1_500, "{}", all.len());
        assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] != pair[1]));
        for name in all {
            let id = find(name).expect("a listed type");
            assert_eq!(id.name(), name);
            assert!(TypeSchema::read(id).root["properties"].is_object(), "{name}");
        }
        assert_eq!(find("AWS::SQS::Queues"), None);
        let source: Value = serde_json::from_str(SOURCE).expect("JSON");
        assert_eq!(
            (source["types"].as_u64(), source["bytes"].as_u64()),
            (Some(count() as u64), Some(FILE.len() as u64))
        );
    }

    #[test]
    fn attributes_and_replacements_are_those_of_the_documentation() {
        let schema = |name: &str| find(name).expect(name).schema();
        let queue = schema("AWS::SQS::Queue");
        for attribute in ["Arn", "QueueName", "QueueUrl"] {
            assert!(queue.has_attribute(attribute), "{attribute}");
        }
        assert!(!queue.has_attribute("Url"));
        assert!(schema("AWS::CloudFormation::Stack").has_attribute("Outputs.Name"));
        assert!(!schema("AWS::CloudFormation::Stack").has_attribute("Outputs."));
        assert_eq!(schema("AWS::S3::Bucket").replacement(&["BucketName"]), Replacement::Always);
        assert_eq!(schema("AWS::S3::Bucket").replacement(&["Tags", "*", "Value"]), Replacement::Never);
        assert_eq!(queue.replacement(&["VisibilityTimeout"]), Replacement::Never);
        let definition = schema("AWS::ECS::TaskDefinition");
        assert_eq!(definition.replacement(&["Cpu"]), Replacement::Always);
        assert!(schema("AWS::IAM::Role").required().eq(["AssumeRolePolicyDocument"]));
    }

    #[test]
    fn an_unpublished_type_keeps_its_name_and_takes_anything() {
        let own = unpublished("Custom::Thing").expect("a type");
        let other = unpublished("Example::Service::Thing").expect("a type");
        assert_eq!((own.name(), other.name()), ("Custom::Thing", "Example::Service::Thing"));
        assert_eq!(unpublished("Custom::Thing"), Some(own));
        assert!(!own.is_published() && find("AWS::SQS::Queue").expect("a type").is_published());
        assert_eq!(own.schema().properties().count(), 0);
    }

    #[test]
    fn the_common_patterns_can_be_compiled() {
        let schema = find("AWS::Lambda::Function").expect("a type").schema();
        let pattern = schema.root["properties"]["Role"]["pattern"].as_str().expect("a pattern");
        assert!(schema.fits(pattern, "arn:aws:iam::111122223333:role/name"));
        assert!(!schema.fits(pattern, "name"));
        // Look-around is not supported.
        assert!(schema.fits("(?!aws)", "aws"));
    }
}
