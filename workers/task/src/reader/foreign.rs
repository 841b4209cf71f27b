//! Files of other formats, told by how they begin.

use contract::Reason;
use contract::location::BYTE_ORDER_MARK;
use contract::settings::CsvSettings;
use serde::de::IgnoredAny;

use super::Fault;

/// Formats of files that are not text, by their first bytes.
const FORMATS: [(&[u8], &str); 15] = [
    (b"PK\x03\x04", "a zip archive, as .ods spreadsheets are"),
    (b"PK\x05\x06", "an empty zip archive"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Microsoft Office file, as .xls spreadsheets and those with a password are",
    ),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x1f\x9d", "compressed with compress"),
    (b"\x1f\x8b", "compressed with gzip twice"),
    (b"%PDF-", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "an SQLite database"),
];
/// Beginnings, in any case, of pages that are sent in the place of a file, such as an error of a server.
const PAGES: [(&[u8], &str); 3] =
    [(b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML document")];
/// POSIX, "pax": the mark of a tar archive, and its position.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Byte order marks of UTF-32.
const UTF_32: [&[u8]; 2] = [b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"];

/// Returns the reason why a file that begins with these bytes is not a file of the `wanted` format that can be read.
pub(crate) fn not_text(bytes: &[u8], wanted: &str) -> Option<Fault> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    // Words such as `ORC` may begin a header: then text follows.
    let text = !line.iter().take(512).any(|byte| *byte < b' ' && *byte != b'\t');
    if UTF_32.iter().any(|mark| bytes.starts_with(mark)) {
        let message = "the file is UTF-32, which cannot be read: save or export it as UTF-8";
        return Some(Fault::new(Reason::InvalidEncoding, message));
    }
    let is_word = |magic: &[u8]| magic.iter().all(u8::is_ascii_alphanumeric);
    let named = FORMATS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic) && !(is_word(magic) && text))
        .or_else(|| PAGES.iter().find(|(start, _)| begins_with(bytes, start)))
        .map(|(_, name)| *name);
    let tar = bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)).then_some("a tar archive");
    let found = named
        .or(tar)
        .or_else(|| line.contains(&0).then_some("not text: there are NUL bytes in its first line"));
    found.map(|name| {
        Fault::new(
            Reason::UnsupportedFormat,
            format!("the file is {name}, but must be {wanted}, which can be compressed with gzip or zstd"),
        )
    })
}

fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start();
    bytes.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Returns the reason why a file is JSON and not CSV. `bytes` begin with the first of `skip` lines to skip.
pub(super) fn json(bytes: &[u8], settings: &CsvSettings, skip: u64) -> Option<Fault> {
    // Where a line is one value, that may be JSON.
    if !settings.header && settings.columns.len() == 1 {
        return None;
    }
    let mut text = bytes;
    for _ in 0..skip {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        text = text.get(end + 1..)?;
    }
    let text = text.trim_ascii_start();
    let found = match text.strip_prefix(b"[") {
        Some(inner) => begins_object(inner).then_some(
            "an array of JSON, but must be CSV: `jq -c '.[]' FILE` writes it as JSON Lines, which `format: json-lines` reads",
        ),
        None => begins_object(text).then(|| {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            // A line without an end is longer than what is examined.
            let is_whole =
                line.len() == text.len() || serde_json::from_slice::<IgnoredAny>(line.trim_ascii()).is_ok();
            match is_whole {
                true => "JSON Lines, but must be CSV: write `format: json-lines` in the settings of the task to read it",
                false => {
                    "JSON, but must be CSV: `jq -c . FILE` writes it as JSON Lines, which `format: json-lines` reads"
                }
            }
        }),
    };
    found.map(|found| Fault::new(Reason::UnsupportedFormat, format!("the file is {found}")))
}

/// Returns whether a text begins as an object of JSON with a member does: a header such as `{a}` does not.
fn begins_object(text: &[u8]) -> bool {
    let name = text.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let Some(mut rest) = name.and_then(|name| name.strip_prefix(b"\"")) else { return false };
    loop {
        match rest {
            [b'\\', _, behind @ ..] | [b' '..=b'!' | b'#'..=b'[' | b']'..=u8::MAX, behind @ ..] => {
                rest = behind
            }
            [b'"', behind @ ..] => return behind.trim_ascii_start().starts_with(b":"),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, settings: &CsvSettings) -> Option<String> {
        json(text.as_bytes(), settings, u64::from(settings.skip)).map(|fault| {
            assert_eq!(fault.reason, Reason::UnsupportedFormat);
            fault.message
        })
    }

    #[test]
    fn json_is_told_by_its_first_object() {
        let settings = CsvSettings::default();
        for (text, name) in [
            ("{\"a\": 1}\n{\"a\": 2}\n", "JSON Lines, "),
            ("{\"a\": 1}", "JSON Lines, "),
            (" { \"a\\\"b\" : {\"c\": []}}\r\n", "JSON Lines, "),
            ("\n{\"ä\":1}\n", "JSON Lines, "),
            ("{\n  \"a\": 1\n}\n", "JSON, "),
            ("{\"a\": [\n1]}\n", "JSON, "),
            ("[{\"a\": 1},\n{\"a\": 2}]", "an array of JSON, "),
            ("[\n  {\n    \"a\": 1\n", "an array of JSON, "),
        ] {
            let message = found(text, &settings).expect(text);
            assert!(message.starts_with(&format!("the file is {name}")), "{text}: {message}");
            assert!(message.contains("`format: json-lines`"), "{message}");
        }
        for text in [
            "",
            "{",
            "[",
            "{a},{b}\n1,2\n",
            "[a],[b]\n",
            "[1,2]\n",
            "{\"a\",\"b\"}\n",
            "{\"a",
            "\"{\"\"a\"\": 1}\"\n",
            "{}",
        ] {
            assert_eq!(found(text, &settings), None, "{text}");
        }
    }

    #[test]
    fn lines_that_are_skipped_or_one_value_may_be_json() {
        let text = "{\"made by\": \"x\"}\nID,Town\n";
        assert_eq!(found(text, &CsvSettings { skip: 1, ..CsvSettings::default() }), None);
        let skip = CsvSettings { skip: 1, ..CsvSettings::default() };
        assert!(found("title\n{\"a\": 1}\n", &skip).is_some());
        assert_eq!(found("title", &skip), None);
        let alone = CsvSettings { header: false, columns: vec!["a".to_owned()], ..CsvSettings::default() };
        assert_eq!(found("{\"a\": 1}\n", &alone), None);
        let two = CsvSettings { columns: vec!["a".to_owned(), "b".to_owned()], ..alone };
        assert!(found("{\"a\": 1}\n", &two).is_some());
    }
}
