//! Entries under `conditions`.

use std::ops::RangeInclusive;

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Entry, Node, Value};
use serde_json::{Map, Value as Json, json};

use super::{CONDITION_FUNCTIONS, Call, FUNCTIONS, Reader, call};
use crate::model::properties::one_of;
use crate::model::verbatim::verbatim;

impl Reader<'_> {
    pub(super) fn condition(&self, node: &Node) -> Option<Json> {
        let found = match &node.value {
            Value::Mapping(entries) => match entries.as_slice() {
                [Entry { key, key_span, value }] if key == "Condition" => {
                    Some(Call { name: key.clone(), at: *key_span, argument: value, span: node.span })
                }
                _ => call(node),
            },
            _ => call(node),
        };
        if self.scope.macros {
            return verbatim(node, self.scope);
        }
        let known = || one_of(CONDITION_FUNCTIONS.iter().map(|(name, _)| *name));
        let Some(call) = found else {
            self.scope.report(
                Diagnostic::error(
                    "E0511",
                    node.span,
                    format!("expected a condition, found {}", node.describe()),
                )
                .help(format!(
                    "one of the functions {}, such as `!Equals [\"${{AWS::Region}}\", eu-west-1]`",
                    known()
                )),
            );
            return None;
        };
        let conditions = |count: RangeInclusive<usize>| {
            let items = self.items(&call, count)?;
            let read: Vec<_> = items.iter().map(|item| self.condition(item)).collect();
            read.into_iter().collect::<Option<Vec<Json>>>()
        };
        let arguments = match call.name.as_str() {
            "Condition" => {
                let name = self.literal(&call, call.argument)?;
                return Some(json!({ "Condition": self.scope.use_condition(&name, call.argument.span)? }));
            }
            "Fn::Equals" => {
                let items = self.items(&call, 2..=2)?;
                let (left, right) = (self.single(&call, &items[0]), self.single(&call, &items[1]));
                vec![left?, right?]
            }
            "Fn::And" | "Fn::Or" => conditions(2..=10)?,
            "Fn::Not" => conditions(1..=1)?,
            "Fn::Transform" => {
                return Some(json!({ "Fn::Transform": verbatim(call.argument, self.scope)? }));
            }
            name if FUNCTIONS.iter().any(|(known, _)| *known == name) => {
                self.scope.report(
                    Diagnostic::error("E0513", call.at, format!("`{name}` can't be used as a condition"))
                        .help(format!("the functions for conditions are {}", known())),
                );
                return None;
            }
            _ => {
                self.unknown(&call);
                return None;
            }
        };
        Some(Json::Object(Map::from_iter([(call.name, Json::Array(arguments))])))
    }
}
