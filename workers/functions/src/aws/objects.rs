//! [`Objects`] by S3.

use client::Client;
use contract::{Location, ObjectRef};
use runtime::s3::{self, ObjectError};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::located::Objects;

/// Objects of all buckets that the function may read. A server that sends more than was requested takes time, and no
/// memory.
#[derive(Debug)]
pub struct S3(pub(super) Client);

impl S3 {
    /// Creates a reader by `client`.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self(client)
    }
}

impl Objects for S3 {
    async fn read(&self, object: &ObjectRef, location: &Location) -> Result<Vec<u8>, ObjectError> {
        let range = location.from..location.to;
        let answer = match s3::get(&self.0, object, s3::if_match(object, None), range).await {
            Ok(answer) => answer,
            // The object ends before.
            Err(error) if error.code() == "InvalidRange" => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let Some(known) = answer.from.and_then(|from| location.from.checked_sub(from)) else {
            return Err(ObjectError::transient("WrongRange"));
        };
        let bytes = take(answer.body, known, location.length()).await?;
        let complete =
            bytes.len() as u64 == location.length() || answer.length.is_some_and(|end| end < location.to);
        if complete { Ok(bytes) } else { Err(ObjectError::transient("BodyTooShort")) }
    }
}

/// Reads the `length` bytes of a body after `known` others, which were not requested and are not kept.
async fn take(mut body: impl AsyncRead + Unpin, known: u64, length: u64) -> Result<Vec<u8>, ObjectError> {
    let broken = |error: std::io::Error| ObjectError::broken(&error);
    tokio::io::copy(&mut (&mut body).take(known), &mut tokio::io::sink()).await.map_err(broken)?;
    let room = usize::try_from(length).map_err(|_| ObjectError::transient("TooLarge"))?;
    // One more, since a vector that is full grows before it sees that there is no more.
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    body.take(length).read_to_end(&mut bytes).await.map_err(broken)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use contract::environment::Variables;
    use contract::settings::Character;

    use super::*;

    fn object(version: Option<&str>, etag: Option<&str>) -> ObjectRef {
        ObjectRef {
            bucket: "b".into(),
            key: "a b.csv".into(),
            version: version.map(Into::into),
            etag: etag.map(Into::into),
            uploaded: None,
            replay: None,
        }
    }

    fn location(from: u64, to: u64) -> Location {
        Location {
            from,
            to,
            delimiter: Character::COMMA,
            quote: Character::QUOTE,
            escape: None,
            trailing: false,
            pad: false,
            encoding: None,
        }
    }

    /// Returns the result of an answer by a server, and the request that it has received.
    async fn exchange(
        object: &ObjectRef,
        location: Location,
        answer: String,
    ) -> (Result<Vec<u8>, ObjectError>, String) {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let seen = std::thread::spawn(move || {
            let (mut connection, _) = server.accept().expect("a connection");
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = connection.read(&mut piece).expect("a request");
                request.extend_from_slice(&piece[..read]);
            }
            // The client may have gone as soon as it has all that it needs.
            let _ = connection.write_all(answer.as_bytes());
            String::from_utf8(request).expect("text")
        });
        let client = Client::from_environment(&Variables::new(|name: &str| {
            Some(match name {
                "AWS_REGION" => "eu-west-1".to_owned(),
                "AWS_ENDPOINT_URL" => format!("http://{address}"),
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "a".to_owned(),
                "AWS_MAX_ATTEMPTS" => "1".to_owned(),
                _ => return None,
            })
        }))
        .expect("a client");
        let result = S3::new(client).read(object, &location).await;
        (result, seen.join().expect("the server"))
    }

    fn part(range: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    #[tokio::test]
    async fn the_version_that_was_announced_is_asked_for_and_no_other_byte() {
        let (read, request) = exchange(&object(None, Some("e")), location(2, 5), part("2-4/9", "abc")).await;
        assert_eq!(read, Ok(b"abc".to_vec()));
        let request = request.to_ascii_lowercase();
        assert!(request.starts_with("get /b/a%20b.csv"), "{request}");
        assert!(request.contains("\r\nrange: bytes=2-4\r\n") && request.contains("\r\nif-match: \"e\"\r\n"));
        let (_, request) =
            exchange(&object(Some("v1"), Some("e")), location(2, 5), part("2-4/9", "abc")).await;
        assert!(request.contains("versionId=v1") && !request.to_ascii_lowercase().contains("if-match"));
    }

    #[tokio::test]
    async fn an_answer_that_is_another_is_no_row() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef".to_owned();
        for (location, answer, expected) in [
            // More than was requested.
            (location(2, 5), part("2-7/9", "abcdef"), Ok(b"abc".to_vec())),
            (location(0, 3), whole.clone(), Ok(b"abc".to_vec())),
            (location(2, 5), whole, Ok(b"cde".to_vec())),
            (location(2, 5), part("1-5/9", "abcde"), Ok(b"bcd".to_vec())),
            (location(2, 5), part("3-5/9", "abc"), Err(ObjectError::transient("WrongRange"))),
            (location(2, 5), part("what", "abc"), Err(ObjectError::transient("WrongRange"))),
            (location(2, 5), part("2-3/9", "ab"), Err(ObjectError::transient("BodyTooShort"))),
            // The object ends there.
            (location(2, 5), part("2-3/4", "ab"), Ok(b"ab".to_vec())),
        ] {
            let (read, _) = exchange(&object(None, None), location, answer.clone()).await;
            assert_eq!(read, expected, "{answer}");
        }
        let cut = part("2-4/9", "abc").replace("Content-Length: 3", "Content-Length: 3\r\nX: y");
        let (read, _) = exchange(&object(None, None), location(2, 5), cut[..cut.len() - 1].to_owned()).await;
        assert!(matches!(read, Err(ObjectError::Transient { .. })), "{read:?}");
    }

    #[tokio::test]
    async fn an_error_is_final_when_it_says_something_of_the_object() {
        let unreadable = |code: &str| Err(ObjectError::Unreadable { code: code.into() });
        for (status, code, expected) in [
            (403, "AccessDenied", unreadable("AccessDenied")),
            (404, "NoSuchKey", unreadable("NoSuchKey")),
            (412, "PreconditionFailed", unreadable("PreconditionFailed")),
            (416, "InvalidRange", Ok(Vec::new())),
            (503, "SlowDown", Err(ObjectError::transient("SlowDown"))),
            (500, "InternalError", Err(ObjectError::transient("InternalError"))),
        ] {
            let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\n\r\n{body}");
            let (read, _) = exchange(&object(None, None), location(2, 5), answer).await;
            assert_eq!(read, expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_body_without_end_is_read_no_further() {
        assert_eq!(take(tokio::io::repeat(b'x'), 100_000, 5).await, Ok(b"xxxxx".to_vec()));
    }
}
