//! One object in several pieces: groups of rows, parts, checkpoints and rows that are sent again.

use super::*;

#[tokio::test]
async fn rows_share_events_up_to_the_number_of_the_settings() {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = "a,b\n1,\"x\ny\"\n2,\n3,c\n4\n5,d\n6,e\n";
    let outcome = run_as(&grouped(2), Object::new(text, []), &bus, stop).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 6, rejected: 1, .. })));
    let events = |bus: &Shared| -> Vec<(u64, u64)> {
        bus.published().iter().filter_map(Detail::record).map(|record| (record.index, record.count)).collect()
    };
    // The third is alone, because the fourth is bad.
    assert_eq!(events(&bus), [(1, 2), (3, 1), (4, 1), (5, 2)]);
    assert_eq!(bus.rows()[0], (1, "1,\"x\ny\"\n2,".to_owned()));

    // A group is as large as the unit that is paid for; a row that is larger is alone.
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let row = |length: usize| format!("{}\n", "\"\"".repeat(length / 2));
    let text = format!("a\n\"{}\"\n\"{}\"\nx\ny\n", row(70_000), row(20_000));
    let outcome = run_as(&grouped(1000), Object::new(text, []), &bus, stop).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 4, rejected: 0, .. })));
    assert_eq!(events(&bus), [(1, 1), (2, 3)]);
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let text = (0..5000).fold("a\n".to_owned(), |text, n| text + &format!("\"\"\"{n}\t\"\"\"\n"));
    run_as(&grouped(10_000), Object::new(text, []), &bus, stop).await;
    let sizes: Vec<usize> =
        bus.published().iter().map(|detail| detail.to_value().to_string().len()).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= 61_440), "{sizes:?}");
    assert!(sizes[0] > 61_000, "{sizes:?}");
    assert_eq!(lines(&bus).len(), 5000);
}

#[tokio::test]
async fn a_compressed_object_is_the_first_parts_alone() {
    let (text, rows) = file(50);
    let stored = decompress::gzip(text.as_bytes(), 6);
    let bus = Shared::default();
    for part in parts(&[10, 20]) {
        let (_sender, stop) = watch::channel(false);
        let outcome = run_job(&grouped(1), part, None, Object::new(stored.clone(), []), &bus, stop).await;
        let shard = part.expect("a part").shard;
        let (rows, bytes) = if shard.index == 1 { (50, stored.len() as u64) } else { (0, 0) };
        assert_eq!(outcome, Outcome::Completed(Totals { rows, rejected: 0, bytes }));
        let completed = Detail::ExtractionCompleted {
            object: object(),
            rows,
            bytes,
            rejected: 0,
            skipped: None,
            encoding: None,
            shard: Some(shard),
        };
        assert_eq!(bus.published().last(), Some(&completed));
    }
    assert_eq!(bus.rows(), rows);
}

#[tokio::test]
async fn what_is_done_is_said_again_and_not_done_again() {
    let (text, _) = file(20);
    let store = Store::default();
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let first =
        run_job(&grouped(1), None, Some(&store), Object::new(text.clone(), []), &bus, stop.clone()).await;
    let again = Shared::default();
    let source = Object::new(text, []);
    let opened = Arc::clone(&source.opened);
    assert_eq!(run_job(&grouped(1), None, Some(&store), source, &again, stop).await, first);
    assert_eq!(again.published(), [bus.completed().expect("completed")]);
    assert!(opened.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn only_selected_rows_are_sent_again_and_nothing_is_completed() {
    let mut rows = RowSet::range(2..4);
    rows.add(&RowSet::range(6..8));
    let (bus, store) = (Shared::default(), Store::default());
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment, settings) = (object(), Assignment::default(), grouped(9));
    let job = Job {
        object: &object,
        settings: &settings,
        columns: &[],
        optional: &[],
        assignment: &assignment,
        selection: Some(Selection { rows: &rows, of: Some(7) }),
    };
    let (_sender, stop) = watch::channel(false);
    let source = Object::new("a\n1\n2\n3\n4\n5\n6,6\n7\n", []);
    extract(&job, source, &publisher, Some(&store), CLEAR, Backoff::immediate(1), stop).await;
    assert_eq!(bus.rows(), [(2, "2\n3".to_owned()), (7, "7".to_owned())]);
    assert_eq!(bus.failures(), [(Some(6), Reason::RowLength)]);
    assert_eq!((bus.completed(), store.checkpoint()), (None, None));
}

#[tokio::test]
async fn rows_that_are_counted_differently_are_not_sent_again() {
    let rows = RowSet::range(2..4);
    let (object, assignment) = (object(), Assignment::default());
    let csv = serde_json::from_str(r##"{"comment":"#"}"##).expect("settings");
    let settings = ExtractionSettings { csv, ..ExtractionSettings::default() };
    for (had, sent) in [(6, false), (4, true)] {
        let bus = Shared::default();
        let publisher =
            Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
        let job = Job {
            object: &object,
            settings: &settings,
            columns: &[],
            optional: &[],
            assignment: &assignment,
            selection: Some(Selection { rows: &rows, of: Some(had) }),
        };
        let (_sender, stop) = watch::channel(false);
        let source = Object::new("a\n1\n# note\n# note\n2\n3\n4\n", []);
        extract(&job, source, &publisher, None::<&Store>, CLEAR, Backoff::immediate(1), stop).await;
        assert_eq!(bus.rows().is_empty(), !sent);
        assert_eq!(bus.failures().contains(&(None, Reason::RowsRenumbered)), !sent);
    }
}

/// A bus that never answers when it gets a `failed` event, or a row by reference.
struct Stuck;

impl PutEvents for Stuck {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        if entries.iter().any(|entry| {
            entry.detail_type == FailedStage::Extraction.detail_type()
                || entry.detail.contains("\"location\"")
        }) {
            std::future::pending::<()>().await;
        }
        Ok(vec![Ok(()); entries.len()])
    }
}

#[tokio::test]
async fn no_row_is_behind_a_checkpoint_before_its_event_is_on_the_bus() {
    for eleventh in ["bad,row\n".to_owned(), "x".repeat(1_000_000) + "\n"] {
        stuck_at(&eleventh).await;
    }
}

/// Runs a task whose eleventh row is stuck. A call takes ten events: the event of the eleventh row begins the second
/// one.
async fn stuck_at(eleventh: &str) {
    let mut text = "a\n".to_owned();
    (1..=400).for_each(|row| text.push_str(if row == 11 { eleventh } else { "good\n" }));
    let store = Store::default();
    let publisher = Arc::new(Publisher::new(Stuck, Destination::new("bus", "source"), Backoff::immediate(1)));
    let (object, assignment, settings) = (object(), Assignment::default(), grouped(1));
    let job = Job {
        object: &object,
        settings: &settings,
        columns: &[],
        optional: &[],
        assignment: &assignment,
        selection: None,
    };
    let (_sender, stop) = watch::channel(false);
    let reached = async {
        while store.checkpoint().is_none_or(|checkpoint| checkpoint.index < 10) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = extract(&job, Object::new(text, []), &publisher, Some(&store), CLEAR, Backoff::immediate(1), stop) => {}
        () = reached => {}
    }
    let checkpoint = store.checkpoint().expect("a checkpoint");
    assert_eq!((checkpoint.index, checkpoint.rejected), (10, 0));
}

/// Returns text with everything that makes boundaries hard to find.
fn hard_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-c]{1,3}".prop_map(String::into_bytes),
        3 => Just(b",".to_vec()),
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        2 => Just(b"\"".to_vec()),
        1 => Just(b"\"a,\n\"\"b\r\n\"".to_vec()),
        1 => Just(b"\xff".to_vec()),
    ];
    let delimiter = proptest::sample::select(vec![&b"h,i\n"[..], b"\xef\xbb\xbfh;i\r\n", b"\n\nh\ti\r"]);
    (delimiter, proptest::collection::vec(piece, 0..60))
        .prop_map(|(header, pieces)| [header.to_vec(), pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn parts_are_together_what_one_task_reads(
        bytes in hard_file(), cuts in proptest::collection::vec(0..400u64, 0..5), per_event in 1..4u32,
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (_sender, stop) = watch::channel(false);
        let run = |part, bus: &Shared| {
            let source = Object::new(bytes.clone(), []);
            runtime().block_on(run_job(&grouped(per_event), part, None, source, bus, stop.clone()))
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
                // A bad header is one for each part.
                other => {
                    prop_assert_eq!(&other, &expected);
                    return Ok(());
                }
            }
        }
        prop_assert_eq!(Outcome::Completed(totals), expected);
        prop_assert_eq!(said(&divided), said(&whole));
    }

    #[test]
    fn a_task_that_is_killed_has_lost_nothing(
        rows in 1..400u64, killed_after in 0..400usize, per_event in 1..7u32, plain in any::<bool>(),
        bad_every in proptest::option::of(2..30u64),
    ) {
        let (text, good) = file(rows);
        let is_bad = |row: u64| bad_every.is_some_and(|every| row.is_multiple_of(every));
        // A bad row is one with a field too many.
        let mut text: Vec<u8> = text.into_bytes();
        let mut expected = good;
        if let Some(every) = bad_every {
            let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let whole = lines.len() as u64 == rows + 1;
            prop_assume!(whole);
            for row in (every..=rows).step_by(usize::try_from(every).expect("small")) {
                let line = &mut lines[usize::try_from(row).expect("small")];
                line.splice(0..0, *b"x,");
            }
            text = lines.concat();
            expected.retain(|(row, _)| !is_bad(*row));
        }
        let stored = if plain { text } else { decompress::gzip(&text, 1) };
        let (bus, store) = (Shared::default(), Store::default());
        let (_sender, stop) = watch::channel(false);
        let settings = grouped(per_event);
        let run = || run_job(&settings, None, Some(&store), Object::new(stored.clone(), []), &bus, stop.clone());
        let before = runtime().block_on(async {
            tokio::select! {
                biased;
                _ = run() => {}
                () = bus.has(killed_after) => {}
            }
            store.checkpoint().unwrap_or_default()
        });
        // Events that were in flight when it was killed may have arrived, or not.
        let there = lines(&bus);
        prop_assert!(expected.iter().take_while(|(row, _)| *row <= before.index).all(|row| there.contains(row)));
        let bad = (1..=rows).filter(|row| is_bad(*row));
        let said = |bus: &Shared| bus.failures().into_iter().filter_map(|(row, _)| row).collect::<std::collections::BTreeSet<_>>();
        prop_assert!(bad.clone().take_while(|row| *row <= before.index).all(|row| said(&bus).contains(&row)));
        bus.0.published.lock().expect("lock").clear();
        let outcome = runtime().block_on(run());
        let rejected = bad.clone().count() as u64;
        prop_assert_eq!(outcome, Outcome::Completed(Totals { rows, rejected, bytes: stored.len() as u64 }));
        let from = if before.done.is_some() { rows } else { before.index };
        let rest: Vec<_> = expected.into_iter().filter(|(row, _)| *row > from).collect();
        prop_assert_eq!(lines(&bus), rest);
        prop_assert_eq!(said(&bus), bad.filter(|row| *row > from).collect::<std::collections::BTreeSet<_>>());
    }

    #[test]
    fn a_task_that_takes_over_goes_on_at_the_checkpoint(
        bytes in hard_file(), at in any::<proptest::sample::Index>(), cut in proptest::option::of(0..300u64),
        per_event in 1..4u32, compression in 0..3u8,
    ) {
        let stored = match compression {
            0 => bytes,
            1 => decompress::gzip(&bytes, 1),
            _ => decompress::zstd(&bytes, 1),
        };
        let part = cut.and_then(|cut| parts(&[cut])[1]);
        let whole = Shared::default();
        let (_sender, stop) = watch::channel(false);
        let run = |source: Object, bus: &Shared, store: Option<&Store>| {
            runtime().block_on(run_job(&grouped(per_event), part, store, source, bus, stop.clone()))
        };
        let expected = run(Object::new(stored.clone(), []), &whole, None);
        // The body breaks for good somewhere, which fails the first task; no event reports it.
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
        // Nothing is missing, and nothing before the checkpoint is there twice.
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
