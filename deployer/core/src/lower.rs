//! Model → CloudFormation: one file per resource type. Fourth step of the flow.
//!
//! CloudFormation's own cycles (bucket → queue policy → bucket) are solved by names that can be computed ([`names`]),
//! with no custom resource and no helper function.

use serde_json::{Value, json};

use crate::assets::{self, ASSET_BUCKET_PARAMETER, AssetKind};
use crate::document::Removal;
use crate::model::options::Options;
use crate::model::{ResourceType, Stack, Text, TextPart};
use crate::template::{Policy, Ref, Resource, Sub, Template, logical_id};

mod bucket;
mod bus;
mod cluster;
mod function;
pub mod names;
mod network;
mod queue;
mod raw;
mod table;
mod task;

/// The template of a stack.
#[must_use]
pub fn lower(stack: &Stack) -> Template {
    let mut builder = Builder { stack, template: Template::default(), origin: String::new() };
    builder.template.description.clone_from(&stack.description);
    parameters(&mut builder);
    builder.template.conditions.clone_from(&stack.conditions);
    for resource in &stack.resources {
        builder.origin.clone_from(&resource.name);
        let id = logical_id(&resource.name);
        let first = builder.template.resources.len();
        let name = resource.name.as_str();
        match &resource.is {
            ResourceType::Bucket(bucket) => bucket::lower(&mut builder, &id, name, bucket),
            ResourceType::Queue(queue) => queue::lower(&mut builder, &id, name, queue),
            ResourceType::Bus(bus) => bus::lower(&mut builder, &id, name, bus),
            ResourceType::Table(table) => table::lower(&mut builder, &id, name, table),
            ResourceType::Network(network) => network::lower(&mut builder, &id, name, network),
            ResourceType::Cluster(cluster) => cluster::lower(&mut builder, &id, name, cluster),
            ResourceType::Task(task) => task::lower(&mut builder, &id, name, task),
            ResourceType::Function(function) => function::lower(&mut builder, &id, name, function),
            ResourceType::Raw(raw) => raw::lower(&mut builder, &id, raw),
        }
        apply(&resource.options, &id, &mut builder.template.resources[first..]);
    }
    // Last, when all that speaks of them is there.
    let names = stack
        .resources
        .iter()
        .filter_map(|resource| Some((logical_id(&resource.name), resource.options.logical_id.clone()?)));
    for (name, text) in &stack.outputs {
        let value = text_value(stack, text);
        builder.template.outputs.push((logical_id(name), json!({ "Value": value })));
    }
    builder.template.rename(&names.collect());
    builder.template
}

/// Applies `options` to what was made for a resource: the condition to all of it, the rest to its main resource.
fn apply(options: &Options, id: &str, made: &mut [(String, Resource)]) {
    for (_, resource) in made.iter_mut() {
        resource.condition.clone_from(&options.condition);
    }
    let Some((_, main)) = made.iter_mut().find(|(candidate, _)| candidate == id) else { return };
    for target in &options.depends_on {
        let target = logical_id(&target.name);
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
                r"^[a-z]+/[0-9a-f]{64}\.zip$",
            ),
            AssetKind::Image => ("URI of the image with its digest.", "^.+@sha256:[0-9a-f]{64}$"),
        };
        let description = format!("Worker `{}`. {what}", asset.worker.name());
        let parameter = json!({ "Type": "String", "Description": description, "AllowedPattern": pattern });
        builder.template.parameters.push((asset.parameter, parameter));
    }
}

/// The template under construction.
struct Builder<'s> {
    stack: &'s Stack,
    template: Template,
    /// Name in the file of the resource that is being lowered.
    origin: String,
}

impl Builder<'_> {
    /// Adds a resource.
    fn add(&mut self, id: impl Into<String>, kind: &'static str, properties: Value) -> &mut Resource {
        let resource = Resource { kind, origin: self.origin.clone(), properties, ..Resource::default() };
        self.template.resources.push((id.into(), resource));
        let last = self.template.resources.len() - 1;
        &mut self.template.resources[last].1
    }

    /// Adds a resource that holds data: it stays or goes as the stack's `removal` says.
    fn add_data(&mut self, id: impl Into<String>, kind: &'static str, properties: Value) -> &mut Resource {
        let policy = match self.stack.target.removal {
            // A table that protects itself from deletion can't go with a failed creation.
            Removal::Keep if kind == "AWS::DynamoDB::Table" => Policy::Retain,
            Removal::Keep => Policy::RetainExceptOnCreate,
            Removal::Delete => Policy::Delete,
        };
        let resource = self.add(id, kind, properties);
        resource.policy = Some(policy);
        resource
    }

    /// Adds a log group.
    fn add_log_group(&mut self, id: &str, retention: u64) {
        self.add_data(id, "AWS::Logs::LogGroup", json!({ "RetentionInDays": retention / 86_400 }));
    }
}

/// The CloudFormation expression for an attribute of a resource.
fn attribute(stack: &Stack, name: &str, attribute: &str) -> Value {
    let id = logical_id(name);
    let Some(resource) = stack.resource(name) else { return json!(Ref(id)) };
    match &resource.is {
        ResourceType::Bucket(_) => bucket::attribute(&id, attribute),
        ResourceType::Queue(_) => queue::attribute(&id, attribute),
        ResourceType::Bus(_) => bus::attribute(&id, attribute),
        ResourceType::Table(_) => table::attribute(&id, attribute),
        ResourceType::Network(_) => network::attribute(&id, attribute),
        ResourceType::Cluster(_) => cluster::attribute(&id, attribute),
        ResourceType::Task(_) => task::attribute(&id, attribute),
        ResourceType::Function(_) => function::attribute(&id, attribute),
        // Texts name it as CloudFormation does.
        ResourceType::Raw(_) => json!(Ref(id)),
    }
}

/// A text with references as a CloudFormation expression.
fn text_value(stack: &Stack, text: &Text) -> Value {
    let reference = |part: &TextPart| match part {
        TextPart::Literal(_) => None,
        TextPart::Attribute { resource, attribute: name } => Some(attribute(stack, resource, name)),
        TextPart::Raw { resource, attribute: None } => Some(json!(Ref(logical_id(resource)))),
        TextPart::Raw { resource, attribute: Some(name) } => {
            Some(json!({ "Fn::GetAtt": [logical_id(resource), name] }))
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
            match (&value["Ref"], &value["Fn::GetAtt"], &value["Fn::Sub"]) {
                (Value::String(id), ..) => out.push_str(&format!("${{{id}}}")),
                (_, Value::Array(path), _) => {
                    let words: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
                    out.push_str(&format!("${{{}}}", words.join(".")));
                }
                (_, _, text) => out.push_str(text.as_str().unwrap_or_default()),
            }
        }
    }
    if references { json!(Sub(out)) } else { json!(plain) }
}
