//! A template of CloudFormation → the text of a `stack.yaml` from which a template of the same meaning is made.
//!
//! Beside the flow, and against its direction. Nothing of a template is dropped: a part either becomes a part of the
//! file, or is reported with its place. The file is compiled at the end, and what the language refuses in it is reported
//! with its place in the template.

use std::collections::BTreeMap;

use deployer_cfn::template::Template;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};
use deployer_syntax::yaml::{self, Entry, Node, Value, shorten};

use crate::compile::compile;
use crate::document::Document;
use crate::model::verbatim::long_name;

mod scalar;
mod typed;
mod wording;
mod writer;

use typed::Lifted;
pub use typed::{KeptResource, LiftedResource, Typing};
use writer::{Texts, Writer};

/// The stack that the file describes.
#[derive(Debug, Clone, Default)]
pub struct ImportTarget {
    /// `name` of the file.
    pub name: String,
    /// Key under `stacks`.
    pub stack: String,
    /// Name of the deployed stack, if there is one.
    pub deployed: Option<String>,
    /// Region of the deployed stack.
    pub region: Option<String>,
    /// `true` for a stack of the local cloud.
    pub local: bool,
    /// Values of the parameters of the deployed stack.
    pub values: BTreeMap<String, String>,
    /// Origin of the template in words, for a comment at the beginning.
    pub origin: String,
}

/// Returns the `stack.yaml` of a template. Problems are added to `diagnostics`, with their places in the template;
/// `None` when one of them is an error.
#[must_use]
pub fn import(source: &Source, target: &ImportTarget, diagnostics: &mut Diagnostics) -> Option<String> {
    let sections = read(source, diagnostics)?;
    let before = diagnostics.has_errors();
    let (text, marks) = write(&sections, target, &Lifted::default(), diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let _ = verify(&text, &marks, &sections, diagnostics);
    (before || !diagnostics.has_errors()).then_some(text)
}

/// Returns the `stack.yaml` of a template likewise, with types of the language where they make exactly the same
/// resources, and what became of each resource.
#[must_use]
pub fn import_typed(
    source: &Source,
    target: &ImportTarget,
    diagnostics: &mut Diagnostics,
) -> Option<(String, Typing)> {
    let sections = read(source, diagnostics)?;
    let (text, marks) = write(&sections, target, &Lifted::default(), diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let original = verify(&text, &marks, &sections, diagnostics)?;
    let entries = sections.iter().find(|entry| entry.key == "Resources").map(|entry| &entry.value.value);
    let entries: &[Entry] = match entries {
        Some(Value::Mapping(entries)) => entries,
        _ => &[],
    };
    // What is to be said of the template has been said.
    let again = |lifted: &Lifted| write(&sections, target, lifted, &mut Diagnostics::default());
    let (lifted, typing) = typed::lift(&original, entries, target.deployed.as_deref(), target.local, &again);
    let text = if lifted.entries.is_empty() { text } else { again(&lifted).0 };
    Some((text, typing))
}

/// Returns the sections of a template; `None` if it has none.
fn read(source: &Source, diagnostics: &mut Diagnostics) -> Option<Vec<Entry>> {
    let mut found = Diagnostics::default();
    let root = yaml::parse(source, &mut found);
    for problem in found.sorted() {
        diagnostics.push(wording::of_template(problem));
    }
    if diagnostics.has_errors() {
        return None;
    }
    let Some(Node { value: Value::Mapping(mut sections), .. }) = root else {
        diagnostics.push(
            Diagnostic::error(
                "E0375",
                Span::default(),
                "the file is not a template: it does not contain a mapping",
            )
            .help("a template has a section `Resources`"),
        );
        return None;
    };
    for section in &mut sections {
        // `Outputs: !Transform …`, of which the long form is a mapping.
        if let Value::Tagged { tag, tag_span, node } = &mut section.value.value
            && tag == "Transform"
        {
            let entry = Entry { key: long_name(tag), key_span: *tag_span, value: (**node).clone() };
            section.value.value = Value::Mapping(vec![entry]);
        }
    }
    Some(sections)
}

/// Returns the file, and the places in the template that its parts are made from.
fn write(
    sections: &[Entry],
    target: &ImportTarget,
    lifted: &Lifted,
    diagnostics: &mut Diagnostics,
) -> (String, Vec<(usize, Span)>) {
    let writer = Writer::new(diagnostics, target.deployed.is_some());
    let mut importer = Importer { writer, sections, macros: false, lifted };
    importer.macros = importer.has_macros();
    importer.file(target);
    importer.writer.finish()
}

/// Compiles the file, and reports what is wrong in it at the place in the template that it was made from. Returns the
/// template that is made of it.
fn verify(
    text: &str,
    marks: &[(usize, Span)],
    sections: &[Entry],
    diagnostics: &mut Diagnostics,
) -> Option<Template> {
    let source = Source::new("stack.yaml", text.to_owned());
    let mut found = Diagnostics::default();
    let mut template = None;
    if let Some(document) = Document::parse(&source, &mut found) {
        for target in &document.stacks {
            if let Some(compiled) = compile(&document, target, &[], &mut found) {
                if let Some(defect) = compiled.defect {
                    let place = wording::place_of(&defect, sections);
                    diagnostics.push(Diagnostic::error("E0203", place, defect.to_string()));
                }
                template = Some(compiled.template);
            }
        }
    }
    for problem in found.sorted().into_iter().filter(|problem| problem.severity == Severity::Error) {
        let after = marks.partition_point(|(at, _)| *at <= problem.span.start);
        let span =
            after.checked_sub(1).and_then(|index| marks.get(index)).map_or(Span::default(), |mark| mark.1);
        diagnostics.push(Diagnostic { span, label: String::new(), ..wording::of_template(problem) });
    }
    template.filter(|_| !diagnostics.has_errors())
}

/// Sections of a template in the order in which the file has them, with their keys there; `None` for those that are
/// read in another way.
/// Source: AWS CloudFormation User Guide, "CloudFormation template sections"; `Globals` is SAM's.
const SECTIONS: [(&str, Option<&str>); 11] = [
    ("AWSTemplateFormatVersion", None),
    ("Description", None),
    ("Transform", Some("transform")),
    ("Metadata", Some("metadata")),
    ("Globals", Some("globals")),
    ("Parameters", None),
    ("Rules", Some("rules")),
    ("Mappings", Some("mappings")),
    ("Conditions", None),
    ("Resources", None),
    ("Outputs", None),
];

struct Importer<'a> {
    writer: Writer<'a>,
    sections: &'a [Entry],
    /// `true` if macros change the template, whose functions the file then has as they are.
    macros: bool,
    /// The resources that are types of the language.
    lifted: &'a Lifted,
}

impl<'a> Importer<'a> {
    fn has_macros(&self) -> bool {
        let includes = |section: &str| self.entries(section).iter().any(|entry| entry.key == "Fn::Transform");
        let mut sections = ["Mappings", "Conditions", "Resources", "Outputs"].into_iter();
        self.section("Transform").is_some() || sections.any(includes)
    }

    fn section(&self, name: &str) -> Option<&'a Entry> {
        self.sections.iter().find(|entry| entry.key == name && !entry.value.is_null())
    }

    fn entries(&self, section: &str) -> &'a [Entry] {
        match self.section(section).map(|entry| &entry.value.value) {
            Some(Value::Mapping(entries)) => entries,
            _ => &[],
        }
    }

    fn report(&mut self, code: &'static str, span: Span, message: String, help: &str) {
        self.writer.report(Diagnostic::error(code, span, message).help(help));
    }

    /// Reports a macro for which a stack file has no place.
    fn no_place(&mut self, entry: &Entry, code: &'static str, place: &str) {
        let message = format!("`import` can't take `Fn::Transform` {place}");
        self.report(code, entry.key_span, message, "write in its place what the macro makes of it");
    }

    fn file(&mut self, target: &ImportTarget) {
        for entry in self.sections {
            if !SECTIONS.iter().any(|(name, _)| *name == entry.key) {
                let (message, help) = match entry.key.as_str() {
                    "Hooks" => (
                        "`import` can't take the section `Hooks`".to_owned(),
                        "a stack file has no place for hooks, and without them CloudFormation deploys the same resources in \
                         another way; keep this template",
                    ),
                    "Fn::Transform" => (
                        "`Fn::Transform` is in the place of a section".to_owned(),
                        "write `Transform` for macros that change the whole template",
                    ),
                    other => (
                        format!("a template has no section `{}`", shorten(other)),
                        "remove it, or move it below `Metadata`",
                    ),
                };
                self.report("E0375", entry.key_span, message, help);
            }
        }
        for section in ["Parameters", "Rules", "Mappings", "Conditions", "Resources", "Outputs", "Metadata"] {
            if let Some(entry) = self.section(section)
                && !matches!(entry.value.value, Value::Mapping(_))
            {
                let message = format!("expected a mapping in `{section}`, found {}", entry.value.describe());
                self.report("E0375", entry.value.span, message, "write `name: …` below it");
            }
        }
        if self.section("Resources").is_none() {
            let message = "the file is not a template: it has no `Resources`".to_owned();
            self.report("E0375", Span::default(), message, "a template has a section `Resources`");
        }
        self.format_version();
        self.head(target);
        for (section, key) in SECTIONS {
            match (section, key) {
                (_, Some(key)) => self.literal_section(section, key),
                ("Parameters", _) => self.parameters(),
                ("Conditions", _) => self.conditions(),
                ("Resources", _) => self.resources(),
                ("Outputs", _) => self.outputs(),
                _ => {}
            }
        }
    }

    /// Checks the one section whose value the file does not have.
    fn format_version(&mut self) {
        let Some(entry) = self.section("AWSTemplateFormatVersion") else { return };
        let known = matches!(&entry.value.value, Value::Scalar { text, .. } if text == "2010-09-09");
        if !known {
            let message = format!("`AWSTemplateFormatVersion` is {}", entry.value.describe());
            self.report("E0375", entry.value.span, message, "the only version is `2010-09-09`");
        }
    }

    fn head(&mut self, target: &ImportTarget) {
        if !target.origin.is_empty() {
            self.writer.line(
                0,
                &format!("# Imported by `deployer import` from {}.", target.origin.replace('\n', " ")),
            );
        }
        self.writer.text_entry(0, "name", &target.name);
        if let Some(entry) = self.section("Description") {
            self.writer.entry(0, "description", entry.key_span, &entry.value, Texts::Escaped);
        }
        self.writer.line(0, "logicalIds: exact");
        if let Some(key) = &self.lifted.key {
            self.writer.line(0, &format!("key: \"${{{key}}}\""));
        }
        self.writer.line(0, "stacks:");
        let mut lines = Vec::new();
        if target.local {
            lines.push(("target", "local"));
        }
        let name = target.deployed.as_deref().or(self.lifted.name.as_deref());
        lines.extend(name.map(|name| ("name", name)));
        lines.extend(target.region.as_deref().map(|region| ("region", region)));
        lines.extend(self.lifted.removal.map(|removal| ("removal", removal)));
        let values: Vec<_> = self
            .entries("Parameters")
            .iter()
            .filter(|entry| !self.lifted.parameters.contains(&entry.key))
            .filter_map(|entry| Some((entry, target.values.get(&entry.key)?)))
            .filter(|(entry, value)| !is_default(&entry.value, value))
            .collect();
        if lines.is_empty() && values.is_empty() {
            self.writer.line(1, &format!("{}: {{}}", target.stack));
            return;
        }
        self.writer.line(1, &format!("{}:", target.stack));
        for (key, value) in lines {
            self.writer.text_entry(2, key, value);
        }
        if !values.is_empty() {
            self.writer.line(2, "config:");
            for (entry, value) in values {
                self.writer.mark(entry.key_span);
                self.writer.text_entry(3, &entry.key, &scalar::escaped(value));
            }
        }
    }

    /// Writes a section as it is.
    fn literal_section(&mut self, section: &str, key: &str) {
        if let Some(entry) = self.section(section)
            && !is_empty(&entry.value)
        {
            self.writer.entry(0, key, entry.key_span, &entry.value, Texts::Literal);
        }
    }

    fn parameters(&mut self) {
        let made = &self.lifted.parameters;
        let parameters: Vec<&Entry> =
            self.entries("Parameters").iter().filter(|entry| !made.contains(&entry.key)).collect();
        if parameters.is_empty() {
            return;
        }
        self.writer.line(0, "config:");
        for entry in parameters {
            if entry.key.starts_with("Fn::") {
                let message = format!("`Parameters` can't have `{}`", shorten(&entry.key));
                let help =
                    "CloudFormation takes macros in every section but this one; write the parameters here";
                self.report("E0374", entry.key_span, message, help);
                continue;
            }
            self.writer.key(1, &entry.key, entry.key_span);
            self.writer.entry(2, "parameter", entry.value.span, &entry.value, Texts::Literal);
        }
    }

    /// Returns the form of texts outside of functions.
    const fn texts(&self) -> Texts {
        if self.macros { Texts::EscapedOutsideFunctions } else { Texts::Escaped }
    }

    fn conditions(&mut self) {
        let conditions = self.entries("Conditions");
        if conditions.is_empty() {
            return;
        }
        let texts = if self.macros { Texts::Literal } else { Texts::Escaped };
        self.writer.line(0, "conditions:");
        for entry in conditions {
            self.writer.entry(1, &entry.key, entry.key_span, &entry.value, texts);
        }
    }

    fn resources(&mut self) {
        let resources = self.entries("Resources");
        self.writer.line(0, if resources.is_empty() { "resources: {}" } else { "resources:" });
        for entry in resources {
            if entry.key.starts_with("Fn::") {
                self.writer.entry(1, &entry.key, entry.key_span, &entry.value, Texts::Literal);
                continue;
            }
            let Value::Mapping(members) = &entry.value.value else {
                let message = format!("the resource `{}` is {}", shorten(&entry.key), entry.value.describe());
                self.report("E0376", entry.value.span, message, "a resource has a `Type` and `Properties`");
                continue;
            };
            self.resource(entry, members);
        }
    }

    fn resource(&mut self, entry: &Entry, members: &[Entry]) {
        if let Some(candidate) = self.lifted.entries.get(&entry.key) {
            return self.writer.value_entry(1, &candidate.name, entry.key_span, &candidate.value());
        }
        if self.lifted.made.contains(&entry.key) {
            return;
        }
        let member = |name: &str| members.iter().find(|member| member.key == name && !member.value.is_null());
        let Some(kind) = member("Type") else {
            match member("Fn::Transform") {
                Some(include) => self.no_place(include, "E0376", "in the place of the `Type` of a resource"),
                None => {
                    let message = format!("the resource `{}` has no `Type`", shorten(&entry.key));
                    let help = "a resource has a `Type` and `Properties`";
                    self.report("E0376", entry.key_span, message, help);
                }
            }
            return;
        };
        self.writer.key(1, &entry.key, entry.key_span);
        self.writer.entry(2, "type", kind.key_span, &kind.value, Texts::Escaped);
        if let Some(properties) = member("Properties").filter(|properties| !is_empty(&properties.value)) {
            self.writer.entry(
                2,
                "properties",
                properties.key_span,
                &properties.value,
                self.texts().in_properties(),
            );
        }
        let depends_on = member("DependsOn").filter(|names| !is_empty(&names.value));
        let condition = member("Condition");
        let own = ["Type", "Properties", "DependsOn", "Condition"];
        let others: Vec<&Entry> =
            members.iter().filter(|member| !own.contains(&member.key.as_str())).collect();
        let null = members.iter().find(|member| {
            member.value.is_null() && ["DependsOn", "Condition"].contains(&member.key.as_str())
        });
        if let Some(member) = null {
            let message = format!("`{}` is empty", member.key);
            self.report(
                "E0376",
                member.key_span,
                message,
                "CloudFormation does not accept null; remove the key",
            );
        }
        if depends_on.is_none() && condition.is_none() && others.is_empty() {
            return;
        }
        self.writer.line(2, "options:");
        if let Some(names) = depends_on {
            self.depends_on(names);
        }
        if let Some(condition) = condition {
            self.writer.entry(3, "condition", condition.key_span, &condition.value, Texts::Escaped);
        }
        if !others.is_empty() {
            self.writer.line(3, "attributes:");
            for other in others {
                if other.key == "Fn::Transform" && !self.macros {
                    self.no_place(other, "E0376", "among the attributes of a resource");
                } else if !is_attribute(&other.key) && !self.macros {
                    let message = format!("a resource has no attribute `{}`", shorten(&other.key));
                    self.report("E0376", other.key_span, message, "remove it, or move it below `Metadata`");
                }
                let texts = match other.key.as_str() {
                    "CreationPolicy" | "UpdatePolicy" => self.texts().in_properties(),
                    _ => self.texts(),
                };
                self.writer.entry(4, &other.key, other.key_span, &other.value, texts);
            }
        }
    }

    fn depends_on(&mut self, entry: &Entry) {
        let items: &[Node] = match &entry.value.value {
            Value::Sequence(items) => items,
            _ => std::slice::from_ref(&entry.value),
        };
        let mut names = Vec::new();
        for item in items {
            match &item.value {
                Value::Scalar { text, .. } if !item.is_null() => {
                    let lifted = self.lifted.entries.get(text).map(|candidate| candidate.name.as_str());
                    names.push(format!("\"${{{}}}\"", lifted.unwrap_or(text)));
                }
                _ => {
                    let message = format!("expected the name of a resource, found {}", item.describe());
                    self.report("E0376", item.span, message, "`DependsOn` is a name or a list of names");
                }
            }
        }
        self.writer.mark(entry.key_span);
        self.writer.line(3, &format!("dependsOn: [{}]", names.join(", ")));
    }

    fn outputs(&mut self) {
        let outputs = self.entries("Outputs");
        if outputs.is_empty() {
            return;
        }
        self.writer.line(0, "outputs:");
        for entry in outputs {
            if entry.key.starts_with("Fn::") {
                self.writer.entry(1, &entry.key, entry.key_span, &entry.value, Texts::Literal);
                continue;
            }
            let Value::Mapping(members) = &entry.value.value else {
                let message = format!("the output `{}` is {}", shorten(&entry.key), entry.value.describe());
                self.report("E0377", entry.value.span, message, "an output has a `Value`");
                continue;
            };
            self.writer.key(1, &entry.key, entry.key_span);
            for member in members {
                match member.key.as_str() {
                    "Value" => self.writer.entry(2, "value", member.key_span, &member.value, self.texts()),
                    "Description" => {
                        self.writer.entry(2, "description", member.key_span, &member.value, Texts::Escaped);
                    }
                    "Condition" => {
                        self.writer.entry(2, "condition", member.key_span, &member.value, Texts::Escaped);
                    }
                    "Export" => self.export(member),
                    "Fn::Transform" => self.no_place(member, "E0377", "in an output"),
                    other => {
                        let message = format!("an output has no member `{}`", shorten(other));
                        let help = "`Value`, `Description`, `Export` and `Condition`";
                        self.report("E0377", member.key_span, message, help);
                    }
                }
            }
        }
    }

    fn export(&mut self, export: &Entry) {
        match &export.value.value {
            Value::Mapping(members) if matches!(members.as_slice(), [Entry { key, .. }] if key == "Name") => {
                self.writer.entry(2, "export", export.key_span, &members[0].value, self.texts());
            }
            _ => {
                let message = format!("expected `Name: …` in `Export`, found {}", export.value.describe());
                self.report("E0377", export.value.span, message, "write `Export: { Name: … }`");
            }
        }
    }
}

/// Returns whether a value is the default of a parameter.
fn is_default(parameter: &Node, value: &str) -> bool {
    let Value::Mapping(members) = &parameter.value else { return false };
    let default = members.iter().find(|member| member.key == "Default").map(|member| &member.value.value);
    matches!(default, Some(Value::Scalar { text, .. }) if text == value)
}

/// Returns whether a node has nothing in it.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Mapping(entries) => entries.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        _ => node.is_null(),
    }
}

/// Returns whether a resource has an attribute of this name beside those that the file names in another way.
/// Source: AWS CloudFormation Template Reference, "Resource attributes reference"; `Version` is that of a custom resource.
fn is_attribute(name: &str) -> bool {
    matches!(
        name,
        "CreationPolicy" | "DeletionPolicy" | "Metadata" | "UpdatePolicy" | "UpdateReplacePolicy" | "Version"
    )
}

/// Returns the call of a function that a node is, if it is one: its long name and its argument.
fn call(node: &Node) -> Option<(String, &Node)> {
    match &node.value {
        Value::Tagged { tag, node, .. } => Some((long_name(tag), node)),
        Value::Mapping(entries) => match entries.as_slice() {
            [Entry { key, value, .. }] if key == "Ref" || key.starts_with("Fn::") => {
                Some((key.clone(), value))
            }
            _ => None,
        },
        _ => None,
    }
}
