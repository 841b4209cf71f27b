//! HTTP/1.1 as far as SDKs speak it: requests with a length or in chunks, on connections that are kept.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Bytes of a content that a conversation may ask for.
const MOST_TEXT: usize = 4_096;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method, such as `POST`.
    pub method: String,
    /// Path as it was sent, without the query.
    pub path: String,
    /// Names and values of the query, decoded.
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// The content, without the frame of chunks.
    pub body: Vec<u8>,
    /// The first line, the headers and the content as they came.
    pub raw: Vec<u8>,
}

impl Request {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the value of a part of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns method and path, for requests that have no other name.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns the content if it is a short text, without the frame in which S3 takes content with a checksum at its end: Amazon S3
    /// API Reference, "Signature calculation: transferring payload in multiple chunks".
    pub fn text(&self) -> Option<String> {
        if self.body.len() > MOST_TEXT {
            return None;
        }
        let encoding = self.header("content-encoding").unwrap_or_default();
        let mut rest = &self.body[..];
        let mut content = Vec::new();
        while encoding.contains("aws-chunked") {
            let end = rest.windows(2).position(|two| two == b"\r\n")?;
            let head = std::str::from_utf8(&rest[..end]).ok()?;
            let length = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
            if length == 0 {
                return String::from_utf8(content).ok();
            }
            content.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
            rest = rest.get(end + length + 4..)?;
        }
        std::str::from_utf8(rest).ok().map(str::to_owned)
    }

    /// Reads the next request of a connection; `None` at its end.
    pub async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Self>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => raw.push(byte),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && raw.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let head = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (first.next(), first.next()) else {
            return Err(Error::new(ErrorKind::InvalidData, head));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
            headers: headers.collect(),
            body: Vec::new(),
            raw,
        };
        // RFC 9110, section 10.1.1: the content comes when the server wants it.
        if request.header("expect").is_some_and(|what| what.eq_ignore_ascii_case("100-continue")) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if request.header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
            request.read_chunks(stream).await?;
        } else {
            let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            request.body = vec![0; length];
            stream.read_exact(&mut request.body).await?;
            request.raw.extend_from_slice(&request.body);
        }
        Ok(Some(request))
    }

    async fn read_chunks(&mut self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        loop {
            let start = self.raw.len();
            while !self.raw[start..].ends_with(b"\r\n") {
                self.raw.push(stream.read_u8().await?);
            }
            let line = String::from_utf8_lossy(&self.raw[start..]).into_owned();
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let length = length.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).await?;
            self.raw.extend_from_slice(&chunk);
            if length == 0 {
                return Ok(());
            }
            self.body.extend_from_slice(&chunk[..length]);
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Creates an answer with a content.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// Adds one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the answer. One to HEAD has no content.
    pub async fn send(&self, to: &Request, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        let mut out = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        let body: &[u8] = if to.method == "HEAD" { &[] } else { &self.body };
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            out.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        stream.write_all(&[out.as_bytes(), body].concat()).await?;
        stream.flush().await
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
