//! Texts of fields that have a syntax of their own: templates and expressions, in which config values are replaced.

use contract::settings::FieldSettings;
use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::reference::{Piece, pieces};
use deployer_syntax::yaml::{Node, Value, shorten};

use crate::model::properties::{Read, Scope, Shape, mismatch};

/// A text in which `${Column}` and the like are replaced in each row. `transform` reads it; here, config values take
/// their places, and their `${` are made literal.
pub(super) struct Template;
impl Read for Template {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::Template
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let text = scalar(node, scope, "a text with columns such as `ORDER#${ID}`")?;
        // The text, and the literal text at its end.
        let (mut out, mut literal) = (String::new(), String::new());
        for piece in pieces(text) {
            match piece {
                Piece::Literal(from, to) => literal.push_str(&text[from..to]),
                Piece::Escape(..) => literal.push_str("${"),
                Piece::Reference(from, to) => {
                    let inner = &text[from + 2..to - 1];
                    if let Some(value) = config(inner, node, (from, to), scope) {
                        literal.push_str(&value?);
                        continue;
                    }
                    if inner.trim().starts_with("AWS::") {
                        let message =
                            format!("a template has no pseudo parameters, such as `{}`", shorten(inner));
                        scope.report(
                            Diagnostic::error("E0206", node.part(from, to), message)
                                .help("`transform` knows columns only; declare a value under `config`"),
                        );
                        return None;
                    }
                    if literal.ends_with('$') {
                        let message =
                            "a config value that ends with `$` would change the meaning of the `${` after it";
                        scope.report(
                            Diagnostic::error("E0320", node.part(from, to), message)
                                .help("end the config value with another character"),
                        );
                        return None;
                    }
                    out.push_str(&std::mem::take(&mut literal).replace("${", "$${"));
                    out.push_str(&text[from..to]);
                }
                Piece::Unclosed(from, to) => {
                    scope.report(
                        Diagnostic::error("E0320", node.part(from, to), "`${` without `}`")
                            .help("close it, or write `$${` for the two characters themselves"),
                    );
                    return None;
                }
            }
        }
        out.push_str(&literal.replace("${", "$${"));
        Some(out)
    }
    fn show(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// An expression, in which a config value is a number, `true`, `false`, or a part of a text in quotes.
pub(in crate::model::function) struct Expression;
impl Read for Expression {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let text = scalar(node, scope, "an expression")?;
        let mut out = String::new();
        let mut lexer = Lexer::default();
        for piece in pieces(text) {
            match piece {
                Piece::Literal(from, to) => {
                    lexer.read(&text[from..to]);
                    out.push_str(&text[from..to]);
                }
                Piece::Escape(..) => {
                    lexer.read("${");
                    out.push_str("${");
                }
                Piece::Reference(from, to) => {
                    let value = config(&text[from + 2..to - 1], node, (from, to), scope);
                    let Some(value) = value else {
                        let message = format!(
                            "an expression names columns without `${{}}`: `{}`",
                            shorten(&text[from..to])
                        );
                        scope.report(
                            Diagnostic::error("E0318", node.part(from, to), message)
                                .help("write `Amount`, or `row[\"Order ID\"]` if the name is not a word"),
                        );
                        return None;
                    };
                    let value = value?;
                    let around = (out.chars().next_back(), text[to..].chars().next());
                    match lexer.insert(&value, around) {
                        Ok(value) => out.push_str(&value),
                        Err((message, help)) => {
                            let message = format!("the config value of `{}` {message}", &text[from..to]);
                            scope.report(Diagnostic::error("E0318", node.part(from, to), message).help(help));
                            return None;
                        }
                    }
                }
                Piece::Unclosed(from, to) => {
                    scope.report(
                        Diagnostic::error("E0318", node.part(from, to), "`${` without `}`").help(
                            "write `${config.name}` for a config value, or `$${` for the two characters themselves",
                        ),
                    );
                    return None;
                }
            }
        }
        Some(out)
    }
    fn show(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// Returns whether a field is a template that is the same text in every row.
#[must_use]
pub fn is_constant(field: &FieldSettings) -> bool {
    let is_reference = |piece: &Piece| matches!(piece, Piece::Reference(..));
    field.template.as_ref().is_some_and(|template| !pieces(template).iter().any(is_reference))
}

/// Returns the text of a single value.
fn scalar<'n>(node: &'n Node, scope: &Scope, wanted: &str) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => Some(text),
        _ => {
            scope.report(mismatch(node, wanted));
            None
        }
    }
}

/// Returns the value of `${config.name}`, which is `None` within if it has been reported; `None` for all other names.
fn config(inner: &str, node: &Node, (from, to): (usize, usize), scope: &Scope) -> Option<Option<String>> {
    let path: Vec<String> = inner.split('.').map(str::to_owned).collect();
    (path.first().is_some_and(|first| first == "config"))
        .then(|| scope.config_value(&path, node.part(from, to)))
}

/// A reader of the tokens of an expression, as far as it must be known where its texts begin and end. Source: CEL's
/// language definition, "Lexis".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Lexer {
    #[default]
    Code,
    /// A text: its quote, `true` for three of them, and `true` if a backslash has no meaning in it.
    Text(char, bool, bool),
    /// From `//` to the end of the line.
    Comment,
}

impl Lexer {
    /// Reads on.
    fn read(&mut self, text: &str) {
        let characters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while let Some(&character) = characters.get(at) {
            let three = |quote: char| {
                characters.get(at..at + 3).is_some_and(|three| three.iter().all(|one| *one == quote))
            };
            match *self {
                Self::Code if matches!(character, '"' | '\'') => {
                    let before: String =
                        characters[..at].iter().rev().take_while(|one| one.is_alphanumeric()).collect();
                    let raw = matches!(before.to_ascii_lowercase().as_str(), "r" | "br" | "rb");
                    let triple = three(character);
                    at += if triple { 2 } else { 0 };
                    *self = Self::Text(character, triple, raw);
                }
                Self::Code if character == '/' && characters.get(at + 1) == Some(&'/') => {
                    *self = Self::Comment
                }
                Self::Comment if character == '\n' => *self = Self::Code,
                Self::Text(_, _, false) if character == '\\' => at += 1,
                Self::Text(quote, triple, _) if character == quote && (!triple || three(quote)) => {
                    at += if triple { 2 } else { 0 };
                    *self = Self::Code;
                }
                Self::Code | Self::Text(..) | Self::Comment => {}
            }
            at += 1;
        }
    }

    /// Returns a config value as it is written here, between two characters, or the reason against it and the help.
    fn insert(
        self,
        value: &str,
        (before, after): (Option<char>, Option<char>),
    ) -> Result<String, (&'static str, &'static str)> {
        if self != Self::Code {
            let ends = |one: char| matches!(one, '"' | '\'' | '\\') || one.is_control();
            return match before == Some('\\') || value.contains(ends) {
                true => Err((
                    "has a quote, a backslash or a line end, or comes after a backslash",
                    "write the text itself into the expression",
                )),
                false => Ok(value.to_owned()),
            };
        }
        let part_of_word = |one: char| one.is_alphanumeric() || matches!(one, '_' | '.');
        if before.is_some_and(part_of_word) || after.is_some_and(part_of_word) {
            return Err((
                "would become a part of the word beside it",
                "write a blank or an operator between them",
            ));
        }
        let digits = value.strip_prefix('-').unwrap_or(value);
        let number = match digits.split_once('.') {
            Some((whole, decimals)) => all_digits(whole) && all_digits(decimals),
            None => all_digits(digits),
        };
        match value {
            "true" | "false" => Ok(value.to_owned()),
            _ if number && digits.len() < value.len() => Ok(format!("({value})")),
            _ if number => Ok(value.to_owned()),
            _ => Err((
                "is neither a number nor `true` or `false`",
                "write a text in quotes: `'${config.name}'`",
            )),
        }
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> Lexer {
        let mut lexer = Lexer::default();
        lexer.read(text);
        lexer
    }

    #[test]
    fn texts_of_an_expression_are_found() {
        for (text, expected) in [
            ("a + 'b' + ", Lexer::Code),
            ("a + 'b", Lexer::Text('\'', false, false)),
            (r#""it's \" "#, Lexer::Text('"', false, false)),
            (r#"r"\""#, Lexer::Code),
            (r#"'''a'' "#, Lexer::Text('\'', true, false)),
            ("'''a''' + ", Lexer::Code),
            ("'' + ", Lexer::Code),
            ("a // it's", Lexer::Comment),
            ("a // it's\n + ", Lexer::Code),
        ] {
            assert_eq!(state(text), expected, "{text}");
        }
    }

    #[test]
    fn a_config_value_stays_what_it_looks_like() {
        let code = |value: &str| Lexer::Code.insert(value, (Some(' '), None)).ok();
        assert_eq!(code("19"), Some("19".to_owned()));
        assert_eq!(code("-1.5"), Some("(-1.5)".to_owned()));
        assert_eq!(code("true"), Some("true".to_owned()));
        for wrong in ["a", "", "1.", "1 + 2", "1)", "'a'", "1e3"] {
            assert_eq!(code(wrong), None, "{wrong}");
        }
        assert!(Lexer::Code.insert("1", (Some('x'), None)).is_err());
        assert!(Lexer::Code.insert("1", (None, Some('.'))).is_err());
        let text = |value: &str| Lexer::Text('"', false, false).insert(value, (None, None)).ok();
        assert_eq!(text("a b ${c}"), Some("a b ${c}".to_owned()));
        for wrong in ["'", "\"", "\\", "\n"] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }
}
