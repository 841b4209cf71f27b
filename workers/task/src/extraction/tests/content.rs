//! The content of the file: rows of all kinds, headers, and the settings that describe it.

use super::*;

#[tokio::test]
async fn every_row_is_published_and_then_completed() {
    let (text, rows) = file(237);
    let bytes = text.len() as u64;
    let bus = Shared::default();
    let totals = Totals { rows: 237, rejected: 0, bytes };
    assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
    assert_eq!(bus.rows(), rows);
    let published = bus.published();
    assert_eq!(
        published.last(),
        Some(&Detail::ExtractionCompleted {
            object: object(),
            rows: 237,
            bytes,
            rejected: 0,
            skipped: None,
            encoding: None,
            shard: None
        })
    );
    let first = published.iter().find(|detail| detail.record().is_some_and(|record| record.index == 1));
    assert_eq!(
        first,
        Some(&Detail::RecordExtracted {
            object: object(),
            record: object().record(1),
            headers: "id,note".into(),
            data: "1,\"é, 1\"".into(),
            data_key: None,
            location: None,
        })
    );
}

#[tokio::test]
async fn a_file_without_an_expected_column_fails_once_before_its_first_row() {
    let settings = ExtractionSettings::default();
    for (text, missing) in [
        ("ID,House,Ort\nsEcReT,2,3\nsEcReT,2,3\n", "the file has no columns `HouseNum` and `Town`"),
        ("Town\n", "the file has no columns `ID` and `HouseNum`"),
        ("id,HOUSENUM,Street,", "the file has no column `Town`"),
    ] {
        let (outcome, bus) =
            run_expecting(&["ID", "HouseNum", "Town"], None, &settings, text.as_bytes()).await;
        assert_eq!(reason(outcome), Reason::MissingColumn, "{text}");
        assert_eq!(bus.failures(), [(None, Reason::MissingColumn)], "{text}");
        assert_eq!((bus.published().len(), bus.messages()), (1, vec![missing.to_owned()]), "{text}");
    }
    // An invisible difference does not count, and a file without any content lacks no column.
    for (text, rows) in
        [("\u{feff}\u{200b}id,HouseNum\u{a0},TOWN\u{ad},x\n1,2,3,4\n", 1), ("ID,HouseNum,Town\n", 0), ("", 0)]
    {
        let (outcome, bus) =
            run_expecting(&["ID", "HouseNum", "Town"], None, &settings, text.as_bytes()).await;
        assert!(matches!(outcome, Outcome::Completed(totals) if totals.rows == rows), "{text} {outcome:?}");
        assert_eq!(bus.rows().len() as u64, rows);
    }
}

#[tokio::test]
async fn a_name_that_fits_several_columns_and_columns_of_the_settings_are_checked_as_well() {
    let (outcome, bus) =
        run_expecting(&["id"], None, &ExtractionSettings::default(), b"ID,Id\nsEcReT,2\n").await;
    assert_eq!(reason(outcome), Reason::DuplicateHeader);
    assert_eq!(bus.messages(), ["the file has several columns `id`"]);
    let csv = CsvSettings { header: false, columns: vec!["id".into()], ..CsvSettings::default() };
    let settings = ExtractionSettings { csv, ..ExtractionSettings::default() };
    // A column that a file may lack must not be there twice either: `transform` would fail every event by it.
    let optional = ["id", "town", "other"];
    let (outcome, bus) =
        run_with_columns(&[], &optional, None, &ExtractionSettings::default(), b"ID,Id\nsEcReT,2\n").await;
    assert_eq!(reason(outcome), Reason::DuplicateHeader);
    assert!(bus.rows().is_empty());
    let (outcome, _) =
        run_with_columns(&[], &optional, None, &ExtractionSettings::default(), b"ID,x,X\n1,2,3\n").await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    let (outcome, bus) = run_expecting(&["id", "town"], None, &settings, b"sEcReT\n").await;
    assert_eq!(reason(outcome), Reason::MissingColumn);
    assert_eq!(bus.messages(), ["the file has no column `town`"]);
}

#[tokio::test]
async fn of_several_tasks_the_first_says_that_the_header_is_wrong() {
    let text = b"a,b\n1,2\n3,4\n";
    for (index, from, to, events) in [(1, 0, Some(8), 1), (2, 8, None, 0)] {
        let part = Some(Part { shard: Shard { index, of: 2 }, from, to });
        for columns in [&["c"][..], &["a", "b", "c"]] {
            let (outcome, bus) = run_expecting(columns, part, &ExtractionSettings::default(), text).await;
            assert_eq!(reason(outcome), Reason::MissingColumn);
            assert_eq!(bus.published().len(), events, "task {index}");
        }
    }
}

#[tokio::test]
async fn other_dialects_arrive_in_the_one_of_the_events() {
    let bus = Shared::default();
    let text = "\u{feff} ID ;a,b;\r1,5;\"x;y\";\r";
    let totals = Totals { rows: 1, rejected: 0, bytes: text.len() as u64 };
    assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
    assert!(matches!(
        &bus.published()[0],
        Detail::RecordExtracted { headers, data, .. } if headers == "ID,\"a,b\"" && data == "\"1,5\",x;y"
    ));
}

#[tokio::test]
async fn bad_rows_are_reported_counted_and_do_not_stop_the_others() {
    let bus = Shared::default();
    let text = b"a,b\n1,2\n1\n\n3,\xff\n4,5\n6,\"7\n".to_vec();
    let outcome = run(Object::new(text.clone(), []), &bus).await;
    let totals = Totals { rows: 5, rejected: 3, bytes: text.len() as u64 };
    assert_eq!(outcome, Outcome::Completed(totals));
    assert_eq!(bus.rows(), [(1, "1,2".to_owned()), (4, "4,5".to_owned())]);
    assert_eq!(
        bus.failures(),
        [(Some(2), Reason::RowLength), (Some(3), Reason::InvalidEncoding), (Some(5), Reason::UnclosedQuote)]
    );
}

#[tokio::test]
async fn a_row_that_no_event_can_carry_goes_by_reference() {
    let (bus, store) = (Shared::default(), Store::default());
    let (_sender, stop) = watch::channel(false);
    // The second exceeds the reader's limit. The fifth fits, but not with what JSON adds for the quotes in it.
    let large = ["x".repeat(2_000_000), "\"".repeat(400_000)];
    let quoted = format!("\"{}\"", large[1].replace('"', "\"\""));
    let text = format!("a;b;\r\n1;;\r\n{};2;\r\n3;;\r\n4\r\n\r\n{quoted};5\r\n6;", large[0]);
    let source = Object::new(text.clone(), []);
    let outcome = run_job(&grouped(2), None, Some(&store), source, &bus, stop).await;
    let bytes = text.len() as u64;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 6, rejected: 1, bytes }));
    assert_eq!(bus.failures(), [(Some(4), Reason::RowLength)]);
    let mut found = Vec::new();
    for detail in bus.published() {
        let Detail::RecordExtracted { record, headers, data, location, .. } = detail else { continue };
        assert_eq!((headers.as_str(), record.count), ("a,b", 1));
        let fields = match location {
            Some(location) => {
                let at = |offset| usize::try_from(offset).expect("small");
                let bytes = &text.as_bytes()[at(location.from)..at(location.to)];
                location.fields(bytes, 2).expect("a row").into_iter().map(|field| field.text).collect()
            }
            None => row::decode(&data).expect("a row"),
        };
        found.push((record.index, location.is_some(), fields));
    }
    found.sort();
    let row = |index, referred, fields: [&str; 2]| (index, referred, fields.map(str::to_owned).to_vec());
    assert_eq!(
        found,
        [
            row(1, false, ["1", ""]),
            row(2, true, [&large[0], "2"]),
            row(3, false, ["3", ""]),
            row(5, true, [&large[1], "5"]),
            row(6, false, ["6", ""]),
        ]
    );
    assert_eq!(store.checkpoint().map(|at| (at.index, at.rejected)), Some((6, 1)));
}

#[tokio::test]
async fn a_row_that_nobody_can_read_by_itself_is_rejected() {
    let bus = Shared::default();
    let limit = usize::try_from(Location::MAX_BYTES).expect("small");
    // With its line end, the first has exactly as many bytes as are possible, the second one more.
    let text = format!("a\n{}\n{}\nx\n", "x".repeat(limit - 1), "x".repeat(limit));
    let outcome = run(Object::new(text, []), &bus).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 3, rejected: 1, .. })), "{outcome:?}");
    assert_eq!(bus.failures(), [(Some(2), Reason::RowTooLarge)]);
    assert_eq!(bus.rows(), [(1, String::new()), (3, "x".to_owned())]);
    assert_eq!(
        bus.messages(),
        [
            "row 2 has more than 950000 bytes, which is too large for an event, and at most 16 MiB of an object can be read by \
          themselves"
        ]
    );

    // A header that leaves no room for the rest of the event.
    let bus = Shared::default();
    let text = format!("{}\n{}\n", "h".repeat(949_950), "x".repeat(1_000_000));
    let outcome = run(Object::new(text, []), &bus).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rejected: 1, .. })), "{outcome:?}");
    assert_eq!(bus.failures(), [(Some(1), Reason::RowTooLarge)]);
    assert!(bus.messages()[0].contains("the header alone is too large"), "{:?}", bus.messages());
}

#[tokio::test]
async fn a_bad_header_fails_the_object() {
    for (text, expected) in [
        ("a,a\n1,2\n", Reason::DuplicateHeader),
        ("\"\", \n1,2\n", Reason::EmptyHeader),
        ("\"a\n1,2\n", Reason::UnclosedQuote),
    ] {
        let bus = Shared::default();
        assert_eq!(reason(run(Object::new(text, []), &bus).await), expected);
        assert_eq!(bus.failures(), [(None, expected)]);
        assert_eq!(bus.published().len(), 1);
    }
}

#[tokio::test]
async fn a_file_without_rows_is_complete() {
    for text in ["", "a,b\n", "\n\n"] {
        let bus = Shared::default();
        let totals = Totals { rows: 0, rejected: 0, bytes: text.len() as u64 };
        assert_eq!(run(Object::new(text, []), &bus).await, Outcome::Completed(totals));
        assert_eq!(bus.published().len(), 1);
    }
}

#[tokio::test]
async fn a_bomb_is_one_row_that_no_event_can_carry() {
    let text = [b"a\n", &vec![b'x'; 8_000_000][..], b"\ny\n"].concat();
    let stored = decompress::gzip(&text, 9);
    assert!(stored.len() < 10_000);
    let bus = Shared::default();
    let totals = Totals { rows: 2, rejected: 1, bytes: stored.len() as u64 };
    assert_eq!(run(Object::new(stored, []), &bus).await, Outcome::Completed(totals));
    assert_eq!(bus.failures(), [(Some(1), Reason::RowTooLarge)]);
    assert_eq!(
        bus.messages(),
        [
            "row 1 has more than 950000 bytes, which is too large for an event, and a row of a compressed object can't be read by \
          itself"
        ]
    );
    assert_eq!(bus.rows(), [(2, "y".to_owned())]);
}

#[tokio::test]
async fn the_settings_say_how_the_object_is_written() {
    let settings =
        r#"{ "csv": { "delimiter": ";", "quote": "'", "header": false, "columns": ["id", "a,b"] } }"#;
    let settings: ExtractionSettings = serde_json::from_str(settings).expect("settings");
    let (_sender, stop) = watch::channel(false);
    let bus = Shared::default();
    let stored = decompress::zstd(b"1;'x;y'\n2;3,5;\n", 3);
    let bytes = stored.len() as u64;
    let outcome = run_as(&settings, Object::new(stored, []), &bus, stop).await;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 2, rejected: 0, bytes }));
    assert_eq!(bus.rows(), [(1, "1,x;y".to_owned()), (2, "2,\"3,5\"".to_owned())]);
    assert!(matches!(
        &bus.published()[0],
        Detail::RecordExtracted { headers, .. } if headers == "id,\"a,b\""
    ));
}
