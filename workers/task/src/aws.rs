//! [`Source`] by S3.

use std::sync::OnceLock;

use client::Client;
use contract::ObjectRef;
use runtime::s3::{self, ObjectError};

use crate::download::{Opened, Source};

/// One version of one object in S3.
#[derive(Debug)]
pub struct S3Object {
    client: Client,
    object: ObjectRef,
    /// The entity tag in the first answer: from then on, the meaning of a reference without version and tag.
    first_etag: OnceLock<String>,
}

impl S3Object {
    /// Creates the source of the version that `object` names.
    #[must_use]
    pub const fn new(client: Client, object: ObjectRef) -> Self {
        Self { client, object, first_etag: OnceLock::new() }
    }

    fn if_match(&self) -> Option<String> {
        s3::if_match(&self.object, self.first_etag.get())
    }
}

impl Source for S3Object {
    async fn open(&self, from: u64, to: u64) -> Result<Opened, ObjectError> {
        let answer = match s3::get(&self.client, &self.object, self.if_match(), from..to).await {
            Ok(answer) => answer,
            // An empty object has no byte of any range.
            Err(error) if from == 0 && error.code() == "InvalidRange" => {
                return Ok(Opened { from: 0, body: Box::pin(tokio::io::empty()), length: Some(0) });
            }
            Err(error) => return Err(error),
        };
        if let Some(etag) = answer.etag {
            let _ = self.first_etag.set(etag);
        }
        let body = Box::pin(answer.body);
        Ok(Opened { from: answer.from.unwrap_or(from), body, length: answer.length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(version: Option<&str>, etag: Option<&str>) -> S3Object {
        let credentials = client::Credentials::new("id", "secret", None);
        let client = Client::at("http://127.0.0.1:1", "eu-west-1", &credentials).expect("a client");
        let object = ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: version.map(Into::into),
            etag: etag.map(Into::into),
            uploaded: None,
            replay: None,
        };
        S3Object::new(client, object)
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
