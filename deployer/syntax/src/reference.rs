//! `${…}`: texts that refer to resources and config values.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::shorten;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Literal text.
    Literal(String),
    /// `${path.to.something}`.
    Path {
        /// The words between the dots.
        path: Vec<String>,
        /// Place of `${…}` in the text, in bytes.
        at: (usize, usize),
    },
    /// `${AWS::Region}` and the like.
    Pseudo {
        /// One of [`PSEUDO_PARAMETERS`].
        name: &'static str,
        /// Place of `${…}` in the text, in bytes.
        at: (usize, usize),
    },
}

/// CloudFormation's pseudo parameters that are one text.
/// Source: AWS CloudFormation Template Reference, "Pseudo parameters reference".
pub const PSEUDO_PARAMETERS: [&str; 6] =
    ["AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"];

/// Returns the pseudo parameter of this name among those that are a text.
#[must_use]
pub fn pseudo_parameter(name: &str) -> Option<&'static str> {
    PSEUDO_PARAMETERS.into_iter().find(|known| *known == name)
}

/// Returns the error about a name that begins as a pseudo parameter does, but is not one.
#[must_use]
pub fn unknown_pseudo_parameter<'k>(
    name: &str,
    span: Span,
    known: impl IntoIterator<Item = &'k str>,
) -> Diagnostic {
    Diagnostic::error("E0514", span, format!("no pseudo parameter is named `{}`", shorten(name)))
        .suggest(name, known)
}

/// A piece of a text with `${…}`, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Text that means itself.
    Literal(usize, usize),
    /// `$${`, which is a literal `${`.
    Escape(usize, usize),
    /// `${…}`.
    Reference(usize, usize),
    /// `${` without `}`, up to the end of the text.
    Unclosed(usize, usize),
}

/// Splits a text at its `${…}` and `$${`, whatever is between the braces.
#[must_use]
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let literal = |from: usize, to: usize, pieces: &mut Vec<Piece>| {
        if from < to {
            pieces.push(Piece::Literal(from, to));
        }
    };
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            literal(at, start - 1, &mut pieces);
            pieces.push(Piece::Escape(start - 1, start + 2));
            at = start + 2;
            continue;
        }
        literal(at, start, &mut pieces);
        let Some(length) = text[start..].find('}') else {
            pieces.push(Piece::Unclosed(start, text.len()));
            return pieces;
        };
        at = start + length + 1;
        pieces.push(Piece::Reference(start, at));
    }
    literal(at, text.len(), &mut pieces);
    pieces
}

/// Reads the references in a text; `$${` is a literal `${`. `place` returns the place in the file of a range of bytes.
pub fn parse(
    text: &str,
    place: impl Fn(usize, usize) -> Span,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    for piece in pieces(text) {
        let (start, end) = match piece {
            Piece::Literal(from, to) => {
                literal.push_str(&text[from..to]);
                continue;
            }
            Piece::Escape(..) => {
                literal.push_str("${");
                continue;
            }
            Piece::Unclosed(start, end) => {
                diagnostics.push(
                    Diagnostic::error("E0010", place(start, end), "`${` without `}`")
                        .help("close the reference, or write `$${` for the two characters themselves"),
                );
                return None;
            }
            Piece::Reference(start, end) => (start, end),
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        let inner = &text[start + 2..end - 1];
        if inner.starts_with("AWS::") {
            let Some(name) = pseudo_parameter(inner) else {
                diagnostics.push(unknown_pseudo_parameter(inner, place(start, end), PSEUDO_PARAMETERS));
                return None;
            };
            parts.push(Part::Pseudo { name, at: (start, end) });
            continue;
        }
        let path: Vec<String> = inner.split('.').map(str::to_owned).collect();
        let is_word = |word: &String| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !path.iter().all(is_word) {
            diagnostics.push(
                Diagnostic::error(
                    "E0010",
                    place(start, end),
                    format!("`{}` is not a reference", shorten(&text[start..end])),
                )
                .help(format!(
                    "write `${{resource}}`, `${{resource.attribute}}` or `${{config.name}}`; for the text itself, such as a variable of IAM, `${}`",
                    shorten(&text[start..end])
                )),
            );
            return None;
        }
        parts.push(Part::Path { path, at: (start, end) });
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Vec<Part>> {
        parse(text, |start, end| Span { start, end }, &mut Diagnostics::default())
    }

    #[test]
    fn texts_are_split_at_references() {
        assert_eq!(
            read("a-${b.name}-$${c}"),
            Some(vec![
                Part::Literal("a-".into()),
                Part::Path { path: vec!["b".into(), "name".into()], at: (2, 11) },
                Part::Literal("-${c}".into()),
            ])
        );
        assert_eq!(read("${AWS::Region}"), Some(vec![Part::Pseudo { name: "AWS::Region", at: (0, 14) }]));
        assert_eq!(read(""), Some(vec![]));
        for wrong in ["${", "${}", "${a.}", "${a b}", "x ${a", "${AWS::}", "${AWS::NoValue}"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pieces_are_what_they_look_like() {
        assert_eq!(
            pieces("a${Order ID}$${b}${"),
            [
                Piece::Literal(0, 1),
                Piece::Reference(1, 12),
                Piece::Escape(12, 15),
                Piece::Literal(15, 17),
                Piece::Unclosed(17, 19),
            ]
        );
        assert_eq!(pieces("$"), [Piece::Literal(0, 1)]);
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole_text(text in "(\\$|\\{|\\}|a| |\\.|ü){0,20}") {
            let mut joined = String::new();
            for piece in pieces(&text) {
                let (Piece::Literal(from, to) | Piece::Escape(from, to) | Piece::Reference(from, to) | Piece::Unclosed(from, to)) = piece;
                joined.push_str(&text[from..to]);
            }
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn any_text_is_split_or_refused(text in "(\\$|\\{|\\}|a|\\.|ü){0,20}") {
            let _ = read(&text);
        }
    }
}
