//! Downloads that break, begin elsewhere or return damaged bytes.

use super::*;

#[tokio::test]
async fn a_broken_connection_goes_on_where_it_broke() {
    let (text, rows) = file(40);
    let bytes = text.len() as u64;
    // Every kind of break, more often than attempts in a row are allowed: each one moved on before it broke.
    let steps = [
        Step::BreakAfter(5),
        Step::EndAfter(3),
        Step::Fail(ObjectError::Transient { code: "SlowDown".into() }),
        Step::BreakAfter(100),
        Step::BreakAfter(1),
        Step::EndAfter(1),
    ];
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(run(source, &bus).await, Outcome::Completed(Totals { rows: 40, rejected: 0, bytes }));
    assert_eq!(bus.rows(), rows);
    assert_eq!(*opened.lock().expect("lock"), [0, 5, 8, 8, 108, 109, 110]);
}

#[tokio::test]
async fn a_body_that_begins_elsewhere_gives_no_row_twice_and_none_too_few() {
    let (text, rows) = file(40);
    let bytes = text.len() as u64;
    // All of it instead of the rest, broken before and after the place that was reached; a body that begins too late.
    let steps =
        [Step::BreakAfter(50), Step::From(0, 20), Step::From(0, 90), Step::From(95, 10), Step::From(80, 30)];
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(run(source, &bus).await, Outcome::Completed(Totals { rows: 40, rejected: 0, bytes }));
    assert_eq!(bus.rows(), rows);
    assert_eq!(*opened.lock().expect("lock"), [0, 50, 50, 90, 90, 110]);
}

#[tokio::test]
async fn a_compressed_object_goes_on_where_the_connection_broke() {
    let (text, rows) = file(4000);
    let (first, second) = text.as_bytes().split_at(20_000);
    for stored in [
        [decompress::gzip(first, 6), decompress::gzip(second, 1)].concat(),
        [decompress::zstd(first, 3), decompress::zstd(second, 1)].concat(),
    ] {
        let bytes = stored.len() as u64;
        let steps = [Step::BreakAfter(3), Step::EndAfter(100), Step::BreakAfter(4096), Step::BreakAfter(1)];
        let source = Object::new(stored, steps);
        let opened = Arc::clone(&source.opened);
        let bus = Shared::default();
        // The bytes are those that are stored, as are the places at which it is opened again.
        let totals = Totals { rows: 4000, rejected: 0, bytes };
        assert_eq!(run(source, &bus).await, Outcome::Completed(totals));
        assert_eq!(*opened.lock().expect("lock"), [0, 3, 103, 4199, 4200]);
        assert_eq!(bus.rows(), rows);
    }
}

#[tokio::test]
async fn a_damaged_object_is_never_complete() {
    let (text, rows) = file(4000);
    let member = decompress::gzip(text.as_bytes(), 6);
    let frame = decompress::zstd(text.as_bytes(), 3);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        bytes
    };
    for (stored, wrong) in [
        (member[..member.len() - 1].to_vec(), false),
        (member[..member.len() / 2].to_vec(), false),
        (flipped(&member), true),
        ([&member[..], b"1,2\n"].concat(), false),
        (frame[..frame.len() - 1].to_vec(), false),
        (frame[..frame.len() / 2].to_vec(), false),
        (flipped(&frame), true),
    ] {
        let bus = Shared::default();
        assert_eq!(reason(run(Object::new(stored, []), &bus).await), Reason::InvalidCompression);
        let failures = bus.failures();
        // Before a checksum fails, rows that are read from wrong bits are as good or bad as they look.
        let of_the_object: Vec<_> = failures.iter().filter(|(record, _)| record.is_none()).collect();
        assert_eq!(of_the_object, [&(None, Reason::InvalidCompression)]);
        assert_eq!((bus.completed(), failures.last()), (None, Some(&(None, Reason::InvalidCompression))));
        // No row is made of text that was cut.
        if !wrong {
            assert!(bus.rows() == rows[..bus.rows().len()] && failures.len() == 1);
        }
    }
    // It would be read as text, which it is not.
    let bus = Shared::default();
    let wrong_magic = [&b"\x1f\x8c"[..], &member[2..]].concat();
    assert_eq!(reason(run(Object::new(wrong_magic, []), &bus).await), Reason::UnsupportedFormat);
}

#[tokio::test]
async fn a_connection_that_stays_broken_fails_the_object() {
    let (text, _) = file(400);
    let bus = Shared::default();
    let steps = std::iter::once(Step::BreakAfter(2000)).chain(vec![Step::BreakAfter(0); 10]);
    let source = Object::new(text, steps);
    let opened = Arc::clone(&source.opened);
    assert_eq!(reason(run(source, &bus).await), Reason::ObjectUnreadable);
    assert_eq!(opened.lock().expect("lock").len(), 3);
    assert_eq!(bus.failures(), [(None, Reason::ObjectUnreadable)]);
    // The rows that were read before are on the bus all the same.
    assert!(!bus.rows().is_empty() && bus.completed().is_none());
}

#[tokio::test]
async fn a_body_that_fails_after_its_last_byte_is_not_asked_for_nothing() {
    let (text, _) = file(3);
    let source = Object::new(text.clone(), [Step::BreakAfter(text.len())]);
    let opened = Arc::clone(&source.opened);
    let bus = Shared::default();
    assert_eq!(reason(run(source, &bus).await), Reason::ObjectUnreadable);
    assert_eq!(opened.lock().expect("lock").len(), 1);
    assert_eq!(bus.completed(), None);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_reported_at_once() {
    for (code, words) in [
        ("NoSuchKey", "no longer exists"),
        ("AccessDenied", "access to the object is denied"),
        ("PreconditionFailed", "was replaced"),
        ("InvalidObjectState", "could not be read"),
    ] {
        let bus = Shared::default();
        let source = Object::new("", [Step::Fail(ObjectError::Unreadable { code: code.into() })]);
        let opened = Arc::clone(&source.opened);
        let Outcome::Failed(fault) = run(source, &bus).await else { panic!("completed") };
        assert!(fault.message.contains(words) && fault.message.contains(code), "{fault:?}");
        assert_eq!(opened.lock().expect("lock").len(), 1);
        assert_eq!(bus.failures(), [(None, Reason::ObjectUnreadable)]);
    }
}

#[tokio::test]
async fn an_object_comes_in_parts_from_any_byte() {
    let bytes: Vec<u8> = (0..=250).collect();
    for (part, from) in [(3, 0), (7, 0), (7, 20), (251, 0), (1000, 200), (10, 251)] {
        let source = Object::new(bytes.clone(), [Step::All, Step::BreakAfter(1), Step::EndAfter(0)]);
        let opened = Arc::clone(&source.opened);
        let mut download = Download::in_parts(source, Backoff::immediate(3), part);
        let mut read = download.read().await.expect("the first part").map_or(0, <[u8]>::len);
        assert_eq!(read as u64, part.min(251));
        download.seek(from);
        let mut found = Vec::new();
        while let Some(piece) = download.read().await.expect("readable") {
            read = piece.len();
            found.extend_from_slice(piece);
        }
        assert!(read as u64 <= part);
        assert_eq!(found, bytes[usize::try_from(from).expect("small")..], "parts of {part} from {from}");
        assert_eq!((download.offset(), download.length()), (251, 251));
        assert!(from < 251 || opened.lock().expect("lock").len() <= 2, "nothing is asked for behind the end");
    }
}
