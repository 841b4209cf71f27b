//! `AWS::…` → the resource itself.

use deployer_cfn::template::Ref;
use deployer_syntax::diagnostic::Span;
use serde_json::{Map, Value, json};

use super::lowering::Lowering;
use super::{Builder, text_value};
use crate::model::expression::TEXT;
use crate::model::raw::Raw;
use crate::model::{Stack, Text, TextPart};

impl Lowering for Raw {
    fn lower(&self, builder: &mut Builder<'_>, id: &str, _: &str) {
        let properties = resolved(builder.stack, &self.properties);
        builder.add(id, self.type_id.name(), properties);
    }

    /// Returns the reference: texts name the resource as CloudFormation does.
    fn attribute(&self, _: &Stack, id: &str, _: &str, _: &str) -> Value {
        json!(Ref(id))
    }
}

/// Returns a value whose texts with references are CloudFormation expressions.
pub(super) fn resolved(stack: &Stack, value: &Value) -> Value {
    match value {
        Value::Object(map) => match map.get(TEXT) {
            Some(pieces) => text_value(stack, &text(stack, pieces)),
            None => map
                .iter()
                .map(|(key, inner)| (key.clone(), resolved(stack, inner)))
                .collect::<Map<_, _>>()
                .into(),
        },
        Value::Array(items) => items.iter().map(|item| resolved(stack, item)).collect(),
        other => json!(other),
    }
}

fn text(stack: &Stack, pieces: &Value) -> Text {
    let part = |piece: &Value| {
        let word = |key: &str| piece[key].as_str().map(str::to_owned);
        let Some(resource) = word("resource") else {
            return match word("pseudo").as_deref().and_then(deployer_syntax::reference::pseudo_parameter) {
                Some(name) => TextPart::Pseudo(name),
                None => TextPart::Literal(word("literal").unwrap_or_default()),
            };
        };
        let attributes = stack.resource(&resource).map_or(&[][..], |found| found.is.kind().attributes());
        match attributes.iter().find(|(name, _)| piece["attribute"] == **name) {
            Some((attribute, _)) => TextPart::Attribute { resource, attribute },
            None => TextPart::Raw { resource, attribute: word("raw") },
        }
    };
    Text { parts: pieces.as_array().into_iter().flatten().map(part).collect(), span: Span::default() }
}
