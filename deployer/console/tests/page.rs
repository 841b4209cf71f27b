//! The files of the page, and the headers of every answer.

use std::path::Path;

use crate::played::{Answer, run};

#[tokio::test]
async fn only_the_files_of_the_page_are_there() {
    run(async |client| {
        for path in [
            "/../Cargo.toml",
            "/..%2fCargo.toml",
            "/%2e%2e/Cargo.toml",
            "/./index.html",
            "//index.html",
            "/index.html/",
            "/src/lib.rs",
            "/etc/passwd",
            "/%00",
            "/index.html%00.js",
            "/favicon.ico",
            "/\\..\\Cargo.toml",
        ] {
            assert_eq!(client.get(path).await.status, 404, "{path}");
        }
        let script = client.get("/main.js").await;
        assert_eq!(
            (script.status, script.header("content-type")),
            (200, vec!["text/javascript; charset=utf-8"])
        );
    })
    .await;
}

fn is_protected(answer: &Answer) -> bool {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action \
                  'none'; frame-ancestors 'none'; base-uri 'none'";
    [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ]
    .iter()
    .all(|(name, value)| answer.header(name) == [*value])
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    run(async |client| {
        for path in [
            "/",
            "/main.js",
            "/favicon.ico",
            "/api/state",
            "/api/file?id=x",
            "/api/file",
            "/api/drift",
            "/api/replay",
            "/api/resource?name=broken",
            "/api/download?id=x&which=rejects",
        ] {
            let answer = client.get(path).await;
            assert!(is_protected(&answer), "{path}: {}", answer.head);
        }
        let host = format!("Host: {}", client.host());
        let entrance = client.send(&format!("GET /?token={}", client.token), &[&host], "").await;
        let stranger = client.send("GET /", &[&host], "").await;
        let foreign = client.send("GET /", &["Host: evil.example"], "").await;
        let action = client.post("/api/replay?confirm=1", "{").await;
        for answer in [entrance, stranger, foreign, action] {
            assert!(is_protected(&answer), "{}", answer.head);
        }
    })
    .await;
}

#[test]
fn the_page_never_makes_markup_of_data() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let mut scripts = 0;
    for entry in std::fs::read_dir(page).expect("the page") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let is_script = path.extension().is_some_and(|kind| kind == "js");
        scripts += usize::from(is_script);
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "javascript:",
        ] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
        if path.extension().is_some_and(|kind| kind == "html") {
            for word in ["style=", "onclick", "onload", "<script>", "<style", "http://", "https://"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
        }
    }
    assert!(scripts > 0);
}
