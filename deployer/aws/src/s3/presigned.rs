//! S3: requests that are signed here and made by somebody else, who has no credentials: an upload of one object by PUT, or
//! by the POST of an HTML form.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_sts::config::{Credentials, ProvideCredentials as _};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Longest validity of a signature: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
pub const MAX_VALIDITY: u64 = 7 * 86_400;
/// Type of the content, which [`super::objects::put`] gives to objects too.
const CONTENT_TYPE: &str = "text/csv";

/// The cause of the end of a signature's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndsBy {
    /// The time that was asked for is over.
    Request,
    /// The caller's credentials expire before that.
    Credentials,
    /// The time that was asked for is over, or the caller's temporary credentials expire, whose end is not known.
    CredentialsPerhaps,
}

/// The validity of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its end, in seconds since 1970.
    pub until: u64,
    /// The cause of its end.
    pub ends_by: EndsBy,
    from: u64,
}

/// The caller's credentials at the time of a signature, and the validity that they allow.
#[derive(Debug)]
pub struct Signer {
    credentials: Credentials,
    /// The validity of all that it signs.
    pub validity: Validity,
}

/// An upload by PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The URL with the signature.
    pub url: String,
    /// Headers that are signed, and so must be sent.
    pub headers: Vec<(String, String)>,
}

/// An upload by the form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The URL that the form is sent to.
    pub url: String,
    /// Its fields, before that of the file, which has the name `file`.
    pub fields: Vec<(&'static str, String)>,
}

impl Signer {
    /// Takes the caller's credentials for signatures that are valid for so many seconds.
    ///
    /// # Errors
    /// If there are no credentials, or they have expired.
    pub async fn new(session: &Session, seconds: u64) -> Result<Self> {
        let failed = |code: Option<&str>, message: String| AwsError {
            operation: "Presign",
            resource: "the caller".to_owned(),
            code: code.map(str::to_owned),
            message,
        };
        let Some(provider) = session.config.credentials_provider() else {
            return Err(failed(None, "no credentials found in chain".to_owned()));
        };
        let credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| failed(None, format!("loading credentials failed: {error}")))?;
        let now = seconds_of(SystemTime::now());
        let expiry = credentials.expiry().map(seconds_of);
        let validity = validity(now, seconds, expiry, credentials.session_token().is_some());
        if validity.until <= now {
            return Err(failed(Some("ExpiredToken"), "the credentials have expired".to_owned()));
        }
        Ok(Self { credentials, validity })
    }

    /// Signs an upload by PUT. Without `is_overwriting`, S3 refuses it if there is an object with that key.
    ///
    /// # Errors
    /// If the request can't be signed.
    pub async fn put(&self, session: &Session, bucket: &str, key: &str, is_overwriting: bool) -> Result<Put> {
        const OPERATION: &str = "PutObject";
        let resource = format!("object {key} in bucket {bucket}");
        let duration = Duration::from_secs(self.validity.until - self.validity.from);
        let config = PresigningConfig::expires_in(duration).map_err(|error| AwsError {
            operation: OPERATION,
            resource: resource.clone(),
            code: Some("InvalidRequest".to_owned()),
            message: error.to_string(),
        })?;
        let request = session
            .s3()
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(CONTENT_TYPE)
            .set_if_none_match((!is_overwriting).then(|| "*".to_owned()))
            .presigned(config)
            .await
            .aws(OPERATION, resource)?;
        let mut headers: Vec<(String, String)> =
            request.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.sort_unstable();
        Ok(Put { url: request.uri().to_owned(), headers })
    }

    /// Signs the policy of a form for one object of `max_bytes` at most. S3 has no condition for forms that refuses to
    /// overwrite: Amazon S3 API Reference, "POST Policy".
    ///
    /// # Errors
    /// If the URL of the bucket can't be found.
    pub async fn form(&self, session: &Session, bucket: &str, key: &str, max_bytes: u64) -> Result<Form> {
        // The SDK knows the endpoints of all partitions, and of an emulator.
        let put = self.put(session, bucket, key, true).await?;
        let url = bucket_url(&put.url, bucket).ok_or_else(|| AwsError {
            operation: "PostObject",
            resource: format!("bucket {bucket}"),
            code: Some("InvalidRequest".to_owned()),
            message: "the endpoint of S3 is not a URL".to_owned(),
        })?;
        let place = Place { bucket, key, max_bytes, region: &session.region };
        Ok(Form { url, fields: fields(&self.credentials, self.validity, &place) })
    }
}

fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns the validity of a signature that is made now, by credentials that expire or not.
fn validity(now: u64, seconds: u64, expiry: Option<u64>, is_temporary: bool) -> Validity {
    let asked = now.saturating_add(seconds);
    let (until, ends_by) = match expiry {
        Some(expiry) if expiry < asked => (expiry, EndsBy::Credentials),
        None if is_temporary => (asked, EndsBy::CredentialsPerhaps),
        _ => (asked, EndsBy::Request),
    };
    Validity { until, ends_by, from: now }
}

/// Returns the URL of the bucket in the URL of one of its objects.
fn bucket_url(object: &str, bucket: &str) -> Option<String> {
    let (scheme, rest) = object.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    match host.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.')) {
        true => Some(format!("{scheme}://{host}/")),
        // The bucket is the first part of the path.
        false => path.starts_with(&format!("{bucket}/")).then(|| format!("{scheme}://{host}/{bucket}")),
    }
}

/// The object of a form, and its limits.
struct Place<'a> {
    bucket: &'a str,
    key: &'a str,
    max_bytes: u64,
    region: &'a str,
}

/// Returns the fields of a form, the signature of its policy among them: Amazon S3 API Reference, "Authenticating
/// Requests in Browser-Based Uploads Using POST".
fn fields(credentials: &Credentials, validity: Validity, place: &Place<'_>) -> Vec<(&'static str, String)> {
    let time = |seconds: u64, form: &str| {
        let moment = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        moment.unwrap_or_default().strftime(form).to_string()
    };
    let scope = format!("{}/{}/s3/aws4_request", time(validity.from, "%Y%m%d"), place.region);
    let mut fields = vec![
        ("key", place.key.to_owned()),
        ("Content-Type", CONTENT_TYPE.to_owned()),
        // With 201, S3 answers with a document that names the object.
        ("success_action_status", "201".to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", format!("{}/{scope}", credentials.access_key_id())),
        ("x-amz-date", time(validity.from, "%Y%m%dT%H%M%SZ")),
    ];
    if let Some(token) = credentials.session_token() {
        fields.push(("x-amz-security-token", token.to_owned()));
    }
    let mut conditions: Vec<Value> = vec![json!({ "bucket": place.bucket })];
    conditions.extend(fields.iter().map(|(name, value)| json!(["eq", format!("${name}"), value])));
    conditions.push(json!(["content-length-range", 0, place.max_bytes]));
    let policy = json!({
        "expiration": time(validity.until, "%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": conditions,
    });
    let policy = STANDARD.encode(policy.to_string());
    let signature = signature(credentials, validity.from, place.region, &policy);
    fields.push(("policy", policy));
    fields.push(("x-amz-signature", signature));
    fields
}

/// Returns the signature of a policy in base64, by the key of a day: `from` is in seconds since 1970.
fn signature(credentials: &Credentials, from: u64, region: &str, policy: &str) -> String {
    let from = UNIX_EPOCH + Duration::from_secs(from);
    let key = generate_signing_key(credentials.secret_access_key(), from, region, "s3");
    calculate_signature(key, policy.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_557_865;

    #[test]
    fn a_signature_ends_with_the_credentials() {
        let ends = |expiry, is_temporary| {
            let validity = validity(NOW, 3_600, expiry, is_temporary);
            (validity.until - NOW, validity.ends_by)
        };
        assert_eq!(ends(None, false), (3_600, EndsBy::Request));
        assert_eq!(ends(Some(NOW + 600), true), (600, EndsBy::Credentials));
        assert_eq!(ends(Some(NOW + 7_200), true), (3_600, EndsBy::Request));
        assert_eq!(ends(None, true), (3_600, EndsBy::CredentialsPerhaps));
    }

    #[test]
    fn the_bucket_is_in_the_host_or_in_the_path() {
        for (object, bucket) in [
            (
                "https://b.s3.eu-west-1.amazonaws.com/in/a.csv?X=1",
                Some("https://b.s3.eu-west-1.amazonaws.com/"),
            ),
            ("http://127.0.0.1:4566/b/in/a.csv?X=1", Some("http://127.0.0.1:4566/b")),
            ("https://s3.amazonaws.com/other/a.csv", None),
            ("nothing", None),
        ] {
            assert_eq!(bucket_url(object, "b").as_deref(), bucket, "{object}");
        }
    }

    #[test]
    fn the_policy_allows_one_key_and_one_size() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".to_owned()), None, "test");
        let place = Place { bucket: "b", key: "in/a b.csv", max_bytes: 1_000, region: "eu-west-1" };
        let fields = fields(&credentials, validity(NOW, 60, None, true), &place);
        let field =
            |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(field("x-amz-credential"), Some("AKIDEXAMPLE/20261124/eu-west-1/s3/aws4_request"));
        assert_eq!(field("x-amz-date"), Some("20261124T220425Z"));
        let policy = STANDARD.decode(field("policy").expect("a policy")).expect("base64");
        let policy: Value = serde_json::from_slice(&policy).expect("JSON");
        assert_eq!(policy["expiration"], "2026-11-24T22:05:25.000Z");
        let conditions = policy["conditions"].as_array().expect("conditions");
        for condition in [
            json!({ "bucket": "b" }),
            json!(["eq", "$key", "in/a b.csv"]),
            json!(["eq", "$x-amz-security-token", "token"]),
            json!(["content-length-range", 0, 1_000]),
        ] {
            assert!(conditions.contains(&condition), "{condition} in {policy}");
        }
        assert!(fields.iter().all(|(_, value)| !value.contains("secret")), "{fields:?}");
        // A field that no condition allows is refused: all but these are named.
        let free = ["policy", "x-amz-signature"];
        for (name, _) in fields.iter().filter(|(name, _)| !free.contains(name)) {
            assert!(conditions.iter().any(|one| one[1] == format!("${name}")), "{name}");
        }
    }

    #[test]
    fn the_signature_is_that_of_the_example() {
        // Amazon S3 API Reference, "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)".
        let policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test");
        assert_eq!(
            signature(&credentials, 1_451_347_200, "us-east-1", policy),
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
        );
    }
}
