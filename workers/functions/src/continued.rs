//! Work that takes longer than an invocation: it is put aside before the time of the function ends, and continues with the
//! same message, which is sent to the queue once more.

use std::future::Future;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use runtime::{Backoff, CallError};
use tokio::time::Instant;

use crate::extract::Delay;
use crate::messages::{Delivery, Handler, InvocationError, Malformed, NotDone, Outcome, serve};

/// A function whose work on a message may take longer than an invocation.
pub(crate) trait Continued: Sync {
    /// Returns the time before the end of an invocation in which the work is put aside.
    fn margin(&self) -> Duration;

    /// Returns how often a queue delivers a message at most, if it is known.
    fn max_receive_count(&self) -> Option<u32>;

    /// Processes one message until `end`.
    fn process(&self, delivery: &Delivery, end: Instant) -> impl Future<Output = Outcome> + Send;
}

/// A function during an invocation that ends at some time.
struct Until<'f, F> {
    function: &'f F,
    end: Instant,
}

impl<F: Continued> Handler for Until<'_, F> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            outcomes.push(self.function.process(delivery, self.end).await);
        }
        outcomes
    }
}

/// Processes the messages of an invocation, one after another, until shortly before its deadline.
///
/// # Errors
/// If the invocation fails as a whole.
pub(crate) async fn invoke<F: Continued>(
    function: &F,
    payload: &str,
    deadline: Instant,
) -> Result<Option<SqsBatchResponse>, InvocationError> {
    let until = Until { function, end: end(deadline, function.margin()) };
    serve(&until, payload, function.max_receive_count(), Some(deadline)).await
}

/// Returns the failure of a message that has another content than the function takes.
pub(crate) fn not_understood(malformed: &Malformed) -> NotDone {
    NotDone { cause: format!("cannot process the message: {}", malformed.message) }
}

/// Returns the moment from which on work is put aside: `margin` before the deadline, or a third of a short time.
fn end(deadline: Instant, margin: Duration) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - margin.min(left / 3)
}

/// Sends the message once more: each delivery that has done something counts as the first. `what` is not finished.
pub(crate) async fn again(queues: &impl Delay, delivery: &Delivery, what: &str) -> Outcome {
    let body = delivery.body.as_ref().map(ToString::to_string).unwrap_or_default();
    let Some(queue) = &delivery.queue else {
        return Err(NotDone {
            cause: format!("{what} is not finished, and continues with the next attempt"),
        });
    };
    queues.send_later(queue, &body, 0).await.map_err(|code| NotDone {
        cause: format!("{what} is not finished, and could not be sent to the queue again: {code}"),
    })
}

/// Makes a call until it has an answer, or there are no attempts left.
pub(crate) async fn retried<O, C: Future<Output = Result<O, CallError>>>(
    backoff: Backoff,
    call: impl Fn() -> C,
) -> Result<O, NotDone> {
    let mut attempt = 1;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.retryable && attempt < backoff.attempts() => {}
            Err(error) => return Err(NotDone { cause: error.to_string() }),
        }
        backoff.pause(attempt).await;
        attempt += 1;
    }
}
