//! The target of a stack, as an entry under `stacks` gives it.

use schemars::JsonSchema;
use serde::Serialize;

use super::arn::{StackPlace, partition_of};

/// The account and region of a stack, and its treatment there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackTarget {
    /// Key under `stacks`.
    pub stack: String,
    /// Name of the CloudFormation stack, when the file names it.
    pub name: Option<String>,
    /// AWS or the local cloud.
    pub target: Target,
    /// Region, when the file names one.
    pub region: Option<String>,
    /// Account that it must go to.
    pub account: Option<String>,
    /// Endpoint of a local cloud that already runs.
    pub endpoint: Option<String>,
    /// `true` if the stack is protected from deletion.
    pub protect: bool,
    /// Treatment of data when the stack is deleted.
    pub removal: Removal,
    /// `true` if commands without a stack mean this one.
    pub default: bool,
    /// `true` if deployments don't wait for resources to become ready.
    pub express: bool,
    /// Executions at the same time that Lambda allows the account there, if the file names them.
    pub lambda_concurrency: Option<i64>,
}

impl StackTarget {
    /// Returns the name of the CloudFormation stack; `file` is the `name` of the file.
    #[must_use]
    pub fn full_name(&self, file: &str) -> String {
        self.name.clone().unwrap_or_else(|| format!("{file}-{}", self.stack))
    }

    /// Returns its place, as far as the file names it.
    #[must_use]
    pub fn place(&self) -> StackPlace<'_> {
        let region = self.region.as_deref();
        StackPlace { partition: region.map(partition_of), region, account: self.account.as_deref() }
    }
}

/// AWS or the local cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// AWS, or whatever `AWS_ENDPOINT_URL` names.
    Aws,
    /// The local cloud of `deployer local`.
    Local,
}

/// The treatment of data when the stack is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    /// Buckets, tables and logs stay.
    Keep,
    /// They are deleted too.
    Delete,
}
