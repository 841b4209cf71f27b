//! The results of rows for programs, one line each.

use std::io::Write as _;

use deployer_base::error::Result;
use deployer_base::ui::{Output, Stream};
use transform::value::{write_list, write_string};
use transform::{Failure, Item};

use super::{Job, text};
use crate::preview::summary::Summary;
use crate::preview::{Fate, FileFailure, shown};

/// Writes the results in the form that was asked for.
pub(super) fn run(job: &Job<'_>) -> Result<()> {
    let form = job.context.ui.output;
    let fields: Vec<&str> = job.preview.fields().iter().map(|field| field.name.as_str()).collect();
    let mut out = Stream::default();
    let mut summary = Summary::default();
    if form == Output::Csv {
        write_head(&fields, out.buffer());
    }
    // On one terminal, a bar would be drawn over the lines.
    let file = job.watched(!job.context.ui.is_data_on_terminal())?;
    let read = job.preview.read(file, |row, mut fate| {
        summary.examine(row, &fate, job.preview.key_attributes());
        if summary.rows > job.most {
            return Ok(());
        }
        if let (Fate::Item(item), false) = (&mut fate, job.show_sensitive) {
            job.preview.hide(item);
        }
        match form {
            Output::Ndjson => write_row(row, &fate, out.buffer()),
            Output::Csv => {
                if let Fate::Item(item) = &fate {
                    write_record(item, &fields, out.buffer());
                }
            }
            _ => {
                if let Fate::Item(item) = &fate {
                    out.buffer().extend_from_slice(b"{\"Item\":");
                    item.write_dynamodb_json(out.buffer());
                    out.buffer().extend_from_slice(b"}\n");
                }
            }
        }
        Ok(out.line()?)
    });
    let end = job.end(read)?;
    if let (Err(failure), Output::Ndjson) = (&end, form) {
        write_file(failure, out.buffer());
    }
    out.flush()?;
    if let Ok(end) = &end {
        job.context.ui.note(text::counts(job, &summary, end));
        end.notes.iter().for_each(|note| job.context.ui.note(format!("note: {note}")));
    }
    // Their items overwrite each other, of which the lines show nothing.
    if let Some(repeated) = text::repeated(job, &summary) {
        job.context.ui.warn(repeated);
    }
    if let Some(limit) = text::not_compared(&summary) {
        job.context.ui.note(limit);
    }
    job.verdict(&summary, end.as_ref().err())
}

/// Appends the document of a row.
fn write_row(row: u64, fate: &Fate<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"row\":");
    // A buffer takes everything.
    let _ = write!(out, "{row}");
    match fate {
        Fate::Item(item) => {
            out.extend_from_slice(b",\"item\":");
            item.write_dynamodb_json(out);
        }
        Fate::Deleted(key) => {
            out.extend_from_slice(b",\"deleted\":");
            key.write_dynamodb_json(out);
        }
        Fate::Skipped => out.extend_from_slice(b",\"skipped\":\"where\""),
        Fate::Failed(Failure { reason, field, column, message }) => {
            out.extend_from_slice(b",\"failed\":{\"reason\":");
            write_string(&reason.code(), out);
            for (name, value) in [("field", field), ("column", column)] {
                if let Some(value) = value {
                    let _ = write!(out, ",\"{name}\":");
                    write_string(value, out);
                }
            }
            out.extend_from_slice(b",\"message\":");
            write_string(message, out);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the document of a file that fails as a whole.
fn write_file(failure: &FileFailure, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"file\":{\"reason\":");
    write_string(&failure.reason.code(), out);
    out.extend_from_slice(b",\"columns\":");
    write_list(&failure.columns, out, |column, out| write_string(column, out));
    out.extend_from_slice(b",\"message\":");
    write_string(&failure.message, out);
    out.extend_from_slice(b"}}\n");
}

/// Appends the header of a CSV.
fn write_head(fields: &[&str], out: &mut Vec<u8>) {
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        shown::write_quoted(field, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends an item as a record of a CSV.
fn write_record(item: &Item<'_>, fields: &[&str], out: &mut Vec<u8>) {
    let start = out.len();
    // The attributes of an item are in the order of the fields.
    let mut attributes = item.attributes.iter().peekable();
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        if let Some((_, value)) = attributes.next_if(|(name, _)| name == field) {
            shown::write_field(value, out);
        }
    }
    // A line of nothing is not a record.
    if out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use contract::Reason;
    use serde_json::{Value as Json, json};
    use transform::Value;

    use super::*;

    #[test]
    fn rows_are_documents_with_one_of_four_fates() {
        let failure = |field: Option<&str>, message: &str| Failure {
            reason: Reason::MissingValue,
            field: field.map(str::to_owned),
            column: field.map(str::to_owned),
            message: message.to_owned(),
        };
        let item = || Item { attributes: vec![("id", Value::text("a\"b"))], ..Item::default() };
        for (fate, expected) in [
            (Fate::Item(item()), json!({ "row": 7, "item": { "id": { "S": "a\"b" } } })),
            (Fate::Deleted(item()), json!({ "row": 7, "deleted": { "id": { "S": "a\"b" } } })),
            (Fate::Skipped, json!({ "row": 7, "skipped": "where" })),
            (
                Fate::Failed(failure(Some("n"), "`n` is \"empty\"")),
                json!({ "row": 7, "failed": { "reason": "missing-value", "field": "n", "column": "n", "message": "`n` is \"empty\"" } }),
            ),
            (
                Fate::Failed(failure(None, "no")),
                json!({ "row": 7, "failed": { "reason": "missing-value", "message": "no" } }),
            ),
        ] {
            let mut out = Vec::new();
            write_row(7, &fate, &mut out);
            assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(serde_json::from_slice::<Json>(&out).expect("JSON"), expected);
        }
        let mut out = Vec::new();
        let columns = vec!["a".to_owned(), "b".to_owned()];
        write_file(&FileFailure { reason: Reason::MissingColumn, columns, message: "m".into() }, &mut out);
        assert_eq!(
            serde_json::from_slice::<Json>(&out).expect("JSON"),
            json!({ "file": { "reason": "missing-column", "columns": ["a", "b"], "message": "m" } })
        );
    }

    #[test]
    fn records_have_a_place_for_each_field() {
        let record = |attributes: &[(&'static str, &'static str)], fields: &[&str]| {
            let attributes = attributes.iter().map(|(name, text)| (*name, Value::text(*text))).collect();
            let mut out = Vec::new();
            write_record(&Item { attributes, ..Item::default() }, fields, &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(record(&[("b", "x"), ("d", "")], &["a", "b", "c", "d"]), ",x,,\"\"\r\n");
        assert_eq!(record(&[], &["a"]), "\"\"\r\n");
    }
}
