//! Who is let in.

use crate::played::{Played, run, with};

#[tokio::test]
async fn the_link_gives_a_cookie_and_leads_to_the_page() {
    run(async |client| {
        let host = format!("Host: {}", client.host());
        let line = format!("GET /?token={}", client.token);
        // A link in another page leads here as well.
        let answer = client.send(&line, &[&host, "Sec-Fetch-Site: cross-site"], "").await;
        assert_eq!((answer.status, answer.header("location")), (303, vec!["/"]));
        let cookie = format!(
            "deployer-console-{}={}; HttpOnly; SameSite=Lax; Path=/",
            client.address.port(),
            client.token
        );
        assert_eq!(answer.header("set-cookie"), [cookie]);
        let page = client.get("/").await;
        assert_eq!((page.status, page.header("content-type")), (200, vec!["text/html; charset=utf-8"]));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_shown_without_the_token() {
    run(async |client| {
        let host = format!("Host: {}", client.host());
        let port = client.address.port();
        let half = &client.token[..32];
        let wrong = [
            String::new(),
            format!("Cookie: deployer-console-{port}="),
            format!("Cookie: deployer-console-{port}={half}"),
            format!("Cookie: deployer-console-{port}={}x", client.token),
            format!("Cookie: deployer-console-{}={}", port ^ 1, client.token),
            format!("Cookie: token={}", client.token),
            format!("Authorization: Bearer {half}"),
            format!("Authorization: {}", client.token),
            format!("Authorization: Bearer {0}\r\nAuthorization: Bearer {0}", client.token),
        ];
        for header in wrong {
            for path in
                ["/", "/style.css", "/api/events", "/api/state", "/api/resource?name=x", "/favicon.ico"]
            {
                let headers: Vec<&str> =
                    [host.as_str(), &header].into_iter().filter(|one| !one.is_empty()).collect();
                let answer = client.send(&format!("GET {path}"), &headers, "").await;
                assert_eq!(answer.status, 401, "{header} {path}");
                assert!(!answer.body.contains(half), "the answer has the token");
            }
        }
        for token in ["", half, "x"] {
            let answer = client.send(&format!("GET /?token={token}"), &[&host, &client.cookie()], "").await;
            assert_eq!((answer.status, answer.header("set-cookie").len()), (401, 0), "{token}");
        }
        let bearer = format!("Authorization: Bearer {}", client.token);
        assert_eq!(client.send("GET /api/state", &[&host, &bearer], "").await.status, 200, "a script");
        let others = format!("Cookie: a=b; deployer-console-1=x; deployer-console-{port}={}", client.token);
        assert_eq!(client.send("GET /api/state", &[&host, &others], "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_name_of_somebody_else_that_leads_here_is_refused() {
    run(async |client| {
        let port = client.address.port();
        let cookie = client.cookie();
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            "127.0.0.1".to_owned(),
            format!("127.0.0.1:{}", port ^ 1),
            format!("127.0.0.1:{port}.evil.example"),
            format!("127.0.0.1:{port}@evil.example"),
            String::new(),
        ] {
            let header = format!("Host: {host}");
            for path in ["/api/state", "/", &format!("/?token={}", client.token)] {
                let answer = client.send(&format!("GET {path}"), &[&header, &cookie], "").await;
                assert!([400, 403].contains(&answer.status), "{host}: {}", answer.status);
                assert_eq!(answer.header("set-cookie").len(), 0);
            }
        }
        let own = format!("Host: {}", client.host());
        let two = client.send("GET /api/state", &[&own, &own, &cookie], "").await;
        assert!([400, 403].contains(&two.status), "two hosts: {}", two.status);
        let absolute = client.send("GET http://evil.example/api/state", &[&own, &cookie], "").await;
        assert_eq!(absolute.status, 403);
        let local = format!("Host: localhost:{port}");
        assert_eq!(client.send("GET /api/state", &[&local, &cookie], "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn another_page_is_refused() {
    run(async |client| {
        let (host, cookie) = (format!("Host: {}", client.host()), client.cookie());
        let port = client.address.port();
        for origin in [
            "http://evil.example".to_owned(),
            "null".to_owned(),
            format!("https://127.0.0.1:{port}"),
            format!("http://127.0.0.1:{}", port ^ 1),
            format!("http://localhost:{port}"),
            format!("http://127.0.0.1:{port}.evil.example"),
            String::new(),
        ] {
            let origin = format!("Origin: {origin}");
            for line in ["GET /api/state", "GET /", "POST /api/replay?confirm=1"] {
                let headers = [host.as_str(), &cookie, &origin, "X-Console: 1"];
                let answer = client.send(line, &headers, "{\"id\":\"x\",\"which\":\"failed\"}").await;
                assert_eq!(answer.status, 403, "{line} {origin}");
                assert_eq!(answer.header("access-control-allow-origin").len(), 0);
            }
        }
        // Without an origin, as for an image or a script; pages of other ports are of the same site.
        for site in ["cross-site", "same-site"] {
            let site = format!("Sec-Fetch-Site: {site}");
            let answer = client.send("GET /api/state", &[&host, &cookie, &site], "").await;
            assert_eq!(answer.status, 403, "{site}");
        }
        let preflight = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"];
        let answer = client.send("OPTIONS /api/replay", &[&host, preflight[0], preflight[1]], "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin").len()), (403, 0));
    })
    .await;
}

#[tokio::test]
async fn an_action_needs_its_header_an_origin_and_a_confirmation() {
    const BODY: &str = "{\"id\":\"x\",\"which\":\"failed\"}";
    let backend = Played::default();
    with(false, &backend, async |client| {
        let (host, cookie) = (format!("Host: {}", client.host()), client.cookie());
        let origin = format!("Origin: http://{}", client.host());
        let bearer = format!("Authorization: Bearer {}", client.token);
        for (path, headers, status) in [
            ("/api/replay?confirm=1", vec![cookie.as_str(), &origin], 403),
            ("/api/replay?confirm=1", vec![&cookie, "X-Console: 1"], 403),
            ("/api/replay?confirm=1", vec![&cookie, &origin, "X-Console: yes"], 403),
            ("/api/replay?confirm=1", vec![&origin, "X-Console: 1"], 401),
            ("/api/replay?confirm=1", vec![&bearer], 403),
            ("/api/replay", vec![&cookie, &origin, "X-Console: 1"], 400),
            ("/api/replay?confirm=true", vec![&cookie, &origin, "X-Console: 1"], 400),
            ("/api/upload?key=a.csv", vec![&cookie, &origin, "X-Console: 1"], 400),
            ("/api/state?confirm=1", vec![&cookie, &origin, "X-Console: 1"], 405),
        ] {
            let headers: Vec<&str> = [host.as_str()].into_iter().chain(headers).collect();
            let answer = client.send(&format!("POST {path}"), &headers, BODY).await;
            assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.body);
        }
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let line = format!("{method} /api/replay?confirm=1");
            let answer = client.send(&line, &[&host, &cookie, &origin, "X-Console: 1"], "").await;
            assert_eq!(answer.status, 405, "{method}");
        }
        assert_eq!(client.get("/api/replay?confirm=1").await.status, 405);
        assert_eq!(*backend.asked.borrow(), Vec::<String>::new(), "nothing was done");
        let by_script =
            client.send("POST /api/replay?confirm=1", &[&host, &bearer, "X-Console: 1"], BODY).await;
        assert_eq!((by_script.status, by_script.json()["rows"].as_u64()), (200, Some(3)));
        assert_eq!(*backend.asked.borrow(), ["replay x Failed"]);
    })
    .await;
}

#[tokio::test]
async fn a_console_that_only_reads_does_nothing_else() {
    let backend = Played::default();
    with(true, &backend, async |client| {
        for path in ["/api/replay?confirm=1", "/api/upload?confirm=1&key=a.csv"] {
            let answer = client.post(path, "{\"id\":\"x\",\"which\":\"failed\"}").await;
            assert_eq!((answer.status, answer.error()), (403, "the console is read-only".to_owned()));
        }
        assert_eq!(*backend.asked.borrow(), Vec::<String>::new());
        assert_eq!(client.get("/api/plan").await.status, 200);
    })
    .await;
}
