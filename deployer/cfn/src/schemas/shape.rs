//! A place in a type's schema: the values that it takes, and those that are the same for CloudFormation.
//!
//! Used by `deployer_plan::diff`, which walks two values and the schema side by side.

use serde_json::Value;

use super::{TypeSchema, texts};

/// Depth to which references between schemas are followed; nobody writes deeper values.
const MAX_REFERENCES: usize = 32;

/// A place in a schema; [`Shape::UNKNOWN`] where nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'s>(Option<(&'s TypeSchema, &'s Value)>);

/// The single value that a place takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A text, for which any single value may be given.
    Text,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// Several of these, none of these, or unknown.
    Any,
}

impl TypeSchema {
    /// Returns the place of the properties.
    #[must_use]
    pub fn shape(&self) -> Shape<'_> {
        Shape(Some((self, &self.root)))
    }

    /// Returns the property at the top that names the resource: only settable at creation, and called `Name` or
    /// `<Type>Name`. While such a name stays the same, CloudFormation can't replace the resource.
    pub fn name_property(&self, kind: &str) -> Option<&str> {
        let last = kind.rsplit("::").next().unwrap_or_default();
        super::pointers(&self.root["createOnlyProperties"])
            .find(|name| *name == "Name" || name.strip_suffix("Name") == Some(last))
    }
}

impl<'s> Shape<'s> {
    /// A place of which nothing is known.
    pub const UNKNOWN: Self = Self(None);

    /// Returns whether anything is known about it.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// Returns the place of a property.
    #[must_use]
    pub fn property(self, name: &str) -> Self {
        self.search(&mut |schema, value| {
            if let Some(found) = value["properties"].get(name) {
                return Some(found);
            }
            let patterned = value["patternProperties"].as_object().into_iter().flatten();
            let found = patterned.filter(|(pattern, _)| schema.fits(pattern, name)).map(|(_, found)| found);
            found.chain(value.get("additionalProperties").filter(|found| found.is_object())).next()
        })
    }

    /// Returns the place of a list's items.
    #[must_use]
    pub fn item(self) -> Self {
        self.search(&mut |_, value| value.get("items"))
    }

    /// Returns the names of the properties that it has, of the first alternative that has any.
    pub fn names(self) -> impl Iterator<Item = &'s str> {
        let found = self.search(&mut |_, value| value.get("properties")).0;
        found.and_then(|(_, value)| value.as_object()).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Returns the words of which it takes one; none if it takes others.
    pub fn words(self) -> impl Iterator<Item = &'s str> {
        let found = self.search(&mut |_, value| value.get("enum")).0;
        found.into_iter().flat_map(|(_, value)| texts(value))
    }

    /// Returns whether it is a list whose order means nothing. Unique items alone don't say so: those of a command line
    /// are unique, too.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.search(&mut |_, value| value.get("insertionOrder").filter(|order| **order == Value::Bool(false)))
            .is_known()
    }

    /// Returns the value if none is given.
    #[must_use]
    pub fn default(self) -> Option<&'s Value> {
        let (_, value) = self.search(&mut |_, value| value.get("default")).0?;
        Some(value)
    }

    /// Returns the kind of single value that it takes.
    #[must_use]
    pub fn scalar(self) -> Scalar {
        let Some((_, types)) = self.search(&mut |_, value| value.get("type")).0 else { return Scalar::Any };
        let types: Vec<&str> = types.as_str().into_iter().chain(texts(types)).collect();
        match types.as_slice() {
            ["boolean"] => Scalar::Boolean,
            ["integer" | "number"] => Scalar::Number,
            _ if types.contains(&"string") => Scalar::Text,
            _ => Scalar::Any,
        }
    }

    /// Returns the first answer of the place itself, of what it refers to, or of its alternatives.
    fn search(self, ask: &mut dyn FnMut(&'s TypeSchema, &'s Value) -> Option<&'s Value>) -> Self {
        let Some((schema, value)) = self.0 else { return Self::UNKNOWN };
        Self(find(schema, value, MAX_REFERENCES, ask).map(|found| (schema, found)))
    }
}

fn find<'s>(
    schema: &'s TypeSchema,
    value: &'s Value,
    depth: usize,
    ask: &mut dyn FnMut(&'s TypeSchema, &'s Value) -> Option<&'s Value>,
) -> Option<&'s Value> {
    let left = depth.checked_sub(1)?;
    if let Some(found) = ask(schema, value) {
        return Some(found);
    }
    if let Some(pointer) = value.get("$ref").and_then(Value::as_str) {
        let target = pointer.strip_prefix('#').and_then(|pointer| schema.root.pointer(pointer))?;
        return find(schema, target, left, ask);
    }
    ["allOf", "anyOf", "oneOf"]
        .iter()
        .filter_map(|key| value.get(*key)?.as_array())
        .flatten()
        .find_map(|alternative| find(schema, alternative, left, ask))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schemas;

    fn shape(kind: &str) -> Shape<'static> {
        schemas::find(kind).expect(kind).schema().shape()
    }

    #[test]
    fn order_defaults_and_types_are_those_of_the_schemas() {
        let function = shape("AWS::Lambda::Function");
        assert!(function.property("Tags").is_set());
        assert!(!function.property("Layers").is_set(), "a later layer covers an earlier one");
        assert!(!function.property("ImageConfig").property("Command").is_set());
        assert_eq!(function.property("MemorySize").scalar(), Scalar::Number);
        assert_eq!(
            function.property("Environment").property("Variables").property("NAME").scalar(),
            Scalar::Text
        );
        let retention = function.property("DurableConfig").property("RetentionPeriodInDays");
        assert_eq!(retention.default(), Some(&json!(14)));
        let group = shape("AWS::EC2::SecurityGroup");
        assert!(group.property("SecurityGroupIngress").is_set());
        let port = group.property("SecurityGroupIngress").item().property("FromPort");
        assert_eq!(port.scalar(), Scalar::Number);
        assert!(!shape("AWS::SQS::Queue").property("Nothing").is_known());
        let invocation: Vec<&str> = function.property("Architectures").item().words().collect();
        assert_eq!(invocation, ["x86_64", "arm64"]);
        assert!(function.names().any(|name| name == "MemorySize"));
        assert!(function.property("VpcConfig").names().any(|name| name == "SubnetIds"));
    }

    #[test]
    fn names_that_stand_in_the_way_of_a_replacement_are_known() {
        for (kind, name) in [
            ("AWS::SQS::Queue", Some("QueueName")),
            ("AWS::S3::Bucket", Some("BucketName")),
            ("AWS::Events::EventBus", Some("Name")),
            ("AWS::DynamoDB::Table", Some("TableName")),
            ("AWS::ECS::TaskDefinition", None),
        ] {
            let schema = schemas::find(kind).expect(kind).schema();
            assert_eq!(schema.name_property(kind), name, "{kind}");
        }
    }
}
