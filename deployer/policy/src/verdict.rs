//! What the process that evaluates rules is asked, and what it answers.

use serde::{Deserialize, Serialize};

/// Rule files to evaluate for a template.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The template, as JSON.
    pub template: String,
    /// The texts of the rule files.
    pub rules: Vec<String>,
}

/// The result of one rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The rules were evaluated.
    Evaluated(Evaluated),
    /// The text is not of Guard's language.
    Unreadable(Unreadable),
    /// The rules can't be evaluated for this template, for a reason in Guard's words.
    Unusable(String),
}

/// The outcome of the rules of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluated {
    /// Number of rules that the template follows.
    pub followed: usize,
    /// Number of rules that do not apply to the template.
    pub skipped: usize,
    /// What breaks a rule.
    pub failures: Vec<Failure>,
}

impl Evaluated {
    /// Returns whether the file has no rules.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.followed + self.skipped + self.failures.len() == 0
    }
}

/// A part of the template that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Name of the rule; `None` for clauses outside of rules.
    pub rule: Option<String>,
    /// Path of the part, such as `/Resources/Jobs/Properties`; empty if Guard names none.
    pub path: String,
    /// Properties below the path that are missing, joined with `.`.
    pub missing: Option<String>,
    /// The demand that the part does not meet, such as `must exist`.
    pub demand: String,
    /// The message in the rule file.
    pub message: Option<String>,
}

/// A place where a rule file can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What Guard expected there; empty if it does not say.
    pub expected: String,
}

impl Failure {
    /// Describes the failure of a part of the template, such as `` `Jobs` ``.
    pub(crate) fn describe(&self, subject: &str) -> String {
        match (&self.missing, self.demand.as_str()) {
            (Some(missing), "" | "must exist") => format!("{subject} has no `{missing}`"),
            (Some(missing), demand) => format!("{subject} has no `{missing}`, which {demand}"),
            (None, demand) => format!("{subject} {demand}"),
        }
    }
}
