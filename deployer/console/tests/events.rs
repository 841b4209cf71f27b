//! The events of tabs.

use std::time::Duration;

use deployer_console::model::{FileRow, Rates};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::played::{Client, run};

/// A tab that reads events.
struct Tab {
    stream: TcpStream,
    text: String,
}

impl Tab {
    async fn open(client: &Client) -> Self {
        let mut stream = client.connect().await;
        let request =
            format!("GET /api/events HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n", client.host(), client.cookie());
        stream.write_all(request.as_bytes()).await.expect("sent");
        Self { stream, text: String::new() }
    }

    /// Returns the next event: its name, its number and its document.
    async fn next(&mut self) -> (String, u64, Value) {
        loop {
            if let Some(at) = self.text.find("event: ")
                && let Some(end) = self.text[at..].find("\n\n")
            {
                let event = self.text[at..at + end].to_owned();
                self.text.drain(..at + end + 2);
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&field("data: ")).expect("a document");
                return (field("event: "), field("id: ").parse().expect("a number"), data);
            }
            let mut buffer = vec![0; 65_536];
            let read = timeout(Duration::from_secs(20), self.stream.read(&mut buffer)).await;
            let read = read.expect("an event in time").expect("readable");
            assert!(read > 0, "the stream has ended: {}", self.text);
            // The sizes of chunks are lines of their own between the events.
            self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}

fn rates(rate: f64) -> Rates {
    Rates { rows_per_second: Some(rate), history: vec![rate] }
}

#[tokio::test]
async fn two_tabs_show_the_same() {
    run(async |client| {
        let (mut one, mut two) = (Tab::open(&client).await, Tab::open(&client).await);
        assert_eq!(one.next().await.0, "state");
        assert_eq!(two.next().await.0, "state");
        assert_eq!(client.hub.tabs(), 2);
        client.hub.set_rates(rates(7.0));
        for tab in [&mut one, &mut two] {
            let (event, number, change) = tab.next().await;
            assert_eq!((event.as_str(), number), ("change", 2));
            assert_eq!(change, serde_json::json!({ "rates": { "rowsPerSecond": 7.0, "history": [7.0] } }));
        }
        drop(one);
        let until = Instant::now() + Duration::from_secs(20);
        while client.hub.tabs() != 1 {
            // The server sees that a tab is gone when it writes to it.
            client.hub.set_rates(rates(Instant::now().elapsed().as_secs_f64()));
            assert!(Instant::now() < until, "a closed tab is still counted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_tab_gets_ten_changes_a_second_at_most_and_always_the_last() {
    run(async |client| {
        let mut tab = Tab::open(&client).await;
        tab.next().await;
        const LAST: f64 = -1.0;
        let begun = Instant::now();
        let changing = async {
            let mut rate = 0.0;
            while begun.elapsed() < Duration::from_secs(2) {
                rate += 1.0;
                client.hub.set_rates(rates(rate));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            client.hub.set_rates(rates(LAST));
        };
        let reading = async {
            let mut seen = 1;
            while tab.next().await.2["rates"]["rowsPerSecond"] != LAST {
                seen += 1;
            }
            (seen, begun.elapsed())
        };
        let ((), (seen, took)) = tokio::join!(changing, reading);
        // However slow the machine is, no two of them are closer.
        assert!(seen > 2 && seen <= took.as_millis() / 100 + 2, "{seen} changes in {took:?}");
    })
    .await;
}

#[tokio::test]
async fn a_tab_that_does_not_read_holds_nobody_up() {
    run(async |client| {
        let slow = Tab::open(&client).await;
        let mut quick = Tab::open(&client).await;
        quick.next().await;
        let row = |id: usize, loaded: u64| FileRow {
            id: format!("{id:032}"),
            key: "k".repeat(200),
            loaded,
            ..FileRow::default()
        };
        // Some megabytes for each tab: more than the kernel keeps for a reader.
        let mut last = 0;
        for loaded in 1..=40 {
            client.hub.set_files(1_000, (0..1_000).map(|id| row(id, loaded)).collect());
            let (_, number, change) = quick.next().await;
            assert!(number > last, "{number}");
            last = number;
            assert_eq!(change["files"]["upsert"].as_array().map(Vec::len), Some(1_000));
        }
        // It has missed the changes between, and gets what is different now.
        let mut slow = slow;
        let mut numbers = Vec::new();
        while numbers.last() != Some(&last) {
            numbers.push(slow.next().await.1);
        }
        assert!(numbers.len() < 40, "everything was kept for it: {numbers:?}");
    })
    .await;
}

#[tokio::test]
async fn there_is_an_end_to_the_number_of_tabs() {
    run(async |client| {
        let mut tabs = Vec::new();
        for _ in 0..32 {
            let mut tab = Tab::open(&client).await;
            tab.next().await;
            tabs.push(tab);
        }
        let refused = client.get("/api/events").await;
        assert_eq!((refused.status, refused.error()), (503, "too many tabs are open".to_owned()));
        assert_eq!(client.get("/api/state").await.status, 200);
    })
    .await;
}
