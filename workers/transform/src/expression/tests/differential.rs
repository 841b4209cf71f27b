//! The same expressions, evaluated by the crate `cel`.
//!
//! What has a value here must have the same value there. What fails here must fail there, too, unless it
//! computes with doubles, of which CEL allows infinite ones. (The crate compares an int with a double as
//! doubles, which is not exact above 2⁵³; CEL compares them exactly.)

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Env, Program, Value, extensions};
use proptest::prelude::*;

use super::any::any_kind;
use super::*;

/// Returns the language of the crate, with the extensions that are a part of the subset.
fn env() -> Arc<Env> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).expect("declared once");
    env.add_extension(extensions::lists).expect("declared once");
    env.add_extension(extensions::math).expect("declared once");
    Arc::new(env)
}

/// Returns the value of the row of the tests, or the crate's error.
fn theirs(env: &Arc<Env>, text: &str) -> Result<Value, String> {
    let program: Program = env.compile(text).map_err(|error| error.to_string())?;
    let mut context = Context::with_env(Arc::clone(env));
    let row = row();
    for (name, value) in &row.columns {
        context.add_variable_from_value(*name, value.as_str());
    }
    for (name, value) in &row.fields {
        if let Some(value) = converted(value) {
            context.add_variable_from_value(*name, value);
        }
    }
    let columns: HashMap<String, Value> =
        row.columns.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    context.add_variable_from_value("row", columns);
    context
        .add_variable_from_value("object", HashMap::from([("key".to_owned(), Value::from("in/orders.csv"))]));
    context.add_variable_from_value("record", HashMap::from([("index".to_owned(), Value::Int(7))]));
    program.execute(&context).map_err(|error| error.to_string())
}

fn converted(value: &Datum<'_>) -> Option<Value> {
    Some(match value {
        Datum::Boolean(value) => Value::Bool(*value),
        Datum::Integer(value) => Value::Int(*value),
        Datum::Double(value) => Value::Float(*value),
        Datum::Text(text) => Value::from(&**text),
        Datum::List(elements) => {
            Value::List(Arc::new(elements.iter().map(converted).collect::<Option<_>>()?))
        }
        Datum::Timestamp(_) | Datum::Duration(_) => return None,
    })
}

/// Returns whether an expression computes with doubles.
fn has_doubles(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fraction = bytes.windows(2).any(|pair| matches!(pair, [b'.', b'0'..=b'9']));
    fraction || ["total", "double", "1e308"].iter().any(|word| text.contains(word))
}

#[test]
fn expressions_of_the_table_have_the_same_value() {
    let env = env();
    for text in [
        "1 + 2 * 3 - 4",
        "-7 / 2",
        "-7 % 3",
        "1 == 1.0",
        "1 < 1.5",
        "1 in [1.0, 2.0]",
        "'b' in tags",
        "tags[1]",
        "false ? 1 : true ? 2 : 3",
        "double(Empty) > 1.0 || Name == 'Ada'",
        "double(Empty) > 1.0 && Name != 'Ada'",
        "['', '3'].exists(x, double(x) > 1.0)",
        "int('012') + int('+5')",
        "int(-1.9)",
        "string(1e-7)",
        "string(1e21)",
        "size('größe')",
        "'aé'.split('')",
        "''.split(',')",
        "'größe'.substring(2, 4)",
        "'größe'.indexOf('ß')",
        "scores.map(x, x > 0, string(x))",
        "[1, 2].map(x, [3].map(x, x))",
        "scores.exists_one(x, x > 0)",
        "math.abs(-3)",
        "math.round(2.5)",
        "math.round(-2.5)",
        "math.greatest(1, 3, 2)",
        "tags.join('-')",
        r"r'\d'",
        r"'''a\n'b'''",
        r"'\x41\u00e9\U0001F600\101'",
        "r'\\'",
        "-9223372036854775808",
        "'ab'.replace('', '-')",
        "' \t a\u{a0}'.trim()",
        "'ÄbC'.lowerAscii()",
        "'١'.matches('\\\\d')",
    ] {
        let ours = evaluate(text).ok().as_ref().and_then(converted);
        assert_eq!(theirs(&env, text).ok(), ours, "{text}");
    }
}

proptest! {
    #[test]
    fn any_expression_has_the_same_value((_, text) in any_kind()) {
        let Ok(_) = compile(&text) else { return Ok(()) };
        let theirs = theirs(&env(), &text);
        match evaluate(&text) {
            Ok(value) => prop_assert_eq!(theirs.ok(), converted(&value), "{}", text),
            Err(_) if has_doubles(&text) => {}
            Err(error) => prop_assert!(theirs.is_err(), "{}: {}, theirs {:?}", text, error, theirs),
        }
    }
}
