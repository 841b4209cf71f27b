//! Any text, any expression, any row.

use proptest::prelude::*;

use super::*;

/// Parts of expressions, which together make right and wrong ones.
fn part() -> impl Strategy<Value = String> {
    let words = [
        "Amount",
        "total",
        "count",
        "tags",
        "scores",
        "placed",
        "span",
        "row",
        "item",
        "object",
        "key",
        "math",
        "least",
        "size",
        "double",
        "int",
        "string",
        "has",
        "in",
        "null",
        "true",
        "x",
        "map",
        "all",
        "matches",
        "duration",
        "timestamp",
        "1",
        "2.0",
        "1e9",
        "0x",
        "'a'",
        "\"90d\"",
        "r'\\d'",
        "'''",
        "'",
        "\"",
        "\\",
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
        "?",
        ":",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "<",
        "&&",
        "||",
        "!",
        "=",
        "{",
        "é",
        "“",
        "\u{200b}",
        " ",
        "//",
        "\n",
        "9223372036854775808",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ]
}

/// Expressions of a type that compile.
fn typed(kind: Kind, depth: u32) -> BoxedStrategy<String> {
    let leaf: BoxedStrategy<String> = match kind {
        Kind::Integer => prop_oneof![
            any::<i64>().prop_map(|value| format!("({value})")),
            (-3..10_i64).prop_map(|value| format!("({value})")),
            Just("count".to_owned()),
            Just("record.index".to_owned()),
        ]
        .boxed(),
        Kind::Double => prop_oneof![
            (-1e3..1e3_f64).prop_map(|value| format!("({value:?})")),
            Just("total".to_owned()),
            Just("1e308".to_owned()),
        ]
        .boxed(),
        Kind::Boolean => {
            prop_oneof![Just("true".to_owned()), Just("paid".to_owned()), Just("has(row.Empty)".to_owned())]
                .boxed()
        }
        Kind::List(_) => {
            let lists = ["scores", "([] + [4])", "[1, 2]", "[3, count]"];
            prop::sample::select(lists.to_vec()).prop_map(str::to_owned).boxed()
        }
        _ => {
            prop::sample::select(&["Name", "Amount", "Empty", "''", "'é,b'", "','", "'-7'", "object.key"][..])
                .prop_map(str::to_owned)
                .boxed()
        }
    };
    if depth == 0 {
        return leaf;
    }
    let of = |kind: Kind| typed(kind, depth - 1);
    let (int, double, text, boolean) =
        (|| of(Kind::Integer), || of(Kind::Double), || of(Kind::Text), || of(Kind::Boolean));
    let list = || of(Kind::Integer.list());
    let operator = |operators: &'static [&'static str]| prop::sample::select(operators);
    match kind {
        Kind::Integer => prop_oneof![
            1 => leaf,
            3 => (int(), operator(&["+", "-", "*", "/", "%"]), int()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => text().prop_map(|a| format!("size({a})")),
            1 => text().prop_map(|a| format!("int({a})")),
            1 => double().prop_map(|a| format!("int({a})")),
            1 => (text(), text()).prop_map(|(a, b)| format!("{a}.indexOf({b})")),
            1 => (boolean(), int(), int()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => list().prop_map(|a| format!("({a}).size()")),
            1 => (list(), int()).prop_map(|(a, b)| format!("({a})[{b}]")),
        ]
        .boxed(),
        Kind::Double => prop_oneof![
            1 => leaf,
            3 => (double(), operator(&["+", "-", "*", "/"]), double()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => text().prop_map(|a| format!("double({a})")),
            1 => int().prop_map(|a| format!("double({a})")),
            1 => double().prop_map(|a| format!("-({a})")),
        ]
        .boxed(),
        Kind::Boolean => prop_oneof![
            1 => leaf,
            2 => (boolean(), operator(&["&&", "||"]), boolean()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => boolean().prop_map(|a| format!("!({a})")),
            1 => (int(), operator(&["==", "!=", "<", ">="]), double()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => (text(), operator(&["==", "!=", "<", ">="]), text()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => (text(), operator(&["contains", "startsWith", "endsWith"]), text()).prop_map(|(a, o, b)| format!("{a}.{o}({b})")),
            1 => (int(), list()).prop_map(|(a, b)| format!("({a} in {b})")),
            1 => (list(), operator(&["all", "exists", "exists_one"]), int()).prop_map(|(a, o, b)| format!("{a}.{o}(x, x > {b})")),
        ]
        .boxed(),
        Kind::List(_) => prop_oneof![
            1 => leaf,
            1 => (list(), int()).prop_map(|(a, b)| format!("{a}.map(x, {b} + x * 2)")),
            1 => (list(), boolean()).prop_map(|(a, b)| format!("{a}.filter(x, {b} && x > 1)")),
            1 => (list(), list()).prop_map(|(a, b)| format!("({a} + {b})")),
            1 => (int(), int()).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
        .boxed(),
        _ => prop_oneof![
            1 => leaf,
            2 => (text(), text()).prop_map(|(a, b)| format!("({a} + {b})")),
            1 => int().prop_map(|a| format!("string({a})")),
            1 => double().prop_map(|a| format!("string({a})")),
            1 => (boolean(), text(), text()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => (text(), int()).prop_map(|(a, b)| format!("{a}.substring({b})")),
            1 => (text(), text(), text()).prop_map(|(a, b, c)| format!("{a}.replace({b}, {c})")),
            1 => (text(), text()).prop_map(|(a, b)| format!("{a}.split({b}).join('+')")),
        ]
        .boxed(),
    }
}

pub(super) fn any_kind() -> impl Strategy<Value = (Kind, String)> {
    prop::sample::select(vec![Kind::Integer, Kind::Double, Kind::Boolean, Kind::Text, Kind::Integer.list()])
        .prop_flat_map(|kind| (Just(kind.clone()), typed(kind, 3)))
}

/// Returns whether a value is of a type.
fn is_of(value: &Datum<'_>, kind: &Kind) -> bool {
    match (value, kind) {
        (Datum::Boolean(_), Kind::Boolean)
        | (Datum::Integer(_), Kind::Integer)
        | (Datum::Text(_), Kind::Text)
        | (Datum::Timestamp(_), Kind::Timestamp)
        | (Datum::Duration(_), Kind::Duration) => true,
        (Datum::Double(value), Kind::Double) => value.is_finite(),
        (Datum::List(elements), Kind::List(kind)) => elements.iter().all(|element| is_of(element, kind)),
        _ => false,
    }
}

/// Compiles a text, and evaluates it twice.
fn try_out(text: &str, row: &Row) -> Result<Expression, ExpressionError> {
    let scope = fields();
    let expression = Expression::compile(text, &Scope { columns: Some(&columns()), fields: &scope })?;
    let seen = Seen { row, scope: &scope, expression: &expression };
    let (first, second) = (expression.evaluate(&seen), expression.evaluate(&seen));
    assert_eq!(first, second, "{text}");
    match &first {
        Ok(value) => assert!(is_of(value, expression.kind()), "{text}: {value:?}"),
        Err(error) => {
            assert!(text.get(error.range.0..error.range.1).is_some(), "{text}: {error:?}");
            assert_ne!(error.fault, crate::expression::Fault::WrongType, "{text}");
        }
    }
    Ok(expression)
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused_with_a_range(parts in prop::collection::vec(part(), 0..24)) {
        let text = parts.concat();
        if let Err(error) = try_out(&text, &row()) {
            prop_assert!(text.get(error.range.0..error.range.1).is_some(), "{:?}", error);
            prop_assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn any_row_gives_a_value_or_an_error_and_the_same_twice(
        (kind, text) in any_kind(),
        amount in "[-0-9.,e ]{0,6}|[a-zé]{0,4}",
        name in any::<String>(),
    ) {
        let mut row = row();
        for (column, value) in &mut row.columns {
            match *column {
                "Amount" => value.clone_from(&amount),
                "Name" => value.clone_from(&name),
                _ => {}
            }
        }
        match try_out(&text, &row) {
            Ok(expression) => prop_assert!(expression.kind().common(&kind).is_some(), "{} is {}", text, expression.kind()),
            // Constant parts without a value.
            Err(error) => {
                let mut abouts = crate::expression::Fault::ALL.iter().map(|fault| fault.about());
                let known = abouts.any(|about| error.message.starts_with(about));
                prop_assert!(known || error.message.contains("too deep"), "{} {:?}", text, error);
            }
        }
    }
}

#[test]
fn deep_and_long_texts_are_refused() {
    for text in [
        "(".repeat(4000),
        "[".repeat(4000),
        "!".repeat(4000) + "paid",
        "-".repeat(4000) + "1",
        "1".to_owned() + &"+1".repeat(2000),
        "true?1:".repeat(500) + "2",
        "Name".to_owned() + &".trim()".repeat(500),
        "size(".repeat(700) + "Name",
        "tags".to_owned() + &"[0]".repeat(1000),
        "a".repeat(5000),
    ] {
        let error = compile(&text).expect_err("too deep, or wrong");
        assert!(text.get(error.range.0..error.range.1).is_some());
    }
    assert!(compile(&("(".repeat(60) + "1" + &")".repeat(60))).is_ok());
    assert!(compile(&("1".to_owned() + &"+1".repeat(100))).is_ok());
}

#[test]
fn the_deepest_expressions_are_evaluated_on_a_small_stack() {
    let nested = |before: &str, inner: &str, after: &str, times: usize| {
        format!("{}{inner}{}", before.repeat(times), after.repeat(times))
    };
    for text in [
        nested("[count].exists(x, ", "x == 4", ")", 60),
        nested("[count].map(x, ", "x", ")", 60),
        nested("paid ? count : (", "1", ")", 31),
        nested("(count + ", "1", ")", 60),
        nested("size(string(", "count", "))", 30),
        nested("!", "paid", "", 120),
        "count".to_owned() + &"+count".repeat(120),
        "total".to_owned() + &" * total / total".repeat(60),
    ] {
        // Half of what threads of Rust have.
        let run =
            std::thread::Builder::new().stack_size(1 << 20).spawn(move || try_out(&text, &row()).map(|_| ()));
        let done = run.expect("a thread").join().expect("no overflow");
        assert_eq!(done, Ok(()));
    }
    // All precedences at each level: refused, but only when the parser is at the deepest one.
    for (before, after) in [
        ("paid || paid && 1 == 1 + 1 * (", ")"),
        ("paid || paid && 1 == 1 + 1 * size([", "])"),
        ("!paid || paid && 1 == 1 + 1 * [1].map(x, ", ")"),
    ] {
        for (times, inner) in [(63, "0"), (63, ""), (80, "0")] {
            let text = nested(before, inner, after, times);
            let run = std::thread::Builder::new().stack_size(1 << 20).spawn(move || compile(&text).is_ok());
            assert!(!run.expect("a thread").join().expect("no overflow"));
        }
    }
}
