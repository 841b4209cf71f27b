//! The trial of a stack file: its file goes through it as by `deployer preview`, so that what is said of it is true.

use std::fs::File;
use std::path::Path;

use contract::Reason;
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Ui;
use deployer_lang::{Compiled, Document, compile};
use deployer_syntax::{Diagnostics, Source};

use crate::guess::counted;
use crate::guess::survey::Survey;
use crate::preview::route::{Choice, Route};
use crate::preview::summary::Summary;
use crate::preview::{Preview, Stop};

/// The number of reasons, and of rows for each, that are named.
const NAMED: usize = 5;
const NAMED_ROWS: usize = 3;
/// Values from this length on are said to make an item large.
const LARGE: usize = 50_000;

/// What becomes of the rows of a file.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// Rows that become items, or are left out on purpose.
    pub(super) good: u64,
    /// Rows that fail.
    pub(super) failed: u64,
    /// Rows with the key of an earlier row.
    pub(super) repeated: u64,
    /// Facts that a person should know before they use the stack file.
    pub(super) warnings: Vec<String>,
    /// Facts about the file.
    pub(super) notes: Vec<String>,
}

/// Tries a stack file on a file, which would be uploaded under this key.
///
/// # Errors
/// [`Error::Usage`] if the file fails as a whole.
pub(super) fn run(ui: &Ui, stack: &str, path: &Path, key: &str, survey: &Survey) -> Result<Trial> {
    let failed = || {
        Error::failed_with_hint(
            "the guessed stack.yaml can't be tried; nothing was written",
            "please report it, with the header of the file",
        )
    };
    let source = Source::new("stack.yaml", stack.to_owned());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).ok_or_else(failed)?;
    let target = document.stacks.first().ok_or_else(failed)?;
    let Compiled { stack, .. } = compile(&document, target, &[], &mut diagnostics).ok_or_else(failed)?;
    let route = Route::find(&stack, Choice::default(), key)?;
    let preview = Preview::new(route, key.to_owned())?;
    let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    let live = ui.live();
    live.say(format!("trying the stack file on {}", path.display()));
    let mut summary = Summary::default();
    let end = preview.read(file, |row, fate| {
        summary.examine(row, &fate, preview.key_attributes());
        Ok(())
    });
    let end = match end {
        Ok(end) => end,
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Enough) => return Err(failed()),
        Err(Stop::File(failure)) => {
            let code = failure.reason.code();
            let text = format!(
                "{} can't be loaded: {} ({code}); nothing was written",
                path.display(),
                failure.message
            );
            return Err(Error::Usage(Message::new(text).hint(format!("`deployer docs {code}` explains it"))));
        }
    };
    Ok(Trial {
        good: summary.rows - summary.failed,
        failed: summary.failed,
        repeated: summary.keys.repeated,
        warnings: warnings(&summary, survey),
        notes: end.notes,
    })
}

fn warnings(summary: &Summary, survey: &Survey) -> Vec<String> {
    let mut out = Vec::new();
    for group in summary.groups.iter().take(NAMED) {
        let rows: Vec<String> = group.first.iter().take(NAMED_ROWS).map(u64::to_string).collect();
        let more = if group.rows > rows.len() as u64 { ", …" } else { "" };
        let mut text = format!(
            "{} will fail ({}): row{} {}{more}; {}",
            counted(group.rows, "row"),
            group.failure.reason.code(),
            if group.rows == 1 { "" } else { "s" },
            rows.join(", "),
            group.failure.message
        );
        if group.failure.reason == Reason::InvalidItem
            && let Some((_, name, column)) = survey.columns().max_by_key(|(_, _, column)| column.max_bytes)
            && column.max_bytes > LARGE
        {
            text += &format!(
                "; `{name}` has the longest values, of up to {}",
                counted(column.max_bytes as u64, "byte")
            );
        }
        out.push(text);
    }
    if summary.groups.len() > NAMED {
        out.push(format!("rows will fail for {} more reasons", summary.groups.len() - NAMED));
    }
    if summary.failed * 2 > summary.rows {
        out.push(
            "most rows will fail: if the header is in another line, delete the lines before it, or write `csv: { skip: N }`"
                .to_owned(),
        );
    }
    let keys = &summary.keys;
    if keys.repeated > 0 {
        let pairs = keys.first.iter().take(NAMED).map(|(first, row)| format!("{row} (as {first})"));
        let more = if keys.repeated > NAMED as u64 { ", …" } else { "" };
        out.push(format!(
            "{} the key of an earlier row and will overwrite its item: row{} {}{more}",
            match keys.repeated {
                1 => "1 row has".to_owned(),
                rows => format!("{} have", counted(rows, "row")),
            },
            if keys.repeated == 1 { "" } else { "s" },
            pairs.collect::<Vec<_>>().join(", ")
        ));
    }
    if keys.beyond > 0 {
        out.push("only the first million keys were compared with those of later rows".to_owned());
    }
    if summary.rows == 0 {
        out.push("the file has a header and no rows, so that all fields are texts".to_owned());
    }
    out
}
