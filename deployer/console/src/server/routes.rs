//! The requests of the protocol, and the files of the page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HeaderValue};
use axum::http::{Response, StatusCode, Uri};
use bytes::Bytes;
use futures::StreamExt as _;
use include_dir::{Dir, include_dir};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::guard::parameter;
use super::{App, answer};
use crate::backend::{Cause, Download, Failed, Upload};
use crate::jobs::Job;
use crate::model::{ReplayRequest, RowChoice, Written};

/// The page.
static PAGE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/page");

/// Largest object of one upload: Amazon S3 User Guide, "Uploading objects".
const MAX_UPLOAD: u64 = 5 * 1024 * 1024 * 1024;
/// Longest key of an object in bytes: Amazon S3 User Guide, "Naming Amazon S3 objects".
const MAX_KEY: usize = 1_024;
/// Largest body of an action that is a document.
const MAX_BODY: usize = 16 * 1024;
/// Time limit for such a body, and for the rest of an upload that was refused.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Time limit for the next piece of an upload.
const PIECE_WITHIN: Duration = Duration::from_secs(60);
/// Pieces of a body that wait.
const PIECES: usize = 8;
/// Rows of one answer about items: the least, that of a request without a number, and the most.
const ROWS: (u32, u32, u32) = (1, 20, 200);

type Answer = Response<Body>;

/// Returns a parameter, or the refusal of a request without it.
fn needed(uri: &Uri, name: &str) -> Result<String, Box<Answer>> {
    parameter(uri, name).filter(|value| !value.is_empty()).ok_or_else(|| {
        let text = format!("the parameter `{name}` is missing");
        Box::new(answer::error(StatusCode::BAD_REQUEST, &text, None))
    })
}

/// Answers `GET /api/state`: the whole state, for scripts.
pub async fn state(State(app): State<Arc<App>>) -> Answer {
    answer::document(StatusCode::OK, &app.hub.state())
}

/// Answers `GET /api/resource`.
pub async fn resource(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    match needed(&uri, "name") {
        Ok(name) => answer::of(app.jobs.ask(|reply| Job::Resource(name, reply)).await),
        Err(refusal) => *refusal,
    }
}

/// Answers `GET /api/file`.
pub async fn file(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    match needed(&uri, "id") {
        Ok(id) => answer::of(app.jobs.ask(|reply| Job::File(id, reply)).await),
        Err(refusal) => *refusal,
    }
}

/// Answers `GET /api/items`.
pub async fn items(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let id = match needed(&uri, "id") {
        Ok(id) => id,
        Err(refusal) => return *refusal,
    };
    let (least, usual, most) = ROWS;
    let limit = match parameter(&uri, "limit").map(|limit| limit.parse::<u32>()) {
        None => usual,
        Some(Ok(limit)) if (least..=most).contains(&limit) => limit,
        Some(_) => {
            let text = format!("`limit` is not a number between {least} and {most}");
            return answer::error(StatusCode::BAD_REQUEST, &text, None);
        }
    };
    answer::of(app.jobs.ask(|reply| Job::Items(id, limit, reply)).await)
}

/// Answers `GET /api/row`.
pub async fn row(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let choice = match (parameter(&uri, "row"), parameter(&uri, "rowId")) {
        (Some(row), None) => row.parse().ok().filter(|row| *row > 0).map(RowChoice::Number),
        (None, Some(id)) => Some(RowChoice::Id(id)),
        _ => None,
    };
    let Some(choice) = choice else {
        let text = "expected the number of a row, from 1, as `row`, or its ID as `rowId`";
        return answer::error(StatusCode::BAD_REQUEST, text, None);
    };
    // An ID names its file.
    let id = match (&choice, needed(&uri, "id")) {
        (_, Ok(id)) => id,
        (RowChoice::Id(_), Err(_)) => String::new(),
        (RowChoice::Number(_), Err(refusal)) => return *refusal,
    };
    answer::of(app.jobs.ask(|reply| Job::Row(id, choice, reply)).await)
}

/// Answers `GET /api/download`.
pub async fn download(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let id = match needed(&uri, "id") {
        Ok(id) => id,
        Err(refusal) => return *refusal,
    };
    let which = match parameter(&uri, "which").as_deref() {
        Some("rejects") => Written::Rejects,
        Some("results") => Written::Results,
        _ => return answer::error(StatusCode::BAD_REQUEST, "`which` is `rejects` or `results`", None),
    };
    let Download { name, size, body } = match app.jobs.ask(|reply| Job::Download(id, which, reply)).await {
        Ok(download) => download,
        Err(failed) => return answer::failed(&failed),
    };
    let pieces = futures::stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    let mut response = answer::of_type(StatusCode::OK, "application/octet-stream", Body::from_stream(pieces));
    if let Ok(value) = HeaderValue::from_str(&disposition(&name)) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    if let Some(size) = size {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
    }
    response
}

/// Returns the header that makes an answer a file of this name: RFC 6266, with the name as in RFC 8187.
fn disposition(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let simple: String = name
        .chars()
        .map(|letter| if letter.is_ascii() && is_plain(letter as u8) { letter } else { '_' })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("attachment; filename=\"{simple}\"; filename*=UTF-8''{encoded}")
}

/// Answers `GET /api/plan`.
pub async fn plan(State(app): State<Arc<App>>) -> Answer {
    answer::of(app.jobs.ask(Job::Plan).await)
}

/// Answers `GET /api/drift`: 202 while it is being detected.
pub async fn drift(State(app): State<Arc<App>>) -> Answer {
    match app.jobs.ask(Job::Drift).await {
        Ok(Some(drift)) => answer::document(StatusCode::OK, &drift),
        Ok(None) => answer::of_type(StatusCode::ACCEPTED, "application/json", "{}"),
        Err(failed) => answer::failed(&failed),
    }
}

/// Answers `POST /api/upload`.
pub async fn upload(State(app): State<Arc<App>>, request: Request) -> Answer {
    let uri = request.uri();
    let key = match needed(uri, "key") {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    if key.len() > MAX_KEY {
        let text = format!("the key has {} bytes, and S3 takes {MAX_KEY} at most", key.len());
        return answer::error(StatusCode::BAD_REQUEST, &text, None);
    }
    let size = request.headers().get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    let Some(size) = size else {
        let text = "the size of the file is missing";
        return answer::error(StatusCode::LENGTH_REQUIRED, text, Some("send `Content-Length`"));
    };
    if size > MAX_UPLOAD {
        let hint = Some("split the file, or upload it with `aws s3 cp`, which sends parts");
        return answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the file is larger than 5 GiB", hint);
    }
    let bucket = parameter(uri, "bucket").filter(|bucket| !bucket.is_empty());
    // The semaphore is never closed.
    let _place = app.uploads.acquire().await;
    let (pieces, body) = mpsc::channel(PIECES);
    let pump = pump(request.into_body(), pieces);
    let upload = Upload { bucket, key, size, body };
    let (done, ()) = tokio::join!(app.jobs.ask(|reply| Job::Upload(upload, reply)), pump);
    answer::of(done)
}

/// Passes a body on, as fast as it is taken. If it is refused, the rest is read as well, for a while: a browser that is still
/// sending would not see the answer.
async fn pump(body: Body, pieces: mpsc::Sender<std::io::Result<Bytes>>) {
    let mut body = body.into_data_stream();
    let failed = |text: String| Err(std::io::Error::other(text));
    loop {
        let piece = match timeout(PIECE_WITHIN, body.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(piece))) => Ok(piece),
            Ok(Some(Err(error))) => failed(format!("the upload has broken off: {error}")),
            Err(_) => failed("the upload has stopped".to_owned()),
        };
        let is_end = piece.is_err();
        if pieces.send(piece).await.is_err() {
            break;
        }
        if is_end {
            return;
        }
    }
    let until = Instant::now() + BODY_WITHIN;
    while let Ok(Some(Ok(_))) = timeout_at(until, body.next()).await {}
}

/// Answers `POST /api/replay`.
pub async fn replay(State(app): State<Arc<App>>, request: Request) -> Answer {
    let body = match timeout(BODY_WITHIN, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("the body is not complete, or has more than {MAX_BODY} bytes");
            return answer::error(StatusCode::PAYLOAD_TOO_LARGE, &text, None);
        }
        Err(_) => return answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time", None),
    };
    let request = match serde_json::from_slice::<ReplayRequest>(&body) {
        Ok(request) => request,
        Err(error) => {
            let failed = Failed::new(Cause::Request, format!("the body is not a request: {error}"))
                .hint(r#"expected {"id": …, "which": "failed" or "missing"}"#);
            return answer::failed(&failed);
        }
    };
    answer::of(app.jobs.ask(|reply| Job::Replay(request, reply)).await)
}

/// Answers a request with a method that its path does not have.
pub async fn wrong_method() -> Answer {
    answer::error(StatusCode::METHOD_NOT_ALLOWED, "the path does not have this method", None)
}

/// Answers with a file of the page. Only the files that are embedded exist.
pub async fn page(uri: Uri) -> Answer {
    let name = match uri.path() {
        "/" => "index.html",
        path => path.strip_prefix('/').unwrap_or(path),
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => return absent(),
    };
    PAGE.get_file(name).map_or_else(absent, |file| answer::of_type(StatusCode::OK, kind, file.contents()))
}

fn absent() -> Answer {
    answer::error(StatusCode::NOT_FOUND, "there is nothing at this path", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_whatever_is_in_it() {
        assert_eq!(
            disposition("orders-1.csv"),
            "attachment; filename=\"orders-1.csv\"; filename*=UTF-8''orders-1.csv"
        );
        let odd = disposition("a\"\r\nSet-Cookie: x=1; é/..\\.csv");
        assert_eq!(
            odd,
            "attachment; filename=\"a___Set-Cookie__x_1____.._.csv\"; \
             filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3D1%3B%20%C3%A9%2F..%5C.csv"
        );
        assert!(HeaderValue::from_str(&odd).is_ok());
    }
}
