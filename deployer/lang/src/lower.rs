//! Model → CloudFormation: one file per resource type, which implements [`lowering::Lowering`]. Fourth step of the
//! flow.
//!
//! CloudFormation's own cycles (bucket → queue policy → bucket) are solved by names that can be computed
//! ([`crate::names`]), with no custom resource and no helper function.

use deployer_cfn::importable;
use deployer_cfn::template::{self, Policy, Ref, Sub, Template, logical_id};
use deployer_syntax::diagnostic::Span;
use serde_json::{Value, json};

use crate::assets::{self, ASSET_BUCKET_PARAMETER, AssetKind};
use crate::model::access::Verb;
use crate::model::code::Code;
use crate::model::json::Json;
use crate::model::options::Options;
use crate::model::worker::Worker;
use crate::model::{OutputKind, Resource, ResourceType, Stack, Text, TextPart};

mod alarm;
mod bucket;
mod bucket_events;
mod builder;
mod bus;
mod cluster;
mod dashboard;
mod delivery;
pub mod existing;
pub(crate) mod function;
mod key;
pub(crate) mod lowering;
mod network;
pub(crate) mod organisation;
mod parameter;
mod queue;
mod raw;
mod restart;
mod rule;
mod schedule;
pub mod senders;
mod sensitive;
mod statement;
mod table;
mod task;
mod topic;

use builder::Builder;
use existing::Need;

#[cfg(test)]
thread_local! {
    /// Templates that were made in this thread.
    pub(crate) static COUNT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Returns the template of a stack, and what the policies of existing resources must allow. Callers get it from [`compile`](crate::compile()), which makes it once.
#[must_use]
pub(crate) fn lower(stack: &Stack) -> (Template, Vec<Need>) {
    #[cfg(test)]
    COUNT.set(COUNT.get() + 1);
    let mut builder =
        Builder { stack, template: Template::default(), origin: String::new(), needs: Vec::new() };
    builder.template.description.clone_from(&stack.description);
    let sections = &stack.sections;
    builder.template.transform.clone_from(&sections.transform);
    builder.template.metadata.clone_from(&sections.metadata);
    builder.template.sections =
        sections.globals.iter().map(|globals| ("Globals".to_owned(), globals.clone())).collect();
    builder.template.rules.clone_from(&sections.rules);
    builder.template.mappings.clone_from(&sections.mappings);
    builder.template.loops.clone_from(&sections.loops);
    let declared = stack.parameters.iter().map(|one| (one.name.clone(), one.declaration.clone()));
    builder.template.parameters.extend(declared);
    parameters(&mut builder);
    builder.template.conditions.clone_from(&stack.conditions);
    let late = |resource: &&Resource| resource.is.kind().is_late();
    let early = stack.resources.iter().filter(|resource| !late(resource));
    for resource in early.chain(stack.resources.iter().filter(late)) {
        builder.origin.clone_from(&resource.name);
        let id = stack.id_of(&resource.name);
        let first = builder.template.resources.len();
        let name = resource.name.as_str();
        resource.is.lower(&mut builder, &id, name);
        apply(stack, &resource.options, &id, &mut builder.template.resources[first..]);
    }
    keep_buses(&mut builder.template, stack);
    // Last, when all resources that refer to them are there.
    let names = stack
        .resources
        .iter()
        .filter_map(|resource| Some((stack.id_of(&resource.name), resource.options.logical_id.clone()?)));
    for (name, output) in &stack.outputs {
        let output = match &output.is {
            OutputKind::Text(text) => json!({ "Value": text_value(stack, text) }),
            OutputKind::Long(members) => raw::resolved(stack, members),
            OutputKind::Loop(arguments) => arguments.clone(),
        };
        builder.template.outputs.push((stack.output_id(name), output));
    }
    existing::refer(&mut builder.template, &mut builder.needs, stack);
    builder.template.rename(&names.collect());
    tag_kept(&mut builder.template, stack.organisation.tags.len());
    organisation::apply(&mut builder.template, stack);
    stack.organisation.settings().add_to(&mut builder.template.metadata);
    (builder.template, builder.needs)
}

/// Tags the resources that stay in the account when their stack is deleted, so that they can be found again. `of_stack`
/// is the number of tags that the file gives the stack.
fn tag_kept(template: &mut Template, of_stack: usize) {
    for (id, resource) in &mut template.resources {
        let stays = matches!(resource.policy, Some(Policy::Retain | Policy::RetainExceptOnCreate));
        if !stays || importable::find(resource.kind).is_none_or(|one| !one.tagged) {
            continue;
        }
        let tags = &mut resource.properties["Tags"];
        if tags.is_null() {
            *tags = json!([]);
        }
        // A function in the place of the list, or a list that is full with the tags of the stack, stays as it is.
        let Value::Array(tags) = tags else { continue };
        let own =
            |tag: &Value| tag["Key"] == importable::STACK_TAG || tag["Key"] == importable::LOGICAL_ID_TAG;
        if tags.len() + of_stack + 3 > importable::MOST_TAGS || tags.iter().any(own) {
            continue;
        }
        tags.push(json!({ "Key": importable::STACK_TAG, "Value": Ref("AWS::StackName") }));
        tags.push(json!({ "Key": importable::LOGICAL_ID_TAG, "Value": id }));
    }
}

/// Lets clusters be deleted before the buses that their tasks publish to. EventBridge accepts events for a deleted bus,
/// and drops them without an error. Functions and roles name their bus, so CloudFormation deletes them first; but a
/// task runs on when its definition is deleted. A cluster can't be deleted while a task runs in it, so now no bus can,
/// either.
fn keep_buses(template: &mut Template, stack: &Stack) {
    for resource in &stack.resources {
        let ResourceType::Task(task) = &resource.is else { continue };
        let cluster = logical_id(&task.cluster.name);
        for access in task.access.iter().filter(|access| access.verb == Verb::Publish) {
            let bus = logical_id(&access.resource.name);
            let find = |id: &str| template.resources.iter().position(|(candidate, _)| candidate == id);
            // A bus that the stack finds is not in the template.
            let (Some(at), Some(found)) = (find(&cluster), find(&bus)) else { continue };
            let alike = template.resources[at].1.condition == template.resources[found].1.condition;
            if template.resources[found].1.kind != BUS
                || template.resources[found].1.condition.is_some() && !alike
            {
                continue;
            }
            if !template.resources[at].1.depends_on.contains(&bus) {
                template.resources[at].1.depends_on.push(bus);
                // The file may demand the opposite order.
                if template.cycle().is_some() {
                    template.resources[at].1.depends_on.pop();
                }
            }
        }
    }
}

/// The type of a bus.
const BUS: &str = "AWS::Events::EventBus";

/// Applies `options` to the resources that were made for a resource of the file: the condition to all of them, the rest
/// to the main one.
fn apply(stack: &Stack, options: &Options, id: &str, made: &mut [(String, template::Resource)]) {
    for (_, resource) in made.iter_mut() {
        resource.condition.clone_from(&options.condition);
    }
    let Some((_, main)) = made.iter_mut().find(|(candidate, _)| candidate == id) else { return };
    for target in &options.depends_on {
        let target = stack.id_of(&target.name);
        if !main.depends_on.contains(&target) {
            main.depends_on.push(target);
        }
    }
    let table = main.kind == "AWS::DynamoDB::Table";
    main.policy = match (options.protect, options.retain) {
        (true, _) => Some(Policy::Retain),
        (_, Some(true)) if table => Some(Policy::Retain),
        (_, Some(true)) => Some(Policy::RetainExceptOnCreate),
        (_, Some(false)) => Some(Policy::Delete),
        (false, None) => main.policy,
    };
    if table && (options.protect || options.retain.is_some()) {
        main.properties["DeletionProtectionEnabled"] = json!(options.protect || options.retain == Some(true));
    }
    let attributes = options.attributes.iter();
    main.attributes = attributes.map(|(name, value)| (name.clone(), raw::resolved(stack, value))).collect();
    if main
        .attributes
        .iter()
        .any(|(name, _)| matches!(name.as_str(), "DeletionPolicy" | "UpdateReplacePolicy"))
    {
        main.policy = None;
    }
    if options.protect {
        main.metadata = Some(json!({ "deployer": { "protect": true } }));
    }
}

fn parameters(builder: &mut Builder<'_>) {
    let assets = assets::assets(builder.stack);
    if assets.iter().any(|asset| asset.kind == AssetKind::Zip) {
        let parameter = json!({ "Type": "String", "Description": "Bucket with the code of the functions." });
        builder.template.parameters.push((ASSET_BUCKET_PARAMETER.to_owned(), parameter));
    }
    for asset in assets {
        let (what, pattern) = match asset.kind {
            AssetKind::Zip => (
                "Key of the code in the asset bucket, which holds its SHA-256.",
                r"^[A-Za-z0-9_.-]+/[0-9a-f]{64}\.zip$",
            ),
            AssetKind::Image => ("URI of the image with its digest.", "^.+@sha256:[0-9a-f]{64}$"),
        };
        let description = match &asset.code {
            Code::Worker(worker) => format!("Worker `{}`. {what}", worker.name()),
            Code::Package { .. } | Code::Zip { .. } => format!("Code of `{}`. {what}", asset.resource),
        };
        let parameter = json!({ "Type": "String", "Description": description, "AllowedPattern": pattern });
        builder.template.parameters.push((asset.parameter, parameter));
    }
}

/// Returns the CloudFormation expression for an attribute of a resource.
fn attribute(stack: &Stack, name: &str, attribute: &str) -> Value {
    let id = stack.id_of(name);
    match stack.resource(name) {
        Some(resource) => resource.is.attribute(stack, &id, name, attribute),
        None => json!(Ref(id)),
    }
}

/// Returns JSON with its texts as CloudFormation expressions.
fn filled(stack: &Stack, json: &Json) -> Value {
    json.filled(&|text| text_value(stack, text))
}

/// Returns a pattern as JSON, or as a text of JSON if it contains a null, which a template can't.
fn pattern(stack: &Stack, json: &Json) -> Value {
    if json.has_null() { json_text(stack, json) } else { filled(stack, json) }
}

/// Returns JSON as one text, where CloudFormation requires that.
fn json_text(stack: &Stack, json: &Json) -> Value {
    text_value(stack, &Text { parts: json.pieces(), span: Span::default() })
}

/// Returns the variable that tells the other workers of a `report`, if the stack has one: they keep what it needs, and
/// ignore what it writes.
fn result_files(stack: &Stack) -> Option<(&'static str, &'static str)> {
    let has_report = stack.functions().any(|(_, function)| function.worker() == Some(Worker::Report));
    has_report.then_some((contract::environment::RESULT_FILES, "true"))
}

/// Returns a text in something that is used only when all resources exist, such as a variable or a policy: a bucket is
/// named by its computed name, so that the bucket can wait for a function that refers to it.
fn late_value(stack: &Stack, text: &Text) -> Value {
    value_of(stack, text, true)
}

/// Returns a text with references as a CloudFormation expression.
fn text_value(stack: &Stack, text: &Text) -> Value {
    value_of(stack, text, false)
}

fn value_of(stack: &Stack, text: &Text, late: bool) -> Value {
    let reference = |part: &TextPart| match part {
        TextPart::Literal(_) => None,
        TextPart::Attribute { resource, attribute: name } => match stack.resource(resource) {
            Some(found) if late => {
                Some(found.is.late_attribute(stack, &stack.id_of(resource), resource, name))
            }
            _ => Some(attribute(stack, resource, name)),
        },
        TextPart::Raw { resource, attribute: None } => Some(json!(Ref(stack.id_of(resource)))),
        TextPart::Raw { resource, attribute: Some(name) } => {
            Some(json!({ "Fn::GetAtt": [stack.id_of(resource), name] }))
        }
        TextPart::Pseudo(name) => Some(json!(Ref(name))),
    };
    if let [only] = text.parts.as_slice()
        && let Some(value) = reference(only)
    {
        return value;
    }
    let mut out = String::new();
    let mut plain = String::new();
    let mut references = false;
    for part in &text.parts {
        if let TextPart::Literal(literal) = part {
            plain.push_str(literal);
            out.push_str(&literal.replace("${", "${!"));
        }
        if let Some(value) = reference(part) {
            references = true;
            out.push_str(&in_sub(&value));
        }
    }
    if references { json!(Sub(out)) } else { json!(plain) }
}

/// Returns a `Ref`, `Fn::GetAtt` or `Fn::Sub` as a part of the text of an `Fn::Sub`.
fn in_sub(value: &Value) -> String {
    match (&value["Ref"], &value["Fn::GetAtt"], &value["Fn::Sub"]) {
        (Value::String(id), ..) => format!("${{{id}}}"),
        (_, Value::Array(path), _) => {
            let words: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
            format!("${{{}}}", words.join("."))
        }
        (_, _, text) => text.as_str().unwrap_or_default().to_owned(),
    }
}
