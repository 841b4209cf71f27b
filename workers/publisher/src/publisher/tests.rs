//! The publisher against a bus that fails in scripted ways.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::ObjectRef;

use super::*;
use crate::batch::MAX_ENTRIES;
use crate::stream::{Stream, Summary};

/// A bus that accepts everything, except for the calls and entries that `refuse` picks.
struct Bus<F> {
    refuse: F,
    calls: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    received: Mutex<HashMap<String, usize>>,
    batches: Mutex<Vec<usize>>,
}

impl<F> Bus<F> {
    fn new(refuse: F) -> Self {
        Self {
            refuse,
            calls: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            received: Mutex::default(),
            batches: Mutex::default(),
        }
    }

    /// Returns the number of times that each entry was accepted, by its detail.
    fn received(&self) -> HashMap<String, usize> {
        self.received.lock().expect("lock").clone()
    }

    fn batches(&self) -> Vec<usize> {
        self.batches.lock().expect("lock").clone()
    }
}

impl<F: Fn(usize, &Entry) -> Answer + Send + Sync> PutEvents for Bus<F> {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);

        assert!(!entries.is_empty() && entries.len() <= MAX_ENTRIES);
        assert!(entries.iter().map(|entry| entry.size()).sum::<usize>() <= MAX_BYTES);
        self.batches.lock().expect("lock").push(entries.len());
        let mut answers = Vec::new();
        for entry in entries {
            let code = |code: &str| Rejection { code: code.into(), message: "m".into() };
            match (self.refuse)(call, entry) {
                Answer::Accept => {
                    *self.received.lock().expect("lock").entry(entry.detail.clone()).or_default() += 1;
                    answers.push(Ok(()));
                }
                Answer::Refuse(why) => answers.push(Err(code(why))),
                Answer::Call(why, retryable) => {
                    return Err(CallError { code: why.into(), message: "m".into(), retryable });
                }
                Answer::Silence => {}
            }
        }
        Ok(answers)
    }
}

enum Answer {
    Accept,
    Refuse(&'static str),
    Call(&'static str, bool),
    Silence,
}

fn detail(n: usize) -> Detail {
    sized_detail(n, 0)
}

fn sized_detail(n: usize, filler: usize) -> Detail {
    let object = ObjectRef {
        bucket: "b".into(),
        key: format!("{n}"),
        version: None,
        etag: None,
        uploaded: None,
        replay: None,
    };
    Detail::TaskStarted { object, task: "x".repeat(filler) }
}

fn publisher<F: Fn(usize, &Entry) -> Answer + Send + Sync>(refuse: F) -> Arc<Publisher<Bus<F>>> {
    Arc::new(Publisher::new(Bus::new(refuse), Destination::new("bus", "source"), Backoff::immediate(6)))
}

fn not_accepted(code: &str) -> Result<(), Failure> {
    Err(Failure::NotAccepted { code: code.into(), message: "m".into() })
}

#[tokio::test]
async fn entries_carry_bus_source_type_and_body() {
    let publisher = publisher(|_, entry| {
        assert_eq!((&*entry.bus, &*entry.source), ("bus", "source"));
        assert_eq!(entry.detail_type, "ecs-started");
        assert_eq!(entry.size(), "source".len() + "ecs-started".len() + entry.detail.len());
        Answer::Accept
    });
    assert_eq!(publisher.publish(&[detail(1)]).await, [Ok(())]);
    assert!(publisher.publish(&[]).await.is_empty());
    let body = detail(1).to_value().to_string();
    assert_eq!(publisher.client.received(), HashMap::from([(body, 1)]));
}

#[tokio::test]
async fn only_failed_entries_are_sent_again() {
    let third = publisher(|_, _| Answer::Accept).entry(&detail(3)).detail;
    let publisher = publisher(move |call, entry| match entry.detail == third && call < 4 {
        true => Answer::Refuse("ThrottlingException"),
        false => Answer::Accept,
    });
    let details: Vec<Detail> = (0..10).map(detail).collect();
    assert_eq!(publisher.publish(&details).await, vec![Ok(()); 10]);
    assert_eq!(publisher.client.batches(), [10, 1, 1, 1]);
    assert!(
        publisher.client.received().values().all(|&times| times == 1),
        "an accepted entry was sent again"
    );
}

#[tokio::test]
async fn an_entry_that_never_gets_through_is_given_back_with_its_code() {
    let second = publisher(|_, _| Answer::Accept).entry(&detail(2)).detail;
    let publisher = publisher(move |_, entry| match entry.detail == second {
        true => Answer::Refuse("InternalFailure"),
        false => Answer::Accept,
    });
    let results = publisher.publish(&(0..4).map(detail).collect::<Vec<_>>()).await;
    assert_eq!(results, [Ok(()), Ok(()), not_accepted("InternalFailure"), Ok(())]);
    assert_eq!(publisher.client.batches(), [4, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_final_rejection_is_not_sent_again() {
    let publisher = publisher(|_, _| Answer::Refuse("MalformedDetail"));
    assert_eq!(publisher.publish(&[detail(1)]).await, [not_accepted("MalformedDetail")]);
    assert_eq!(publisher.client.batches(), [1]);
}

#[tokio::test]
async fn a_call_that_fails_as_a_whole_is_repeated_if_that_may_help() {
    let flaky = publisher(|call, _| match call {
        1 | 2 => Answer::Call("Timeout", true),
        _ => Answer::Accept,
    });
    assert_eq!(flaky.publish(&[detail(1), detail(2)]).await, [Ok(()), Ok(())]);
    assert_eq!(flaky.client.batches(), [2, 2, 2]);

    let forbidden = publisher(|_, _| Answer::Call("AccessDeniedException", false));
    assert_eq!(forbidden.publish(&[detail(1)]).await, [not_accepted("AccessDeniedException")]);
    assert_eq!(forbidden.client.batches(), [1]);
    let gone = publisher(|_, _| Answer::Call("ResourceNotFoundException", false));
    assert_eq!(gone.publish(&[detail(1)]).await, [not_accepted("ResourceNotFoundException")]);
    assert_eq!(gone.client.batches(), [1]);
}

#[tokio::test]
async fn an_answer_without_a_result_counts_as_not_accepted() {
    let publisher = publisher(|call, _| if call == 1 { Answer::Silence } else { Answer::Accept });
    assert_eq!(publisher.publish(&[detail(1)]).await, [Ok(())]);
    assert_eq!(publisher.client.batches(), [1, 1]);
}

#[tokio::test]
async fn too_large_an_entry_is_never_sent_and_keeps_its_place() {
    let publisher = publisher(|_, _| Answer::Accept);
    let overhead = publisher.entry(&sized_detail(1, 0)).size();
    let fits = sized_detail(1, MAX_BYTES - overhead);
    let exceeds = sized_detail(1, MAX_BYTES - overhead + 1);
    let results = publisher.publish(&[detail(1), exceeds.clone(), fits.clone(), detail(3)]).await;
    assert_eq!(
        results,
        [Ok(()), Err(Failure::TooLarge { size: MAX_BYTES + 1, most: MAX_BYTES }), Ok(()), Ok(())]
    );

    let mut stream = publisher.stream();
    assert_eq!(stream.push(&exceeds).await, Err(Failure::TooLarge { size: MAX_BYTES + 1, most: MAX_BYTES }));
    assert_eq!(stream.push(&fits).await, Ok(()));
    assert_eq!(stream.finish().await, Summary { accepted: 1, ..Summary::default() });
}

#[tokio::test]
async fn results_come_in_the_order_of_the_input_though_calls_run_at_once() {
    let refused = publisher(|_, _| Answer::Accept).entry(&detail(57)).detail;
    let publisher = publisher(move |_, entry| match entry.detail == refused {
        true => Answer::Refuse("MalformedDetail"),
        false => Answer::Accept,
    });
    let results = publisher.publish(&(0..200).map(detail).collect::<Vec<_>>()).await;
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.is_err(), index == 57, "{index}");
    }
    assert!(publisher.client.most_in_flight.load(Ordering::SeqCst) > 1);
    assert!(publisher.client.most_in_flight.load(Ordering::SeqCst) <= MAX_IN_FLIGHT);
}

#[tokio::test]
async fn a_stream_sends_full_batches_and_bounds_what_is_in_flight() {
    let publisher = publisher(|_, _| Answer::Accept);
    let mut stream = publisher.stream();
    for n in 0..1003 {
        stream.push(&detail(n)).await.expect("small");
        assert!(stream.pending.len() <= MAX_ENTRIES);
        assert!(stream.in_flight.len() <= MAX_IN_FLIGHT);
    }
    assert_eq!(stream.finish().await, Summary { accepted: 1003, ..Summary::default() });
    assert_eq!(publisher.client.received().len(), 1003);
    let mut batches = publisher.client.batches();
    batches.sort_unstable();
    assert_eq!((batches.len(), batches[0], batches[1]), (101, 3, 10));
    assert!(publisher.client.most_in_flight.load(Ordering::SeqCst) <= MAX_IN_FLIGHT);
}

#[tokio::test]
async fn a_stream_reports_what_it_could_not_publish() {
    let publisher = publisher(|call, _| match call {
        2 => Answer::Refuse("MalformedDetail"),
        _ => Answer::Accept,
    });
    let mut stream = publisher.stream();
    for n in 0..500 {
        stream.push(&detail(n)).await.expect("small");
    }
    assert_eq!(stream.failed(), 10, "known before the end");
    let summary = stream.finish().await;
    assert_eq!((summary.accepted, summary.failed), (490, 10));
    assert_eq!(
        summary.first_failure.map(|failure| failure.code().to_owned()),
        Some("MalformedDetail".into())
    );
}

#[tokio::test]
async fn a_stream_waits_for_a_bus_that_only_asks_to_slow_down() {
    // Far more often than there are attempts, for an entry and for the whole call.
    let patient = publisher(|call, _| match call {
        call if call < 20 => Answer::Refuse("ThrottlingException"),
        call if call < 40 => Answer::Call("ThrottlingException", true),
        _ => Answer::Accept,
    });
    let patience = || Pace::fast(Duration::from_secs(3600));
    let mut stream = Stream::new(Arc::clone(&patient), patience());
    stream.push(&detail(1)).await.expect("small");
    assert_eq!(stream.finish().await, Summary { accepted: 1, ..Summary::default() });

    // Other errors have their attempts, even between such answers.
    let broken = publisher(|call, _| match call % 2 {
        0 => Answer::Refuse("ThrottlingException"),
        _ => Answer::Refuse("InternalFailure"),
    });
    let mut stream = Stream::new(Arc::clone(&broken), patience());
    stream.push(&detail(1)).await.expect("small");
    assert_eq!(stream.finish().await.failed, 1);
    assert_eq!(broken.client.batches().len(), 11);

    // The wait has an end.
    let closed = publisher(|_, _| Answer::Refuse("ThrottlingException"));
    let mut stream = Stream::new(Arc::clone(&closed), Pace::fast(Duration::ZERO));
    stream.push(&detail(1)).await.expect("small");
    assert_eq!(stream.finish().await.failed, 1);
    // Six attempts after the refusal with which the wait begins.
    assert_eq!(closed.client.batches().len(), 7);
}

#[tokio::test]
async fn a_stream_says_up_to_where_all_is_on_the_bus() {
    let refused = publisher(|_, _| Answer::Accept).entry(&detail(35)).detail;
    let publisher = publisher(move |_, entry| match entry.detail == refused {
        true => Answer::Refuse("MalformedDetail"),
        false => Answer::Accept,
    });
    let mut stream = publisher.stream();
    for n in 0..30 {
        stream.push(&detail(n)).await.expect("small");
    }
    assert!(stream.acknowledged() <= 20, "what is not sent can't be there");
    stream.flush().await;
    assert_eq!((stream.pushed(), stream.acknowledged()), (30, 30));
    for n in 30..400 {
        stream.push(&detail(n)).await.expect("small");
        assert!(stream.acknowledged() <= 30, "a gap");
    }
    stream.flush().await;
    assert_eq!(stream.acknowledged(), 30);
}

/// A bus that limits the bytes of a call.
#[derive(Clone)]
struct Small {
    limit: usize,
    accepted: Arc<Mutex<HashMap<String, usize>>>,
    refused: Arc<AtomicUsize>,
}

impl Small {
    fn new(limit: usize) -> Self {
        Self { limit, accepted: Arc::default(), refused: Arc::default() }
    }

    fn publisher(&self, region: &str) -> Arc<Publisher<Self>> {
        let destination = Destination::new("bus", "source");
        Arc::new(Publisher::new(self.clone(), destination, Backoff::immediate(3)).in_region(region))
    }
}

impl PutEvents for Small {
    async fn put_events(&self, entries: &[&Entry]) -> Result<Vec<Result<(), Rejection>>, CallError> {
        if entries.iter().map(|entry| entry.size()).sum::<usize>() > self.limit {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(CallError {
                code: "ValidationException".into(),
                message: "Total size of the entries in the request is over the limit.".into(),
                retryable: false,
            });
        }
        for entry in entries {
            *self.accepted.lock().expect("lock").entry(entry.detail.clone()).or_default() += 1;
        }
        Ok(vec![Ok(()); entries.len()])
    }
}

#[tokio::test]
async fn a_bus_that_takes_less_gets_everything_in_smaller_calls() {
    let details: Vec<Detail> = (0..100).map(|n| sized_detail(n, 60 * 1024)).collect();
    // Known beforehand: no call is refused. Not known: few are, then none.
    for (region, at_most) in [("cn-north-1", 0), ("eu-west-1", 40)] {
        let bus = Small::new(256 * 1024);
        let publisher = bus.publisher(region);
        assert_eq!(publisher.publish(&details).await, vec![Ok(()); 100], "{region}");
        let refused = bus.refused.load(Ordering::SeqCst);
        assert!(refused <= at_most, "{region}: {refused}");
        let mut stream = publisher.stream();
        for detail in &details {
            stream.push(detail).await.expect("small enough");
        }
        assert_eq!(stream.finish().await, Summary { accepted: 100, ..Summary::default() });
        assert_eq!(bus.refused.load(Ordering::SeqCst), refused, "{region}: remembered");
        assert!(bus.accepted.lock().expect("lock").values().all(|&times| times == 2), "{region}");
    }
}

#[tokio::test]
async fn an_entry_that_is_too_large_for_its_bus_is_given_back_as_such() {
    let large = sized_detail(1, 500_000);
    let bus = Small::new(256 * 1024);
    let publisher = bus.publisher("us-gov-west-1");
    // The limit of this partition is not known: an entry that can't be sent in another way is tried.
    let results = publisher.publish(&[detail(1), large.clone(), detail(2)]).await;
    assert!(
        matches!(results[..], [Ok(()), Err(Failure::TooLarge { most: MAX_BYTES_ELSEWHERE, .. }), Ok(())]),
        "{results:?}"
    );
    assert!(
        bus.publisher("us-gov-west-1").stream().push(&large).await.is_err(),
        "the task sends where it lies"
    );
    let roomy = Small::new(MAX_BYTES).publisher("us-gov-west-1");
    assert_eq!(roomy.publish(&[large]).await, [Ok(())]);
}
