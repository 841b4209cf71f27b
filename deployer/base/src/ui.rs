//! The only place that writes to stdout and stderr.
//!
//! stdout holds data only: text for people, or one JSON document (`--output json`). Everything else goes to stderr.
//! Colour never carries meaning alone, and is off without a terminal.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use deployer_plan::diff::{Line, Sign};
use deployer_syntax::{Diagnostics, Source, number};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use self::problems::{annotations, drawing, listed, short};
use crate::error::{Error, Message, Result};
use crate::output::{
    DeploymentEvent, Document, EventLine, FailedResult, Failure, FailureKind, FileDiagnostic, Problems,
    SCHEMA_VERSION, Versioned,
};
use crate::text::{harmless, printable};

mod live;
mod problems;
mod screen;
mod table;

pub use self::live::{Bar, Live};
pub use self::problems::drawn;
pub use self::screen::{ScreenLine, Tone};
pub use self::table::{fitted_table, table, terminal_width, wide_table, wrapped_table};

/// Shape of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// Text for people
    #[default]
    Text,
    /// One JSON document with a `schemaVersion`.
    Json,
    /// Shell variables, for `outputs` only
    Env,
    /// One JSON document a row, for `preview` only
    Ndjson,
    /// One item a line, as DynamoDB imports them from S3, for `preview` only
    DynamodbJson,
    /// CSV, for `preview` only
    Csv,
    /// A comment on a pull request, for `diff` only
    Markdown,
    /// SARIF 2.1.0, for `check` only
    Sarif,
}

impl Output {
    /// Returns the only command that writes this, if there is one, and the word for it on the command line.
    #[must_use]
    pub const fn only(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Text | Self::Json => None,
            Self::Env => Some(("outputs", "env")),
            Self::Ndjson => Some(("preview", "ndjson")),
            Self::DynamodbJson => Some(("preview", "dynamodb-json")),
            Self::Csv => Some(("preview", "csv")),
            Self::Markdown => Some(("diff", "markdown")),
            Self::Sarif => Some(("check", "sarif")),
        }
    }
}

/// Form of the problems of a stack file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MessageFormat {
    /// Several lines, with the part of the file that each problem is about
    #[default]
    Human,
    /// One line per problem, for editors and grep: `stack.yaml:47:20: error[E0104]: 1 is out of range; help: between 2 and 1000`.
    Short,
    /// Annotations of GitHub Actions, which shows each problem at its line.
    Github,
}

/// The global options about output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// `--output`.
    pub output: Output,
    /// `--color`.
    pub color: Color,
    /// `--message-format`.
    pub messages: MessageFormat,
    /// `--yes`.
    pub yes: bool,
    /// `--verbose`.
    pub verbose: bool,
    /// `--quiet`.
    pub quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The destination of all output.
#[derive(Debug)]
pub struct Ui {
    /// Shape of the data.
    pub output: Output,
    /// `--verbose`.
    pub verbose: bool,
    /// `true` if only data, warnings and errors are written.
    quiet: bool,
    messages: MessageFormat,
    yes: bool,
    started: Instant,
    /// Name of the stack at the start of each line, if several stacks run side by side.
    stack: Option<String>,
    /// Warnings about a file that can be used, for the JSON document.
    warnings: Mutex<Vec<FileDiagnostic>>,
    shared: Arc<Shared>,
}

/// The part that all stacks of one run share.
#[derive(Debug)]
struct Shared {
    /// Lines of a terminal that keep changing; without a terminal, nothing is drawn.
    live: MultiProgress,
    /// Lock for one question at a time.
    asking: tokio::sync::Mutex<()>,
    /// `--events FILE`.
    events: Mutex<Option<File>>,
    /// `true` if the document of the command has been written, which then contains the outcome.
    documented: AtomicBool,
}

/// Much data for stdout, which is written in large pieces.
#[derive(Debug, Default)]
pub struct Stream(Vec<u8>);

impl Stream {
    /// Bytes that are collected before they are written.
    const PIECE: usize = 128 * 1024;

    /// Returns the buffer, to append whole lines to.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Writes the buffer if there is enough in it. To be called after each line.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn line(&mut self) -> Result<()> {
        if self.0.len() >= Self::PIECE { self.flush() } else { Ok(()) }
    }

    /// Writes the buffer.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn flush(&mut self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(&self.0)?;
        out.flush()?;
        self.0.clear();
        Ok(())
    }
}

impl Ui {
    /// Creates the output for the global options.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { output, color, messages, yes, verbose, quiet } = settings;
        // Nobody is asked about a plan that was not shown.
        let quiet = quiet && (yes || !std::io::stdin().is_terminal());
        match color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let shared = Shared {
            live: match quiet {
                true => MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
                false => MultiProgress::new(),
            },
            asking: tokio::sync::Mutex::const_new(()),
            events: Mutex::default(),
            documented: AtomicBool::new(false),
        };
        Self {
            output,
            verbose,
            quiet,
            messages,
            yes,
            started: Instant::now(),
            stack: None,
            warnings: Mutex::default(),
            shared: Arc::new(shared),
        }
    }

    /// Returns the same output for one of several stacks: each line begins with its name.
    #[must_use]
    pub fn of_stack(&self, stack: &str) -> Self {
        Self { stack: Some(stack.to_owned()), ..self.again() }
    }

    /// Returns the same output for one of several things in sequence: its steps count the seconds from now on.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self { started: Instant::now(), ..self.again() }
    }

    fn again(&self) -> Self {
        let Self { output, verbose, quiet, messages, yes, started, .. } = *self;
        let (warnings, shared) = (Mutex::default(), Arc::clone(&self.shared));
        let stack = self.stack.clone();
        Self { output, verbose, quiet, messages, yes, started, stack, warnings, shared }
    }

    /// Writes events to a file too as they happen, one JSON document a line.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn record_events(&self, path: &Path) -> Result<()> {
        let file = File::create(path).map_err(|error| Error::io("write", path, &error))?;
        *self.shared.events.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    /// Adds an event to the file of `--events`.
    pub fn event(&self, event: &DeploymentEvent<'_>) {
        let mut file = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(out) = file.as_mut() else { return };
        let line = Versioned::new(EventLine { time: crate::time::stamp(), event });
        // Nothing in the line can fail to become JSON.
        let line = serde_json::to_value(line).unwrap_or_default();
        if writeln!(out, "{}", number::to_json(&line)).is_err() {
            *file = None;
            drop(file);
            self.warn("can no longer write the file of --events");
        }
    }

    /// Creates a line that keeps changing; without a terminal it is not shown.
    #[must_use]
    pub fn live(&self) -> Live {
        let bar = self.shared.live.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>7} {spinner:>10}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Live(bar)
    }

    /// Creates a bar that fills; without a terminal it is not shown.
    #[must_use]
    pub fn bar(&self) -> Bar {
        let bar = self.shared.live.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>7} {bar:30} {percent:>3} %  {wide_msg}") {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// Returns `true` if changing lines are shown.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.shared.live.is_hidden()
    }

    /// Returns `true` if data appears among the lines for people, on one terminal.
    #[must_use]
    pub fn is_data_on_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Returns whether steps and notes are left out.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns the number of columns of the terminal that data are written to, if they are.
    #[must_use]
    pub fn data_width(&self) -> Option<usize> {
        self.is_data_on_terminal().then(terminal_width)
    }

    /// Writes a line to stderr, above those that keep changing.
    fn line(&self, text: &str) {
        self.shared.live.suspend(|| {
            let _ = writeln!(anstream::stderr(), "{text}");
        });
    }

    /// Returns `[stack] ` if several stacks run side by side.
    fn whose(&self) -> String {
        self.stack.as_ref().map(|stack| format!("\x1b[2m[{stack}]\x1b[0m ")).unwrap_or_default()
    }

    /// Checks whether data is wanted as JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Writes data for people to stdout, as it is.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes one JSON document to stdout: the `schemaVersion`, then the fields of `body`, then the warnings.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn json(&self, body: impl Serialize) -> Result<()> {
        let diagnostics = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        let document = Document { schema_version: SCHEMA_VERSION, body, diagnostics };
        let document = serde_json::to_value(document).map_err(|error| Error::failed(error.to_string()))?;
        self.shared.documented.store(true, Ordering::Relaxed);
        self.data(&format!("{}\n", number::to_pretty_json(&document)))
    }

    /// Reports why a command failed: on stderr for people, and as its document if JSON is wanted and the command has
    /// not written one.
    pub fn failure(&self, error: &Error) {
        let message = error.message();
        if let Some(message) = &message {
            self.error(message);
        }
        if self.is_json()
            && let Some(message) = &message
            && !self.shared.documented.load(Ordering::Relaxed)
        {
            write_failure(error.kind(), message, error.exit_code());
        }
    }

    /// Writes a line for people to stderr, unless they want none.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.detail(text);
        }
    }

    /// Writes lines that belong to an error.
    pub fn detail(&self, text: impl AsRef<str>) {
        let whose = self.whose();
        for line in text.as_ref().split('\n') {
            self.line(&format!("{whose}{line}"));
        }
    }

    /// Writes a step of a longer command: elapsed seconds, a verb, its object.
    ///
    /// The object may hold names from outside, so control characters are escaped.
    pub fn step(&self, verb: &str, what: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        let elapsed = self.started.elapsed().as_secs_f32();
        let (whose, what) = (self.whose(), printable(what.as_ref()));
        self.line(&format!("{whose}\x1b[2m{elapsed:>6.1}s\x1b[0m \x1b[1m{verb:>10}\x1b[0m  {what}"));
    }

    /// Returns a function that shows each call as it is answered, if that is wanted: its name, its result, its
    /// duration.
    #[must_use]
    pub fn calls(&self) -> Option<impl Fn(&str, &str, Duration) + Send + Sync + use<>> {
        let (whose, started, shared) = (self.whose(), self.started, Arc::clone(&self.shared));
        self.verbose.then_some(move |name: &str, answer: &str, took: Duration| {
            let elapsed = started.elapsed().as_secs_f32();
            let text = printable(&format!("{name}: {answer} in {} ms", took.as_millis()));
            shared.live.suspend(|| {
                let _ = writeln!(
                    anstream::stderr(),
                    "{whose}\x1b[2m{elapsed:>6.1}s\x1b[0m \x1b[1m{:>10}\x1b[0m  {text}",
                    "call"
                );
            });
        })
    }

    /// Writes a warning.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.line(&format!("{}\x1b[33mwarning:\x1b[0m {}", self.whose(), harmless(text.as_ref())));
    }

    /// Writes an error, and after a blank line the advice on it.
    pub fn error(&self, message: &Message) {
        let whose = self.whose();
        self.line(&format!("{whose}\x1b[31merror:\x1b[0m {}", harmless(&message.text)));
        if let Some(hint) = &message.hint {
            self.line(&format!("\n{whose}\x1b[36mhint:\x1b[0m {}", harmless(hint)));
        }
    }

    /// Writes the warnings about a file that can be used: on stderr, or beside the data if JSON is wanted.
    pub fn warnings(&self, source: &Source, diagnostics: &Diagnostics) {
        if self.is_json() {
            self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(listed(source, diagnostics));
        } else {
            self.draw(source, diagnostics);
        }
    }

    /// Writes problems to stderr, in the form that was asked for.
    pub fn draw(&self, source: &Source, diagnostics: &Diagnostics) {
        let text = match self.messages {
            MessageFormat::Human => drawing(source, diagnostics, theme()),
            MessageFormat::Short => short(source, diagnostics),
            MessageFormat::Github => annotations(source, diagnostics),
        };
        let _ = write!(anstream::stderr(), "{text}");
    }

    /// Writes the problems of a file: as data if JSON is wanted, else with the text that each is about.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn diagnostics(&self, source: &Source, diagnostics: &Diagnostics) -> Result<()> {
        if self.is_json() {
            let diagnostics = listed(source, diagnostics);
            return self.json(Problems { file: &source.name, diagnostics });
        }
        self.draw(source, diagnostics);
        Ok(())
    }

    /// Writes a plan to stderr.
    pub fn plan(&self, lines: &[Line]) {
        if self.quiet {
            return;
        }
        let whose = self.whose();
        for line in lines {
            self.line(&format!("{whose}{}", colored(line)));
        }
    }

    /// Writes a plan as the data that was asked for.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn plan_data(&self, lines: &[Line]) -> Result<()> {
        let mut out = anstream::stdout().lock();
        for line in lines {
            writeln!(out, "{}", colored(line))?;
        }
        out.flush()?;
        Ok(())
    }

    /// Writes a screen to stdout. With `in_place`, it takes the place of what the terminal shows, as far as it has room.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn screen(&self, lines: &[ScreenLine], in_place: bool) -> Result<()> {
        let has_color = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let height = terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
        let room = in_place.then(|| (terminal_width(), height.unwrap_or(usize::MAX)));
        let mut out = std::io::stdout().lock();
        out.write_all(screen::drawn(lines, has_color, room).as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Asks a question that `-y` answers with yes.
    ///
    /// # Errors
    /// [`Error::Refused`] on no, and if nobody can be asked.
    pub async fn confirm(&self, question: &str) -> Result<()> {
        self.ask(question, "[y/N]", &["y", "Y", "yes"]).await
    }

    /// Asks for a name that must be typed, since the answer can't be taken back. `-y` gives it.
    ///
    /// # Errors
    /// [`Error::Refused`] on any other answer, and if nobody can be asked.
    pub async fn confirm_by_name(&self, question: &str, name: &str) -> Result<()> {
        self.ask(question, &format!("[type {name} to confirm]"), &[name]).await
    }

    /// Returns whether a person can be asked: there is a terminal, and `-y` does not answer for it.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        !self.yes && std::io::stdin().is_terminal()
    }

    async fn ask(&self, question: &str, choice: &str, accepted: &[&str]) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::Refused(
                Message::new(format!("this needs your approval, and stdin is not a terminal: {question}"))
                    .hint("run it again with `-y` to approve; nothing was done"),
            ));
        }
        let _one = self.shared.asking.lock().await;
        let (shared, prompt) = (Arc::clone(&self.shared), format!("{}{question} {choice} ", self.whose()));
        // The thread is separate, so that Ctrl-C is heard meanwhile.
        let answer = tokio::task::spawn_blocking(move || {
            // Lines that keep changing would write over the question.
            shared.live.set_draw_target(ProgressDrawTarget::hidden());
            let _ = write!(anstream::stderr(), "{prompt}");
            let mut answer = String::new();
            let read = std::io::stdin().lock().read_line(&mut answer);
            shared.live.set_draw_target(ProgressDrawTarget::stderr());
            read.map(|_| answer)
        });
        let answer = answer.await.map_err(|error| Error::failed(error.to_string()))??;
        match accepted.contains(&answer.trim()) {
            true => Ok(()),
            false => Err(Error::Refused(Message::new("declined; nothing was done"))),
        }
    }
}

/// Writes the document of a command that failed before it had another to write. The document is one line, since it may
/// end a stream of documents, a line each.
pub fn write_failure(kind: FailureKind, message: &Message, exit_code: u8) {
    let document = Versioned::new(Failure {
        result: FailedResult::Failed,
        kind,
        error: &message.text,
        hint: message.hint.as_deref(),
        exit_code,
    });
    // The reader may be gone.
    let _ = writeln!(std::io::stdout().lock(), "{}", document.to_line());
}

/// Colours a line of a plan: its sign shows the kind of change, and its colour the same.
fn colored(line: &Line) -> String {
    let code = match line.sign {
        Sign::Heading => "1",
        Sign::Create | Sign::Adopt => "32",
        Sign::Update => "36",
        Sign::Replace => "35",
        Sign::Delete => "31",
        Sign::Warning => "33",
        Sign::Plain => return line.to_string(),
    };
    format!("\x1b[{code}m{line}\x1b[0m")
}

fn theme() -> miette::GraphicalTheme {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => miette::GraphicalTheme::unicode_nocolor(),
        _ => miette::GraphicalTheme::unicode(),
    }
}
