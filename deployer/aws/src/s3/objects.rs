//! S3: the objects of a stack's buckets.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ObjectIdentifier;
use client::Bytes;
use deployer_base::error::Error;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

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

/// Uploads what arrives in pieces, `size` bytes of it. It is sent once: pieces that were sent are gone.
///
/// # Errors
/// If the call fails, or the pieces end early.
pub async fn put_pieces(
    session: &Session,
    bucket: &str,
    key: &str,
    size: u64,
    pieces: Receiver<std::io::Result<Bytes>>,
) -> Result<Stored> {
    let resource = format!("object {key} in bucket {bucket}");
    let config = aws_sdk_s3::config::Builder::from(&session.config)
        .force_path_style(session.endpoint("S3").is_some())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .build();
    let answer = Client::from_conf(config)
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from_body_1_x(Pieces { pieces, left: size }))
        .content_length(i64::try_from(size).unwrap_or(i64::MAX))
        .content_type("text/csv")
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("PutObject", resource)?;
    Ok(Stored {
        version: answer.version_id().map(str::to_owned),
        etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    })
}

/// A body that arrives in pieces.
struct Pieces {
    pieces: Receiver<std::io::Result<Bytes>>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Ok(piece)) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            // An object that ends early must not be stored.
            None if self.left > 0 => Some(Err(std::io::ErrorKind::UnexpectedEof.into())),
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
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

/// Uploads bytes.
pub async fn put_bytes(session: &Session, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<Stored> {
    let answer = session
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from(bytes))
        .content_type("text/csv")
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("PutObject", format!("object {key} in bucket {bucket}"))?;
    Ok(Stored {
        version: answer.version_id().filter(|version| *version != "null").map(str::to_owned),
        etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    })
}

/// Returns the IDs of all versions of an object and of its delete markers; one without versions is `None`. Of an object with
/// more than a thousand, the first ones.
pub async fn versions_of(session: &Session, bucket: &str, key: &str) -> Result<Vec<Option<String>>> {
    let page = session
        .s3()
        .list_object_versions()
        .bucket(bucket)
        .prefix(key)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("ListObjectVersions", format!("bucket {bucket}"))?;
    let versions = page.versions().iter().map(|one| (one.key(), one.version_id()));
    let markers = page.delete_markers().iter().map(|one| (one.key(), one.version_id()));
    // Keys of which this one is the beginning are others.
    let own = versions.chain(markers).filter(|(found, _)| *found == Some(key));
    Ok(own.map(|(_, version)| version.filter(|version| *version != "null").map(str::to_owned)).collect())
}

/// Deletes all versions of an object, with its delete markers, and returns their number.
pub async fn delete_versions(session: &Session, bucket: &str, key: &str) -> Result<usize> {
    let versions = versions_of(session, bucket, key).await?;
    for version in &versions {
        session
            .s3()
            .delete_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(Some(version.clone().unwrap_or_else(|| "null".to_owned())))
            .expected_bucket_owner(&session.account)
            .send()
            .await
            .aws("DeleteObject", format!("object {key} in bucket {bucket}"))?;
    }
    Ok(versions.len())
}

/// An object that is read from its beginning, chunk by chunk.
#[derive(Debug)]
pub struct Reading {
    body: ByteStream,
    resource: String,
    size: Option<u64>,
}

impl Reading {
    /// Returns the next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.body.try_next().await.map_err(|error| AwsError {
            operation: "GetObject",
            resource: self.resource.clone(),
            code: None,
            message: error.to_string(),
        })
    }
}

impl Reading {
    /// Returns the number of bytes of the object, if S3 has said so.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Opens an object, or the version of it that is named.
pub async fn open(session: &Session, bucket: &str, key: &str, version: Option<&str>) -> Result<Reading> {
    let resource = format!("s3://{bucket}/{key}");
    let answer = session
        .s3()
        .get_object()
        .bucket(bucket)
        .key(key)
        .set_version_id(version.map(str::to_owned))
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("GetObject", resource.clone())?;
    let size = answer.content_length().and_then(|size| u64::try_from(size).ok());
    Ok(Reading { body: answer.body, resource, size })
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

/// Object versions and delete markers of a bucket.
pub(super) struct Versions {
    /// Their identifiers.
    pub(super) all: Vec<ObjectIdentifier>,
    /// Bytes of the objects.
    pub(super) bytes: u64,
    /// Beginning of the next page.
    pub(super) next: Marker,
}

/// Returns every version of every object, a page at a time.
pub(super) async fn versions(
    client: &Client,
    session: &Session,
    bucket: &str,
    from: Marker,
) -> Result<Versions> {
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
    let sizes = page.versions().iter().filter_map(|one| u64::try_from(one.size()?).ok());
    Ok(Versions { all, bytes: sizes.sum(), next })
}

/// Returns the number of object versions in a bucket, and their bytes; counting stops at `most`.
pub async fn count(session: &Session, bucket: &str, most: usize) -> Result<(usize, u64)> {
    let client = session.s3();
    let (mut count, mut bytes) = (0, 0);
    let mut from = None;
    loop {
        let page = versions(&client, session, bucket, from).await?;
        count += page.all.len();
        bytes += page.bytes;
        if page.next.is_none() || count >= most {
            return Ok((count, bytes));
        }
        from = page.next;
    }
}
