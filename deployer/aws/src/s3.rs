//! S3: the asset bucket, which holds the code of the functions.
//!
//! The bucket's name can be guessed, so anybody could have created it first. Every call names the account that must own
//! the bucket.

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, ChecksumMode,
    CreateBucketConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, ObjectOwnership,
    PublicAccessBlockConfiguration, Tag, Tagging,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deployer_base::error::Error;
use deployer_packing::Content;
use serde_json::json;

use crate::error::{AwsError, AwsResult as _, of_sdk};
use crate::session::Session;

pub mod emptying;
pub mod objects;
pub mod presigned;
pub mod records;

/// The tag that marks the bucket's settings as complete; set last.
const SETTINGS_TAG: (&str, &str) = ("deployer:settings", "1");
/// The one region that must not be named when a bucket is created: Amazon S3 API Reference, CreateBucket.
const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";
/// Pause before an upload is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

fn bucket_resource(bucket: &str) -> String {
    format!("bucket {bucket}")
}

fn object_resource(bucket: &str, key: &str) -> String {
    format!("object {key} in bucket {bucket}")
}

/// Returns the HTTP status of an answer. Answers to HEAD have no body, so no code tells a foreign bucket from other
/// refusals.
fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Converts the error of a HEAD call, in words where S3 has none.
fn head_error<E>(
    session: &Session,
    operation: &'static str,
    resource: String,
    error: &SdkError<E>,
) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let answered = status(error);
    let error = of_sdk(operation, resource, error);
    match answered {
        Some(403) => AwsError {
            code: Some("AccessDenied".to_owned()),
            message: format!(
                "access is denied; your role needs s3:ListBucket and s3:GetObject there, unless the bucket belongs to another \
                 account than {}: in that case, code must not be uploaded to it",
                session.account
            ),
            ..error
        },
        Some(status) if error.code.is_none() => {
            AwsError { code: Some(status.to_string()), message: "no reason given by S3".to_owned(), ..error }
        }
        _ => error,
    }
}

/// Checks whether the bucket exists and is this account's.
///
/// # Errors
/// If the call fails, or the bucket is another account's.
pub async fn bucket_exists(session: &Session, bucket: &str) -> Result<bool, Error> {
    let answer =
        session.s3().head_bucket().bucket(bucket).expected_bucket_owner(&session.account).send().await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if status(&error) == Some(404) => Ok(false),
        Err(error) => Err(head_error(session, "HeadBucket", bucket_resource(bucket), &error).into()),
    }
}

/// Creates the bucket; succeeds also if this account has created the bucket in the meantime.
///
/// # Errors
/// If the call fails, or another account has a bucket of that name.
pub async fn create_bucket(session: &Session, bucket: &str) -> Result<(), Error> {
    let location = (session.region != REGION_WITHOUT_CONSTRAINT).then(|| {
        let region = BucketLocationConstraint::from(session.region.as_str());
        CreateBucketConfiguration::builder().location_constraint(region).build()
    });
    let answer = session
        .s3()
        .create_bucket()
        .bucket(bucket)
        .set_create_bucket_configuration(location)
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .send()
        .await
        .aws("CreateBucket", bucket_resource(bucket));
    match answer {
        Err(error) if error.is("BucketAlreadyExists") => Err(Error::failed_with_hint(
            format!("{} belongs to another account than {}", bucket_resource(bucket), session.account),
            "somebody else has taken the name of your asset bucket; nothing was uploaded to it. Use another region, or report \
             it to AWS",
        )),
        Err(error) if !error.is("BucketAlreadyOwnedByYou") => Err(error.into()),
        // The bucket is ours for certain: every later call decides who may use it.
        _ => Ok(()),
    }
}

/// Checks whether [`set_up_bucket`] has been through. A role that may not ask leaves the settings to others.
pub async fn is_set_up(session: &Session, bucket: &str) -> Result<bool, AwsError> {
    let answer = tags(session, bucket).await;
    match answer {
        Ok(tags) => Ok(tags.iter().any(|tag| tag.key() == SETTINGS_TAG.0)),
        Err(error) if error.is("AccessDenied") => Ok(true),
        Err(error) => Err(error),
    }
}

async fn tags(session: &Session, bucket: &str) -> Result<Vec<Tag>, AwsError> {
    let answer = session
        .s3()
        .get_bucket_tagging()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("GetBucketTagging", bucket_resource(bucket));
    match answer {
        Ok(answer) => Ok(answer.tag_set),
        Err(error) if error.is("NoSuchTagSet") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Closes the bucket to the public and to plain HTTP, and clears up after uploads that were broken off.
///
/// Not set: encryption, since S3 encrypts with AES-256 by itself, and an administrator's choice of a key is to last;
/// versioning, since an object's key holds the digest of its content: there is never a second version to keep.
///
/// # Errors
/// If a call fails. Then the bucket counts as not set up, and the next publication tries again.
pub async fn set_up_bucket(session: &Session, bucket: &str) -> Result<(), AwsError> {
    let s3 = session.s3();
    let resource = || bucket_resource(bucket);
    let closed = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    s3.put_public_access_block()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .public_access_block_configuration(closed)
        .send()
        .await
        .aws("PutPublicAccessBlock", resource())?;

    // An emulator is reached by plain HTTP.
    let plain = session.endpoint("S3").is_some_and(|endpoint| endpoint.starts_with("http://"));
    if !plain && !has_policy(session, bucket).await? {
        s3.put_bucket_policy()
            .bucket(bucket)
            .expected_bucket_owner(&session.account)
            .policy(tls_policy(&session.caller, bucket))
            .send()
            .await
            .aws("PutBucketPolicy", resource())?;
    }
    if !has_lifecycle(session, bucket).await? {
        s3.put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .expected_bucket_owner(&session.account)
            .lifecycle_configuration(clear_up()?)
            .send()
            .await
            .aws("PutBucketLifecycleConfiguration", resource())?;
    }

    let mut tags = tags(session, bucket).await?;
    tags.retain(|tag| tag.key() != SETTINGS_TAG.0);
    tags.push(
        Tag::builder().key(SETTINGS_TAG.0).value(SETTINGS_TAG.1).build().map_err(|error| built(&error))?,
    );
    let tags = Tagging::builder().set_tag_set(Some(tags)).build().map_err(|error| built(&error))?;
    s3.put_bucket_tagging()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .tagging(tags)
        .send()
        .await
        .aws("PutBucketTagging", resource())?;
    Ok(())
}

/// Converts the error of a request that lacks a field, which is a mistake in this file.
fn built(error: &aws_sdk_s3::error::BuildError) -> AwsError {
    AwsError {
        operation: "PutBucket",
        resource: "the asset bucket".to_owned(),
        code: Some("InvalidRequest".to_owned()),
        message: error.to_string(),
    }
}

async fn has_policy(session: &Session, bucket: &str) -> Result<bool, AwsError> {
    let answer = session
        .s3()
        .get_bucket_policy()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("GetBucketPolicy", bucket_resource(bucket));
    match answer {
        Err(error) if error.is("NoSuchBucketPolicy") => Ok(false),
        answer => answer.map(|answer| answer.policy.is_some()),
    }
}

async fn has_lifecycle(session: &Session, bucket: &str) -> Result<bool, AwsError> {
    let answer = session
        .s3()
        .get_bucket_lifecycle_configuration()
        .bucket(bucket)
        .expected_bucket_owner(&session.account)
        .send()
        .await
        .aws("GetBucketLifecycleConfiguration", bucket_resource(bucket));
    match answer {
        Err(error) if error.is("NoSuchLifecycleConfiguration") => Ok(false),
        answer => answer.map(|answer| !answer.rules().is_empty()),
    }
}

/// Returns the policy that denies everything that does not come by TLS.
fn tls_policy(caller: &str, bucket: &str) -> String {
    // The caller's partition is also the bucket's: `aws`, `aws-cn` and others.
    let partition = caller.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "DenyPlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [format!("arn:{partition}:s3:::{bucket}"), format!("arn:{partition}:s3:::{bucket}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }],
    });
    policy.to_string()
}

fn clear_up() -> Result<BucketLifecycleConfiguration, AwsError> {
    let rule = LifecycleRule::builder()
        .id("abort-unfinished-uploads")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build(),
        )
        .build()
        .map_err(|error| built(&error))?;
    BucketLifecycleConfiguration::builder().rules(rule).build().map_err(|error| built(&error))
}

/// Checks whether the object exists with the content that its key promises.
///
/// # Errors
/// If the call fails, or the object has another content.
pub async fn has_asset(session: &Session, bucket: &str, key: &str, asset: &Content) -> Result<bool, Error> {
    let answer = session
        .s3()
        .head_object()
        .bucket(bucket)
        .key(key)
        .expected_bucket_owner(&session.account)
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if status(&error) == Some(404) => return Ok(false),
        Err(error) => {
            return Err(head_error(session, "HeadObject", object_resource(bucket, key), &error).into());
        }
    };
    let same_size =
        answer.content_length().is_none_or(|length| u64::try_from(length) == Ok(asset.facts.size));
    let same_sum = answer.checksum_sha256().is_none_or(|sum| sum == checksum(asset));
    if same_size && same_sum {
        return Ok(true);
    }
    Err(Error::failed_with_hint(
        format!("the content of {} does not match its name", object_resource(bucket, key)),
        "it was not written by the deployer; delete it and deploy again",
    ))
}

/// Returns the SHA-256 as S3 writes it.
fn checksum(asset: &Content) -> String {
    STANDARD.encode(hex::decode(&asset.facts.sha256).unwrap_or_default())
}

/// Uploads code unless the object exists. S3 checks the SHA-256 of the bytes that arrive, and keeps nothing of a broken
/// upload.
///
/// # Errors
/// If the upload fails.
pub async fn put_asset(session: &Session, bucket: &str, key: &str, asset: &Content) -> Result<(), Error> {
    const ATTEMPTS: u32 = 5;
    let bytes = asset.bytes()?;
    for attempt in 1.. {
        let answer = session
            .s3()
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from(bytes.clone()))
            .content_type("application/zip")
            .checksum_sha256(checksum(asset))
            .if_none_match("*")
            .expected_bucket_owner(&session.account)
            .send()
            .await
            .aws("PutObject", object_resource(bucket, key));
        match answer {
            // Another deployer was faster, with the same content, since the key is its digest.
            Err(error) if error.is("PreconditionFailed") => break,
            Err(error) if error.is("ConditionalRequestConflict") && attempt < ATTEMPTS => {}
            // A bucket that was created a moment ago may not be known everywhere yet.
            Err(error) if error.is("NoSuchBucket") && attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
        tokio::time::sleep(FIRST_PAUSE * (1 << attempt)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_of_the_callers_partition() {
        let policy = tls_policy("arn:aws-cn:iam::123456789012:user/x", "b");
        assert!(policy.contains(r#""arn:aws-cn:s3:::b/*""#), "{policy}");
        assert!(tls_policy("", "b").contains("arn:aws:s3:::b"));
    }

    #[test]
    fn the_lifecycle_can_be_sent() {
        let rules = clear_up().expect("complete");
        assert_eq!(rules.rules().len(), 1);
    }
}
