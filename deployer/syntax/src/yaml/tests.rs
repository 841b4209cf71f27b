use super::*;
use proptest::prelude::*;

fn read(text: &str) -> (Option<Node>, String) {
    let source = Source::new("s.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let node = parse(&source, &mut diagnostics);
    (node, diagnostics.to_lines(&source))
}

#[test]
fn nodes_know_their_place() {
    let text = "a: ü\nb:\n  - x\n  - { c: \"d\" }\n";
    let (node, problems) = read(text);
    assert_eq!(problems, "");
    let Some(Node { value: Value::Mapping(entries), .. }) = node else { panic!("mapping") };
    assert_eq!(&text[entries[0].value.span.start..entries[0].value.span.end], "ü");
    let Value::Sequence(items) = &entries[1].value.value else { panic!("sequence") };
    assert_eq!(&text[items[1].span.start..items[1].span.end], "{ c: \"d\" }");
    assert_eq!(&text[entries[1].value.span.start..entries[1].value.span.end], "- x\n  - { c: \"d\" }");
}

#[test]
fn a_short_tag_stays_with_its_value() {
    let text = "a: !Ref b\nc: !Join\n  - x\n  - [!Sub 'y']\n!Ref d: 1\n";
    let (node, problems) = read(text);
    assert!(problems.starts_with("s.yaml:5:1: error[E0005]"), "{problems}");
    let Some(Node { value: Value::Mapping(entries), .. }) = node else { panic!("mapping") };
    let Value::Tagged { tag, tag_span, node } = &entries[0].value.value else { panic!("a tag") };
    assert_eq!((tag.as_str(), &text[tag_span.start..tag_span.end]), ("Ref", "!Ref"));
    assert_eq!(&text[node.span.start..node.span.end], "b");
    assert_eq!(node.part(0, 1), node.span);
    let Value::Tagged { tag, node, .. } = &entries[1].value.value else { panic!("a tag") };
    assert_eq!(tag, "Join");
    assert!(matches!(&node.value, Value::Sequence(items) if items.len() == 2));
    assert_eq!(entries[2].key, "d");
}

#[test]
fn a_mistake_is_shown_where_it_was_made() {
    for (text, place, part) in [
        ("a:\n\tb: 1\n", "2:", "indent with spaces"),
        ("r:\n  q:\n    type queue\n    properties: { delay: 5s }\n", "3:5: ", "write `type: queue`"),
        ("r:\n  q: { type: queue\n  b: { type: bucket }\n", "2:6: ", "add `}`; line 3"),
        ("r:\n  q: { a: b, c: { d: e }\n  b: { type: bucket }\n", "2:6: ", "add `}`; line 3"),
        ("r:\n  q: [a, \"}\", 'it''s' # {\n  b: { type: bucket }\n", "2:6: ", "add `]`; line 3"),
        ("r:\n  q:\n   type: queue\n    properties: { delay: 5s }\n", "4:", "align them"),
        ("f:\n  id: { from: ID }\n  - date: 1\n", "3:", "without `-`"),
        ("f:\n  - id: 1\n  date: 2\n", "3:", "a key is among the items of a list"),
        ("r: { a: ${b} }\n", "1:", "a reference needs quotes"),
    ] {
        let problems = read(text).1;
        assert!(problems.starts_with(&format!("s.yaml:{place}")) && problems.contains(part), "{problems}");
    }
}

#[test]
fn a_text_with_nul_is_an_error() {
    assert_eq!(
        read("a: \"\\0007\"\n").1,
        "s.yaml:1:4: error[E0001]: a text contains the character U+0000; help: AWS does not accept it; remove `\\0`\n"
    );
}

#[test]
fn a_character_in_two_halves_is_read_as_python_writes_it() {
    let text = concat!(
        r#"{ "\ud83d\ude00ü": ["a \ud83d\uDE00\uD834\udd1e!", '\ud83d\ude00', "\\ud83d\\ude00", \ud83d\ude00], "b": "c" }"#,
        " # \\ud83d\\ude00\n"
    );
    let (node, problems) = read(text);
    assert_eq!(problems, "");
    let Some(Node { value: Value::Mapping(entries), .. }) = node else { panic!("mapping") };
    let shown = |node: &Node| match &node.value {
        Value::Scalar { text: value, .. } => (value.clone(), text[node.span.start..node.span.end].to_owned()),
        _ => panic!("a single value"),
    };
    assert_eq!(entries[0].key, "😀ü");
    assert_eq!(&text[entries[0].key_span.start..entries[0].key_span.end], r#""\ud83d\ude00ü""#);
    let Value::Sequence(items) = &entries[0].value.value else { panic!("a list") };
    let expected = [
        ("a 😀𝄞!", r#""a \ud83d\uDE00\uD834\udd1e!""#),
        (r"\ud83d\ude00", r"'\ud83d\ude00'"),
        (r"\ud83d\ude00", r#""\\ud83d\\ude00""#),
        (r"\ud83d\ude00", r"\ud83d\ude00"),
    ];
    assert_eq!(
        items.iter().map(shown).collect::<Vec<_>>(),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(shown(&entries[1].value), ("c".to_owned(), "\"c\"".to_owned()));
    assert_eq!(items[0].part(0, 1), items[0].span);
    let (_, problems) = read("a: \"\\ud83d\\ude00\"\nb: 1\nb: 2\n");
    assert!(problems.starts_with("s.yaml:3:1: error[E0004]"), "{problems}");
}

#[test]
fn half_of_a_character_is_an_error_at_its_place() {
    for (text, place) in [
        (r#"a: "ü \ud83d b""#, "1:7"),
        (r#"a: "\\\ude00""#, "1:7"),
        (r#"a: "${b} \ud83d\ud83d\ude00""#, "1:10"),
        (r#"a: "\ud83d\ude00 \ude00\ud83d""#, "1:18"),
        (r#"a: "\\ud83d\ude00""#, "1:12"),
        (r#"a: "\ud83dude00""#, "1:5"),
    ] {
        let problems = read(text).1;
        assert!(
            problems.starts_with(&format!("s.yaml:{place}: error[E0001]: not valid YAML: `\\ud")),
            "{problems}"
        );
        assert!(problems.contains("is half of a character"), "{problems}");
    }
}

#[test]
fn a_raw_nul_is_an_error_wherever_it_is() {
    for text in ["a: b\0", "a: \"\0\"", "# \0\na: b", "\0", "a: |\n  \0"] {
        let problems = read(text).1;
        assert!(problems.contains("contains the character U+0000, a control character"), "{problems}");
        assert!(!problems.contains("tab"), "{problems}");
    }
}

#[test]
fn a_raw_control_character_is_an_error_with_its_escape() {
    assert_eq!(
        read("a: b\nc: é\u{1b}[0m\n").1,
        "s.yaml:2:5: error[E0001]: the file contains the character U+001B, a control character that YAML does not allow; \
         help: remove it, or write `\\x1b` in double quotes\n"
    );
    for letter in ('\u{1}'..' ').filter(|letter| !"\t\r\n".contains(*letter)) {
        for text in [format!("a: {letter}"), format!("a: '{letter}'"), format!("# {letter}\na: b")] {
            assert!(read(&text).1.contains("a control character"), "{text:?}");
        }
        let escaped = format!("a: \"\\x{:02x}\"", u32::from(letter));
        assert_eq!(read(&escaped).1, "", "{escaped}");
    }
    assert_eq!(read("a: 'b\tc'\r\n").1, "");
}

#[test]
fn brackets_are_nested_as_deeply_as_blocks() {
    for (before, open, close, column) in
        [("", "[", "]", 65), ("a: ", "[", "]", 67), ("a: ", "{b: ", "}", 256), ("- a: ", "[", "]", 68)]
    {
        for levels in [66, 300, 10_000] {
            for close in [close, ""] {
                let problems = read(&format!("{before}{}{}", open.repeat(levels), close.repeat(levels))).1;
                // What is not closed may be found first.
                let expected = format!("s.yaml:1:{column}: error[E0003]: nested deeper than 64 levels");
                assert!(problems.starts_with(&expected) || close.is_empty() && levels < 100, "{problems}");
            }
        }
    }
}

#[test]
fn the_page_of_the_limits_has_those_of_the_code() {
    let page = include_str!("../../../../docs/diagnostics/E0003.md");
    let values = format!("{},{:03} values", MAX_NODES / 1_000, MAX_NODES % 1_000);
    assert!(page.contains(&format!("({MAX_DEPTH} levels, {values})")), "{page}");
}

#[test]
fn a_key_that_stands_twice_is_an_error() {
    assert_eq!(
        read("a: 1\nb: 2\na: 3\n").1,
        "s.yaml:3:1: error[E0004]: the key `a` is in this mapping twice; help: remove one of them; the first is on line 1\n"
    );
}

#[test]
fn bombs_and_deep_nesting_end_quickly() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let previous = format!("*a{},", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    assert!(read(&bomb).1.contains("E0003"), "{}", read(&bomb).1);
    assert!(read(&"[".repeat(10_000)).1.contains("E000"));
}

fn spans_are_text(node: &Node, text: &str) -> bool {
    let inside = |span: Span| text.get(span.start..span.end).is_some();
    inside(node.span)
        && match &node.value {
            Value::Scalar { .. } => true,
            Value::Tagged { tag_span, node, .. } => inside(*tag_span) && spans_are_text(node, text),
            Value::Sequence(items) => items.iter().all(|item| spans_are_text(item, text)),
            Value::Mapping(entries) => {
                entries.iter().all(|entry| inside(entry.key_span) && spans_are_text(&entry.value, text))
            }
        }
}

proptest! {
    #[test]
    fn any_text_is_read_with_spans_that_lie_in_it(text in "\\PC*|([-:{}\\[\\],&*!\"'aü \n#|>]){0,60}") {
        let source = Source::new("s.yaml", text.clone());
        let mut diagnostics = Diagnostics::default();
        if let Some(node) = parse(&source, &mut diagnostics) {
            prop_assert!(spans_are_text(&node, &text));
        }
        for diagnostic in diagnostics.sorted() {
            prop_assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some());
        }
    }

    #[test]
    fn json_is_read_as_the_same_texts(texts in proptest::collection::vec("\\PC{0,4}|[😀\\\\\"u d8c]{0,6}", 0..4)) {
        let value = serde_json::json!(texts);
        let (node, problems) = read(&crate::number::to_ascii_json(&value));
        prop_assert_eq!(problems, "");
        prop_assert_eq!(node.map(|node| crate::json::of_node(&node)), Some(value));
    }
}
