//! Everything that is published, of all stacks: objects of the asset bucket and images of the asset repository, listed
//! and deleted.

use std::collections::BTreeMap;

use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::error::{AwsError, AwsResult as _, of_sdk};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Objects of one DeleteObjects: Amazon S3 API Reference.
const OBJECTS_A_CALL: usize = 1_000;
/// Images of one BatchDeleteImage: Amazon ECR API Reference.
const IMAGES_A_CALL: usize = 100;

/// An object with all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Key of the object.
    pub key: String,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Time of the last write, in seconds since 1970.
    pub modified: u64,
    /// Ids of the versions; `None` where the bucket was not versioned.
    pub versions: Vec<Option<String>>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of its manifest, with `sha256:`.
    pub digest: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the push, in seconds since 1970.
    pub pushed: u64,
    /// `true` if the image has a tag, which the deployer never gives.
    pub tagged: bool,
}

/// The names of what could not be deleted, each with the reason.
pub type Failures = Vec<(String, String)>;

fn bucket_resource(bucket: &str) -> String {
    format!("bucket {bucket}")
}

fn seconds(time: Option<&DateTime>) -> u64 {
    // A missing time counts as now, so that young objects and images are kept.
    time.and_then(|time| u64::try_from(time.secs()).ok()).unwrap_or(u64::MAX)
}

fn bytes(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

/// Returns the URL of an object as CloudFormation takes it for a template.
#[must_use]
pub fn object_url(session: &Session, bucket: &str, key: &str) -> String {
    match session.endpoint("S3") {
        Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
        None => format!("https://{bucket}.s3.{}.{}/{key}", session.region, session.domain()),
    }
}

/// Checks whether an object exists.
///
/// # Errors
/// If the call fails.
pub async fn has_object(session: &Session, bucket: &str, key: &str) -> Result<bool> {
    let answer = session
        .s3()
        .head_object()
        .bucket(bucket)
        .key(key)
        .expected_bucket_owner(&session.account)
        .send()
        .await;
    // Answers to HEAD have no body, and so no code.
    let status = |error: &SdkError<_>| error.raw_response().map(|answer| answer.status().as_u16());
    match answer {
        Err(error) if status(&error) == Some(404) => Ok(false),
        Err(error) if status(&error) == Some(403) => Err(AwsError {
            code: Some("AccessDenied".to_owned()),
            ..of_sdk("HeadObject", format!("object {key} in {}", bucket_resource(bucket)), &error)
        }),
        answer => {
            answer.aws("HeadObject", format!("object {key} in {}", bucket_resource(bucket))).map(|_| true)
        }
    }
}

/// Returns every object of a bucket, by its key; none when there is no such bucket.
///
/// # Errors
/// If a call fails.
pub async fn objects(session: &Session, bucket: &str) -> Result<Vec<Object>> {
    let mut out: BTreeMap<String, Object> = BTreeMap::new();
    let mut add = |key: Option<&str>, version: Option<&str>, size, time: Option<&DateTime>| {
        let Some(key) = key else { return };
        let modified = seconds(time);
        let object = out.entry(key.to_owned()).or_insert_with(|| Object {
            key: key.to_owned(),
            bytes: 0,
            modified,
            versions: Vec::new(),
        });
        object.bytes += bytes(size);
        object.modified = object.modified.max(modified);
        object.versions.push(version.map(str::to_owned));
    };
    let mut key = None;
    let mut version = None;
    loop {
        let page = session
            .s3()
            .list_object_versions()
            .bucket(bucket)
            .expected_bucket_owner(&session.account)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .aws("ListObjectVersions", bucket_resource(bucket));
        let page = match page {
            Err(error) if error.is("NoSuchBucket") => break,
            page => page?,
        };
        for one in page.versions() {
            add(one.key(), one.version_id(), one.size(), one.last_modified());
        }
        for one in page.delete_markers() {
            add(one.key(), one.version_id(), None, one.last_modified());
        }
        if !page.is_truncated().unwrap_or_default() {
            break;
        }
        // Half of the list would make garbage of what the other half needs.
        key = Some(page.next_key_marker().map(str::to_owned).ok_or_else(|| AwsError {
            operation: "ListObjectVersions",
            resource: bucket_resource(bucket),
            code: Some("InvalidAnswer".to_owned()),
            message: "the answer is truncated, and has no token for the next page".to_owned(),
        })?);
        version = page.next_version_id_marker().map(str::to_owned);
    }
    Ok(out.into_values().collect())
}

/// Deletes all versions of objects; returns those that S3 did not delete.
///
/// # Errors
/// If a call fails.
pub async fn delete_objects(session: &Session, bucket: &str, objects: &[&Object]) -> Result<Failures> {
    let identifier = |object: &Object, version: &Option<String>| {
        ObjectIdentifier::builder().key(&object.key).set_version_id(version.clone()).build().ok()
    };
    let all: Vec<ObjectIdentifier> = objects
        .iter()
        .flat_map(|object| object.versions.iter().filter_map(|version| identifier(object, version)))
        .collect();
    let mut failures = Vec::new();
    for some in all.chunks(OBJECTS_A_CALL) {
        let delete = Delete::builder().set_objects(Some(some.to_vec())).quiet(true).build();
        let delete = delete.map_err(|error| AwsError {
            operation: "DeleteObjects",
            resource: bucket_resource(bucket),
            code: Some("InvalidRequest".to_owned()),
            message: error.to_string(),
        })?;
        let answer = session
            .s3()
            .delete_objects()
            .bucket(bucket)
            .delete(delete)
            .expected_bucket_owner(&session.account)
            .send()
            .await
            .aws("DeleteObjects", bucket_resource(bucket))?;
        let why = |error: &aws_sdk_s3::types::Error| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(error.key()), text(error.message().or(error.code())))
        };
        failures.extend(answer.errors().iter().map(why));
    }
    Ok(failures)
}

/// Returns every image of a repository; none when there is no such repository.
///
/// # Errors
/// If a call fails.
pub async fn images(session: &Session, repository: &str) -> Result<Vec<Image>> {
    let mut out = Vec::new();
    let mut pages = aws_sdk_ecr::Client::new(&session.config)
        .describe_images()
        .registry_id(&session.account)
        .repository_name(repository)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = match page.aws("DescribeImages", format!("image repository {repository}")) {
            Err(error) if error.is("RepositoryNotFoundException") => break,
            page => page?,
        };
        out.extend(page.image_details().iter().filter_map(|image| {
            Some(Image {
                digest: image.image_digest()?.to_owned(),
                bytes: bytes(image.image_size_in_bytes()),
                pushed: seconds(image.image_pushed_at()),
                tagged: !image.image_tags().is_empty(),
            })
        }));
    }
    Ok(out)
}

/// Deletes images; returns those that ECR did not delete.
///
/// # Errors
/// If a call fails.
pub async fn delete_images(session: &Session, repository: &str, digests: &[&str]) -> Result<Failures> {
    let client = aws_sdk_ecr::Client::new(&session.config);
    let mut failures = Vec::new();
    for some in digests.chunks(IMAGES_A_CALL) {
        let ids = some.iter().map(|digest| ImageIdentifier::builder().image_digest(*digest).build());
        let answer = client
            .batch_delete_image()
            .registry_id(&session.account)
            .repository_name(repository)
            .set_image_ids(Some(ids.collect()))
            .send()
            .await
            .aws("BatchDeleteImage", format!("image repository {repository}"))?;
        failures.extend(answer.failures().iter().map(|failure| {
            let digest = failure.image_id().and_then(ImageIdentifier::image_digest).unwrap_or_default();
            (digest.to_owned(), failure.failure_reason().unwrap_or("no reason given").to_owned())
        }));
    }
    Ok(failures)
}
