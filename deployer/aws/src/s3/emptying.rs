//! S3: emptying a bucket with all versions of its objects, several pages at a time.
//!
//! No progress is stored: what still exists is listed, so an emptying that was broken off goes on where it was.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, TryStreamExt as _};

use super::objects::{Marker, versions};
use crate::error::{AwsError, AwsResult as _, of_sdk};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Calls of DeleteObjects under way at once; S3 takes 3,500 writes a second for a prefix, each call being up to 1,000:
/// Amazon S3 User Guide, "Best practices design patterns".
const AT_ONCE: usize = 4;
/// Number of objects that are named if they can't be deleted.
const NAMED: usize = 5;
/// Number of passes over a bucket to which something goes on writing.
const PASSES: usize = 5;

/// The result of emptying a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Number of object versions and delete markers that are deleted.
    pub deleted: usize,
    /// Number of those that could not be deleted.
    pub refused: usize,
    /// Some of the latter: key, code, message.
    pub examples: Vec<(String, String, String)>,
}

/// Deletes every version of every object. `done` counts the deleted ones, for whoever watches.
pub async fn empty(session: &Session, bucket: &str, done: &AtomicUsize) -> Result<Emptied> {
    let client = session.s3();
    let mut all = Emptied::default();
    for _ in 0..PASSES {
        let pass = pass(&client, session, bucket, done).await?;
        all.deleted += pass.deleted;
        all.refused = pass.refused;
        all.examples = pass.examples;
        // Versions that can't be deleted now can't be in a moment; and with nothing listed, nothing was missed.
        if pass.deleted == 0 || all.refused > 0 {
            break;
        }
    }
    Ok(all)
}

/// Lists the bucket once, and deletes the listed versions while the next page is asked for.
async fn pass(client: &Client, session: &Session, bucket: &str, done: &AtomicUsize) -> Result<Emptied> {
    let pages = stream::try_unfold(Some(None), async |from: Option<Marker>| {
        let Some(from) = from else { return Ok(None) };
        let page = versions(client, session, bucket, from).await?;
        Ok::<_, AwsError>(Some((page.all, page.next.map(Some))))
    });
    pages
        .try_filter(|page| std::future::ready(!page.is_empty()))
        .map_ok(|page| delete(client, session, bucket, page, done))
        .try_buffer_unordered(AT_ONCE)
        .try_fold(Emptied::default(), async |mut all, one| {
            all.deleted += one.deleted;
            all.refused += one.refused;
            let room = NAMED.saturating_sub(all.examples.len());
            all.examples.extend(one.examples.into_iter().take(room));
            Ok(all)
        })
        .await
}

async fn delete(
    client: &Client,
    session: &Session,
    bucket: &str,
    page: Vec<ObjectIdentifier>,
    done: &AtomicUsize,
) -> Result<Emptied> {
    let count = page.len();
    // The one required field of `Delete` is given.
    let Ok(delete) = Delete::builder().set_objects(Some(page)).quiet(true).build() else {
        return Ok(Emptied::default());
    };
    let answer = client
        .delete_objects()
        .bucket(bucket)
        .delete(delete)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("DeleteObjects", format!("bucket {bucket}"))?;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let errors = answer.errors();
    let deleted = count.saturating_sub(errors.len());
    done.fetch_add(deleted, Ordering::Relaxed);
    let examples = errors.iter().take(NAMED);
    Ok(Emptied {
        deleted,
        refused: errors.len(),
        examples: examples.map(|one| (text(one.key()), text(one.code()), text(one.message()))).collect(),
    })
}

/// Deletes an empty bucket. One that does not exist is no error.
pub async fn delete_bucket(session: &Session, bucket: &str) -> Result<()> {
    let call = session.s3().delete_bucket().bucket(bucket).expected_bucket_owner(&session.account);
    match call.send().await.aws("DeleteBucket", format!("bucket {bucket}")) {
        Err(error) if error.is("NoSuchBucket") => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// Checks whether the bucket exists, as far as this caller can see.
pub async fn bucket_exists(session: &Session, bucket: &str) -> Result<bool> {
    let call = session.s3().head_bucket().bucket(bucket).expected_bucket_owner(&session.account);
    match call.send().await {
        Ok(_) => Ok(true),
        // The answer to HEAD has no body, and so no code.
        Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => {
            Ok(false)
        }
        Err(error) => Err(of_sdk("HeadBucket", format!("bucket {bucket}"), &error)),
    }
}
