//! JSON text → nodes with their places, with every digit of its numbers and every key, including duplicate ones.

use serde_json::{Map, Value};

use crate::diagnostic::Span;
use crate::number;
use crate::yaml::{self, Entry, Node};

/// Deepest nesting: anything deeper is an attack or a mistake. serde_json has the same limit.
const MAX_DEPTH: usize = 128;

/// The reason why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The problem.
    pub message: &'static str,
    /// Byte at which it was found.
    pub at: usize,
}

/// Reads one JSON value.
///
/// # Errors
/// If the text is not JSON.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { text, at: 0 };
    // A byte order mark, as Windows' editors write it.
    reader.at = text.len() - text.trim_start_matches('\u{feff}').len();
    let node = reader.value(0)?;
    reader.blanks();
    match reader.at == text.len() {
        true => Ok(node),
        false => reader.wrong("expected the end of the JSON"),
    }
}

/// Returns the value of a JSON text, with all digits of its numbers ([`number::digits`]); of duplicate keys, the last.
#[must_use]
pub fn value(text: &str) -> Option<Value> {
    parse(text).ok().map(|node| of_node(&node))
}

/// Returns the value of a node that [`parse`] has read.
#[must_use]
pub fn of_node(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Scalar { text, plain: true, .. } => match text.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number::value(text).unwrap_or_else(|| Value::from(text.as_str())),
        },
        yaml::Value::Scalar { text, .. } => Value::from(text.as_str()),
        yaml::Value::Sequence(items) => items.iter().map(of_node).collect(),
        yaml::Value::Mapping(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), of_node(&entry.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        yaml::Value::Tagged { node, .. } => of_node(node),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn wrong<T>(&self, message: &'static str) -> Result<T, Problem> {
        Err(Problem { message, at: self.at })
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return self.wrong("the JSON is nested too deeply");
        }
        self.blanks();
        let start = self.at;
        let value = match self.next() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => {
                let text = self.string()?;
                yaml::Value::Scalar { verbatim: None, text, plain: false }
            }
            Some(_) => self.word()?,
            None => return self.wrong("expected a value, found the end of the JSON"),
        };
        Ok(Node { value, span: Span { start, end: self.at } })
    }

    fn object(&mut self, depth: usize) -> Result<yaml::Value, Problem> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(yaml::Value::Mapping(entries));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.next() != Some(b'"') {
                return self.wrong("expected a key in double quotes");
            }
            let key = self.string()?;
            let key_span = Span { start, end: self.at };
            self.blanks();
            if self.next() != Some(b':') {
                return self.wrong("expected `:` after the key");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            entries.push(Entry { key, key_span, value });
            self.blanks();
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(yaml::Value::Mapping(entries));
                }
                _ => return self.wrong("expected `,` or `}`"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<yaml::Value, Problem> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(yaml::Value::Sequence(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(yaml::Value::Sequence(items));
                }
                _ => return self.wrong("expected `,` or `]`"),
            }
        }
    }

    /// Reads a text in double quotes.
    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        let mut escaped = false;
        let inside = self.text.as_bytes().get(start + 1..).unwrap_or_default();
        let end = inside.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let Some(end) = end else { return self.wrong("the text has no closing quote") };
        let raw = self.text.get(start..start + end + 2).unwrap_or_default();
        match serde_json::from_str(raw) {
            Ok(text) => {
                self.at = start + raw.len();
                Ok(text)
            }
            Err(_) => {
                self.wrong("the text contains an escape or a control character that JSON does not allow")
            }
        }
    }

    /// Reads a number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<yaml::Value, Problem> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if !matches!(word, "true" | "false" | "null") && number::value(word).is_none() {
            return self.wrong("expected a JSON value; a text needs double quotes");
        }
        self.at += word.len();
        Ok(yaml::Value::Scalar { text: word.to_owned(), plain: true, verbatim: Some(0) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_digit_and_every_key_is_kept() {
        let text = "\u{feff} {\"a\": [1e0, 12345678901234567890123, \"\\u00fc\\\"\"], \"a\": null }\n";
        let node = parse(text).expect("JSON");
        let yaml::Value::Mapping(entries) = &node.value else { panic!("a mapping") };
        assert_eq!(entries.len(), 2);
        assert_eq!(number::to_json(&of_node(&entries[0].value)), "[1e0,12345678901234567890123,\"ü\\\"\"]");
        assert_eq!(of_node(&node), json!({ "a": null }));
        assert_eq!(&text[entries[1].key_span.start..entries[1].key_span.end], "\"a\"");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, message) in [
            ("", 0, "expected a value, found the end of the JSON"),
            ("{\"a\":1", 6, "expected `,` or `}`"),
            ("[1,]", 3, "expected a JSON value; a text needs double quotes"),
            ("{a:1}", 1, "expected a key in double quotes"),
            ("[01]", 1, "expected a JSON value; a text needs double quotes"),
            ("\"a", 0, "the text has no closing quote"),
            ("1 2", 2, "expected the end of the JSON"),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(Problem { message, at }), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn it_takes_what_serde_json_takes(text in "([\\[\\]{}:,\"\\\\ ]|[0-9.eE+-]{1,4}|true|null|ü|a|\"[a-z]?\"){0,12}") {
            let read: Option<Value> = serde_json::from_str(&text).ok();
            let ours = value(&text);
            // Numbers beyond its range are the only further texts that serde_json refuses.
            if let Some(read) = read {
                let ours = ours.map(|ours| number::to_json(&ours)).unwrap_or_default();
                prop_assert_eq!(serde_json::from_str::<Value>(&ours).ok(), Some(read));
            } else if ours.is_some() {
                prop_assert!(text.contains(['e', 'E']), "{}", text);
            }
        }
    }
}
