//! The start of a function, up to the first invocation: logs, environment, clients, runtime.
//!
//! One thread: below 1,769 MB a function has less than one processor, and threads that hand each other every call make
//! it more expensive. <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>

use std::future::Future;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use client::Bytes;
use contract::environment::{MAX_RECEIVE_COUNT, VariableError, Variables};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{LambdaEvent, LambdaInvocation, Runtime, service_fn};
use runtime::{Environment, set_up_logs};
use tokio::time::Instant;

use crate::messages::{Handler, InvocationError, serve};

/// A function that reads its payload by itself.
pub trait Service {
    /// Processes the text of one invocation, which Lambda ends at the `deadline`.
    ///
    /// # Errors
    /// [`InvocationError`] when the whole invocation is to be repeated.
    fn invoke(
        &self,
        payload: &str,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<SqsBatchResponse>, InvocationError>> + Send;
}

/// Runs the function that `build` makes, until Lambda ends the process.
///
/// A variable that is missing is an error here, at deployment, and not at the first message.
pub async fn run<H: Handler>(build: impl FnOnce(&Environment) -> Result<H, VariableError>) -> ExitCode {
    let ready = ready(|environment| {
        let max_receive_count = max_receive_count(&environment.variables)?;
        Ok((build(environment)?, max_receive_count))
    });
    let Some((handler, max_receive_count)) = ready else { return ExitCode::FAILURE };
    let handler = &handler;
    invocations(move |payload, deadline| async move {
        serve(handler, &payload, max_receive_count, Some(deadline)).await
    })
    .await
}

/// Runs the [`Service`] that `build` makes, until Lambda ends the process.
pub async fn run_service<S: Service>(
    build: impl FnOnce(&Environment) -> Result<S, VariableError>,
) -> ExitCode {
    let Some(service) = ready(build) else { return ExitCode::FAILURE };
    let service = &service;
    invocations(move |payload, deadline| async move { service.invoke(&payload, deadline).await }).await
}

/// The payload of the invocation that is being processed.
///
/// The runtime would look at each of its bytes for a value of a type, and copy it: a megabyte in a batch of a thousand. So it
/// gets another one, and the function reads this one.
#[derive(Clone, Default)]
struct Payload(Arc<Mutex<Bytes>>);

impl Payload {
    /// Takes the payload out of an invocation.
    fn keep(&self, mut invocation: LambdaInvocation) -> LambdaInvocation {
        let nothing = Bytes::from_static(b"null");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            std::mem::replace(&mut invocation.body, nothing);
        invocation
    }

    /// Returns the text of the payload, which is kept no longer.
    fn take(&self) -> Result<String, InvocationError> {
        let payload = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(payload.into()).map_err(|_| InvocationError::NotJson)
    }
}

/// Processes invocations, one after another, until Lambda ends the process.
async fn invocations<F>(process: impl Fn(String, Instant) -> F + Copy) -> ExitCode
where
    F: Future<Output = Result<Option<SqsBatchResponse>, InvocationError>>,
{
    let payload = Payload::default();
    let kept = payload.clone();
    let service = service_fn(move |event: LambdaEvent<()>| {
        let payload = payload.take();
        // Boxed: the futures of calls inside the runtime's own are nested too deeply for the compiler.
        Box::pin(async move {
            process(payload?, instant(event.context.deadline)).await.map_err(lambda_runtime::Error::from)
        })
    });
    let keep = MapRequestLayer::new(move |invocation| kept.keep(invocation));
    ended(Runtime::new(service).layer(keep).layer(TracingLayer::new()).run().await)
}

/// Returns the moment that is so many milliseconds after 1970.
fn instant(milliseconds: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_millis(milliseconds).saturating_sub(now)
}

/// Logs that the handler names no function of the pipeline, and returns the exit code: Lambda starts another process,
/// and no message is lost.
#[must_use]
pub fn unknown(handler: &str) -> ExitCode {
    set_up_logs();
    tracing::error!(
        handler,
        "the function cannot start: its handler must be `extract`, `transform`, `load`, `observe`, `report` or `snapshot`"
    );
    ExitCode::FAILURE
}

/// Sets up the logs, and builds the function; returns `None` if it cannot start, which is logged.
fn ready<H>(build: impl FnOnce(&Environment) -> Result<H, VariableError>) -> Option<H> {
    set_up_logs();
    let started = Environment::load().and_then(|environment| build(&environment));
    started.inspect_err(|error| tracing::error!(%error, "the function cannot start")).ok()
}

fn ended(result: Result<(), lambda_runtime::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// Returns the greatest number of deliveries of a message; `None` for a function without a queue.
pub fn max_receive_count<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
) -> Result<Option<u32>, VariableError> {
    let number = |text: String| {
        text.parse().map_err(|_| VariableError::Invalid {
            name: MAX_RECEIVE_COUNT,
            expected: "a whole number".into(),
        })
    };
    variables.optional(MAX_RECEIVE_COUNT).map(number).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_deliveries_is_optional_but_a_number() {
        let read = |value: Option<&'static str>| {
            max_receive_count(&Variables::new(move |_| value.map(str::to_owned)))
        };
        assert_eq!(read(None).expect("optional"), None);
        assert_eq!(read(Some("5")).expect("a number"), Some(5));
        let error = read(Some("many")).expect_err("no number");
        assert_eq!(error.to_string(), "the environment variable `MAX_RECEIVE_COUNT` is not a whole number");
    }
}
