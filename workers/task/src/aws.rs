//! [`Source`] by the AWS SDK.

use std::sync::OnceLock;

use aws_sdk_s3::Client;
use contract::{ContentRange, ObjectRef};
use publisher::aws::call_error;

use crate::download::{OpenError, Opened, Source};

/// A client for the account and region of the process, or for the endpoint in `AWS_ENDPOINT_URL`.
#[must_use]
pub fn s3_client(config: &aws_config::SdkConfig, custom_endpoint: bool) -> Client {
    // Bucket names as host names exist only under amazonaws.com; a custom endpoint wants them in the path.
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(custom_endpoint).build())
}

/// One version of one object in S3.
#[derive(Debug)]
pub struct S3Object {
    client: Client,
    object: ObjectRef,
    /// The entity tag in the first answer: what a reference without version and tag means from then on.
    first_etag: OnceLock<String>,
}

impl S3Object {
    /// The version that `object` names.
    #[must_use]
    pub const fn new(client: Client, object: ObjectRef) -> Self {
        Self { client, object, first_etag: OnceLock::new() }
    }

    /// What to send in `If-Match`: a version cannot change, anything else can be replaced while it is read.
    fn if_match(&self) -> Option<String> {
        if self.object.version.is_some() {
            return None;
        }
        let etag = self.object.etag.as_ref().or_else(|| self.first_etag.get())?;
        Some(format!("\"{}\"", etag.trim_matches('"')))
    }
}

impl Source for S3Object {
    async fn open(&self, from: u64, to: u64) -> Result<Opened, OpenError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .set_version_id(self.object.version.clone())
            .set_if_match(self.if_match())
            .range(format!("bytes={from}-{}", to.saturating_sub(1)))
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let error = call_error(&error);
                return match (error.code.as_str(), error.retryable) {
                    // An empty object has no byte of any range.
                    ("InvalidRange", _) if from == 0 => {
                        Ok(Opened { from: 0, body: Box::pin(tokio::io::empty()), length: Some(0) })
                    }
                    (_, true) => Err(OpenError::Transient { code: error.code }),
                    (_, false) => Err(OpenError::Unreadable { code: error.code }),
                };
            }
        };
        if let Some(etag) = answer.e_tag() {
            let _ = self.first_etag.set(etag.to_owned());
        }
        let (from, length) = match answer.content_range() {
            Some(range) => {
                let range = ContentRange::new(range);
                (range.from.unwrap_or(from), range.length)
            }
            // The whole object, whatever was asked for.
            None => (0, answer.content_length().and_then(|length| u64::try_from(length).ok())),
        };
        Ok(Opened { from, body: Box::pin(answer.body.into_async_read()), length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(version: Option<&str>, etag: Option<&str>) -> S3Object {
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"))
            .build();
        let object = ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: version.map(Into::into),
            etag: etag.map(Into::into),
            uploaded: None,
            replay: None,
        };
        S3Object::new(s3_client(&config, true), object)
    }

    #[test]
    fn the_object_must_stay_the_one_that_was_announced() {
        assert_eq!(source(Some("v"), Some("e")).if_match(), None);
        assert_eq!(source(None, Some("e")).if_match().as_deref(), Some("\"e\""));
        let unnamed = source(None, None);
        assert_eq!(unnamed.if_match(), None);
        unnamed.first_etag.set("\"first\"".into()).expect("not set yet");
        assert_eq!(unnamed.if_match().as_deref(), Some("\"first\""));
    }
}
