//! JSON that is written by hand, where a document would only be built to be written.

/// Appends a text as a JSON string (RFC 8259, section 7).
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, behind) = rest.split_at_checked(plain_length(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = behind.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = behind;
    }
    out.push(b'"');
}

/// Returns the number of bytes before the first that a JSON string has to escape, looking at eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // Each is 0x80 in every byte that is found; a byte after it may be found as well, which is looked at below.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let control = |word: u64| word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|bytes| {
        let word = u64::from_ne_bytes(**bytes);
        control(word) | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) == 0
    });
    let start = plain.count() * 8;
    let rest = bytes.get(start..).unwrap_or_default();
    let found = rest.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'));
    start + found.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_found_at_any_position() {
        for byte in 0..=0x7f_u8 {
            for at in 0..20 {
                let mut text = [b'~'; 20];
                text[at] = byte;
                let escaped = matches!(byte, 0..=0x1f | b'"' | b'\\');
                assert_eq!(plain_length(&text), if escaped { at } else { 20 }, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn a_text_is_written_as_json() {
        let text = "\u{0}\u{1f}\"\\/\n\r\t\u{8}\u{c}\u{7f}ü\u{2028}";
        let mut out = Vec::new();
        write_string(text, &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(text).expect("JSON"));
    }
}
