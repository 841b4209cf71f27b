use contract::settings::{Element, Type};
use proptest::prelude::*;

use super::*;
use crate::number::Number;

fn settings(change: impl FnOnce(&mut FieldSettings)) -> FieldSettings {
    let mut settings = FieldSettings::default();
    change(&mut settings);
    settings
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn number(text: &str) -> Value<'static> {
    Value::Number(text.parse().expect("a number"))
}

#[test]
fn letters_get_their_case_and_texts_that_have_it_are_borrowed() {
    for (text, lower, upper) in [
        ("Anna@Example.COM", "anna@example.com", "ANNA@EXAMPLE.COM"),
        ("Straße", "straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("İ", "i\u{307}", "İ"),
        ("", "", ""),
    ] {
        assert_eq!(cased(text, Case::Lower), lower);
        assert_eq!(cased(text, Case::Upper), upper);
    }
    for (text, case) in [("a1-", Case::Lower), ("é", Case::Lower), ("A1-", Case::Upper), ("É", Case::Upper)]
    {
        assert!(matches!(cased(text, case), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn booleans_of_databases_and_libraries_are_read() {
    let usual = Booleans::default();
    for text in ["t", "true", "True", "TRUE", "1", "yes", "Yes", " t "] {
        assert_eq!(usual.parse(text), Ok(true), "{text}");
    }
    for text in ["f", "false", "False", "FALSE", "0", "no", "false\u{a0}"] {
        assert_eq!(usual.parse(text), Ok(false), "{text}");
    }
    for text in ["", "y", "n", "on", "2", "1.0", "-1", "wahr", "truee", "null"] {
        assert_eq!(usual.parse(text).expect_err(text).reason, Reason::InvalidBoolean);
    }
}

#[test]
fn booleans_of_a_field_are_those_of_its_lists() {
    let own = Booleans::new(&settings(|settings| {
        settings.truths = texts(&["ja", "Ü"]);
        settings.falsehoods = texts(&["nein"]);
    }))
    .expect("two lists");
    assert_eq!(own.parse("JA "), Ok(true));
    assert_eq!(own.parse("ü"), Ok(true));
    assert_eq!(own.parse("Nein"), Ok(false));
    assert!(own.parse("true").is_err());
    let one = Booleans::new(&settings(|settings| settings.truths = texts(&["x"]))).expect("one list");
    assert_eq!((one.parse("X"), one.parse("0")), (Ok(true), Ok(false)));
}

#[test]
fn lists_of_booleans_that_cannot_be_are_problems() {
    for (truths, falsehoods, expected) in [
        (texts(&["ja", "j"]), texts(&["nein", "J"]), ("false", Some(1), "`J` is both true and false")),
        (texts(&["0"]), None, ("true", Some(0), "`0` is both true and false")),
        (None, texts(&["YES"]), ("false", Some(0), "`YES` is both true and false")),
        (texts(&[]), texts(&["x"]), ("true", None, "there is no text that is true")),
        (texts(&["x"]), texts(&[" "]), ("false", Some(0), "an empty text cannot be false")),
    ] {
        let found = Booleans::new(&settings(|settings| {
            settings.truths = truths;
            settings.falsehoods = falsehoods;
        }))
        .expect_err("a problem");
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (only.place.property, only.place.element, only.message.as_str()),
            (Some(expected.0), expected.1, expected.2)
        );
    }
}

#[test]
fn bytes_are_base64_or_hexadecimal() {
    for (text, bytes) in [
        ("3q2+7w==", &b"\xde\xad\xbe\xef"[..]),
        ("3q2+7w", b"\xde\xad\xbe\xef"),
        ("3q2-7w==", b"\xde\xad\xbe\xef"),
        ("_-8", b"\xff\xef"),
        ("/+8=", b"\xff\xef"),
        (" 3q2+\r\n7w== ", b"\xde\xad\xbe\xef"),
        ("\\xdeadBEEF", b"\xde\xad\xbe\xef"),
        ("\\x", b""),
        ("", b""),
    ] {
        assert_eq!(parse_binary(text), Ok(Value::Binary(bytes.to_vec())), "{text}");
    }
    for text in ["b'\\xde'", "3q2+7", "a+b_", "3q2+7x", "é", "\\xabc", "\\xzz", "a b c d", "="] {
        assert_eq!(parse_binary(text).expect_err(text).reason, Reason::InvalidBinary, "{text}");
    }
    for (text, rule) in [
        ("b'\\xde\\xad'", "is bytes as Python shows them"),
        ("b\"'\"", "is bytes as Python shows them"),
        ("\\xDE\\xAD", "is bytes as DuckDB shows them"),
        ("\\xDEx\\x00", "is bytes as DuckDB shows them"),
        ("\\xDEx", "is not pairs of hexadecimal digits"),
    ] {
        let found = parse_binary(text).expect_err(text).rule;
        assert!(found.starts_with(rule), "{text}: {found}");
    }
}

fn list(text: &str, of: Element) -> Result<Option<Value<'_>>, Flaw> {
    ListFormat::new(&settings(|settings| settings.of = Some(of))).expect("a list").parse(text)
}

fn set(text: &str, of: Element, separator: Option<&str>) -> Result<Option<Value<'static>>, Flaw> {
    let format = ListFormat::new(&settings(|settings| {
        settings.kind = Some(Type::Set);
        settings.of = Some(of);
        settings.separator = separator.map(str::to_owned);
    }));
    Ok(format.expect("a set").parse(text)?.map(Value::into_owned))
}

#[test]
fn lists_are_read_as_others_write_them() {
    let text = |text: &'static str| Value::text(text);
    for (written, expected) in [
        // JSON, Python, DuckDB, PostgreSQL.
        ("[1, null, \"x\"]", vec![text("1"), Value::Null, text("x")]),
        ("[1, None, 3]", vec![text("1"), Value::Null, text("3")]),
        ("['it\\'s', \"it's\", 'a\\x41\\n']", vec![text("it's"), text("it's"), text("aA\n")]),
        ("[a b, NULL, 'c,d', '']", vec![text("a b"), Value::Null, text("c,d"), text("")]),
        ("{1,NULL,\"a,b\"}", vec![text("1"), Value::Null, text("a,b")]),
        ("{\"a\\\"b\\\\c\",\"NULL\",it's}", vec![text("a\"b\\c"), text("NULL"), text("it's")]),
        ("[\"\\ud83d\\ude00\", \"]\"]", vec![text("😀"), text("]")]),
        // Brackets are text to PostgreSQL, and `None` is text to all but Python.
        ("{[x],\"{y}\",a[1]}", vec![text("[x]"), text("{y}"), text("a[1]")]),
        ("{\"NULL\",None,NULL}", vec![text("NULL"), text("None"), Value::Null]),
        ("{None,1}", vec![text("None"), text("1")]),
        ("[None, NULL]", vec![text("None"), Value::Null]),
        ("[a, None]", vec![text("a"), text("None")]),
        ("[none]", vec![text("none")]),
        ("['a', None, 1.5, True, nan]", vec![text("a"), Value::Null, text("1.5"), text("True"), text("nan")]),
        (" [ ] ", vec![]),
        ("{}", vec![]),
        ("[don't]", vec![text("don't")]),
    ] {
        assert_eq!(list(written, Element::String), Ok(Some(Value::List(expected))), "{written}");
    }
    assert_eq!(
        list("[1.50, 1e3, null]", Element::Number),
        Ok(Some(Value::List(vec![number("1.5"), number("1000"), Value::Null])))
    );
    assert_eq!(
        list("[True, f, '1']", Element::Boolean),
        Ok(Some(Value::List(vec![Value::Boolean(true), Value::Boolean(false), Value::Boolean(true)])))
    );
}

#[test]
fn other_texts_are_no_lists() {
    for (written, of, rule) in [
        ("", Element::String, "is not a list in brackets or braces"),
        ("a,b", Element::String, "is not a list in brackets or braces"),
        ("[1, 2", Element::String, "is not a list in brackets or braces"),
        ("[1:2]={1,2}", Element::String, "is not a list in brackets or braces"),
        ("[1,,2]", Element::String, "has an element 2 that is missing"),
        ("[1,]", Element::String, "has an element 2 that is missing"),
        ("[,]", Element::String, "has an element 1 that is missing"),
        ("[[1], 2]", Element::String, "has an element 1 that is itself a list or map"),
        ("[1, {'a': 1}]", Element::String, "has an element 2 that is itself a list or map"),
        ("{{1,2},{3,4}}", Element::String, "has an element 1 that is itself a list or map"),
        ("['a]", Element::String, "has an element 1 whose quotes or escapes are wrong"),
        ("[\"\\ud800\"]", Element::String, "has an element 1 whose quotes or escapes are wrong"),
        ("[\"\\q\"]", Element::String, "has an element 1 whose quotes or escapes are wrong"),
        ("['a' 'b']", Element::String, "has something after its element 1"),
        ("[a\"b]", Element::String, "has something after its element 1"),
        ("[1, x]", Element::Number, "has an element 2 that is not a number"),
        ("[1, NaN]", Element::Number, "has an element 2 that is not a finite number"),
        ("[1.5]", Element::Integer, "has an element 1 that is not a whole number"),
        ("[true, 2]", Element::Boolean, "has an element 2 that is not one of the texts"),
    ] {
        let flaw = list(written, of).expect_err(written);
        assert_eq!(flaw.reason, Reason::InvalidList);
        assert!(flaw.rule.starts_with(rule), "{written}: {}", flaw.rule);
    }
}

#[test]
fn sets_have_each_element_once_and_are_never_empty() {
    assert_eq!(
        set("b|a|b|", Element::String, Some("|")),
        Ok(Some(Value::TextSet(vec!["b".into(), "a".into(), "".into()])))
    );
    assert_eq!(
        set("36; 38;36.0;3.6e1", Element::Number, Some(";")),
        Ok(Some(Value::NumberSet(vec![Number::from_i64(36), Number::from_i64(38)])))
    );
    for (written, separator) in [("", Some("|")), ("[]", None), ("{}", None)] {
        assert_eq!(set(written, Element::String, separator), Ok(None));
        assert_eq!(set(written, Element::Number, separator), Ok(None));
    }
    assert!(
        set("[1, null]", Element::Number, None).expect_err("null").rule.contains("element 2 that is null")
    );
    assert!(
        set("36||38", Element::Number, Some("|"))
            .expect_err("empty")
            .rule
            .contains("element 2 that is not a number")
    );
}

#[test]
fn elements_between_separators_are_trimmed_with_the_value() {
    let read = |trim: bool| {
        let format = ListFormat::new(&settings(|settings| {
            settings.separator = Some(", ".to_owned());
            settings.trim = trim;
        }));
        format.expect("a list").parse("a,  b, ").map(|value| value.map(Value::into_owned))
    };
    let list = |texts: [&'static str; 3]| Ok(Some(Value::List(texts.map(Value::text).to_vec())));
    assert_eq!(read(false), list(["a", " b", ""]));
    assert_eq!(read(true), list(["a", "b", ""]));
}

#[test]
fn lists_that_cannot_be_are_problems() {
    let problems = |change: &dyn Fn(&mut FieldSettings)| -> Vec<Option<&'static str>> {
        let found = ListFormat::new(&settings(change)).expect_err("a problem");
        found.into_iter().map(|found| found.place.property).collect()
    };
    assert_eq!(
        problems(&|settings| {
            settings.kind = Some(Type::Set);
            settings.of = Some(Element::Boolean);
            settings.separator = Some(String::new());
        }),
        [Some("of"), Some("separator")]
    );
    let decimals = |settings: &mut FieldSettings| {
        settings.of = Some(Element::Number);
        settings.decimal = Some(',');
    };
    assert_eq!(problems(&decimals), [Some("decimal")]);
    assert!(
        ListFormat::new(&settings(|settings| {
            decimals(settings);
            settings.separator = Some("|".to_owned());
        }))
        .is_ok()
    );
    assert_eq!(
        problems(&|settings| {
            settings.of = Some(Element::Boolean);
            settings.truths = texts(&["0"]);
        }),
        [Some("true")]
    );
}

#[test]
fn json_becomes_values_with_all_digits_and_in_order() {
    let digits = "0.12345678901234567890123456789012345678";
    let text = format!(" {{\"z\": [1, -0.0, 1E2, {digits}], \"a\": {{\"é\\n\": null}}, \" \": true}}\r\n");
    let expected = Value::Map(vec![
        ("z".into(), Value::List(vec![number("1"), number("0"), number("100"), number(digits)])),
        ("a".into(), Value::Map(vec![("é\n".into(), Value::Null)])),
        (" ".into(), Value::Boolean(true)),
    ]);
    assert_eq!(parse_json(&text), Ok(expected));
    assert_eq!(parse_json("\"\\ud83d\\ude00\\/\""), Ok(Value::text("😀/")));
    assert!(matches!(parse_json("\"plain\""), Ok(Value::Text(Cow::Borrowed("plain")))));
    let nested = format!("{}{}", "[".repeat(32), "]".repeat(32));
    assert!(parse_json(&nested).is_ok());
}

#[test]
fn json_that_cannot_be_stored_is_refused() {
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    let endless = "[".repeat(1_000_000);
    for (text, rule) in [
        ("", "is not JSON: it ends too early"),
        ("{", "is not JSON: it ends too early"),
        ("[1", "is not JSON: it ends too early"),
        ("\"abc", "is not JSON from byte 2 on"),
        ("{'colour': 'red'}", "is not JSON from byte 2 on"),
        ("{\"a\" 1}", "is not JSON from byte 6 on"),
        ("{\"a\": 1,}", "is not JSON from byte 9 on"),
        ("[1,]", "is not JSON from byte 4 on"),
        ("[1 2]", "is not JSON from byte 4 on"),
        ("1 2", "is not JSON from byte 3 on"),
        ("01", "is not JSON from byte 1 on"),
        ("1.", "is not JSON: it ends too early"),
        (".5", "is not JSON from byte 1 on"),
        ("+1", "is not JSON from byte 1 on"),
        ("1e", "is not JSON: it ends too early"),
        ("0x10", "is not JSON from byte 2 on"),
        ("True", "is not JSON from byte 1 on"),
        ("nulll", "is not JSON from byte 1 on"),
        ("\"a\tb\"", "is not JSON from byte 3 on"),
        ("\"\\x41\"", "is not JSON from byte 2 on"),
        ("\"\\u12\"", "is not JSON from byte 2 on"),
        ("\u{feff}1", "is not JSON from byte 1 on"),
        ("[{\"\": 1}]", "has a member without a name"),
        ("NaN", "is not JSON: it has a number that is not finite"),
        ("[-Infinity]", "is not JSON: it has a number that is not finite"),
        ("1e999", "has a number that is beyond the greatest number of DynamoDB"),
        ("1e-999", "has a number that is nearer to zero"),
        ("123456789012345678901234567890123456789", "has a number that has more than 38 significant digits"),
        ("\"\\ud800\"", "has the escape of half of a character"),
        ("\"\\udc00\\ud800\"", "has the escape of half of a character"),
        ("{\"a\": 1, \"b\": 2, \"\\u0061\": 3}", "has a member twice in one object"),
        (&deep, "has more than the 32 levels of an item"),
        (&endless, "has more than the 32 levels of an item"),
    ] {
        let flaw = parse_json(text).expect_err(text);
        assert_eq!(flaw.reason, Reason::InvalidJson);
        assert!(flaw.rule.starts_with(rule), "{text}: {}", flaw.rule);
    }
}

/// Returns the value that serde_json reads, where both can represent it.
fn of_serde(value: &serde_json::Value) -> Option<Value<'static>> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(value) => Value::Number(value.to_string().parse().ok()?),
        serde_json::Value::String(text) => Value::text(text.clone()),
        serde_json::Value::Array(values) => Value::List(values.iter().map(of_serde).collect::<Option<_>>()?),
        serde_json::Value::Object(members) if members.contains_key("") => return None,
        serde_json::Value::Object(members) => Value::Map(
            members
                .iter()
                .map(|(name, value)| Some((name.clone().into(), of_serde(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1e15_f64..1e15).prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_what_serde_json_reads(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            prop_assert_eq!(parse_json(&text).ok(), of_serde(&value));
        }
    }

    #[test]
    fn a_text_that_serde_json_refuses_is_no_json(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalse ]{0,24}") {
        let (ours, other) = (parse_json(&text), serde_json::from_str::<serde_json::Value>(&text));
        if other.is_err() && !text.contains("e") && !text.contains("E") {
            prop_assert!(ours.is_err(), "{}", text);
        }
        if let (Err(flaw), Ok(_)) = (&ours, &other) {
            prop_assert!(!flaw.rule.starts_with("is not JSON"), "{}: {}", text, flaw.rule);
        }
    }

    #[test]
    fn lists_return_from_json_and_postgresql(elements in prop::collection::vec(any::<String>(), 0..6)) {
        let json = serde_json::to_string(&elements).expect("JSON");
        let escaped = elements.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
        let braces = format!("{{{}}}", escaped.collect::<Vec<_>>().join(","));
        let expected = Value::List(elements.iter().map(|text| Value::text(text.as_str())).collect());
        prop_assert_eq!(list(&json, Element::String), Ok(Some(expected.clone())));
        prop_assert_eq!(list(&braces, Element::String), Ok(Some(expected)));
    }

    #[test]
    fn bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for text in [
            base64::engine::general_purpose::STANDARD.encode(&bytes),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes),
            base64::engine::general_purpose::URL_SAFE.encode(&bytes),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes),
            bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        ] {
            prop_assert_eq!(parse_binary(&text), Ok(Value::Binary(bytes.clone())), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_without_its_value(text in "[\\[\\]{}\"',:0-9a-z.\\\\| ]{0,30}|\\PC*") {
        let mut rules = Vec::new();
        rules.extend(parse_json(&text).err());
        rules.extend(parse_binary(&text).err());
        rules.extend(Booleans::default().parse(&text).err());
        for of in [Element::String, Element::Number, Element::Boolean] {
            rules.extend(list(&text, of).err());
        }
        rules.extend(set(&text, Element::Integer, None).err());
        rules.extend(set(&text, Element::Number, Some("|")).err());
        for flaw in rules {
            prop_assert!(text.len() < 10 || !flaw.rule.contains(&text), "{}", flaw.rule);
        }
        let lower = cased(&text, Case::Lower).into_owned();
        prop_assert_eq!(cased(&lower, Case::Lower), &*lower);
    }
}
