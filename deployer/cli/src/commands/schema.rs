//! `deployer schema`.

use deployer_base::error::Result;

use crate::context::Context;

/// Print the JSON Schema of stack.yaml, for editors
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(context: &Context, _: &Args) -> Result<()> {
    context.ui.data(&format!("{:#}\n", deployer_lang::schema::schema()))
}
