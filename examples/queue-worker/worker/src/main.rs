//! Takes jobs from a queue and writes what came of them to a table.

use aws_config::BehaviorVersion;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    // Missing, it ends the deployment and not the first job.
    let table = std::env::var("TABLE")?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        // Boxed: the futures of SDK calls are nested too deeply for the compiler.
        Box::pin(handle(&client, &table, event.payload))
    }))
    .await
}

/// Does all jobs of a batch; those that failed come again, and at last lie among the dead letters.
async fn handle(client: &Client, table: &str, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut failures = Vec::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        if let Err(error) = work(client, table, &message).await {
            tracing::error!(message = id, %error, "the job failed");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failures.push(failure);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    Ok(response)
}

/// One job: counts the words of a text. The same job done twice gives the same item.
async fn work(client: &Client, table: &str, message: &SqsMessage) -> Result<(), Error> {
    let job: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
    let (Some(id), Some(text)) = (job["id"].as_str(), job["text"].as_str()) else {
        return Err("a job is { \"id\": \"…\", \"text\": \"…\" }".into());
    };
    let words = text.split_whitespace().count();
    client
        .put_item()
        .table_name(table)
        .item("id", AttributeValue::S(id.to_owned()))
        .item("words", AttributeValue::N(words.to_string()))
        .send()
        .await?;
    tracing::info!(job = id, words, "done");
    Ok(())
}
