//! Reads of S3 objects by ranges of bytes.

use std::ops::Range;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use contract::{ContentRange, ObjectRef};

use crate::call::call_error;

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
    pub body: ByteStream,
}

/// Creates a client for the account and region of the process, or for the endpoint in `AWS_ENDPOINT_URL`.
#[must_use]
pub fn client(config: &SdkConfig, custom_endpoint: bool) -> Client {
    // Bucket names as host names exist only under amazonaws.com; a custom endpoint needs them in the path.
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(custom_endpoint).build())
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
    let answer = client
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .set_version_id(object.version.clone())
        .set_if_match(if_match)
        .range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
        .send()
        .await
        .map_err(|error| {
            let error = call_error(&error);
            match error.retryable {
                true => ObjectError::Transient { code: error.code },
                false => ObjectError::Unreadable { code: error.code },
            }
        })?;
    let (from, length) = match answer.content_range() {
        Some(range) => {
            let ContentRange { from, length } = ContentRange::new(range);
            (from, length)
        }
        None => (Some(0), answer.content_length().and_then(|length| u64::try_from(length).ok())),
    };
    Ok(Answer { from, length, etag: answer.e_tag, body: answer.body })
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
