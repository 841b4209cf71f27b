//! The resources of one stack, typed. Second step of the flow: nodes → model.
//!
//! One file per resource type holds its struct and asks for its properties; [`properties`] does the reading.

use std::sync::LazyLock;

use deployer_cfn::schemas::{self, TypeId};
use deployer_cfn::template::logical_id;
use deployer_syntax::diagnostic::{Diagnostics, Span};

pub mod access;
pub mod alarm;
pub mod arn;
pub mod bucket;
pub mod bus;
pub mod cluster;
pub mod code;
mod csv;
pub mod dashboard;
pub mod definition;
pub mod delivery;
pub mod environment;
pub mod existing;
pub mod expression;
pub mod flow;
pub mod function;
pub mod json;
pub mod key;
pub mod network;
pub mod options;
pub mod organisation;
pub mod parameter;
pub mod pattern;
pub mod properties;
pub mod queue;
pub mod raw;
pub mod rule;
pub mod schedule;
pub mod statement;
pub mod table;
pub mod target;
pub mod task;
pub mod topic;
pub mod verbatim;
pub mod worker;

use access::Verb;
use definition::{Definition, Drawing, Metrics};
use flow::{Flows, Role};
use organisation::Organisation;
use properties::{Properties, Property, describe};
use target::StackTarget;

/// Lists the types of the language, each once: its word, the module that defines it, and the CloudFormation type of its
/// main resource, whose logical ID is made of the name alone. Passes the list to a macro.
macro_rules! types {
    ($callback:ident) => {
        $callback! {
            /// S3 bucket.
            Bucket("bucket", bucket, "AWS::S3::Bucket");
            /// SQS queue with its dead-letter queue.
            Queue("queue", queue, "AWS::SQS::Queue");
            /// EventBridge event bus.
            Bus("bus", bus, "AWS::Events::EventBus");
            /// EventBridge rule.
            Rule("rule", rule, "AWS::Events::Rule");
            /// Schedule of EventBridge Scheduler.
            Schedule("schedule", schedule, "AWS::Scheduler::Schedule");
            /// SNS topic with its subscriptions.
            Topic("topic", topic, "AWS::SNS::Topic");
            /// DynamoDB table.
            Table("table", table, "AWS::DynamoDB::Table");
            /// VPC with subnets and routes.
            Network("network", network, "AWS::EC2::VPC");
            /// ECS cluster.
            Cluster("cluster", cluster, "AWS::ECS::Cluster");
            /// ECS task definition that runs on Fargate.
            Task("task", task, "AWS::ECS::TaskDefinition");
            /// Lambda function with its triggers.
            Function("function", function, "AWS::Lambda::Function");
            /// KMS key with its alias.
            Key("key", key, "AWS::KMS::Key");
            /// CloudWatch alarms.
            Alarm("alarm", alarm, "AWS::CloudWatch::Alarm");
            /// CloudWatch dashboard.
            Dashboard("dashboard", dashboard, "AWS::CloudWatch::Dashboard");
            /// Parameter of Systems Manager.
            Parameter("parameter", parameter, "AWS::SSM::Parameter");
        }
    };
}
pub(crate) use types;

/// Makes [`Kind`] and [`ResourceType`] of the list, and their methods of the [`Definition`]s.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($word:literal, $module:ident, $cloudformation:literal);)*) => {
        /// The resource types of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// Any other CloudFormation type, by its own name and with its own properties.
            Raw(TypeId),
        }

        impl Kind {
            /// Every type but those of CloudFormation.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$kind),*];

            /// Returns the word in `stack.yaml`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                    Self::Raw(type_id) => type_id.name(),
                }
            }

            /// Returns the CloudFormation type of its main resource.
            #[must_use]
            pub fn cloudformation(self) -> Option<TypeId> {
                match self {
                    $(Self::$kind => schemas::find($cloudformation),)*
                    Self::Raw(type_id) => Some(type_id),
                }
            }

            /// Returns the description of the type.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => $module::$kind::DESCRIPTION,)*
                    Self::Raw(_) => raw::DESCRIPTION,
                }
            }

            /// Returns the attributes for `${name.attribute}`, with a description of each; `${name}` alone means the
            /// first. Those of a CloudFormation type are in its schema.
            #[must_use]
            pub const fn attributes(self) -> &'static [(&'static str, &'static str)] {
                match self {
                    $(Self::$kind => $module::$kind::ATTRIBUTES,)*
                    Self::Raw(_) => &[],
                }
            }

            /// Returns the verbs of `access` that can be used with it; see [`Definition::ACCESS`].
            pub(crate) const fn access(self) -> &'static [(Verb, &'static str)] {
                match self {
                    $(Self::$kind => $module::$kind::ACCESS,)*
                    Self::Raw(_) => &[],
                }
            }

            /// Returns its metrics in CloudWatch, for alarms and dashboards.
            #[must_use]
            pub const fn metrics(self) -> Option<Metrics> {
                match self {
                    $(Self::$kind => $module::$kind::METRICS,)*
                    Self::Raw(_) => None,
                }
            }

            /// Returns its place in the drawing of the pipeline.
            #[must_use]
            pub const fn drawing(self) -> Drawing {
                match self {
                    $(Self::$kind => $module::$kind::DRAWING,)*
                    Self::Raw(_) => Drawing::IfConnected(Role::Other),
                }
            }

            /// Returns the properties of the type. Those of a CloudFormation type are in its schema.
            #[must_use]
            pub fn properties(self) -> Vec<Property> {
                match self {
                    $(Self::$kind => describe($module::$kind::read),)*
                    Self::Raw(_) => Vec::new(),
                }
            }

            /// Reads the properties of a resource of this type.
            pub(crate) fn read(self, node: &deployer_syntax::yaml::Node, scope: &properties::Scope) -> Option<ResourceType> {
                Some(match self {
                    $(Self::$kind => {
                        ResourceType::$kind(Properties::read(node, scope, $module::$kind::read)?)
                    })*
                    Self::Raw(type_id) => ResourceType::Raw(raw::Raw::read(type_id, node, scope)?),
                })
            }
        }

        /// A resource's type and properties.
        #[derive(Debug, Clone, PartialEq)]
        pub enum ResourceType {
            $($(#[$doc])* $kind($module::$kind),)*
            /// `AWS::…`.
            Raw(raw::Raw),
        }

        impl ResourceType {
            /// Returns its type alone.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                    Self::Raw(raw) => Kind::Raw(raw.type_id),
                }
            }

            /// Applies the rules of its type; see [`Definition::check`].
            pub(crate) fn check(&self, stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
                match self {
                    $(Self::$kind(one) => one.check(stack, resource, diagnostics),)*
                    Self::Raw(_) => {}
                }
            }

            /// Returns the resource of AWS that it refers to, if the stack does not create it.
            #[must_use]
            pub fn existing(&self) -> Option<&existing::Existing> {
                match self {
                    $(Self::$kind(one) => one.existing(),)*
                    Self::Raw(_) => None,
                }
            }

            /// Returns the advice if nothing in the stack refers to it; `None` if it is of use even so.
            pub(crate) fn unused(&self) -> Option<&'static str> {
                match self {
                    $(Self::$kind(one) => one.unused(),)*
                    Self::Raw(_) => None,
                }
            }

            /// Adds what flows from it, and to it; see [`Definition::flows`].
            pub(crate) fn flows(&self, name: &str, flows: &mut Flows) {
                match self {
                    $(Self::$kind(one) => one.flows(name, flows),)*
                    Self::Raw(_) => {}
                }
            }

            /// Returns the queues of the file that receive the events or messages that it could not process or deliver.
            #[must_use]
            pub fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
                match self {
                    $(Self::$kind(one) => one.dead_letter_queues(),)*
                    Self::Raw(_) => Vec::new(),
                }
            }

            /// Returns the customer key that encrypts its data, and the service that uses the key for callers.
            #[must_use]
            pub fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
                match self {
                    $(Self::$kind(one) => one.encryption_key(),)*
                    Self::Raw(_) => None,
                }
            }

            /// Returns the place of the customer key, if the stack's `key` applies to it.
            fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
                match self {
                    $(Self::$kind(one) => one.encryption_key_mut(),)*
                    Self::Raw(_) => None,
                }
            }
        }
    };
}

types!(kinds);

impl Kind {
    /// Returns the type with this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the types with [`Kind::metrics`], by their words.
    #[must_use]
    pub fn with_metrics() -> &'static [Self] {
        static FOUND: LazyLock<Vec<Kind>> = LazyLock::new(|| {
            let mut found: Vec<Kind> =
                Kind::ALL.into_iter().filter(|kind| kind.metrics().is_some()).collect();
            found.sort_by_key(|kind| kind.name());
            found
        });
        &FOUND
    }
}

/// A resource named by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRef {
    /// Its name in the file.
    pub name: String,
    /// Place where it is named.
    pub span: Span,
}

/// A text that may refer to resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its pieces in order.
    pub parts: Vec<TextPart>,
    /// Its place in the file.
    pub span: Span,
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// Literal text.
    Literal(String),
    /// An attribute of a resource.
    Attribute {
        /// The resource's name in the file.
        resource: String,
        /// One of [`Kind::attributes`].
        attribute: &'static str,
    },
    /// A resource of an `AWS::…` type, as CloudFormation refers to it.
    Raw {
        /// The resource's name in the file.
        resource: String,
        /// Attribute of `Fn::GetAtt`; without one it is a `Ref`.
        attribute: Option<String>,
    },
    /// `${AWS::Region}` and the like.
    Pseudo(&'static str),
}

/// One stack: an instance of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// `<name>-<stack>`, the name of the CloudFormation stack.
    pub name: String,
    /// `description` of the file.
    pub description: Option<String>,
    /// Its account and region, and the way it is treated there.
    pub target: StackTarget,
    /// The settings that fit it into an organisation.
    pub organisation: Organisation,
    /// The customer key of resources that have none of their own.
    pub key: Option<ResourceRef>,
    /// `true` if the names of `AWS::…` resources, conditions and outputs are their logical IDs.
    pub exact: bool,
    /// The values of `config` that are parameters of the template.
    pub parameters: Vec<Parameter>,
    /// The sections that the template has as the file has them.
    pub sections: TemplateSections,
    /// `conditions` by name, as CloudFormation's JSON.
    pub conditions: Vec<(String, serde_json::Value)>,
    /// The resources in the order of the file.
    pub resources: Vec<Resource>,
    /// `outputs` in the order of the file.
    pub outputs: Vec<(String, Output)>,
}

/// A value of `config` that is a parameter of the template.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, in the file and in the template.
    pub name: String,
    /// Place of its name.
    pub span: Span,
    /// Its declaration as CloudFormation takes it.
    pub declaration: serde_json::Value,
    /// The value that this stack gives it; without one, CloudFormation takes the default or the value it has.
    pub value: Option<String>,
}

/// Sections of the template that the file has as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateSections {
    /// `Transform`: a name, or a list.
    pub transform: Option<serde_json::Value>,
    /// `Metadata`.
    pub metadata: Option<serde_json::Value>,
    /// `Globals`, which the macro of SAM reads.
    pub globals: Option<serde_json::Value>,
    /// `Rules`.
    pub rules: Vec<(String, serde_json::Value)>,
    /// `Mappings`.
    pub mappings: Vec<(String, serde_json::Value)>,
    /// `Fn::ForEach::…` among the resources.
    pub loops: Vec<(String, serde_json::Value)>,
}

/// One entry of `outputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The text, or in the long form the members of CloudFormation's output, with texts as `expression::TEXT`.
    pub is: OutputKind,
    /// Place of its value in the file.
    pub span: Span,
}

/// The form of an [`Output`].
#[derive(Debug, Clone, PartialEq)]
pub enum OutputKind {
    /// `name: text`.
    Text(Text),
    /// `name: { value: …, export: … }`.
    Long(serde_json::Value),
    /// `Fn::ForEach::…`: its arguments.
    Loop(serde_json::Value),
}

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its key in the file.
    pub name: String,
    /// Place of the key.
    pub span: Span,
    /// Its type, with its properties.
    pub is: ResourceType,
    /// Its options for CloudFormation.
    pub options: options::Options,
    /// The names that it had before, the oldest first.
    pub was: Vec<FormerName>,
}

/// A name that a resource had in the file before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The name.
    pub name: String,
    /// Place where it is written.
    pub span: Span,
}

impl Resource {
    /// Returns the logical ID of its main resource in CloudFormation.
    #[must_use]
    pub fn logical_id(&self) -> String {
        self.options.logical_id.clone().unwrap_or_else(|| logical_id(&self.name))
    }
}

impl Stack {
    /// Returns the resource with this name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == name)
    }

    /// Returns the logical ID of the main resource of this name, without `options.logicalId`.
    #[must_use]
    pub fn id_of(&self, name: &str) -> String {
        match self.resource(name).map(|resource| resource.is.kind()) {
            // One that is not in the file is made by a macro.
            Some(Kind::Raw(_)) | None if self.exact => name.to_owned(),
            _ => logical_id(name),
        }
    }

    /// Returns the logical ID that the resource of this name would have under another name.
    #[must_use]
    pub fn id_from(&self, name: &str, other: &str) -> String {
        match self.resource(name).map(|resource| resource.is.kind()) {
            Some(Kind::Raw(_)) if self.exact => other.to_owned(),
            _ => logical_id(other),
        }
    }

    /// Returns the name of an output in the template.
    #[must_use]
    pub fn output_id(&self, name: &str) -> String {
        if self.exact { name.to_owned() } else { logical_id(name) }
    }

    /// Returns the queue that is named here.
    #[must_use]
    pub fn queue(&self, reference: &ResourceRef) -> Option<&queue::Queue> {
        match &self.resource(&reference.name)?.is {
            ResourceType::Queue(queue) => Some(queue),
            _ => None,
        }
    }

    /// Returns the functions, with their names.
    pub fn functions(&self) -> impl Iterator<Item = (&Resource, &function::Function)> {
        self.resources.iter().filter_map(|resource| match &resource.is {
            ResourceType::Function(function) => Some((resource, function)),
            _ => None,
        })
    }

    /// Returns the tasks, with their names.
    pub fn tasks(&self) -> impl Iterator<Item = (&Resource, &task::Task)> {
        self.resources.iter().filter_map(|resource| match &resource.is {
            ResourceType::Task(task) => Some((resource, task)),
            _ => None,
        })
    }
}
