//! Any edits, any bytes, any messages: an answer to each request, and no panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::{Client, URI};

const STACK: &str = include_str!("../../../stack.yaml");

/// The requests about a place.
const METHODS: [&str; 6] = [
    "textDocument/completion",
    "textDocument/hover",
    "textDocument/definition",
    "textDocument/references",
    "textDocument/prepareRename",
    "textDocument/documentHighlight",
];

fn position() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0_u64..100, 0_u64..120).prop_map(|(line, character)| json!({ "line": line, "character": character })),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(line, character)| json!({ "line": line, "character": character })),
    ]
}

fn word() -> impl Strategy<Value = String> {
    let words = vec![
        "",
        "${",
        "}",
        "${landing",
        ".arn}",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        ":",
        "- ",
        "\n",
        "\r",
        "\r\n",
        "  ",
        "\t",
        "#",
        "🦀",
        "ü",
        "!Ref ",
        "!Sub ",
        "&a",
        "*a",
        "Fn::Sub: ",
        "|",
        ">",
        "\u{0}",
        "\u{feff}",
        "resources:",
        "type: ",
        "x",
    ];
    prop_oneof![prop::sample::select(words).prop_map(str::to_owned), "\\PC{0,12}"]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1.5)),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!(URI)),
        prop::sample::select(METHODS.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec![
            "id",
            "method",
            "params",
            "textDocument",
            "uri",
            "text",
            "range",
            "start",
            "end",
            "line",
            "character",
            "contentChanges",
            "position",
            "newName",
            "context",
            "only",
            "version",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_edit_leaves_a_session_that_answers(
        edits in prop::collection::vec((position(), position(), word(), position()), 1..6),
    ) {
        let mut client = Client::open(STACK);
        for (version, (start, end, text, place)) in edits.into_iter().enumerate() {
            let change = json!({ "range": { "start": start, "end": end }, "text": text });
            let document = json!({ "uri": URI, "version": version + 2 });
            client.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
            for method in METHODS {
                client.ask(method, json!({ "textDocument": { "uri": URI }, "position": place }));
            }
            let rename = json!({ "textDocument": { "uri": URI }, "position": place, "newName": "other" });
            client.ask("textDocument/rename", rename);
            client.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": URI } }));
            let range = json!({ "start": place, "end": end });
            let params = json!({ "textDocument": { "uri": URI }, "range": range, "context": {} });
            client.ask("textDocument/codeAction", params);
            client.problems();
        }
    }

    #[test]
    fn any_message_has_at_most_one_answer(messages in prop::collection::vec(json_value(), 1..8)) {
        let mut client = Client::open(STACK);
        for message in messages {
            let answers = client.session.handle(&message).messages;
            let answers = answers.iter().filter(|one| one.get("method").is_none()).count();
            prop_assert!(answers <= 1, "{message}");
        }
    }

    #[test]
    fn any_text_is_answered(text in "(\\PC|\n|\r| |:|\\{|\\}|\\$|\"|'|#|-|resources:|type:){0,60}", place in position()) {
        let mut client = Client::open(&text);
        for method in METHODS {
            client.ask(method, json!({ "textDocument": { "uri": URI }, "position": place }));
        }
        client.problems();
    }
}
