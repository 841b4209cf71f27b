//! The sections of the file: name, config, stacks, resources, outputs; and one stack taken from it.
//!
//! [`Document::parse`] needs to know no stack, so it serves `ls`; [`compile`](crate::compile()) takes one from it.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::logical_id;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use deployer_syntax::secrets;
use deployer_syntax::yaml::{self, Entry, Node, Value, shorten};

use crate::model::key::encrypt;
use crate::model::options::Options;
use crate::model::organisation::Organisation;
use crate::model::properties::{Properties, Read as _, Scope};
use crate::model::target::StackTarget;
use crate::model::verbatim::verbatim;
use crate::model::{Kind, Resource, Stack, TemplateSections};

mod conditions;
mod config;
mod organisation;
mod outputs;
mod policies;
mod resources;
mod section;
mod sections;
mod stacks;

pub use policies::Policy;
pub use resources::resource_properties;
pub use sections::top_level_properties;
pub use stacks::is_region;

use conditions::{is_of_macro, read_conditions};
use config::Config;
use organisation::Fields;
use outputs::read_outputs;
use resources::{ResourceEntry, resource_type};
use section::entries_of;
use sections::{KEY, Sections, read_sections};
pub(crate) use stacks::is_cloudformation_name;
use stacks::{StackEntry, is_stack_name};

/// Longest name of a stack: AWS CloudFormation API reference, `CreateStack`: `StackName`.
const MAX_STACK_NAME: usize = 128;
/// Most resources: AWS CloudFormation User Guide, "Understand CloudFormation quotas"; each of ours becomes one or more.
const MAX_RESOURCES: usize = 500;
/// Largest file that is read, in bytes: four times what a template may have.
const MAX_FILE: usize = 4 << 20;

/// A file, split into its sections.
#[derive(Debug, Clone)]
pub struct Document {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `stacks`, in the order of the file.
    pub stacks: Vec<StackTarget>,
    /// `policies`: where the rule files are.
    pub policies: Vec<Policy>,
    config: Config,
    /// The settings for an organisation of the file, and of each stack, read when the stack is known.
    organisation: Fields,
    of_stacks: BTreeMap<String, Fields>,
    /// The reference under `key`, read when the resources are known.
    key: Option<Node>,
    template: TemplateSections,
    exact: bool,
    conditions: Vec<Entry>,
    resources: Vec<Entry>,
    outputs: Option<Node>,
}

/// The reason why no stack could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A name that no stack has.
    #[error("no stack is named `{name}`; the file has {}", list(.known))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The known names.
        known: Vec<String>,
    },
    /// Several stacks that could be meant.
    #[error("no stack is named: the file has {}; name one, or mark one with `default: true`", list(.known))]
    Ambiguous {
        /// The known names.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Document {
    /// Returns whether the file declares a resource of this name.
    #[must_use]
    pub fn has_resource(&self, name: &str) -> bool {
        self.resources.iter().any(|entry| entry.key == name)
    }

    /// Returns the names of the resources, with their places.
    pub fn resources(&self) -> impl Iterator<Item = (&str, Span)> {
        self.resources.iter().map(|entry| (entry.key.as_str(), entry.key_span))
    }

    /// Returns the entry of a resource: its name, and the node with its type and properties.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Entry> {
        self.resources.iter().find(|entry| entry.key == name)
    }

    /// Returns the place of the name of an output, which the template has under a logical ID.
    #[must_use]
    pub fn output_span(&self, id: &str) -> Option<Span> {
        let Value::Mapping(entries) = &self.outputs.as_ref()?.value else { return None };
        let own = entries.iter().find(|entry| entry.key == id || logical_id(&entry.key) == id);
        own.map(|entry| entry.key_span)
    }

    /// Reads the file as far as no stack need be known. Problems are added to `diagnostics`; `None` if it is useless to
    /// go on.
    pub fn parse(source: &Source, diagnostics: &mut Diagnostics) -> Option<Self> {
        if source.text.len() > MAX_FILE {
            diagnostics.push(
                Diagnostic::error(
                    "E0011",
                    Span::default(),
                    format!("the file has {} bytes", source.text.len()),
                )
                .help(format!("a stack file can have at most {MAX_FILE}; CloudFormation accepts less")),
            );
            return None;
        }
        let node = yaml::parse(source, diagnostics);
        let Some(node) = node.filter(|node| matches!(node.value, Value::Mapping(_))) else {
            if !diagnostics.has_errors() {
                diagnostics.push(
                    Diagnostic::error("E0007", Span::default(), "the file does not contain a mapping")
                        .help("begin with `name:`, `stacks:` and `resources:`"),
                );
            }
            return None;
        };
        let scope = Scope::of_file();
        let sections = Properties::read_leniently(&node, &scope, read_sections);
        let document = sections.map(|sections| Self::from_sections(&node, sections, &scope));
        for section in ["config", "tags", "stacks", "outputs"] {
            entries_of(&node, section).iter().for_each(|entry| secrets::check(&entry.value, diagnostics));
        }
        scope.finish(diagnostics);
        document
    }

    fn from_sections(node: &Node, sections: Sections, scope: &Scope) -> Self {
        let name = sections.name.clone().unwrap_or_default();
        let key_span = |section: &str, key: &str| {
            let entry = entries_of(node, section).iter().find(|entry| entry.key == key);
            entry.map_or(Span::default(), |entry| entry.key_span)
        };
        let mut config = Config::new(sections.config, |name| key_span("config", name), scope);
        let (mut stacks, mut of_stacks) = (Vec::new(), BTreeMap::new());
        for (stack, read) in sections.stacks {
            let Some(StackEntry { target, config: own, organisation }) = read else { continue };
            let span = key_span("stacks", &stack);
            if !is_stack_name(&stack) {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        span,
                        format!("`{}` can't be part of a stack's name", shorten(&stack)),
                    )
                    .help("lower case letters, digits and single hyphens, beginning with a letter"),
                );
            } else if name.len() + 1 + stack.len() > MAX_STACK_NAME {
                scope.report(
                    Diagnostic::error(
                        "E0108",
                        span,
                        format!("`{name}-{stack}` is too long for the name of a stack"),
                    )
                    .help(format!(
                        "at most {MAX_STACK_NAME} characters, but this has {}",
                        name.len() + 1 + stack.len()
                    )),
                );
            }
            if let Some(Node { value: Value::Mapping(entries), .. }) = own {
                config.read_stack(&stack, &entries, scope);
            }
            of_stacks.insert(stack.clone(), organisation);
            stacks.push(StackTarget { stack, ..target });
        }
        let defaults: Vec<&StackTarget> = stacks.iter().filter(|stack| stack.default).collect();
        if let [_, second, ..] = defaults.as_slice() {
            let span = key_span("stacks", &second.stack);
            scope.report(
                Diagnostic::error("E0107", span, "two stacks are marked `default: true`")
                    .help("keep one of them"),
            );
        }
        for (position, second) in stacks.iter().enumerate() {
            let place = |stack: &StackTarget| {
                let StackTarget { target, region, account, endpoint, .. } = stack;
                (stack.full_name(&name), *target, region.clone(), account.clone(), endpoint.clone())
            };
            // Each would deploy over the other. Without `account`, credentials may choose it, but nothing here says so.
            if let Some(first) = stacks[..position].iter().find(|first| place(first) == place(second)) {
                scope.report(
                    Diagnostic::error(
                        "E0107",
                        key_span("stacks", &second.stack),
                        format!(
                            "`{}` and `{}` are the same stack, `{}`",
                            first.stack,
                            second.stack,
                            second.full_name(&name)
                        ),
                    )
                    .help("give one of them another `name`, `region` or `account`"),
                );
            }
        }
        let entries = |section: Option<Node>| match section {
            Some(Node { value: Value::Mapping(entries), .. }) => entries,
            _ => Vec::new(),
        };
        let (conditions, resources) = (entries(sections.conditions), entries(sections.resources));
        Self {
            name,
            description: sections.description,
            stacks,
            policies: sections.policies,
            config,
            organisation: sections.organisation,
            of_stacks,
            key: sections.key,
            template: sections.template,
            exact: sections.exact,
            conditions,
            resources,
            outputs: sections.outputs,
        }
    }

    /// The stack that is meant: the one named, the only one, or the one marked `default: true`.
    ///
    /// # Errors
    /// [`SelectError`] if there is no stack of that name, or several could be meant.
    pub fn select(&self, name: Option<&str>) -> Result<&StackTarget, SelectError> {
        let known = || self.stacks.iter().map(|stack| stack.stack.clone()).collect();
        match name {
            Some(name) => {
                // The CloudFormation name is shown in the console, so it is accepted too.
                let full = |stack: &StackTarget| stack.full_name(&self.name);
                self.stacks
                    .iter()
                    .find(|stack| stack.stack == name || full(stack) == name)
                    .ok_or_else(|| SelectError::Unknown { name: name.to_owned(), known: known() })
            }
            None => match self.stacks.as_slice() {
                [only] => Ok(only),
                several => several
                    .iter()
                    .find(|stack| stack.default)
                    .ok_or_else(|| SelectError::Ambiguous { known: known() }),
            },
        }
    }

    fn organisation_of(&self, target: &StackTarget, scope: &Scope) -> Option<Organisation> {
        let own = self.of_stacks.get(&target.stack).cloned().unwrap_or_default();
        own.read(&self.organisation, scope)
    }

    /// Returns whether macros change the template, or one of its sections.
    fn has_macros(&self) -> bool {
        let outputs = self.outputs.as_ref().map(|node| &node.value);
        let outputs: &[Entry] = if let Some(Value::Mapping(entries)) = outputs { entries } else { &[] };
        let sections = self.resources.iter().chain(&self.conditions).chain(outputs).map(|entry| &entry.key);
        let mut keys = sections.chain(self.template.mappings.iter().map(|(name, _)| name));
        self.template.transform.is_some() || keys.any(|key| key == "Fn::Transform")
    }

    /// Returns the settings of one stack for its organisation, for commands that must work while a resource is wrong.
    pub fn organisation(
        &self,
        target: &StackTarget,
        overrides: &[(String, String)],
        diagnostics: &mut Diagnostics,
    ) -> Option<Organisation> {
        let scope = Scope::of_file();
        let config = self.config.values(&target.stack, overrides, &scope);
        scope.finish(diagnostics);
        let parameters = self.config.parameters(&target.stack, overrides);
        let lists = parameters.iter().map(|one| (one.name.clone(), config::is_list(&one.declaration)));
        let scope = Scope::of_stack(config, BTreeMap::new()).with_template(lists.collect(), BTreeSet::new());
        let organisation = self.organisation_of(target, &scope);
        scope.finish(diagnostics);
        organisation
    }

    /// Returns the model of one stack, without the rules across resources. `overrides` are the `--config k=v` of the
    /// command line.
    pub(crate) fn model(
        &self,
        target: &StackTarget,
        overrides: &[(String, String)],
        diagnostics: &mut Diagnostics,
    ) -> Option<Stack> {
        if self.resources.len() > MAX_RESOURCES {
            let span = self.resources.get(MAX_RESOURCES).map_or(Span::default(), |entry| entry.key_span);
            diagnostics.push(
                Diagnostic::error(
                    "E0308",
                    span,
                    format!("{} resources are too many for one stack", self.resources.len()),
                )
                .help(format!("CloudFormation accepts at most {MAX_RESOURCES}")),
            );
            return None;
        }
        for entry in &self.resources {
            secrets::check(&entry.value, diagnostics);
        }
        let macros = self.has_macros();
        let scope = Scope::of_file().with_form(self.exact, macros);
        let mut template = self.template.clone();
        let is_loop = |entry: &&Entry| macros && is_of_macro(&entry.key);
        for entry in self.resources.iter().filter(is_loop) {
            template.loops.extend(verbatim(&entry.value, &scope).map(|value| (entry.key.clone(), value)));
        }
        let mut kinds = BTreeMap::new();
        let mut logical_ids = BTreeMap::new();
        let mut typed = Vec::new();
        for entry in self.resources.iter().filter(|entry| !is_loop(entry)) {
            let read = resource_type(entry, &scope);
            kinds.insert(entry.key.clone(), read.as_ref().map(|read| read.kind));
            let own = read.as_ref().and_then(|read| read.logical_id());
            let raw = read.as_ref().is_some_and(|read| matches!(read.kind, Kind::Raw(_)));
            let id = if raw { scope.id(&entry.key) } else { logical_id(&entry.key) };
            logical_ids.insert(own.unwrap_or(id), entry.key.clone());
            typed.push((entry, read));
        }
        let config = self.config.values(&target.stack, overrides, &scope);
        let parameters = self.config.parameters(&target.stack, overrides);
        scope.finish(diagnostics);
        let names: BTreeSet<String> = self.conditions.iter().map(|entry| entry.key.clone()).collect();
        let scope = Scope::of_stack(config, kinds)
            .with_names(names.clone(), logical_ids)
            .with_template(
                parameters.iter().map(|one| (one.name.clone(), config::is_list(&one.declaration))).collect(),
                self.template.mappings.iter().map(|(name, _)| name.clone()).collect(),
            )
            .with_form(self.exact, macros);
        config::use_in_rules(&self.template, &scope);
        let conditions = read_conditions(&self.conditions, &scope);
        let resources: Vec<Option<Resource>> = typed
            .into_iter()
            .map(|(entry, read)| {
                let ResourceEntry { kind, properties, options, was } = read?;
                let is = kind.read(&properties, &scope);
                let options = match options {
                    Some(options) => Properties::read(&options, &scope, Options::read),
                    None => Some(Options::default()),
                };
                Some(Resource {
                    name: entry.key.clone(),
                    span: entry.key_span,
                    is: is?,
                    options: options?,
                    was,
                })
            })
            .collect();
        let organisation = self.organisation_of(target, &scope);
        let key = self.key.as_ref().map_or(Some(None), |node| KEY.read(node, &scope).map(Some));
        let outputs = self.outputs.as_ref().map_or(Some(Vec::new()), |node| read_outputs(node, &scope));
        // A wrong resource may be the one that tests a condition.
        let used = if scope.failures() == 0 && !macros { scope.used_conditions() } else { names };
        for entry in self.conditions.iter().filter(|entry| !used.contains(&entry.key)) {
            diagnostics.push(
                Diagnostic::warning(
                    "W0404",
                    entry.key_span,
                    format!("nothing uses the condition `{}`", shorten(&entry.key)),
                )
                .help("name it in `options.condition` or `!If`, or remove it"),
            );
        }
        if !macros {
            self.config.check_used(&scope, diagnostics);
        }
        scope.finish(diagnostics);
        // Rules across resources need all of them; problems elsewhere in the file don't hold the rules up.
        let mut stack = Stack {
            name: target.full_name(&self.name),
            description: self.description.clone(),
            target: target.clone(),
            key: key?,
            organisation: organisation?,
            exact: self.exact,
            parameters,
            sections: template,
            conditions: conditions?,
            resources: resources.into_iter().collect::<Option<_>>()?,
            outputs: outputs?,
        };
        encrypt(&mut stack);
        Some(stack)
    }
}
