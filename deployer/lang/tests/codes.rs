//! Codes of problems: each is documented in `docs/diagnostics.md`, and some wrong case shows it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use deployer_syntax::Source;

use crate::cases;
use crate::golden;
use crate::import;

/// Finds `E0101`, `W0401` and the like in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(['E', 'W']) {
        if let Some(code) = text.get(at..at + 5)
            && code.bytes().skip(1).all(|byte| byte.is_ascii_digit())
        {
            found.insert(code.to_owned());
        }
    }
    found
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in golden::entries(folder) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the code without its unit tests.
pub(crate) fn code_of(path: &Path) -> String {
    let text = golden::read(path);
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}

fn in_code() -> BTreeSet<String> {
    ["syntax", "cfn", "lang", "plan", "policy"]
        .iter()
        .flat_map(|package| sources(&golden::repository().join("deployer").join(package).join("src")))
        .flat_map(|path| {
            let code: String =
                code_of(&path).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            codes(&code)
        })
        .collect()
}

#[test]
fn the_table_of_codes_is_complete() {
    let table = golden::read(&golden::repository().join("docs/diagnostics.md"));
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| [`")).collect();
    let documented: BTreeSet<String> =
        rows.iter().flat_map(|row| codes(row.get(..5).unwrap_or_default())).collect();
    assert_eq!(rows.len(), documented.len(), "a code stands twice in the table");
    assert_eq!(in_code(), documented, "the code, and docs/diagnostics.md");
}

/// Returns the YAML after a heading of a page; `None` if the example is in words.
fn example(page: &str, heading: &str) -> Option<String> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1)?.split("\n## ").next()?;
    let text = section.split("```yaml\n").nth(1)?.split("```").next()?;
    Some(text.to_owned())
}

#[test]
fn every_code_has_a_page_whose_examples_are_what_they_say() {
    let table = golden::read(&golden::repository().join("docs/diagnostics.md"));
    let folder = golden::repository().join("docs/diagnostics");
    let pages: BTreeSet<String> =
        golden::entries(&folder).iter().flat_map(|path| codes(&path.display().to_string())).collect();
    assert_eq!(pages, in_code(), "docs/diagnostics, and the code");
    for code in pages {
        let page = golden::read(&folder.join(format!("{code}.md")));
        let title = page.lines().next().and_then(|line| line.strip_prefix(&format!("# {code}: ")));
        let title = title.unwrap_or_else(|| panic!("{code} has no title"));
        let row = format!("| [`{code}`](diagnostics/{code}.md) | {title} |");
        assert!(table.lines().any(|line| line == row), "{code}: the table has another title");
        assert!(page.contains("\n## Wrong\n"), "{code} has no wrong example");
        let problems = |text: String| {
            let source = Source::new("stack.yaml", text);
            golden::load(&source, &[]).1.to_lines(&source)
        };
        if let Some(wrong) = example(&page, "Wrong") {
            let found = problems(wrong);
            assert!(found.contains(&format!("[{code}]")), "{code}: its wrong example gives\n{found}");
        }
        let right = example(&page, "Right").unwrap_or_else(|| panic!("{code} has no right example"));
        assert_eq!(problems(right), "", "{code}: its right example");
    }
}

#[test]
fn every_code_is_shown_by_a_wrong_case() {
    let mut shown: BTreeSet<String> =
        cases::error_files().iter().flat_map(|(_, errors)| codes(errors)).collect();
    // Those of templates that are imported.
    shown.extend(codes(&import::problems()));
    // Those of rule files, whose rules only `deployer-policy` evaluates.
    for case in golden::entries(&golden::repository().join("deployer/policy/tests/cases")) {
        shown.extend(codes(&golden::read(&case.join("errors.txt"))));
    }
    // A template has it only where CloudFormation returned it; `import` shows it.
    shown.insert("W0372".to_owned());
    // Only a deployed stack shows it; `deploy` does.
    shown.insert("W0417".to_owned());
    // The file would be too large for the repository; `robustness` shows it.
    shown.insert("E0011".to_owned());
    assert_eq!(in_code(), shown, "the code, and tests/cases/wrong-*/errors.txt");
}

#[test]
fn problems_are_in_the_order_of_the_file_and_say_what_would_be_right() {
    for (source, errors) in cases::error_files() {
        let mut last = (0, 0);
        for line in errors.lines() {
            let mut fields = line.splitn(4, ':').skip(1);
            let mut number =
                || fields.next().and_then(|field| field.parse::<usize>().ok()).expect("a number");
            let place = (number(), number());
            assert!(place >= last, "{line}");
            last = place;
            assert!(place.0 <= source.text.lines().count() + 1, "{line}");
            let syntax = ["E0001", "E0003", "E0006"].iter().any(|code| line.contains(code));
            assert!(
                syntax
                    || line.contains("; help: ")
                    || line.contains("expected ")
                    || line.contains(" must be "),
                "{line}"
            );
        }
    }
}
