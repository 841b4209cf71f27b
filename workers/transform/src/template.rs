//! Texts with `${…}`: parts of a row, put together.

use std::borrow::Cow;

use contract::columns;
use contract::row::Cell;

use crate::context::Context;

/// A template, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// The columns that it takes, by slot.
    columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A column, by slot.
    Column(usize),
    ObjectBucket,
    ObjectKey,
    ObjectVersion,
    RecordIndex,
}

/// The names besides columns that a template knows.
const NAMES: [(&str, Part); 4] = [
    ("object.bucket", Part::ObjectBucket),
    ("object.key", Part::ObjectKey),
    ("object.version", Part::ObjectVersion),
    ("record.index", Part::RecordIndex),
];

/// The reason why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// The bytes of the text that are wrong.
    pub range: (usize, usize),
}

impl Template {
    /// Reads a template: `${Column}`, `${object.key}` and the like are replaced in each row, and `$${` is a literal
    /// `${`.
    ///
    /// # Errors
    /// [`TemplateError`] when `${` is not closed, names nothing, or names something of an object or record that there
    /// is not.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut names) = (Vec::new(), Vec::<String>::new());
        let (mut literal, mut rest, mut at) = (String::new(), text, 0);
        while let Some((before, after)) = rest.split_once("${") {
            let start = at + before.len();
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                (rest, at) = (after, start + 2);
                continue;
            }
            literal.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(TemplateError {
                    message: "`${` without `}`".into(),
                    help: "close it, or write `$${` for the two characters themselves".into(),
                    range: (start, text.len()),
                });
            };
            let end = start + 2 + name.len() + 1;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part(name, (start, end), &mut names)?);
            (rest, at) = (after, end);
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts, columns: names })
    }

    /// Returns the names of the columns that it takes, each once.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the text for a row, and whether one of its parts is empty. `cell` returns the column of a slot.
    pub(crate) fn render<'r>(
        &'r self,
        context: &Context<'r>,
        cell: impl Fn(usize) -> Cell<'r>,
    ) -> (Cow<'r, str>, bool) {
        let mut empty = false;
        let mut text = |part: &'r Part| -> Cow<'r, str> {
            let text = match part {
                Part::Literal(text) => return Cow::Borrowed(text.as_str()),
                Part::Column(slot) => cell(*slot).text,
                Part::ObjectBucket => context.bucket,
                Part::ObjectKey => context.key,
                Part::ObjectVersion => context.version.unwrap_or_default(),
                Part::RecordIndex => return Cow::Owned(context.index.to_string()),
            };
            empty |= text.is_empty();
            Cow::Borrowed(text)
        };
        let out = match self.parts.as_slice() {
            [] => Cow::Borrowed(""),
            [only] => text(only),
            parts => {
                let mut out = String::new();
                for part in parts {
                    out.push_str(&text(part));
                }
                Cow::Owned(out)
            }
        };
        (out, empty)
    }
}

/// Returns the part that a name stands for.
fn part(name: &str, range: (usize, usize), names: &mut Vec<String>) -> Result<Part, TemplateError> {
    let name = columns::trim(name);
    if name.is_empty() {
        return Err(TemplateError {
            message: "`${}` names no column".into(),
            help: "write the name of a column between the braces".into(),
            range,
        });
    }
    if let Some((_, part)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(part.clone());
    }
    if name.starts_with("object.") || name.starts_with("record.") {
        let known: Vec<String> = NAMES.iter().map(|(known, _)| format!("`${{{known}}}`")).collect();
        return Err(TemplateError {
            message: format!("there is no `{name}`"),
            help: format!("there are {}; a column of that name can be had by `from`", known.join(", ")),
            range,
        });
    }
    let slot = names.iter().position(|known| columns::same(known, name)).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    Ok(Part::Column(slot))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(template: &str, cells: &[&str]) -> (String, bool) {
        let template = Template::parse(template).expect("a template");
        let context = Context { bucket: "b", key: "k.csv", version: None, index: 7 };
        let cell = |slot: usize| Cell { text: cells[slot], quoted: false };
        let (text, empty) = template.render(&context, cell);
        (text.into_owned(), empty)
    }

    #[test]
    fn parts_are_put_together() {
        assert_eq!(render("ORDER#${ID}", &["7"]), ("ORDER#7".into(), false));
        assert_eq!(render("${ ID }/${id}/${Order ID}", &["7", "8"]), ("7/7/8".into(), false));
        assert_eq!(render("${object.key}#${record.index}", &[]), ("k.csv#7".into(), false));
        assert_eq!(render("$${ID}-$$", &[]), ("${ID}-$$".into(), false));
        assert_eq!(render("", &[]), (String::new(), false));
    }

    #[test]
    fn an_empty_part_is_noticed() {
        assert_eq!(render("ORDER#${ID}", &[""]), ("ORDER#".into(), true));
        assert_eq!(render("v${object.version}", &[]), ("v".into(), true), "a bucket without versions");
    }

    #[test]
    fn a_text_that_is_no_template_says_where() {
        for (text, message, range) in [
            ("a${b", "`${` without `}`", (1, 4)),
            ("a${}", "`${}` names no column", (1, 4)),
            ("ü${\u{200b} }", "`${}` names no column", (2, 9)),
            ("${object.size}", "there is no `object.size`", (0, 14)),
            ("$${x}${", "`${` without `}`", (5, 7)),
        ] {
            let error = Template::parse(text).expect_err(text);
            assert_eq!((error.message.as_str(), error.range), (message, range), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error_in_it(text in "(\\$|\\{|\\}|a|\\.|ü){0,20}") {
            if let Err(error) = Template::parse(&text) {
                prop_assert!(text.get(error.range.0..error.range.1).is_some_and(|wrong| !wrong.is_empty()));
            }
        }

        #[test]
        fn a_text_without_names_is_itself(text in "[a-z$ ü]{0,20}") {
            let template = Template::parse(&text).expect("no names");
            let context = Context { bucket: "", key: "", version: None, index: 0 };
            let (rendered, empty) = template.render(&context, |_| Cell::default());
            prop_assert_eq!((&*rendered, empty), (text.as_str(), false));
        }
    }
}
