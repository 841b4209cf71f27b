//! The check of a file: everything that is wrong with it, in all of its stacks.

use deployer_lang::{Compiled, Document, compile};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::{Severity, Source};

/// The result of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// The problems, in the order of the text, each once.
    pub problems: Vec<Diagnostic>,
    /// The stacks that have no errors.
    pub stacks: Vec<Compiled>,
}

impl Checked {
    /// Returns the errors among the problems.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

/// Checks a file as `deployer check` does. `overrides` are the `--config k=v` of the command line.
#[must_use]
pub fn check(source: &Source, overrides: &[(String, String)]) -> Checked {
    let mut diagnostics = Diagnostics::default();
    let mut stacks = Vec::new();
    if let Some(document) = Document::parse(source, &mut diagnostics) {
        for target in &document.stacks {
            stacks.extend(compile(&document, target, overrides, &mut diagnostics));
        }
    }
    Checked { problems: diagnostics.sorted().into_iter().cloned().collect(), stacks }
}
