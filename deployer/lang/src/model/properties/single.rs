//! Kinds of single values: texts, numbers, words.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::units;
use deployer_syntax::yaml::{Node, Value, shorten};

use super::{MAX_NAME, Read, Scope, Shape, is_word, mismatch, one_of};

/// Returns the error about a single value of the wrong kind, which config values may have given.
fn mismatch_of(node: &Node, given: &str, wanted: &str) -> Diagnostic {
    match &node.value {
        Value::Scalar { text, .. } if text != given => {
            let message = format!("expected {wanted}, but the config value is `{}`", shorten(given));
            Diagnostic::error("E0103", node.span, message)
        }
        _ => mismatch(node, wanted),
    }
}

/// Any text.
pub struct Str;
impl Read for Str {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        scope.single(node, "a text").map(|(text, _)| text)
    }
    fn show(&self, value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// A whole number in a range.
pub struct Integer(pub i64, pub i64);
impl Read for Integer {
    type Out = i64;
    fn shape(&self) -> Shape {
        Shape::Integer(self.0, self.1)
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<i64> {
        let (text, plain) = scope.single(node, "a whole number")?;
        let range = format!("between {} and {}", self.0, self.1);
        match units::integer(&text).filter(|_| plain) {
            Some(value) if (self.0..=self.1).contains(&value) => Some(value),
            None if !(plain && units::is_too_large(&text, units::integer)) => {
                scope.report(mismatch_of(node, &text, "a whole number").help(range));
                None
            }
            _ => {
                let message = format!("{} is out of range", shorten(&text));
                scope.report(Diagnostic::error("E0104", node.span, message).help(range));
                None
            }
        }
    }
    fn show(&self, value: &i64) -> Option<String> {
        Some(value.to_string())
    }
}

/// `true` or `false`.
pub struct Boolean;
impl Read for Boolean {
    type Out = bool;
    fn shape(&self) -> Shape {
        Shape::Boolean
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<bool> {
        let wanted = "`true` or `false`";
        match scope.single(node, wanted)? {
            (text, true) if text == "true" => Some(true),
            (text, true) if text == "false" => Some(false),
            (text, _) => {
                scope.report(mismatch_of(node, &text, wanted));
                None
            }
        }
    }
    fn show(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A whole number in a range, or a word that means no number.
pub struct WordOrInteger(pub &'static str, pub i64, pub i64);
impl Read for WordOrInteger {
    type Out = Option<i64>;
    fn shape(&self) -> Shape {
        Shape::WordOrInteger(self.0, self.1, self.2)
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Option<i64>> {
        match scope.single(node, &format!("a whole number or `{}`", self.0))? {
            (text, _) if text == self.0 => Some(None),
            _ => Integer(self.1, self.2).read(node, scope).map(Some),
        }
    }
    fn show(&self, value: &Option<i64>) -> Option<String> {
        Some(value.map_or(self.0.to_owned(), |value| value.to_string()))
    }
}

/// A name that a logical ID can be made from.
pub struct Word;
impl Read for Word {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let (text, _) = scope.single(node, "a name")?;
        if !is_word(&text) {
            scope.report(
                Diagnostic::error("E0108", node.span, format!("`{}` can't be a name", shorten(&text))).help(
                    format!(
                        "letters, digits, `-` and `_`, beginning with a letter, at most {MAX_NAME} characters"
                    ),
                ),
            );
            return None;
        }
        Some(text)
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}

/// Seconds, written with a unit, in a range.
pub struct Duration(pub u64, pub u64);
impl Read for Duration {
    type Out = u64;
    fn shape(&self) -> Shape {
        Shape::Duration(self.0, self.1)
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<u64> {
        measure(
            node,
            scope,
            units::parse_duration,
            units::show_duration,
            (self.0, self.1),
            "a duration such as `5m`",
        )
    }
    fn show(&self, value: &u64) -> Option<String> {
        Some(units::show_duration(*value))
    }
}

/// Bytes, written with a unit, in a range.
pub struct Size(pub u64, pub u64);
impl Read for Size {
    type Out = u64;
    fn shape(&self) -> Shape {
        Shape::Size(self.0, self.1)
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<u64> {
        measure(node, scope, units::parse_size, units::show_size, (self.0, self.1), "a size such as `512MiB`")
    }
    fn show(&self, value: &u64) -> Option<String> {
        Some(units::show_size(*value))
    }
}

/// Hundredths of a percent, written as a percentage from 0 to 100.
pub struct Percent;
impl Read for Percent {
    type Out = u64;
    fn shape(&self) -> Shape {
        Shape::Percent
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<u64> {
        measure(
            node,
            scope,
            units::parse_percent,
            units::show_percent,
            (0, 10_000),
            "a percentage such as `10%`",
        )
    }
    fn show(&self, value: &u64) -> Option<String> {
        Some(units::show_percent(*value))
    }
}

fn measure(
    node: &Node,
    scope: &Scope,
    parse: fn(&str) -> Option<u64>,
    show: fn(u64) -> String,
    (low, high): (u64, u64),
    wanted: &str,
) -> Option<u64> {
    let (text, _) = scope.single(node, wanted)?;
    let range = format!("between {} and {}", show(low), show(high));
    let beyond = |value: Option<u64>| value.is_some() || units::is_too_large(&text, parse);
    match parse(&text) {
        Some(value) if (low..=high).contains(&value) => Some(value),
        value if beyond(value) => {
            let message = format!("`{}` is out of range", shorten(&text));
            scope.report(Diagnostic::error("E0104", node.span, message).help(range));
            None
        }
        _ => {
            let help = match units::meant(&text).filter(|meant| parse(meant).is_some()) {
                Some(meant) => format!("write `{meant}`; {range}"),
                None => range,
            };
            scope.report(mismatch_of(node, &text, wanted).help(help));
            None
        }
    }
}

/// One of some words.
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);
impl<T: Copy + PartialEq> Read for Choice<T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Choice(self.0.iter().map(|(word, _)| *word).collect())
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<T> {
        let words = || self.0.iter().map(|(word, _)| *word);
        let (text, _) = scope.single(node, &one_of(words()))?;
        let found = self.0.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            scope.report(
                Diagnostic::error("E0105", node.span, format!("`{}` is not allowed here", shorten(&text)))
                    .suggest(&text, words()),
            );
        }
        found.map(|(_, value)| *value)
    }
    fn show(&self, value: &T) -> Option<String> {
        self.0.iter().find(|(_, candidate)| candidate == value).map(|(word, _)| (*word).to_owned())
    }
}
