//! The half of a resource type that the language needs, in its file in this folder. The other half, for CloudFormation,
//! is in [`crate::lower`].

use deployer_syntax::diagnostic::Diagnostics;

use super::access::Verb;
use super::existing::Existing;
use super::flow::{Flows, Role};
use super::properties::Properties;
use super::{Resource, ResourceRef, Stack};

/// A resource type of the language. Implemented by the struct of each type; the macro `types!` lists them, and gives
/// [`super::Kind`] and [`super::ResourceType`] methods that find the right one.
pub(crate) trait Definition: Sized {
    /// Description of the type.
    const DESCRIPTION: &'static str;
    /// Attributes for `${name.attribute}`, with a description of each; `${name}` alone means the first.
    const ATTRIBUTES: &'static [(&'static str, &'static str)];
    /// The verbs of `access` that can be used with it, each with the object that completes the verb's description.
    const ACCESS: &'static [(Verb, &'static str)] = &[];
    /// Its metrics in CloudWatch, for alarms and dashboards.
    const METRICS: Option<Metrics> = None;
    /// Its place in the drawing of the pipeline.
    const DRAWING: Drawing = Drawing::Always(Role::Other);

    /// Reads its properties. The same questions describe them.
    fn read(properties: &mut Properties<'_>) -> Option<Self>;

    /// Applies the rules about this resource and those that it names, when all of them have been read.
    fn check(&self, _stack: &Stack, _resource: &Resource, _diagnostics: &mut Diagnostics) {}

    /// Returns the resource of AWS that it refers to, if the stack does not create it.
    fn existing(&self) -> Option<&Existing> {
        None
    }

    /// Returns the advice if nothing in the stack refers to it; `None` if it is of use even so.
    fn unused(&self) -> Option<&'static str> {
        None
    }

    /// Adds what flows from it, and to it, as far as its own properties say so.
    fn flows(&self, _name: &str, _flows: &mut Flows) {}

    /// Returns the queues of the file that receive the events or messages that it could not process or deliver.
    fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
        Vec::new()
    }

    /// Returns the customer key that encrypts its data, and the service that uses the key for callers.
    fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
        None
    }

    /// Returns the place of the customer key, if the stack's `key` applies to it.
    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        None
    }
}

/// Advice for an unused resource of most types.
pub(crate) const UNUSED: &str = "refer to it, name it in `outputs` if others use it, or remove it";

/// The metrics of a type. Source: the pages on CloudWatch metrics in the guides of Lambda, SQS, DynamoDB and SNS.
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    /// Namespace in CloudWatch.
    pub namespace: &'static str,
    /// The dimension whose value is the resource's attribute `name`.
    pub dimension: &'static str,
    /// Names of the metrics.
    pub names: &'static [&'static str],
    /// Two graphs of a dashboard: title, statistic, metrics.
    pub graphs: [Graph; 2],
}

/// A graph of a dashboard: its title, its statistic, its metrics.
pub type Graph = (&'static str, &'static str, &'static [&'static str]);

/// The place of the resources of a type in the drawing of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// None: the place and the encryption of something are not a flow, and a dashboard only looks on.
    Never,
    /// A place if something flows from it or to it.
    IfConnected(Role),
    /// A place in any case.
    Always(Role),
}

impl Drawing {
    /// Returns its role in the pipeline.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::IfConnected(role) | Self::Always(role) => role,
            Self::Never => Role::Other,
        }
    }
}
