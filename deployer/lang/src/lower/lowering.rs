//! The half of a resource type that CloudFormation needs, in its file in this folder. The other half, for the language,
//! is in [`crate::model`].

use deployer_cfn::template::GetAtt;
use serde_json::{Value, json};

use super::builder::Builder;
use crate::model::access::Verb;
use crate::model::{Kind, ResourceType, Stack, types};

/// The resources of CloudFormation and the permissions of IAM that a resource type becomes. Implemented for the struct
/// of each type; the macro `types!` lists them, and gives [`Kind`] and [`ResourceType`] methods that find the right
/// one. `id` is always the logical ID of the main resource, and `name` the name in the file.
pub(crate) trait Lowering {
    /// `true` if it is lowered after all others, because it is made of the content of their templates.
    const LATE: bool = false;
    /// Permissions that the verbs of `access` give on it.
    const GRANTS: &'static [Grant] = &[];

    /// Adds its resources of CloudFormation.
    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str);

    /// Returns the CloudFormation expression for an attribute.
    fn attribute(&self, stack: &Stack, id: &str, name: &str, attribute: &str) -> Value;

    /// Returns the expression for something that is used only when all resources exist, such as a variable or a policy.
    fn late_attribute(&self, stack: &Stack, id: &str, name: &str, attribute: &str) -> Value {
        self.attribute(stack, id, name, attribute)
    }

    /// Returns the ARN by which a policy names it.
    fn arn(&self, id: &str, _name: &str) -> Value {
        json!(GetAtt(id, "Arn"))
    }

    /// Returns the statements that a verb needs besides [`Lowering::GRANTS`], by its properties.
    fn statements(&self, _stack: &Stack, _id: &str, _name: &str, _verb: Verb) -> Vec<Value> {
        Vec::new()
    }

    /// Returns the AWS service that sends to the queue or topic `to` on its behalf, with the ARN that the service gives
    /// as its source, if it sends there.
    fn sender(&self, _stack: &Stack, _id: &str, _name: &str, _to: &str) -> Option<(&'static str, Value)> {
        None
    }

    /// Returns the variables through which an entry of `access` with this verb tells a worker of the deployer where it
    /// is. Code of one's own names it under `environment`.
    fn variables(&self, _stack: &Stack, _id: &str, _name: &str, _verb: Verb) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// A permission of one verb on a resource of one type, as data: [`crate::iam::statements`] makes policies of it, and
/// [`crate::docs::access_page`] a page.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The verb.
    pub verb: Verb,
    /// Beginning of the statement's ID; the logical ID follows.
    pub sid: &'static str,
    /// Exact actions: those of the Service Authorization Reference.
    pub actions: &'static [&'static str],
    /// Exact resources.
    pub on: On,
}

impl Grant {
    /// Creates a row of [`Lowering::GRANTS`].
    pub(super) const fn new(verb: Verb, sid: &'static str, actions: &'static [&'static str], on: On) -> Self {
        Self { verb, sid, actions, on }
    }
}

/// The object of a [`Grant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The resource itself.
    Itself,
    /// The objects of a bucket.
    Objects,
    /// The objects of a bucket that `report` writes.
    ResultFiles,
    /// The indexes of a table, if it has any.
    Indexes,
    /// Every revision of a task, in its cluster. If it were the present one alone, new code would change the policy,
    /// and the first tasks after a deployment could be refused until IAM has spread it.
    Revisions,
    /// Tasks of the cluster, as they are started.
    Tasks,
    /// The two roles of a task, for ECS.
    Roles,
    /// A key, for the data keys of objects.
    DataKeys,
}

impl On {
    /// Returns the object in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Itself => "the resource itself",
            Self::Objects => "every object of the bucket",
            Self::ResultFiles => "objects of the bucket below `results/` and `rejects/`",
            Self::Indexes => "the indexes of the table, if it has any",
            Self::Revisions => "every revision of the task, if `ecs:cluster` is its cluster",
            Self::Tasks => "tasks of its cluster, if `ecs:CreateAction` is RunTask",
            Self::Roles => "the task's two roles, if `iam:PassedToService` is ecs-tasks.amazonaws.com",
            Self::DataKeys => "the key, if `kms:EncryptionContextKeys` is `deployer:object` and nothing else",
        }
    }
}

/// Makes the methods that find the [`Lowering`] of a type.
macro_rules! dispatch {
    ($($(#[$doc:meta])* $kind:ident($word:literal, $module:ident, $cloudformation:literal);)*) => {
        impl Kind {
            /// Returns whether it is lowered after all others.
            pub(super) const fn is_late(self) -> bool {
                match self {
                    $(Self::$kind => <crate::model::$module::$kind as Lowering>::LATE,)*
                    Self::Raw(_) => false,
                }
            }

            /// Returns the permissions that the verbs of `access` give on it.
            #[must_use]
            pub const fn grants(self) -> &'static [Grant] {
                match self {
                    $(Self::$kind => <crate::model::$module::$kind as Lowering>::GRANTS,)*
                    Self::Raw(_) => &[],
                }
            }
        }

        impl ResourceType {
            /// Adds its resources of CloudFormation; see [`Lowering::lower`].
            pub(super) fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
                match self {
                    $(Self::$kind(one) => one.lower(builder, id, name),)*
                    Self::Raw(one) => one.lower(builder, id, name),
                }
            }

            /// Returns the CloudFormation expression for an attribute; see [`Lowering::attribute`].
            pub(super) fn attribute(&self, stack: &Stack, id: &str, name: &str, attribute: &str) -> Value {
                match self {
                    $(Self::$kind(one) => one.attribute(stack, id, name, attribute),)*
                    Self::Raw(one) => one.attribute(stack, id, name, attribute),
                }
            }

            /// Returns the expression for something that is used late; see [`Lowering::late_attribute`].
            pub(super) fn late_attribute(
                &self,
                stack: &Stack,
                id: &str,
                name: &str,
                attribute: &str,
            ) -> Value {
                match self {
                    $(Self::$kind(one) => one.late_attribute(stack, id, name, attribute),)*
                    Self::Raw(one) => one.late_attribute(stack, id, name, attribute),
                }
            }

            /// Returns the ARN by which a policy names it.
            pub(crate) fn arn(&self, id: &str, name: &str) -> Value {
                match self {
                    $(Self::$kind(one) => one.arn(id, name),)*
                    Self::Raw(one) => one.arn(id, name),
                }
            }

            /// Returns the statements that a verb needs besides [`Lowering::GRANTS`].
            pub(crate) fn statements(&self, stack: &Stack, id: &str, name: &str, verb: Verb) -> Vec<Value> {
                match self {
                    $(Self::$kind(one) => one.statements(stack, id, name, verb),)*
                    Self::Raw(one) => one.statements(stack, id, name, verb),
                }
            }

            /// Returns the AWS service that sends to `to` on its behalf; see [`Lowering::sender`].
            pub(super) fn sender(
                &self,
                stack: &Stack,
                id: &str,
                name: &str,
                to: &str,
            ) -> Option<(&'static str, Value)> {
                match self {
                    $(Self::$kind(one) => one.sender(stack, id, name, to),)*
                    Self::Raw(one) => one.sender(stack, id, name, to),
                }
            }

            /// Returns the variables that tell a worker where it is; see [`Lowering::variables`].
            pub(super) fn variables(
                &self,
                stack: &Stack,
                id: &str,
                name: &str,
                verb: Verb,
            ) -> Vec<(&'static str, Value)> {
                match self {
                    $(Self::$kind(one) => one.variables(stack, id, name, verb),)*
                    Self::Raw(one) => one.variables(stack, id, name, verb),
                }
            }
        }
    };
}

types!(dispatch);
