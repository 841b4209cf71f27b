//! A server with a backend that plays a stack, and a client that writes each byte itself.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use deployer_console::backend::{Backend, Cause, Download, Failed, Result, Upload};
use deployer_console::hub::Hub;
use deployer_console::model::{
    Drift, FileDetail, FileRow, Items, Plan, ReplayRequest, Replayed, Resource, RowChoice, RowWay, StackInfo,
    State, Uploaded, Written,
};
use deployer_console::server::{Settings, Token, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Time after which an answer is missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A backend that notes what it was asked.
#[derive(Debug, Default)]
pub struct Played {
    pub asked: RefCell<Vec<String>>,
    /// Bytes that were uploaded.
    pub uploaded: RefCell<Vec<u8>>,
    /// `true` if an upload is refused before it is read.
    pub refuses: bool,
}

impl Played {
    fn note(&self, what: impl Into<String>) {
        self.asked.borrow_mut().push(what.into());
    }
}

impl Backend for Played {
    async fn resource(&self, name: &str) -> Result<Resource> {
        self.note(format!("resource {name}"));
        match name {
            "gone" => Err(Failed::new(Cause::Absent, "there is no `gone`").hint("name another")),
            "denied" => Err(Failed::new(Cause::Denied, "sqs:GetQueueAttributes is denied")),
            "broken" => Err(Failed::new(Cause::Service, "SQS does not answer")),
            _ => Ok(Resource { name: name.to_owned(), ..Resource::default() }),
        }
    }

    async fn file(&self, id: &str) -> Result<FileDetail> {
        self.note(format!("file {id}"));
        let row = FileRow { id: id.to_owned(), key: "<b>.csv".to_owned(), ..FileRow::default() };
        Ok(FileDetail { row, ..FileDetail::default() })
    }

    async fn items(&self, id: &str, limit: u32) -> Result<Items> {
        self.note(format!("items {id} {limit}"));
        Ok(Items::default())
    }

    async fn row(&self, id: &str, row: RowChoice) -> Result<RowWay> {
        self.note(format!("row {id} {row:?}"));
        Ok(RowWay::default())
    }

    async fn download(&self, id: &str, which: Written) -> Result<Download> {
        self.note(format!("download {id} {which:?}"));
        let (pieces, body) = mpsc::channel(1);
        tokio::spawn(async move {
            for piece in ["a,b\n", "1,2\n"] {
                let _ = pieces.send(Ok(Bytes::from(piece))).await;
            }
        });
        Ok(Download { name: "r\"\r\né.csv".to_owned(), size: Some(8), body })
    }

    async fn plan(&self) -> Result<Plan> {
        self.note("plan");
        Ok(Plan::default())
    }

    async fn drift(&self) -> Result<Option<Drift>> {
        self.note("drift");
        Ok((self.asked.borrow().len() > 1).then(Drift::default))
    }

    async fn upload(&self, mut upload: Upload) -> Result<Uploaded> {
        self.note(format!("upload {:?} {} {}", upload.bucket, upload.key, upload.size));
        if self.refuses {
            return Err(Failed::new(Cause::Request, "the key matches no `notify`"));
        }
        while let Some(piece) = upload.body.recv().await {
            let piece = piece.map_err(|error| Failed::new(Cause::Request, error.to_string()))?;
            self.uploaded.borrow_mut().extend_from_slice(&piece);
        }
        Ok(Uploaded { key: upload.key, ..Uploaded::default() })
    }

    async fn replay(&self, request: ReplayRequest) -> Result<Replayed> {
        self.note(format!("replay {} {:?}", request.id, request.which));
        Ok(Replayed { replay: Some("now".to_owned()), rows: 3 })
    }
}

/// A client of a server.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: String,
    pub hub: Hub,
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Returns the values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Returns the text of its error.
    pub fn error(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["text"].as_str().unwrap_or_default().to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Serves `backend` while `test` runs.
pub async fn with<T>(read_only: bool, backend: &Played, test: impl AsyncFnOnce(Client) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = Settings { token: Token::random().expect("random bytes"), read_only };
    let hub = Hub::new(State::new(StackInfo::default(), "2026-11-30T00:00:00Z"));
    let client = Client { address, token: settings.token.text().to_owned(), hub: hub.clone() };
    tokio::select! {
        served = serve(listener, settings, hub, backend) => panic!("the server has ended: {served:?}"),
        done = test(client) => done,
    }
}

/// Serves a backend that nobody looks at.
pub async fn run<T>(test: impl AsyncFnOnce(Client) -> T) -> T {
    with(false, &Played::default(), test).await
}

impl Client {
    /// Returns the value of `Host`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the header of the cookie.
    pub fn cookie(&self) -> String {
        format!("Cookie: deployer-console-{}={}", self.address.port(), self.token)
    }

    /// Opens a connection.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends bytes, and returns whatever comes until the server closes the connection.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may answer before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("an answer in time");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a request with these header lines as well, and returns its answer.
    pub async fn send(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        for header in headers {
            head.push_str(&format!("{header}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let text = self.raw(format!("{head}\r\n{body}").as_bytes()).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{line}: no answer: {text}"));
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_owned() };
        Answer { status, head: head.to_owned(), body }
    }

    /// Sends a request as the page does.
    pub async fn get(&self, path: &str) -> Answer {
        let host = format!("Host: {}", self.host());
        self.send(&format!("GET {path}"), &[&host, &self.cookie(), "Sec-Fetch-Site: same-origin"], "").await
    }

    /// Sends an action as the page does.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        let (host, origin) = (format!("Host: {}", self.host()), format!("Origin: http://{}", self.host()));
        self.send(&format!("POST {path}"), &[&host, &origin, &self.cookie(), "X-Console: 1"], body).await
    }
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut out) = (body, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        out.push_str(&more[..size]);
        rest = more[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    out
}
