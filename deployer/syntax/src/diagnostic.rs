//! The problems of a file with their places: collected by every stage, so that one run reports all of them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::fix::Fix;

/// A range of bytes in the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Returns the part `from..to` (bytes) of this span.
    #[must_use]
    pub fn slice(self, from: usize, to: usize) -> Self {
        Self { start: (self.start + from).min(self.end), end: (self.start + to).min(self.end) }
    }
}

/// The text of a file and its name, for messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Byte offset at which each line begins.
    lines: Vec<usize>,
}

/// A place in a text as people and editors count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// Creates a source from its name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, lines }
    }

    /// Returns the line and column of a byte offset; an offset past the end is the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // A byte order mark is not a character that anybody sees.
        let column = String::from_utf8_lossy(before).trim_start_matches('\u{feff}').chars().count() + 1;
        Position { line, column }
    }
}

/// Severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// The file can be used; something in it is likely not meant.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code (`E0102`).
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The problem, without its place and without a full stop.
    pub message: String,
    /// The text that is wrong.
    pub span: Span,
    /// The text under the marked part.
    pub label: String,
    /// The solution of the problem.
    pub help: Option<String>,
    /// The change of the text that is the solution, where one is certain.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// Creates an error at a place.
    #[must_use]
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            help: None,
            fix: None,
        }
    }

    /// Creates a warning at a place.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Sets the text under the marked part.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the help: the solution of the problem.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the change of the text that is the solution.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Adds `did you mean …`, and the change from the wrong name to the right one.
    #[must_use]
    pub fn did_you_mean(self, wrong: &str, right: &str) -> Self {
        self.help(format!("did you mean `{right}`?"))
            .fix(Fix::Word { wrong: wrong.to_owned(), right: right.to_owned() })
    }

    /// Adds `did you mean …` if one of the known names is near; otherwise the list of them.
    #[must_use]
    pub fn suggest<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(wrong, &known) {
            Some(name) => self.did_you_mean(wrong, name),
            None if known.is_empty() => self,
            None => {
                let shown: Vec<String> =
                    known.iter().take(MAX_SHOWN).map(|name| format!("`{name}`")).collect();
                let more = match known.len().saturating_sub(MAX_SHOWN) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                self.help(format!("valid here: {}{more}", shown.join(", ")))
            }
        }
    }
}

/// Known names that a message lists.
const MAX_SHOWN: usize = 16;
/// Length beyond that of any name of the language; a longer text resembles none.
const MAX_NAME: usize = 80;

/// Returns the known name nearest to a wrong one, if it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    if wrong.is_empty() || wrong.len() > MAX_NAME {
        return None;
    }
    let folded = wrong.to_lowercase().replace(['-', '_'], "");
    known
        .iter()
        .map(|name| {
            let candidate = name.to_lowercase().replace(['-', '_'], "");
            (strsim::damerau_levenshtein(&folded, &candidate), *name)
        })
        .filter(|(distance, name)| *distance <= name.chars().count().max(3) / 3)
        .min()
        .map(|(_, name)| name)
}

/// All problems of one run, sorted by position when shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds the problems of another run.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns whether the file can't be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Returns the number of problems.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no problems.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the problems by position, each once.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.0.iter().collect();
        all.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        all.dedup();
        all
    }

    /// Returns one line per problem (`file:line:column: error[E0102]: message; help: …`), as compilers print it.
    #[must_use]
    pub fn to_lines(&self, source: &Source) -> String {
        self.sorted().into_iter().fold(String::new(), |mut out, diagnostic| {
            let Position { line, column } = source.position(diagnostic.span.start);
            out.push_str(&format!("{}:{line}:{column}: {diagnostic}\n", source.name));
            out
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(formatter, "{severity}[{}]: {}", self.code, self.message)?;
        if let Some(help) = &self.help {
            write!(formatter, "; help: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("s", "a: 1\nß: ü\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(5), Position { line: 2, column: 1 });
        assert_eq!(source.position(9), Position { line: 2, column: 4 });
        assert_eq!(source.position(999), Position { line: 3, column: 1 });
        assert_eq!(Source::new("s", "\u{feff}a: 1").position(3), Position { line: 1, column: 1 });
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["visibilityTimeout", "deadLetter"];
        assert_eq!(nearest("visibilty_timeout", &known), Some("visibilityTimeout"));
        assert_eq!(nearest("deadletters", &known), Some("deadLetter"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &["a"]), None);
    }
}
