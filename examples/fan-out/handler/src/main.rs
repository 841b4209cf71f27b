//! Does its duty for each order. Three functions run it, each with a `DUTY` and a pattern of its own.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let duty = std::env::var("DUTY")?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let response = handle(&duty, event.payload);
        async { Ok::<_, Error>(response) }
    }))
    .await
}

/// Between rule and function stands a queue, so orders come in batches, each the body of a message.
fn handle(duty: &str, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let order = serde_json::from_str::<Value>(message.body.as_deref().unwrap_or_default());
        match order {
            Ok(order) => {
                let kind = order["detail-type"].as_str().unwrap_or_default();
                let id = order["detail"]["id"].as_str().unwrap_or_default();
                tracing::info!(duty, kind, order = id, "done");
            }
            Err(error) => {
                tracing::error!(duty, %error, "the event cannot be read");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
    }
    response
}
