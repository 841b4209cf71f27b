//! `deployer lsp`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Output;
use deployer_editor::session::{Pages, Session};

use super::docs;
use crate::context::Context;
use crate::{html, lsp, uri};

/// Start the language server for stack.yaml, for editors
///
/// An editor starts it, and speaks the Language Server Protocol with it on stdin and stdout: problems while you type, with quick fixes,
/// documentation, completion, definitions, references, and renaming. `deployer docs editor` shows how to set up an editor. Files are never
/// read: the text is what the editor has, saved or not. `--config` applies to all files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accepted because editors pass it; stdin and stdout are the only way
    #[arg(long, hide = true)]
    stdio: bool,
    /// Hides the option of all commands in the help: the protocol is the only output
    #[arg(long, hide = true, value_enum, default_value = "text")]
    output: Output,
}

/// The pages of the codes: in the program, and as a file that a browser shows.
#[derive(Debug, Clone)]
struct Documentation {
    html: Arc<OnceLock<PathBuf>>,
}

impl Pages for Documentation {
    fn page(&self, code: &str) -> Option<String> {
        docs::page_of_code(code).ok().flatten()
    }

    fn link(&self, code: &str) -> Option<String> {
        Some(format!("{}#{}", uri::of_path(&self.html.get()?.to_string_lossy()), html::anchor(code)))
    }
}

pub fn run(context: &Context, _: &Args) -> Result<()> {
    if context.ui.output != Output::Text {
        return Err(Error::Usage(
            Message::new(
                "`deployer lsp` writes messages of the Language Server Protocol, and no other output",
            )
            .hint("remove `--output`"),
        ));
    }
    if std::io::stdin().is_terminal() {
        context.ui.note(
            "waiting for the messages of an editor on stdin; `deployer docs editor` shows how to set one up",
        );
    }
    let pages = Documentation { html: Arc::default() };
    let html = Arc::clone(&pages.html);
    let session = Session::new(Box::new(pages), context.config.clone());
    let prepare = move || {
        let _ = html.set(docs::write_in_cache()?);
        Ok(())
    };
    match lsp::serve(std::io::stdin(), session, prepare)? {
        0 => Ok(()),
        _ => Err(Error::failed("the client ended the session without `shutdown`")),
    }
}
