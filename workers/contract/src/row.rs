//! A row as text: RFC 4180, comma, no line end. `headers` and `data` of `record-extracted` are written this way.

/// Writes fields as one RFC 4180 record.
///
/// A single empty field is written as `""`, since an empty line is not a record.
#[must_use]
pub fn encode<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (position, field) in fields.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        // A reader takes an unquoted byte order mark at the start for an encoding, not for text.
        if field.contains([',', '"', '\r', '\n', '\u{feff}']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    if out.is_empty() {
        out.push_str("\"\"");
    }
    out
}

/// The reason why a text is not one RFC 4180 record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected RFC 4180, found {0}")]
pub struct RowError(&'static str);

/// Reads the fields of one RFC 4180 record.
///
/// # Errors
/// [`RowError`] when the text is empty or contains more than one record.
pub fn decode(text: &str) -> Result<Vec<String>, RowError> {
    let mut records = decode_all(text)?;
    match (records.pop(), records.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(RowError("more than one record")),
    }
}

/// Reads the fields of RFC 4180 records, one a line.
///
/// # Errors
/// [`RowError`] when there is no record.
pub fn decode_all(text: &str) -> Result<Vec<Vec<String>>, RowError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    // A text is UTF-8 already, and records may differ in length: nothing is left that could fail.
    let records: Vec<Vec<String>> = reader
        .records()
        .filter_map(Result::ok)
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect();
    if records.is_empty() { Err(RowError("nothing")) } else { Ok(records) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(fields in proptest::collection::vec(".*|[,\"\r\n a]*", 1..8)) {
            prop_assert_eq!(decode(&encode(fields.iter().map(String::as_str))), Ok(fields));
        }

        #[test]
        fn rows_are_lines(
            rows in proptest::collection::vec(proptest::collection::vec(".*|[,\"\r\n a]*", 1..4), 1..6),
        ) {
            let lines: Vec<String> =
                rows.iter().map(|fields| encode(fields.iter().map(String::as_str))).collect();
            prop_assert_eq!(decode_all(&lines.join("\n")), Ok(rows));
        }

        #[test]
        fn any_text_is_a_row_or_an_error(text in ".*|[,\"\r\n a]*") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn quoting_follows_the_rfc() {
        assert_eq!(encode(["1", "a,b", "say \"x\"", "l\nm"]), "1,\"a,b\",\"say \"\"x\"\"\",\"l\nm\"");
        assert_eq!(encode([""]), "\"\"");
        assert_eq!(decode("a,b\nc,d"), Err(RowError("more than one record")));
        assert_eq!(decode(""), Err(RowError("nothing")));
    }
}
