//! [`Files`] by S3.

use std::borrow::Cow;
use std::fmt::Write as _;

use client::{Bytes, Client, Failure, Method, Object, Reply};
use contract::ObjectRef;
use runtime::CallError;
use task::aws::S3Object;
use tokio::io::AsyncReadExt as _;

use super::S3;
use crate::report::Files;

impl Files for S3 {
    type Object = S3Object;

    fn open(&self, object: &ObjectRef) -> S3Object {
        S3Object::new(self.0.clone(), object.clone())
    }

    async fn read(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let reply = match self.0.read(&Object { bucket, key, ..Object::default() }).await {
            Ok(reply) => reply,
            Err(Failure { error, .. }) => {
                return match error.code.as_str() {
                    "NoSuchKey" | "NotFound" | "AccessDenied" | "Forbidden" => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let mut bytes = Vec::new();
        match { reply.body }.read_to_end(&mut bytes).await {
            Ok(_) => Ok(Some(bytes)),
            Err(_) => Err(CallError { code: "BodyBroken".into(), message: String::new(), retryable: true }),
        }
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<(), CallError> {
        let headers = vec![("content-type", Cow::Borrowed(content_type))];
        let object = Object { bucket, key, headers, body: bytes.into(), ..Object::default() };
        call(&self.0, Method::PUT, &object).await.map(drop)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), CallError> {
        call(&self.0, Method::DELETE, &Object { bucket, key, ..Object::default() }).await.map(drop)
    }

    async fn begin(&self, bucket: &str, key: &str, content_type: &str) -> Result<String, CallError> {
        let headers = vec![("content-type", Cow::Borrowed(content_type))];
        let object = Object { bucket, key, query: vec![("uploads", "")], headers, ..Object::default() };
        let reply = call(&self.0, Method::POST, &object).await?;
        upload_id(&reply.body).ok_or_else(|| incomplete("no upload ID"))
    }

    async fn part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<String, CallError> {
        let number = number.to_string();
        let query = vec![("partNumber", number.as_str()), ("uploadId", upload)];
        let object = Object { bucket, key, query, body: bytes, ..Object::default() };
        let reply = call(&self.0, Method::PUT, &object).await?;
        reply.header("etag").map(str::to_owned).ok_or_else(|| incomplete("no entity tag"))
    }

    async fn complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        tags: &[String],
    ) -> Result<(), CallError> {
        let headers = vec![("content-type", Cow::Borrowed("application/xml"))];
        let query = vec![("uploadId", upload)];
        let object = Object { bucket, key, query, headers, body: completion(tags).into() };
        call(&self.0, Method::POST, &object).await.map(drop)
    }
}

async fn call(client: &Client, method: Method, object: &Object<'_>) -> Result<Reply<Bytes>, CallError> {
    client.object(method, object).await.map_err(CallError::from)
}

/// Returns the ID in the answer to CreateMultipartUpload.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
fn upload_id(answer: &[u8]) -> Option<String> {
    let (_, rest) = std::str::from_utf8(answer).ok()?.split_once("<UploadId>")?;
    let (id, _) = rest.split_once("</UploadId>")?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Returns the body of CompleteMultipartUpload: all parts with their entity tags.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
fn completion(tags: &[String]) -> String {
    let mut body =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, tag) in (1..).zip(tags) {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;");
        // A text takes everything that is written to it.
        let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    body.push_str("</CompleteMultipartUpload>");
    body
}

fn incomplete(message: &str) -> CallError {
    CallError { code: "IncompleteAnswer".into(), message: message.to_owned(), retryable: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_in_parts_is_named_and_completed() {
        let answer = b"<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>\
            <UploadId>a.b_c-1</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(upload_id(answer).as_deref(), Some("a.b_c-1"));
        assert_eq!(upload_id(b"<UploadId></UploadId>"), None);
        assert_eq!(upload_id(b"\xff"), None);
        let body = completion(&["\"1\"".to_owned(), "<&".to_owned()]);
        assert!(body.contains("<Part><PartNumber>1</PartNumber><ETag>\"1\"</ETag></Part>"), "{body}");
        assert!(body.contains("<PartNumber>2</PartNumber><ETag>&lt;&amp;</ETag>"), "{body}");
    }
}
