//! The `stack.yaml` of a file, with as many fields as a function has room for.

use std::path::Path;

use deployer_base::error::{Error, Message, Result};
use deployer_lang::{Document, compile};
use deployer_syntax::diagnostic::Severity;
use deployer_syntax::{Diagnostics, Source};

use super::found::Found;
use super::render::{self, Naming};

/// The code of settings that are too large for the environment of a function.
const TOO_LARGE: &str = "E0306";

/// Bytes of the environment of a function, which all of its settings take more than.
const ENVIRONMENT: usize = 4_096;
/// Bytes of room that may be left: fewer than a field has.
const STEP: usize = 16;

/// A stack file that fits.
#[derive(Debug)]
pub(super) struct Fitted {
    /// The stack file.
    pub(super) text: String,
    /// The bytes that its fields have room in.
    pub(super) room: usize,
}

/// Returns the stack file for a file, which was compiled for each of its stacks. Fields for which the environment of a
/// function has no room are comments in it.
///
/// # Errors
/// [`Error::Usage`] if the columns don't fit even without the fields. [`Error::Failed`] if it does not compile, which is a
/// mistake of this program.
pub(super) fn stack_file(template: &str, naming: Naming<'_>, found: &Found, path: &Path) -> Result<Fitted> {
    let fitting = |room: usize| {
        let (text, _) = render::stack_file(template, naming, found, room);
        match too_large(&text) {
            Ok(problem) => Ok((Fitted { text, room }, problem)),
            Err(problems) => Err(Error::failed_with_hint(
                format!("the guessed stack.yaml has problems; nothing was written\n{problems}"),
                "please report it, with the header of the file",
            )),
        }
    };
    let all = found.guess.fields.iter().map(|field| render::size(&field.settings)).sum();
    let (whole, problem) = fitting(all)?;
    if problem.is_none() {
        return Ok(whole);
    }
    let (mut best, problem) = fitting(0)?;
    if let Some(problem) = problem {
        let name = path.display();
        let message =
            format!("{name} has too many columns, or too long names of them: {problem}; nothing was written");
        return Err(Error::Usage(
            Message::new(message).hint("divide the file into several with fewer columns"),
        ));
    }
    let mut most = all.min(ENVIRONMENT);
    while best.room + STEP < most {
        let middle = usize::midpoint(best.room, most);
        match fitting(middle)? {
            (fitted, None) => best = fitted,
            (_, Some(_)) => most = middle,
        }
    }
    Ok(best)
}

/// Returns the first problem of settings that don't fit into a function or a task.
fn too_large(text: &str) -> std::result::Result<Option<String>, String> {
    let source = Source::new("stack.yaml", text.to_owned());
    let mut diagnostics = Diagnostics::default();
    if let Some(document) = Document::parse(&source, &mut diagnostics) {
        for target in &document.stacks {
            let _ = compile(&document, target, &[], &mut diagnostics);
        }
    }
    let sorted = diagnostics.sorted();
    let mut errors = sorted.iter().filter(|problem| problem.severity == Severity::Error).peekable();
    let first = errors.peek().map(|problem| {
        let help = problem.help.as_deref().map(|help| format!(", and {help}")).unwrap_or_default();
        format!("{}{help}", problem.message)
    });
    match errors.all(|problem| problem.code == TOO_LARGE) {
        true => Ok(first),
        false => Err(diagnostics.to_lines(&source)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use contract::columns;
    use contract::settings::{CsvSettings, ExtractionSettings, FieldSettings};
    use deployer_lang::model::worker::Worker;
    use proptest::prelude::*;

    use super::*;
    use crate::guess::survey::Survey;
    use crate::guess::{Key, dialect, guess, single_key};

    const TEMPLATE: &str = include_str!("../../../../../stack.yaml");

    fn found(names: &[String], rows: &[Vec<String>], csv: CsvSettings) -> Found {
        let mut survey = Survey::new(names);
        for (index, row) in (1..).zip(rows) {
            survey.take(index, &row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let key = single_key(&survey).unwrap_or(Key::Row);
        let guess = guess(&survey, &key, &dialect::Guess::default());
        let settings = ExtractionSettings { csv, ..ExtractionSettings::default() };
        Found { guess, settings, filter: None, size: 100, survey, warnings: Vec::new() }
    }

    /// Returns the fields and the dialect that a stack file has.
    fn read(text: &str) -> (Vec<FieldSettings>, CsvSettings) {
        let source = Source::new("stack.yaml", text.to_owned());
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        let target = document.select(Some("dev")).expect("a stack");
        let compiled = compile(&document, target, &[], &mut diagnostics);
        let stack = compiled.unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source))).stack;
        let csv = stack.tasks().find_map(|(_, task)| task.settings.clone()).map(|settings| settings.csv);
        let mut transforms =
            stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Transform));
        let (_, transform) = transforms.next().expect("transform");
        (transform.settings.clone().expect("settings").transform.fields, csv.unwrap_or_default())
    }

    #[test]
    fn the_template_has_every_part_that_is_replaced() {
        let names = ["a".to_owned(), "b".to_owned()];
        let csv = CsvSettings { skip: 3, ..CsvSettings::default() };
        let found = found(&names, &[vec!["1.5".into(), "x".into()]], csv);
        let naming = Naming { name: "shop", file: "orders.tsv" };
        let (text, left_out) = render::stack_file(TEMPLATE, naming, &found, 4_000);
        assert_eq!(left_out, 0);
        for part in [
            "name: shop\n",
            "description: \"Upload orders.tsv; every row",
            "suffix: .tsv",
            "properties: { key: { ",
            "          skip: 3\n",
            "          a: { from: a, type: number }",
            "  tally: #",
            "  load:\n",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("HouseNum") && !text.contains("eventbridge-etl"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_what_was_guessed(
            names in proptest::collection::vec("\\PC{1,8}|.{1,8}|[:#${}\"'\\[\\],&*!|>%@` \n\t-]{1,6}|[Nn]o|~|true", 1..6),
            values in proptest::collection::vec("[a-z]{1,3}|[0-9]{1,3},[0-9]|31\\.01\\.2026|ja|nein|NaN", 8),
            file in "\\PC{1,12}|orders\\.csv",
        ) {
            let mut seen = HashSet::new();
            let names: Vec<String> = names
                .iter()
                .map(|name| columns::trim(name).to_owned())
                .filter(|name| !name.is_empty() && !name.contains('\0') && seen.insert(columns::key(name)))
                .collect();
            prop_assume!(!names.is_empty());
            let rows: Vec<Vec<String>> =
                values.chunks(2).map(|pair| names.iter().zip(pair.iter().cycle()).map(|(_, value)| value.clone()).collect()).collect();
            let csv = CsvSettings { columns: names.clone(), ..CsvSettings::default() };
            let found = found(&names, &rows, csv.clone());
            let naming = Naming { name: "shop", file: &file };
            let fitted = stack_file(TEMPLATE, naming, &found, Path::new(&file));
            let text = fitted.map_err(|error| TestCaseError::fail(error.to_string()))?.text;
            let (fields, read_csv) = read(&text);
            let expected: Vec<FieldSettings> = found.guess.fields.iter().map(|field| field.settings.clone()).collect();
            prop_assert_eq!(fields, expected, "{}", text);
            prop_assert_eq!(read_csv, csv);
        }
    }
}
