//! S3: the objects of a stack's buckets.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ObjectIdentifier;
use deployer_base::error::Error;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Largest object of one PutObject: Amazon S3 User Guide, "Uploading objects".
pub const MAX_PUT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// An object as S3 keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Version id, if the bucket is versioned.
    pub version: Option<String>,
    /// Entity tag without quotes.
    pub etag: Option<String>,
}

/// Uploads a file. S3 checks a checksum that the SDK computes on the way.
pub async fn put(
    session: &Session,
    bucket: &str,
    key: &str,
    path: &Path,
) -> std::result::Result<Stored, Error> {
    let body = ByteStream::from_path(path)
        .await
        .map_err(|error| Error::failed(format!("could not read {}: {error}", path.display())))?;
    let answer = session
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(body)
        .content_type("text/csv")
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("PutObject", format!("object {key} in bucket {bucket}"))?;
    Ok(Stored {
        version: answer.version_id().map(str::to_owned),
        etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    })
}

/// Uploads a text, such as a template that is too large for a call.
pub async fn put_text(session: &Session, bucket: &str, key: &str, text: &str) -> Result<()> {
    session
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from(text.as_bytes().to_vec()))
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("PutObject", format!("object {key} in bucket {bucket}"))?;
    Ok(())
}

/// Deletes an object; succeeds also if the object is gone already.
pub async fn delete(session: &Session, bucket: &str, key: &str) -> Result<()> {
    session
        .s3()
        .delete_object()
        .bucket(bucket)
        .key(key)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("DeleteObject", format!("object {key} in bucket {bucket}"))?;
    Ok(())
}

/// The beginning of the next page: key and version id.
pub(super) type Marker = Option<(String, String)>;

/// Returns every version of every object, a page at a time, and the beginning of the next page.
pub(super) async fn versions(
    client: &Client,
    session: &Session,
    bucket: &str,
    from: Marker,
) -> Result<(Vec<ObjectIdentifier>, Marker)> {
    let (key_marker, version_marker) = from.unzip();
    let page = client
        .list_object_versions()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .set_key_marker(key_marker)
        .set_version_id_marker(version_marker)
        .send()
        .await
        .aws("ListObjectVersions", format!("bucket {bucket}"))?;
    let identifier = |key: Option<&str>, version: Option<&str>| {
        ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
    };
    let objects = page.versions().iter().filter_map(|one| identifier(one.key(), one.version_id()));
    let markers = page.delete_markers().iter().filter_map(|one| identifier(one.key(), one.version_id()));
    let all = objects.chain(markers).collect();
    let next = page
        .is_truncated()
        .unwrap_or_default()
        .then(|| Some((page.next_key_marker()?.to_owned(), page.next_version_id_marker()?.to_owned())))
        .flatten();
    Ok((all, next))
}

/// Returns the number of object versions in a bucket; counting stops at `most`.
pub async fn count(session: &Session, bucket: &str, most: usize) -> Result<usize> {
    let client = session.s3();
    let mut count = 0;
    let mut from = None;
    loop {
        let (page, next) = versions(&client, session, bucket, from).await?;
        count += page.len();
        if next.is_none() || count >= most {
            return Ok(count);
        }
        from = next;
    }
}
