//! Event patterns against events, beside the answers of EventBridge's own matcher (Event Ruler 2.0.1).

use deployer_lang::matching::Event;
use deployer_lang::model::pattern::Pattern;
use deployer_syntax::mark::UNKNOWN;
use deployer_syntax::yaml::{self, Node};
use deployer_syntax::{Source, json as text, number};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::golden;

/// A pair of a pattern and an event as they are written, and the matcher's answer.
struct Pair {
    pattern: String,
    event: String,
    valid: bool,
    matches: bool,
}

fn pairs(name: &str) -> Vec<Pair> {
    let file = golden::read(&golden::package().join("tests").join(name));
    let pair = |line: &str| {
        let node = text::parse(line).expect(line);
        let yaml::Value::Mapping(entries) = &node.value else { panic!("a mapping: {line}") };
        let of = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key == key)?;
            Some(line[entry.value.span.start..entry.value.span.end].to_owned())
        };
        Pair {
            pattern: of("pattern").expect("a pattern"),
            event: of("event").expect("an event"),
            valid: of("valid").as_deref() == Some("true"),
            matches: of("matches").as_deref() == Some("true"),
        }
    };
    file.lines().map(pair).collect()
}

fn all_pairs() -> Vec<Pair> {
    ["event-patterns.jsonl", "event-patterns-special.jsonl"].into_iter().flat_map(pairs).collect()
}

fn pattern(json: &str) -> Result<Pattern, String> {
    let source = Source::new("pattern", json);
    Pattern::from_json(&source).map_err(|problems| problems.to_lines(&source))
}

fn event(json: &str) -> Event {
    Event::of_node(&text::parse(json).expect(json)).expect("a mapping")
}

#[test]
fn patterns_match_as_eventbridge_matches_them() {
    let pairs = all_pairs();
    let mut wrong = Vec::new();
    for pair in &pairs {
        let read = pattern(&pair.pattern);
        let matches = read.as_ref().is_ok_and(|pattern| pattern.matches(&event(&pair.event)));
        if (read.is_ok(), matches) != (pair.valid, pair.matches) {
            let why = read.err().unwrap_or_default();
            wrong.push(format!("{} {}: {} {} {why}", pair.pattern, pair.event, pair.valid, pair.matches));
        }
    }
    assert!(pairs.len() > 400, "{}", pairs.len());
    assert_eq!(wrong, Vec::<String>::new());
}

/// Returns whether no key is given twice: a value can't contain such keys.
fn has_single_keys(json: &str) -> bool {
    fn of(node: &Node) -> bool {
        match &node.value {
            yaml::Value::Mapping(entries) => entries.iter().enumerate().all(|(at, entry)| {
                of(&entry.value) && entries[..at].iter().all(|before| before.key != entry.key)
            }),
            yaml::Value::Sequence(items) => items.iter().all(of),
            _ => true,
        }
    }
    of(&text::parse(json).expect(json))
}

#[test]
fn an_event_that_matches_still_may_when_less_of_it_is_known() {
    fn unknown(value: &Value) -> Value {
        match value {
            Value::Object(map) => map.iter().map(|(key, inner)| (key.clone(), unknown(inner))).collect(),
            _ => json!(UNKNOWN),
        }
    }
    for pair in all_pairs().iter().filter(|pair| pair.matches && has_single_keys(&pair.event)) {
        let read = pattern(&pair.pattern).expect("a right pattern");
        let known = text::value(&pair.event).expect("JSON");
        assert!(read.matches(&Event::of_value(&known)), "{} {}", pair.pattern, pair.event);
        assert!(read.matches(&Event::of_value(&unknown(&known))), "{} {}", pair.pattern, pair.event);
    }
}

#[test]
fn what_does_not_match_is_said() {
    let misses = |json: &str, of: &str| {
        let misses = pattern(json).expect("a right pattern").compiled.misses(&event(of));
        let shown = misses.into_iter().map(|miss| (miss.field, miss.found.join(" "), miss.wanted.join(" ")));
        shown.collect::<Vec<_>>()
    };
    let of = r#"{"source":"shop","detail":{"n":1e0,"list":[{"a":1,"b":1},{"a":2,"b":2}]}}"#;
    assert_eq!(misses(r#"{"source":["shop"]}"#, of), []);
    assert_eq!(
        misses(r#"{"source":["other",{"prefix":"x"}],"detail":{"n":[1],"gone":[{"exists":true}]}}"#, of),
        [
            (Some("detail.gone".to_owned()), String::new(), "{\"exists\":true}".to_owned()),
            (Some("source".to_owned()), "\"shop\"".to_owned(), "\"other\" {\"prefix\":\"x\"}".to_owned()),
        ]
    );
    let elements = r#"{"detail":{"list":{"a":[1],"b":[2]}}}"#;
    assert_eq!(misses(elements, of), [(None, String::new(), String::new())]);
}

#[test]
fn absence_in_a_list_is_uncertain() {
    let of = event(r#"{"l":[{"m":1},{"m":2,"z":1}]}"#);
    for (json, matches, uncertain) in [
        (r#"{"l":{"m":[1],"z":[{"exists":false}]}}"#, true, true),
        (r#"{"l":{"m":[1],"a":[{"exists":false}]}}"#, true, false),
        (r#"{"l":{"m":[2],"z":[{"exists":false}]}}"#, false, false),
        (r#"{"l":{"m":[1]}}"#, true, false),
    ] {
        let read = pattern(json).expect("a right pattern");
        assert_eq!((read.matches(&of), read.compiled.is_uncertain(&of)), (matches, uncertain), "{json}");
    }
}

#[test]
fn a_large_event_is_matched_in_time() {
    let list = |count: usize| {
        let item = |index: usize| json!({ "k": index % 7, "v": [index % 3, index % 5] });
        (0..count).map(item).collect::<Value>()
    };
    let value = json!({ "a": list(300), "b": list(300), "c": list(300) });
    let json = r#"{"a":{"k":[6],"v":[2]},"b":{"k":[5],"v":[1]},"c":{"k":[4],"v":[9]}}"#;
    assert!(!pattern(json).expect("a right pattern").matches(&Event::of_value(&value)));
    let many = (0..40).map(|_| r#"{"a":[1],"$or":[{"b":[1]},{"c":[1]}]}"#).collect::<Vec<_>>().join(",");
    assert!(pattern(&format!("{{\"$or\":[{many}]}}")).is_ok());
    let multiplied = (0..40).map(|_| r#""$or":[{"b":[1]},{"c":[1]}]"#).collect::<Vec<_>>().join(",");
    assert!(pattern(&format!("{{{multiplied}}}")).is_err());
}

/// Returns a node with the members of each mapping in another order.
fn turned(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Mapping(entries) => {
            entries.iter().rev().map(|entry| (entry.key.clone(), turned(&entry.value))).collect()
        }
        yaml::Value::Sequence(items) => items.iter().map(turned).collect(),
        _ => text::of_node(node),
    }
}

#[test]
fn the_order_of_keys_counts_with_or_alone() {
    let is_single = |pair: &&Pair| has_single_keys(&pair.event) && has_single_keys(&pair.pattern);
    for pair in all_pairs().iter().filter(|pair| pair.valid).filter(is_single) {
        let node = text::parse(&pair.event).expect("JSON");
        let event = Event::of_value(&turned(&node));
        let read = pattern(&pair.pattern).expect("a right pattern");
        assert_eq!(read.matches(&event), pair.matches, "{} {}", pair.pattern, pair.event);
        if !pair.pattern.contains("$or") {
            let other = number::to_json(&turned(&text::parse(&pair.pattern).expect("JSON")));
            let other = pattern(&other).expect("a right pattern");
            assert_eq!(other.matches(&event), pair.matches, "{} {}", pair.pattern, pair.event);
        }
    }
}

proptest! {
    #[test]
    fn any_pattern_is_read_and_matched(
        json in "\\{\"(a|b|\\$or|detail)\":(\\[|\\[\\{|\\{)(\"(prefix|suffix|wildcard|numeric|anything-but|exists|cidr|equals-ignore-case|a)\":?|[\\[\\]{},:*\\\\]|\"[a\\*ß.:/]{0,4}\"|1e9|-0|true|null){0,9}",
        of in "[\\[\\]{},:\"a1ßé.*🦀]{0,20}",
    ) {
        if let Ok(read) = pattern(&json) {
            let value = json!({ "a": of, "b": [of, { "a": of }] });
            let matches = read.matches(&Event::of_value(&value));
            prop_assert_eq!(read.compiled.misses(&Event::of_value(&value)).is_empty(), matches);
        }
    }

    #[test]
    fn any_case_is_folded(wanted in "\\PC{0,4}", text in "\\PC{0,6}") {
        for operator in ["equals-ignore-case", "prefix", "suffix"] {
            let argument = match operator {
                "equals-ignore-case" => json!(wanted),
                _ => json!({ "equals-ignore-case": wanted }),
            };
            let read = pattern(&json!({ "a": [{ operator: argument }] }).to_string()).expect("a right pattern");
            let _ = read.matches(&Event::of_value(&json!({ "a": text })));
        }
    }
}

#[test]
fn lists_that_have_nothing_to_do_with_each_other_do_not_multiply() {
    // A field in each of six lists of 200 elements: 6.4 × 10¹³ choices, of which none matters.
    let list = |value: u32| (0..200).map(|_| json!({ "x": value })).collect::<Vec<_>>();
    let names = ["a", "b", "c", "d", "e", "f"];
    let lists: Value = names.iter().map(|name| ((*name).to_owned(), json!(list(1)))).collect();
    let wanted: Value = names.iter().map(|name| ((*name).to_owned(), json!({ "x": [1] }))).collect();
    assert!(pattern(&wanted.to_string()).expect("valid").matches(&event(&lists.to_string())));
    // In one list, two fields must be in the same element.
    let both = pattern(r#"{"a":{"x":[1],"y":[2]},"b":{"x":[1]}}"#).expect("valid");
    assert!(!both.matches(&event(r#"{"a":[{"x":1},{"y":2}],"b":[{"x":1}]}"#)));
    assert!(both.matches(&event(r#"{"a":[{"x":3},{"x":1,"y":2}],"b":[{"x":1}]}"#)));
}

#[test]
fn a_text_that_is_no_mark_is_not_taken_for_one() {
    for hostile in [r#"{"a":["\u0000"]}"#, r#"{"a":["\u0000number:5"]}"#, r#"{"\u0000":[1]}"#] {
        let problem = pattern(hostile).expect_err(hostile);
        assert!(problem.contains("U+0000"), "{problem}");
    }
}
