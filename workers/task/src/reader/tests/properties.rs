//! Any bytes in any chunks: the reader's results do not depend on the places of the cuts, and are those of the `csv`
//! crate.

use super::*;

/// Returns bytes that have a meaning for a CSV reader more often than by chance.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        1 => "a,b\n|#|sep=;\n| |\\\\|PK".prop_map(String::into_bytes),
        4 => "[a-c]{1,3}".prop_map(String::into_bytes),
        3 => Just(b",".to_vec()),
        1 => "[;\t|]".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"\"".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => "é|€|😀".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Returns a file as another program would write it: header, rows, delimiter, line end.
fn file() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>, u8, bool, bool)> {
    (2..6usize).prop_flat_map(|columns| {
        (
            proptest::collection::vec("[a-z]{1,4}( [,;\"\n]x)?", columns).prop_map(|names| {
                // Different from each other, and without a delimiter outside quotes.
                names.into_iter().enumerate().map(|(position, name)| format!("{position}{name}")).collect()
            }),
            proptest::collection::vec(
                proptest::collection::vec("[a-c ,;\t|\"\r\n\u{e9}]{0,6}", columns),
                0..12,
            ),
            proptest::sample::select(head::DELIMITERS.map(Character::byte).to_vec()),
            any::<bool>(),
            any::<bool>(),
        )
    })
}

fn write(header: &[String], rows: &[Vec<String>], delimiter: u8, crlf: bool, bom: bool) -> Vec<u8> {
    let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
    // All names quoted, so that a delimiter in a name isn't taken for the file's.
    let quoted: Vec<String> =
        header.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    for row in rows {
        writer.write_record(row).expect("in memory");
    }
    let mut text = if bom { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
    text.extend_from_slice(quoted.join(&char::from(delimiter).to_string()).as_bytes());
    text.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    text.extend_from_slice(&writer.into_inner().expect("in memory"));
    text
}

/// Returns the number of columns in a file of these settings; any number where they name none.
fn width(settings: &CsvSettings) -> usize {
    if settings.columns.is_empty() { 2 } else { settings.columns.len() }
}

/// Returns settings that the language allows.
fn dialect() -> impl Strategy<Value = CsvSettings> {
    let delimiter =
        proptest::option::of(proptest::sample::select(vec![',', ';', '\t', '|', '\u{1f}', ' ', 'x']));
    let columns = proptest::sample::select(vec![&["n", "m"][..], &["n", "m", "o"], &["n"]]);
    (delimiter, proptest::sample::select(vec!['"', '\'', '~']), any::<bool>(), columns, any::<bool>())
        .prop_map(|(delimiter, quote, header, columns, named)| {
            settings(delimiter, quote, header, if named || !header { columns } else { &[] })
        })
}

/// Returns settings with everything that changes the division into rows.
fn any_settings() -> impl Strategy<Value = CsvSettings> {
    (dialect(), any::<[bool; 3]>(), 0..3u32).prop_map(|(settings, [escape, comment, pad], skip)| {
        CsvSettings {
            escape: if escape { Character::try_from('\\').ok() } else { None },
            comment: if comment { Character::try_from('#').ok() } else { None },
            short: if pad { Short::Pad } else { Short::Reject },
            skip,
            ..settings
        }
    })
}

/// Returns the numbers and verdicts of rows, without the lines in messages, which a reader that continues in the middle
/// of a file doesn't know.
fn verdicts(rows: &[(u64, Result<Vec<String>, Fault>)]) -> Vec<(u64, Result<Vec<String>, Reason>)> {
    rows.iter().map(|(index, row)| (*index, row.clone().map_err(|fault| fault.reason))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn chunks_do_not_matter(bytes in noise(), cuts in proptest::collection::vec(0..200usize, 0..8), limit in 1..60usize) {
        let whole = read_chunks(limit, [&bytes[..]]);
        prop_assert_eq!(&read_chunks(limit, bytes.chunks(1)), &whole);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&read_chunks(limit, chunks), &whole);
    }

    #[test]
    fn no_settings_make_chunks_matter(bytes in noise(), settings in any_settings(), limit in 1..60usize, size in 1..9usize) {
        let whole = read_as(&settings, limit, [&bytes[..]]);
        prop_assert_eq!(&read_as(&settings, limit, bytes.chunks(size)), &whole);
        // Without a header, only a file of another format is useless.
        let other = whole.end.as_ref().err().is_some_and(|fault| {
            matches!(fault.reason, Reason::UnsupportedFormat | Reason::InvalidEncoding)
        });
        prop_assert!(settings.header || whole.end.is_ok() || other);
    }

    #[test]
    fn a_reader_goes_on_at_any_row_as_if_it_had_read_the_rows_before(
        bytes in noise(), settings in any_settings(), limit in 1..60usize, at in any::<proptest::sample::Index>(), size in 1..9usize,
    ) {
        let whole = read_as(&settings, limit, [&bytes[..]]);
        // Spans follow each other without a gap, to the last byte that a row has.
        for pair in whole.spans.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        if whole.spans.is_empty() {
            return Ok(());
        }
        let at = at.index(whole.spans.len());
        let position = whole.spans[at].end;
        let mut reader = Reader::new(limit, &settings, &[]);
        let mut input = &bytes[..];
        while reader.rows() == 0 {
            if reader.read(&mut input).expect("a good header").is_none() {
                prop_assert!(reader.finish().expect("a good header").is_some());
            }
        }
        reader.resume(position, at as u64 + 1);
        let mut rest = Report { columns: whole.columns.clone(), rows: Vec::new(), spans: Vec::new(), locations: Vec::new(), quoted: Vec::new(), skipped: Skipped::default(), end: Ok(()) };
        for mut chunk in bytes[usize::try_from(position).expect("small")..].chunks(size) {
            while let Some(row) = reader.read(&mut chunk).expect("a good header") {
                keep(&mut rest, row);
            }
        }
        while let Some(row) = reader.finish().expect("a good header") {
            keep(&mut rest, row);
        }
        prop_assert_eq!(verdicts(&rest.rows), verdicts(&whole.rows[at + 1..]));
        prop_assert_eq!(&rest.spans[..], &whole.spans[at + 1..]);
        prop_assert_eq!(&rest.locations[..], &whole.locations[at + 1..]);
        prop_assert_eq!(&rest.quoted[..], &whole.quoted[at + 1..]);
    }

    /// The rows after those that are passed over are the same, and so are their places and the lines in messages.
    #[test]
    fn rows_that_are_passed_over_are_counted_and_change_no_other(
        before in noise(), bytes in noise(), header in "id|id,no|,no|\"id\"\"s\",no|a", settings in any_settings(),
        limit in 20..60usize, at in any::<[proptest::sample::Index; 2]>(), by_number in any::<bool>(), size in 1..200usize,
    ) {
        // More lines than are examined as the head of the file.
        let rows = "1,2\r\n3,\"4\n,\"\n".repeat(15);
        let text = [header.as_bytes(), b"\n", &before, b"\n", rows.as_bytes(), &bytes, header.as_bytes(), b"\n1,1\n"].concat();
        let whole = read_as(&settings, limit, [&text[..]]);
        if whole.spans.is_empty() {
            return Ok(());
        }
        let [first, second] = at.map(|at| at.index(whole.spans.len()));
        let goal = |row: usize| match by_number {
            true => (row as u64, 0),
            // Somewhere in the row before.
            false => (0, whole.spans[row].start.saturating_sub(3)),
        };
        let goals = [goal(first), goal(second)];
        let (mut current, mut next) = ((0, 0), goals.iter());
        let is_wanted = |row: &usize| {
            let wanted = *row as u64 >= current.0 && whole.spans[*row].start >= current.1;
            if let Some(goal) = Some(&mut next).filter(|_| wanted).and_then(Iterator::next) {
                current = *goal;
            }
            wanted
        };
        let expected: Vec<usize> = (0..whole.spans.len()).filter(is_wanted).collect();
        let mut reader = Reader::new(limit, &settings, &[]);
        let mut found = Report { rows: Vec::new(), spans: Vec::new(), locations: Vec::new(), ..whole.clone() };
        let (mut chunks, mut chunk, mut next) = (text.chunks(size), &text[..0], goals.iter());
        loop {
            let is_row = match reader.advance(&mut chunk) {
                Ok(false) => match chunks.next() {
                    Some(next) => {
                        chunk = next;
                        continue;
                    }
                    None => reader.advance_at_end(),
                },
                is_row => is_row,
            };
            match is_row {
                Ok(true) => keep(&mut found, reader.row()),
                Ok(false) => break,
                Err(fault) => {
                    prop_assert_eq!(Err(fault), whole.end.clone());
                    return Ok(());
                }
            }
            let last = found.spans.last().expect("a row");
            prop_assert_eq!(reader.passed(), (reader.rows(), last.end));
            if let Some((rows, before)) = next.next() {
                reader.pass_over(*rows, *before);
            }
        }
        prop_assert_eq!(reader.rows(), whole.rows.len() as u64);
        prop_assert_eq!(&found.rows, &expected.iter().map(|row| whole.rows[*row].clone()).collect::<Vec<_>>());
        prop_assert_eq!(&found.spans, &expected.iter().map(|row| whole.spans[*row].clone()).collect::<Vec<_>>());
        prop_assert_eq!(&found.locations, &expected.iter().map(|row| whole.locations[*row]).collect::<Vec<_>>());
    }

    #[test]
    fn a_row_that_is_too_large_has_at_its_location_what_a_reader_with_room_finds(
        bytes in noise(), settings in any_settings(), limit in 3..30usize,
    ) {
        let whole = read_as(&settings, 10_000, [&bytes[..]]);
        let report = read_as(&settings, limit, [&bytes[..]]);
        // A line that repeats the header after a byte order mark may be too large to be known as such.
        prop_assume!(report.rows.len() == whole.rows.len());
        let at = |offset| usize::try_from(offset).expect("small");
        let rows = report.rows.iter().zip(&report.locations).zip(whole.rows.iter().zip(&whole.quoted));
        for ((row, location), ((_, expected), quoted)) in rows {
            if !matches!(row, (_, Err(fault)) if fault.reason == Reason::RowTooLarge) {
                continue;
            }
            let found = location.fields(&bytes[at(location.from)..at(location.to)], report.columns.len());
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    // Whichever way a row travels, an empty text is told from nothing.
                    let positions: Vec<usize> =
                        (0..found.len()).filter(|position| found[*position].quoted).collect();
                    prop_assert_eq!(&positions, quoted);
                    let found: Vec<String> = found.into_iter().map(|field| field.text).collect();
                    prop_assert_eq!(&found, expected);
                }
                // Of two faults, either may be reported.
                (Err(error), Err(expected)) => prop_assert!(
                    error.reason() == expected.reason
                        || (error.reason(), expected.reason) == (Reason::RowLength, Reason::InvalidEncoding),
                    "{error} {expected:?}"
                ),
                (found, expected) => prop_assert!(false, "{found:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn any_dialect_reads_as_the_csv_crate_reads_it(
        (settings, rows) in dialect().prop_flat_map(|settings| {
            let columns = width(&settings);
            // In one column, lines of text with a delimiter look like rows of several columns.
            let delimiter = settings.delimiter.or((settings.columns.len() == 1).then_some(Character::COMMA));
            let settings = CsvSettings { delimiter, ..settings };
            let row = proptest::collection::vec("[a-c ,;\t|'\"\r\n\u{e9}]{0,6}", columns);
            (Just(settings), proptest::collection::vec(row, 0..12))
        }),
        size in 1..40usize,
        crlf in any::<bool>(),
        compression in 0..3u8,
    ) {
        let (delimiter, quote) = (settings.delimiter.unwrap_or(Character::COMMA).byte(), settings.quote.byte());
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(delimiter).quote(quote).terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') });
        let mut writer = writer.from_writer(Vec::new());
        let columns = width(&settings);
        let header: Vec<String> = (0..columns).map(|position| format!("c{position}")).collect();
        if settings.header {
            writer.write_record(&header).expect("in memory");
        }
        for row in &rows {
            writer.write_record(row).expect("in memory");
        }
        let bytes = writer.into_inner().expect("in memory");
        let mut reference = csv::ReaderBuilder::new();
        reference.delimiter(delimiter).quote(quote).flexible(true).has_headers(settings.header);
        let expected: Vec<Vec<String>> = reference
            .from_reader(&bytes[..])
            .records()
            .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
            .collect();
        let stored = match compression {
            0 => bytes,
            1 => [decompress::gzip(&bytes, 6), decompress::gzip(b"", 1)].concat(),
            _ => decompress::zstd(&bytes, 3),
        };
        let (pieces, end) = decompress::decode(stored.chunks(size));
        prop_assert_eq!(end, Ok(()));
        let report = read_as(&settings, 10_000, pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(&report.end, &Ok(()));
        // A line of delimiters alone is not a row.
        let rows: Vec<Vec<String>> = rows.into_iter().filter(|row| columns == 1 || row.iter().any(|value| !value.is_empty())).collect();
        let expected: Vec<Vec<String>> = expected.into_iter().filter(|row| columns == 1 || row.iter().any(|value| !value.is_empty())).collect();
        if !rows.is_empty() {
            prop_assert_eq!(&report.columns, if settings.columns.is_empty() { &header } else { &settings.columns });
        }
        let found: Vec<Vec<String>> =
            report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn any_bytes_are_read_within_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..400), limit in 0..80usize) {
        let report = read_chunks(limit.max(1), [&bytes[..]]);
        for (position, (index, _)) in (1..).zip(&report.rows) {
            prop_assert_eq!(*index, position);
        }
    }

    #[test]
    fn well_formed_files_read_as_the_csv_crate_reads_them((header, rows, delimiter, crlf, bom) in file()) {
        let bytes = write(&header, &rows, delimiter, crlf, bom);
        let mut reference = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&bytes[..]);
        let expected: Vec<Vec<String>> = reference
            .records()
            .map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect())
            .collect();
        let report = read(&bytes);
        prop_assert_eq!(&report.end, &Ok(()));
        let blank = |row: &Vec<String>| row.iter().all(String::is_empty);
        prop_assert_eq!(report.skipped.blank, rows.iter().filter(|row| blank(row)).count() as u64);
        let rows: Vec<Vec<String>> = rows.into_iter().filter(|row| !blank(row)).collect();
        let expected: Vec<Vec<String>> = expected.into_iter().filter(|row| !blank(row)).collect();
        let found: Vec<Vec<String>> =
            report.rows.into_iter().map(|(_, fields)| fields.expect("a good row")).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found, rows);
    }
}
