//! Rules that cross resources. Every problem is collected, not the first.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::{DanglingReference, Template, attributes};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};

use crate::model::access::Access;
use crate::model::table::Table;
use crate::model::{Kind, Resource, ResourceRef, ResourceType, Stack};

mod bucket;
mod bus;
mod events;
mod existing;
mod fields;
mod function;
mod limits;
mod organisation;
mod renamed;
mod sensitive;
mod snapshot;
mod tally;
mod unused;
mod worker;

/// Applies every rule to a stack and to the template made from it. Returns a reference of the template to something
/// that is not in it, if no rule explains it.
#[must_use]
pub(crate) fn check(
    stack: &Stack,
    lowered: &Template,
    diagnostics: &mut Diagnostics,
) -> Option<DanglingReference> {
    for resource in &stack.resources {
        check_resource(stack, resource, diagnostics);
    }
    renamed::check(stack, lowered, diagnostics);
    sensitive::check(stack, diagnostics);
    snapshot::check(stack, diagnostics);
    let unexplained = template(stack, lowered, diagnostics);
    limits::check(stack, lowered, diagnostics);
    organisation::check(stack, lowered, diagnostics);
    // While there are errors, a resource may seem unused because its name is spelled wrongly elsewhere.
    if !diagnostics.has_errors() {
        unused::check(stack, lowered, diagnostics);
    }
    unexplained
}

/// Applies the rules of a type, and those on the parts of a pipeline that need more than the resource and what it
/// names.
fn check_resource(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    resource.is.check(stack, resource, diagnostics);
    existing::check(stack, resource, diagnostics);
    match &resource.is {
        ResourceType::Bucket(bucket) => bucket::check(stack, resource, bucket, diagnostics),
        ResourceType::Bus(bus) => bus::check(stack, resource, bus, diagnostics),
        ResourceType::Function(function) => {
            function::check(stack, resource, function, diagnostics);
            each_once(&function.access, diagnostics);
            tally::check(stack, &function.access, diagnostics);
            if let Some(worker) = function.worker() {
                worker::check_function(stack, resource, function, worker, diagnostics);
            }
        }
        ResourceType::Task(task) => {
            each_once(&task.access, diagnostics);
            tally::check(stack, &task.access, diagnostics);
            if let Some(worker) = task.image.worker() {
                worker::check_task(stack, resource, worker, task, diagnostics);
            }
        }
        ResourceType::Rule(rule) => events::check_rule(stack, rule, diagnostics),
        _ => {}
    }
}

/// Reports a reference to an attribute or a resource that this one, as it is set, does not have. Returns whether the
/// reference is of this kind: any other is a defect of the lowering.
fn dangling(
    stack: &Stack,
    template: &Template,
    found: &DanglingReference,
    diagnostics: &mut Diagnostics,
) -> bool {
    let owner = stack.resources.iter().find(|resource| {
        let id = stack.id_of(&resource.name);
        found.to == id || found.to == format!("{id}Url") || found.to == format!("{id}SecurityGroup")
    });
    let Some(owner) = owner else { return false };
    let span = place_of(stack, template, found).unwrap_or(owner.span);
    if owner.is.existing().is_some() && found.to == stack.id_of(&owner.name) {
        existing::without(owner, &attribute_of(template, found), span, diagnostics);
        return true;
    }
    let (message, help) = match found.to.strip_prefix(&stack.id_of(&owner.name)).unwrap_or_default() {
        "Url" => (format!("`{}` has no URL", owner.name), format!("add `url: {{}}` to `{}`", owner.name)),
        "SecurityGroup" => {
            (format!("`{}` has no security group", owner.name), format!("set `network` of `{}`", owner.name))
        }
        _ => (
            format!("`{}` creates no resource that can be referred to", owner.name),
            "refer to one of its attributes in a text, or to the resources that it names".to_owned(),
        ),
    };
    diagnostics.push(Diagnostic::error("E0207", span, message).help(help));
    true
}

/// Returns the place of the resource or output that refers to nothing, if the file has it.
pub(crate) fn place_of(stack: &Stack, template: &Template, found: &DanglingReference) -> Option<Span> {
    let origin =
        template.resources.iter().find(|(id, _)| *id == found.from).map(|(_, one)| one.origin.as_str());
    let output = stack.outputs.iter().find(|(name, _)| stack.output_id(name) == found.from);
    let resource = origin.and_then(|name| stack.resource(name));
    resource.map(|resource| resource.span).or_else(|| Some(output?.1.span))
}

/// Returns the attribute of a reference to nothing, by CloudFormation's name.
fn attribute_of(template: &Template, found: &DanglingReference) -> String {
    let resource =
        template.resources.iter().find(|(id, _)| *id == found.from).map(|(_, one)| &one.properties);
    let output = template.outputs.iter().find(|(name, _)| *name == found.from).map(|(_, value)| value);
    let mut name = String::new();
    for value in [resource, output].into_iter().flatten() {
        attributes(value, &found.to, &mut |attribute| {
            if name.is_empty() {
                attribute.clone_into(&mut name);
            }
        });
    }
    name
}

/// Checks what only the template shows: equal logical IDs, references to nothing, circles.
fn template(stack: &Stack, template: &Template, diagnostics: &mut Diagnostics) -> Option<DanglingReference> {
    let place = |name: &str| stack.resource(name).map_or(Span::default(), |resource| resource.span);
    let mut owners: BTreeMap<&str, Option<&str>> =
        template.parameters.iter().map(|(id, _)| (id.as_str(), None)).collect();
    for parameter in &stack.parameters {
        if template.parameters.iter().filter(|(id, _)| *id == parameter.name).count() > 1 {
            diagnostics.push(
                Diagnostic::error(
                    "E0302",
                    parameter.span,
                    format!("the template has a parameter `{}` of its own, for code", parameter.name),
                )
                .help("rename the config value"),
            );
        }
    }
    let mut reported = BTreeSet::new();
    for (id, resource) in &template.resources {
        let origin = resource.origin.as_str();
        let Some(first) = owners.insert(id, Some(origin)) else { continue };
        if first == Some(origin) || !reported.insert((first, origin)) {
            continue;
        }
        let owner = first.map_or("the code of the workers".to_owned(), |first| format!("`{first}`"));
        diagnostics.push(
            Diagnostic::error(
                "E0302",
                place(origin),
                format!("`{origin}` creates a resource with the logical id `{id}`, and so does {owner}"),
            )
            .help("a logical id is the name without `-` and `_`, and with the letters after them capitalized; rename one"),
        );
    }
    let mut unexplained = None;
    for found in template.check() {
        if !dangling(stack, template, &found, diagnostics) {
            unexplained.get_or_insert(found);
        }
    }
    for found in template.conditional_references() {
        let origin = |id: &str| {
            let resource = template.resources.iter().find(|(candidate, _)| candidate == id);
            resource.map(|(_, resource)| resource.origin.as_str())
        };
        let to = origin(&found.to).unwrap_or_default();
        let (from, span) = match origin(&found.from) {
            Some(from) => (format!("`{from}`"), place(from)),
            None => {
                let output = stack.outputs.iter().find(|(name, _)| stack.output_id(name) == found.from);
                output.map_or_else(Default::default, |(name, output)| {
                    (format!("the output `{name}`"), output.span)
                })
            }
        };
        diagnostics.push(
            Diagnostic::error(
                "E0516",
                span,
                format!("{from} refers to `{to}`, which exists only if the condition `{}` is true", found.condition),
            )
            .help("set the same `options.condition`, or refer to something that always exists; in `AWS::…` types, `!If` can \
                   test the condition"),
        );
    }
    if let Some(cycle) = template.cycle() {
        let origin_of = |id: &String| {
            let found = template.resources.iter().find(|(candidate, _)| candidate == id);
            found.map_or("", |(_, resource)| resource.origin.as_str())
        };
        let mut path: Vec<&str> = cycle.iter().map(origin_of).collect();
        path.dedup();
        if let [only] = path[..] {
            path.push(only);
        }
        let shown: Vec<String> = path.iter().map(|name| format!("`{name}`")).collect();
        diagnostics.push(
            Diagnostic::error(
                "E0310",
                place(path[0]),
                format!("resources depend on each other: {}", shown.join(" → ")),
            )
            .help("CloudFormation can't create any of them first; remove one of the references"),
        );
    }
    unexplained
}

/// Checks that no entry of `access` is given twice.
fn each_once(access: &[Access], diagnostics: &mut Diagnostics) {
    for (index, entry) in access.iter().enumerate() {
        let same = |other: &Access| other.verb == entry.verb && other.resource.name == entry.resource.name;
        if access[..index].iter().any(same) {
            let message =
                format!("`access` allows twice to {} `{}`", entry.verb.phrase(), entry.resource.name);
            diagnostics.push(Diagnostic::error("E0303", entry.span, message).help("remove one of them"));
        }
    }
}

fn table<'s>(stack: &'s Stack, reference: &ResourceRef) -> Option<&'s Table> {
    match &stack.resource(&reference.name)?.is {
        ResourceType::Table(table) => Some(table),
        _ => None,
    }
}

fn kind_of(stack: &Stack, reference: &ResourceRef) -> Option<Kind> {
    stack.resource(&reference.name).map(|resource| resource.is.kind())
}
