//! The parts that every command needs: the global options, the output, the stack file.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use deployer_aws::budget::Budget;
use deployer_aws::calls::Calls;
use deployer_aws::session::{Connection, Session, Unidentified};
use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_base::meter::{Meter, Waits};
use deployer_base::ui::{Settings, Ui};
use deployer_build::Project;
use deployer_lang::document::SelectError;
use deployer_lang::{Compiled, Document, Stack, StackTarget, compile};
use deployer_syntax::{Diagnostics, Severity, Source};

use crate::policies::RuleFiles;

/// Default name of the stack file.
pub const STACK_FILE: &str = "stack.yaml";

/// Finds the stack file of this folder, otherwise that of the nearest folder above; if there is none, returns the path
/// in this folder.
///
/// A file above counts only if it and its folder belong to the same user: the code that a stack file names is built and
/// run.
#[must_use]
pub fn nearest_file() -> PathBuf {
    let here = PathBuf::from(STACK_FILE);
    let Ok(folder) = std::env::current_dir() else { return here };
    if here.symlink_metadata().is_ok() {
        return here;
    }
    // The code next to the file is built too, so its folder must be the user's own, and so must a link to a file
    // elsewhere.
    let own = |folder: &Path| {
        let user = rustix::process::getuid().as_raw();
        let file = folder.join(STACK_FILE);
        let data = [std::fs::metadata(folder), file.symlink_metadata(), std::fs::metadata(&file)];
        data[2].as_ref().is_ok_and(std::fs::Metadata::is_file)
            && data.iter().all(|data| data.as_ref().is_ok_and(|data| data.uid() == user))
    };
    let above = folder.ancestors().enumerate().skip(1).find(|(_, folder)| own(folder));
    above.map_or(here, |(depth, _)| PathBuf::from("../".repeat(depth)).join(STACK_FILE))
}

/// Global options and output.
#[derive(Debug)]
pub struct Context {
    /// The destination of the output.
    pub ui: Ui,
    /// The stack file.
    pub file: PathBuf,
    /// `true` if the file was not named, so that it is one of this folder or of one above.
    pub searched: bool,
    /// `--config k=v`.
    pub config: Vec<(String, String)>,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// The function that is told of each call, and the budget of the calls; by default, that of `--verbose`.
    pub calls: Option<Calls>,
    /// The message on Ctrl-C from now on: the operations that continue, and the way back to them.
    pub interruption: Mutex<Message>,
    /// The times of calls and builds, if anybody asks for them.
    pub meter: Option<Arc<Meter>>,
}

/// A stack file that has been read.
#[derive(Debug)]
pub struct Loaded {
    /// The text.
    pub source: Source,
    /// The sections.
    pub document: Document,
}

/// A stack by its name alone, and the connection to its place.
#[derive(Debug)]
pub struct StackHandle {
    /// Name of the CloudFormation stack.
    pub name: String,
    /// The target as the file describes it.
    pub target: StackTarget,
    /// The file.
    pub loaded: Loaded,
    /// The session of the caller.
    pub session: Session,
}

impl Context {
    /// Sets the message for Ctrl-C from now on.
    pub fn on_interrupt(&self, text: &str, hint: &str) {
        let mut message = self.interruption.lock().unwrap_or_else(PoisonError::into_inner);
        *message = Message::new(format!("interrupted; {text}")).hint(hint);
    }

    /// Returns a copy for one of several stacks that are deployed at the same time.
    #[must_use]
    pub fn of_stack(&self, stack: &str) -> Self {
        Self {
            ui: self.ui.of_stack(stack),
            file: self.file.clone(),
            searched: self.searched,
            config: self.config.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            calls: self.calls.clone(),
            interruption: Mutex::new(Message::new("interrupted")),
            meter: self.meter.clone(),
        }
    }

    /// Returns a copy for one of several runs in sequence, whose steps count the seconds, and whose times are measured, from
    /// now on.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self { ui: self.ui.restarted(), meter: Some(Arc::default()), ..self.of_stack("") }
    }

    /// Returns a copy that writes warnings and errors only, asks nothing, and makes its calls within a budget.
    #[must_use]
    pub fn within(&self, budget: Budget) -> Self {
        let calls = Calls::within(budget, self.ui.calls());
        let settings = Settings { quiet: true, yes: true, ..Settings::default() };
        Self { ui: Ui::new(settings), calls: Some(calls), ..self.of_stack("") }
    }

    /// Returns the folder of the stack file.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Returns the settings for a build of the code next to the stack file.
    #[must_use]
    pub fn project(&self) -> Project<'_> {
        Project { ui: &self.ui, folder: self.folder(), meter: self.meter.as_deref(), leave: None }
    }

    /// Reads the text of the stack file.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] if there is no such file, or it is not UTF-8.
    pub fn source(&self) -> Result<Source> {
        let bytes = files::read(&self.file).map_err(|error| match (error.kind(), self.searched) {
            (std::io::ErrorKind::NotFound, true) => Error::Usage(
                Message::new(format!("there is no file {STACK_FILE} here or in a folder above")).hint(
                    "create a project with `deployer init my-pipeline`, run this in the folder of your project, or name the \
                     file with `-f FILE`",
                ),
            ),
            (std::io::ErrorKind::NotFound, false) => Error::Usage(
                Message::new(format!("there is no file {}", self.file.display()))
                    .hint("create a project with a stack.yaml by `deployer init my-pipeline`"),
            ),
            _ => Error::io("read", &self.file, &error),
        })?;
        if self.searched && self.file.components().count() > 1 {
            static SAID: Once = Once::new();
            SAID.call_once(|| self.ui.note(format!("using {}", self.file.display())));
        }
        let name = self.file.display().to_string();
        let text = files::utf_8(&name, bytes)?;
        Ok(Source::new(name, text))
    }

    /// Reads the stack file as far as no stack must be known.
    ///
    /// # Errors
    /// Returns the errors of [`Context::source`], and [`Error::InvalidFile`] after its problems have been shown.
    pub fn load(&self) -> Result<Loaded> {
        let source = self.source()?;
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics);
        match document {
            Some(document) if !diagnostics.has_errors() => Ok(Loaded { source, document }),
            Some(document) => {
                // The rest of the file is checked too, so that one run reports everything.
                if let Some(target) = document.select(None).ok().or(document.stacks.first()) {
                    let _ = compile(&document, target, &self.config, &mut diagnostics);
                }
                Err(self.invalid(&source, &diagnostics)?)
            }
            None => Err(self.invalid(&source, &diagnostics)?),
        }
    }

    /// Reads the stack file and returns the model of one stack.
    ///
    /// # Errors
    /// Returns the errors of [`Context::load`]; also an error if no stack can be chosen.
    pub fn load_stack(&self, name: Option<&str>) -> Result<Stack> {
        self.load_stack_and_source(name).map(|(_, stack)| stack)
    }

    /// Reads the stack file and returns the model of one stack, with the text of the file, which has the line numbers.
    ///
    /// # Errors
    /// Returns the errors of [`Context::load_stack`].
    pub fn load_stack_and_source(&self, name: Option<&str>) -> Result<(Source, Stack)> {
        let loaded = self.load()?;
        let target = loaded.document.select(name).map_err(|error| document_error(&error))?;
        let compiled = self.checked(&loaded, target)?;
        Ok((loaded.source, compiled.stack))
    }

    /// Reads the stack file and compiles one stack. A command does this once for each stack, and passes the result on.
    ///
    /// # Errors
    /// Returns the errors of [`Context::load_stack`]; [`Error::Failed`] on a defect of the deployer.
    pub fn compile(&self, name: Option<&str>) -> Result<Compiled> {
        let loaded = self.load()?;
        let target = loaded.document.select(name).map_err(|error| document_error(&error))?;
        self.compile_in(&loaded, target)
    }

    /// Compiles a stack of a file that has been read.
    ///
    /// # Errors
    /// Returns the errors of [`Context::compile`].
    pub fn compile_in(&self, loaded: &Loaded, target: &StackTarget) -> Result<Compiled> {
        let compiled = self.checked(loaded, target)?;
        match &compiled.defect {
            Some(found) => Err(defect(found)),
            None => Ok(compiled),
        }
    }

    /// Compiles one stack as [`Context::compile`] does, and checks its template against `policies`: for commands that plan a
    /// change of the stack.
    ///
    /// # Errors
    /// Returns the errors of [`Context::compile`] and [`Context::check_policies`].
    pub fn compile_by_policies(&self, name: Option<&str>) -> Result<Compiled> {
        let loaded = self.load()?;
        let target = loaded.document.select(name).map_err(|error| document_error(&error))?;
        let compiled = self.compile_in(&loaded, target)?;
        self.check_policies(&loaded, &compiled)?;
        Ok(compiled)
    }

    /// Checks the template of a stack against `policies`.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] after the rules that the template breaks have been shown; [`Error::InvalidFile`] after the
    /// problems of rule files.
    pub fn check_policies(&self, Loaded { source, document }: &Loaded, compiled: &Compiled) -> Result<()> {
        let mut diagnostics = Diagnostics::default();
        let rules = RuleFiles::read(self.folder(), document, &mut diagnostics)?;
        if !diagnostics.has_errors()
            && let Some((file, problem)) = rules.apply(document, compiled, &mut diagnostics)?
        {
            return Err(self.invalid(&file, &problem)?);
        }
        if diagnostics.has_errors() { Err(self.invalid(source, &diagnostics)?) } else { Ok(()) }
    }

    /// Returns a stack without errors, and shows its warnings.
    fn checked(&self, Loaded { source, document }: &Loaded, target: &StackTarget) -> Result<Compiled> {
        let mut diagnostics = Diagnostics::default();
        match compile(document, target, &self.config, &mut diagnostics) {
            Some(compiled) => {
                if !diagnostics.is_empty() {
                    self.ui.warnings(source, &diagnostics);
                }
                Ok(compiled)
            }
            None => Err(self.invalid(source, &diagnostics)?),
        }
    }

    /// Shows the problems of a file that has errors, and returns the error for it.
    ///
    /// # Errors
    /// Returns [`Error::BrokenPipe`] if the reader is gone.
    pub fn invalid(&self, source: &Source, diagnostics: &Diagnostics) -> Result<Error> {
        self.ui.diagnostics(source, diagnostics)?;
        Ok(invalid_file(source, diagnostics))
    }

    /// Connects to a stack for commands that read the deployed stack, and must work while a resource in the file is
    /// wrong.
    ///
    /// # Errors
    /// Returns the errors of [`Context::load`] and [`Context::connect`]; [`Error::Refused`] if the file names another
    /// account.
    pub async fn open(&self, name: Option<&str>) -> Result<StackHandle> {
        let loaded = self.load()?;
        let target = loaded.document.select(name).map_err(|error| document_error(&error))?.clone();
        let session = self.connect(&target).await?;
        check_account(&target, &session)?;
        Ok(StackHandle { name: target.full_name(&loaded.document.name), target, loaded, session })
    }

    /// Returns the role that the file names for a stack.
    ///
    /// # Errors
    /// Returns [`Error::InvalidFile`] after the problems of the settings have been shown.
    pub fn role_of(&self, handle: &StackHandle) -> Result<Option<String>> {
        let Loaded { source, document } = &handle.loaded;
        let mut diagnostics = Diagnostics::default();
        match document.organisation(&handle.target, &self.config, &mut diagnostics) {
            Some(organisation) if !diagnostics.has_errors() => Ok(organisation.role_arn),
            _ => Err(self.invalid(source, &diagnostics)?),
        }
    }

    /// Returns what is told of each call: the output, with `--verbose`, and the meter.
    fn calls(&self) -> Option<Calls> {
        match (self.ui.calls(), self.meter.clone()) {
            (None, None) => None,
            (shown, meter) => Some(Calls::to(move |name, answer, took| {
                if let Some(shown) = &shown {
                    shown(name, answer, took);
                }
                if let Some(meter) = &meter {
                    meter.note(Waits::Call, took);
                }
            })),
        }
    }

    /// Connects to the target of a stack.
    ///
    /// # Errors
    /// Returns an error if the local cloud does not run, no region is set, or there are no valid credentials.
    pub async fn connect(&self, stack: &StackTarget) -> Result<Session> {
        self.reach(stack).await?.identify().await
    }

    /// Connects to the target of a stack, without identifying the caller.
    ///
    /// # Errors
    /// Returns an error if the local cloud does not run, or no region is set.
    pub async fn reach(&self, stack: &StackTarget) -> Result<Unidentified> {
        let connection = match stack.target {
            deployer_lang::model::target::Target::Local => {
                let endpoint = match &stack.endpoint {
                    Some(endpoint) => endpoint.clone(),
                    None => deployer_local::state::running(self.folder())?.endpoint,
                };
                Connection::Local { endpoint, region: self.region.clone().or_else(|| stack.region.clone()) }
            }
            deployer_lang::model::target::Target::Aws => Connection::Aws {
                region: self.region.clone().or_else(|| stack.region.clone()),
                profile: self.profile.clone(),
            },
        };
        let calls = self.calls.clone().or_else(|| self.calls());
        Unidentified::open(connection, calls).await
    }
}

/// Refuses credentials of an account other than the one that the file names.
///
/// # Errors
/// Returns [`Error::Refused`] for another account.
pub fn check_account(target: &StackTarget, session: &Session) -> Result<()> {
    match &target.account {
        Some(account) if *account != session.account => Err(Error::Refused(
            Message::new(format!(
                "stack `{}` belongs to account {account}, but these credentials belong to account {}",
                target.stack, session.account
            ))
            .hint("use other credentials (`--profile`), or change `account:` of the stack"),
        )),
        _ => Ok(()),
    }
}

/// Returns the error for a template that is wrong though the file is right.
pub fn defect(found: &impl std::fmt::Display) -> Error {
    Error::failed_with_hint(found.to_string(), "this is a defect of deployer; please report it")
}

/// The code of a part of the template that breaks a rule of `policies`. The file is valid, but must not be deployed.
const BROKEN_RULE: &str = "E0388";

/// Returns the error for a file whose problems have been shown.
pub fn invalid_file(source: &Source, diagnostics: &Diagnostics) -> Error {
    let problems = diagnostics.sorted();
    let errors: Vec<_> = problems.iter().filter(|one| one.severity == Severity::Error).collect();
    if !errors.is_empty() && errors.iter().all(|one| one.code == BROKEN_RULE) {
        let places = if errors.len() == 1 { "1 place" } else { &format!("{} places", errors.len()) };
        return Error::Refused(
            Message::new(format!(
                "{} breaks the rules of its `policies` in {places}; nothing was done",
                source.name
            ))
            .hint("change the resources, or the rules"),
        );
    }
    Error::InvalidFile { errors: errors.len(), file: source.name.clone() }
}

/// Returns the error for a stack that can't be chosen.
pub fn document_error(error: &SelectError) -> Error {
    Error::Usage(Message::new(error.to_string()).hint("`deployer ls` lists the stacks of the file"))
}
