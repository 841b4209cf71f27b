//! A template as YAML.

use serde_json::Value;

use deployer_syntax::number;

pub(super) fn write_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                out.push_str(&format!("{pad}{}:", yaml_scalar(key)));
                write_yaml_inner(inner, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                write_yaml_inner(item, indent, out);
            }
        }
        other => out.push_str(&format!("{pad}{}\n", yaml_single(other))),
    }
}

fn write_yaml_inner(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_yaml(value, indent + 1, out);
        }
        other => out.push_str(&format!(" {}\n", yaml_single(other))),
    }
}

fn yaml_single(value: &Value) -> String {
    match value {
        Value::String(text) if !number::is_marked(text) => yaml_scalar(text),
        other => number::to_json(other),
    }
}

/// Returns a text on one line of YAML: a word that no reader takes for anything but itself without quotes, and all else in
/// the quotes of JSON, which YAML reads.
#[must_use]
pub fn yaml_scalar(text: &str) -> String {
    const NOT_STRINGS: [&str; 11] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'/' | b'.' | b'-' | b' ');
    let bare = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(word)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #")
        && !NOT_STRINGS.contains(&text.to_ascii_lowercase().as_str());
    if bare { text.to_owned() } else { yaml_quoted(text) }
}

/// Returns JSON's quoted form, in which the characters are escaped too at which YAML 1.1 breaks lines, or which it
/// refuses to read.
#[must_use]
pub fn yaml_quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let unsafe_in_yaml = |letter: char| {
        matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    json.chars().fold(String::with_capacity(json.len()), |mut out, letter| {
        match unsafe_in_yaml(letter) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => out.push(letter),
        }
        out
    })
}
