//! Files of every kind in several parts: the events are those of one task, whatever is passed over.

use std::collections::BTreeSet;

use super::*;

/// Returns lines that are hard to tell apart without reading all that is before them.
fn lines_of_csv() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => "[0-9]{1,3},[a-c]{1,9}",
        4 => "[0-9]{1,3},\"[a-c ]{0,3}(\n|\r\n|,|\"\"|#\n)[a-c]{0,9}\"",
        1 => Just("h,i".to_owned()),
        1 => Just("\"h\",i".to_owned()),
        1 => Just(String::new()),
        1 => Just(",".to_owned()),
        1 => "#[a-c,\"]{0,5}",
        1 => "[0-9],[a-c]\" [a-c]",
        1 => "[0-9], \"[a-c]\" ",
        1 => "[0-9],\"[a-c]\"x",
        1 => "[0-9]|[0-9],a,|[0-9],a,b",
        1 => "[0-9],[a-c]\\\\(\n|,|\")[a-c]",
        1 => "[0-9],é[äöü]{1,3}",
    ];
    let end = prop_oneof![8 => Just("\n"), 4 => Just("\r\n"), 1 => Just("\r")];
    (proptest::collection::vec((line, end), 0..60), proptest::option::of("[0-9],\"[a-c\n]{0,9}")).prop_map(
        |(lines, unclosed)| {
            let lines = lines.into_iter().map(|(line, end)| line + end).collect::<String>();
            format!("h,i\n{lines}{}", unclosed.unwrap_or_default())
        },
    )
}

fn lines_of_json() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "\\{\"h\":\"[a-c]{0,9}\"\\}",
        1 => "\\{\"h\":[0-9],\"i\":[0-9]\\}",
        1 => Just("[1]".to_owned()),
        1 => "[ \r]{0,2}",
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| format!("{{\"h\":1}}\n{}", lines.join("\n")))
}

/// Returns the settings and the bytes of a file.
fn any_file() -> impl Strategy<Value = (ExtractionSettings, Vec<u8>)> {
    let dialect = proptest::sample::select(vec![
        "{}",
        r##"{"comment":"#"}"##,
        r#"{"escape":"\\"}"#,
        r#"{"skip":2,"columns":["h","i"]}"#,
        r#"{"short":"pad"}"#,
        r#"{"quote":"'"}"#,
        r#"{"header":false,"columns":["h","i"]}"#,
        r#"{"columns":["h"],"delimiter":";"}"#,
    ]);
    let csv = (dialect, lines_of_csv(), 0..5_u8).prop_map(|(dialect, text, encoding)| {
        let mut csv: CsvSettings = serde_json::from_str(dialect).expect("settings");
        let mut encoded = |label: &str| {
            csv.encoding = Some(serde_json::from_value(label.into()).expect("an encoding"));
            encoding_rs::Encoding::for_label(label.as_bytes())
                .expect("an encoding")
                .encode(&text)
                .0
                .into_owned()
        };
        let bytes = match encoding {
            0 => encoded("windows-1252"),
            1 => encoded("shift_jis"),
            2 => std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
            _ => text.into_bytes(),
        };
        (ExtractionSettings { csv, ..ExtractionSettings::default() }, bytes)
    });
    let json = lines_of_json().prop_map(|text| {
        (serde_json::from_str(r#"{"format":"json-lines"}"#).expect("settings"), text.into_bytes())
    });
    prop_oneof![5 => csv, 1 => json]
}

/// The events about rows, the messages about bad ones, and the number of lines that were skipped.
fn all_said(bus: &Shared) -> (Said, BTreeSet<String>, u64) {
    let skipped = |detail: &Detail| match detail {
        Detail::ExtractionCompleted { skipped, .. } => skipped.map_or(0, |lines| lines.total()),
        _ => 0,
    };
    (said(bus), bus.messages().into_iter().collect(), bus.published().iter().map(skipped).sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_division_of_any_file_gives_the_rows_of_one_reader(
        (settings, bytes) in any_file(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        compressed in proptest::bool::weighted(0.1),
    ) {
        let bytes = if compressed { decompress::gzip(&bytes, 1) } else { bytes };
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1) as u64).collect();
        cuts.sort_unstable();
        let (_sender, stop) = watch::channel(false);
        let run = |part, bus: &Shared| {
            let source = Object::new(bytes.clone(), []);
            runtime().block_on(run_job(&settings, part, None, source, bus, stop.clone()))
        };
        let (whole, divided) = (Shared::default(), Shared::default());
        let expected = run(None, &whole);
        let mut totals = Totals::default();
        for part in parts(&cuts) {
            match run(part, &divided) {
                Outcome::Completed(part) => {
                    totals.rows += part.rows;
                    totals.rejected += part.rejected;
                    totals.bytes += part.bytes;
                }
                other => {
                    prop_assert_eq!(&other, &expected);
                    return Ok(());
                }
            }
        }
        prop_assert_eq!(Outcome::Completed(totals), expected);
        prop_assert_eq!(all_said(&divided), all_said(&whole));
    }

    /// A task of a part is killed while it passes over the rows before it, or later; another one takes its place.
    #[test]
    fn a_task_of_a_part_that_is_killed_has_lost_nothing(
        (settings, bytes) in any_file(), cut in any::<proptest::sample::Index>(), killed_at in any::<proptest::sample::Index>(),
    ) {
        let part = parts(&[cut.index(bytes.len() + 1) as u64])[1];
        let (_sender, stop) = watch::channel(false);
        let run = |source, bus: &Shared, store: &Store| {
            runtime().block_on(run_job(&settings, part, Some(store), source, bus, stop.clone()))
        };
        let (alone, killed, after) = (Shared::default(), Shared::default(), Shared::default());
        let expected = run(Object::new(bytes.clone(), []), &alone, &Store::default());
        let store = Store::default();
        let breaks = std::iter::once(Step::BreakAfter(killed_at.index(bytes.len() + 1)))
            .chain(std::iter::repeat_n(Step::BreakAfter(0), 3));
        run(Object::new(bytes.clone(), breaks), &killed, &store);
        let reached = store.checkpoint().unwrap_or_default();
        prop_assert_eq!(run(Object::new(bytes.clone(), []), &after, &store), expected);
        let (mut rows, mut failed) = said(&killed);
        let (more_rows, more_failed) = said(&after);
        prop_assert!(more_rows.iter().all(|(row, _)| *row > reached.index));
        failed.retain(|(row, _)| row.is_some());
        rows.extend(more_rows);
        failed.extend(more_failed);
        rows.sort_unstable();
        rows.dedup();
        failed.sort_unstable_by_key(|(row, _)| *row);
        failed.dedup();
        prop_assert_eq!((rows, failed), said(&alone));
    }
}
