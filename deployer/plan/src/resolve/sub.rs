//! The texts of `Fn::Sub`: their pieces, and the shortest form of a text that is made of pieces.

use serde_json::{Value, json};

use super::{function, scalar_text};

/// A piece of the text of an `Fn::Sub`.
pub(crate) enum SubPiece<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// Returns the pieces of the text of an `Fn::Sub`; `${!Literal}` is text that reads `${Literal}`.
pub(crate) fn sub_pieces(text: &str) -> impl Iterator<Item = SubPiece<'_>> {
    let mut rest = text;
    let mut pending: Option<SubPiece<'_>> = None;
    std::iter::from_fn(move || {
        if let Some(piece) = pending.take() {
            return Some(piece);
        }
        if rest.is_empty() {
            return None;
        }
        let Some((start, length)) = rest.find("${").and_then(|at| Some((at, rest[at..].find('}')?))) else {
            return Some(SubPiece::Text(std::mem::take(&mut rest)));
        };
        let (before, from) = rest.split_at(start);
        let (name, after) = (&from[2..length], &from[length + 1..]);
        if name.starts_with('!') {
            // `${` is a piece here, and the name with its brace goes on as text.
            rest = &from[3..];
            pending = Some(SubPiece::Text("${"));
        } else {
            rest = after;
            pending = Some(SubPiece::Name(name.trim()));
        }
        if before.is_empty() { pending.take() } else { Some(SubPiece::Text(before)) }
    })
}

/// The pieces of a text, some of which are expressions.
#[derive(Default)]
pub(super) struct Pieces(Vec<Value>);

impl Pieces {
    pub(super) fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Value::String(last)) => last.push_str(text),
            _ => self.0.push(json!(text)),
        }
    }

    pub(super) fn value(&mut self, value: &Value) {
        match (scalar_text(value), function(value)) {
            (Some(text), _) => self.text(&text),
            // Texts of texts are one text.
            (_, Some(("Fn::Sub", Value::String(inner)))) => {
                for piece in sub_pieces(inner) {
                    match piece {
                        SubPiece::Text(text) => self.text(text),
                        SubPiece::Name(name) => self.0.push(expression(name)),
                    }
                }
            }
            (_, Some(("Fn::Join", argument))) if argument[0] == "" && argument[1].is_array() => {
                argument[1].as_array().into_iter().flatten().for_each(|inner| self.value(inner));
            }
            _ => self.0.push(value.clone()),
        }
    }

    /// Returns a text if all is known, the expression if there is only one, else the shortest form that says all.
    pub(super) fn finish(mut self) -> Value {
        match self.0.as_slice() {
            [] => return json!(""),
            [_] => return self.0.swap_remove(0),
            _ => {}
        }
        let mut text = String::new();
        for piece in &self.0 {
            match (piece, name_of(piece)) {
                (Value::String(literal), _) => text.push_str(&literal.replace("${", "${!")),
                (_, Some(name)) => text.push_str(&format!("${{{name}}}")),
                _ => return json!({ "Fn::Join": ["", self.0] }),
            }
        }
        json!({ "Fn::Sub": text })
    }
}

/// Returns the expression that a name in the text of an `Fn::Sub` means.
pub(crate) fn expression(name: &str) -> Value {
    match name.split_once('.') {
        Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
        None => json!({ "Ref": name }),
    }
}

/// Returns the name by which the text of an `Fn::Sub` would mean an expression.
pub(crate) fn name_of(value: &Value) -> Option<String> {
    match function(value)? {
        ("Ref", Value::String(name)) => Some(name.clone()),
        ("Fn::GetAtt", path) => Some(format!("{}.{}", path.get(0)?.as_str()?, path.get(1)?.as_str()?)),
        _ => None,
    }
    .filter(|name| !name.contains('}') && !name.starts_with('!'))
}
