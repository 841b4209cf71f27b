//! Folds: the shares of all writers become one item, and nothing is lost on the way.

use super::*;

/// Two writers fold, and the slow one deletes last: newer content stays.
#[tokio::test]
async fn a_slow_deletion_takes_nothing_that_is_newer() {
    let memory = Memory::default();
    let writer = writer(&memory);
    writer.merge(batch(&[extracted(1, 5)])).await;
    let key = Key::shared(object().digest(), Some(0));
    let own = key.of(&writer.id);
    let read = memory.state().items.get(&own).map(|(revision, _)| *revision).expect("a share");
    self::writer(&memory).fold_all(&key).await.expect("folded");
    assert!(!memory.state().items.contains_key(&own));
    for row in 6..20 {
        assert!(writer.merge(batch(&[extracted(row, 1)])).await.is_empty());
        assert!(!memory.delete(&own, read).await.expect("an answer"), "revision {read} was there before");
    }
    assert_eq!(tally(&memory).await.extracted.len(), 19);
}

#[tokio::test]
async fn an_object_that_is_done_is_two_items() {
    let memory = Memory::default();
    let writers: Vec<_> = (0..4).map(|_| writer(&memory)).collect();
    let rows = |number: u64| 1 + number * 10;
    for (number, writer) in (0..).zip(&writers) {
        writer.merge(batch(&[extracted(rows(number), 10), transformed(rows(number), 10)])).await;
        if number > 0 {
            writer.merge(batch(&[loaded(rows(number), 10)])).await;
        }
    }
    writers[1].merge(batch(&[completed(40, None)])).await;
    assert_eq!(memory.parts().len(), 5, "rows are on their way: {:?}", memory.parts());
    writers[0].merge(batch(&[loaded(1, 9), failed(10, 1, FailedStage::Load, Reason::InvalidItem)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"], "the last row is settled");
    let known = tally(&memory).await;
    assert!(known.is_complete() && known.loaded.len() == 39, "{known:?}");
    // A late event is a share again, which does no harm.
    writers[2].merge(batch(&[extracted(3, 1), loaded(10, 1)])).await;
    assert!(tally(&memory).await.is_loaded());
}

#[tokio::test]
async fn the_end_of_an_object_may_be_the_last_that_is_heard_of_it() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 3), loaded(1, 2)])).await;
    other.merge(batch(&[transformed(1, 3), loaded(3, 1)])).await;
    one.merge(batch(&[completed(3, None)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    // One that has no rows, and one that failed.
    let memory = Memory::default();
    writer(&memory).merge(batch(&[completed(0, None)])).await;
    assert_eq!(memory.parts(), ["summary"]);
    let memory = Memory::default();
    let whole = Detail::Failed {
        stage: FailedStage::Extraction,
        object: Some(object()),
        record: None,
        reason: Reason::MissingColumn,
        message: "the file has no column `ID`".into(),
        field: None,
        column: Some("ID".into()),
    };
    writer(&memory).merge(batch(&[whole])).await;
    assert_eq!(memory.parts(), ["summary"]);
    let known = tally(&memory).await;
    assert_eq!(known.object_failures(), [("extraction", "missing-column")]);
    let message = known.message("extraction", "missing-column");
    assert_eq!(message.as_deref(), Some("the file has no column `ID`"));
}

#[tokio::test]
async fn skipped_rows_are_settled_and_are_folded_with_the_others() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 6), transformed(1, 2), loaded(1, 1), deleted(2, 1), skipped(3, 2)])).await;
    other.merge(batch(&[completed(6, None)])).await;
    assert!(!is_folded(&memory, &object()), "rows are on their way: {:?}", memory.parts());
    // The last event of the object, and again what is known.
    writer(&memory).merge(batch(&[skipped(4, 2), existing(6, 1), extracted(1, 6)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    let known = tally(&memory).await;
    assert_eq!(known.skipped.ranges().collect::<Vec<_>>(), [3..=6]);
    assert!(known.is_complete() && known.is_loaded() && known.loaded.len() == 2, "{known:?}");
    // An object of which no row becomes an item.
    let memory = Memory::default();
    writer(&memory).merge(batch(&[completed(3, None), skipped(1, 3)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    assert!(tally(&memory).await.is_loaded());
}

#[tokio::test]
async fn a_full_chunk_is_folded_while_others_are_on_their_way() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 100_000), loaded(1, 40_000)])).await;
    other.merge(batch(&[loaded(40_001, 25_535)])).await;
    let parts = memory.parts();
    assert!(parts.contains(&"rows#000000000000".to_owned()), "{parts:?}");
    assert!(!parts.contains(&"rows#000000000000#…".to_owned()), "{parts:?}");
    assert!(parts.contains(&"rows#000000000001#…".to_owned()), "{parts:?}");
}

/// Cold starts leave shares, which don't pile up, whatever happens to the rows.
#[tokio::test]
async fn writers_that_are_gone_leave_nothing_behind() {
    let memory = Memory::default();
    for number in 0..120_u64 {
        let (hour, minute) = (number / 60, number % 60);
        let time = format!("2026-11-28T{hour:02}:{minute:02}:00Z");
        let writer = writer(&memory);
        // Row 1 is never loaded.
        writer.merge(batch_at(&[extracted(1, 1), loaded(2 + number, 1)], &time)).await;
    }
    let items = memory.state().items.len();
    assert!(items < 2 * 20, "those of a quarter of an hour: {items}");
    assert_eq!(tally(&memory).await.loaded.len(), 120);
}

/// Items that writers of an older version have written are read and folded like any other.
#[tokio::test]
async fn items_of_the_layout_without_shares_count() {
    let memory = Memory::default();
    let old = batch(&[extracted(1, 3), loaded(1, 2)]);
    for share in old.into_shares() {
        memory.state().items.insert(share.key, (7, share.content.attributes()));
    }
    assert_eq!(tally(&memory).await.loaded.len(), 2);
    writer(&memory).merge(batch(&[loaded(3, 1), completed(3, None)])).await;
    assert!(tally(&memory).await.is_loaded());
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    assert!(memory.state().items.values().any(|(revision, _)| *revision == 8));
}

/// A reader has no snapshot: a fold happens between any two items that it reads.
#[tokio::test]
async fn a_fold_hides_no_row_from_who_is_reading() {
    for steps in 0..20 {
        let memory = Memory::default();
        for number in 0..4 {
            writer(&memory).merge(batch(&[extracted(1 + number * 10, 10)])).await;
        }
        let object = object();
        let mut reading = pin!(reader::read(&memory, &object));
        let mut read = None;
        for _ in 0..steps {
            if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
                read = Some(done);
                break;
            }
            // Tasks that wait side by side are woken by the runtime alone.
            tokio::task::yield_now().await;
        }
        for chunk in [None, Some(0)] {
            let folded = writer(&memory).fold_all(&Key::shared(object.digest(), chunk)).await;
            folded.expect("folded");
        }
        let read = match read {
            Some(read) => read,
            None => reading.await,
        };
        let known = read.expect("a tally").expect("known");
        assert_eq!(known.extracted.len(), 40, "a fold after {steps} steps");
    }
}

/// Returns an event of another object, which is no reason to look.
fn elsewhere() -> Detail {
    let object = ObjectRef { key: "other.csv".into(), ..object() };
    Detail::TaskStarted { object, task: "arn".into() }
}

/// Returns whether all shares of the object are folded.
fn is_folded(memory: &Memory, object: &ObjectRef) -> bool {
    let state = memory.state();
    let mut keys = state.items.keys().filter(|key| key.object == object.digest());
    keys.all(|key| key.writer.is_none())
}

#[tokio::test]
async fn a_look_that_was_not_due_is_made_with_a_later_batch() {
    const WRITERS: u64 = 50;
    let memory = Memory::default();
    let writers: Vec<_> = (0..WRITERS).map(|_| writer(&memory)).collect();
    for round in 0..2 {
        for (number, writer) in (0..).zip(&writers) {
            let row = 1 + round * WRITERS + number;
            assert!(writer.merge(batch(&[extracted(row, 1), loaded(row, 1)])).await.is_empty());
        }
    }
    assert!(writers[49].merge(batch(&[completed(2 * WRITERS, None)])).await.is_empty());
    assert!(tally(&memory).await.is_loaded());
    assert!(!is_folded(&memory, &object()), "nobody was to look");
    for writer in &writers {
        writer.end_pauses();
        assert!(writer.merge(batch(&[elsewhere()])).await.is_empty());
    }
    assert!(is_folded(&memory, &object()), "{:?}", memory.parts());
    assert!(tally(&memory).await.is_loaded());
    let reads = memory.state().reads;
    writers[49].end_pauses();
    writers[49].merge(batch(&[elsewhere()])).await;
    assert_eq!(memory.state().reads, reads, "all is paid");
}

fn small(number: u64) -> ObjectRef {
    ObjectRef { key: format!("{number}.csv"), ..object() }
}

/// Returns a batch of small objects, each of them whole.
fn small_objects(count: u64) -> Batch {
    let mut batch = Batch::default();
    for number in 0..count {
        let (of, record) = (small(number), records(1, 1));
        let loaded = Detail::RecordLoaded {
            object: of.clone(),
            record,
            table: String::new(),
            key: Vec::new(),
            notes: contract::Notes::default(),
        };
        let completed = Detail::ExtractionCompleted {
            object: of,
            rows: 1,
            bytes: 1,
            rejected: 0,
            skipped: None,
            encoding: None,
            shard: None,
        };
        for detail in [loaded, completed] {
            batch.add(&brief(&detail, "2026-11-28T12:00:00Z")).expect("a row");
        }
    }
    batch
}

#[tokio::test]
async fn a_batch_of_many_objects_does_not_wait_for_all_folds() {
    let latency = Some((Duration::from_millis(1), Duration::from_millis(1)));
    let memory = Memory { latency, ..Memory::default() };
    let mut writer = writer(&memory);
    writer.patience = Duration::from_millis(60);
    assert!(writer.merge(small_objects(100)).await.is_empty());
    let folded = || (0..100).filter(|number| is_folded(&memory, &small(*number))).count();
    assert!((1..50).contains(&folded()), "{} of 100", folded());
    writer.patience = fold::PATIENCE;
    writer.store.latency = None;
    for _ in 0..30 {
        writer.end_pauses();
        assert!(writer.merge(batch(&[elsewhere()])).await.is_empty());
    }
    assert_eq!(folded(), 100, "what was left is owed");
}

#[tokio::test]
async fn an_item_that_is_refused_does_not_end_all_folding() {
    for (code, retryable, expected) in [
        ("ValidationException", false, vec![1, 2]),
        ("AccessDeniedException", false, vec![]),
        ("ThrottlingException", true, vec![]),
    ] {
        let memory = Memory::default();
        let writer = writer(&memory);
        for chunk in [None, Some(0)] {
            let key = Key::shared(small(0).digest(), chunk).of(&writer.id);
            memory.state().kept.insert(key, fails(code, retryable));
        }
        assert!(writer.merge(small_objects(3)).await.is_empty());
        let folded = || (0..3).filter(|number| is_folded(&memory, &small(*number))).collect::<Vec<_>>();
        assert_eq!(folded(), expected, "{code}");
        // Later, when the table accepts it.
        memory.state().kept.clear();
        writer.end_pauses();
        writer.merge(batch(&[elsewhere()])).await;
        let later: &[u64] = if code.starts_with("AccessDenied") { &[] } else { &[0, 1, 2] };
        assert_eq!(folded(), later, "{code}");
    }
}

/// A newer version may write attributes that this one doesn't read: they are not lost by a fold.
#[tokio::test]
async fn what_a_newer_version_wrote_is_left_to_it() {
    let memory = Memory::default();
    let (one, newer) = (writer(&memory), writer(&memory));
    newer.merge(batch(&[extracted(1, 1), loaded(1, 1)])).await;
    for (_, attributes) in memory.state().items.values_mut() {
        attributes.insert("later".into(), Attribute::Text("x".into()));
    }
    one.merge(batch(&[extracted(2, 1), loaded(2, 1), completed(2, None)])).await;
    let expected = ["summary", "summary#…", "rows#000000000000", "rows#000000000000#…"];
    assert_eq!(memory.parts(), expected);
    let left =
        memory.state().items.values().filter(|(_, attributes)| attributes.contains_key("later")).count();
    assert_eq!(left, 2);
    assert!(tally(&memory).await.is_loaded(), "what is known of it counts");
}

/// In an item of all writers there may be attributes of a newer version too, which a fold leaves alone.
#[tokio::test]
async fn a_fold_keeps_attributes_that_it_does_not_read() {
    let memory = Memory::default();
    let (one, other) = (writer(&memory), writer(&memory));
    one.merge(batch(&[extracted(1, 2), loaded(1, 2), completed(3, None)])).await;
    one.fold_all(&Key::shared(object().digest(), Some(0))).await.expect("folded");
    for (_, attributes) in memory.state().items.values_mut() {
        attributes.insert("later".into(), Attribute::Text("x".into()));
    }
    other.merge(batch(&[extracted(3, 1), loaded(3, 1)])).await;
    assert_eq!(memory.parts(), ["summary", "rows#000000000000"]);
    let state = memory.state();
    assert!(state.items.values().all(|(_, attributes)| attributes.contains_key("later")));
}
