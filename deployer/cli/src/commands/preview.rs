//! `deployer preview`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::{Bar, Output};
use deployer_lang::Compiled;
use task::file::FileEnd;
use task::sample::Sample;

use crate::context::Context;
use crate::preview::route::{Choice, Route};
use crate::preview::summary::Summary;
use crate::preview::{FileFailure, Preview, Stop};

mod estimates;
mod lines;
pub(super) mod report;
mod text;

/// Show what the pipeline makes of a local file, without deploying anything or calling AWS
///
/// Reads the whole file as the deployed pipeline would read it, and makes the same items. Shows the first items, then the rows that
/// fail and why, keys that occur more than once, the largest item, and estimates of cost and time. Exits with 0 if every row
/// becomes an item, deletes one or is left out by `where`, and with 7 if rows fail or the file fails as a whole. With `--output`, writes the
/// results of rows for programs: `ndjson` has one document for each row, `dynamodb-json` the items in the form in which DynamoDB
/// imports them from S3, and `csv` the items as a table. `deployer docs preview` describes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to read: CSV, which may be compressed with gzip or zstd
    path: PathBuf,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Number of rows or items to show; the file is read completely in any case
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "all")]
    rows: u64,
    /// Show all rows
    #[arg(long)]
    all: bool,
    /// Function with `worker: transform` that makes the items, if there are several
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Task with `worker: extraction` that reads the file, if there are several
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Key that the object would have; the name of the file by default
    #[arg(long)]
    key: Option<String>,
    /// Show the values of sensitive fields too
    #[arg(long)]
    show_sensitive: bool,
}

/// A file to preview, and the results that are wanted.
struct Job<'a> {
    context: &'a Context,
    preview: Preview<'a>,
    path: &'a Path,
    /// The number of rows or items to show.
    most: u64,
    show_sensitive: bool,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let Compiled { stack, template, .. } = context.compile(args.stack.as_deref())?;
    let key = match (&args.key, args.path.file_name()) {
        (Some(key), _) => key.clone(),
        (None, name) => name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    let choice = Choice { function: args.function.as_deref(), task: args.task.as_deref() };
    let route = Route::find(&stack, choice, &key)?;
    let job = Job {
        context,
        preview: Preview::new(route, key)?,
        path: &args.path,
        most: if args.all { u64::MAX } else { args.rows },
        show_sensitive: args.show_sensitive,
    };
    match context.ui.output {
        Output::Ndjson | Output::DynamodbJson | Output::Csv => lines::run(&job),
        Output::Json => report::run(&job, &template),
        Output::Text | Output::Env | Output::Markdown | Output::Sarif => text::run(&job, &template),
    }
}

impl Job<'_> {
    /// Opens the file, and returns it with its size.
    fn open(&self) -> Result<(File, u64)> {
        let path = self.path;
        let io = |error: &std::io::Error| Error::io("read", path, error);
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::Usage(Message::new(format!("there is no file {}", path.display())))
            }
            _ => io(&error),
        })?;
        let data = file.metadata().map_err(|error| io(&error))?;
        if data.is_dir() {
            return Err(Error::Usage(Message::new(format!("{} is a folder", path.display()))));
        }
        Ok((file, data.len()))
    }

    /// Returns the file, whose bytes move a bar if there is one.
    fn watched(&self, bar: bool) -> Result<Watched> {
        let (file, bytes) = self.open()?;
        let bar = (bar && self.context.ui.is_live()).then(|| self.context.ui.bar());
        let mut watched = Watched { file, bar, of: bytes, read: 0, shown: 0 };
        watched.show();
        Ok(watched)
    }

    /// Adds the missing columns to the failure of a file: the reader has stopped at its header.
    fn named(&self, failure: FileFailure) -> FileFailure {
        if !failure.columns.is_empty() || failure.reason != contract::Reason::MissingColumn {
            return failure;
        }
        let (settings, expected) = self.preview.reader();
        let head = self.open().ok().and_then(|(file, _)| Sample::read(file, settings, expected, 0).ok());
        let columns = head.map(|head| self.preview.missing(&head.columns)).unwrap_or_default();
        FileFailure { columns, ..failure }
    }

    /// Returns the end of a file that was read completely, or the failure of the file.
    fn end(
        &self,
        read: std::result::Result<FileEnd, Stop>,
    ) -> Result<std::result::Result<FileEnd, FileFailure>> {
        match read {
            Ok(end) => Ok(Ok(end)),
            Err(Stop::File(failure)) => Ok(Err(self.named(failure))),
            Err(Stop::Error(error)) => Err(error),
            // Every row is needed.
            Err(Stop::Enough) => Ok(Ok(FileEnd::default())),
        }
    }

    /// Returns the verdict on the file: whether anything fails.
    fn verdict(&self, summary: &Summary, failure: Option<&FileFailure>) -> Result<()> {
        let name = self.path.display();
        if let Some(failure) = failure {
            let code = failure.reason.code();
            return Err(Error::Incomplete(
                Message::new(format!("{name} fails as a whole: {} ({code})", failure.message))
                    .hint(format!("`deployer docs {code}` explains it")),
            ));
        }
        if summary.failed == 0 {
            return Ok(());
        }
        let (failed, rows) = (text::grouped(summary.failed), text::counted(summary.rows, "row"));
        let docs: Vec<String> =
            summary.reasons().iter().map(|reason| format!("`deployer docs {}`", reason.code())).collect();
        let explain = if docs.len() == 1 { "explains it" } else { "explain the reasons" };
        Err(Error::Incomplete(
            Message::new(format!("{failed} of {rows} would fail"))
                .hint(format!("{} {explain}", docs.join(", "))),
        ))
    }
}

/// A file that moves a bar as it is read.
struct Watched {
    file: File,
    bar: Option<Bar>,
    of: u64,
    read: u64,
    shown: u64,
}

impl Watched {
    /// Bytes between two changes of the bar.
    const STEP: u64 = 1 << 20;

    fn show(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set(self.read, self.of.max(self.read), text::bytes(self.read));
        }
        self.shown = self.read;
    }
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(into)?;
        self.read += count as u64;
        if self.read - self.shown >= Self::STEP {
            self.show();
        }
        Ok(count)
    }
}
