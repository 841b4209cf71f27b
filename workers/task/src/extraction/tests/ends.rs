//! Ends before the last row: a bus that refuses, and tasks that are told to stop.

use super::*;

#[tokio::test]
async fn a_row_that_the_bus_refuses_keeps_the_object_from_being_complete() {
    let bus = Shared::refusing(|detail| detail.record().is_some_and(|record| record.index == 7));
    let (text, _) = file(20);
    assert_eq!(reason(run(Object::new(text, []), &bus).await), Reason::RetriesExhausted);
    assert_eq!(bus.failures(), [(None, Reason::RetriesExhausted)]);
    assert_eq!((bus.rows().len(), bus.completed()), (19, None));
}

#[tokio::test]
async fn reading_stops_when_the_bus_refuses_for_good() {
    let bus = Shared::refusing(|_| true);
    let (text, _) = file(100_000);
    let bytes = text.len();
    let source = Object::new(text, []);
    let outcome = run(source, &bus).await;
    // No event says that it failed.
    assert!(matches!(&outcome, Outcome::Interrupted(fault) if fault.reason == Reason::RetriesExhausted));
    assert!(bytes > 1_000_000 && bus.published().is_empty());
}

#[tokio::test]
async fn a_completion_that_cannot_be_published_is_left_to_another_task() {
    let bus = Shared::refusing(|detail| matches!(detail, Detail::ExtractionCompleted { .. }));
    let outcome = run(Object::new("a\n1\n", []), &bus).await;
    assert!(matches!(&outcome, Outcome::Interrupted(fault) if fault.reason == Reason::Interrupted));
    assert_eq!((bus.rows().len(), bus.failures()), (1, vec![]));
}

#[tokio::test]
async fn told_to_stop_it_publishes_what_it_read() {
    let (text, rows) = file(1000);
    let (sender, stop) = watch::channel(false);
    // The signal comes when the body breaks and is opened again.
    let mut source = Object::new(text, [Step::BreakAfter(5000)]);
    source.stop = Some(sender);
    let stop_later = {
        let (later, receiver) = watch::channel(false);
        let mut opened = stop.clone();
        tokio::spawn(async move {
            let _ = opened.wait_for(|stop| *stop).await;
            let _ = later.send(true);
        });
        receiver
    };
    let bus = Shared::default();
    let outcome = run_until(source, &bus, stop_later).await;
    // Another task may continue: no event says that it failed.
    assert!(matches!(outcome, Outcome::Interrupted(_)) && bus.failures().is_empty(), "{outcome:?}");
    let published = bus.rows();
    assert!(published.len() < rows.len() && bus.completed().is_none());
    assert_eq!(published[..], rows[..published.len()]);
}

#[tokio::test]
async fn told_to_stop_where_there_are_no_rows_it_stops() {
    let (sender, stop) = watch::channel(false);
    let (later, stop_later) = watch::channel(false);
    // One chunk that stands for megabytes of blank lines. The signal is only noticed when the reader yields.
    let mut text = b"a\n".to_vec();
    text.resize(8 << 20, b'\n');
    text.extend(b"1\n");
    let mut source = Object::new(decompress::zstd(&text, 3), []);
    source.stop = Some(sender);
    tokio::spawn(async move {
        let _ = { stop }.wait_for(|stop| *stop).await;
        let _ = later.send(true);
    });
    let bus = Shared::default();
    assert_eq!(reason(run_until(source, &bus, stop_later).await), Reason::Interrupted);
    assert_eq!(bus.rows(), []);
}

#[tokio::test]
async fn told_to_stop_before_it_starts_it_reads_nothing() {
    let (_sender, stop) = watch::channel(true);
    let source = Object::new("a\n1\n", []);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(reason(run_until(source, &bus, stop).await), Reason::Interrupted);
    assert!(opened.lock().expect("lock").is_empty() && bus.rows().is_empty());
}

#[tokio::test]
async fn without_anyone_to_stop_it_it_runs_to_the_end() {
    let (sender, stop) = watch::channel(false);
    drop(sender);
    let bus = Shared::default();
    assert!(matches!(run_until(Object::new("a\n1\n", []), &bus, stop).await, Outcome::Completed(_)));
}
