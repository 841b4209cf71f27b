//! Values of items as texts: for people, and for the fields of a CSV.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use transform::Value;
use transform::value::{write_list, write_object, write_string};

/// Characters of a value that people see.
const MOST: usize = 60;

/// Returns a value for people, shortened. An empty text is shown as two quotes, unlike one that is not there.
#[must_use]
pub fn shown(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    match value {
        Value::Text(text) if text.is_empty() => return "\"\"".to_owned(),
        Value::Null => return "null".to_owned(),
        value => write(value, &mut out),
    }
    let text = String::from_utf8_lossy(&out);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// Appends a value as the field of a CSV (RFC 4180). An empty text is written as two quotes, unlike one that is not
/// there.
pub fn write_field(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) if text.is_empty() => out.extend_from_slice(b"\"\""),
        Value::Text(text) => write_quoted(text, out),
        Value::List(_) | Value::Map(_) | Value::TextSet(_) | Value::NumberSet(_) | Value::BinarySet(_) => {
            let mut json = Vec::new();
            write_json(value, &mut json);
            write_quoted(&String::from_utf8_lossy(&json), out);
        }
        Value::Null => {}
        value => write(value, out),
    }
}

/// Appends a text as the field of a CSV.
pub fn write_quoted(text: &str, out: &mut Vec<u8>) {
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) && !text.starts_with('\u{feff}')
    {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for (position, part) in text.split('"').enumerate() {
        if position > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// Appends a value without its type: a text as it is, all that has parts as JSON.
fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Binary(bytes) => out.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        value => write_json(value, out),
    }
}

/// Appends a value as JSON without types: sets are lists, and bytes are texts.
fn write_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Text(text) => write_string(text, out),
        Value::Number(number) => number.write(out),
        Value::Binary(bytes) => write_string(&STANDARD.encode(bytes), out),
        Value::TextSet(texts) => write_list(texts, out, |text, out| write_string(text, out)),
        Value::NumberSet(numbers) => write_list(numbers, out, |number, out| number.write(out)),
        Value::BinarySet(all) => {
            write_list(all, out, |bytes, out| write_string(&STANDARD.encode(bytes), out));
        }
        Value::List(values) => write_list(values, out, write_json),
        Value::Map(entries) => write_object(entries, out, write_json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write_field(value, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_are_shown_without_types() {
        let number = |text: &str| text.parse().expect("a number");
        for (value, as_shown, as_field) in [
            (Value::Null, "null", ""),
            (Value::text(""), "\"\"", "\"\""),
            (Value::text("a \"b\""), "a \"b\"", "\"a \"\"b\"\"\""),
            (Value::Boolean(true), "true", "true"),
            (Value::Number(number("1.50")), "1.5", "1.5"),
            (Value::Binary(vec![0xde, 0xad]), "3q0=", "3q0="),
            (Value::NumberSet(vec![number("1"), number("-2")]), "[1,-2]", "\"[1,-2]\""),
            (Value::TextSet(vec!["a".into()]), "[\"a\"]", "\"[\"\"a\"\"]\""),
            (
                Value::Map(vec![("n".into(), Value::List(vec![Value::Null, Value::text("x")]))]),
                "{\"n\":[null,\"x\"]}",
                "\"{\"\"n\"\":[null,\"\"x\"\"]}\"",
            ),
        ] {
            assert_eq!((shown(&value).as_str(), field(&value).as_str()), (as_shown, as_field));
        }
    }

    #[test]
    fn long_values_are_shortened_between_characters() {
        assert_eq!(shown(&Value::text("ü".repeat(61))), format!("{}…", "ü".repeat(60)));
        assert_eq!(shown(&Value::text("ü".repeat(60))), "ü".repeat(60));
    }

    #[test]
    fn a_field_is_read_as_the_text() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let letters = ['a', ',', '"', '\r', '\n', '\u{feff}', 'ü'];
            let text: String =
                (0..random.usize(0..12)).map(|_| random.choice(letters).expect("one")).collect();
            let line = format!("{},x\n", field(&Value::text(text.as_str())));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().expect("a record").expect("a CSV");
            assert_eq!(record.get(0), Some(text.as_str()));
        }
    }
}
