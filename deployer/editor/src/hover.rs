//! The documentation of what is at a place, as Markdown.

use deployer_lang::docs;
use deployer_lang::model::Kind;
use deployer_lang::model::properties::Property;
use deployer_syntax::yaml::{Node, shorten};
use deployer_syntax::{Diagnostic, Span};

use crate::cursor;
use crate::forms::{Forms, kind_of};
use crate::occurrences::{self, Occurrence, Target};
use crate::outline::{ConfigValue, Outline};
use crate::place::{At, Place, Step, find, resource_of, touches};
use crate::text::Text;

/// Documentation, and the text that it is about.
#[derive(Debug)]
pub struct Hover {
    /// The documentation, as Markdown.
    pub markdown: String,
    /// Place of the text.
    pub span: Span,
}

/// Returns the documentation of what is at a byte. `problems` are those of the same text, and `page` returns the page of
/// a code.
#[must_use]
pub fn hover(
    text: &Text,
    root: Option<&Node>,
    outline: &Outline,
    occurrences: &[Occurrence],
    problems: &[Diagnostic],
    page: impl Fn(&str) -> Option<String>,
    offset: usize,
) -> Option<Hover> {
    let of_name = occurrences::at(occurrences, offset).and_then(|one| of_occurrence(one, outline, offset));
    let found = of_name.or_else(|| match root {
        Some(root) => of_place(&find(root, offset)?, outline),
        None => in_text(text, offset, outline),
    });
    let here: Vec<&Diagnostic> = problems.iter().filter(|problem| touches(problem.span, offset)).collect();
    let mut parts: Vec<String> = found.iter().map(|found| found.markdown.clone()).collect();
    for problem in &here {
        parts.extend(page(problem.code).map(|page| page.trim().to_owned()));
    }
    parts.dedup();
    let smallest = here.iter().map(|problem| problem.span).min_by_key(|span| span.end - span.start);
    let span = found.map(|found| found.span).or(smallest)?;
    (!parts.is_empty()).then(|| Hover { markdown: parts.join("\n\n---\n\n"), span })
}

/// Returns the documentation of the key or value at a byte of a text that is not YAML.
fn in_text(text: &Text, offset: usize, outline: &Outline) -> Option<Hover> {
    let cursor = cursor::read(text, offset, false)?;
    let place = cursor.place()?;
    // The mark may be in the place of the type.
    let before = resource_of(&place.path).and_then(|name| outline.resource(name)?.kind);
    let kind = before.or_else(|| kind_of(&place, &Outline::of(cursor.root()), outline));
    let word = text.as_str().get(cursor.word.start..cursor.word.end)?;
    let markdown = match place.at {
        At::Key { entry, .. } if cursor::is_mark(&entry.key) => of_key(&place.path, word, kind)?,
        At::Key { entry, .. } => of_key(&place.path, &entry.key, kind)?,
        At::Value { .. } => of_value(&place.path, kind)?,
    };
    Some(Hover { markdown, span: cursor.word })
}

fn of_occurrence(one: &Occurrence, outline: &Outline, offset: usize) -> Option<Hover> {
    let markdown = match &one.target {
        Target::Config(name) => {
            let value = outline.config_value(name)?;
            format!("**config `{name}`**: {}", words_of(value))
        }
        Target::Resource(name) => {
            let resource = outline.resource(name)?;
            if let Some((attribute, span)) = &one.attribute
                && touches(*span, offset)
            {
                // One of CloudFormation's own has no description, and of a wrong one there is a problem.
                let known = outline.attributes(name);
                let what =
                    known.iter().find(|(known, _)| known == attribute).map(|(_, what)| what.as_str())?;
                return Some(Hover { markdown: format!("**`{name}.{attribute}`**: {what}"), span: *span });
            }
            let type_name = resource.type_name.as_deref().unwrap_or("without a type");
            let about = resource.kind.map(of_kind).unwrap_or_default();
            format!(
                "**`{name}`**: {} in CloudFormation `{}`\n\n{about}",
                shorten(type_name),
                resource.logical_id
            )
        }
    };
    Some(Hover { markdown: markdown.trim_end().to_owned(), span: one.whole })
}

fn of_place(place: &Place<'_>, outline: &Outline) -> Option<Hover> {
    let kind = resource_of(&place.path).and_then(|name| outline.resource(name)?.kind);
    match place.at {
        At::Key { entry, .. } => {
            let markdown = of_key(&place.path, &entry.key, kind)?;
            Some(Hover { markdown, span: entry.key_span })
        }
        At::Value { node, .. } => {
            let markdown = of_value(&place.path, kind)?;
            Some(Hover { markdown, span: node.span })
        }
    }
}

fn of_value(path: &[Step], kind: Option<Kind>) -> Option<String> {
    let (last, above) = path.split_last()?;
    let Step::Key(key) = last else { return None };
    match (key.as_str(), kind) {
        ("type", Some(kind)) if above.len() == 2 => Some(of_kind(kind)),
        _ => of_key(above, key, kind),
    }
}

fn of_key(path: &[Step], key: &str, kind: Option<Kind>) -> Option<String> {
    let forms = Forms::at(path, kind);
    if let Some(property) = forms.properties().find(|property| property.name == key) {
        return Some(of_property(property));
    }
    let raw = forms.raw?.property(key);
    let default = raw.default().map(|default| format!(", default `{default}`")).unwrap_or_default();
    let words: Vec<String> = raw.words().map(|word| format!("`{word}`")).collect();
    let words = if words.is_empty() { String::new() } else { format!(", one of {}", words.join(", ")) };
    let name = kind.map(Kind::name).unwrap_or_default();
    raw.is_known().then(|| format!("**`{key}`** of {name}{words}{default}"))
}

/// Returns the documentation of a type.
fn of_kind(kind: Kind) -> String {
    match kind {
        Kind::Raw(type_id) => docs::raw_page(type_id).trim_start_matches("# ").to_owned(),
        _ => {
            let attributes: Vec<String> =
                kind.attributes().iter().map(|(name, what)| format!("`{name}` ({what})")).collect();
            format!(
                "**`type: {0}`**: {1}\n\nAttributes: {2}. `deployer docs {0}` shows its properties.",
                kind.name(),
                kind.description(),
                attributes.join(", ")
            )
        }
    }
}

/// Returns the documentation of a property.
#[must_use]
pub fn of_property(property: &Property) -> String {
    let value = docs::value(&property.shape);
    let given = match (&property.default, property.required) {
        (_, true) => ", required".to_owned(),
        (Some(default), _) => format!(", default `{default}`"),
        (None, _) => String::new(),
    };
    format!("**`{}`**: {value}{given}\n\n{}", property.name, property.description)
}

/// Returns the members of a config value, in words.
#[must_use]
pub fn words_of(value: &ConfigValue) -> String {
    let words: Vec<String> = value
        .members
        .iter()
        .map(|(key, text)| match key.as_str() {
            "type" => shorten(text),
            "description" => shorten(text),
            _ => format!("{key} {}", shorten(text)),
        })
        .collect();
    words.join(", ")
}
