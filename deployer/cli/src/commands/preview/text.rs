//! The results of a file for people.

use std::fmt::Write as _;

use contract::settings::OnConflict;
use deployer_base::error::Result;
use deployer_base::text::printable;
use deployer_base::ui::{terminal_width, wrapped_table};
use deployer_cfn::template::Template;
use deployer_plan::cost::forecast::duration;
use deployer_plan::cost::money;
use deployer_plan::prices;
use task::file::FileEnd;
use transform::Item;

use super::{Job, estimates};
use crate::preview::summary::Summary;
use crate::preview::{Fate, SENSITIVE, shown};

/// Items that are laid out together with `--all`, so that memory does not depend on the file.
const BLOCK: usize = 200;
/// Columns of the terminal that a column of the table needs to be readable.
const LEAST_WIDTH: usize = 12;
/// Most bytes of an item: Amazon DynamoDB Developer Guide, "Quotas".
const MAX_ITEM: u64 = 400 * 1024;

/// An item as texts: row number, and name, type and value of each attribute.
type Shown = (u64, Vec<(String, &'static str, String)>);

/// Writes the results.
pub(super) fn run(job: &Job<'_>, template: &Template) -> Result<()> {
    let (preview, ui, mut summary) = (&job.preview, &job.context.ui, Summary::default());
    let mut items: Vec<Shown> = Vec::new();
    let all = job.most == u64::MAX;
    let bar = !(all && ui.is_data_on_terminal());
    let read = preview.read(job.watched(bar)?, |row, fate| {
        summary.examine(row, &fate, preview.key_attributes());
        if let Fate::Item(item) = fate
            && summary.items <= job.most
        {
            items.push((row, attributes(job, item)));
            if all && items.len() == BLOCK {
                ui.data(&format!("{}\n", table(job, &items)))?;
                items.clear();
            }
        }
        Ok(())
    });
    let end = job.end(read)?;
    let mut out = String::new();
    if !items.is_empty() {
        out.push_str(&table(job, &items));
        out.push('\n');
    }
    out.push_str(&match &end {
        Ok(end) => results(job, template, &summary, end),
        Err(_) if summary.rows == 0 => String::new(),
        Err(_) => format!("{}\n", counts(job, &summary, &FileEnd::default())),
    });
    ui.data(&out)?;
    let hidden =
        preview.fields().iter().any(|field| preview.is_sensitive(&field.name)) && !job.show_sensitive;
    if hidden && summary.items > 0 {
        ui.note(format!("{SENSITIVE}: `--show-sensitive` shows the value"));
    }
    job.verdict(&summary, end.as_ref().err())
}

/// Returns the attributes of an item as texts.
fn attributes(job: &Job<'_>, mut item: Item<'_>) -> Vec<(String, &'static str, String)> {
    let types: Vec<&'static str> = item.attributes.iter().map(|(_, value)| value.type_name()).collect();
    if !job.show_sensitive {
        job.preview.hide(&mut item);
    }
    let attributes = item.attributes.iter().zip(types);
    attributes.map(|((name, value), kind)| ((*name).to_owned(), kind, shown::shown(value))).collect()
}

/// Lays out items: in columns, or one below the other where the terminal has no room for the columns.
fn table(job: &Job<'_>, items: &[Shown]) -> String {
    let fields = job.preview.fields();
    if (fields.len() + 1) * LEAST_WIDTH > terminal_width() {
        return items.iter().fold(String::new(), |mut out, (row, attributes)| {
            let lines = attributes
                .iter()
                .map(|(name, kind, value)| vec![format!("  {name}"), (*kind).to_owned(), value.clone()]);
            let head = [format!("row {row}"), String::new(), String::new()];
            out.push_str(&wrapped_table(&head, lines));
            out
        });
    }
    let heads = fields.iter().map(|field| {
        let mut kinds: Vec<&str> = Vec::new();
        for (_, kind, _) in items.iter().flat_map(|(_, all)| all).filter(|(name, ..)| *name == field.name) {
            if !kinds.contains(kind) {
                kinds.push(kind);
            }
        }
        match kinds.is_empty() {
            true => field.name.clone(),
            false => format!("{} ({})", field.name, kinds.join(", ")),
        }
    });
    let head: Vec<String> = std::iter::once("row".to_owned()).chain(heads).collect();
    let rows = items.iter().map(|(row, attributes)| {
        let value =
            |name: &str| attributes.iter().find(|(known, ..)| known == name).map(|(.., value)| value.clone());
        let values = fields.iter().map(|field| value(&field.name).unwrap_or_default());
        std::iter::once(row.to_string()).chain(values).collect()
    });
    wrapped_table(&head, rows)
}

/// Counts the rows of a file, in one line.
pub(super) fn counts(job: &Job<'_>, summary: &Summary, end: &FileEnd) -> String {
    let name = printable(&job.path.display().to_string());
    if summary.rows == 0 {
        return match (end.columns.is_empty(), end.notes.is_empty()) {
            (true, true) => format!("{name} is empty"),
            (true, false) => format!("{name} has no rows"),
            (false, _) => format!("{name} has a header and no rows"),
        };
    }
    let mut out = format!("{name}: {}", counted(summary.rows, "row"));
    let _ = write!(out, ", {}", counted(summary.items, "item"));
    if summary.deletions > 0 {
        let _ = write!(out, ", {}", counted(summary.deletions, "deletion"));
    }
    if summary.skipped > 0 {
        let _ = write!(out, ", {} skipped by `where`", grouped(summary.skipped));
    }
    let _ = write!(out, ", {} failed", grouped(summary.failed));
    out
}

/// Describes the results of a whole file.
fn results(job: &Job<'_>, template: &Template, summary: &Summary, end: &FileEnd) -> String {
    let route = &job.preview.route;
    let mut out = format!("{}\n", counts(job, summary, end));
    let lines = [
        (end.skipped.blank, "blank"),
        (end.skipped.headers, "repeated header"),
        (end.skipped.comments, "comment"),
    ];
    let lines: Vec<String> = lines
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| match *what {
            "blank" => format!("{} blank", grouped(*count)),
            what => counted(*count, what),
        })
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "lines that are not rows: {}", lines.join(", "));
    }
    for note in &end.notes {
        let _ = writeln!(out, "note: {}", printable(note));
    }
    if summary.failed > 0 {
        out.push_str(&failures(summary));
    }
    for line in repeated(job, summary).as_deref().into_iter().chain(not_compared(summary)) {
        let _ = writeln!(out, "{line}");
    }
    if summary.leap_seconds > 0 {
        let rows = match summary.leap_seconds {
            1 => "1 row has".to_owned(),
            rows => format!("{} rows have", grouped(rows)),
        };
        let _ = writeln!(out, "leap seconds: {rows} a timestamp with the second 60, which is stored as 59");
    }
    if let Some(largest) = summary.largest {
        let _ = writeln!(
            out,
            "largest item: row {}, {} bytes of at most {}",
            grouped(largest.row),
            grouped(largest.bytes),
            grouped(MAX_ITEM)
        );
    }
    let Some(load) = estimates::load(summary, end) else { return out };
    if let Some(cost) = estimates::cost(route.stack(), template, load) {
        let at_least = if cost.incomplete { "at least " } else { "" };
        let _ = writeln!(
            out,
            "cost: {at_least}{} in {}, as `deployer cost --rows {} --bytes-per-row {}{}` explains",
            money(cost.dollars),
            cost.region,
            load.rows,
            load.bytes_per_row,
            match load.skipped {
                0 => String::new(),
                skipped => format!(" --skipped {skipped} --skipped-runs {}", load.skipped_runs),
            }
        );
    }
    if let Some(time) = estimates::time(route.stack(), load) {
        let _ = writeln!(
            out,
            "time: about {}, estimated from measurements on the local cloud; limited by {}",
            duration(time.seconds),
            time.limit
        );
    }
    out
}

/// Describes the rows with the key of an earlier row, if there are any.
pub(super) fn repeated(job: &Job<'_>, summary: &Summary) -> Option<String> {
    let keys = &summary.keys;
    let stays = match job.preview.route.on_conflict() {
        OnConflict::Overwrite => "the item that is written last stays",
        OnConflict::Newest => "the item of the last row stays",
        OnConflict::Keep => "the item that is written first stays",
        OnConflict::Merge => "one item has the attributes of them all",
    };
    let pairs: Vec<String> = keys.first.iter().map(|(first, row)| format!("{row} (as {first})")).collect();
    let more = if keys.repeated > keys.first.len() as u64 { ", …" } else { "" };
    let rows = match keys.repeated {
        0 => return None,
        1 => "1 row has".to_owned(),
        rows => format!("{} rows have", grouped(rows)),
    };
    Some(format!(
        "repeated keys: {rows} the key of an earlier row, and {stays}: rows {}{more}",
        pairs.join(", ")
    ))
}

/// Says that not all keys were compared, if that is so.
pub(super) fn not_compared(summary: &Summary) -> Option<&'static str> {
    (summary.keys.beyond > 0).then_some("only the first million keys were compared with those of later rows")
}

/// Lists the failures, by reason, field and column.
fn failures(summary: &Summary) -> String {
    let head =
        ["failed", "reason", "field", "column", "first rows", "message of the first"].map(str::to_owned);
    let rows = summary.groups.iter().map(|group| {
        let failure = &group.failure;
        let more = if group.rows > group.first.len() as u64 { ", …" } else { "" };
        let first: Vec<String> = group.first.iter().map(u64::to_string).collect();
        vec![
            grouped(group.rows),
            failure.reason.code(),
            failure.field.clone().unwrap_or_default(),
            failure.column.clone().unwrap_or_default(),
            format!("{}{more}", first.join(", ")),
            failure.message.clone(),
        ]
    });
    format!("\n{}\n", wrapped_table(&head, rows))
}

/// Formats a number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    prices::grouped(number as f64)
}

/// Returns `1 row`, `2 rows`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Formats a number of bytes.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        for (number, shown) in
            [(999, "999 B"), (1_500, "2 kB"), (25_000_000, "25 MB"), (1_234_000_000, "1.23 GB")]
        {
            assert_eq!(bytes(number), shown);
        }
        assert_eq!(
            (counted(1, "row"), counted(12_345, "row")),
            ("1 row".to_owned(), "12,345 rows".to_owned())
        );
    }
}
