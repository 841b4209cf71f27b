//! S3: the texts beside the published code, which are records of deployments and their templates.
//!
//! As with code, every call names the account that must own the bucket.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Largest text that is read: a template may have 1 MB, and a record holds less.
const MAX_TEXT_BYTES: i64 = 4 * 1024 * 1024;
const ATTEMPTS: u32 = 5;
/// Pause before a text is sent again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

fn resource(bucket: &str, key: &str) -> String {
    format!("object {key} in bucket {bucket}")
}

/// Writes a text unless the key is taken. Returns `false` if another text has taken it.
///
/// # Errors
/// If the call fails.
pub async fn put_new(session: &Session, bucket: &str, key: &str, text: &str) -> Result<bool> {
    for attempt in 1.. {
        let answer = session
            .s3()
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from(text.as_bytes().to_vec()))
            .content_type("application/json")
            .if_none_match("*")
            .expected_bucket_owner(&session.account)
            .send()
            .await
            .aws("PutObject", resource(bucket, key));
        match answer {
            // An attempt of ours whose answer was lost is not a conflict.
            Err(error) if error.is("PreconditionFailed") => {
                return Ok(get(session, bucket, key).await?.as_deref() == Some(text));
            }
            // Another caller writes the key at this moment, or the bucket was created a moment ago.
            Err(error)
                if attempt < ATTEMPTS
                    && (error.is("ConditionalRequestConflict") || error.is("NoSuchBucket")) => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
        tokio::time::sleep(FIRST_PAUSE * (1 << attempt)).await;
    }
    Ok(true)
}

/// Returns the text of an object; `None` when there is no such object or bucket.
///
/// # Errors
/// If the call fails, or the object is not a text.
pub async fn get(session: &Session, bucket: &str, key: &str) -> Result<Option<String>> {
    const OPERATION: &str = "GetObject";
    let unreadable = |why: String| AwsError {
        operation: OPERATION,
        resource: resource(bucket, key),
        code: Some("InvalidAnswer".to_owned()),
        message: why,
    };
    let answer = session
        .s3()
        .get_object()
        .bucket(bucket)
        .key(key)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws(OPERATION, resource(bucket, key));
    let answer = match answer {
        Err(error) if error.is("NoSuchKey") || error.is("NoSuchBucket") => return Ok(None),
        answer => answer?,
    };
    if answer.content_length().is_some_and(|length| length > MAX_TEXT_BYTES) {
        return Err(unreadable("it is too large for a record of the deployer".to_owned()));
    }
    let bytes = answer.body.collect().await.map_err(|error| AwsError {
        operation: OPERATION,
        resource: resource(bucket, key),
        code: None,
        message: error.to_string(),
    })?;
    String::from_utf8(bytes.to_vec()).map(Some).map_err(|error| unreadable(error.to_string()))
}

/// Returns the keys with a prefix, in the order of their bytes; none when there is no such bucket.
///
/// # Errors
/// If a call fails.
pub async fn keys(session: &Session, bucket: &str, prefix: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut pages = session
        .s3()
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .expected_bucket_owner(&session.account)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        match page.aws("ListObjectsV2", format!("bucket {bucket}")) {
            Err(error) if error.is("NoSuchBucket") => break,
            page => out.extend(page?.contents().iter().filter_map(|one| one.key().map(str::to_owned))),
        }
    }
    // Endpoints other than AWS's own may return the keys in any order.
    out.sort_unstable();
    Ok(out)
}
