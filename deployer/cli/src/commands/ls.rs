//! `deployer ls`.

use serde_json::json;
use stack_core::document::{Removal, Target};

use crate::context::Context;
use crate::error::Result;

/// Lists the stacks of the file.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(context: &Context, _: &Args) -> Result<()> {
    let document = context.load()?.document;
    if context.ui.is_json() {
        let stacks: Vec<_> = document
            .stacks
            .iter()
            .map(|stack| {
                json!({
                    "stack": stack.stack,
                    "name": format!("{}-{}", document.name, stack.stack),
                    "target": target(stack.target),
                    "region": stack.region,
                    "account": stack.account,
                    "protect": stack.protect,
                    "removal": match stack.removal { Removal::Keep => "keep", Removal::Delete => "delete" },
                    "default": stack.default || document.stacks.len() == 1,
                })
            })
            .collect();
        return context.ui.json(json!({ "stacks": stacks }));
    }
    let rows = document.stacks.iter().map(|stack| {
        let place = match (&stack.account, &stack.region) {
            (Some(account), Some(region)) => format!("{region}, account {account}"),
            (None, Some(region)) => region.clone(),
            (Some(account), None) => format!("account {account}"),
            (None, None) => String::new(),
        };
        let mut remarks = Vec::new();
        if stack.default || document.stacks.len() == 1 {
            remarks.push("default");
        }
        if stack.protect {
            remarks.push("protected");
        }
        [
            stack.stack.clone(),
            format!("{}-{}", document.name, stack.stack),
            target(stack.target).to_owned(),
            place,
            remarks.join(", "),
        ]
    });
    context.ui.data(&crate::ui::table(["stack", "name", "target", "region", ""], rows))
}

const fn target(target: Target) -> &'static str {
    match target {
        Target::Aws => "aws",
        Target::Local => "local",
    }
}
