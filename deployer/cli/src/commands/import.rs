//! `deployer import`.

use deployer_base::error::{Error, Message, Result};

use super::{block_on, import_resources, import_template, interruptible};
use crate::context::Context;

/// Take over what exists: a template, a deployed stack, or resources
///
/// With `--template` or `--stack`, writes a stack file from a template of CloudFormation, or from that of a deployed stack. It gives a
/// template of the same meaning, with the same logical ids, so that deploying it onto the stack changes nothing. What it can't take is
/// refused with its place, and nothing is written. Of a stack whose template uses the transform of SAM, the template after its transform
/// is taken. With `--typed`, resources become types of the language where the types make exactly the same resources. Never overwrites an
/// existing file.
///
/// With NAME=ID, makes resources that exist part of a deployed stack of the file. The file must already have the resources, and no other
/// change; what belongs to them, such as a policy, is created by the next `deployer deploy`. CloudFormation takes the properties of the
/// file for theirs, and may write what differs.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub struct Args {
    /// Names of resources in the file, each with the name, URL, ARN or ID of the resource that exists
    #[arg(value_name = "NAME=ID", value_parser = name_and_id, group = "source")]
    resources: Vec<(String, String)>,
    /// With NAME=ID: the stack of the file; optional if the file has one stack, or one marked `default: true`
    #[arg(long, value_name = "STACK", requires = "resources")]
    into: Option<String>,
    #[command(flatten)]
    role: super::RoleArgs,
    #[command(flatten)]
    template: import_template::Args,
}

fn name_and_id(text: &str) -> std::result::Result<(String, String), String> {
    super::key_value(text).map_err(|_| "expected NAME=ID, such as records=orders-table".to_owned())
}

/// Refuses options that mean nothing for what is imported, rather than leaving them out in silence.
fn check(context: &Context, args: &Args) -> Result<()> {
    if !args.resources.is_empty() {
        return Ok(());
    }
    let is_file = args.template.template().is_some();
    let unused = [
        (
            args.role.role_arn.is_some(),
            "`--role-arn` is for NAME=ID: a template is written without a change in the account",
        ),
        (args.into.is_some(), "`--into` is for NAME=ID: a template becomes a stack file of its own"),
        (
            is_file && args.template.is_local(),
            "`--local` is for `--stack`: a template in a file is in no cloud",
        ),
        (
            !context.config.is_empty(),
            "`--config` is for stack files that exist: what is written has the parameters as config values",
        ),
    ];
    match unused.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, text)) => Err(Error::Usage(Message::new(text).hint("leave it out"))),
        None => Ok(()),
    }
}

/// Runs the command. A template in a file is imported without the network.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    check(context, args)?;
    if !args.resources.is_empty() {
        let work = import_resources::run(context, &args.resources, args.into.as_deref(), &args.role);
        return block_on(interruptible(context, work));
    }
    match args.template.template() {
        Some(path) => import_template::run_template(context, &args.template, path),
        None => block_on(interruptible(context, import_template::run_stack(context, &args.template))),
    }
}
