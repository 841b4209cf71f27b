//! The resources of one stack, typed. Second step of the flow: nodes → model.
//!
//! One file per resource type holds its struct and asks for its properties; [`properties`] does the reading.

use crate::diagnostic::Span;
use crate::document::StackTarget;

pub mod access;
pub mod bucket;
pub mod bus;
pub mod cluster;
pub mod function;
pub mod network;
pub mod properties;
pub mod queue;
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
}

impl Kind {
    /// Every type.
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
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Queue => "queue",
            Self::Bus => "bus",
            Self::Table => "table",
            Self::Network => "network",
            Self::Cluster => "cluster",
            Self::Task => "task",
            Self::Function => "function",
        }
    }

    /// What the type is.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Bucket => "An S3 bucket: private, encrypted, versioned, TLS only.",
            Self::Queue => "An SQS queue with a dead-letter queue.",
            Self::Bus => "An EventBridge event bus of the stack's own.",
            Self::Table => "A DynamoDB table: on demand, encrypted, with point-in-time recovery.",
            Self::Network => "A VPC with public subnets, and gateway endpoints for S3 and DynamoDB.",
            Self::Cluster => "An ECS cluster for Fargate and Fargate Spot.",
            Self::Task => "A Fargate task that a function can run.",
            Self::Function => "A Lambda function with its triggers, its role and its log group.",
        }
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
            Self::Bucket => &[("name", "bucket name"), ("arn", "ARN")],
            Self::Queue => &[("name", "queue name"), ("arn", "ARN"), ("url", "queue URL")],
            Self::Bus => &[("name", "event bus name"), ("arn", "ARN")],
            Self::Table => &[("name", "table name"), ("arn", "ARN")],
            Self::Network => &[("id", "VPC id")],
            Self::Cluster => &[("name", "cluster name"), ("arn", "ARN")],
            Self::Task => &[("arn", "ARN of the task definition, with its revision")],
            Self::Function => &[("name", "function name"), ("arn", "ARN")],
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
