//! The known failures: AWS's words for them, their meaning, and the fix in terms of `stack.yaml`.
//!
//! The entries are data: `known.yaml`, whose beginning describes the parts of an entry. It is read when the first
//! failure is looked up, and not before. Patterns are matched against the message alone ([`Reason`]); their captures
//! fill the places in the texts.

use std::sync::OnceLock;

use deployer_cfn::status::Status;
use regex::{Captures, Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reason;

static TABLE: &str = include_str!("known.yaml");

/// A known failure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Stable name, such as `bucket-name-taken`.
    pub id: String,
    /// Beginnings of the CloudFormation types that fail like that; empty for any.
    #[serde(default)]
    pub types: Vec<String>,
    /// Patterns of the message. Groups are named after the places in the texts that they fill.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// `HandlerErrorCode`, or the service's own code, that tells the cause without any pattern.
    #[serde(default)]
    pub codes: Vec<String>,
    /// `true` if the captured `name` must be one that the stack computes: it begins with the name of the stack.
    #[serde(default, rename = "own-name")]
    pub own_name: bool,
    /// The time after which the same operation may succeed without a change.
    pub passing: Option<Passing>,
    /// The meaning, without a full stop.
    pub meaning: String,
    /// The fix, without a full stop.
    pub fix: String,
    /// Examples of such reasons, as AWS words them.
    pub examples: Vec<String>,
    /// Reasons that are similar and mean something else.
    #[serde(default)]
    pub unlike: Vec<String>,
    /// Source of the words.
    pub source: String,
}

/// Duration of a failure that passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Passing {
    /// After seconds, or a few minutes.
    Soon,
    /// Soon, if the same operation created or changed a role or a policy, which IAM has yet to spread.
    #[schemars(skip)]
    AfterIamChange,
    /// After a longer wait, or with new credentials.
    Later,
}

impl Passing {
    /// Returns the time in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Soon => "This failure is temporary, and usually ends within minutes",
            Self::AfterIamChange => {
                "This failure is temporary, and ends within minutes, if the same deployment created or changed a role or policy"
            }
            Self::Later => "This failure is temporary, and ends after a longer wait or with new credentials",
        }
    }
}

/// The resource that failed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// CloudFormation type.
    pub resource_type: &'s str,
    /// Logical ID.
    pub logical_id: &'s str,
    /// Name, URL, ID or ARN, or nothing.
    pub physical_id: &'s str,
    /// Name in `stack.yaml` of the resource that it was made for.
    pub origin: Option<&'s str>,
    /// Name of the stack in CloudFormation.
    pub stack: Option<&'s str>,
}

/// A known failure with its texts filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub known: &'static Known,
    /// The meaning in this case.
    pub meaning: String,
    /// The fix in this case.
    pub fix: String,
}

/// Returns all known failures; a test checks that the file can be read.
#[must_use]
pub fn table() -> &'static [Known] {
    static READ: OnceLock<Vec<Known>> = OnceLock::new();
    READ.get_or_init(|| serde_yaml::from_str(TABLE).unwrap_or_default())
}

impl Known {
    /// Returns whether the same operation may succeed later without a change.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.passing.is_some()
    }

    /// Returns the types that fail like that, in words.
    #[must_use]
    pub fn types_in_words(&self) -> String {
        match self.types.as_slice() {
            [] => "any resource".to_owned(),
            types => types
                .iter()
                .map(|name| format!("`{name}{}`", if name.ends_with("::") { "*" } else { "" }))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    fn is_of(&self, resource_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|start| resource_type.starts_with(start.as_str()))
    }
}

/// Returns the entry of this name.
#[must_use]
pub fn entry(id: &str) -> Option<&'static Known> {
    table().iter().find(|known| known.id == id)
}

/// Returns the patterns of each entry, compiled when the first failure is looked up.
fn patterns() -> &'static [Vec<Regex>] {
    static PATTERNS: OnceLock<Vec<Vec<Regex>>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let compile = |pattern: &String| RegexBuilder::new(pattern).dot_matches_new_line(true).build().ok();
        table().iter().map(|known| known.patterns.iter().filter_map(compile).collect()).collect()
    })
}

/// Returns the first entry that explains a reason: one whose pattern fits, else one whose code does.
#[must_use]
pub fn find(subject: &Subject, reason: &Reason) -> Option<Found> {
    let of_type = || table().iter().zip(patterns()).filter(|(known, _)| known.is_of(subject.resource_type));
    let by_pattern = of_type().find_map(|(known, patterns)| {
        let found = patterns.iter().find_map(|pattern| pattern.captures(reason.message))?;
        (!known.own_name || is_own(subject, &found)).then_some((known, Some(found)))
    });
    let has_code = |known: &Known| {
        let codes = [reason.handler_code, reason.error_code];
        codes.iter().flatten().any(|code| known.codes.iter().any(|known| known == code))
    };
    let (known, captures) = by_pattern
        .or_else(|| of_type().find(|(known, _)| has_code(known)).map(|(known, _)| (known, None)))?;
    let fill = |text: &str| fill(text, subject, captures.as_ref());
    Some(Found { known, meaning: fill(&known.meaning), fix: fill(&known.fix) })
}

/// Returns whether the name that was found begins with the name of the stack.
fn is_own(subject: &Subject, found: &Captures) -> bool {
    let rest =
        found.name("name").zip(subject.stack).and_then(|(name, stack)| name.as_str().strip_prefix(stack));
    rest.is_some_and(|rest| rest.starts_with('-'))
}

/// Returns the fix for an unknown failure.
#[must_use]
pub fn general_fix(subject: &Subject, status: &str) -> String {
    let text = match Status::of(status) {
        Status::DeleteFailed => {
            "fix what the message says about {resource}, then run `deployer recover`, which otherwise keeps it"
        }
        _ => "change {resource} as the message asks, then run `deployer deploy` again",
    };
    fill(text, subject, None)
}

/// Puts what was found into the places of a text.
fn fill(text: &str, subject: &Subject, captures: Option<&Captures>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, after)) if is_place(name) => {
                out.push_str(&place(name, subject, captures));
                rest = after;
            }
            // Braces of an example.
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_place(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_lowercase())
}

fn place(name: &str, subject: &Subject, captures: Option<&Captures>) -> String {
    let captured = captures.and_then(|captures| captures.name(name)).map(|found| found.as_str().trim());
    match (name, captured) {
        (_, Some(text)) if !text.is_empty() => text.to_owned(),
        ("resource", _) => {
            let name = subject.origin.unwrap_or(subject.logical_id);
            format!("`{name}`")
        }
        ("name", _) if !subject.physical_id.is_empty() => subject.physical_id.to_owned(),
        ("name", _) => subject.logical_id.to_owned(),
        _ => "(not named)".to_owned(),
    }
}
