//! The resources of one stack, typed. Second step of the flow: nodes → model.
//!
//! One file per resource type holds its struct and asks for its properties; [`properties`] does the reading.

use crate::diagnostic::Span;
use crate::document::StackTarget;
use crate::registry::{self, TypeId};
use crate::template::logical_id;

pub mod access;
pub mod bucket;
pub mod bus;
pub mod cluster;
pub mod expression;
pub mod function;
pub mod network;
pub mod options;
pub mod properties;
pub mod queue;
pub mod raw;
pub mod table;
pub mod task;

use properties::{Properties, Property, describe};

/// The resource types of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// S3 bucket.
    Bucket,
    /// SQS queue with its dead-letter queue.
    Queue,
    /// EventBridge event bus.
    Bus,
    /// DynamoDB table.
    Table,
    /// VPC with subnets and routes.
    Network,
    /// ECS cluster.
    Cluster,
    /// ECS task definition that runs on Fargate.
    Task,
    /// Lambda function with its triggers.
    Function,
    /// Any other CloudFormation type, by its own name and with its own properties.
    Raw(TypeId),
}

impl Kind {
    /// Every type but those of CloudFormation.
    pub const ALL: [Self; 8] = [
        Self::Bucket,
        Self::Queue,
        Self::Bus,
        Self::Table,
        Self::Network,
        Self::Cluster,
        Self::Task,
        Self::Function,
    ];

    /// The word in `stack.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Queue => "queue",
            Self::Bus => "bus",
            Self::Table => "table",
            Self::Network => "network",
            Self::Cluster => "cluster",
            Self::Task => "task",
            Self::Function => "function",
            Self::Raw(type_id) => type_id.name(),
        }
    }

    /// What the type is.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Bucket => bucket::DESCRIPTION,
            Self::Queue => queue::DESCRIPTION,
            Self::Bus => bus::DESCRIPTION,
            Self::Table => table::DESCRIPTION,
            Self::Network => network::DESCRIPTION,
            Self::Cluster => cluster::DESCRIPTION,
            Self::Task => task::DESCRIPTION,
            Self::Function => function::DESCRIPTION,
            Self::Raw(_) => raw::DESCRIPTION,
        }
    }

    /// The CloudFormation type of its main resource, which has the logical id of the name alone.
    #[must_use]
    pub fn cloudformation(self) -> Option<TypeId> {
        registry::find(match self {
            Self::Bucket => "AWS::S3::Bucket",
            Self::Queue => "AWS::SQS::Queue",
            Self::Bus => "AWS::Events::EventBus",
            Self::Table => "AWS::DynamoDB::Table",
            Self::Network => "AWS::EC2::VPC",
            Self::Cluster => "AWS::ECS::Cluster",
            Self::Task => "AWS::ECS::TaskDefinition",
            Self::Function => "AWS::Lambda::Function",
            Self::Raw(type_id) => return Some(type_id),
        })
    }

    /// The type with this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
    #[must_use]
    pub const fn attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Bucket => bucket::ATTRIBUTES,
            Self::Queue => queue::ATTRIBUTES,
            Self::Bus => bus::ATTRIBUTES,
            Self::Table => table::ATTRIBUTES,
            Self::Network => network::ATTRIBUTES,
            Self::Cluster => cluster::ATTRIBUTES,
            Self::Task => task::ATTRIBUTES,
            Self::Function => function::ATTRIBUTES,
            // Those of its schema.
            Self::Raw(_) => &[],
        }
    }

    /// The properties of the type.
    #[must_use]
    pub fn properties(self) -> Vec<Property> {
        match self {
            Self::Bucket => describe(bucket::Bucket::read),
            Self::Queue => describe(queue::Queue::read),
            Self::Bus => describe(bus::Bus::read),
            Self::Table => describe(table::Table::read),
            Self::Network => describe(network::Network::read),
            Self::Cluster => describe(cluster::Cluster::read),
            Self::Task => describe(task::Task::read),
            Self::Function => describe(function::Function::read),
            // Those of its schema.
            Self::Raw(_) => Vec::new(),
        }
    }

    /// Reads the properties of a resource of this type.
    pub(crate) fn read(self, node: &crate::yaml::Node, scope: &properties::Scope) -> Option<ResourceType> {
        Some(match self {
            Self::Bucket => ResourceType::Bucket(Properties::read(node, scope, bucket::Bucket::read)?),
            Self::Queue => ResourceType::Queue(Properties::read(node, scope, queue::Queue::read)?),
            Self::Bus => ResourceType::Bus(Properties::read(node, scope, bus::Bus::read)?),
            Self::Table => ResourceType::Table(Properties::read(node, scope, table::Table::read)?),
            Self::Network => ResourceType::Network(Properties::read(node, scope, network::Network::read)?),
            Self::Cluster => ResourceType::Cluster(Properties::read(node, scope, cluster::Cluster::read)?),
            Self::Task => ResourceType::Task(Properties::read(node, scope, task::Task::read)?),
            Self::Function => {
                ResourceType::Function(Properties::read(node, scope, function::Function::read)?)
            }
            Self::Raw(type_id) => ResourceType::Raw(raw::Raw::read(type_id, node, scope)?),
        })
    }
}

/// A resource named by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRef {
    /// Its name in the file.
    pub name: String,
    /// Where it is named.
    pub span: Span,
}

/// A text that may speak of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its pieces in order.
    pub parts: Vec<TextPart>,
    /// Where it stands.
    pub span: Span,
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// Text that stands for itself.
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
        /// Of `Fn::GetAtt`; without one it is a `Ref`.
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
    /// Where it goes and how it is treated there.
    pub target: StackTarget,
    /// `conditions` by name, as CloudFormation's JSON.
    pub conditions: Vec<(String, serde_json::Value)>,
    /// The resources in the order of the file.
    pub resources: Vec<Resource>,
    /// `outputs` in the order of the file.
    pub outputs: Vec<(String, Text)>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its key in the file.
    pub name: String,
    /// Where the key stands.
    pub span: Span,
    /// What it is.
    pub is: ResourceType,
    /// How CloudFormation treats it.
    pub options: options::Options,
}

impl Resource {
    /// The logical id of its main resource in CloudFormation.
    #[must_use]
    pub fn logical_id(&self) -> String {
        self.options.logical_id.clone().unwrap_or_else(|| logical_id(&self.name))
    }
}

/// A resource's type and properties.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceType {
    /// `bucket`.
    Bucket(bucket::Bucket),
    /// `queue`.
    Queue(queue::Queue),
    /// `bus`.
    Bus(bus::Bus),
    /// `table`.
    Table(table::Table),
    /// `network`.
    Network(network::Network),
    /// `cluster`.
    Cluster(cluster::Cluster),
    /// `task`.
    Task(task::Task),
    /// `function`.
    Function(function::Function),
    /// `AWS::…`.
    Raw(raw::Raw),
}

impl ResourceType {
    /// Its type alone.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Bucket(_) => Kind::Bucket,
            Self::Queue(_) => Kind::Queue,
            Self::Bus(_) => Kind::Bus,
            Self::Table(_) => Kind::Table,
            Self::Network(_) => Kind::Network,
            Self::Cluster(_) => Kind::Cluster,
            Self::Task(_) => Kind::Task,
            Self::Function(_) => Kind::Function,
            Self::Raw(raw) => Kind::Raw(raw.type_id),
        }
    }
}

impl Stack {
    /// The resource with this name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == name)
    }

    /// The functions, with their names.
    pub fn functions(&self) -> impl Iterator<Item = (&Resource, &function::Function)> {
        self.resources.iter().filter_map(|resource| match &resource.is {
            ResourceType::Function(function) => Some((resource, function)),
            _ => None,
        })
    }

    /// The tasks, with their names.
    pub fn tasks(&self) -> impl Iterator<Item = (&Resource, &task::Task)> {
        self.resources.iter().filter_map(|resource| match &resource.is {
            ResourceType::Task(task) => Some((resource, task)),
            _ => None,
        })
    }
}
