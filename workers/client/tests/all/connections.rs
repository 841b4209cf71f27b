//! Connections.

use client::{Client, Object, Service};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::server::{Answer, Server, answer};

async fn call(client: &Client) -> Result<Value, client::Failure> {
    client.json(Service::EventBridge, "PutEvents", &json!({})).await
}

/// Returns the connections of the requests so far.
fn connections(server: &Server) -> Vec<usize> {
    server.take().iter().map(|seen| seen.connection).collect()
}

#[tokio::test]
async fn a_connection_carries_one_call_after_another() {
    let server = Server::start(&[answer(200, "", "{}")]);
    let client = server.client();
    for _ in 0..5 {
        call(&client).await.expect("an answer");
    }
    assert_eq!(connections(&server), [0; 5]);
    // Calls at the same time have each their own.
    let (first, second) = tokio::join!(call(&client), call(&client));
    assert!(first.is_ok() && second.is_ok());
    let mut used = connections(&server);
    used.sort_unstable();
    assert_eq!(used, [0, 1]);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_attempt() {
    let good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let server = Server::start(&[Answer::Cut(good)]);
    let client = server.client();
    for _ in 0..5 {
        call(&client).await.expect("an answer");
        // The end of the connection arrives.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(connections(&server), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_connection_with_the_rest_of_an_answer_is_not_used_again() {
    let body = "x".repeat(100_000);
    let server = Server::start(&[answer(200, "", &body)]);
    let client = server.client();
    let object = Object { bucket: "a-bucket", key: "k", ..Object::default() };
    let mut answer = client.read(&object).await.expect("an answer");
    answer.body.read_u8().await.expect("a byte");
    drop(answer);
    let answer = client.read(&object).await.expect("an answer");
    assert_eq!(answer.body.whole().await.expect("complete"), body);
    client.read(&object).await.expect("an answer");
    assert_eq!(connections(&server), [0, 1, 1]);
}

#[tokio::test]
async fn a_server_that_fails_is_left_for_another() {
    let server = Server::start(&[answer(500, "", ""), answer(200, "", "{}")]);
    let client = server.client();
    call(&client).await.expect("an answer");
    call(&client).await.expect("an answer");
    assert_eq!(connections(&server), [0, 1, 1]);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let server =
        Server::start(&[Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234".to_vec())]);
    let client = server.client();
    let object = Object { bucket: "a-bucket", key: "k", ..Object::default() };
    let mut answer = client.read(&object).await.expect("an answer");
    let mut read = Vec::new();
    let started = std::time::Instant::now();
    let error = answer.body.read_to_end(&mut read).await.expect_err("a stall");
    assert_eq!((read.as_slice(), error.to_string()), (&b"1234"[..], "the body stalled".to_owned()));
    // Later on a machine that is busy, but not as late as without a limit.
    assert!((4..60).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_at_the_other_end_is_a_failure_in_passing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let credentials = client::Credentials::new("id", "secret", None);
    let client = Client::at(&url, "eu-west-1", &credentials).expect("a client");
    let error = call(&client).await.expect_err("nobody").error;
    assert_eq!((error.code.as_str(), error.retryable), ("DispatchFailure", true));
}
