//! The frame of a message: `Content-Length`, an empty line, JSON.
//! Source: LSP 3.17, "Base Protocol".

use std::io::{BufRead, Read as _};

use serde_json::Value;

/// Longest message that is read: the longest stack file, with each character escaped, and some more.
pub(super) const MAX_MESSAGE: u64 = 64 << 20;
/// Longest header with all of its fields.
const MAX_HEADER: u64 = 8 << 10;

/// A message in its frame.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// A message.
    Message(Value),
    /// A text that is not JSON, with the reason.
    NotJson(String),
    /// A message of this length, which was passed over.
    TooLong(u64),
}

/// Reads a message; `None` at the end of the input between two messages.
///
/// # Errors
/// Returns the reason why the beginning of the next message can't be found.
pub(super) fn read(input: &mut impl BufRead) -> Result<Option<Incoming>, String> {
    let Some(length) = read_header(input)? else { return Ok(None) };
    let mut body = input.take(length);
    if length > MAX_MESSAGE {
        let copied = std::io::copy(&mut body, &mut std::io::sink()).map_err(|error| error.to_string())?;
        return if copied == length { Ok(Some(Incoming::TooLong(length))) } else { Err(ended()) };
    }
    // The memory grows with what arrives, not with what is announced.
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 != length {
        return Err(ended());
    }
    Ok(Some(match serde_json::from_slice(&bytes) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::NotJson(error.to_string()),
    }))
}

fn ended() -> String {
    "it ended within a message".to_owned()
}

/// Reads the fields before a message, and returns its length.
fn read_header(input: &mut impl BufRead) -> Result<Option<u64>, String> {
    let mut length = None;
    let mut left = MAX_HEADER;
    loop {
        let mut line = Vec::new();
        let read =
            input.by_ref().take(left).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if read == 0 && left == MAX_HEADER {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            let long = read as u64 == left;
            return Err(if long { format!("a header has more than {MAX_HEADER} bytes") } else { ended() });
        }
        left -= read as u64;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return length.map(Some).ok_or_else(|| "a message without `Content-Length`".to_owned());
        }
        let (name, value) = line.split_once(':').ok_or("a header field without a colon")?;
        if name.eq_ignore_ascii_case("Content-Length") {
            let number = value.trim().parse().map_err(|_| "a `Content-Length` that is not a number")?;
            length = Some(number);
        }
    }
}

/// Appends a message in its frame to a buffer.
pub(super) fn write(buffer: &mut Vec<u8>, message: &Value) {
    let body = message.to_string();
    buffer.extend_from_slice(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_all(mut input: &[u8]) -> (Vec<Incoming>, Option<String>) {
        let mut found = Vec::new();
        loop {
            match read(&mut input) {
                Ok(Some(message)) => found.push(message),
                Ok(None) => return (found, None),
                Err(reason) => return (found, Some(reason)),
            }
        }
    }

    #[test]
    fn messages_are_read_out_of_their_frames() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({ "a": "🦀" }));
        bytes.extend_from_slice(b"content-length:2\r\nContent-Type: x\r\n\r\n[]Content-Length: 1\n\n{");
        let (found, reason) = read_all(&bytes);
        assert_eq!(reason, None);
        assert_eq!(found[..2], [Incoming::Message(json!({ "a": "🦀" })), Incoming::Message(json!([]))]);
        assert!(matches!(&found[2], Incoming::NotJson(_)), "{found:?}");
    }

    #[test]
    fn what_is_not_a_frame_ends_the_session_with_its_reason() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\n", "a header field without a colon"),
            ("Content-Length: x\r\n\r\n", "a `Content-Length` that is not a number"),
            ("Content-Length: -1\r\n\r\n", "a `Content-Length` that is not a number"),
            ("Host: x\r\n\r\n", "a message without `Content-Length`"),
            ("Content-Length: 9\r\n\r\n{}", "it ended within a message"),
            ("Content-Length: 9", "it ended within a message"),
            ("Content-Length: 99999999999\r\n\r\n{}", "it ended within a message"),
        ] {
            assert_eq!(read_all(bytes.as_bytes()).1.as_deref(), Some(expected), "{bytes}");
        }
        let endless = vec![b'x'; 20_000];
        assert_eq!(read_all(&endless).1.as_deref(), Some("a header has more than 8192 bytes"));
        let fields = "A: b\r\n".repeat(5_000);
        assert_eq!(read_all(fields.as_bytes()).1.as_deref(), Some("a header has more than 8192 bytes"));
    }

    #[test]
    fn a_message_that_is_too_long_is_passed_over() {
        let mut bytes = format!("Content-Length: {}\r\n\r\n", MAX_MESSAGE + 1).into_bytes();
        bytes.resize(bytes.len() + usize::try_from(MAX_MESSAGE).expect("a size") + 1, b' ');
        bytes.extend_from_slice(b"Content-Length: 2\r\n\r\n{}");
        let (found, reason) = read_all(&bytes);
        assert_eq!(found, [Incoming::TooLong(MAX_MESSAGE + 1), Incoming::Message(json!({}))]);
        assert_eq!(reason, None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200), framed in any::<bool>()) {
            let mut all = if framed { format!("Content-Length: {}\r\n\r\n", bytes.len()).into_bytes() } else { Vec::new() };
            all.extend_from_slice(&bytes);
            let (found, _) = read_all(&all);
            prop_assert!(!framed || found.len() == 1);
        }
    }
}
