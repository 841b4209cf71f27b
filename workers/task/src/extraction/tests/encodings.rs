//! Objects in other encodings than UTF-8: parts, checkpoints and rows by reference are as exact as in UTF-8.

use super::*;

/// The setting of an encoding, and the function that writes it.
#[derive(Debug, Clone, Copy)]
struct Written {
    name: Option<&'static str>,
    setting: &'static str,
    encode: fn(&str) -> Vec<u8>,
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn windows(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
}

fn shift_jis(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

const DIVISIBLE: [Written; 4] = [
    Written { name: None, setting: "{}", encode: |text| text.as_bytes().to_vec() },
    Written { name: Some("utf-16le"), setting: "{}", encode: |text| utf_16(&format!("\u{feff}{text}")) },
    Written { name: Some("windows-1252"), setting: r#"{"encoding":"windows-1252"}"#, encode: windows },
    Written { name: Some("windows-1252"), setting: r#"{"encoding":{"auto":"de"}}"#, encode: windows },
];

fn settings(csv: &str, rows_per_event: u32) -> ExtractionSettings {
    let csv = serde_json::from_str(csv).expect(csv);
    ExtractionSettings { csv, rows_per_event, ..ExtractionSettings::default() }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-c\u{e9}\u{fc}€]{1,3}".prop_map(|text| text),
        3 => Just(",".to_owned()),
        3 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        2 => Just("\"".to_owned()),
        1 => Just("\"é,\n\"\"b\r\n\"".to_owned()),
    ];
    (
        proptest::sample::select(vec!["h,i\n", "h;é\r\n", "\n\nh\ti\r"]),
        proptest::collection::vec(piece, 0..60),
    )
        .prop_map(|(header, pieces)| header.to_owned() + &pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn parts_are_together_what_one_task_reads_in_utf_8(
        text in text(), which in 0..DIVISIBLE.len(), cuts in proptest::collection::vec(0..500u64, 0..5),
        per_event in 1..4u32,
    ) {
        let Written { setting, encode, .. } = DIVISIBLE[which];
        let (settings, stored) = (settings(setting, per_event), encode(&text));
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (_sender, stop) = watch::channel(false);
        let run = |settings: &ExtractionSettings, stored: &[u8], part, bus: &Shared| {
            let source = Object::new(stored, []);
            runtime().block_on(run_job(settings, part, None, source, bus, stop.clone()))
        };
        let (whole, divided) = (Shared::default(), Shared::default());
        let expected = run(&self::settings("{}", per_event), text.as_bytes(), None, &whole);
        let mut totals = Totals::default();
        for part in parts(&cuts) {
            match run(&settings, &stored, part, &divided) {
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
        prop_assert_eq!(totals.bytes, stored.len() as u64);
        let totals = Totals { bytes: text.len() as u64, ..totals };
        prop_assert_eq!(Outcome::Completed(totals), expected);
        prop_assert_eq!(said(&divided), said(&whole));
    }

    #[test]
    fn a_task_that_takes_over_goes_on_at_the_checkpoint_of_any_encoding(
        text in text(), which in 0..DIVISIBLE.len() + 1, at in any::<proptest::sample::Index>(),
        cut in proptest::option::of(0..300u64), per_event in 1..4u32, gzip in any::<bool>(),
    ) {
        let japanese = Written { name: None, setting: r#"{"encoding":{"auto":"ja"}}"#, encode: shift_jis };
        let Written { setting, encode, .. } = DIVISIBLE.get(which).copied().unwrap_or(japanese);
        let settings = settings(setting, per_event);
        let text = if which == DIVISIBLE.len() { text.replace(['é', 'ü', '€'], "表") } else { text };
        let stored = if gzip { decompress::gzip(&encode(&text), 1) } else { encode(&text) };
        let part = cut.and_then(|cut| parts(&[cut])[1]);
        let whole = Shared::default();
        let (_sender, stop) = watch::channel(false);
        let run = |source: Object, bus: &Shared, store: Option<&Store>| {
            runtime().block_on(run_job(&settings, part, store, source, bus, stop.clone()))
        };
        let expected = run(Object::new(stored.clone(), []), &whole, None);
        let break_at = at.index(stored.len() + 1);
        let broken = [Step::BreakAfter(break_at), Step::BreakAfter(0), Step::BreakAfter(0), Step::BreakAfter(0)];
        let (first, second, store) = (Shared::default(), Shared::default(), Store::default());
        let interrupted = run(Object::new(stored.clone(), broken), &first, Some(&store));
        let checkpoint = store.checkpoint().unwrap_or_default();
        prop_assert!(checkpoint.done.is_none() || matches!(interrupted, Outcome::Completed(_)));
        prop_assert_eq!(run(Object::new(stored, []), &second, Some(&store)), expected.clone());
        if !matches!(expected, Outcome::Completed(_)) {
            return Ok(());
        }
        let ((mut rows, mut failures), (rows_again, failures_again)) = (said(&first), said(&second));
        prop_assert!(rows_again.iter().all(|(row, _)| *row > checkpoint.index));
        prop_assert!(failures_again.iter().all(|(row, _)| row.is_none_or(|row| row > checkpoint.index)));
        rows.extend(rows_again);
        rows.sort_unstable();
        rows.dedup();
        failures.retain(|(row, _)| row.is_some());
        failures.extend(failures_again);
        failures.sort_unstable_by_key(|(row, _)| *row);
        failures.dedup();
        prop_assert_eq!((rows, failures), said(&whole));
    }
}

#[tokio::test]
async fn the_end_says_which_encoding_it_was() {
    for Written { name, setting, encode } in DIVISIBLE {
        let bus = Shared::default();
        let (_sender, stop) = watch::channel(false);
        run_as(&settings(setting, 1), Object::new(encode("a,b\n1,é€\n"), []), &bus, stop).await;
        let expected = name.and_then(|name| Encoding::from_label(name).ok());
        assert!(
            matches!(bus.completed(), Some(Detail::ExtractionCompleted { encoding, .. }) if encoding == expected),
            "{setting}"
        );
        assert_eq!(bus.rows(), [(1, "1,é€".to_owned())]);
    }
}

#[tokio::test]
async fn an_object_of_several_bytes_a_character_is_the_first_parts_alone() {
    let stored = shift_jis("名,b\n表,1\n能,2\nソ,3\n");
    for setting in [r#"{"encoding":"shift_jis"}"#, r#"{"encoding":{"auto":"ja"}}"#] {
        let bus = Shared::default();
        for part in parts(&[5, 9]) {
            let (_sender, stop) = watch::channel(false);
            let source = Object::new(stored.clone(), []);
            let outcome = run_job(&settings(setting, 1), part, None, source, &bus, stop).await;
            let first = part.is_some_and(|part| part.shard.index == 1);
            let (rows, bytes) = if first { (3, stored.len() as u64) } else { (0, 0) };
            assert_eq!(outcome, Outcome::Completed(Totals { rows, rejected: 0, bytes }));
        }
        assert_eq!(bus.rows(), [(1, "表,1".to_owned()), (2, "能,2".to_owned()), (3, "ソ,3".to_owned())]);
    }
}

#[tokio::test]
async fn a_large_row_goes_by_reference_where_it_can_be_read_by_itself() {
    let large = "é€".repeat(480_000);
    let text = format!("a,b\n1,x\n2,{large}\n3,y\n");
    for Written { setting, encode, .. } in DIVISIBLE {
        let (bus, stored) = (Shared::default(), encode(&text));
        let (_sender, stop) = watch::channel(false);
        run_as(&settings(setting, 1), Object::new(stored.clone(), []), &bus, stop).await;
        let location = bus.published().into_iter().find_map(|detail| match detail {
            Detail::RecordExtracted { location, .. } => location,
            _ => None,
        });
        let location = location.expect("a row by reference");
        // What the event says is what `transform` reads.
        let json = serde_json::to_string(&location).expect("JSON");
        let location: Location = serde_json::from_str(&json).expect("own JSON");
        let at = |offset| usize::try_from(offset).expect("small");
        let fields = location.fields(&stored[at(location.from)..at(location.to)], 2);
        let fields: Vec<String> = fields.expect("a row").into_iter().map(|field| field.text).collect();
        assert_eq!(fields, ["2", &large], "{setting}");
    }
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let stored = shift_jis(&text.replace(['é', '€'], "表"));
    run_as(&settings(r#"{"encoding":"shift_jis"}"#, 1), Object::new(stored, []), &bus, stop).await;
    assert_eq!(bus.failures(), [(Some(2), Reason::RowTooLarge)]);
    assert!(
        bus.messages()[0].ends_with("a row in an encoding of several bytes can't be read by itself"),
        "{:?}",
        bus.messages()
    );
}

#[tokio::test]
async fn a_large_row_in_another_encoding_has_a_limit_of_its_own() {
    let bus = Shared::default();
    let limit = 8 << 20;
    let stored = windows(&format!("a\n{}\n{}\n", "é".repeat(limit - 1), "é".repeat(limit)));
    let (_sender, stop) = watch::channel(false);
    run_as(&settings(r#"{"encoding":"windows-1252"}"#, 1), Object::new(stored, []), &bus, stop).await;
    assert_eq!(bus.failures(), [(Some(2), Reason::RowTooLarge)]);
    assert!(bus.messages()[0].contains("at most 8 MiB"), "{:?}", bus.messages());
}

#[tokio::test]
async fn auto_that_would_be_wrong_fails_the_object_with_what_would_be_right() {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let stored = encoding_rs::WINDOWS_1250.encode("id,miasto\n1,Łódź\n2,żółć\n3,gęś\n").0.into_owned();
    let outcome = run_as(&settings(r#"{"encoding":"auto"}"#, 1), Object::new(stored, []), &bus, stop).await;
    assert_eq!(reason(outcome), Reason::WrongEncoding);
    assert_eq!(bus.failures(), [(None, Reason::WrongEncoding)]);
}
