//! Reads of S3 objects by ranges of bytes.

use std::ops::Range;

use client::{Body, CallError, Client, Object};
use contract::{ContentRange, ObjectRef};

/// The reason why bytes of an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// The object is gone, replaced or forbidden; another attempt doesn't help.
    Unreadable {
        /// The service's error code.
        code: String,
    },
    /// The service or the way to it failed; another attempt may help.
    Transient {
        /// The service's error code, or the kind of failure.
        code: String,
    },
}

impl ObjectError {
    /// Creates the error of an answer after which another attempt may help.
    pub fn transient(code: impl Into<String>) -> Self {
        Self::Transient { code: code.into() }
    }

    /// Creates the error of a body that broke.
    #[must_use]
    pub fn broken(error: &std::io::Error) -> Self {
        Self::Transient { code: format!("Body{:?}", error.kind()) }
    }

    /// Returns the code of the error.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Unreadable { code } | Self::Transient { code } => code,
        }
    }
}

/// The answer to a request for a range of bytes. A server may ignore the range and send the whole object (RFC 9110, section
/// 14.2).
#[derive(Debug)]
pub struct Answer {
    /// The first byte of the body, if the answer names it.
    pub from: Option<u64>,
    /// The length of the whole object, if the answer names it.
    pub length: Option<u64>,
    /// The entity tag of the object.
    pub etag: Option<String>,
    /// The bytes.
    pub body: Body,
}

/// Returns the value of `If-Match` for an object. A version cannot change, so it needs none; anything else can be replaced
/// while it is read. `first` is the entity tag of an earlier answer, for an object that is named without one.
#[must_use]
pub fn if_match(object: &ObjectRef, first: Option<&String>) -> Option<String> {
    if object.version.is_some() {
        return None;
    }
    let etag = object.etag.as_ref().or(first)?;
    Some(format!("\"{}\"", etag.trim_matches('"')))
}

/// Requests the bytes of `range`, of the version that `object` names.
///
/// # Errors
/// [`ObjectError`], with the code `InvalidRange` when the object ends before the range begins.
pub async fn get(
    client: &Client,
    object: &ObjectRef,
    if_match: Option<String>,
    range: Range<u64>,
) -> Result<Answer, ObjectError> {
    let mut headers =
        vec![("range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)).into())];
    headers.extend(if_match.map(|tag| ("if-match", tag.into())));
    let query = object.version.as_deref().map(|version| ("versionId", version));
    let request = Object {
        bucket: &object.bucket,
        key: &object.key,
        query: query.into_iter().collect(),
        headers,
        ..Object::default()
    };
    let reply = client.read(&request).await.map_err(|failure| {
        let CallError { code, retryable, .. } = failure.error;
        match retryable {
            true => ObjectError::Transient { code },
            false => ObjectError::Unreadable { code },
        }
    })?;
    let (from, length) = match reply.header("content-range") {
        Some(range) => {
            let ContentRange { from, length } = ContentRange::new(range);
            (from, length)
        }
        None => (Some(0), reply.header("content-length").and_then(|length| length.parse().ok())),
    };
    let etag = reply.header("etag").map(str::to_owned);
    Ok(Answer { from, length, etag, body: reply.body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: Option<&str>, etag: Option<&str>) -> ObjectRef {
        ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: version.map(Into::into),
            etag: etag.map(Into::into),
            uploaded: None,
            replay: None,
        }
    }

    #[test]
    fn only_what_can_be_replaced_has_a_condition() {
        let first = "\"first\"".to_owned();
        assert_eq!(if_match(&object(Some("v"), Some("e")), Some(&first)), None);
        assert_eq!(if_match(&object(None, Some("e")), Some(&first)).as_deref(), Some("\"e\""));
        assert_eq!(if_match(&object(None, None), Some(&first)).as_deref(), Some("\"first\""));
        assert_eq!(if_match(&object(None, None), None), None);
    }
}
