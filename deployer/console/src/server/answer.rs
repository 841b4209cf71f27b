//! Answers: documents, refusals and pages, each with the headers that keep a page to itself.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::backend::{Cause, Failed};

/// What a page may load: its own files, and nothing that is written in its HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the headers of every answer.
pub fn protect(response: &mut Response<Body>) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Returns an answer of one type.
pub fn of_type(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Returns a document.
pub fn document(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    // Nothing in a document can fail to become JSON.
    let text = serde_json::to_string(document).unwrap_or_default();
    of_type(status, "application/json", text)
}

/// Returns an error as a document.
pub fn error(status: StatusCode, text: &str, hint: Option<&str>) -> Response<Body> {
    document(status, &json!({ "error": { "text": text, "hint": hint } }))
}

/// Returns the failure of a request to the backend.
pub fn failed(failed: &Failed) -> Response<Body> {
    let status = match failed.cause {
        Cause::Request => StatusCode::BAD_REQUEST,
        Cause::Absent => StatusCode::NOT_FOUND,
        Cause::Conflict => StatusCode::CONFLICT,
        Cause::Denied => StatusCode::FORBIDDEN,
        Cause::Service => StatusCode::BAD_GATEWAY,
    };
    error(status, &failed.text, failed.hint.as_deref())
}

/// Returns the document of a request to the backend, or its failure.
pub fn of(result: Result<impl Serialize, Failed>) -> Response<Body> {
    match result {
        Ok(found) => document(StatusCode::OK, &found),
        Err(error) => failed(&error),
    }
}
