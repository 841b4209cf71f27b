//! `${…}`: texts that speak of resources and config values.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::shorten;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Literal(String),
    /// `${path.to.something}`.
    Path {
        /// The words between the dots.
        path: Vec<String>,
        /// Where `${…}` stands in the text, in bytes.
        at: (usize, usize),
    },
}

/// Splits a text at its `${…}`; `$${` stands for `${` itself. `place` gives the place in the file of a range of bytes.
pub fn parse(
    text: &str,
    place: impl Fn(usize, usize) -> Span,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[..start].ends_with('$') {
            literal.push_str(&text[at..start - 1]);
            literal.push_str("${");
            at = start + 2;
            continue;
        }
        literal.push_str(&text[at..start]);
        let Some(length) = text[start..].find('}') else {
            diagnostics.push(
                Diagnostic::error("E0010", place(start, text.len()), "`${` without `}`")
                    .help("close the reference, or write `$${` for the two characters themselves"),
            );
            return None;
        };
        let end = start + length + 1;
        let path: Vec<String> = text[start + 2..end - 1].split('.').map(str::to_owned).collect();
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
                .help("write `${resource}`, `${resource.attribute}` or `${config.name}`"),
            );
            return None;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Path { path, at: (start, end) });
        at = end;
    }
    literal.push_str(&text[at..]);
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
        assert_eq!(read(""), Some(vec![]));
        for wrong in ["${", "${}", "${a.}", "${a b}", "x ${a"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_refused(text in "(\\$|\\{|\\}|a|\\.|ü){0,20}") {
            let _ = read(&text);
        }
    }
}
