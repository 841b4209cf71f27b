//! A server that answers as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use client::{Client, Credentials};

/// A request that has arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and target: `GET /b/k?versionId=v`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The connection that it came by, counted from 0.
    pub(crate) connection: usize,
}

/// The answer to one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The connection is closed without an answer.
    Nothing,
    /// These bytes, and then the connection is closed.
    Cut(Vec<u8>),
}

/// Returns an answer with a body, after which another attempt needs no pause.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!(
            "HTTP/1.1 {status} S\r\nx-amz-retry-after: 1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts a server that gives these answers one after the other, and then the last one again.
    pub(crate) fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answers, known) = (answers.to_vec(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, known, answers) =
                    (stream.expect("a connection"), Arc::clone(&known), answers.clone());
                std::thread::spawn(move || serve(stream, number, &known, &answers));
            }
        });
        Self { url, seen }
    }

    /// Returns the requests so far, and forgets them: the answers begin anew.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("lock"))
    }

    pub(crate) fn client(&self) -> Client {
        Client::at(&self.url, "eu-west-1", &Credentials::new("id", "secret", Some("token".into())))
            .expect("a client")
    }

    pub(crate) fn sdk(&self) -> SdkConfig {
        let credentials =
            aws_credential_types::Credentials::new("id", "secret", Some("token".into()), None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(&self.url)
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard())
            .build()
    }
}

fn serve(stream: TcpStream, connection: usize, known: &Mutex<Vec<Seen>>, answers: &[Answer]) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).expect("a header");
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let number = {
            let mut known = known.lock().expect("lock");
            known.push(Seen { line, headers, body, connection });
            known.len() - 1
        };
        match answers.get(number).or_else(|| answers.last()).expect("an answer") {
            Answer::Bytes(bytes) => writer.write_all(bytes).expect("written"),
            Answer::Nothing => return,
            Answer::Cut(bytes) => return writer.write_all(bytes).expect("written"),
        }
    }
}
