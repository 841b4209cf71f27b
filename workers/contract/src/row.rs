//! A row as text: RFC 4180, comma, no line end. `headers` and `data` of `record-extracted` are written this way. An empty
//! field in quotes differs from one without: databases write the first for an empty text, the second for NULL.

/// Writes fields as one RFC 4180 record.
///
/// A single empty field is written as `""`, since an empty line is not a record.
#[must_use]
pub fn encode<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    encode_cells(fields.into_iter().map(Cell::from))
}

/// Writes fields likewise, each with the fact whether it was quoted: an empty field that was is written as `""`.
#[must_use]
pub fn encode_cells<'a>(cells: impl IntoIterator<Item = Cell<'a>>) -> String {
    let mut out = String::new();
    for (position, Cell { text, quoted }) in cells.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        // A reader takes an unquoted byte order mark at the start for an encoding, not for text.
        if text.contains([',', '"', '\r', '\n', '\u{feff}']) || (quoted && text.is_empty()) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(text);
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

/// One field of a row, as it is in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell<'r> {
    /// The text, without the quotes around it.
    pub text: &'r str,
    /// `true` if there are quotes around it: `""` may mean another thing than nothing.
    pub quoted: bool,
}

impl<'r> From<&'r str> for Cell<'r> {
    fn from(text: &'r str) -> Self {
        Self { text, quoted: false }
    }
}

/// Rows that were read from their text, in three buffers for all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    text: String,
    /// End of each field in the text, and whether it is quoted.
    fields: Vec<(usize, bool)>,
    /// End of each row among the fields.
    rows: Vec<usize>,
}

impl Rows {
    /// Reads the fields of RFC 4180 records, one a line. Blank lines are no records.
    ///
    /// # Errors
    /// [`RowError`] when there is no record.
    pub fn read(text: &str) -> Result<Self, RowError> {
        let mut rows = Self { text: String::with_capacity(text.len()), ..Self::default() };
        let mut rest = text;
        while !rest.is_empty() {
            rest = match rest.as_bytes().first() {
                Some(b'\r' | b'\n') => rest.get(1..).unwrap_or_default(),
                _ => rows.record(rest),
            };
        }
        if rows.rows.is_empty() { Err(RowError("nothing")) } else { Ok(rows) }
    }

    /// Reads a record up to the end of its line, and returns the text after it.
    fn record<'t>(&mut self, mut rest: &'t str) -> &'t str {
        loop {
            let (end, quoted) = match rest.strip_prefix('"') {
                Some(inner) => (self.quoted(inner), true),
                None => (rest, false),
            };
            // Text behind a closing quote belongs to the field: these are our own rows, where there is none.
            let at = end.find([',', '\r', '\n']);
            let (field, after) = end.split_at(at.unwrap_or(end.len()));
            self.text.push_str(field);
            self.fields.push((self.text.len(), quoted));
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    self.rows.push(self.fields.len());
                    return after;
                }
            }
        }
    }

    /// Reads a quoted field after its opening quote, and returns the text after its closing quote.
    fn quoted<'t>(&mut self, mut rest: &'t str) -> &'t str {
        while let Some((text, after)) = rest.split_once('"') {
            self.text.push_str(text);
            match after.strip_prefix('"') {
                Some(more) => {
                    self.text.push('"');
                    rest = more;
                }
                None => return after,
            }
        }
        self.text.push_str(rest);
        ""
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the fields of each row.
    pub fn iter(&self) -> impl Iterator<Item = Vec<Cell<'_>>> {
        let mut row = 0;
        std::iter::from_fn(move || {
            let mut cells = Vec::new();
            self.row(row, &mut cells)?;
            row += 1;
            Some(cells)
        })
    }

    /// Puts the fields of a row, counted from 0, into `cells`; `None` if there is no such row.
    pub fn row<'r>(&'r self, row: usize, cells: &mut Vec<Cell<'r>>) -> Option<()> {
        let end = *self.rows.get(row)?;
        let start = row.checked_sub(1).and_then(|before| self.rows.get(before)).copied().unwrap_or_default();
        let mut from =
            start.checked_sub(1).and_then(|before| self.fields.get(before)).map_or(0, |(end, _)| *end);
        cells.clear();
        for (to, quoted) in self.fields.get(start..end)? {
            cells.push(Cell { text: self.text.get(from..*to)?, quoted: *quoted });
            from = *to;
        }
        Some(())
    }
}

/// Reads the fields of one RFC 4180 record.
///
/// # Errors
/// [`RowError`] when the text is empty or contains more than one record.
pub fn decode(text: &str) -> Result<Vec<String>, RowError> {
    let rows = Rows::read(text)?;
    if rows.len() > 1 {
        return Err(RowError("more than one record"));
    }
    Ok(rows.iter().flatten().map(|cell| cell.text.to_owned()).collect())
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
            let read = Rows::read(&lines.join("\n")).expect("rows");
            let read: Vec<Vec<String>> =
                read.iter().map(|row| row.iter().map(|cell| cell.text.to_owned()).collect()).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn rows_are_those_that_another_reader_finds(text in "[,\"\r\n a\u{e4}]*") {
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
                .collect();
            let found: Vec<Vec<String>> = Rows::read(&text)
                .map(|rows| rows.iter().map(|row| row.iter().map(|cell| cell.text.to_owned()).collect()).collect())
                .unwrap_or_default();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn quotes_around_nothing_are_kept(
            cells in proptest::collection::vec((".*|[,\"\r\n a\u{feff}]*|", any::<bool>()), 2..6),
        ) {
            let text = encode_cells(cells.iter().map(|(text, quoted)| Cell { text, quoted: *quoted }));
            let rows = Rows::read(&text).expect("own row");
            let found: Vec<_> = rows.iter().flatten().map(|cell| (cell.text.to_owned(), cell.text.is_empty() && cell.quoted)).collect();
            let expected: Vec<_> = cells.into_iter().map(|(text, quoted)| { let empty = text.is_empty(); (text, empty && quoted) }).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_text_is_a_row_or_an_error(text in ".*|[,\"\r\n a]*") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn quotes_are_remembered() {
        let rows = Rows::read("\"\",,\"a\"\"b\",c\n\nd").expect("rows");
        let cells: Vec<Vec<(&str, bool)>> =
            rows.iter().map(|row| row.iter().map(|cell| (cell.text, cell.quoted)).collect()).collect();
        assert_eq!(cells, [vec![("", true), ("", false), ("a\"b", true), ("c", false)], vec![("d", false)]]);
        assert_eq!((rows.len(), rows.is_empty()), (2, false));
    }

    #[test]
    fn quoting_follows_the_rfc() {
        assert_eq!(encode(["1", "a,b", "say \"x\"", "l\nm"]), "1,\"a,b\",\"say \"\"x\"\"\",\"l\nm\"");
        assert_eq!(encode([""]), "\"\"");
        assert_eq!(decode("a,b\nc,d"), Err(RowError("more than one record")));
        assert_eq!(decode(""), Err(RowError("nothing")));
    }
}
