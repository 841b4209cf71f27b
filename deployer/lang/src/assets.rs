//! The code that a stack needs, and the template parameters through which it is named.
//!
//! The template holds no code and no digest, so `synth` needs no build; a code change is one changed parameter.

use deployer_cfn::template::logical_id;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Stack;
use crate::model::code::{Architecture, Code, Image};

/// Parameter with the name of the bucket that holds published code.
pub const ASSET_BUCKET_PARAMETER: &str = "AssetBucket";

/// The form in which the code of a resource is packed and published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AssetKind {
    /// A zip in the asset bucket; the parameter holds its key.
    Zip,
    /// An image in the asset repository; the parameter holds its URI with digest.
    Image,
}

impl AssetKind {
    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Image => "image",
        }
    }
}

/// One piece of code that must be published before the template can be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Name in the file of the resource that it is for.
    pub resource: String,
    /// Template parameter through which the code is named.
    pub parameter: String,
    /// The source of the code.
    pub code: Code,
    /// The processor that it is for.
    pub architecture: Architecture,
    /// The form in which it is packed.
    pub kind: AssetKind,
}

/// Returns the name of the template parameter for the code of a function.
#[must_use]
pub fn code_parameter(resource: &str) -> String {
    format!("{}Code", logical_id(resource))
}

/// Returns the name of the template parameter for the image of a task.
#[must_use]
pub fn image_parameter(resource: &str) -> String {
    format!("{}Image", logical_id(resource))
}

/// Returns the code that a stack needs, in the order of the file.
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
