//! What `dev` tells: lines for people on stderr, and with `--output json` an event a line on stdout.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deployer_base::error::{Error, Message, Result};
use deployer_base::meter::Times;
use deployer_base::output::{DeploymentResult, FailureKind, FileDiagnostic, Versioned};
use deployer_base::text::printable;
use deployer_base::time;
use deployer_base::ui::Ui;
use deployer_console::hub::Hub;
use deployer_console::model::{self, FileProblem};
use deployer_syntax::{Diagnostic, Diagnostics, Severity, Source};
use schemars::JsonSchema;
use serde::Serialize;

/// Number of files that are named when a round begins.
const NAMED: usize = 3;

/// A line that `dev` writes; each event has fields of its own.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevLine<'a> {
    /// Time at which it was written: RFC 3339 in UTC.
    time: String,
    /// The event.
    #[serde(flatten)]
    event: &'a DevEvent<'a>,
}

/// The state of the local cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudState {
    /// It was running before.
    Running,
    /// `dev` has started it.
    Started,
    /// It was stopped by other means, and the next save starts it.
    Lost,
    /// It was started by other means, or again.
    Back,
    /// `dev` has stopped it, since `dev` had started it.
    Stopped,
}

/// An event of `dev`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum DevEvent<'a> {
    /// The state of the local cloud has changed.
    Cloud {
        /// The state.
        state: CloudState,
        /// URL of all services.
        #[serde(skip_serializing_if = "Option::is_none")]
        endpoint: Option<&'a str>,
    },
    /// The page of the console is served.
    Console {
        /// The link to it, with the token without which nothing is shown.
        link: &'a str,
    },
    /// Files were saved, and are checked.
    Saved {
        /// The files, relative to the folder of the stack file where they are in it.
        files: Vec<String>,
    },
    /// The problems of the stack file, or of a rule file. Without errors among them, the file is deployed.
    Problems {
        /// The file.
        file: &'a str,
        /// Its problems; none if the last ones were solved.
        diagnostics: Vec<FileDiagnostic>,
    },
    /// Newer files were saved before these were deployed, so that the build was cancelled.
    Superseded {},
    /// The saved files are in place.
    Deployed {
        /// Name of the CloudFormation stack.
        stack: &'a str,
        /// The result.
        result: DeploymentResult,
        /// Milliseconds since the last of the files was saved.
        milliseconds: u64,
        /// Those of them with a call of AWS's API under way.
        calls: u64,
        /// Those with a build under way.
        builds: u64,
        /// Those with neither.
        own: u64,
    },
    /// The saved files were not deployed. The next save tries again.
    Failed {
        /// The kind of error.
        kind: FailureKind,
        /// The problem.
        error: &'a str,
        /// The way to solve it.
        hint: Option<&'a str>,
    },
    /// A line of a log.
    Log {
        /// Name in the file of the function or task.
        resource: &'a str,
        /// Milliseconds since 1970.
        timestamp: i64,
        /// The message.
        message: &'a str,
    },
}

/// The output of a run of `dev`.
#[derive(Debug)]
pub struct Report {
    folder: PathBuf,
    json: bool,
    /// `true` if the last check has found errors.
    broken: Cell<bool>,
    /// The warnings that were shown last.
    warned: RefCell<String>,
    /// The problems of the file.
    problems: RefCell<Vec<FileProblem>>,
    /// The page that shows them too, once it is served.
    page: RefCell<Option<Hub>>,
}

impl Report {
    /// Creates the output of a run in a folder.
    #[must_use]
    pub fn new(ui: &Ui, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            json: ui.is_json(),
            broken: Cell::new(false),
            warned: RefCell::default(),
            problems: RefCell::default(),
            page: RefCell::default(),
        }
    }

    /// Writes an event, if events are wanted.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the reader is gone.
    pub fn event(&self, ui: &Ui, event: &DevEvent<'_>) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let line = Versioned::new(DevLine { time: time::stamp(), event });
        ui.data(&format!("{}\n", line.to_line()))
    }

    /// Shows the problems of the file on this page too, from now on.
    pub fn show_on(&self, page: Hub) {
        page.set_problems(self.problems.borrow().clone());
        self.page.replace(Some(page));
    }

    /// Tells which files were saved.
    pub fn saved(&self, ui: &Ui, files: &BTreeSet<PathBuf>) -> Result<()> {
        let names: Vec<String> = files.iter().map(|path| self.name(path)).collect();
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            ui.step("saved", format!("{}{more}", names[..names.len().min(NAMED)].join(", ")));
        }
        self.event(ui, &DevEvent::Saved { files: names })
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    /// Shows errors of a file, which is not deployed.
    pub fn problems(&self, ui: &Ui, source: &Source, diagnostics: &Diagnostics) -> Result<()> {
        self.broken.set(true);
        self.list(ui, source, diagnostics)?;
        let errors = crate::context::invalid_file(source, diagnostics);
        if let Some(message) = errors.message() {
            ui.step("waiting", printable(&message.text.replace("nothing was done", "nothing was deployed")));
        }
        Ok(())
    }

    /// Shows the warnings of a file that is right, unless they are the last ones, and that its errors are solved.
    pub fn right(&self, ui: &Ui, source: &Source, diagnostics: &Diagnostics) -> Result<()> {
        // Not their places, which move with every line.
        let text: String =
            diagnostics.sorted().iter().map(|one| format!("{} {}\n", one.code, one.message)).collect();
        let fixed = self.broken.replace(false);
        let is_known = *self.warned.borrow() == text;
        if fixed {
            ui.step("fixed", format!("{} has no errors any more", source.name));
        }
        if is_known && !fixed {
            return Ok(());
        }
        self.warned.replace(text);
        self.list(ui, source, diagnostics)
    }

    fn list(&self, ui: &Ui, source: &Source, diagnostics: &Diagnostics) -> Result<()> {
        if !self.json && !diagnostics.is_empty() {
            ui.draw(source, diagnostics);
        }
        let problems = diagnostics.sorted().into_iter().map(|one| problem(source, one)).collect();
        self.problems.replace(problems);
        if let Some(page) = &*self.page.borrow() {
            page.set_problems(self.problems.borrow().clone());
        }
        let listed = diagnostics.sorted().into_iter().map(|one| FileDiagnostic::new(source, one)).collect();
        self.event(ui, &DevEvent::Problems { file: &source.name, diagnostics: listed })
    }

    /// Tells why the saved files are not deployed.
    pub fn failed(&self, ui: &Ui, error: &Error) -> Result<()> {
        let Some(message) = error.message() else { return Ok(()) };
        ui.error(&message);
        let Message { text, hint, .. } = &message;
        self.event(ui, &DevEvent::Failed { kind: error.kind(), error: text, hint: hint.as_deref() })
    }

    /// Tells that the saved files are in place, and how long that took.
    pub fn deployed(
        &self,
        ui: &Ui,
        stack: &str,
        result: DeploymentResult,
        took: Duration,
        times: Times,
    ) -> Result<()> {
        let own = took.saturating_sub(times.all);
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let build = match times.builds.is_zero() {
            true => String::new(),
            false => format!(", builds {}", seconds(times.builds)),
        };
        ui.step(
            "in place",
            format!(
                "after {} (calls {}{build}, the rest {})",
                seconds(took),
                seconds(times.calls),
                seconds(own)
            ),
        );
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.event(
            ui,
            &DevEvent::Deployed {
                stack,
                result,
                milliseconds: milliseconds(took),
                calls: milliseconds(times.calls),
                builds: milliseconds(times.builds),
                own: milliseconds(own),
            },
        )
    }
}

/// Returns a problem as the page shows it.
fn problem(source: &Source, problem: &Diagnostic) -> FileProblem {
    let place = source.position(problem.span.start);
    FileProblem {
        severity: match problem.severity {
            Severity::Error => model::Severity::Error,
            Severity::Warning => model::Severity::Warning,
        },
        code: problem.code.to_owned(),
        text: problem.message.clone(),
        file: source.name.clone(),
        line: place.line,
        column: place.column,
        help: problem.help.clone(),
    }
}
