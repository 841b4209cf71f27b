//! Any text is read, without a panic or a hang, with every place inside the text.
//!
//! No time is measured here: a reader that takes quadratic time does not get through the large files before the test
//! runner's limit.

use deployer_syntax::Source;
use proptest::prelude::*;

use crate::golden::{load, source_of};

fn check(text: String) {
    let shown: String = text.chars().take(2_000).collect();
    let source = Source::new("stack.yaml", text);
    let (stacks, diagnostics) = load(&source, &[]);
    for diagnostic in diagnostics.sorted() {
        let span = diagnostic.span;
        assert!(
            source.text.get(span.start..span.end).is_some(),
            "not on characters: {diagnostic:?}\n{}",
            shown
        );
        assert!(!diagnostic.message.is_empty() && diagnostic.message.len() < 1_000, "{diagnostic:?}");
        assert!(!diagnostic.message.contains('\n'), "{diagnostic:?}");
        assert!(diagnostic.help.as_deref().is_none_or(|help| help.len() < 5_000), "{diagnostic:?}");
    }
    for compiled in &stacks {
        assert_eq!(compiled.template.check(), [], "{}", shown);
    }
    assert!(diagnostics.to_lines(&source).lines().count() >= diagnostics.sorted().len());
}

#[derive(Debug, Clone)]
enum Change {
    Delete(prop::sample::Index),
    Duplicate(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Replace(prop::sample::Index, String),
    Word(prop::sample::Index, String),
    Indent(prop::sample::Index, usize),
    Bytes(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let token = prop::sample::select(vec![
        "${",
        "}",
        "${bus}",
        "${events.arn}",
        "${config.throttle}",
        "${config.x}",
        "$${",
        "{",
        "[",
        "]",
        ":",
        "- ",
        "&a",
        "*a",
        "!t",
        "!Ref ",
        "!GetAtt ",
        "!If ",
        "!Sub ",
        "Fn::Join: ",
        "AWS::",
        "options: { retain: true }",
        "pattern: { source: [a] }",
        "prefix: ",
        "exists: true",
        "existing: default",
        "0 2 * * ? *",
        "type: number, ",
        "expression: ",
        "map: ",
        "double(",
        "%H:%M",
        "AKIAIOSFODNN7EXAMPLE",
        "null",
        "~",
        "no",
        "012",
        "5m",
        "1e9",
        "99999999999999999999",
        "\u{feff}",
        "ü",
        "🦀",
        "\t",
        "\r",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "? ",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        index().prop_map(Change::Delete),
        index().prop_map(Change::Duplicate),
        (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        (index(), "\\PC{0,30}").prop_map(|(at, line)| Change::Replace(at, line)),
        (index(), token).prop_map(|(at, word)| Change::Word(at, word)),
        (index(), 0_usize..8).prop_map(|(at, columns)| Change::Indent(at, columns)),
        (index(), proptest::collection::vec(any::<u8>(), 1..6))
            .prop_map(|(at, bytes)| Change::Bytes(at, bytes)),
    ]
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for change in changes {
        if lines.is_empty() {
            break;
        }
        match change {
            Change::Delete(at) => drop(lines.remove(at.index(lines.len()))),
            Change::Duplicate(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Change::Swap(a, b) => {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
            }
            Change::Replace(at, line) => {
                let at = at.index(lines.len());
                lines[at].clone_from(line);
            }
            Change::Word(at, word) => {
                // In the middle of a line, before a word of it.
                let at = at.index(lines.len());
                let starts: Vec<usize> = lines[at].match_indices(' ').map(|(start, _)| start + 1).collect();
                let start = starts.get(word.len() % starts.len().max(1)).copied().unwrap_or(0);
                lines[at].insert_str(start, word);
            }
            Change::Indent(at, columns) => {
                let at = at.index(lines.len());
                lines[at] = format!("{}{}", " ".repeat(*columns), lines[at].trim_start());
            }
            Change::Bytes(at, bytes) => {
                let mut all = lines.join("\n").into_bytes();
                let at = at.index(all.len() + 1);
                all.splice(at..at, bytes.iter().copied());
                lines = String::from_utf8_lossy(&all).lines().map(str::to_owned).collect();
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "(\\PC|\n|\t|: |- |\\{|\\}|\\[|\\]|name|stacks|resources|type|\\$\\{){0,80}") {
        check(text);
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn a_changed_stack_file_is_read(
        case in prop::sample::select(vec![
            "repository", "raw", "options", "compute", "messaging", "networks", "fields", "fields", "fields-keys",
        ]),
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        check(apply(&source_of(case).text, &changes));
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let source = Source::new("stack.yaml", format!("# {}\n", "x".repeat(5 << 20)));
    let (stacks, problems) = load(&source, &[]);
    assert!(stacks.is_empty());
    assert!(problems.to_lines(&source).contains("[E0011]"), "{}", problems.to_lines(&source));
}

#[test]
fn large_files_come_to_an_end() {
    let entries = |entry: &dyn Fn(usize) -> String| (0..20_000).map(entry).collect::<String>();
    let head = "name: large\nstacks: { dev: {} }\n";
    let transform = "resources:\n  b: { type: bus }\n  t:\n    type: function\n    properties:\n      worker: transform\n      \
                     triggers: [{ bus: \"${b}\", event: any }]\n      access: [{ publish: \"${b}\" }]\n      settings:\n        \
                     fields:\n";
    for text in [
        format!("{head}resources:\n{}", entries(&|at| format!("  r{at}: {{ type: bus }}\n"))),
        format!("{head}resources:\n{}", entries(&|_| "  same: { type: bus }\n".to_owned())),
        format!("{head}resources: {{}}\n{}", entries(&|at| format!("unknown{at}: 1\n"))),
        format!("{head}resources: {{}}\noutputs:\n{}", entries(&|at| format!("  o{at}: ${{nobody{at}}}\n"))),
        format!(
            "{head}resources: {{}}\nconfig:\n{}",
            entries(&|at| format!("  c{at}: {{ type: integer, default: x }}\n"))
        ),
        format!("{head}resources: {{ a: {{ type: {} }} }}\n", "x".repeat(200_000)),
        format!("name: \"{}\"\n", "${".repeat(50_000)),
        format!("name: \"{}\"\n", "x".repeat(5 << 20)),
        format!(
            "{head}resources:\n  b: {{ type: bus }}\n  q: {{ type: queue }}\n  r: {{ type: rule, properties: {{ bus: \"${{b}}\", targets: [{{ queue: \"${{q}}\" }}], pattern: {{ source: [{}] }} }} }}\n",
            "x, ".repeat(50_000)
        ),
        format!("{head}{transform}{}", entries(&|at| format!("            f{at}: {{ from: c{at} }}\n"))),
        format!("{head}{transform}            f: \"{}\"\n", "${a} $${b} ".repeat(20_000)),
        format!("{head}{transform}            f: {{ expression: \"{}\" }}\n", "a + ".repeat(20_000)),
        format!("{head}{transform}            f: {}\n", "{ map: { f: ".repeat(500)),
        "[".repeat(50_000),
        "- ".repeat(5_000),
        "a: &a [*a, *a]\n".repeat(1_000),
        "{a: ".repeat(5_000),
        "? ".repeat(5_000),
    ] {
        check(text);
    }
}
