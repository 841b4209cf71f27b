//! The rule files of a stack file, and the process that evaluates them.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use deployer_base::error::{Error, Result};
use deployer_base::ui::Ui;
use deployer_lang::document::Policy;
use deployer_lang::{Compiled, Document};
use deployer_policy::{Request, Verdict};
use deployer_syntax::{Diagnostics, Source};
use glob::{MatchOptions, Pattern};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Largest rule file, in bytes: the largest of AWS's has 12,000.
const MAX_BYTES: u64 = 1 << 20;
/// Most rule files: AWS publishes 210.
const MAX_FILES: usize = 2_000;
/// Processor time for the rules of one template, in seconds.
const MAX_SECONDS: u64 = 30;
/// Memory for them, in bytes.
const MAX_MEMORY: u64 = 4 << 30;

/// Evaluate rules for another process
#[derive(Debug, clap::Args)]
pub struct Evaluate {}

/// The rule files of a stack file.
pub struct RuleFiles<'d>(Vec<(Source, &'d Policy)>);

impl<'d> RuleFiles<'d> {
    /// Reads the rule files that the stack file in a folder names; problems of their paths are added to `diagnostics`.
    ///
    /// # Errors
    /// Returns none: what can't be read is a problem of the stack file.
    pub fn read(folder: &Path, document: &'d Document, diagnostics: &mut Diagnostics) -> Result<Self> {
        let mut files = Vec::new();
        let mut known = BTreeSet::new();
        for policy in &document.policies {
            match paths(folder, &policy.pattern) {
                Ok(paths) => {
                    for path in paths.into_iter().filter(|path| known.insert(path.clone())) {
                        match read(&path) {
                            Ok(source) => files.push((source, policy)),
                            Err((reason, help)) => {
                                diagnostics.push(deployer_policy::not_read(policy, &reason, &help));
                            }
                        }
                    }
                }
                Err(reason) => diagnostics.push(deployer_policy::no_file(policy, &reason)),
            }
        }
        Ok(Self(files))
    }

    /// Returns the paths of the rule files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(source, _)| Path::new(&source.name))
    }

    /// Returns the number of rule files.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// Evaluates the rules for the template of a stack, and adds what breaks them to `diagnostics`. Returns the first rule file
    /// that is not of Guard's language, with its problem.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if no process can be started.
    pub fn apply(
        &self,
        document: &Document,
        compiled: &Compiled,
        diagnostics: &mut Diagnostics,
    ) -> Result<Option<(Source, Diagnostics)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let rules = self.0.iter().map(|(source, _)| source.text.clone()).collect();
        let (verdicts, status) =
            ask(evaluator()?, &Request { template: compiled.template.to_json(), rules })?;
        for ((source, policy), verdict) in self.0.iter().zip(&verdicts) {
            match verdict {
                // AWS publishes files of comments alone, for rules that templates can't follow; a pattern may include them.
                Verdict::Evaluated(found) if found.is_empty() && !policy.is_pattern() => {
                    return Ok(Some(only(source, deployer_policy::without_rules())));
                }
                Verdict::Evaluated(found) => {
                    let template = &compiled.template;
                    deployer_policy::problems(
                        document,
                        template,
                        policy,
                        source,
                        &found.failures,
                        diagnostics,
                    );
                }
                Verdict::Unreadable(found) => {
                    return Ok(Some(only(source, deployer_policy::unreadable(source, found))));
                }
                Verdict::Unusable(reason) => {
                    diagnostics.push(deployer_policy::unusable(policy, source, reason));
                }
            }
        }
        // The files are evaluated in their order, so the first one without an answer ended the process.
        if let Some((source, policy)) = self.0.get(verdicts.len()) {
            diagnostics.push(deployer_policy::unusable(policy, source, &end(status)));
        }
        Ok(None)
    }
}

fn only(source: &Source, problem: deployer_syntax::Diagnostic) -> (Source, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(problem);
    (source.clone(), diagnostics)
}

/// Returns the files that a pattern names, sorted.
fn paths(folder: &Path, pattern: &str) -> std::result::Result<Vec<PathBuf>, String> {
    let folder = if folder == Path::new(".") { Path::new("") } else { folder };
    let whole = Path::new(&Pattern::escape(&folder.display().to_string())).join(pattern);
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let found = glob::glob_with(&whole.display().to_string(), options)
        .map_err(|error| format!("`{pattern}` is not a pattern of paths: {error}"))?;
    let mut files = Vec::new();
    let mut folders = 0;
    for path in found {
        let path = path.map_err(|error| format!("`{pattern}`: {error}"))?;
        match path.is_dir() {
            true => folders += 1,
            false if files.len() == MAX_FILES => {
                return Err(format!("`{pattern}` names more than {MAX_FILES} files"));
            }
            false => files.push(path),
        }
    }
    match (files.is_empty(), folders) {
        (true, 0) => Err(format!("`{pattern}` names no file")),
        (true, _) => Err(format!("`{pattern}` names a folder, not a rule file")),
        (false, _) => Ok(files),
    }
}

/// Reads a rule file; else returns what is wrong with it, and what would be right.
fn read(path: &Path) -> std::result::Result<Source, (String, String)> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| {
        (
            format!("could not read {name}: {error}"),
            "make the file readable, or remove it from `policies`".to_owned(),
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        let help = "name rule files: a folder or a device has no rules".to_owned();
        return Err((format!("{name} is not a regular file"), help));
    }
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        let help = "split the file; `rules/*.guard` names several".to_owned();
        return Err((format!("{name} has more than {MAX_BYTES} bytes"), help));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
            let help = "save the file as UTF-8; an editor may have written it in another encoding".to_owned();
            Err((format!("{name} is not UTF-8: line {line} has other bytes"), help))
        }
    }
}

/// Returns the other process.
fn evaluator() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg(COMMAND).env_clear();
    Ok(command)
}

fn failed(error: std::io::Error) -> Error {
    Error::failed(format!("could not evaluate the rules of `policies`: {error}"))
}

/// Asks another process, and returns its verdicts and how it ended.
fn ask(mut evaluator: Command, request: &Request) -> Result<(Vec<Verdict>, ExitStatus)> {
    let mut child = evaluator
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        let request = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        // The process may be gone before it has read everything; its end is told below. It reads all before it writes.
        let _ = input.write_all(&request);
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok((text.lines().map_while(|line| serde_json::from_str(line).ok()).collect(), output.status))
}

/// Describes the end of a process that did not evaluate everything.
fn end(status: ExitStatus) -> String {
    match status.signal() {
        Some(XCPU | KILL) => format!("that takes more than {MAX_SECONDS} seconds of processor time"),
        Some(ABRT | SEGV) => "AWS CloudFormation Guard crashes".to_owned(),
        _ => format!("AWS CloudFormation Guard ended early ({status})"),
    }
}

/// Signals by their numbers on Linux and macOS.
const ABRT: i32 = 6;
const KILL: i32 = 9;
const SEGV: i32 = 11;
const XCPU: i32 = 24;

/// The command of the other process.
const COMMAND: &str = "evaluate-rules";

/// Evaluates the request on stdin: writes the verdict of each rule file as a line of JSON.
///
/// # Errors
/// Returns [`Error::Failed`] if stdin has no request.
pub fn evaluate(ui: &Ui) -> Result<()> {
    for (resource, most) in [(Resource::Cpu, MAX_SECONDS), (Resource::As, MAX_MEMORY), (Resource::Core, 0)] {
        // A system that has no such limit evaluates without it.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most + 1) });
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let request: Request =
        serde_json::from_str(&text).map_err(|error| Error::failed(format!("no request: {error}")))?;
    for rules in &request.rules {
        let verdict = deployer_policy::evaluate(rules, &request.template);
        let line = serde_json::to_string(&verdict).map_err(|error| Error::failed(error.to_string()))?;
        ui.data(&format!("{line}\n"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stand-ins for an evaluator that crashes, or that the system ends at a limit.
    #[test]
    fn a_process_that_ends_early_ends_no_command() {
        let first = serde_json::to_string(&deployer_policy::evaluate(
            "rule A { Resources exists }",
            "{\"Resources\":{}}",
        ));
        let first = first.expect("JSON");
        let request = Request { template: "{}".to_owned(), rules: vec![String::new(), String::new()] };
        for (signal, words) in [
            ("SEGV", "Guard crashes"),
            ("ABRT", "Guard crashes"),
            ("XCPU", "more than 30 seconds of processor time"),
            ("KILL", "more than 30 seconds of processor time"),
            ("TERM", "Guard ended early"),
        ] {
            for (lines, verdicts) in [("", 0), (first.as_str(), 1)] {
                let mut shell = Command::new("/bin/sh");
                shell.args([
                    "-c",
                    "ulimit -c 0; cat > /dev/null; printf '%s' \"$1\"; kill -$2 $$",
                    "sh",
                    lines,
                    signal,
                ]);
                let (found, status) = ask(shell, &request).expect("an end");
                assert_eq!(found.len(), verdicts, "{signal}");
                assert!(end(status).contains(words), "{signal}: {}", end(status));
            }
        }
        // It ends before it has read the request.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exit 3"]);
        let large = Request { template: "x".repeat(1 << 20), rules: Vec::new() };
        let (found, status) = ask(shell, &large).expect("an end");
        assert!(found.is_empty() && end(status).contains("exit status: 3"), "{status}");
    }

    #[test]
    fn patterns_name_files_in_their_order() {
        let folder = std::env::temp_dir().join(format!("deployer-policies-{}[1]", std::process::id()));
        std::fs::create_dir_all(folder.join("rules/deep")).expect("folders");
        for name in ["rules/b.guard", "rules/a.guard", "rules/deep/c.guard"] {
            std::fs::write(folder.join(name), "").expect("a file");
        }
        let named = |pattern: &str| {
            paths(&folder, pattern).map(|paths| {
                let names = paths
                    .iter()
                    .map(|path| path.strip_prefix(&folder).expect("inside").display().to_string());
                names.collect::<Vec<_>>()
            })
        };
        assert_eq!(named("rules/*.guard"), Ok(vec!["rules/a.guard".to_owned(), "rules/b.guard".to_owned()]));
        assert_eq!(named("rules/**/*.guard").map(|names| names.len()), Ok(3));
        assert_eq!(named("rules/a.guard").map(|names| names.len()), Ok(1));
        assert_eq!(named("rules"), Err("`rules` names a folder, not a rule file".to_owned()));
        assert_eq!(named("rules/x*"), Err("`rules/x*` names no file".to_owned()));
        assert!(named("rules/[").is_err_and(|reason| reason.contains("not a pattern")));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
