//! The items of the first rows of a file: a file of which all of them fail is not uploaded, and the keys of the others
//! are those of the items that are shown after the upload.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use deployer_aws::dynamodb::items::Key;
use deployer_base::error::{Error, Message, Result};
use deployer_lang::Stack;

use super::KEPT_ROWS;
use crate::preview::route::{Choice, Route};
use crate::preview::summary::Summary;
use crate::preview::table_key::key_of;
use crate::preview::{Fate, Preview, Stop};

/// Failures that are described in a message.
const DESCRIBED: usize = 3;

/// The items of the first rows.
#[derive(Debug, Default)]
pub(super) struct FirstItems {
    /// The keys of the items, by the numbers of their rows.
    pub(super) keys: BTreeMap<u64, Key>,
    /// A warning about rows that fail.
    pub(super) warning: Option<String>,
}

/// Makes items of the first rows of a file, if it is certain that the stack does so.
///
/// # Errors
/// Returns [`Error::Usage`] if all of them fail.
pub(super) fn check(stack: &Stack, key: &str, path: &Path) -> Result<FirstItems> {
    let route = Route::find(stack, Choice::default(), key).ok().filter(Route::is_of_all_rows);
    let Some(preview) = route.and_then(|route| Preview::new(route, key.to_owned()).ok()) else {
        return Ok(FirstItems::default());
    };
    let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    let (mut summary, mut keys) = (Summary::default(), BTreeMap::new());
    let read = preview.first(file, KEPT_ROWS, |row, fate| {
        summary.count(row, &fate);
        if let Fate::Item(item) = fate
            && let Some(key) = key_of(&item, preview.key_attributes())
        {
            keys.insert(row, key);
        }
    });
    let name = path.display();
    match read {
        Ok(()) | Err(Stop::Enough) => {}
        Err(Stop::File(failure)) => {
            let code = failure.reason.code();
            return Err(Error::Usage(
                Message::new(format!(
                    "{name} can't be loaded: {} ({code}); nothing was uploaded",
                    failure.message
                ))
                .hint(format!("`deployer docs {code}` explains it; `--no-check` uploads the file as it is")),
            ));
        }
        Err(Stop::Error(error)) => return Err(error),
    }
    if summary.failed == 0 {
        return Ok(FirstItems { keys, warning: None });
    }
    let described = described(&summary);
    if summary.failed < summary.rows {
        let warning = format!(
            "{} of the first {} rows of {name} would fail: {}; `deployer preview {name}` shows all rows that would",
            summary.failed,
            summary.rows,
            described.join("; ")
        );
        return Ok(FirstItems { keys, warning: Some(warning) });
    }
    let rows = match summary.rows {
        1 => "its only row".to_owned(),
        rows if rows < KEPT_ROWS => format!("all of its {rows} rows"),
        rows => format!("all of its first {rows} rows"),
    };
    let codes: Vec<String> =
        summary.reasons().iter().map(|reason| format!("`deployer docs {}`", reason.code())).collect();
    let explain = if codes.len() == 1 { "explains it" } else { "explain the reasons" };
    Err(Error::Usage(
        Message::new(format!(
            "{rows} would fail, so nothing of {name} was uploaded\n  {}",
            described.join("\n  ")
        ))
        .hint(format!(
            "`deployer preview {name}` shows the result of each row, and {} {explain}; `--no-check` uploads the file as it is",
            codes.join(", ")
        )),
    ))
}

/// Describes the failures: the first row, the reason, the field and the column of each.
fn described(summary: &Summary) -> Vec<String> {
    let mut out: Vec<String> = summary
        .groups
        .iter()
        .take(DESCRIBED)
        .map(|group| {
            let failure = &group.failure;
            let named = [("field", &failure.field), ("column", &failure.column)];
            let named: Vec<String> = named
                .iter()
                .filter_map(|(what, name)| Some((what, name.as_deref()?)))
                .filter(|(_, name)| !failure.message.contains(&format!("`{name}`")))
                .map(|(what, name)| format!(", {what} `{name}`"))
                .collect();
            let row = group.first.first().copied().unwrap_or_default();
            format!("row {row}: {}{} ({})", failure.message, named.concat(), failure.reason.code())
        })
        .collect();
    if summary.groups.len() > DESCRIBED {
        out.push(format!("and {} more", summary.groups.len() - DESCRIBED));
    }
    out
}
