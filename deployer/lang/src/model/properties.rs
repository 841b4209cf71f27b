//! The reading of a mapping of the file into a typed value: every property is asked for by name, kind and meaning.
//!
//! The same questions serve three ends. They give the value; a key that nobody asked for is unknown; and asked in
//! [`describe`] they list the properties of the language, for [`crate::schema`] and the documentation.

use deployer_syntax::diagnostic::{Diagnostic, Span, nearest};
use deployer_syntax::fix::Fix;
use deployer_syntax::yaml::{self, Entry, Node, Value, shorten};

use crate::model::Kind;

mod collections;
mod names;
mod references;
mod scope;
mod single;

pub use self::collections::{Each, Lenient, List, Map, Object};
pub(crate) use self::names::{MAX_LOGICAL_ID, MAX_NAME, is_logical_id, is_word};
pub(crate) use self::references::attribute;
pub use self::references::{AnyResource, AnyText, ConditionName, Reference};
pub use self::scope::Scope;
pub use self::single::{Boolean, Choice, Duration, Integer, Percent, Size, Str, Word, WordOrInteger};

/// The form of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Any text.
    String,
    /// Text that may contain `${…}`.
    Text,
    /// Text that may contain `${…}` of columns.
    Template,
    /// One character.
    AnyCharacter,
    /// A whole number in a range.
    Integer(i64, i64),
    /// One word, or a whole number in a range.
    WordOrInteger(&'static str, i64, i64),
    /// `true` or `false`.
    Boolean,
    /// One character of ASCII that is not a line end.
    Character,
    /// A duration between two numbers of seconds.
    Duration(u64, u64),
    /// A size between two numbers of bytes.
    Size(u64, u64),
    /// A percentage from 0 to 100.
    Percent,
    /// One of these words.
    Choice(Vec<&'static str>),
    /// `${name}` of a resource of one of these types.
    Reference(Vec<Kind>),
    /// `${name}` of any resource.
    AnyReference,
    /// Anything.
    Any,
    /// A list.
    List(Box<Shape>),
    /// Names that the user chose → values.
    Map(Box<Shape>),
    /// A mapping with these properties.
    Object(Vec<Property>),
    /// One of several forms.
    Either(Vec<Shape>),
    /// A form with a name, by which parts of it are of the same form.
    Named(&'static str, Box<Shape>),
    /// The form of this name, which is around it.
    Again(&'static str),
}

/// The description of one property.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// One sentence on its purpose.
    pub description: &'static str,
    /// The form of its value.
    pub shape: Shape,
    /// `true` if it must be given.
    pub required: bool,
    /// The default, as it would be written.
    pub default: Option<String>,
}

/// A reader of values of one kind.
pub trait Read {
    /// The type of the value.
    type Out;
    /// Returns the form of the value.
    fn shape(&self) -> Shape;
    /// Reads it; `None` if it is wrong, which has been reported.
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out>;
    /// Returns the value as it would be written, for defaults.
    fn show(&self, value: &Self::Out) -> Option<String>;
}

pub(crate) fn mismatch(node: &Node, wanted: &str) -> Diagnostic {
    // The tag alone is wrong: the value after it may well be right.
    if let Value::Tagged { tag, tag_span, .. } = &node.value {
        return yaml::misplaced_tag(&format!("!{tag}"), *tag_span);
    }
    Diagnostic::error("E0103", node.span, format!("expected {wanted}, found {}", node.describe()))
}

/// Joins words: `a`, `b` or `c`.
pub(crate) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Returns a noun with its article: `a bucket`, `an alarm`.
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// Returns the properties that a reader asks for.
pub fn describe<T>(read: fn(&mut Properties<'_>) -> Option<T>) -> Vec<Property> {
    let scope = Scope::of_description();
    let mut properties = Properties {
        entries: &[],
        head: Span::default(),
        scope: &scope,
        known: Vec::new(),
        elsewhere: Vec::new(),
        before: 0,
    };
    let _ = read(&mut properties);
    properties.known
}

/// A mapping that is being read.
pub struct Properties<'a> {
    entries: &'a [Entry],
    /// Beginning of the mapping: its first key, or the place of the whole if it has braces.
    head: Span,
    scope: &'a Scope,
    known: Vec<Property>,
    /// Keys that belong elsewhere, with their places.
    elsewhere: Vec<(Vec<&'static str>, &'static str)>,
    /// Number of failures before it was read.
    before: usize,
}

impl<'a> Properties<'a> {
    /// Reads a mapping (or nothing, as an empty one) and reports every key that was not asked for.
    pub fn read<T>(node: &'a Node, scope: &'a Scope, read: fn(&mut Self) -> Option<T>) -> Option<T> {
        let before = scope.failures.get();
        Self::read_leniently(node, scope, read).filter(|_| scope.failures.get() == before)
    }

    /// Reads a mapping likewise, but returns the values that could be read even if something else was wrong.
    pub fn read_leniently<T>(
        node: &'a Node,
        scope: &'a Scope,
        read: fn(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        };
        let head = match entries.first() {
            Some(first) if first.key_span.start == node.span.start => first.key_span,
            _ => node.span,
        };
        let before = scope.failures.get();
        let mut properties = Self { entries, head, scope, known: Vec::new(), elsewhere: Vec::new(), before };
        let value = read(&mut properties);
        for entry in entries.iter().filter(|entry| !properties.knows(entry)) {
            scope.report(properties.unknown(entry));
        }
        value
    }

    /// Returns the problem of a key that was not asked for.
    fn unknown(&self, entry: &Entry) -> Diagnostic {
        let known: Vec<&str> = self.known.iter().map(|property| property.name).collect();
        let near = |names: &[&'static str]| {
            nearest(&entry.key, names).filter(|_| nearest(&entry.key, &known).is_none())
        };
        let exact = |names: &[&'static str]| names.iter().find(|name| **name == entry.key).copied();
        let place = self
            .elsewhere
            .iter()
            .find_map(|(names, place)| Some((exact(names).or_else(|| near(names))?, place)));
        let unknown =
            Diagnostic::error("E0101", entry.key_span, format!("unknown key `{}`", shorten(&entry.key)));
        match place {
            Some((name, place)) => {
                let fix = Fix::Move { key: name.to_owned(), below: (*place).to_owned() };
                unknown.help(format!("`{name}` belongs below `{place}:`")).fix(fix)
            }
            None => unknown.suggest(&entry.key, known),
        }
    }

    fn knows(&self, entry: &Entry) -> bool {
        self.known.iter().any(|property| property.name == entry.key)
    }

    /// Returns whether a key is given that was not asked for so far.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.entries.iter().any(|entry| !self.knows(entry))
    }

    /// Names keys that belong below another one, for the message about one that is given here.
    pub fn belong_below(&mut self, place: &'static str, names: Vec<&'static str>) {
        self.elsewhere.push((names, place));
    }

    /// Asks for a property.
    pub fn field<R: Read>(
        &mut self,
        name: &'static str,
        description: &'static str,
        kind: R,
    ) -> Field<'_, 'a, R> {
        let entry = self.entries.iter().find(|entry| entry.key == name);
        let value = entry.and_then(|entry| kind.read(&entry.value, self.scope));
        Field { given: entry.is_some(), value, properties: self, name, description, kind }
    }

    /// Returns the place of a property's value, or the beginning of the mapping if it is not given.
    #[must_use]
    pub fn span_of(&self, name: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == name).map_or(self.head, |entry| entry.value.span)
    }

    /// Returns whether a property is given, rightly or wrongly.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Returns whether the mapping has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether everything that was asked for so far was right, so that rules across properties can be applied.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.scope.failures.get() == self.before
    }

    /// Reports a value that is right and likely not meant.
    pub fn warn(&mut self, warning: Diagnostic) {
        if !self.scope.describing {
            self.scope.warn(warning);
        }
    }

    /// Reports a problem that the kinds of the properties can't express.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if !self.scope.describing {
            self.scope.report(diagnostic);
        }
    }
}

/// A property that was asked for; the treatment of a missing one comes last.
pub struct Field<'p, 'a, R: Read> {
    properties: &'p mut Properties<'a>,
    name: &'static str,
    description: &'static str,
    kind: R,
    given: bool,
    value: Option<R::Out>,
}

impl<R: Read> Field<'_, '_, R> {
    fn note(&mut self, required: bool, default: Option<String>) {
        let (name, description) = (self.name, self.description);
        self.properties.known.push(Property {
            name,
            description,
            shape: self.kind.shape(),
            required,
            default,
        });
    }

    /// Returns the value, which must be given; `None` if it is missing or wrong, which has been reported.
    pub fn required(mut self) -> Option<R::Out> {
        self.note(true, None);
        if !self.given {
            let help = match self.kind.shape() {
                Shape::Choice(words) => format!("{} One of {}", self.description, one_of(words.into_iter())),
                Shape::Reference(kinds) => {
                    let example = self.properties.scope.example(&kinds, "");
                    format!("{} Such as `{}: \"${{{example}}}\"`", self.description, self.name)
                }
                _ => self.description.to_owned(),
            };
            let diagnostic =
                Diagnostic::error("E0102", self.properties.head, format!("`{}` is missing", self.name));
            self.properties.report(diagnostic.help(help));
        }
        self.value
    }

    /// Returns the value, which may be left out.
    pub fn optional(mut self) -> Option<R::Out> {
        self.note(false, None);
        self.value
    }

    /// Returns the value, or a default if it is left out.
    pub fn or(mut self, default: R::Out) -> R::Out {
        let shown = self.kind.show(&default);
        self.note(false, shown);
        self.value.unwrap_or(default)
    }
}
