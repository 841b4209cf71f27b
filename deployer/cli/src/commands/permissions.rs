//! `deployer permissions`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_base::text::printable;
use deployer_build::{REPOSITORY, bucket_name_of};
use deployer_lang::Compiled;
use deployer_lang::model::arn::partition_of;
use deployer_lang::model::target::{StackTarget, Target};
use deployer_plan::permissions::{
    Condition, GitHub, Place, PolicyDocument, Role, RolePolicies, StackPermissions, permissions,
};
use serde::Serialize;

use crate::context::Context;

/// Print the IAM policies that deploying, comparing and operating a stack need, without calling AWS
///
/// One role each for whoever runs the deployer, for CloudFormation (its service role), for the read-only `diff` of pull requests, and
/// for `gc`. Without a service role, CloudFormation uses the permissions of the caller: attach the policies of `deployer` and
/// `service` to one role. Nothing is created. `deployer docs permissions` has the details.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Print the policies of this role only; can be given several times
    #[arg(long, value_enum)]
    role: Vec<RoleName>,
    /// Add the trust policies for the workflows of this repository on GitHub
    #[arg(long, value_name = "OWNER/REPO")]
    github: Option<String>,
    /// ID of the owner: `gh api repos/OWNER/REPO --jq .owner.id`
    #[arg(long, value_name = "ID", requires_all = ["github", "repo_id"])]
    owner_id: Option<u64>,
    /// ID of the repository: `gh api repos/OWNER/REPO --jq .id`
    #[arg(long, value_name = "ID", requires_all = ["github", "owner_id"])]
    repo_id: Option<u64>,
    /// Environment of the workflows that deploy [default: the name of the stack in the file]
    #[arg(long, value_name = "NAME", requires = "github")]
    environment: Option<String>,
    /// The account, where the file names none [default: `account` of the stack]
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    /// Write each policy into a file of this folder instead, as `aws iam create-policy --policy-document` takes it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    Deployer,
    Service,
    Plan,
    GarbageCollector,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Deployer => Self::Deployer,
            RoleName::Service => Self::Service,
            RoleName::Plan => Self::Plan,
            RoleName::GarbageCollector => Self::GarbageCollector,
        }
    }
}

fn account(text: &str) -> std::result::Result<String, String> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("expected the 12 digits of an AWS account, such as 111122223333".to_owned()),
    }
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    if stack.target.target == Target::Local {
        return Err(Error::Usage(
            Message::new(format!(
                "stack `{}` is deployed to the local cloud, which checks no permissions",
                stack.target.stack
            ))
            .hint("name a stack with `target: aws`; `deployer ls` lists the stacks of the file"),
        ));
    }
    if let (Some(own), Some(given)) = (&stack.target.account, &args.account)
        && own != given
    {
        return Err(Error::Usage(
            Message::new(format!(
                "stack `{}` belongs to account {own}, and `--account` names {given}",
                stack.target.stack
            ))
            .hint("remove `--account`, or change `account:` of the stack: the deployer deploys the stack to no other account"),
        ));
    }
    let place = place(context, &stack.target, args.account.as_deref());
    let github = github(args, &stack.target, &place)?;
    let mut found = permissions(&stack, &template, &place, github.as_ref());
    if !args.role.is_empty() {
        found.roles.retain(|one| args.role.iter().any(|name| Role::from(*name) == one.role));
    }
    notes(context, &place, &found);
    if let Some(folder) = &args.out {
        return write(context, folder, &found);
    }
    if context.ui.is_json() {
        return context.ui.json(&found);
    }
    context.ui.data(&text(&found))
}

/// Returns the place that the policies are for, as far as the options, the file and the environment name it.
fn place(context: &Context, target: &StackTarget, account: Option<&str>) -> Place {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let region = context.region.clone().or_else(|| target.region.clone());
    let region = region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.unwrap_or_else(|| "*".to_owned());
    let account = account.or(target.account.as_deref()).unwrap_or("*").to_owned();
    Place {
        partition: partition_of(&region).to_owned(),
        asset_bucket: bucket_name_of(&account, &region),
        repository: REPOSITORY.to_owned(),
        region,
        account,
    }
}

/// Returns the repository whose workflows take the roles.
fn github(args: &Args, target: &StackTarget, place: &Place) -> Result<Option<GitHub>> {
    let Some(repository) = &args.github else { return Ok(None) };
    if place.account == "*" {
        return Err(Error::Usage(
            Message::new("a trust policy names the provider of an account, and no account is known")
                .hint("give `--account ID`, or write `account:` of the stack in the file"),
        ));
    }
    let environment = args.environment.as_deref().unwrap_or(&target.stack);
    let ids = args.owner_id.zip(args.repo_id);
    GitHub::new(repository, ids, environment).map(Some).map_err(|wrong| Error::Usage(Message::new(wrong)))
}

/// Says what the policies cannot contain.
fn notes(context: &Context, place: &Place, found: &StackPermissions) {
    if place.account == "*" || place.region == "*" {
        context.ui.warn(
            "account or region is not known, and the policies have `*` for it: give `--account` and `--region`, or write them in the \
             file",
        );
    }
    if found.roles.iter().any(|one| one.role == Role::Service) {
        for one in &found.unpublished {
            context.ui.warn(format!(
                "{} publishes no permissions: add what {} needs to the role `service`",
                one.resource_type, one.logical_id
            ));
        }
    }
}

/// Writes the policies of all roles into a folder.
fn write(context: &Context, folder: &Path, found: &StackPermissions) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create the folder", folder, &error))?;
    for one in &found.roles {
        let name = format!("{}.{}", found.stack, one.role.name());
        remove_earlier(folder, &name)?;
        for (index, policy) in one.policies.iter().enumerate() {
            let number = if one.policies.len() > 1 { format!("-{}", index + 1) } else { String::new() };
            write_document(context, &folder.join(format!("{name}{number}.policy.json")), policy)?;
        }
        if let Some(trust) = &one.trust {
            write_document(context, &folder.join(format!("{name}.trust.json")), trust)?;
        }
    }
    Ok(())
}

/// Removes the policies of a role that an earlier run has written: one without a number, or several from 1 on, of which there may
/// have been more than now.
fn remove_earlier(folder: &Path, name: &str) -> Result<()> {
    let is_removed = |name: String| {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("remove", &path, &error)),
        }
    };
    is_removed(format!("{name}.policy.json"))?;
    let mut number = 1;
    while is_removed(format!("{name}-{number}.policy.json"))? {
        number += 1;
    }
    Ok(())
}

fn write_document(context: &Context, path: &Path, document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Error::failed(error.to_string()))?;
    files::write_whole(path, &(text + "\n"))?;
    context.ui.note(format!("wrote {}", path.display()));
    Ok(())
}

/// Returns the policies as a text: a role a paragraph, a statement a few lines.
fn text(found: &StackPermissions) -> String {
    let mut out = String::new();
    for one in &found.roles {
        let _ = writeln!(out, "{}  {}", one.role.name(), printable(&one.arn));
        let _ = writeln!(out, "  {}", one.purpose);
        trusted(&mut out, one);
        for (index, policy) in one.policies.iter().enumerate() {
            if one.policies.len() > 1 {
                let _ = writeln!(out, "  policy {} of {}", index + 1, one.policies.len());
            }
            statements(&mut out, policy);
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "from the resource schemas of {}; `--output json` and `--out DIR` give the documents",
        found.schemas
    );
    out
}

fn trusted(out: &mut String, one: &RolePolicies) {
    for statement in one.trust.iter().flat_map(|trust| &trust.statement) {
        let who = statement.principal.as_object().into_iter().flatten();
        let who: Vec<&str> = who.filter_map(|(_, name)| name.as_str()).collect();
        let _ = writeln!(out, "  taken by {}", printable(&who.join(", ")));
        conditions(out, &statement.condition);
    }
}

fn statements(out: &mut String, policy: &PolicyDocument) {
    for statement in &policy.statement {
        let _ = writeln!(out, "  {}: {}", statement.sid, statement.action.join(", "));
        for resource in &statement.resource {
            let _ = writeln!(out, "    on {}", printable(resource));
        }
        conditions(out, &statement.condition);
    }
}

fn conditions(out: &mut String, condition: &Condition) {
    for (operator, keys) in condition {
        for (key, values) in keys {
            let _ = writeln!(out, "    if {key} {operator} {}", printable(&values.join(" or ")));
        }
    }
}
