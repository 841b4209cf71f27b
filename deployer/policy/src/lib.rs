//! Rules of AWS CloudFormation Guard about a template.
//!
//! [`evaluate`] applies one rule file to a template, and [`problems`] finds the places in the stack file for what it returns.
//! Rule files are hostile input, and some end the process that evaluates them. So the deployer calls [`evaluate`] in a process of its own
//! ([`Request`] and [`Verdict`] are what the two processes say), and an end of that process is [`unusable`].

mod guard;
mod place;
mod report;
mod verdict;

use deployer_cfn::template::Template;
use deployer_lang::Document;
use deployer_lang::document::Policy;
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Source, Span};

pub use guard::evaluate;
pub use verdict::{Evaluated, Failure, Request, Unreadable, Verdict};

/// Adds a problem for each failure, at the place in the stack file that it comes from.
pub fn problems(
    document: &Document,
    template: &Template,
    policy: &Policy,
    rules: &Source,
    failures: &[Failure],
    diagnostics: &mut Diagnostics,
) {
    for failure in failures {
        let found = place::find(document, template, &failure.path);
        let rule = match &failure.rule {
            Some(name) => match line_of(&rules.text, name) {
                Some(line) => format!("the rule `{name}` ({}:{line})", rules.name),
                None => format!("the rule `{name}` ({})", rules.name),
            },
            None => format!("a clause outside of rules ({})", rules.name),
        };
        let message = format!("{rule} fails: {}", failure.describe(&found.subject));
        let help = match &failure.message {
            Some(message) => message.clone(),
            None => "change the resource; `deployer synth` shows the template that the rules are applied to"
                .to_owned(),
        };
        let span = found.span.unwrap_or(policy.span);
        diagnostics.push(Diagnostic::error("E0388", span, message).label(found.label).help(help));
    }
}

/// Returns the problem of a rule file that is not of Guard's language, with its place in that file.
#[must_use]
pub fn unreadable(rules: &Source, found: &Unreadable) -> Diagnostic {
    let message = match found.expected.as_str() {
        "" => "this is not a rule or a clause of AWS CloudFormation Guard".to_owned(),
        expected => format!("this is not a rule or a clause of AWS CloudFormation Guard: {expected}"),
    };
    Diagnostic::error("E0389", span_at(rules, found.line, found.column), message)
        .help("write `rule name { Resources.*[ Type == 'AWS::SQS::Queue' ].Properties.KmsMasterKeyId exists }`; the parser may stop a line after the mistake")
}

/// Returns the problem of a rule file without rules, which would never fail.
#[must_use]
pub fn without_rules() -> Diagnostic {
    Diagnostic::error("E0389", Span::default(), "the file has no rules")
        .help("write a rule, or remove the file from `policies`")
}

/// Returns the problem of a path that names no rule file that can be read.
#[must_use]
pub fn no_file(policy: &Policy, reason: &str) -> Diagnostic {
    Diagnostic::error("E0390", policy.span, reason.to_owned())
        .help("paths are relative to the stack file; `rules/*.guard` is every rule file of a folder, `rules/**/*.guard` also those in folders below")
}

/// Returns the problem of a rule file that exists and can't be read.
#[must_use]
pub fn not_read(policy: &Policy, reason: &str, help: &str) -> Diagnostic {
    Diagnostic::error("E0390", policy.span, reason.to_owned()).help(help.to_owned())
}

/// Returns the problem of a rule file whose evaluation did not come to a result.
#[must_use]
pub fn unusable(policy: &Policy, rules: &Source, reason: &str) -> Diagnostic {
    Diagnostic::error("E0391", policy.span, format!("{} can't be evaluated: {reason}", rules.name))
        .help("change the rule file; nothing was decided by its rules")
}

/// Returns the line on which a rule begins.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let begins = |line: &str| {
        let rest = line.trim_start().strip_prefix("rule")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start().strip_prefix(name)?;
        (!rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')).then_some(())
    };
    text.lines().position(|line| begins(line).is_some()).map(|index| index + 1)
}

/// Returns the place of a line and a column: from there to the end of the line.
fn span_at(source: &Source, line: usize, column: usize) -> Span {
    let start: usize = source.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = source.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let skipped: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    Span { start: start + skipped, end: start + rest.trim_end().len().max(skipped) }
}

#[cfg(test)]
mod tests {
    use deployer_syntax::diagnostic::Position;

    use super::*;

    #[test]
    fn rules_are_found_by_their_names() {
        let text = "# rule a\nrule ab when x {\n}\n  rule  a{\n}\nrule a_b { }\n";
        assert_eq!(line_of(text, "a"), Some(4));
        assert_eq!(line_of(text, "a_b"), Some(6));
        assert_eq!(line_of(text, "b"), None);
    }

    #[test]
    fn places_are_those_of_characters() {
        let source = Source::new("a.guard", "ü\nßß x\n");
        let at = |line, column| source.position(span_at(&source, line, column).start);
        assert_eq!(at(2, 4), Position { line: 2, column: 4 });
        assert_eq!(at(2, 99), Position { line: 2, column: 5 });
        assert_eq!(at(99, 1), Position { line: 3, column: 1 });
    }
}
