//! Which code a stack needs, and the template parameters through which it is named.
//!
//! The template holds no code and no digest, so `synth` needs no build; a code change is one changed parameter.

use crate::model::Stack;
use crate::model::code::{Architecture, Code, Image};
use crate::template::logical_id;

/// The workers that the deployer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worker {
    /// Lambda: object created → start a task.
    Extract,
    /// Lambda: row → item.
    Transform,
    /// Lambda: item → table.
    Load,
    /// Lambda: every event → log.
    Observe,
    /// Fargate: object → one event a row.
    Extraction,
}

impl Worker {
    /// Every worker.
    pub const ALL: [Self; 5] = [Self::Extract, Self::Transform, Self::Load, Self::Observe, Self::Extraction];

    /// Its name in `stack.yaml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Load => "load",
            Self::Observe => "observe",
            Self::Extraction => "extraction",
        }
    }

    /// The program that it runs in.
    #[must_use]
    pub const fn program(self) -> Program {
        match self {
            Self::Extract | Self::Transform | Self::Load | Self::Observe => Program::Functions,
            Self::Extraction => Program::Extraction,
        }
    }
}

/// A program of the deployer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// All functions of the pipeline; the handler says which one it is.
    Functions,
    /// What the task runs.
    Extraction,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 2] = [Self::Functions, Self::Extraction];

    /// The name of its binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Extraction => "extraction",
        }
    }
}

/// Parameter with the name of the bucket that holds published code.
pub const ASSET_BUCKET_PARAMETER: &str = "AssetBucket";

/// How the code of a resource is packed and published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    /// A zip in the asset bucket; the parameter holds its key.
    Zip,
    /// An image in the asset repository; the parameter holds its URI with digest.
    Image,
}

/// One piece of code that must be published before the template can be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Name in the file of the resource that it is for.
    pub resource: String,
    /// Template parameter through which the code is named.
    pub parameter: String,
    /// What is built or read.
    pub code: Code,
    /// The processor that it is for.
    pub architecture: Architecture,
    /// How it is packed.
    pub kind: AssetKind,
}

/// Name of the template parameter for the code of a function.
#[must_use]
pub fn code_parameter(resource: &str) -> String {
    format!("{}Code", logical_id(resource))
}

/// Name of the template parameter for the image of a task.
#[must_use]
pub fn image_parameter(resource: &str) -> String {
    format!("{}Image", logical_id(resource))
}

/// The code that a stack needs, in the order of the file.
#[must_use]
pub fn assets(stack: &Stack) -> Vec<Asset> {
    let functions = stack.functions().map(|(resource, function)| Asset {
        resource: resource.name.clone(),
        parameter: code_parameter(&resource.name),
        code: function.code.code.clone(),
        architecture: function.architecture,
        kind: AssetKind::Zip,
    });
    let tasks = stack.tasks().filter_map(|(resource, task)| match &task.image {
        Image::Program(code) => Some(Asset {
            resource: resource.name.clone(),
            parameter: image_parameter(&resource.name),
            code: code.clone(),
            architecture: task.architecture,
            kind: AssetKind::Image,
        }),
        Image::Uri(_) => None,
    });
    functions.chain(tasks).collect()
}
