//! Uploads by somebody without credentials: the line and the form of `deployer upload --presign` on the local cloud.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::cloud::{Cloud, STACK};

const ROWS: &str = "ID,HouseNum,Street,Town,Zip\n1,1,A,B,C\n2,2,A,B,C\n";

/// Returns the fields of a signed upload: names and values.
fn fields(signed: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let fields = signed["fields"].as_array().expect("fields").iter();
    fields.map(|field| (text(&field["name"]), text(&field["value"]))).collect()
}

/// Sends a file by a signed PUT; returns the status.
async fn put(signed: &Value, body: &'static str) -> u16 {
    let headers: HeaderMap = fields(signed)
        .into_iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(&value).expect("a value"))
        })
        .collect();
    let url = signed["url"].as_str().expect("a URL");
    let answer = reqwest::Client::new().put(url).headers(headers).body(body).send().await;
    answer.expect("an answer").status().as_u16()
}

/// Sends a file by a form as a browser does, with these fields; returns the status and the answer.
async fn post(url: &str, fields: &[(String, String)], file: &str) -> (u16, String) {
    const BOUNDARY: &str = "----boundary";
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    ));
    let request = reqwest::Client::new().post(url);
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let answer = request.body(body).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_credentials_uploads_one_file() {
    let cloud = Cloud::start(STACK);
    cloud.json(&["deploy", "local"]);
    let line = cloud.json(&["upload", "by-line.csv", "--presign", "--expires", "10m"]);
    assert_eq!((&line["method"], &line["overwrites"]), (&json!("PUT"), &json!(false)), "{line}");
    let command = line["command"].as_str().expect("a command");
    assert!(command.contains("-H 'if-none-match: *'"), "{command}");
    assert_eq!(put(&line, ROWS).await, 200);
    let loaded = cloud.json(&["tally", "by-line.csv", "--wait", "--timeout", "3m"]);
    assert_eq!(loaded["loaded"], 2, "{loaded}");
    // The line can't destroy what it has brought.
    assert_eq!(put(&line, ROWS).await, 412);
    let again = cloud.run(&["upload", "by-line.csv", "--presign"]);
    let log = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(5) && log.contains("exists"), "{log}");
    let replacing = cloud.json(&["upload", "by-line.csv", "--presign", "--overwrite"]);
    assert_eq!(put(&replacing, ROWS).await, 200);

    let form =
        cloud.json(&["upload", "by-form.csv", "--presign", "--form", "page.html", "--max-size", "1KiB"]);
    let url = form["url"].as_str().expect("a URL");
    let own = fields(&form);
    let page = std::fs::read_to_string(cloud.folder().join("page.html")).expect("the page");
    for (name, value) in &own {
        assert!(page.contains(&format!("name=\"{name}\" value=\"{value}\"")), "{name} in {page}");
    }
    let other: Vec<_> = own
        .iter()
        .map(|(name, value)| {
            (name.clone(), if name == "key" { "other.csv".to_owned() } else { value.clone() })
        })
        .collect();
    let (status, answer) = post(url, &other, ROWS).await;
    assert!(status == 403 && answer.contains("Policy Condition failed"), "{status} {answer}");
    let (status, answer) = post(url, &own, &ROWS.repeat(40)).await;
    assert!(status == 400 && answer.contains("EntityTooLarge"), "{status} {answer}");
    let (status, answer) = post(url, &own, ROWS).await;
    assert!(status == 201 && answer.contains("<Key>by-form.csv</Key>"), "{status} {answer}");
    let loaded = cloud.json(&["tally", "by-form.csv", "--wait", "--timeout", "3m"]);
    assert_eq!(loaded["loaded"], 2, "{loaded}");
}
