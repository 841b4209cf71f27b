//! Facts about a value before a deployment, and those that stay open.

use serde_json::Value;

use super::{Check, shown, texts};
use crate::expression::{Expression, ExpressionEntry, ExpressionKind};

/// The presence of a property or an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Never,
    /// Given or not, as a condition decides.
    Perhaps,
    Surely,
}

/// Returns whether a property or an item is there once CloudFormation has evaluated it.
fn given(expression: &Expression) -> Presence {
    match &expression.is {
        ExpressionKind::NoValue => Presence::Never,
        ExpressionKind::If { then, otherwise, .. } => match (given(then), given(otherwise)) {
            (then, otherwise) if then == otherwise => then,
            _ => Presence::Perhaps,
        },
        _ => Presence::Surely,
    }
}

/// Returns whether a mapping has a property.
pub(super) fn presence(entries: &[ExpressionEntry], name: &str) -> Presence {
    entries.iter().find(|entry| entry.key == name).map_or(Presence::Never, |entry| given(&entry.value))
}

/// Returns the least and the most properties that a mapping has.
pub(super) fn size(entries: &[ExpressionEntry]) -> (usize, usize) {
    entries.iter().map(|entry| given(&entry.value)).fold((0, 0), |(least, most), presence| match presence {
        Presence::Never => (least, most),
        Presence::Perhaps => (least, most + 1),
        Presence::Surely => (least + 1, most + 1),
    })
}

/// Returns whether an item of a list is one item that is known, at least in its outline.
pub(super) fn certain(item: &Expression) -> bool {
    !matches!(item.is, ExpressionKind::NoValue | ExpressionKind::If { .. } | ExpressionKind::Function { .. })
}

/// Returns whether all facts of a chain hold: a false one decides, and after it an unknown one.
fn all(facts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut whole = Some(true);
    for fact in facts {
        match fact {
            Some(true) => {}
            Some(false) => return Some(false),
            None => whole = None,
        }
    }
    whole
}

impl<'s> Check<'s> {
    /// Returns whether a value certainly matches the schema of an `if` or a `not`; `None` if that can't be known before
    /// the deployment. Reads the words that occur in such schemas, which a test compares; any other word leaves the
    /// answer open.
    pub(super) fn holds(&self, schema: &'s Value, expression: &Expression) -> Option<bool> {
        let words = self.target(schema).as_object()?;
        if let ExpressionKind::If { then, otherwise, .. } = &expression.is {
            let (then, otherwise) = (self.holds(schema, then), self.holds(schema, otherwise));
            return then.filter(|_| then == otherwise);
        }
        if !certain(expression) {
            return None;
        }
        all(words.iter().map(|(word, wanted)| match (word.as_str(), &expression.is) {
            ("type", ExpressionKind::List(_)) => Some(wanted == "array"),
            ("type", ExpressionKind::Map(_)) => Some(wanted == "object"),
            ("type", _) if wanted == "array" || wanted == "object" => Some(false),
            ("required", ExpressionKind::Map(entries)) => {
                all(texts(wanted).map(|name| match presence(entries, name) {
                    Presence::Never => Some(false),
                    Presence::Perhaps => None,
                    Presence::Surely => Some(true),
                }))
            }
            ("properties", ExpressionKind::Map(entries)) => {
                let wanted = wanted.as_object()?;
                all(wanted.iter().map(|(name, schema)| {
                    // A property that is not there is not wrong.
                    let entry = entries.iter().find(|entry| entry.key == *name);
                    entry.map_or(Some(true), |entry| self.holds(schema, &entry.value))
                }))
            }
            ("minItems", ExpressionKind::List(items)) if items.iter().all(certain) => {
                Some(items.len() as u64 >= wanted.as_u64()?)
            }
            ("enum", ExpressionKind::Scalar { text, .. }) if !text.contains("{{resolve:") => {
                Some(wanted.as_array()?.iter().any(|word| shown(word) == *text))
            }
            ("not", _) => self.holds(wanted, expression).map(|holds| !holds),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{TypeSchema, find, names};
    use super::super::tests::expression;
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_neither_right_nor_wrong() {
        let schema = TypeSchema::of(Value::Null);
        let check = Check { schema: &schema, read_only: Vec::new() };
        let maybe = |value: Value| json!({ "Fn::If": ["c", value, { "Ref": "AWS::NoValue" }] });
        for (condition, value, holds) in [
            (json!({ "required": ["A"] }), json!({ "A": 1 }), Some(true)),
            (json!({ "required": ["A"] }), json!({ "A": { "Ref": "X" } }), Some(true)),
            (json!({ "required": ["A"] }), json!({ "B": 1 }), Some(false)),
            (json!({ "required": ["A"] }), json!({ "A": { "Ref": "AWS::NoValue" } }), Some(false)),
            (json!({ "required": ["A"] }), json!({ "A": maybe(json!(1)) }), None),
            (json!({ "required": ["A", "B"] }), json!({ "A": maybe(json!(1)) }), Some(false)),
            (json!({ "not": { "required": ["A"] } }), json!({ "A": maybe(json!(1)) }), None),
            (json!({ "not": { "required": ["A"] } }), json!({}), Some(true)),
            (json!({ "required": ["A"] }), json!({ "Fn::If": ["c", { "A": 1 }, { "A": 2 }] }), Some(true)),
            (json!({ "required": ["A"] }), json!({ "Fn::If": ["c", { "A": 1 }, {}] }), None),
            (json!({ "properties": { "A": { "enum": ["x"] } } }), json!({ "A": "x" }), Some(true)),
            (json!({ "properties": { "A": { "enum": ["x"] } } }), json!({ "A": "y" }), Some(false)),
            (json!({ "properties": { "A": { "enum": ["x"] } } }), json!({ "A": { "Ref": "X" } }), None),
            (json!({ "properties": { "A": { "enum": ["x"] } } }), json!({ "A": "{{resolve:ssm:a}}" }), None),
            (json!({ "type": "array", "minItems": 1 }), json!(["a"]), Some(true)),
            (json!({ "type": "array", "minItems": 1 }), json!([]), Some(false)),
            (json!({ "type": "array", "minItems": 1 }), json!([{ "Ref": "X" }]), None),
            (json!({ "type": "array" }), json!({ "A": 1 }), Some(false)),
            (json!({ "contains": {} }), json!(["a"]), None),
        ] {
            // The schema must live as long as what is made of it.
            let condition: &'static Value = Box::leak(Box::new(condition));
            let found = check.holds(condition, &expression(&value));
            assert_eq!(found, holds, "{condition} {value}");
        }
    }

    /// Checks that `holds` knows every word of a condition: an unknown one would make the condition never hold,
    /// unnoticed.
    #[test]
    fn the_words_of_all_conditions_are_known() {
        fn known(schema: &Value) -> bool {
            schema.as_object().expect("a schema").iter().all(|(word, value)| match word.as_str() {
                "type" => value == "array" || value == "object",
                "required" | "minItems" | "enum" => true,
                "properties" => value.as_object().expect("properties").values().all(known),
                "not" => known(value),
                _ => false,
            })
        }
        fn conditions(schema: &Value, found: &mut dyn FnMut(&str, &Value)) {
            match schema {
                Value::Array(items) => items.iter().for_each(|item| conditions(item, found)),
                Value::Object(words) => {
                    for (word, value) in words {
                        if matches!(word.as_str(), "if" | "not") && value.is_object() {
                            found(word, value);
                        }
                        conditions(value, found);
                    }
                }
                _ => {}
            }
        }
        let mut count = 0;
        for name in names() {
            conditions(&find(name).expect(name).schema().root, &mut |word, condition| {
                count += 1;
                assert!(known(condition), "{name} {condition}");
                // A message says why something follows from it.
                let why = condition.get("required").or(condition["not"].get("required"));
                assert!(word == "not" || why.is_some(), "{name} {condition}");
            });
        }
        assert!(count > 5, "{count}");
    }
}
