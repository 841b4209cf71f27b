//! Requests to the backend, and their answers.

use crate::played::{Played, run, with};

#[tokio::test]
async fn requests_reach_the_backend_as_they_are() {
    let backend = Played::default();
    with(false, &backend, async |client| {
        for path in [
            "/api/resource?name=%3Cb%3E%20%26%20%22x%22",
            "/api/file?id=d1",
            "/api/items?id=d1",
            "/api/items?id=d1&limit=200",
            "/api/row?id=d1&row=17",
            "/api/row?rowId=00ff",
            "/api/plan",
        ] {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, vec!["application/json"]),
                "{path}"
            );
        }
        let asked = [
            "resource <b> & \"x\"",
            "file d1",
            "items d1 20",
            "items d1 200",
            "row d1 Number(17)",
            "row  Id(\"00ff\")",
            "plan",
        ];
        assert_eq!(*backend.asked.borrow(), asked);
        assert_eq!(client.get("/api/file?id=d1").await.json()["key"], "<b>.csv");
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_would() {
    let backend = Played::default();
    with(false, &backend, async |client| {
        for (path, text) in [
            ("/api/resource", "the parameter `name` is missing"),
            ("/api/resource?name=", "the parameter `name` is missing"),
            ("/api/items?id=x&limit=0", "`limit` is not a number between 1 and 200"),
            ("/api/items?id=x&limit=201", "`limit` is not a number between 1 and 200"),
            ("/api/items?id=x&limit=-1", "`limit` is not a number between 1 and 200"),
            ("/api/row?id=x", "expected the number of a row, from 1, as `row`, or its ID as `rowId`"),
            ("/api/row?id=x&row=0", "expected the number of a row, from 1, as `row`, or its ID as `rowId`"),
            ("/api/row?row=1", "the parameter `id` is missing"),
            ("/api/download?id=x&which=object", "`which` is `rejects` or `results`"),
        ] {
            let answer = client.get(path).await;
            assert_eq!((answer.status, answer.error()), (400, text.to_owned()), "{path}");
        }
        for body in [
            "",
            "{",
            "[]",
            "{\"id\":\"x\"}",
            "{\"id\":\"x\",\"which\":\"all\"}",
            "{\"id\":1,\"which\":\"failed\"}",
        ] {
            let answer = client.post("/api/replay?confirm=1", body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert!(answer.error().starts_with("the body is not a request"), "{}", answer.error());
        }
        assert_eq!(*backend.asked.borrow(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn failures_have_the_status_of_their_cause() {
    run(async |client| {
        for (name, status) in [("gone", 404), ("denied", 403), ("broken", 502)] {
            assert_eq!(client.get(&format!("/api/resource?name={name}")).await.status, status, "{name}");
        }
        let gone = client.get("/api/resource?name=gone").await;
        assert_eq!(gone.body, r#"{"error":{"text":"there is no `gone`","hint":"name another"}}"#);
        assert_eq!(client.get("/api/nothing").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn drift_is_accepted_and_comes_later() {
    run(async |client| {
        assert_eq!(client.get("/api/drift").await.status, 202);
        let drift = client.get("/api/drift").await;
        assert_eq!((drift.status, drift.json()["resources"].as_array().map(Vec::len)), (200, Some(0)));
    })
    .await;
}

#[tokio::test]
async fn a_download_is_a_file_whatever_its_name() {
    run(async |client| {
        let answer = client.get("/api/download?id=x&which=rejects").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "a,b\n1,2\n"));
        assert_eq!(answer.header("content-type"), ["application/octet-stream"]);
        assert_eq!(
            answer.header("content-disposition"),
            ["attachment; filename=\"r____.csv\"; filename*=UTF-8''r%22%0D%0A%C3%A9.csv"]
        );
    })
    .await;
}

#[tokio::test]
async fn an_upload_is_passed_on_as_it_comes() {
    let backend = Played::default();
    with(false, &backend, async |client| {
        let body = "id,town\n".repeat(100_000);
        let path = "/api/upload?confirm=1&bucket=landing&key=in%2F%3Cscript%3E.csv";
        let answer = client.post(path, &body).await;
        assert_eq!((answer.status, answer.json()["key"].as_str()), (200, Some("in/<script>.csv")));
        assert_eq!(*backend.asked.borrow(), ["upload Some(\"landing\") in/<script>.csv 800000"]);
        assert!(*backend.uploaded.borrow() == body.as_bytes());
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_refused_is_answered_although_it_is_still_sent() {
    let backend = Played { refuses: true, ..Played::default() };
    with(false, &backend, async |client| {
        let answer = client.post("/api/upload?confirm=1&key=a.txt", &"x".repeat(8 << 20)).await;
        assert_eq!((answer.status, answer.error()), (400, "the key matches no `notify`".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_a_file() {
    let backend = Played::default();
    with(false, &backend, async |client| {
        let head = format!(
            "POST /api/upload?confirm=1&key=a.csv HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\n{}\r\nX-Console: 1\r\n\
             Content-Length: 100\r\n\r\nid,town\n",
            client.host(),
            client.host(),
            client.cookie()
        );
        let mut stream = client.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.expect("sent");
        while backend.uploaded.borrow().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(stream);
        // The server answers others, and has not taken what came for a file.
        assert_eq!(client.get("/api/plan").await.status, 200);
        assert_eq!(*backend.uploaded.borrow(), b"id,town\n");
        let long = client.post(&format!("/api/upload?confirm=1&key={}", "k".repeat(1_025)), "x").await;
        assert_eq!((long.status, long.error()), (400, "the key has 1025 bytes, and S3 takes 1024 at most".to_owned()));
        let host = format!("Host: {}", client.host());
        let origin = format!("Origin: http://{}", client.host());
        let headers = [host.as_str(), &origin, &client.cookie(), "X-Console: 1", "Transfer-Encoding: chunked"];
        let answer = client.send("POST /api/upload?confirm=1&key=a.csv", &headers, "").await;
        assert_eq!(answer.status, 411);
        let headers = [host.as_str(), &origin, &client.cookie(), "X-Console: 1", "Content-Length: 6000000000"];
        let answer = client.send("POST /api/upload?confirm=1&key=a.csv", &headers, "").await;
        assert_eq!(answer.status, 413);
    })
    .await;
}
