//! Proxies: tested in a process of their own, since they are those of its environment.

use std::process::Command;

use client::{Client, Credentials, Service};
use serde_json::{Value, json};

use crate::server::{Answer, Server, answer};

/// Runs one of the tests below with these variables, in which it makes a call.
fn run(test: &str, variables: &[(&str, &str)]) -> bool {
    let program = std::env::current_exe().expect("the test");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture"]).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().expect("it ran").status.success()
}

#[tokio::test]
#[ignore = "run by the other tests, with variables"]
async fn a_call() {
    let url = std::env::var("URL").expect("set by the test");
    let client = Client::at(&url, "eu-west-1", &Credentials::new("id", "secret", None)).expect("a client");
    for _ in 0..2 {
        let input = json!({});
        client.json::<_, Value>(Service::EventBridge, "PutEvents", &input).await.expect("an answer");
    }
}

#[test]
fn a_proxy_gets_whole_urls_and_its_password() {
    let proxy = Server::start(&[answer(200, "", "{}")]);
    let place = proxy.url.replace("http://", "http://user:word@");
    assert!(run("proxies::a_call", &[("URL", "http://192.0.2.1:8000"), ("HTTP_PROXY", &place)]));
    let seen = proxy.take();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.line, "POST http://192.0.2.1:8000/");
        assert_eq!((seen.headers["host"].as_str(), seen.connection), ("192.0.2.1:8000", 0));
        assert_eq!(seen.headers["proxy-authorization"], "Basic dXNlcjp3b3Jk");
    }
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_to_what_is_secret() {
    let proxy = Server::start(&[Answer::Cut(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec())]);
    let place = proxy.url.replace("http://", "http://user:word@");
    let variables = [("URL", "https://192.0.2.1:8443"), ("HTTPS_PROXY", &*place), ("AWS_MAX_ATTEMPTS", "1")];
    assert!(!run("proxies::a_call", &variables), "it is refused");
    let seen = proxy.take();
    assert_eq!(seen[0].line, "CONNECT 192.0.2.1:8443");
    assert_eq!(seen[0].headers["proxy-authorization"], "Basic dXNlcjp3b3Jk");
    assert!(!seen[0].headers.contains_key("authorization"));
}

#[test]
fn exceptions_are_reached_directly() {
    let (proxy, service) = (Server::start(&[answer(200, "", "{}")]), Server::start(&[answer(200, "", "{}")]));
    let variables = [("URL", &*service.url), ("HTTP_PROXY", &*proxy.url), ("NO_PROXY", "127.0.0.1")];
    assert!(run("proxies::a_call", &variables));
    assert_eq!((proxy.take().len(), service.take().len()), (0, 2));
}
