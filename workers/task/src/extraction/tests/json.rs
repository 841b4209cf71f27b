//! Objects of JSON Lines: events, parts, and sensitive values.

use super::*;

fn settings(rows_per_event: u32) -> ExtractionSettings {
    let settings: ExtractionSettings = serde_json::from_str(r#"{"format":"json-lines"}"#).expect("settings");
    ExtractionSettings { rows_per_event, ..settings }
}

fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => "[a-c]{1,3}".prop_map(|value| format!("{{\"a\":1,\"b\":\"{value}é\"}}\n")),
        1 => Just("{\"b\":{\"c\":2},\"a\":null}\r\n".to_owned()),
        1 => Just("{\"c\":\"\",\"a\":[1,2]}\n".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("{\"a\":NaN}\n".to_owned()),
        1 => Just("{\"a\":1,\"a\":2}\n".to_owned()),
    ];
    proptest::collection::vec(line, 0..30).prop_map(|lines| format!("{{\"a\":0}}\n{}", lines.concat()))
}

/// Returns all rows as lines, each after its header.
fn with_headers(bus: &Shared) -> Vec<(u64, String, String)> {
    let mut out = Vec::new();
    for detail in bus.published() {
        if let Detail::RecordExtracted { record, headers, data, .. } = detail {
            assert_eq!(data.lines().count() as u64, record.count);
            for (index, row) in record.rows().zip(data.lines()) {
                out.push((index, headers.clone(), row.to_owned()));
            }
        }
    }
    out.sort_unstable();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn parts_of_json_lines_are_together_what_one_task_reads(
        text in text(), cuts in proptest::collection::vec(0..400u64, 0..4), per_event in 1..5u32, wide in any::<bool>(),
    ) {
        let stored: Vec<u8> = match wide {
            true => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            false => text.clone().into_bytes(),
        };
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (_sender, stop) = watch::channel(false);
        let run = |part, settings: &ExtractionSettings, bus: &Shared| {
            let source = Object::new(stored.clone(), []);
            runtime().block_on(run_job(settings, part, None, source, bus, stop.clone()))
        };
        let (whole, divided) = (Shared::default(), Shared::default());
        let expected = run(None, &settings(1), &whole);
        let mut totals = Totals::default();
        for part in parts(&cuts) {
            let Outcome::Completed(part) = run(part, &settings(per_event), &divided) else { panic!("failed") };
            totals.rows += part.rows;
            totals.rejected += part.rejected;
            totals.bytes += part.bytes;
        }
        prop_assert_eq!(Outcome::Completed(totals), expected);
        prop_assert_eq!(with_headers(&divided), with_headers(&whole));
        prop_assert_eq!(said(&divided).1, said(&whole).1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_task_that_takes_over_json_lines_goes_on_at_the_checkpoint(
        text in text(), at in any::<proptest::sample::Index>(), per_event in 1..4u32, wide in any::<bool>(),
    ) {
        let stored: Vec<u8> = match wide {
            true => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            false => text.into_bytes(),
        };
        let (_sender, stop) = watch::channel(false);
        let settings = settings(per_event);
        let run = |source: Object, bus: &Shared, store: Option<&Store>| {
            runtime().block_on(run_job(&settings, None, store, source, bus, stop.clone()))
        };
        let whole = Shared::default();
        let expected = run(Object::new(stored.clone(), []), &whole, None);
        let break_at = at.index(stored.len() + 1);
        let broken = [Step::BreakAfter(break_at), Step::BreakAfter(0), Step::BreakAfter(0), Step::BreakAfter(0)];
        let (first, second, store) = (Shared::default(), Shared::default(), Store::default());
        run(Object::new(stored.clone(), broken), &first, Some(&store));
        let checkpoint = store.checkpoint().unwrap_or_default();
        prop_assert_eq!(run(Object::new(stored, []), &second, Some(&store)), expected);
        let again = with_headers(&second);
        prop_assert!(again.iter().all(|(row, ..)| *row > checkpoint.index));
        let mut rows = with_headers(&first);
        rows.extend(again);
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!(rows, with_headers(&whole));
    }
}

#[tokio::test]
async fn rows_share_an_event_as_long_as_they_have_the_same_members() {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = "bad\n{\"a\":1,\"b\":\"\"}\n{\"b\":null,\"a\":2}\n{\"a\":3}\n{\"a\":{\"x\":\"1,2\"}}\n{\"a\":5,\"b\":6}\n{\"a\":1}\n";
    let outcome = run_as(&settings(10), Object::new(text, []), &bus, stop).await;
    let bytes = text.len() as u64;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 7, rejected: 1, bytes }));
    let row = |index, headers: &str, data: &str| (index, headers.to_owned(), data.to_owned());
    let mut events: Vec<_> = bus
        .published()
        .into_iter()
        .filter_map(|detail| match detail {
            Detail::RecordExtracted { record, headers, data, .. } => Some((record.index, headers, data)),
            _ => None,
        })
        .collect();
    events.sort();
    assert_eq!(
        events,
        [
            row(2, "a,b", "1,\"\"\n2,"),
            row(4, "a", "3"),
            row(5, "a,a.x", "\"{\"\"x\"\":\"\"1,2\"\"}\",\"1,2\""),
            row(6, "a,b", "5,6"),
            row(7, "a", "1"),
        ]
    );
}

#[tokio::test]
async fn a_line_that_no_event_can_carry_is_rejected() {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = format!("{{\"a\":1}}\n{{\"a\":\"{}\"}}\n{{\"a\":3}}\n", "x".repeat(1_000_000));
    run_as(&settings(1), Object::new(text, []), &bus, stop).await;
    assert_eq!(bus.failures(), [(Some(2), Reason::RowTooLarge)]);
    assert!(
        bus.messages()[0].ends_with("a row of JSON Lines can't be read by itself"),
        "{:?}",
        bus.messages()
    );
}

#[tokio::test]
async fn a_sensitive_member_leaves_sealed_wherever_it_is_in_a_row() {
    let vault = sensitive::Vault::default();
    let sealing = sensitive::seal(&vault, &["person.ssn"]);
    let text = "{\"id\":1,\"person\":{\"ssn\":\"sEcReT\",\"name\":\"a\"}}\n{\"person\":{\"SSN\":\"sEcReT\"},\"x\":2}\n\
                {\"id\":3,\"persons\":\"sEcReT\"}\n{\"id\":4,\"person\":{\"ssn\":null,\"name\":\"b\"}}\n";
    let (outcome, bus) = sensitive::run_sealed(&settings(10), text, sealing).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 4, rejected: 1, .. })), "{outcome:?}");
    assert!(!format!("{:?}", bus.published()).contains("sEcReT"));
    assert_eq!(bus.failures(), [(Some(3), Reason::MissingColumn)]);
    let headers: Vec<_> =
        with_headers(&bus).into_iter().map(|(index, headers, _)| (index, headers)).collect();
    assert_eq!(
        headers,
        [
            (1, "id,person.ssn,person.name".to_owned()),
            (2, "person.SSN,x".to_owned()),
            (4, "id,person.ssn,person.name".to_owned()),
        ]
    );
    assert_eq!(with_headers(&bus)[2].2, "4,,b");
}
