//! `deployer synth`.

use std::path::PathBuf;

use clap::ValueEnum;
use deployer_base::error::{Error, Result};
use deployer_base::files;
use deployer_base::output::Versioned;
use deployer_lang::Compiled;
use deployer_lang::assets::{Asset, AssetKind, assets};
use deployer_lang::model::code::{Architecture, Code};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

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

/// A stack as a CloudFormation template.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Synthesized<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The CloudFormation template.
    #[schemars(with = "Map<String, Value>")]
    template: Value,
    /// The code that the template names by its parameters.
    assets: Vec<AssetEntry<'a>>,
}

/// The code of a template in a file next to it, with `--out`.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    assets: Vec<AssetEntry<'a>>,
}

/// A piece of code, as one of `worker`, `package` and `zip`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "asset")]
struct AssetEntry<'a> {
    /// The template parameter that names it.
    parameter: &'a str,
    /// Name of a worker of the deployer.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    /// Path of a Cargo package.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
    /// Binary of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    bin: Option<&'a str>,
    /// Path of a zip.
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'a str>,
    /// Processor that it is for.
    architecture: Architecture,
    /// Form of the package.
    kind: AssetKind,
}

impl<'a> AssetEntry<'a> {
    fn new(asset: &'a Asset) -> Self {
        let (worker, package, bin, zip) = match &asset.code {
            Code::Worker(worker) => (Some(worker.name()), None, None, None),
            Code::Package { path, bin } => (None, Some(path.as_str()), bin.as_deref(), None),
            Code::Zip { path } => (None, None, None, Some(path.as_str())),
        };
        Self {
            parameter: &asset.parameter,
            worker,
            package,
            bin,
            zip,
            architecture: asset.architecture,
            kind: asset.kind,
        }
    }
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let assets = assets(&stack);
    let manifest: Vec<AssetEntry<'_>> = assets.iter().map(AssetEntry::new).collect();
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
        let manifest = serde_json::to_string_pretty(&Versioned::new(Manifest { assets: manifest }))
            .map_err(|error| Error::failed(error.to_string()))?
            + "\n";
        for (name, text) in [(format!("template.{extension}"), &text), ("assets.json".to_owned(), &manifest)]
        {
            let path = folder.join(format!("{}.{name}", stack.name));
            files::write_whole(&path, text)?;
            context.ui.note(format!("wrote {}", path.display()));
        }
        return Ok(());
    }
    if context.ui.is_json() {
        let template = template.to_value();
        return context.ui.json(Synthesized { stack: &stack.name, template, assets: manifest });
    }
    context.ui.data(&text)
}
