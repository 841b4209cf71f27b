//! `deployer man`.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man;
use deployer_base::error::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::Cli;
use crate::context::Context;

/// Write the manual page to stdout, or a page for each command into a folder
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write `deployer.1`, `deployer-deploy.1` and so on into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Name of the page of the program itself.
const NAME: &str = "deployer.1";

/// A page for `man`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManPage<'a> {
    /// The page.
    roff: &'a str,
}

/// With `--out`: the pages in a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManFolder<'a> {
    /// The folder with the pages.
    folder: &'a Path,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let command = Cli::command();
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::io("create the folder", folder, &error))?;
            clap_mangen::generate_to(command, folder)
                .map_err(|error| Error::io("write the pages into", folder, &error))?;
            if context.ui.is_json() {
                return context.ui.json(ManFolder { folder });
            }
            context.ui.note(format!("wrote the pages into {}; {NAME} is the first", folder.display()));
            Ok(())
        }
        None => {
            let mut out = Vec::new();
            Man::new(command).render(&mut out)?;
            let page = String::from_utf8_lossy(&out);
            if context.ui.is_json() {
                return context.ui.json(ManPage { roff: &page });
            }
            context.ui.data(&page)
        }
    }
}
