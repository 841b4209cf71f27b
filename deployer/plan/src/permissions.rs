//! The least permissions that deploy, compare, operate and destroy a stack, by role.
//!
//! Two sources: the permissions that the handlers of CloudFormation's types publish, reduced by `rules.json` to what the template
//! uses, and the calls of the deployer's own commands. Resources are named as far as names are known before the first
//! deployment.

use deployer_cfn::permissions::{date, published};
use deployer_cfn::template::Template;
use deployer_lang::Stack;
use deployer_lang::assets::{ASSET_BUCKET_PARAMETER, AssetKind, assets};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use std::collections::BTreeMap;

use crate::resolve::{PseudoParameters, Resolver, Side};

mod caller;
mod names;
mod policy;
mod rules;
mod service;
mod trust;

use self::names::{Names, Resource};
pub use self::policy::{Condition, MOST_CHARACTERS, PolicyDocument, Statement};
pub use self::trust::{GitHub, TrustDocument, TrustStatement};

/// Path of the roles, which keeps them out of the names that a stack may give to roles of its own.
const ROLE_PATH: &str = "deployer/";

/// A role, by its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the deployer.
    Deployer,
    /// CloudFormation's service role, which makes the resources.
    Service,
    /// Reads only: `diff` of a pull request.
    Plan,
    /// Deletes the code that no stack of the account and Region uses: `gc`.
    GarbageCollector,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Deployer, Self::Service, Self::Plan, Self::GarbageCollector];

    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployer => "deployer",
            Self::Service => "service",
            Self::Plan => "plan",
            Self::GarbageCollector => "garbage-collector",
        }
    }

    /// Returns what the role is for.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Deployer => {
                "runs all commands on the stack, and passes the role `service` to CloudFormation"
            }
            Self::Service => "CloudFormation's service role: creates, changes and deletes the resources",
            Self::Plan => "reads only: `deployer diff` for pull requests",
            Self::GarbageCollector => "runs `deployer gc`, for all stacks of the account and Region",
        }
    }
}

/// The account and Region that policies are written for. `*` where one is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Partition, such as `aws`.
    pub partition: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// Name of the bucket of the code and the records.
    pub asset_bucket: String,
    /// Name of the repository of the images.
    pub repository: String,
}

impl Place {
    /// Returns the ARN of a role that policies are printed for.
    #[must_use]
    pub fn role(&self, role: Role, stack: &str) -> String {
        self.named("iam:role", format!("{ROLE_PATH}{stack}-{}", role.name()))
    }

    /// Returns the ARN of a resource by its kind and name.
    fn named(&self, kind: &str, name: String) -> String {
        self.fill(published().arn(kind).unwrap_or("*"), &[name])
    }

    /// Returns the ARN of any resource of a kind.
    fn any(&self, kind: &str) -> String {
        self.fill(published().arn(kind).unwrap_or("*"), &[])
    }
}

/// The policies of one role.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolePolicies {
    /// The role.
    pub role: Role,
    /// ARN that the policies of the other roles name it by.
    pub arn: String,
    /// What the role is for.
    pub purpose: &'static str,
    /// Who may take the role; null where nobody was named.
    pub trust: Option<TrustDocument>,
    /// The policies, each small enough for a managed policy.
    pub policies: Vec<PolicyDocument>,
}

/// A resource whose type has no published permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "unpublishedResource")]
pub struct Unpublished {
    /// Logical ID.
    pub logical_id: String,
    /// Type.
    pub resource_type: String,
}

/// The permissions that a stack needs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackPermissions {
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// Date of the schemas from which the permissions are taken.
    pub schemas: String,
    /// The roles.
    pub roles: Vec<RolePolicies>,
    /// Resources whose handlers publish no permissions; the role `service` lacks theirs.
    pub unpublished: Vec<Unpublished>,
}

/// Returns the permissions that a stack needs, for the roles and, if `github` is given, with the trust of its
/// workflows.
#[must_use]
pub fn permissions(
    stack: &Stack,
    template: &Template,
    place: &Place,
    github: Option<&GitHub>,
) -> StackPermissions {
    let images = assets(stack).iter().any(|asset| asset.kind == AssetKind::Image);
    let template = template.to_value();
    let resources = resources(&template, &stack.name, place);
    let names = Names::new(place, &stack.name, resources);
    let macros = macros(&template["Transform"]);
    let policies = |role| match role {
        Role::Service => service::grants(&names, &template).documents(),
        _ => {
            let parts = caller::Parts {
                images,
                renames: stack.resources.iter().any(|resource| !resource.was.is_empty()),
                macros: &macros,
                passed: stack.organisation.role_arn.as_deref(),
            };
            let mut grants = caller::grants(role, &names, parts);
            caller::add_existing(&mut grants, role, stack, place);
            grants.documents()
        }
    };
    let role = |role: Role| RolePolicies {
        role,
        arn: place.role(role, &stack.name),
        purpose: role.purpose(),
        trust: trust::of(role, place, github),
        policies: policies(role),
    };
    let unpublished = service::unpublished(&names).into_iter();
    StackPermissions {
        stack: stack.name.clone(),
        schemas: date(),
        roles: Role::ALL.into_iter().map(role).collect(),
        unpublished: unpublished
            .map(|(logical_id, resource_type)| Unpublished { logical_id, resource_type })
            .collect(),
    }
}

/// Returns the resources of a template with what is known of their properties, also those of loops.
fn resources(template: &Value, stack: &str, place: &Place) -> Vec<Resource> {
    let known = |text: &str| Some(text.to_owned()).filter(|text| text != "*");
    let pseudo = PseudoParameters {
        account: Some(place.account.clone()),
        region: Some(place.region.clone()),
        partition: known(&place.partition),
        stack: stack.to_owned(),
    };
    let parameters = BTreeMap::from([(ASSET_BUCKET_PARAMETER.to_owned(), place.asset_bucket.clone())]);
    let none = BTreeMap::new();
    let side = Side { template, parameters: &parameters, tags: &none };
    let resolver = Resolver::new(&side, &none, &pseudo);
    let mut out = Vec::new();
    for (id, resolved) in resolver.resources() {
        out.push(Resource { id: id.to_owned(), kind: resolved.kind, properties: resolved.properties });
    }
    let loops = template["Resources"].as_object().into_iter().flatten().filter(|(_, value)| value.is_array());
    for (_, body) in loops {
        add_loop(&resolver, body, &mut out);
    }
    out.retain(|resource| !resource.kind.is_empty());
    out
}

/// Adds the resources in the body of a loop, which is the last of its arguments and may contain loops itself.
fn add_loop(resolver: &Resolver<'_>, body: &Value, out: &mut Vec<Resource>) {
    let made = body.as_array().and_then(|arguments| arguments.last()).and_then(Value::as_object);
    for (id, value) in made.into_iter().flatten() {
        match value["Type"].as_str() {
            Some(kind) => out.push(Resource {
                id: id.clone(),
                kind: kind.to_owned(),
                properties: resolver.value(&value["Properties"]),
            }),
            None => add_loop(resolver, value, out),
        }
    }
}

/// Returns the names of the macros that CloudFormation applies to a template.
fn macros(transform: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().or_else(|| value["Name"].as_str()).map(str::to_owned);
    match transform {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}
