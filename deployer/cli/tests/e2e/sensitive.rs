//! Sensitive columns and a customer key: the value of a sensitive column is in the file that was uploaded and in the
//! table, and nowhere else, whatever goes wrong between the two.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cloud::{Cloud, STACK};
use crate::proxy::{Fate, Proxy};

/// Part of every sensitive value, and of no other.
const SECRET: &str = "PlantedSecret";
/// Part of every row beside it: a search that finds this would find the secret.
const CONTROL: &str = "PlantedControl";

/// Returns the repository's stack with two sensitive columns, a key, and a queue that keeps a copy of every event.
fn stack(store: &str) -> String {
    let mut stack = STACK.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert_eq!(stack.matches(from).count(), 1, "stack.yaml is another one: {from}");
        stack = stack.replace(from, to);
    };
    replace(
        "\nresources:\n",
        "\nkey: ${secrets}\n\nresources:\n  secrets: { type: key }\n  copies: { type: queue }\n  copy: { type: rule, properties: { bus: \"${events}\", event: any, targets: [{ queue: \"${copies}\" }] } }\n",
    );
    replace("town: { from: Town }", "town: { from: Town, sensitive: true }");
    replace("zip: { from: Zip }", "zip: { from: ZIP, sensitive: true, required: true }");
    replace(
        "{ publish: \"${events}\" }, { tally: \"${tally}\" }]",
        "{ publish: \"${events}\" }, { tally: \"${tally}\" }, { encrypt: \"${secrets}\" }]",
    );
    replace(
        "access: [{ write: \"${records}\" }, { publish: \"${events}\" }]",
        &format!(
            "access: [{{ write: \"${{records}}\" }}, {{ publish: \"${{events}}\" }}, {{ decrypt: \"${{secrets}}\" }}]\n      settings: {{ store: {store} }}"
        ),
    );
    // With this timeout, five attempts, each hidden for six times that, fit into a test.
    replace("worker: load\n", "worker: load\n      timeout: 1s\n");
    stack
}

/// Returns every message in a queue of the account, with the queue's name. The messages are hidden then.
async fn messages(cloud: &Cloud) -> Vec<(String, String)> {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let queues = sqs.list_queues().send().await.expect("ListQueues");
    let mut out = Vec::new();
    for url in queues.queue_urls() {
        loop {
            let answer = sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(10)
                .visibility_timeout(600)
                .send()
                .await
                .expect("ReceiveMessage");
            if answer.messages().is_empty() {
                break;
            }
            let bodies = answer.messages().iter().map(|message| message.body().expect("a body"));
            out.extend(
                bodies.map(|body| (url.rsplit('/').next().expect("a name").to_owned(), body.to_owned())),
            );
        }
    }
    out
}

/// Returns every log event of the account, with its group.
async fn log_events(cloud: &Cloud) -> Vec<(String, String)> {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&cloud.sdk().await);
    let groups = logs.describe_log_groups().send().await.expect("DescribeLogGroups");
    let mut out = Vec::new();
    for group in groups.log_groups() {
        let name = group.log_group_name().expect("a name");
        let mut pages = logs.filter_log_events().log_group_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.expect("FilterLogEvents");
            out.extend(
                page.events()
                    .iter()
                    .map(|event| (name.to_owned(), event.message().unwrap_or_default().to_owned())),
            );
        }
    }
    out
}

/// Returns the files that the deployer and the local cloud have written beside the stack file, but for the uploaded
/// files themselves.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            // This is the local bucket.
            true if path.ends_with("data/s3") => {}
            true => out.extend(files(&path)),
            // A pipe or socket can't be read to its end.
            false if path.is_file() => {
                let bytes = std::fs::read(&path).expect("a file");
                out.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
            false => {}
        }
    }
    out
}

/// Fails if one of the texts holds the secret, and if none holds the text beside it (if one must).
fn hold_no_secret(what: &str, texts: &[(String, String)], control: bool) {
    for (place, text) in texts {
        assert!(!text.contains(SECRET), "{what} {place}: {}", text.chars().take(2_000).collect::<String>());
    }
    let found = texts.iter().any(|(_, text)| text.contains(CONTROL));
    assert!(found || !control, "{what}: nothing was seen at all, in {} texts", texts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_value_is_seen_nowhere_but_in_the_file_and_the_table() {
    let proxy = Proxy::before_nothing();
    let cloud = Cloud::start_behind(&stack("decrypted"), &proxy.url);
    proxy.pass_on_to(&cloud.endpoint);
    let down = Arc::new(AtomicBool::new(false));
    let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    {
        let (down, seen) = (Arc::clone(&down), Arc::clone(&seen));
        proxy.decide(move |call, _| {
            seen.lock().expect("lock").push((call.name(), call.input.to_string()));
            match call.name().as_str() {
                "KMS.Decrypt" if down.load(Ordering::SeqCst) => Fate::Refused(400, "DisabledException"),
                _ => Fate::Through,
            }
        });
    }
    let mut printed = vec![cloud.ok(&["synth", "local"]), cloud.ok(&["deploy", "local", "-y"])];

    // The rows are good ones, one too short, one without its id, and one whose secret is empty.
    let mut text = "ID,HouseNum,Street,Town,Zip\n".to_owned();
    for row in 1..=20 {
        text += &format!("r{row},{row},{CONTROL} {row},\"{SECRET}, town {row}\",{SECRET}-zip-{row}\n");
    }
    text += &format!("short,{SECRET}\n,1,{CONTROL},{SECRET},{SECRET}\nempty,1,{CONTROL},{SECRET},\n");
    cloud.write("rows.csv", text.as_bytes());
    let (outcome, log) = cloud.json_failing(&["upload", "rows.csv", "--wait", "--timeout", "3m"], 7);
    assert_eq!((&outcome["loaded"], &outcome["failed"]), (&20.into(), &3.into()), "{outcome} {log}");
    printed.push((outcome.to_string(), log));
    // The output for people shows items, without their sensitive values unless these are asked for.
    let again = cloud.run(&["upload", "rows.csv", "--key", "again.csv", "--wait", "--timeout", "3m"]);
    let (shown, told) = (String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
    assert!(shown.contains("r1 ") && shown.contains("(sensitive)"), "{shown}{told}");
    assert!(told.contains("row 21: row-length: row 21 has 2 fields"), "{told}");
    printed.push((shown.into_owned(), told.into_owned()));
    for command in [&["items"][..], &["items", "rows.csv", "--rows", "30"]] {
        let (shown, log) = cloud.ok(command);
        assert!(shown.contains("(sensitive)") && shown.contains(CONTROL), "{shown}{log}");
        printed.push((shown, log));
        let (asked, log) = cloud.ok(&[command, &["--show-sensitive"]].concat());
        assert!(asked.contains(SECRET), "{asked}{log}");
    }
    let page = crate::console::texts(&cloud, "rows.csv", &[]).await;
    assert!(page.iter().any(|text| text.contains("(sensitive)") && text.contains(CONTROL)), "{page:?}");
    printed.extend(page.into_iter().map(|text| (text, String::new())));
    let page = crate::console::texts(&cloud, "rows.csv", &["--show-sensitive"]).await;
    assert!(page.iter().any(|text| text.contains(SECRET)), "{page:?}");
    let items = cloud.items().await;
    assert_eq!(items.len(), 20);
    for row in 1..=20 {
        let item = &items[&format!("r{row}")];
        assert_eq!(item["town"], format!("{SECRET}, town {row}"));
        assert_eq!(item["zip"], format!("{SECRET}-zip-{row}"));
    }

    // Without KMS nothing can be decrypted: the row waits among the dead letters, as it came.
    down.store(true, Ordering::SeqCst);
    cloud.write(
        "later.csv",
        format!("ID,HouseNum,Street,Town,Zip\nlater,1,{CONTROL},{SECRET},{SECRET}\n").as_bytes(),
    );
    let (outcome, log) = cloud.json_failing(&["upload", "later.csv", "--wait", "--timeout", "4m"], 7);
    let reason = outcome["failures"][0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("retries-exhausted"), "{reason} {log}");
    printed.push((outcome.to_string(), log));
    let deadline = Instant::now() + Duration::from_secs(60);
    while cloud.messages("LoadOnRecordTransformedBufferDeadLetters").await != 1 {
        assert!(Instant::now() < deadline, "no dead letter");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    for command in [
        &["logs", "observe", "--output", "json"][..],
        &["logs", "load"],
        &["logs", "transform"],
        &["logs", "extract"],
        &["events"],
        &["history"],
        &["tally", "later.csv", "--output", "json"],
    ] {
        let output = cloud.run(command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        printed.push((text(&output.stdout), text(&output.stderr)));
    }
    let printed: Vec<(String, String)> =
        printed.into_iter().map(|(out, err)| ("of the deployer".to_owned(), out + &err)).collect();
    hold_no_secret("output", &printed, false);
    let events = log_events(&cloud).await;
    assert!(events.len() > 50, "{} log events", events.len());
    hold_no_secret("log group", &events, false);
    let written: Vec<(String, String)> = std::mem::take(&mut *seen.lock().expect("lock"));
    assert!(written.iter().any(|(name, _)| name == "KMS.GenerateDataKey"), "the task asked for no key");
    // The one call that may hold the secret is the one in which `load` writes into the table.
    let (into_table, others): (Vec<_>, Vec<_>) =
        written.into_iter().partition(|(name, _)| name == "DynamoDB.BatchWriteItem");
    assert!(into_table.iter().any(|(_, input)| input.contains(SECRET)), "the proxy sees nothing");
    hold_no_secret("call", &others, true);
    hold_no_secret("file", &files(&cloud.folder().join(".deployer")), false);

    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let dead = cloud.queue_url("LoadOnRecordTransformedBufferDeadLetters").await;
    let peeked =
        sqs.receive_message().queue_url(dead).visibility_timeout(0).send().await.expect("ReceiveMessage");
    let peeked: Vec<(String, String)> = peeked
        .messages()
        .iter()
        .map(|one| ("dead".to_owned(), one.body().unwrap_or_default().to_owned()))
        .collect();
    hold_no_secret("queue", &peeked, true);

    // The rows that failed come back without what is sensitive, whatever is wrong with them.
    let rejects = crate::results::object(&cloud, "rejects/rows.csv.csv", |_| true).await;
    assert_eq!(rejects.lines().count(), 4, "{rejects}");
    hold_no_secret("file", &[("of rejected rows".to_owned(), rejects)], true);

    // Once KMS is back, the row arrives.
    down.store(false, Ordering::SeqCst);
    cloud.json(&["replay", "--dead-letters", "load", "-y"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while cloud.items().await.get("later").is_none_or(|item| item["town"] != SECRET) {
        assert!(Instant::now() < deadline, "the dead letter did not become an item");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    // This comes last, since it takes all messages away: copies of all events, errors, and dead letters.
    let messages = messages(&cloud).await;
    assert!(messages.iter().any(|(queue, _)| queue.contains("Copies")), "no event was copied");
    hold_no_secret("queue", &messages, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn sensitive_values_may_stay_encrypted_in_the_table() {
    let cloud = Cloud::start(&stack("encrypted"));
    cloud.json(&["deploy", "local", "-y"]);
    cloud.write(
        "rows.csv",
        format!("ID,HouseNum,Street,Town,Zip\nr1,1,{CONTROL},{SECRET},{SECRET}\n").as_bytes(),
    );
    cloud.json(&["upload", "rows.csv", "--wait", "--timeout", "3m"]);
    for more in [&[][..], &["--show-sensitive"]] {
        let compared = cloud.json(&[&["items", "rows.csv"], more].concat());
        assert_eq!(compared["rows"][0]["state"], "same", "{compared}");
        assert!(!compared.to_string().contains(SECRET), "{compared}");
    }
    let items = cloud.items().await;
    let item = &items["r1"];
    assert!(!format!("{item:?}").contains(SECRET));
    assert_eq!(item["street_address"], CONTROL);
    assert_eq!(decrypted(&cloud, &item["town"], "Town").await, SECRET);
    assert_eq!(decrypted(&cloud, &item["zip"], "ZIP").await, SECRET);
}

/// Decrypts a value as `docs/encryption.md` describes, with nothing of the workers' own code.
async fn decrypted(cloud: &Cloud, stored: &str, column: &str) -> String {
    let parts: Vec<&str> = stored.splitn(6, ':').collect();
    let ["enc", "v1", data_key, object, record, sealed] = parts[..] else { panic!("{stored}") };
    let base64 = |text: &str| STANDARD.decode(text).expect("Base64");
    let kms = aws_sdk_kms::Client::new(&cloud.sdk().await);
    let answer = kms
        .decrypt()
        .ciphertext_blob(aws_sdk_kms::primitives::Blob::new(base64(data_key)))
        .encryption_context("deployer:object", object)
        .send()
        .await
        .expect("Decrypt");
    let key = UnboundKey::new(&AES_256_GCM, answer.plaintext().expect("a key").as_ref()).expect("32 bytes");
    let mut bytes = base64(sealed);
    let text = bytes.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).expect("12 bytes");
    let mut place = Vec::new();
    for part in [object, record, column] {
        place.extend((part.len() as u64).to_be_bytes());
        place.extend(part.as_bytes());
    }
    let mut text = text;
    let plain = LessSafeKey::new(key).open_in_place(nonce, Aad::from(place), &mut text).expect("opened");
    String::from_utf8(plain.to_vec()).expect("a text")
}
