//! The check of a CSV file before its upload: its start is read as the task would read it, and its columns are compared
//! with the fields of the stack; then items are made of its first rows. A file is refused only if it would certainly
//! fail as a whole, or if all of these rows would.

mod items;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use contract::columns;
use contract::settings::ExtractionSettings;
use deployer_aws::dynamodb::items::Key;
use deployer_base::error::{Error, Message, Result};
use deployer_lang::Stack;
use deployer_lang::columns::Use;
use deployer_lang::model::bucket::{BucketEvent, Notified};
use deployer_lang::model::function::Trigger;
use deployer_lang::model::task::Task;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{Resource, ResourceType};
use deployer_lang::sensitive;
use deployer_syntax::{Source, diagnostic};
use task::sample::{Sample, SampleError};

/// Number of rows of a file that are transformed, and whose items are shown at the end.
const KEPT_ROWS: u64 = 20;
/// Number of rows of a file from which on the number of rows per event matters.
const MANY_ROWS: u64 = 5_000;
/// Number of columns that are listed in a message.
const LISTED_COLUMNS: usize = 30;

/// The result of the check of a file.
#[derive(Debug)]
pub struct Checked {
    /// Advice that is not an error.
    pub advice: Vec<String>,
    /// The keys of the items of the first rows, by the rows' numbers. Empty if the stack doesn't define them.
    pub keys: BTreeMap<u64, Key>,
}

/// Reads the start of a file that is to be uploaded to `landing`. Returns `None` if it isn't certain that the stack's
/// own task reads the file.
///
/// # Errors
/// Returns [`Error::Usage`] if the task would fail the file.
pub fn check(
    source: &Source,
    stack: &Stack,
    landing: &Resource,
    key: &str,
    path: &Path,
) -> Result<Option<Checked>> {
    let Some((resource, task)) = reader(stack, landing, key) else { return Ok(None) };
    let settings = task.settings.clone().unwrap_or_default();
    let io = |error: &std::io::Error| Error::io("read", path, error);
    let file = File::open(path).map_err(|error| io(&error))?;
    let bytes = file.metadata().map_err(|error| io(&error))?.len();
    let name = path.display();
    let expected = sensitive::expected(stack, task);
    let names = sensitive::columns_of(&expected);
    let sample = Sample::read(file, &settings, &names, 0).map_err(|error| match error {
        SampleError::Io(error) => io(&error),
        SampleError::Fault(fault) => {
            let code = fault.reason.code();
            Error::Usage(
                Message::new(format!(
                    "{name} can't be loaded: {} ({code}); nothing was uploaded",
                    fault.message
                ))
                .hint(format!("`deployer docs {code}` explains it; `--no-check` uploads the file as it is")),
            )
        }
    })?;
    if !sample.columns.is_empty()
        && let Some(message) = unmet(source, &sample.columns, &expected, &name.to_string())
    {
        return Err(Error::Usage(message));
    }
    let place = |resource: &Resource| {
        let position = source.position(resource.span.start);
        format!("{}:{}", source.name, position.line)
    };
    let mut advice: Vec<String> = sample.notes.iter().map(|note| format!("{name}: {note}")).collect();
    if let Some(encoding) = sample.encoding {
        advice.push(format!("{name} is read as {encoding}"));
    }
    if sample.whole && sample.seen == 0 {
        advice.push(match (sample.columns.is_empty(), sample.notes.is_empty()) {
            (true, true) => format!("{name} is empty"),
            (true, false) => format!("{name} has no rows"),
            (false, _) => format!("{name} has a header and no rows"),
        });
    }
    advice.extend(grouping(&settings, &sample, bytes).map(|rows| {
        format!(
            "each of about {rows} rows becomes an event of its own; `settings: {{ rowsPerEvent: 100 }}` of `{}` ({}) takes less \
             time and costs less (`deployer cost` shows how much)",
            resource.name,
            place(resource)
        )
    }));
    let items::FirstItems { keys, warning } = items::check(stack, key, path)?;
    advice.extend(warning);
    Ok(Some(Checked { advice, keys }))
}

/// Returns the stack's own task, if it is the only one and reads the files that are uploaded to this bucket under this
/// key.
fn reader<'s>(stack: &'s Stack, landing: &Resource, key: &str) -> Option<(&'s Resource, &'s Task)> {
    let ResourceType::Bucket(bucket) = &landing.is else { return None };
    let told = bucket.notify.iter().filter(|one| {
        one.on == BucketEvent::Created
            && one.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
            && one.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix))
    });
    let queues = told.filter_map(|notification| match &notification.to {
        Notified::Queue(queue) => Some(queue.name.as_str()),
        _ => None,
    });
    let queues: BTreeSet<&str> = queues.collect();
    let extract = stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Extract));
    let starts = extract.flat_map(|(_, function)| &function.triggers).any(|trigger| match trigger {
        Trigger::Queue { queue, .. } => queues.contains(queue.name.as_str()),
        _ => false,
    });
    let mut tasks = stack.resources.iter().filter_map(|resource| match &resource.is {
        ResourceType::Task(task) if task.image.worker() == Some(Worker::Extraction) => Some((resource, task)),
        _ => None,
    });
    match (starts, tasks.next(), tasks.next()) {
        (true, Some(only), None) => Some(only),
        _ => None,
    }
}

/// Describes the uses of columns that a file doesn't have, and the solution.
fn unmet(source: &Source, headers: &[String], uses: &[Use<'_>], file: &str) -> Option<Message> {
    let mut lines = Vec::new();
    // Without any of the fields, the first row may contain values, which must not be shown.
    let is_header = uses.iter().any(|used| matches!(columns::find(headers, &used.column), Ok(Some(_))));
    for used in uses {
        let column = used.column.as_str();
        let position = source.position(used.span.start);
        let needed =
            format!("needed by {} ({}:{}:{})", used.user(), source.name, position.line, position.column);
        match columns::find(headers, column) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let known: Vec<&str> = headers.iter().map(String::as_str).collect();
                let near = diagnostic::nearest(column, &known).filter(|_| is_header);
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                lines.push(format!("no column `{column}`, {needed}{near}"));
            }
            Err(_) => lines.push(format!("several columns named `{column}`, {needed}")),
        }
    }
    if lines.is_empty() {
        return None;
    }
    if !is_header {
        let text = format!(
            "{file} doesn't fit the fields of the stack; nothing was uploaded\n  it has {}",
            lines.join("\n  it has ")
        );
        return Some(Message::new(text).hint(
            "its first row contains none of the columns in `settings.fields`; a file without a header needs `settings: { csv: { \
             header: \
             false, columns: […] } }` at the task; `--no-check` uploads the file as it is; `deployer docs missing-column` explains it",
        ));
    }
    let mut listed: Vec<String> =
        headers.iter().take(LISTED_COLUMNS).map(|name| format!("`{name}`")).collect();
    if headers.len() > LISTED_COLUMNS {
        listed.push(format!("and {} more", headers.len() - LISTED_COLUMNS));
    }
    Some(
        Message::new(format!(
            "{file} doesn't fit the fields of the stack; nothing was uploaded\n  it has {}\n  its columns are {}",
            lines.join("\n  it has "),
            listed.join(", ")
        ))
        .hint(
            "write the columns of the file into `settings.fields` (`from: …`), with `optional: true` for those that may be \
             missing, and run \
             `deployer deploy`; `--no-check` uploads the file as it is; `deployer docs missing-column` explains it",
        ),
    )
}

/// Estimates the number of rows of a file, if there are many and each becomes an event.
fn grouping(settings: &ExtractionSettings, sample: &Sample, bytes: u64) -> Option<u64> {
    let rows = sample.estimate(bytes).filter(|rows| *rows >= MANY_ROWS && settings.rows_per_event == 1)?;
    // Two digits: more would suggest a precision that the estimate doesn't have.
    let unit = 10_u64.pow(rows.ilog10().saturating_sub(1));
    Some(rows / unit * unit)
}

#[cfg(test)]
mod tests {
    use deployer_lang::{Compiled, Document, compile};
    use deployer_syntax::Diagnostics;

    use super::*;

    const STACK: &str = include_str!("../../../stack.yaml");

    fn checked(stack: &str, file: &[u8]) -> Result<Option<Checked>> {
        let source = Source::new("stack.yaml", stack.to_owned());
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        let target = document.select(Some("dev")).expect("a stack");
        let compiled = compile(&document, target, &[], &mut diagnostics);
        let Compiled { stack, .. } = compiled.unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source)));
        let landing = crate::pipeline::landing(&stack, None).expect("the bucket");
        let place = tempfile::tempdir().expect("a temporary folder");
        let path = place.path().join("rows.csv");
        std::fs::write(&path, file).expect("the file");
        check(&source, &stack, landing, "rows.csv", &path)
    }

    fn refusal(stack: &str, file: &[u8]) -> Message {
        let error = checked(stack, file).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
        error.message().expect("a message")
    }

    #[test]
    fn a_file_that_lacks_columns_is_refused_with_all_of_them_and_their_places() {
        let message = refusal(STACK, b"Order ID,HouseNum,Streets,Town,Zip\n1,2,3,4,5\n");
        let line = |field: &str| {
            let at = STACK.lines().position(|line| line.trim().starts_with(field)).expect("the field");
            format!("(stack.yaml:{}:15)", at + 1)
        };
        for part in [
            format!("no column `ID`, needed by the field `id` {}", line("id:")),
            "no column `Street`, needed by the field `street_address`".to_owned(),
            "did you mean `Streets`?".to_owned(),
            "its columns are `Order ID`, `HouseNum`, `Streets`, `Town`, `Zip`".to_owned(),
            "nothing was uploaded".to_owned(),
        ] {
            assert!(message.text.contains(&part), "{part}\n{}", message.text);
        }
        assert!(!message.text.contains("`Town`, needed"), "{}", message.text);
        assert!(message.hint.is_some_and(|hint| hint.contains("deployer docs missing-column")));
    }

    #[test]
    fn a_file_without_a_header_shows_none_of_its_values() {
        let message = refusal(STACK, b"7,12,sEcReT Street 1,Springfield,1234\n");
        assert!(message.text.contains("no column `Street`"), "{}", message.text);
        assert!(
            !message.text.contains("sEcReT") && !message.text.contains("did you mean"),
            "{}",
            message.text
        );
        assert!(message.hint.is_some_and(|hint| hint.contains("header: false")));
        let twice = refusal(STACK, b"sEcReT,12,sEcReT\n");
        assert!(!twice.text.contains("sEcReT"), "{}", twice.text);
    }

    #[test]
    fn files_for_others_are_not_checked() {
        let with_pictures = STACK
            .replace("suffix: .csv }", "suffix: .txt }, { on: created, queue: \"${errors}\", suffix: .csv }");
        assert_ne!(with_pictures, STACK);
        assert!(checked(&with_pictures, b"\xff\xd8 a picture").expect("not checked").is_none());
    }

    #[test]
    fn a_file_that_the_task_would_read_is_not_refused() {
        for file in [
            &b"ID,HouseNum,Street,Town,Zip\n1,2,3,4,5\n"[..],
            // Read as the task does: in another order, with another delimiter, other case, more columns, a byte order
            // mark.
            "\u{feff}zip;town;more;STREET;\"HouseNum\";Id\r\n".as_bytes(),
        ] {
            assert!(checked(STACK, file).expect("accepted").is_some());
        }
        // The fields show the position of the delimiter.
        let amounts = STACK.replace("from: Zip", "from: \"Zip,Town\"");
        assert!(
            checked(&amounts, b"id;HouseNum;Street;Town;Zip,Town\n1;2;3;4;2,50\n")
                .expect("accepted")
                .is_some()
        );
        let optional = STACK.replace("{ from: Town }", "{ from: Town, optional: true }");
        assert!(checked(&optional, b"ID,HouseNum,Street,Zip\n").expect("accepted").is_some());
        // Code of the user reads the file.
        let other =
            STACK.replace("queue: \"${arrivals}\", suffix: .csv", "queue: \"${errors}\", suffix: .csv");
        assert!(checked(&other, b"\x00 anything").expect("not checked").is_none());
    }

    #[test]
    fn what_the_task_would_fail_is_refused_by_its_reason() {
        let message = refusal(STACK, b"ID,HouseNum,Street,Town,Zip,ID\n");
        assert!(message.text.contains("(duplicate-header)"), "{}", message.text);
        assert!(message.hint.is_some_and(|hint| hint.contains("deployer docs duplicate-header")));
    }

    #[test]
    fn files_without_rows_and_with_many_are_told() {
        let advice = |stack: &str, file: &str| {
            checked(stack, file.as_bytes()).expect("accepted").expect("checked").advice.join("\n")
        };
        let header = "ID,HouseNum,Street,Town,Zip\n";
        assert!(advice(STACK, "").ends_with("rows.csv is empty"));
        assert!(advice(STACK, header).ends_with("rows.csv has a header and no rows"));
        assert_eq!(advice(STACK, &format!("{header}1,2,3,4,5\n")), "");
        let many = format!("{header}{}", "123456,2,3,4,5\n".repeat(20_000));
        let told = advice(STACK, &many);
        assert!(told.contains("each of about 20000 rows") && told.contains("(stack.yaml:"), "{told}");
        let grouped = STACK
            .replace("      disk: 21GiB\n", "      disk: 21GiB\n      settings: { rowsPerEvent: 100 }\n");
        assert_ne!(grouped, STACK);
        assert_eq!(advice(&grouped, &many), "");
    }

    #[test]
    fn a_file_of_which_all_rows_fail_is_refused() {
        let all = format!("ID,HouseNum,Street,Town,Zip\n{}", ",2,3,4,5\n1,2\n".repeat(20));
        let message = refusal(STACK, all.as_bytes());
        for part in [
            "all of its first 20 rows would fail",
            "nothing of ",
            "row 1: ",
            "`id`",
            "`ID`",
            "(missing-value)",
            "\n  row 2: ",
            "(row-length)",
        ] {
            assert!(message.text.contains(part), "{part}\n{}", message.text);
        }
        let hint = message.hint.expect("a hint");
        for part in ["`deployer preview ", "`deployer docs missing-value`", "`--no-check`"] {
            assert!(hint.contains(part), "{part}\n{hint}");
        }
        let only = refusal(STACK, b"ID,HouseNum,Street,Town,Zip\n,2,3,4,5\n");
        assert!(only.text.contains("its only row would fail"), "{}", only.text);
    }

    #[test]
    fn a_file_with_a_few_bad_rows_is_accepted_with_a_warning() {
        let some = b"ID,HouseNum,Street,Town,Zip\n1,2,3,4,5\n,2,3,4,5\n7,2,3,4,5\n";
        let Checked { advice, keys, .. } = checked(STACK, some).expect("accepted").expect("checked");
        let warning = advice.join("\n");
        assert!(warning.contains("1 of the first 3 rows of "), "{warning}");
        assert!(warning.contains("row 2: ") && warning.contains("(missing-value)"), "{warning}");
        assert_eq!(keys.into_keys().collect::<Vec<_>>(), [1, 3]);
    }
}
