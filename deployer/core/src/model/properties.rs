//! Reading a mapping of the file into a typed value: every property is asked for by name, kind and meaning.
//!
//! The same questions serve three ends. They give the value; what nobody asked for is an unknown key; and asked in
//! [`describe`] they list what the language knows, for [`crate::schema`] and the documentation.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::model::{Kind, ResourceRef, Text, TextPart};
use crate::reference::{self, Part};
use crate::template::logical_id;
use crate::units;
use crate::yaml::{self, Entry, Node, Value, shorten};

/// What may stand for a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Any text.
    String,
    /// Text in which `${…}` may stand.
    Text,
    /// A whole number in a range.
    Integer(i64, i64),
    /// One word, or a whole number in a range.
    WordOrInteger(&'static str, i64, i64),
    /// `true` or `false`.
    Boolean,
    /// One character of ASCII that is no line end.
    Character,
    /// A duration between two numbers of seconds.
    Duration(u64, u64),
    /// A size between two numbers of bytes.
    Size(u64, u64),
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
    /// Names of the user's own → values.
    Map(Box<Shape>),
    /// A mapping with these properties.
    Object(Vec<Property>),
}

/// What the language knows of one property.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// One sentence on what it is for.
    pub description: &'static str,
    /// What may stand for it.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// What holds when it is not given, as it would be written.
    pub default: Option<String>,
}

/// What is known while values are read.
pub struct Scope {
    /// Values of `config` for this stack, and `None` for a wrong one, which has been reported; `None` as long as no
    /// stack is chosen.
    config: Option<BTreeMap<String, Option<String>>>,
    /// Types of the resources, and `None` where it is wrong, which has been reported.
    resources: BTreeMap<String, Option<Kind>>,
    /// Logical ids of the resources → their names.
    logical_ids: BTreeMap<String, String>,
    /// Names of the conditions.
    conditions: BTreeSet<String>,
    /// Those of them that something tests.
    used_conditions: RefCell<BTreeSet<String>>,
    /// Config values that something takes.
    used_config: RefCell<BTreeSet<String>>,
    diagnostics: RefCell<Diagnostics>,
    /// How much was wrong, with what had been reported before.
    failures: Cell<usize>,
    describing: bool,
    /// Texts stand for themselves, also where `${` is in them.
    literal: bool,
}

impl Scope {
    /// A scope for what is the same in all stacks.
    #[must_use]
    pub fn of_file() -> Self {
        Self {
            config: None,
            resources: BTreeMap::new(),
            logical_ids: BTreeMap::new(),
            conditions: BTreeSet::new(),
            used_conditions: RefCell::default(),
            used_config: RefCell::default(),
            diagnostics: RefCell::default(),
            failures: Cell::new(0),
            describing: false,
            literal: false,
        }
    }

    /// A scope for JSON, in which `${…}` means nothing.
    #[must_use]
    pub(crate) fn of_json() -> Self {
        Self { literal: true, ..Self::of_file() }
    }

    /// A scope for reading one stack: its config values and the types of its resources, `None` for wrong ones.
    #[must_use]
    pub fn of_stack(
        config: BTreeMap<String, Option<String>>,
        resources: BTreeMap<String, Option<Kind>>,
    ) -> Self {
        Self { config: Some(config), resources, ..Self::of_file() }
    }

    /// Adds what functions and options may name: conditions, and resources by their logical ids.
    #[must_use]
    pub(crate) fn with_names(
        self,
        conditions: BTreeSet<String>,
        logical_ids: BTreeMap<String, String>,
    ) -> Self {
        Self { conditions, logical_ids, ..self }
    }

    /// Conditions that something read in this scope tests.
    pub(crate) fn used_conditions(&self) -> BTreeSet<String> {
        self.used_conditions.borrow().clone()
    }

    /// Config values that something read in this scope takes.
    pub(crate) fn used_config(&self) -> BTreeSet<String> {
        self.used_config.borrow().clone()
    }

    /// The logical id of the condition of this name, which may also be the logical id itself.
    pub(crate) fn use_condition(&self, name: &str, span: Span) -> Option<String> {
        let found = self.conditions.iter().find(|known| *known == name || logical_id(known) == name);
        let Some(found) = found else {
            let diagnostic =
                Diagnostic::error("E0515", span, format!("no condition is named `{}`", shorten(name)));
            self.report(match self.conditions.is_empty() {
                true => diagnostic.help("declare it under `conditions`"),
                false => diagnostic.suggest(name, self.conditions.iter().map(String::as_str)),
            });
            return None;
        };
        self.used_conditions.borrow_mut().insert(found.clone());
        Some(logical_id(found))
    }

    /// The name of the resource that is called so in the file or in CloudFormation. A wrong one is not named again.
    pub(crate) fn target(&self, name: &str, span: Span) -> Option<String> {
        let key = match self.resources.contains_key(name) {
            true => Some(name),
            false => self.logical_ids.get(name).map(String::as_str),
        };
        let Some(key) = key else {
            let diagnostic = unknown_resource(name, span, self.resources.keys().map(String::as_str));
            let in_config = self.config.as_ref().is_some_and(|config| config.contains_key(name));
            self.report(match in_config {
                true => diagnostic.help(format!("for the config value write `${{config.{name}}}`")),
                false => diagnostic,
            });
            return None;
        };
        if self.resources.get(key).is_some_and(Option::is_none) {
            self.fail();
            return None;
        }
        Some(key.to_owned())
    }

    /// Whether the main CloudFormation resource of a resource has an attribute for `Fn::GetAtt`.
    pub(crate) fn check_attribute(&self, name: &str, attribute: &str, span: Span) -> Option<()> {
        let key = self.target(name, span)?;
        let kind = self.resources.get(&key).copied().flatten()?;
        let Some(type_id) = kind.cloudformation() else { return Some(()) };
        let schema = type_id.schema();
        if schema.has_attribute(attribute) {
            return Some(());
        }
        let type_name = type_id.name();
        self.report(
            Diagnostic::error(
                "E0204",
                span,
                format!("{type_name} has no attribute `{}`", shorten(attribute)),
            )
            .suggest(attribute, schema.attributes().iter().map(String::as_str)),
        );
        None
    }

    /// Adds a problem.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.fail();
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// Adds a warning, which is no failure.
    pub(crate) fn warn(&self, warning: Diagnostic) {
        self.diagnostics.borrow_mut().push(warning);
    }

    /// Notes that something is wrong for a reason that has been reported.
    pub(crate) fn fail(&self) {
        self.failures.set(self.failures.get() + 1);
    }

    /// How much was wrong so far.
    pub(crate) fn failures(&self) -> usize {
        self.failures.get()
    }

    /// Hands the problems over.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        for diagnostic in self.diagnostics.into_inner().sorted() {
            diagnostics.push(diagnostic.clone());
        }
    }

    /// Names of the resources of some types.
    fn resources_of(&self, kinds: &[Kind]) -> impl Iterator<Item = &str> {
        let fits = |kind: &Option<Kind>| kind.is_none_or(|kind| kinds.contains(&kind));
        self.resources.iter().filter(move |(_, kind)| fits(kind)).map(|(name, _)| name.as_str())
    }

    /// A resource that would fit: the one whose name was written without `${…}`, else any.
    fn example(&self, kinds: &[Kind], text: &str) -> &str {
        let fits = |(_, kind): &(&String, &Option<Kind>)| kind.is_some_and(|kind| kinds.contains(&kind));
        let mut fitting = self.resources.iter().filter(fits).map(|(name, _)| name.as_str());
        let first = fitting.clone().next();
        fitting.find(|name| *name == text).or(first).unwrap_or("name")
    }

    /// The pieces of a single value, with config values in their places.
    pub(crate) fn parts(&self, node: &Node, text: &str) -> Option<Vec<Part>> {
        if self.literal {
            let whole = (!text.is_empty()).then(|| Part::Literal(text.to_owned()));
            return Some(whole.into_iter().collect());
        }
        let parsed =
            reference::parse(text, |from, to| node.part(from, to), &mut self.diagnostics.borrow_mut());
        let Some(parsed) = parsed else {
            self.fail();
            return None;
        };
        let mut parts: Vec<Part> = Vec::new();
        for part in parsed {
            let literal = match part {
                Part::Literal(literal) => literal,
                Part::Path { path, at } if path[0] == "config" => {
                    self.config_value(&path, node.part(at.0, at.1))?
                }
                path @ (Part::Path { .. } | Part::Pseudo { .. }) => {
                    parts.push(path);
                    continue;
                }
            };
            match parts.last_mut() {
                Some(Part::Literal(before)) => before.push_str(&literal),
                _ => parts.push(Part::Literal(literal)),
            }
        }
        Some(parts)
    }

    pub(crate) fn config_value(&self, path: &[String], span: Span) -> Option<String> {
        let Some(config) = &self.config else {
            self.report(
                Diagnostic::error("E0206", span, "config values can't be used here")
                    .help("they can be used under `resources` and `outputs`, once a stack is chosen"),
            );
            return None;
        };
        let name = path[1..].join(".");
        match config.get(&name) {
            Some(Some(value)) => {
                self.used_config.borrow_mut().insert(name);
                Some(value.clone())
            }
            Some(None) => {
                self.fail();
                None
            }
            None => {
                let message = match name.as_str() {
                    "" => "`${config}` does not name a value".to_owned(),
                    name => format!("no config value is named `{name}`"),
                };
                let known = config.keys().map(String::as_str);
                let diagnostic = Diagnostic::error("E0201", span, message);
                self.report(match (name.as_str(), config.is_empty()) {
                    ("", _) => diagnostic.help("write `${config.name}`"),
                    (_, true) => diagnostic.help("declare it under `config`"),
                    (_, false) => diagnostic.suggest(&name, known),
                });
                None
            }
        }
    }

    /// A single value as text, with config values in their places, and whether it may be a number or boolean.
    pub(crate) fn single(&self, node: &Node, wanted: &str) -> Option<(String, bool)> {
        let (text, plain) = match &node.value {
            Value::Scalar { text, plain, .. } if !node.is_null() => (text, *plain),
            _ => {
                self.report(mismatch(node, wanted));
                return None;
            }
        };
        if !text.contains("${") {
            return Some((text.clone(), plain));
        }
        let mut out = String::new();
        for part in self.parts(node, text)? {
            match part {
                Part::Literal(literal) => out.push_str(&literal),
                Part::Path { path, at } => {
                    let path = path.join(".");
                    self.report(
                        Diagnostic::error(
                            "E0206",
                            node.part(at.0, at.1),
                            format!("expected {wanted}, found a reference to a resource"),
                        )
                        .help(format!("for the text itself write `$${{{path}}}`")),
                    );
                    return None;
                }
                Part::Pseudo { name, at } => {
                    self.report(
                        Diagnostic::error(
                            "E0206",
                            node.part(at.0, at.1),
                            format!("expected {wanted}, found a pseudo parameter"),
                        )
                        .help(format!("for the text itself write `$${{{name}}}`")),
                    );
                    return None;
                }
            }
        }
        // `"${config.throttle}"` needs its quotes in a flow mapping, and is as good a number as without them.
        let only_config = text.starts_with("${config.") && text.find('}') == Some(text.len() - 1);
        Some((out, plain || only_config))
    }
}

/// How to read a value of one kind.
pub trait Read {
    /// What it gives.
    type Out;
    /// What the language says of it.
    fn shape(&self) -> Shape;
    /// Reads it; `None` when it was wrong, which has been reported.
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out>;
    /// The value as it would be written, for defaults.
    fn show(&self, value: &Self::Out) -> Option<String>;
}

pub(crate) fn mismatch(node: &Node, wanted: &str) -> Diagnostic {
    // The tag alone is wrong: what stands behind it may well be right.
    if let Value::Tagged { tag, tag_span, .. } = &node.value {
        return yaml::misplaced_tag(&format!("!{tag}"), *tag_span);
    }
    Diagnostic::error("E0103", node.span, format!("expected {wanted}, found {}", node.describe()))
}

/// The same for a single value that config values may have given.
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
            Some(value) => {
                scope.report(
                    Diagnostic::error("E0104", node.span, format!("{value} is out of range")).help(range),
                );
                None
            }
            None => {
                scope.report(mismatch_of(node, &text, "a whole number").help(range));
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

/// A whole number in a range, or a word that means none.
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

/// A name that a logical id can be made from.
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

/// Longest name of a resource or output: what is made of it stays below 255 characters, CloudFormation's limit.
pub(crate) const MAX_NAME: usize = 64;

/// A name that a logical id can be made from.
pub(crate) fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= MAX_NAME
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

fn measure(
    node: &Node,
    scope: &Scope,
    parse: fn(&str) -> Option<u64>,
    show: fn(u64) -> String,
    (low, high): (u64, u64),
    wanted: &str,
) -> Option<u64> {
    let (text, _) = scope.single(node, wanted)?;
    match parse(&text) {
        Some(value) if (low..=high).contains(&value) => Some(value),
        Some(_) => {
            scope.report(
                Diagnostic::error("E0104", node.span, format!("`{text}` is out of range")).help(format!(
                    "between {} and {}",
                    show(low),
                    show(high)
                )),
            );
            None
        }
        None => {
            let range = format!("between {} and {}", show(low), show(high));
            let help = match units::meant(&text).filter(|meant| parse(meant).is_some()) {
                Some(meant) => format!("write `{meant}`; {range}"),
                None => range,
            };
            scope.report(mismatch_of(node, &text, wanted).help(help));
            None
        }
    }
}

/// `a`, `b` or `c`.
pub(crate) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// `bucket`, `queue or topic`, `function, queue or topic`.
fn any_of(kinds: &[Kind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `a bucket`, `an alarm`.
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A']) { "an" } else { "a" };
    format!("{article} {noun}")
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

/// `${name}` of a resource of one of these types.
pub struct Reference(pub &'static [Kind]);
impl Read for Reference {
    type Out = ResourceRef;
    fn shape(&self) -> Shape {
        Shape::Reference(self.0.to_vec())
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<ResourceRef> {
        let kinds = any_of(self.0);
        let wanted = format!("a reference to {}", with_article(&kinds));
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(
                    mismatch(node, &wanted).help(format!("write `\"${{{}}}\"`", scope.example(self.0, ""))),
                );
                return None;
            }
        };
        let parts = scope.parts(node, text)?;
        let [Part::Path { path, .. }] = parts.as_slice() else {
            let example = scope.example(self.0, text);
            scope.report(mismatch(node, &wanted).help(format!("write `\"${{{example}}}\"`")));
            return None;
        };
        let name = &path[0];
        match scope.resources.get(name) {
            Some(Some(kind)) if !self.0.contains(kind) => {
                scope.report(
                    Diagnostic::error(
                        "E0202",
                        node.span,
                        format!(
                            "`{name}` is {}, but {} is needed here",
                            with_article(kind.name()),
                            with_article(&kinds)
                        ),
                    )
                    .suggest("", scope.resources_of(self.0)),
                );
                None
            }
            Some(_) if path.len() > 1 => {
                let attribute = path[1..].join(".");
                scope.report(
                    Diagnostic::error(
                        "E0202",
                        node.span,
                        format!("expected the {kinds} itself, not its `{attribute}`"),
                    )
                    .help(format!("write `\"${{{name}}}\"`")),
                );
                None
            }
            Some(Some(_)) => Some(ResourceRef { name: name.clone(), span: node.span }),
            Some(None) => {
                scope.fail();
                None
            }
            None => {
                scope.report(unknown_resource(name, node.span, scope.resources_of(self.0)));
                None
            }
        }
    }
    fn show(&self, _: &ResourceRef) -> Option<String> {
        None
    }
}

/// `${name}` of any resource.
pub struct AnyResource;
impl Read for AnyResource {
    type Out = ResourceRef;
    fn shape(&self) -> Shape {
        Shape::AnyReference
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<ResourceRef> {
        let wanted = "a reference to a resource";
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(mismatch(node, wanted).help("write `\"${name}\"`"));
                return None;
            }
        };
        match scope.parts(node, text)?.as_slice() {
            [Part::Path { path, .. }] if path.len() == 1 => {
                let name = scope.target(&path[0], node.span)?;
                Some(ResourceRef { name, span: node.span })
            }
            _ => {
                let known = scope.resources.keys().find(|name| *name == text);
                let example = known.or(scope.resources.keys().next()).map_or("name", String::as_str);
                scope.report(mismatch(node, wanted).help(format!("write `\"${{{example}}}\"`")));
                None
            }
        }
    }
    fn show(&self, _: &ResourceRef) -> Option<String> {
        None
    }
}

/// The name of an entry under `conditions`; gives its logical id.
pub struct ConditionName;
impl Read for ConditionName {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let (name, _) = scope.single(node, "the name of a condition")?;
        scope.use_condition(&name, node.span)
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}

pub(crate) fn unknown_resource<'a>(
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("E0203", span, format!("no resource is named `{}`", shorten(name))).suggest(name, known)
}

/// Text in which `${resource}` and `${resource.attribute}` may stand.
pub struct AnyText;
impl Read for AnyText {
    type Out = Text;
    fn shape(&self) -> Shape {
        Shape::Text
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Text> {
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                scope.report(mismatch(node, "a text"));
                return None;
            }
        };
        let mut parts = Vec::new();
        let mut sound = true;
        for part in scope.parts(node, text)? {
            match part {
                Part::Literal(literal) => parts.push(TextPart::Literal(literal)),
                Part::Path { path, at } => match attribute(&path, node.part(at.0, at.1), scope) {
                    Some(part) => parts.push(part),
                    None => sound = false,
                },
                Part::Pseudo { name, .. } => parts.push(TextPart::Pseudo(name)),
            }
        }
        sound.then_some(Text { parts, span: node.span })
    }
    fn show(&self, _: &Text) -> Option<String> {
        None
    }
}

/// What `${name}` or `${name.attribute}` means.
pub(crate) fn attribute(path: &[String], span: Span, scope: &Scope) -> Option<TextPart> {
    let name = &path[0];
    let Some(kind) = scope.resources.get(name) else {
        scope.report(unknown_resource(name, span, scope.resources.keys().map(String::as_str)));
        return None;
    };
    let Some(kind) = kind else {
        scope.fail();
        return None;
    };
    if let Kind::Raw(_) = kind {
        let attribute = (path.len() > 1).then(|| path[1..].join("."));
        if let Some(attribute) = &attribute {
            scope.check_attribute(name, attribute, span)?;
        }
        return Some(TextPart::Raw { resource: name.clone(), attribute });
    }
    let wanted = match path {
        [_] => kind.attributes()[0].0.to_owned(),
        _ => path[1..].join("."),
    };
    match kind.attributes().iter().find(|(attribute, _)| *attribute == wanted) {
        Some((attribute, _)) => Some(TextPart::Attribute { resource: name.clone(), attribute }),
        None => {
            scope.report(
                Diagnostic::error(
                    "E0204",
                    span,
                    format!("{} has no attribute `{wanted}`", with_article(kind.name())),
                )
                .suggest(&wanted, kind.attributes().iter().map(|(attribute, _)| *attribute)),
            );
            None
        }
    }
}

/// Items of one kind.
pub struct List<R>(pub R);
impl<R: Read> Read for List<R> {
    type Out = Vec<R::Out>;
    fn shape(&self) -> Shape {
        Shape::List(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Sequence(items) => {
                // All are read before any is missed, so that every problem is reported.
                let read: Vec<Option<R::Out>> = items.iter().map(|item| self.0.read(item, scope)).collect();
                read.into_iter().collect()
            }
            _ => {
                scope.report(mismatch(node, "a list").help("write `[a, b]`, or one `- item` per line"));
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "[]".to_owned())
    }
}

/// Names of the user's own → values of one kind, in the order of the file.
pub struct Map<R>(pub R);
impl<R: Read> Read for Map<R> {
    type Out = Vec<(String, R::Out)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Mapping(entries) => {
                let read: Vec<Option<_>> = entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), self.0.read(&entry.value, scope)?)))
                    .collect();
                read.into_iter().collect()
            }
            _ => {
                scope.report(mismatch(node, "a mapping").help(match node.value {
                    Value::Sequence(_) => "write `name: value` on each line, without `-`",
                    _ => "write `name: value`",
                }));
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "{}".to_owned())
    }
}

/// Names of the user's own → values of one kind, and `None` for a wrong one: the others are read all the same.
pub struct Each<R>(pub R);
impl<R: Read> Read for Each<R> {
    type Out = Vec<(String, Option<R::Out>)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(self.0.shape()))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        match &node.value {
            Value::Mapping(entries) => Some(
                entries.iter().map(|entry| (entry.key.clone(), self.0.read(&entry.value, scope))).collect(),
            ),
            _ => {
                scope.report(mismatch(node, "a mapping").help("write `name: value`"));
                None
            }
        }
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "{}".to_owned())
    }
}

/// A mapping with properties of its own, of which what is right is read even when something else is wrong.
pub struct Lenient<T>(pub fn(&mut Properties<'_>) -> Option<T>);
impl<T> Read for Lenient<T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Object(describe(self.0))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<T> {
        if !matches!(node.value, Value::Mapping(_)) {
            scope.report(mismatch(node, "a mapping").help("`{}` is one without properties"));
            return None;
        }
        Properties::read_leniently(node, scope, self.0)
    }
    fn show(&self, _: &T) -> Option<String> {
        None
    }
}

/// A mapping with properties of its own.
pub struct Object<T>(pub fn(&mut Properties<'_>) -> Option<T>);
impl<T> Read for Object<T> {
    type Out = T;
    fn shape(&self) -> Shape {
        Shape::Object(describe(self.0))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<T> {
        if !matches!(node.value, Value::Mapping(_)) {
            let properties = describe(self.0);
            let mut required = properties.iter().filter(|property| property.required);
            let help = match (required.next(), required.next(), &node.value) {
                // The one thing that must be given is what was written.
                (Some(only), None, Value::Scalar { text, .. }) if !node.is_null() => {
                    format!("write `{{ {}: {} }}`", only.name, shorten(text))
                }
                _ => "`{}` is one without properties".to_owned(),
            };
            scope.report(mismatch(node, "a mapping").help(help));
            return None;
        }
        Properties::read(node, scope, self.0)
    }
    fn show(&self, _: &T) -> Option<String> {
        None
    }
}

/// The properties that a reader asks for.
pub fn describe<T>(read: fn(&mut Properties<'_>) -> Option<T>) -> Vec<Property> {
    let scope = Scope { describing: true, ..Scope::of_file() };
    let mut properties =
        Properties { entries: &[], head: Span::default(), scope: &scope, known: Vec::new(), before: 0 };
    let _ = read(&mut properties);
    properties.known
}

/// A mapping that is being read.
pub struct Properties<'a> {
    entries: &'a [Entry],
    /// Where the mapping begins: its first key, or all of it between its braces.
    head: Span,
    scope: &'a Scope,
    known: Vec<Property>,
    /// Failures before it was read.
    before: usize,
}

impl<'a> Properties<'a> {
    /// Reads a mapping (or nothing, as an empty one) and reports every key that was not asked for.
    pub fn read<T>(node: &'a Node, scope: &'a Scope, read: fn(&mut Self) -> Option<T>) -> Option<T> {
        let before = scope.failures.get();
        Self::read_leniently(node, scope, read).filter(|_| scope.failures.get() == before)
    }

    /// The same, but gives what could be read even when something else was wrong.
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
        let mut properties = Self { entries, head, scope, known: Vec::new(), before: scope.failures.get() };
        let value = read(&mut properties);
        for entry in entries {
            if !properties.known.iter().any(|property| property.name == entry.key) {
                scope.report(
                    Diagnostic::error(
                        "E0101",
                        entry.key_span,
                        format!("unknown key `{}`", shorten(&entry.key)),
                    )
                    .suggest(&entry.key, properties.known.iter().map(|property| property.name)),
                );
            }
        }
        value
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

    /// Place of a property's value, or where the mapping begins when it is not given.
    #[must_use]
    pub fn span_of(&self, name: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == name).map_or(self.head, |entry| entry.value.span)
    }

    /// Whether a property is given, rightly or wrongly.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Whether the mapping has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether all that was asked for so far was right, so that rules across properties can be applied.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.scope.failures.get() == self.before
    }

    /// Reports what is right and likely not meant.
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

/// A property that was asked for; what to do when it is not given comes last.
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

    /// It must be given. `None` when it is missing or wrong, which has been reported.
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

    /// It may be left out.
    pub fn optional(mut self) -> Option<R::Out> {
        self.note(false, None);
        self.value
    }

    /// It may be left out; then this holds.
    pub fn or(mut self, default: R::Out) -> R::Out {
        let shown = self.kind.show(&default);
        self.note(false, shown);
        self.value.unwrap_or(default)
    }
}
