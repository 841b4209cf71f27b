//! The words that can be written at a place.

use deployer_cfn::schemas;
use deployer_cfn::schemas::{Scalar, Shape as RawShape};
use deployer_lang::docs;
use deployer_lang::model::Kind;
use deployer_lang::model::properties::{Property, Shape};
use deployer_syntax::Span;
use deployer_syntax::reference::PSEUDO_PARAMETERS;

use crate::cursor::{self, Cursor};
use crate::forms::{Forms, kind_of};
use crate::hover;
use crate::outline::Outline;
use crate::place::{At, Step, resource_of};
use crate::text::Text;

/// The kind of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A key.
    Property,
    /// One of several words.
    Word,
    /// A type of resources.
    Type,
    /// A resource.
    Resource,
    /// An attribute of a resource.
    Attribute,
    /// A config value or a pseudo parameter.
    Value,
}

/// A completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The word in the list.
    pub label: String,
    /// Its kind.
    pub kind: ItemKind,
    /// A few words beside it.
    pub detail: String,
    /// Its documentation, as Markdown.
    pub documentation: String,
    /// The text in the place of [`Completions::span`].
    pub insert: String,
    /// `true` for one that must be given.
    pub first: bool,
}

/// The completions at a place.
#[derive(Debug, Default)]
pub struct Completions {
    /// The completions, in the order of the language.
    pub items: Vec<Item>,
    /// The text that they replace.
    pub span: Span,
    /// `true` if there are more, which a longer word finds.
    pub incomplete: bool,
}

/// Most types of CloudFormation in one list; there are over a thousand.
const MAX_TYPES: usize = 100;

/// Returns the completions at a byte. `outline` has the names of the file when it was last YAML.
#[must_use]
pub fn complete(text: &Text, offset: usize, outline: &Outline) -> Completions {
    if let Some(inside) = Inside::read(text, offset) {
        return in_reference(text, offset, outline, &inside);
    }
    let Some(cursor) = cursor::read(text, offset, true) else { return Completions::default() };
    let Some(place) = cursor.place() else { return Completions::default() };
    let fresh = Outline::of(cursor.root());
    let kind = kind_of(&place, &fresh, outline);
    let forms = Forms::at(&place.path, kind);
    let word = text.as_str().get(cursor.word.start..cursor.word.end).unwrap_or_default();
    let mut list = List { text, cursor: &cursor, outline, items: Vec::new(), incomplete: false };
    match place.at {
        At::Key { siblings, .. } => {
            let given: Vec<&str> = siblings.iter().map(|entry| entry.key.as_str()).collect();
            list.keys(&forms, &given);
            if let [Step::Key(stacks), Step::Key(_), Step::Key(config)] = place.path.as_slice()
                && stacks == "stacks"
                && config == "config"
            {
                list.config_keys(&given);
            }
        }
        At::Value { tag: Some(tag), .. } => list.targets(tag),
        At::Value { .. } => {
            list.values(&forms);
            list.keys(&forms, &[]);
            if let [.., Step::Key(last)] = place.path.as_slice()
                && last == "type"
                && resource_of(&place.path).is_some()
                && place.path.len() == 3
            {
                list.types(word);
            }
        }
    }
    Completions { items: list.items, span: cursor.word, incomplete: list.incomplete }
}

struct List<'a> {
    text: &'a Text,
    cursor: &'a Cursor,
    outline: &'a Outline,
    items: Vec<Item>,
    incomplete: bool,
}

impl List<'_> {
    /// Adds the keys that a mapping can have, without those that it has.
    fn keys(&mut self, forms: &Forms, given: &[&str]) {
        let after = self.text.as_str().get(self.cursor.word.end..).unwrap_or_default();
        let has_colon = after.trim_start_matches(' ').starts_with(':');
        let in_braces = !self.cursor.open.brackets.is_empty();
        for property in forms.properties().filter(|property| !given.contains(&property.name)) {
            let nested = !in_braces && is_nested(&property.shape);
            self.items.push(Item {
                label: property.name.to_owned(),
                kind: ItemKind::Property,
                detail: detail(property),
                documentation: hover::of_property(property),
                insert: match (has_colon, nested) {
                    (true, _) => property.name.to_owned(),
                    (false, true) => format!("{}:", property.name),
                    (false, false) => format!("{}: ", property.name),
                },
                first: property.required,
            });
        }
        let names = forms.raw.into_iter().flat_map(RawShape::names);
        for name in names.filter(|name| !given.contains(name) && !forms.read_only.contains(name)) {
            let insert = if has_colon { name.to_owned() } else { format!("{name}: ") };
            self.add(name, ItemKind::Property, String::new(), insert);
        }
    }

    fn config_keys(&mut self, given: &[&str]) {
        for value in self.outline.config.iter().filter(|value| !given.contains(&value.name.as_str())) {
            self.add(&value.name, ItemKind::Value, "config value".to_owned(), format!("{}: ", value.name));
        }
    }

    /// Adds the words and references that a value can be.
    fn values(&mut self, forms: &Forms) {
        for shape in &forms.shapes {
            match shape {
                Shape::Choice(words) => {
                    for word in words {
                        let (kind, detail) = match Kind::from_name(word) {
                            Some(of) if *words == Kind::ALL.map(Kind::name) => {
                                (ItemKind::Type, of.description())
                            }
                            _ => (ItemKind::Word, ""),
                        };
                        self.add(word, kind, detail.to_owned(), (*word).to_owned());
                    }
                }
                Shape::Boolean => ["true", "false"].into_iter().for_each(|word| self.word(word)),
                Shape::WordOrInteger(word, ..) => self.word(word),
                Shape::Reference(kinds) => {
                    self.references(|kind| kind.is_some_and(|kind| kinds.contains(&kind)))
                }
                Shape::AnyReference => self.references(|_| true),
                _ => {}
            }
        }
        let Some(raw) = forms.raw else { return };
        let words: Vec<&str> = raw.words().collect();
        words.into_iter().for_each(|word| self.word(word));
        if raw.is_known() && raw.scalar() == Scalar::Boolean {
            ["true", "false"].into_iter().for_each(|word| self.word(word));
        }
    }

    fn word(&mut self, word: &str) {
        self.add(word, ItemKind::Word, String::new(), word.to_owned());
    }

    fn references(&mut self, fits: impl Fn(Option<Kind>) -> bool) {
        let quoted = self.cursor.open.quote.is_some();
        for resource in self.outline.resources.iter().filter(|resource| fits(resource.kind)) {
            let reference = format!("${{{}}}", resource.name);
            let insert = if quoted { reference } else { format!("\"{reference}\"") };
            let detail = resource.type_name.clone().unwrap_or_default();
            self.add(&resource.name, ItemKind::Resource, detail, insert);
        }
    }

    /// Adds what a function of CloudFormation can name.
    fn targets(&mut self, tag: &str) {
        if !matches!(tag, "Ref" | "GetAtt") {
            return;
        }
        for resource in &self.outline.resources {
            let detail = resource.type_name.clone().unwrap_or_default();
            self.add(&resource.name, ItemKind::Resource, detail, resource.name.clone());
        }
        for value in self.outline.config.iter().filter(|_| tag == "Ref") {
            self.add(&value.name, ItemKind::Value, "config value".to_owned(), value.name.clone());
        }
    }

    /// Adds the types of CloudFormation that contain a word.
    fn types(&mut self, word: &str) {
        let word = word.to_ascii_lowercase();
        let fits = |name: &&str| word.split("::").all(|part| name.to_ascii_lowercase().contains(part));
        let mut names = schemas::names().filter(fits);
        for name in names.by_ref().take(MAX_TYPES) {
            self.add(name, ItemKind::Type, "CloudFormation".to_owned(), name.to_owned());
        }
        self.incomplete = names.next().is_some() || word.is_empty();
    }

    fn add(&mut self, label: &str, kind: ItemKind, detail: String, insert: String) {
        let label = label.to_owned();
        self.items.push(Item { label, kind, detail, documentation: String::new(), insert, first: false });
    }
}

/// Returns whether a value is written on lines of its own.
fn is_nested(shape: &Shape) -> bool {
    match shape {
        Shape::Object(_) | Shape::Map(_) => true,
        Shape::Named(_, shape) => is_nested(shape),
        _ => false,
    }
}

fn detail(property: &Property) -> String {
    match (property.required, &property.default) {
        (true, _) => format!("{}, required", docs::value(&property.shape)),
        (_, Some(default)) => format!("{}, default {default}", docs::value(&property.shape)),
        _ => docs::value(&property.shape),
    }
}

/// A reference that the cursor is inside of.
struct Inside<'t> {
    /// The text between `${` and the cursor's word.
    before: &'t str,
    /// Place of the word.
    word: Span,
}

impl<'t> Inside<'t> {
    /// Finds `${` before the cursor in its line without `}` between.
    fn read(text: &'t Text, offset: usize) -> Option<Self> {
        let line = text.line(offset);
        let all = text.as_str();
        let before = all.get(line.start..offset)?;
        let start = before.rfind("${")?;
        let inner = before.get(start + 2..)?;
        let escaped = before.get(..start).is_some_and(|rest| rest.ends_with('$'));
        let is_path = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
        if escaped || !inner.chars().all(is_path) {
            return None;
        }
        let dot = inner.rfind('.').map_or(0, |dot| dot + 1);
        let after = all.get(offset..line.end)?;
        let rest = after.find(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter)));
        let end = offset + rest.unwrap_or(after.len());
        Some(Self { before: inner.get(..dot)?, word: Span { start: line.start + start + 2 + dot, end } })
    }
}

fn in_reference(text: &Text, offset: usize, outline: &Outline, inside: &Inside<'_>) -> Completions {
    let all = text.as_str();
    let close = if all.get(inside.word.end..).is_some_and(|rest| rest.starts_with('}')) { "" } else { "}" };
    let cursor = cursor::read(text, offset, false);
    let place = cursor.as_ref().and_then(Cursor::place);
    let forms = place.as_ref().map(|place| {
        let fresh = cursor.as_ref().map(|cursor| Outline::of(cursor.root())).unwrap_or_default();
        Forms::at(&place.path, kind_of(place, &fresh, outline))
    });
    let template = forms.as_ref().is_some_and(Forms::is_template);
    let mut items = Vec::new();
    let mut add = |label: &str, kind: ItemKind, detail: &str, close: &str| {
        items.push(Item {
            label: label.to_owned(),
            kind,
            detail: detail.to_owned(),
            documentation: String::new(),
            insert: format!("{label}{close}"),
            first: false,
        });
    };
    match inside.before.split_once('.') {
        Some(("config", "")) => {
            for value in &outline.config {
                add(&value.name, ItemKind::Value, &hover::words_of(value), close);
            }
        }
        Some((name, rest)) if !template => {
            // Attributes of CloudFormation may have dots themselves.
            for (attribute, what) in outline.attributes(name) {
                if let Some(end) = attribute.strip_prefix(rest) {
                    add(end, ItemKind::Attribute, &what, close);
                }
            }
        }
        Some(_) => {}
        None => {
            let kinds = forms.as_ref().and_then(|forms| {
                forms.shapes.iter().find_map(|shape| match shape {
                    Shape::Reference(kinds) => Some(kinds),
                    _ => None,
                })
            });
            let fits =
                |kind: Option<Kind>| kinds.is_none_or(|kinds| kind.is_some_and(|kind| kinds.contains(&kind)));
            for resource in outline.resources.iter().filter(|one| !template && fits(one.kind)) {
                add(&resource.name, ItemKind::Resource, resource.type_name.as_deref().unwrap_or(""), close);
            }
            if !outline.config.is_empty() {
                add("config.", ItemKind::Value, "a config value", "");
            }
            for name in PSEUDO_PARAMETERS.iter().filter(|_| !template && kinds.is_none()) {
                add(name, ItemKind::Value, "pseudo parameter", close);
            }
        }
    }
    Completions { items, span: inside.word, incomplete: false }
}
