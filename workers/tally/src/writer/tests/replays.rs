//! A tally as it is read: rows that are missing, replaced, sent again or failed.

use contract::{Notes, RecordRef};

use super::*;

/// Returns the event for the same object, as a replay sends its rows.
pub(super) fn of_replay(detail: Detail, id: &str) -> Detail {
    let object = ObjectRef { replay: Some(id.to_owned()), ..object() };
    match detail {
        Detail::RecordLoaded { record, table, key, notes, .. } => {
            Detail::RecordLoaded { object, record, table, key, notes }
        }
        Detail::RecordSkipped { record, .. } => Detail::RecordSkipped { object, record },
        Detail::Failed { stage, record, reason, message, field, column, .. } => {
            Detail::Failed { stage, object: Some(object), record, reason, message, field, column }
        }
        other => other,
    }
}

#[tokio::test]
async fn a_replay_is_pending_until_each_of_its_rows_was_heard_of() {
    let memory = Memory::default();
    let writer = writer(&memory);
    let bad = |row| failed(row, 1, FailedStage::Transform, Reason::MissingValue);
    writer.merge(batch(&[loaded(1, 7), bad(8), bad(9), bad(10), completed(10, None)])).await;
    assert_eq!(tally(&memory).await.pending_replays(), []);
    let (first, second) = ("2026-11-28T12:00:00.000Z", "2026-11-28T12:00:01.000Z");
    let mut ask = Batch::default();
    ask.ask(&object(), first, reader::FAILED, &tally(&memory).await.failed());
    // By the deployer, on another machine.
    self::writer(&memory).merge(ask).await;
    let pending = |tally: &Tally| -> Vec<(String, u64, u64)> {
        tally.pending_replays().into_iter().map(|one| (one.id, one.rows, one.pending)).collect()
    };
    let known = tally(&memory).await;
    assert!(known.is_complete(), "as it was before");
    assert_eq!(pending(&known), [(first.to_owned(), 3, 3)]);
    // An old failure that arrives late does not count; one of the replay does; and a row in the table is done.
    writer.merge(batch(&[bad(8)])).await;
    writer.merge(batch(&[of_replay(bad(9), first), loaded(10, 1)])).await;
    assert_eq!(pending(&tally(&memory).await), [(first.to_owned(), 3, 1)]);
    writer.merge(batch(&[of_replay(loaded(8, 1), first)])).await;
    let known = tally(&memory).await;
    assert_eq!((pending(&known), known.failed().len()), (vec![], 1));
    // The next one fails as a whole.
    let mut ask = Batch::default();
    ask.ask(&object(), second, reader::FAILED, &known.failed());
    writer.merge(ask).await;
    assert_eq!(pending(&tally(&memory).await), [(second.to_owned(), 1, 1)]);
    let gone = Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::ObjectUnreadable,
        message: "gone".into(),
        field: None,
        column: None,
    };
    writer.merge(batch(&[of_replay(gone, second)])).await;
    let known = tally(&memory).await;
    assert_eq!(
        (pending(&known), known.replay_failure()),
        (vec![], Some(("extraction", "object-unreadable")))
    );
    assert_eq!(known.object_failures(), [], "it was read before");
}

/// The way out for rows that fail and should not be in the table: another `where`, and a replay.
#[tokio::test]
async fn a_replay_ends_when_its_rows_are_skipped() {
    let (first, second) = ("2026-11-28T12:00:00.000Z", "2026-11-28T12:00:01.000Z");
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[loaded(1, 3), failed(4, 2, FailedStage::Transform, Reason::MissingValue)])).await;
    writer.merge(batch(&[completed(6, None)])).await;
    let mut ask = Batch::default();
    let known = tally(&memory).await;
    ask.ask(&object(), first, reader::FAILED, &known.failed());
    ask.ask(&object(), second, reader::MISSING, &known.missing());
    writer.merge(ask).await;
    let pending =
        |tally: &Tally| -> Vec<u64> { tally.pending_replays().into_iter().map(|one| one.pending).collect() };
    assert_eq!(pending(&tally(&memory).await), [2, 1]);
    writer.merge(batch(&[of_replay(skipped(4, 1), first)])).await;
    let known = tally(&memory).await;
    assert_eq!((pending(&known), known.failed().len()), (vec![1, 1], 1));
    assert_eq!(known.failures().first().map(|failure| failure.rows.len()), Some(1));
    writer.merge(batch(&[of_replay(skipped(5, 1), first), of_replay(skipped(6, 1), second)])).await;
    let known = tally(&memory).await;
    assert!(pending(&known).is_empty() && known.failures().is_empty() && known.is_loaded(), "{known:?}");
    let again = reader::rows_to_replay(&memory, &object(), Replay::Failed).await.expect("read");
    assert!(again.is_empty(), "a skipped row is not sent again");
}

#[tokio::test]
async fn a_row_that_was_skipped_and_loaded_later_counts_as_loaded() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[extracted(1, 4), loaded(1, 2), skipped(3, 2)])).await;
    let known = tally(&memory).await;
    assert_eq!(known.known().ranges().collect::<Vec<_>>(), [1..=4]);
    assert_eq!((known.missing(), known.skipped.len()), (RowSet::default(), 2));
    assert!(!known.is_complete(), "the file may go on");
    writer.merge(batch(&[loaded(3, 1), completed(5, None)])).await;
    let known = tally(&memory).await;
    assert_eq!((known.loaded.len(), known.skipped.len()), (3, 1));
    assert_eq!(known.missing().ranges().collect::<Vec<_>>(), [5..=5]);
}

proptest! {
    /// Whatever has happened to a row, it is counted once: loaded, else skipped, else failed, else missing.
    #[test]
    fn every_row_has_one_fate(details in proptest::collection::vec(event(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let memory = Memory::default();
        let known = runtime.block_on(async {
            writer(&memory).merge(batch(&details)).await;
            tally(&memory).await
        });
        let of = |wanted: fn(&Detail) -> bool| -> BTreeSet<u64> {
            let details = details.iter().filter(|detail| wanted(detail));
            details.filter_map(Detail::record).flat_map(RecordRef::rows).collect()
        };
        let deleted = of(|detail| matches!(detail, Detail::RecordDeleted { .. }));
        let loaded = &of(|detail| matches!(detail, Detail::RecordLoaded { .. })) | &deleted;
        let existing = of(|detail| matches!(detail, Detail::RecordExisting { .. }));
        let skipped = &of(|detail| matches!(detail, Detail::RecordSkipped { .. })) | &existing;
        let failed = of(|detail| matches!(detail, Detail::Failed { .. }));
        let all = known.known();
        let fates = [known.loaded.clone(), known.skipped.clone(), known.failed(), known.missing()];
        // Rows before those of the events are known from the end of the object alone.
        for row in (65_499..65_700).filter(|row| all.contains(*row)) {
            let found = fates.each_ref().map(|set| set.contains(row));
            let expected = [
                loaded.contains(&row),
                !loaded.contains(&row) && skipped.contains(&row),
                !loaded.contains(&row) && !skipped.contains(&row) && failed.contains(&row),
                ![&loaded, &skipped, &failed].iter().any(|set| set.contains(&row)),
            ];
            prop_assert_eq!(found, expected, "row {}", row);
            prop_assert_eq!(known.deleted.contains(row), deleted.contains(&row), "row {}", row);
            let left = existing.contains(&row) && !loaded.contains(&row);
            prop_assert_eq!(known.existing.contains(row), left, "row {}", row);
        }
        prop_assert_eq!(fates.iter().map(RowSet::len).sum::<u64>(), all.len());
    }
}

#[tokio::test]
async fn rows_that_another_one_replaced_count_once() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[replacing(3, &[1, 2]), loaded(1, 2)])).await;
    // Delivered again, elsewhere; a row of another chunk; and a row that no file can have.
    other.merge(batch(&[replacing(3, &[2]), replacing(70_000, &[65_536, 0])])).await;
    let known = tally(&memory).await;
    assert_eq!(known.overwritten.ranges().collect::<Vec<_>>(), [1..=2, 65_536..=65_536]);
    assert_eq!(known.loaded.len(), 4, "they were loaded all the same");
}

#[tokio::test]
async fn rows_with_notes_are_counted_once_and_rows_of_other_events_are_not() {
    let memory = Memory::default();
    let writer = writer(&memory);
    let noted = |first: u64, notes: Notes| match loaded(first, 3) {
        Detail::RecordLoaded { object, record, table, key, .. } => {
            Detail::RecordLoaded { object, record, table, key, notes }
        }
        other => other,
    };
    let notes = Notes { replaced: vec![10, 12], outdated: vec![11], ..Notes::default() };
    let foreign = Notes { replaced: vec![9, 23], outdated: vec![19], leap_seconds: vec![1], ..notes.clone() };
    writer.merge(batch(&[noted(10, notes.clone()), noted(10, notes), noted(20, foreign)])).await;
    let made = match transformed(10, 3) {
        Detail::RecordTransformed { object, record, data, data_key, .. } => {
            let notes = Notes { leap_seconds: vec![12], ..Notes::default() };
            Detail::RecordTransformed { object, record, data, data_key, notes }
        }
        other => other,
    };
    self::writer(&memory).merge(batch(&[made])).await;
    let known = tally(&memory).await;
    let rows = |set: &RowSet| set.ranges().flatten().collect::<Vec<_>>();
    assert_eq!((rows(&known.replaced), rows(&known.outdated)), (vec![10, 12], vec![11]));
    assert_eq!(rows(&known.leap_seconds), [12]);
}

#[tokio::test]
async fn only_the_latest_replays_are_kept() {
    let memory = Memory::default();
    let writer = writer(&memory);
    let rows: RowSet = [1, 2].into_iter().collect();
    for minute in 0..20 {
        let id = format!("2026-11-28T12:{minute:02}:00.000Z");
        let mut ask = Batch::default();
        ask.ask(&object(), &id, reader::FAILED, &rows);
        // Each by a process of its own.
        self::writer(&memory).merge(ask).await;
        writer.merge(batch(&[of_replay(loaded(1, 1), &id)])).await;
        writer.fold_all(&Key::shared(object().digest(), Some(0))).await.expect("folded");
        writer.fold_all(&Key::shared(object().digest(), None)).await.expect("folded");
    }
    let known = tally(&memory).await;
    assert_eq!(known.summary.replays.len(), crate::rows::MAX_REPLAYS);
    let state = memory.state();
    let names = state.items.values().flat_map(|(_, attributes)| attributes.keys());
    assert_eq!(names.filter(|name| name.starts_with("asked#")).count(), crate::rows::MAX_REPLAYS);
}

#[tokio::test]
async fn a_tally_says_what_is_missing_and_what_failed() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer
        .merge(batch(&[
            extracted(1, 10),
            transformed(1, 9),
            loaded(1, 6),
            failed(7, 1, FailedStage::Load, Reason::InvalidItem),
            failed(10, 1, FailedStage::Transform, Reason::MissingValue),
            failed(1, 1, FailedStage::Load, Reason::RetriesExhausted),
        ]))
        .await;
    let known = tally(&memory).await;
    assert_eq!((known.total(), known.is_complete()), (None, false));
    assert_eq!(known.missing().ranges().collect::<Vec<_>>(), [8..=9]);
    writer.merge(batch(&[completed(12, None)])).await;
    let known = tally(&memory).await;
    assert_eq!(known.missing().ranges().collect::<Vec<_>>(), [8..=9, 11..=12]);
    // Row 1 was loaded all the same.
    let failures: BTreeSet<_> = known
        .failures()
        .into_iter()
        .map(|failure| (failure.stage, failure.reason, failure.rows.ranges().collect::<Vec<_>>()))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(stage, reason, rows)| format!("{stage} {reason} {rows:?}"))
        .collect();
    let expected = ["load invalid-item [7..=7]".to_owned(), "transform missing-value [10..=10]".to_owned()];
    assert_eq!(failures, expected.into());
    let failed = reader::rows_to_replay(&memory, &object(), Replay::Failed).await.expect("read");
    assert_eq!(failed.ranges().collect::<Vec<_>>(), [7..=7, 10..=10]);
    let missing = reader::rows_to_replay(&memory, &object(), Replay::Missing).await.expect("read");
    assert!(missing.contains(12) && !missing.contains(10));
    writer.merge(batch(&[loaded(7, 6)])).await;
    let known = tally(&memory).await;
    assert!(known.is_complete() && known.failed().is_empty());
    assert_eq!(known.loaded.len(), 12);
    assert_eq!(reader::list(&memory).await.expect("read"), [known]);
}
