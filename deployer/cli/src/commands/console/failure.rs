//! Errors as the page shows them.

use deployer_base::error::{Error, Message};
use deployer_console::backend::{Cause, Failed};
use deployer_console::model::{FileProblem, Problem, Severity};
use deployer_syntax::{Diagnostics, Source, diagnostic};

/// Returns an error as a problem.
pub fn problem(error: &Error) -> Problem {
    let Message { text, hint, .. } = error.message().unwrap_or_else(|| Message::new(error.to_string()));
    Problem { text, hint }
}

/// Returns an error as the failure of a request.
pub fn failed(error: &Error) -> Failed {
    let cause = match error {
        Error::Usage(_) | Error::InvalidFile { .. } => Cause::Request,
        Error::Credentials(_) => Cause::Denied,
        Error::Aws(error) if error.is_about_credentials() || error.is_denied() => Cause::Denied,
        Error::Refused(_) | Error::Incomplete(_) | Error::Differences(_) | Error::Deployment(_) => {
            Cause::Conflict
        }
        _ => Cause::Service,
    };
    let Problem { text, hint } = problem(error);
    Failed { cause, text, hint }
}

/// Returns the problems of a stack file.
pub fn problems(source: &Source, diagnostics: &Diagnostics) -> Vec<FileProblem> {
    let problem = |one: &diagnostic::Diagnostic| {
        let place = source.position(one.span.start);
        FileProblem {
            severity: match one.severity {
                diagnostic::Severity::Error => Severity::Error,
                diagnostic::Severity::Warning => Severity::Warning,
            },
            code: one.code.to_owned(),
            text: one.message.clone(),
            file: source.name.clone(),
            line: place.line,
            column: place.column,
            help: one.help.clone(),
        }
    };
    diagnostics.sorted().into_iter().map(problem).collect()
}
