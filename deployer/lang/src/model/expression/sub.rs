//! `Fn::Sub`: its text, with logical IDs in the place of names and config values in theirs.

use std::collections::BTreeSet;

use deployer_cfn::expression::{Expression, ExpressionKind, Gives};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::reference::{PSEUDO_PARAMETERS, pseudo_parameter, unknown_pseudo_parameter};
use deployer_syntax::yaml::{Entry, Node, Value, shorten};
use serde_json::{Map, Value as Json, json};

use super::{Call, Reader, describe};

impl Reader<'_> {
    pub(super) fn sub(&self, call: &Call<'_>) -> Option<Expression> {
        let (node, given): (&Node, &[Entry]) = match &call.argument.value {
            Value::Sequence(_) => {
                let items = self.items(call, 2..=2)?;
                let Value::Mapping(entries) = &items[1].value else {
                    let found = items[1].describe();
                    self.wrong(
                        call,
                        items[1].span,
                        &format!("expects a mapping of variables here, found {found}"),
                    );
                    return None;
                };
                (&items[0], entries)
            }
            _ => (call.argument, &[]),
        };
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                self.wrong(call, node.span, &format!("expects a plain text here, found {}", describe(node)));
                return None;
            }
        };
        let read: Vec<Option<(String, Json)>> =
            given.iter().map(|entry| Some((entry.key.clone(), self.single(call, &entry.value)?))).collect();
        let replaced = self.sub_text(node, text, given);
        let variables = read.into_iter().collect::<Option<Map<String, Json>>>()?;
        let Replaced { text, plain, used } = replaced?;
        for entry in given.iter().filter(|entry| !used.contains(&entry.key)) {
            self.scope.warn(
                Diagnostic::warning(
                    "W0370",
                    entry.key_span,
                    format!("the text of `Fn::Sub` does not use the variable `{}`", shorten(&entry.key)),
                )
                .help("remove it, or write `${…}` with its name in the text"),
            );
        }
        let is = match (plain, variables.is_empty()) {
            // There is nothing left to replace: config values have been replaced.
            (Some(text), _) => ExpressionKind::Scalar { text, plain: false },
            (None, true) => {
                ExpressionKind::Function { value: json!({ "Fn::Sub": text }), gives: Gives::Single }
            }
            (None, false) => ExpressionKind::Function {
                value: json!({ "Fn::Sub": [text, variables] }),
                gives: Gives::Single,
            },
        };
        Some(Expression { is, span: call.span })
    }

    /// Returns the text of an `Fn::Sub`, with logical IDs in the place of names, and config values in their places.
    fn sub_text(&self, node: &Node, text: &str, variables: &[Entry]) -> Option<Replaced> {
        let given = |name: &str| variables.iter().any(|entry| entry.key == name);
        let mut out = String::new();
        let mut plain = Some(String::new());
        let mut used = BTreeSet::new();
        let mut sound = true;
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            let Some(length) = text[start..].find('}') else {
                self.scope.report(
                    Diagnostic::error("E0010", node.part(start, text.len()), "`${` without `}`")
                        .help("close the reference, or write `${!…}` for `${…}` itself"),
                );
                return None;
            };
            let end = start + length + 1;
            let (before, inner, span) = (&text[at..start], &text[start + 2..end - 1], node.part(start, end));
            out.push_str(before);
            if let Some(plain) = &mut plain {
                plain.push_str(before);
            }
            at = end;
            if let Some(literal) = inner.strip_prefix('!') {
                out.push_str(&text[start..end]);
                if let Some(plain) = &mut plain {
                    plain.push_str(&format!("${{{literal}}}"));
                }
                continue;
            }
            let path: Vec<String> = inner.split('.').map(str::to_owned).collect();
            let own = given(inner) || path.len() == 1 && self.scope.parameter(inner).is_some();
            if path[0] == "config" && !own {
                match self.scope.config_value(&path, span) {
                    Some(value) => {
                        out.push_str(&value.replace("${", "${!"));
                        if let Some(plain) = &mut plain {
                            plain.push_str(&value);
                        }
                    }
                    None => sound = false,
                }
                continue;
            }
            plain = None;
            match self.sub_name(inner, span, variables) {
                Some(name) => out.push_str(&format!("${{{name}}}")),
                None => sound = false,
            }
            used.insert(inner.to_owned());
        }
        out.push_str(&text[at..]);
        if let Some(plain) = &mut plain {
            plain.push_str(&text[at..]);
        }
        sound.then_some(Replaced { text: out, plain, used })
    }

    /// Returns the text between `${` and `}` of an `Fn::Sub`, with a logical ID in the place of a name.
    fn sub_name(&self, inner: &str, span: Span, variables: &[Entry]) -> Option<String> {
        if variables.iter().any(|entry| entry.key == inner) {
            return Some(inner.to_owned());
        }
        if inner.starts_with("AWS::") {
            if pseudo_parameter(inner).is_none() {
                self.scope.report(unknown_pseudo_parameter(inner, span, PSEUDO_PARAMETERS));
                return None;
            }
            return Some(inner.to_owned());
        }
        match inner.split_once('.') {
            None if self.scope.parameter(inner).is_some() => Some(inner.to_owned()),
            None => self.target(inner, span),
            Some((name, attribute)) => {
                let id = self.target(name, span)?;
                self.scope.check_attribute(name, attribute, span)?;
                Some(format!("{id}.{attribute}"))
            }
        }
    }
}

/// The text of an `Fn::Sub` once names have been replaced by logical IDs.
struct Replaced {
    text: String,
    /// The literal text, if nothing in it is left to replace.
    plain: Option<String>,
    /// The names in it, including variables.
    used: BTreeSet<String>,
}
