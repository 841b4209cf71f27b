//! The names and values that are known while values are read, and the problems that are found.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::logical_id;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::reference::{self, Part};
use deployer_syntax::yaml::{Node, Value, shorten};

use super::{MAX_LOGICAL_ID, MAX_NAME, is_logical_id, is_word, mismatch};
use crate::model::Kind;

/// The names and values that are known while values are read.
pub struct Scope {
    /// Values of `config` for this stack, and `None` for a wrong one, which has been reported; `None` as a whole as
    /// long as no stack is chosen.
    config: Option<BTreeMap<String, Option<String>>>,
    /// Types of the resources, and `None` for a wrong one, which has been reported.
    pub(super) resources: BTreeMap<String, Option<Kind>>,
    /// Logical IDs of the resources → their names.
    logical_ids: BTreeMap<String, String>,
    /// Names of the conditions.
    conditions: BTreeSet<String>,
    /// Parameters of the template, with whether their value is a list.
    parameters: BTreeMap<String, bool>,
    /// Names of the mappings.
    mappings: BTreeSet<String>,
    /// `true` if the names of `AWS::…` resources and conditions are their logical IDs.
    exact: bool,
    /// `true` if macros change the template, so that names and types that only they know may be used.
    pub(crate) macros: bool,
    /// Names of the conditions that something tests.
    used_conditions: RefCell<BTreeSet<String>>,
    /// Config values that something uses.
    used_config: RefCell<BTreeSet<String>>,
    diagnostics: RefCell<Diagnostics>,
    /// Number of failures, including those that had been reported before.
    pub(super) failures: Cell<usize>,
    pub(super) describing: bool,
    /// `true` if texts are literal, also if `${` is in them.
    literal: bool,
}

impl Scope {
    /// Creates a scope for the parts that are the same in all stacks.
    #[must_use]
    pub fn of_file() -> Self {
        Self {
            config: None,
            resources: BTreeMap::new(),
            logical_ids: BTreeMap::new(),
            conditions: BTreeSet::new(),
            parameters: BTreeMap::new(),
            mappings: BTreeSet::new(),
            exact: false,
            macros: false,
            used_conditions: RefCell::default(),
            used_config: RefCell::default(),
            diagnostics: RefCell::default(),
            failures: Cell::new(0),
            describing: false,
            literal: false,
        }
    }

    /// Creates a scope without a file, in which readers only describe themselves.
    pub(super) fn of_description() -> Self {
        Self { describing: true, ..Self::of_file() }
    }

    /// Creates a scope for JSON, in which `${…}` means nothing.
    #[must_use]
    pub(crate) fn of_json() -> Self {
        Self { literal: true, ..Self::of_file() }
    }

    /// Creates a scope for reading one stack: its config values and the types of its resources, `None` for wrong ones.
    #[must_use]
    pub fn of_stack(
        config: BTreeMap<String, Option<String>>,
        resources: BTreeMap<String, Option<Kind>>,
    ) -> Self {
        Self { config: Some(config), resources, ..Self::of_file() }
    }

    /// Adds the names that functions and options may use: conditions, and resources by their logical IDs.
    #[must_use]
    pub(crate) fn with_names(
        self,
        conditions: BTreeSet<String>,
        logical_ids: BTreeMap<String, String>,
    ) -> Self {
        Self { conditions, logical_ids, ..self }
    }

    /// Adds what only the template has: its parameters with whether each is a list, and its mappings.
    #[must_use]
    pub(crate) fn with_template(
        self,
        parameters: BTreeMap<String, bool>,
        mappings: BTreeSet<String>,
    ) -> Self {
        Self { parameters, mappings, ..self }
    }

    /// Sets how names become logical IDs, and whether macros change the template.
    #[must_use]
    pub(crate) const fn with_form(mut self, exact: bool, macros: bool) -> Self {
        (self.exact, self.macros) = (exact, macros);
        self
    }

    /// Returns the logical ID of a condition or an output.
    pub(crate) fn id(&self, name: &str) -> String {
        if self.exact { name.to_owned() } else { logical_id(name) }
    }

    /// Returns whether a name can be that of an `AWS::…` resource, a condition or an output.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        match self.exact {
            true => is_logical_id(name),
            false => is_word(name),
        }
    }

    /// Returns the form that a name must have, for messages.
    pub(crate) fn form_of_names(&self) -> String {
        match self.exact {
            true => {
                format!("with `logicalIds: exact`, letters and digits, at most {MAX_LOGICAL_ID} characters")
            }
            false => format!(
                "letters, digits, `-` and `_`, beginning with a letter, at most {MAX_NAME} characters"
            ),
        }
    }

    /// Returns the logical ID of a resource of this name.
    pub(crate) fn resource_id(&self, name: &str) -> String {
        match self.resources.get(name) {
            Some(Some(Kind::Raw(_))) if self.exact => name.to_owned(),
            _ => logical_id(name),
        }
    }

    /// Returns whether the value of a parameter is a list; `None` if there is no such parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<bool> {
        let list = self.parameters.get(name).copied()?;
        self.used_config.borrow_mut().insert(name.to_owned());
        Some(list)
    }

    /// Checks the name of a mapping.
    pub(crate) fn use_mapping(&self, name: &str, span: Span) -> Option<()> {
        if self.mappings.contains(name) {
            return Some(());
        }
        let diagnostic = Diagnostic::error("E0370", span, format!("no mapping is named `{}`", shorten(name)));
        self.report(match self.mappings.is_empty() {
            true => diagnostic.help("declare it under `mappings`"),
            false => diagnostic.suggest(name, self.mappings.iter().map(String::as_str)),
        });
        None
    }

    /// Returns the conditions that values read in this scope test.
    pub(crate) fn used_conditions(&self) -> BTreeSet<String> {
        self.used_conditions.borrow().clone()
    }

    /// Returns the config values that values read in this scope use.
    pub(crate) fn used_config(&self) -> BTreeSet<String> {
        self.used_config.borrow().clone()
    }

    /// Returns the logical ID of the condition of this name, which may also be the logical ID itself.
    pub(crate) fn use_condition(&self, name: &str, span: Span) -> Option<String> {
        let found = self.conditions.iter().find(|known| *known == name || self.id(known) == name);
        if found.is_none() && self.macros {
            return Some(self.id(name));
        }
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
        Some(self.id(found))
    }

    /// Returns the name of the resource that has this name in the file or in CloudFormation. A wrong one is not
    /// reported again.
    pub(crate) fn target(&self, name: &str, span: Span) -> Option<String> {
        let key = match self.resources.contains_key(name) {
            true => Some(name),
            false => self.logical_ids.get(name).map(String::as_str),
        };
        if key.is_none() && self.macros {
            return Some(name.to_owned());
        }
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

    /// Checks that the main CloudFormation resource of a resource has an attribute for `Fn::GetAtt`.
    pub(crate) fn check_attribute(&self, name: &str, attribute: &str, span: Span) -> Option<()> {
        let key = self.target(name, span)?;
        let kind = self.resources.get(&key).copied().flatten()?;
        let Some(type_id) = kind.cloudformation().filter(|type_id| type_id.is_published()) else {
            return Some(());
        };
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

    /// Adds a warning, which is not a failure.
    pub(crate) fn warn(&self, warning: Diagnostic) {
        self.diagnostics.borrow_mut().push(warning);
    }

    /// Notes that something is wrong for a reason that has been reported.
    pub(crate) fn fail(&self) {
        self.failures.set(self.failures.get() + 1);
    }

    /// Returns the number of failures so far.
    pub(crate) fn failures(&self) -> usize {
        self.failures.get()
    }

    /// Hands the problems over.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        for diagnostic in self.diagnostics.into_inner().sorted() {
            diagnostics.push(diagnostic.clone());
        }
    }

    /// Returns the names of the resources of some types.
    pub(super) fn resources_of(&self, kinds: &[Kind]) -> impl Iterator<Item = &str> {
        let fits = |kind: &Option<Kind>| kind.is_none_or(|kind| kinds.contains(&kind));
        self.resources.iter().filter(move |(_, kind)| fits(kind)).map(|(name, _)| name.as_str())
    }

    /// Returns a resource that would fit: the one whose name was written without `${…}`, else any.
    pub(super) fn example(&self, kinds: &[Kind], text: &str) -> &str {
        let fits = |(_, kind): &(&String, &Option<Kind>)| kind.is_some_and(|kind| kinds.contains(&kind));
        let mut fitting = self.resources.iter().filter(fits).map(|(name, _)| name.as_str());
        let first = fitting.clone().next();
        fitting.find(|name| *name == text).or(first).unwrap_or("name")
    }

    /// Returns the pieces of a single value, with config values in their places.
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
        if self.parameters.contains_key(&name) {
            self.report(
                Diagnostic::error(
                    "E0371",
                    span,
                    format!("the value of the parameter `{name}` is known to CloudFormation only"),
                )
                .help(format!(
                    "write `!Ref {name}` in an `AWS::…` type, a condition or an output; a config value with a `type` can be \
                     used in every text"
                )),
            );
            return None;
        }
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

    /// Returns a single value as text, with config values in their places, and whether it may be a number or boolean.
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

pub(super) fn unknown_resource<'a>(
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("E0203", span, format!("no resource is named `{}`", shorten(name))).suggest(name, known)
}
