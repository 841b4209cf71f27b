//! Characters that not every service takes on the way of an event.
//!
//! SQS refuses a message that contains U+FFFE or U+FFFF
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>, `MessageBody`).
//! EventBridge may accept one, and the dead-letter queue is SQS again: an event with one of the two could be accepted
//! and never arrive. Control characters, which SQS refuses as well, are escaped by JSON. JSON could escape these two,
//! too, but a program that reads the JSON and writes it again may write them plainly. So the text itself contains the
//! escapes.

use serde_json::{Map, Value};

const REFUSED: [char; 2] = ['\u{fffe}', '\u{ffff}'];

/// Returns whether SQS would refuse a JSON text.
pub(crate) fn are_refused(json: &str) -> bool {
    // The first byte of both is rare, and the search for it is faster than that for characters.
    json.as_bytes().contains(&0xef) && json.contains(REFUSED)
}

/// Returns the same document in characters that every service takes: a backslash is doubled, and U+FFFE becomes
/// `\ufffe`.
pub(crate) fn escape(value: Value) -> Value {
    each_text(value, &mut |text| {
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\u{fffe}' => out.push_str("\\ufffe"),
                '\u{ffff}' => out.push_str("\\uffff"),
                other => out.push(other),
            }
        }
        Some(out)
    })
    .unwrap_or_default()
}

/// Returns the document that was given to [`escape`]; `None` if `value` is not a result of [`escape`].
pub(crate) fn unescape(value: Value) -> Option<Value> {
    each_text(value, &mut |text| {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            out.push_str(before);
            let forms = [("\\", '\\'), ("ufffe", '\u{fffe}'), ("uffff", '\u{ffff}')];
            let (character, left) =
                forms.iter().find_map(|(form, is)| Some((*is, after.strip_prefix(form)?)))?;
            out.push(character);
            rest = left;
        }
        out.push_str(rest);
        Some(out)
    })
}

/// Changes every text in a document, including the names of fields.
fn each_text(value: Value, change: &mut impl FnMut(&str) -> Option<String>) -> Option<Value> {
    Some(match value {
        Value::String(text) => Value::String(change(&text)?),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| each_text(item, change)).collect::<Option<_>>()?)
        }
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, field) in fields {
                out.insert(change(&name)?, each_text(field, change)?);
            }
            Value::Object(out)
        }
        other => other,
    })
}
