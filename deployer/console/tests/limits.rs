//! Clients that are slow, many or large.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::played::run;

#[tokio::test]
async fn heads_have_an_end() {
    run(async |client| {
        let host = format!("Host: {}", client.host());
        let large = format!("X-Large: {}", "x".repeat(64 * 1024));
        let answer = client.send("GET /api/state", &[&host, &client.cookie(), &large], "").await;
        assert_eq!(answer.status, 431);
        let many: Vec<String> = (0..100).map(|number| format!("X-{number}: 1")).collect();
        let cookie = client.cookie();
        let many: Vec<&str> =
            [host.as_str(), &cookie].into_iter().chain(many.iter().map(String::as_str)).collect();
        assert_eq!(client.send("GET /api/state", &many, "").await.status, 431);
        let long = format!("GET /api/resource?name={}", "x".repeat(100_000));
        let status = client.send(&long, &[&host, &client.cookie()], "").await.status;
        assert!([414, 431].contains(&status), "{status}");
        assert_eq!(client.get("/api/state").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn bodies_have_an_end() {
    run(async |client| {
        let body = format!("{{\"id\":\"{}\",\"which\":\"failed\"}}", "x".repeat(20_000));
        assert_eq!(client.post("/api/replay?confirm=1", &body).await.status, 413);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_closed() {
    run(async |client| {
        for text in ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0"]
        {
            let mut stream = client.connect().await;
            stream.write_all(text.as_bytes()).await.expect("sent");
            stream.shutdown().await.expect("closed");
            let mut answer = String::new();
            let read = timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
            assert!(read.is_ok(), "{text:?} is still open");
            assert!(!answer.starts_with("HTTP/1.1 2"), "{text:?}: {answer}");
        }
        assert_eq!(client.get("/api/state").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_connections_that_say_nothing_hold_nobody_up() {
    run(async |client| {
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(client.connect().await);
        }
        let begun = Instant::now();
        assert_eq!(client.get("/api/state").await.status, 200);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        // Those beyond the limit are closed, and each place is free again when its connection is.
        for _ in 0..60 {
            idle.push(client.connect().await);
        }
        let mut closed = 0;
        for stream in &mut idle[100..] {
            let mut byte = [0];
            let read = timeout(Duration::from_millis(100), stream.read(&mut byte)).await;
            closed += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
        }
        assert!(closed >= 60 - 28, "{closed} of 60 were closed");
        drop(idle);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let mut stream = client.connect().await;
            let request = format!(
                "GET /api/state HTTP/1.1\r\nHost: {}\r\n{}\r\nConnection: close\r\n\r\n",
                client.host(),
                client.cookie()
            );
            let _ = stream.write_all(request.as_bytes()).await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            if answer.starts_with("HTTP/1.1 200") {
                break;
            }
            assert!(Instant::now() < until, "no place is free again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_sends_a_letter_now_and_then_is_closed() {
    run(async |client| {
        let mut stream = client.connect().await;
        let begun = Instant::now();
        let head = format!("GET /api/state HTTP/1.1\r\nHost: {}\r\nX-Slow: ", client.host());
        stream.write_all(head.as_bytes()).await.expect("sent");
        loop {
            let mut buffer = [0; 256];
            match timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(_)) => {}
                Err(_) => {
                    let _ = stream.write_all(b"x").await;
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it is still open");
        }
        assert!(
            begun.elapsed() > Duration::from_secs(5),
            "{:?}: too early for a slow machine",
            begun.elapsed()
        );
    })
    .await;
}
