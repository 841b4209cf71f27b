//! Model → CloudFormation: one file per resource type. Fourth step of the flow.
//!
//! CloudFormation's own cycles (bucket → queue policy → bucket) are solved by names that can be computed ([`names`]),
//! with no custom resource and no helper function.

use serde_json::{Value, json};

use crate::assets::{self, ASSET_BUCKET_PARAMETER, AssetKind};
use crate::document::Removal;
use crate::model::{ResourceType, Stack, Text, TextPart};
use crate::template::{GetAtt, Policy, Ref, Resource, Sub, Template, logical_id};

mod bucket;
mod bus;
mod cluster;
mod function;
pub mod names;
mod network;
mod queue;
mod table;
mod task;

/// The template of a stack.
#[must_use]
pub fn lower(stack: &Stack) -> Template {
    let mut builder = Builder { stack, template: Template::default(), origin: String::new() };
    builder.template.description.clone_from(&stack.description);
    parameters(&mut builder);
    for resource in &stack.resources {
        builder.origin.clone_from(&resource.name);
        let id = logical_id(&resource.name);
        match &resource.is {
            ResourceType::Bucket(bucket) => bucket::lower(&mut builder, &id, &resource.name, bucket),
            ResourceType::Queue(queue) => queue::lower(&mut builder, &id, &resource.name, queue),
            ResourceType::Bus(_) => bus::lower(&mut builder, &id, &resource.name),
            ResourceType::Table(table) => table::lower(&mut builder, &id, table),
            ResourceType::Network(network) => network::lower(&mut builder, &id, network),
            ResourceType::Cluster(cluster) => cluster::lower(&mut builder, &id, cluster),
            ResourceType::Task(task) => task::lower(&mut builder, &id, &resource.name, task),
            ResourceType::Function(function) => function::lower(&mut builder, &id, &resource.name, function),
        }
    }
    for (name, text) in &stack.outputs {
        let value = text_value(stack, text);
        builder.template.outputs.push((logical_id(name), json!({ "Value": value })));
    }
    builder.template
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
    let kind = stack.resource(name).map(|resource| &resource.is);
    match (kind, attribute) {
        (Some(ResourceType::Queue(_)), "name") => json!(GetAtt(id, "QueueName")),
        (Some(ResourceType::Task(_)), "arn") => json!(Ref(id)),
        (_, "arn") => json!(GetAtt(id, "Arn")),
        // Ref is the name, the URL (queue) or the id (network).
        _ => json!(Ref(id)),
    }
}

/// A text with references as a CloudFormation expression.
fn text_value(stack: &Stack, text: &Text) -> Value {
    if let [TextPart::Attribute { resource, attribute: name }] = text.parts.as_slice() {
        return attribute(stack, resource, name);
    }
    let mut out = String::new();
    let mut plain = String::new();
    let mut references = false;
    for part in &text.parts {
        match part {
            TextPart::Literal(literal) => {
                plain.push_str(literal);
                out.push_str(&literal.replace("${", "${!"));
            }
            TextPart::Attribute { resource, attribute: name } => {
                references = true;
                let value = attribute(stack, resource, name);
                let target = match (&value["Ref"], &value["Fn::GetAtt"]) {
                    (Value::String(id), _) => id.clone(),
                    (_, path) => {
                        let word = |at: usize| path[at].as_str().unwrap_or_default().to_owned();
                        format!("{}.{}", word(0), word(1))
                    }
                };
                out.push_str(&format!("${{{target}}}"));
            }
        }
    }
    if references { json!(Sub(out)) } else { json!(plain) }
}
