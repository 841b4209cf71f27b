//! `deployer status`.

use std::time::{Duration, Instant};

use contract::ObjectRef;
use deployer_aws::cloudformation::CloudFormation;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::Versioned;
use deployer_base::time;
use deployer_lang::Stack;

use self::document::{FileStatus, StackStatus};
use self::next::NextStep;
use self::pace::Pace;
use self::sources::{Places, Snapshot, Source};
use self::view::Screen;
use super::count;
use super::tally::{self, TallyHandle};
use crate::context::{Context, check_account};
use crate::existing;
use crate::pipeline::{self, physical};

pub(super) mod document;
pub mod next;
pub mod pace;
pub mod sources;
mod view;

pub(super) use self::sources::has_report;

/// Show files, queues, dead letters and tasks of a stack on one screen, or the state of one file and what to do next
///
/// Exits with 1 or 6 if a source could not be read; the others are shown. With a key, exits with 0 if every row of the file is in the
/// table or was skipped, and with 7 if not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key of the object; the stack as a whole by default
    key: Option<String>,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Version of the object; the latest by default
    #[arg(long, value_name = "ID", requires = "key")]
    version_id: Option<String>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long)]
    bucket: Option<String>,
    /// Number of files that are listed, the newest first; 1 to 1,000
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with_all = ["version_id", "bucket"], value_parser = count)]
    files: usize,
    /// Show the state again and again, until Ctrl-C; of a file, until it is at its end
    #[arg(long)]
    watch: bool,
    /// Time between two looks; more if the calls take more than a tenth of it
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "watch", value_parser = interval)]
    interval: u64,
}

fn interval(text: &str) -> std::result::Result<u64, String> {
    deployer_syntax::units::parse_duration(text)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "expected a duration of at least 1s, such as 2s or 1m".to_owned())
}

/// A stack that is looked at, or one of its files.
struct Watched<'a> {
    context: &'a Context,
    stack: &'a Stack,
    region: &'a str,
    object: Option<&'a ObjectRef>,
    /// The number of files that are shown.
    most: usize,
    is_watch: bool,
    pace: Pace,
    /// The last line that was written, without its time, where lines are written.
    last: String,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let only = [("--version-id", args.version_id.is_some()), ("--bucket", args.bucket.is_some())];
    let (stack, key) = tally::stack_and_key(context, args.key.as_deref(), args.stack.as_deref(), &only)?;
    let landing = key.map(|_| pipeline::landing(&stack, args.bucket.as_deref())).transpose()?;
    // The state of a file is in the tally alone; other stacks have queues and tasks.
    let tally_name = match key {
        Some(_) => Some(pipeline::tally(&stack)?),
        None => pipeline::tally(&stack).ok(),
    };
    let session = context.connect(&stack.target).await?;
    check_account(&stack.target, &session)?;
    let cloudformation = CloudFormation::new(&session);
    super::outputs::deployed(&cloudformation, &stack).await?;
    let resources = existing::resources(&cloudformation, &session, &stack).await?;
    let bucket = landing.map(|landing| physical(&resources, &stack, &landing.name)).transpose()?;
    let bucket = bucket.map(str::to_owned);
    let handle = tally_name
        .map(|name| TallyHandle::new(&session, resources.clone(), &stack, name, bucket))
        .transpose()?;
    let object = match (&handle, key) {
        (Some(handle), Some(key)) => Some(handle.object(key, args.version_id.as_deref()).await?),
        _ => None,
    };
    context.on_interrupt("the pipeline keeps running", "run the command again to see its state");
    let places = Places { session: &session, stack: &stack, resources: &resources, tally: handle.as_ref() };
    let mut watched = Watched {
        context,
        stack: &stack,
        region: &session.region,
        object: object.as_ref(),
        most: args.files,
        is_watch: args.watch,
        pace: Pace::default(),
        last: String::new(),
    };
    let interval = Duration::from_secs(args.interval);
    loop {
        let begun = Instant::now();
        let snapshot = places.read(object.as_ref()).await;
        let cost = begun.elapsed();
        let next = watched.next(&snapshot);
        watched.show(&snapshot, &next)?;
        let is_over = object.is_some() && snapshot.files.first().is_some_and(tally::is_over);
        // Credentials that have expired don't come back by waiting.
        let is_locked_out = snapshot.unread.iter().any(|unread| match &unread.error {
            Error::Aws(error) => error.is_about_credentials(),
            _ => false,
        });
        if !args.watch || is_over || is_locked_out {
            return outcome(context, object.as_ref(), snapshot, &next);
        }
        // Watching must not slow down the work that it watches, so it takes a tenth of the time at most.
        tokio::time::sleep(interval.max(cost * 9)).await;
    }
}

impl Watched<'_> {
    /// Returns the next steps for the file, if there is one.
    fn next(&mut self, snapshot: &Snapshot) -> Vec<NextStep> {
        self.pace.note(&snapshot.files);
        let is_unread = snapshot.unread.iter().any(|unread| unread.source == Source::Tally);
        let Some(object) = self.object.filter(|_| !is_unread) else { return Vec::new() };
        let tally = snapshot.files.first();
        // Without an estimate, nothing has moved for a while.
        let is_quiet = tally.is_some_and(|tally| self.pace.of(tally, snapshot.moment).is_quiet());
        next::steps(self.stack, object, tally, snapshot.results.as_ref(), is_quiet)
    }

    /// Writes a screen, a line or a document.
    fn show(&mut self, snapshot: &Snapshot, next: &[NextStep]) -> Result<()> {
        let time = time::stamp();
        let ui = &self.context.ui;
        if ui.is_json() {
            return match self.object {
                Some(object) => {
                    let name = &self.stack.name;
                    self.json(FileStatus::new(name, &time, object.into(), snapshot, &self.pace, next))
                }
                None => self.json(StackStatus::new(&self.stack.name, &time, snapshot, &self.pace, self.most)),
            };
        }
        let in_place = self.is_watch && ui.is_data_on_terminal();
        if self.is_watch && !in_place {
            let text = view::line(snapshot, self.most);
            if text == self.last {
                return Ok(());
            }
            ui.data(&format!("{time}  {text}\n"))?;
            self.last = text;
            return Ok(());
        }
        let mut screen = Screen::new(&self.stack.name, self.region, &time, ui.data_width());
        let is_unread = snapshot.unread.iter().any(|unread| unread.source == Source::Tally);
        match self.object {
            Some(object) if !is_unread => {
                screen.file(&object.key, snapshot.files.first(), snapshot, &self.pace);
                if let Some(results) = &snapshot.results {
                    screen.results(&object.bucket, results);
                }
                screen.next(next);
            }
            None if !is_unread && pipeline::tally(self.stack).is_ok() => {
                screen.files(snapshot, &self.pace, self.most);
            }
            _ => {}
        }
        screen.pipeline(snapshot);
        ui.screen(screen.lines(), in_place)
    }

    /// Writes a document; one of several is a line.
    fn json(&self, document: impl serde::Serialize) -> Result<()> {
        match self.is_watch {
            true => self.context.ui.data(&format!("{}\n", Versioned::new(document).to_line())),
            false => self.context.ui.json(document),
        }
    }
}

/// Returns the outcome of the last look: the tally that could not be read, or the state of the file, or another source
/// that could not be read. Errors that are not the outcome are warnings.
fn outcome(
    context: &Context,
    object: Option<&ObjectRef>,
    snapshot: Snapshot,
    next: &[NextStep],
) -> Result<()> {
    let is_unread = snapshot.unread.iter().any(|unread| unread.source == Source::Tally);
    let advice =
        || next.first().map(|step| format!("`{}` {}", step.command, step.purpose)).unwrap_or_default();
    let judged = match (object, snapshot.files.first()) {
        (Some(_), Some(tally)) => tally::judge(tally, advice),
        (Some(object), None) if !is_unread => Err(Error::Incomplete(
            Message::new(format!(
                "no event about a row of s3://{}/{} has arrived",
                object.bucket, object.key
            ))
            .hint(advice()),
        )),
        _ => Ok(()),
    };
    let mut errors: Vec<Error> = judged.err().into_iter().collect();
    let mut unread: Vec<Error> = snapshot.unread.into_iter().map(|unread| unread.error).collect();
    // A missing permission is the caller's, which is the most useful to report.
    unread.sort_by_key(|error| std::cmp::Reverse(error.exit_code()));
    errors.extend(unread);
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for message in errors.filter_map(|error| error.message()) {
        let hint = message.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        context.ui.warn(format!("{}{hint}", message.text));
    }
    Err(first)
}

#[cfg(test)]
pub(super) mod tests {
    use deployer_lang::{Document, compile};
    use deployer_syntax::{Diagnostics, Source};

    use super::*;

    /// Returns the stack `dev` of the repository's own file.
    pub fn stack() -> Stack {
        const FILE: &str = include_str!("../../../../stack.yaml");
        let source = Source::new("stack.yaml", FILE.to_owned());
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        let target = document.select(Some("dev")).expect("a stack");
        compile(&document, target, &[], &mut diagnostics).expect("a valid file").stack
    }

    #[test]
    fn an_interval_is_never_zero() {
        assert_eq!((interval("2s"), interval("1m")), (Ok(2), Ok(60)));
        for text in ["0s", "0", "soon", ""] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
