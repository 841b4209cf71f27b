//! The page of the console beside the loop: the deployed stack at work, and the problems of the file at its top.

use deployer_base::error::{Message, Result};
use tokio::sync::watch::Receiver;

use super::report::{DevEvent, Report};
use super::tail;
use crate::commands::console::{self, Console, Options};
use crate::context::Context;

/// Serves the page as soon as the stack is deployed for the first time, and opens it in the browser if `opens`. A page that can't be
/// served ends nothing but itself.
///
/// # Errors
/// Returns a broken pipe if the reader of the output is gone.
pub async fn serve(
    context: &Context,
    report: &Report,
    opens: bool,
    mut deployed: Receiver<Option<tail::Source>>,
) -> Result<()> {
    loop {
        // The sender lives as long as the loop.
        if deployed.changed().await.is_err() {
            return std::future::pending().await;
        }
        let source = deployed.borrow_and_update().clone();
        let Some(source) = source else { continue };
        // A file that has errors again already is waited for.
        let Ok(console) = Console::open(context, Some(&source.target.stack), Options::default()).await else {
            continue;
        };
        // `--quiet` leaves out the step, and without the link nobody can open the page.
        let notice = format!("{}; only whoever has this link can see the page", console.link());
        match context.ui.is_quiet() && !context.ui.is_json() {
            true => context.ui.data(&format!("{}\n", console.link()))?,
            false => context.ui.step("console", notice),
        }
        report.event(&context.ui, &DevEvent::Console { link: console.link() })?;
        let _entrance = match opens {
            true => console::show(context, console.link()),
            false => None,
        };
        report.show_on(console.hub());
        let ended = console.run().await;
        if let Err(error) = ended {
            let error = error.message().unwrap_or_else(|| Message::new("the page is not served any more"));
            context.ui.warn(error.text);
        }
        return std::future::pending().await;
    }
}
