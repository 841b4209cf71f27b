//! A new name for a resource or a config value, everywhere in the file.

use std::collections::BTreeSet;

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::edit::{Edit, apply};
use deployer_syntax::{Source, yaml};

use crate::occurrences::{Occurrence, Target};
use crate::problems::{Checked, check};

/// The changes of a rename.
#[derive(Debug)]
pub struct Renamed {
    /// The changes, in the order of the text.
    pub edits: Vec<Edit>,
    /// The consequence for what is deployed, if there is one.
    pub warning: Option<String>,
}

/// Returns the changes that give a target a new name.
///
/// # Errors
/// Returns the reason why the target can't have the name: a problem that the file would get by it.
pub fn rename(
    source: &Source,
    occurrences: &[Occurrence],
    target: &Target,
    name: &str,
    overrides: &[(String, String)],
) -> Result<Renamed, String> {
    let old = match target {
        Target::Resource(old) | Target::Config(old) => old,
    };
    let mut edits = Vec::new();
    for Occurrence { span, .. } in occurrences.iter().filter(|one| one.target == *target) {
        // A function may name a resource by its logical ID.
        let written = source.text.get(span.start..span.end).unwrap_or_default();
        if written != old && (written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            let line = source.position(span.start).line;
            return Err(format!("line {line} names `{old}` in a text with escapes; change this text first"));
        }
        edits.push(Edit { span: *span, text: name.to_owned() });
    }
    // A name that is not a word would be read as something else than a name.
    let is_word = !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_word {
        let name = yaml::shorten(name);
        return Err(format!(
            "`{name}` can't be a name: write letters, digits, `-` and `_`, beginning with a letter"
        ));
    }
    let changed = apply(&source.text, &edits).ok_or_else(|| format!("the names of `{old}` overlap"))?;
    let before = check(source, overrides);
    let changed = Source::new(source.name.as_str(), changed);
    // The check of a file with errors may stop before a reference that is left over.
    if before.errors().next().is_some()
        && let Some(at) = left_over(&changed.text, old)
    {
        let line = changed.position(at).line;
        return Err(format!(
            "the file has errors, and line {line} seems to name `{old}` in a place that can't be read; fix the errors first"
        ));
    }
    let after = check(&changed, overrides);
    if let Some(new) = new_error(&before, &after) {
        let help = new.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        return Err(format!("`{old}` can't be renamed to `{name}`: {}{help}", new.message));
    }
    let warning = match target {
        Target::Resource(_) if before.stacks.is_empty() => Some(format!(
            "the file has errors, so that the logical IDs that the rename of `{old}` changes are not known; the next deployment \
             replaces a resource whose logical ID changes"
        )),
        Target::Resource(_) => lost(&before, &after).map(|lost| {
            format!(
                "the rename of `{old}` to `{name}` changes logical IDs: the next deployment creates new resources in place of {lost}. \
                 To rename what is deployed instead, add `was: {old}` to `{name}`"
            )
        }),
        Target::Config(_) => None,
    };
    Ok(Renamed { edits, warning })
}

/// Returns the first place that seems to refer to a name.
fn left_over(text: &str, name: &str) -> Option<usize> {
    /// Words on the line before a name that say that it is one of a resource or of a config value.
    const BEFORE: [&str; 6] = ["Ref", "GetAtt", "dependsOn", "DependsOn", "${", "config."];
    let is_word = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        let (before, after) =
            (text.get(..*at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
        let line = before.rsplit('\n').next().unwrap_or_default();
        !before.ends_with(is_word)
            && !after.starts_with(is_word)
            && !line.trim_start().starts_with('#')
            && !line.contains(" #")
            && BEFORE.iter().any(|word| line.contains(word))
    })
}

/// Codes of problems of names: a key twice, the form of a name, one logical ID for two resources.
const ABOUT_NAMES: [&str; 3] = ["E0004", "E0108", "E0302"];

/// Returns the error that explains best why the changed file has more errors. Errors are counted first, since one that
/// names the target in its message changes with the name.
fn new_error<'c>(before: &Checked, after: &'c Checked) -> Option<&'c Diagnostic> {
    if after.errors().count() <= before.errors().count() {
        return None;
    }
    let known: Vec<&Diagnostic> = before.errors().collect();
    let is_new = |error: &&&Diagnostic| {
        !known.iter().any(|one| one.code == error.code && one.message == error.message)
    };
    let all: Vec<&Diagnostic> = after.errors().collect();
    let new: Vec<&&Diagnostic> = all.iter().filter(is_new).collect();
    // A name that is taken leads to further problems, which explain less.
    let of_names = new.iter().find(|error| ABOUT_NAMES.contains(&error.code));
    of_names.or(new.first()).copied().or(all.first()).copied()
}

/// Returns the logical IDs of the templates before that the templates after lack, as words.
fn lost(before: &Checked, after: &Checked) -> Option<String> {
    let ids = |checked: &Checked| -> BTreeSet<String> {
        checked.stacks.iter().flat_map(|stack| &stack.template.resources).map(|(id, _)| id.clone()).collect()
    };
    let after = ids(after);
    let lost: Vec<String> =
        ids(before).into_iter().filter(|id| !after.contains(id)).map(|id| format!("`{id}`")).collect();
    const SHOWN: usize = 4;
    match lost.as_slice() {
        [] => None,
        few if few.len() <= SHOWN => Some(few.join(", ")),
        many => Some(format!("{} and {} more", many.get(..SHOWN)?.join(", "), many.len() - SHOWN)),
    }
}
