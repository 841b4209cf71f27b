//! `deployer synth`.

use std::path::PathBuf;

use clap::ValueEnum;
use deployer_base::error::{Error, Result};
use deployer_base::files;
use serde_json::{Value, json};
use stack_core::Compiled;
use stack_core::assets::{AssetKind, assets};
use stack_core::model::code::Code;

use crate::context::Context;

/// Print the CloudFormation template of a stack, without building anything or calling AWS
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Format of the template.
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// Write `<name>.template.json` (or `.yaml`) and `<name>.assets.json` into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let manifest: Vec<Value> = assets(&stack)
        .iter()
        .map(|asset| {
            let kind = match asset.kind {
                AssetKind::Zip => "zip",
                AssetKind::Image => "image",
            };
            let mut entry = json!({ "parameter": asset.parameter });
            match &asset.code {
                Code::Worker(worker) => entry["worker"] = json!(worker.name()),
                Code::Package { path, bin } => {
                    entry["package"] = json!(path);
                    if let Some(bin) = bin {
                        entry["bin"] = json!(bin);
                    }
                }
                Code::Zip { path } => entry["zip"] = json!(path),
            }
            entry["architecture"] = json!(asset.architecture.name());
            entry["kind"] = json!(kind);
            entry
        })
        .collect();
    let text = match args.format {
        Format::Json => template.to_json(),
        Format::Yaml => template.to_yaml(),
    };
    if let Some(folder) = &args.out {
        let extension = match args.format {
            Format::Json => "json",
            Format::Yaml => "yaml",
        };
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create the folder", folder, &error))?;
        let manifest = format!(
            "{:#}\n",
            json!({ "schemaVersion": deployer_base::ui::SCHEMA_VERSION, "assets": manifest })
        );
        for (name, text) in [(format!("template.{extension}"), &text), ("assets.json".to_owned(), &manifest)]
        {
            let path = folder.join(format!("{}.{name}", stack.name));
            files::write_whole(&path, text)?;
            context.ui.note(format!("wrote {}", path.display()));
        }
        return Ok(());
    }
    if context.ui.is_json() {
        return context
            .ui
            .json(json!({ "stack": stack.name, "template": template.to_value(), "assets": manifest }));
    }
    context.ui.data(&text)
}
