//! Takes an order over HTTP, checks it, and puts it into a queue.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// Largest order in bytes.
const MAX_BODY: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let queue = std::env::var("QUEUE")?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        // Boxed: the futures of SDK calls are nested too deeply for the compiler.
        Box::pin(handle(&client, &queue, event.payload))
    }))
    .await
}

/// One request, in the payload format 2.0 of API Gateway.
async fn handle(client: &Client, queue: &str, request: Value) -> Result<Value, Error> {
    let body = request["body"].as_str().unwrap_or_default();
    let order = match check(body) {
        Ok(order) => order,
        Err(problem) => return Ok(answer(400, &json!({ "error": problem }))),
    };
    // An error here is a 500 for the caller, who may try again.
    let sent = client.send_message().queue_url(queue).message_body(order.to_string()).send().await?;
    tracing::info!(order = order["id"].as_str(), "accepted");
    Ok(answer(202, &json!({ "message": sent.message_id() })))
}

/// The order, when it is one.
fn check(body: &str) -> Result<Value, &'static str> {
    if body.len() > MAX_BODY {
        return Err("the order is too large");
    }
    let order: Value = serde_json::from_str(body).map_err(|_| "the body is no JSON")?;
    let id = order["id"].as_str().unwrap_or_default();
    if id.is_empty() || id.len() > 64 {
        return Err("`id` must be a text of 1 to 64 bytes");
    }
    if !order["total"].is_number() {
        return Err("`total` must be a number");
    }
    Ok(order)
}

fn answer(status: u16, body: &Value) -> Value {
    json!({
        "statusCode": status,
        "headers": { "content-type": "application/json" },
        "body": body.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_orders_are_accepted() {
        assert!(check(r#"{ "id": "1", "total": 5 }"#).is_ok());
        for wrong in
            ["", "[]", "{}", r#"{ "id": "1" }"#, r#"{ "id": "", "total": 5 }"#, r#"{ "id": 1, "total": 5 }"#]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert_eq!(check(&"x".repeat(MAX_BODY + 1)), Err("the order is too large"));
    }
}
