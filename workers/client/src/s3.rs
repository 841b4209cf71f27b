//! Calls about one object in S3.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use crate::body::Body;
use crate::checksum::Checksum;
use crate::client::Client;
use crate::client::call::Request;
use crate::error::{CallError, Failure};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::service::Service;
use crate::signature::push_encoded;

/// A request about an object. See [`Client::object`].
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    /// Name of the bucket.
    pub bucket: &'a str,
    /// Key of the object.
    pub key: &'a str,
    /// Parameters, in any order: `versionId`, `uploadId`.
    pub query: Vec<(&'a str, &'a str)>,
    /// Headers with names in lower case: `range`, `if-match`, `content-type`.
    pub headers: Vec<(&'static str, Cow<'a, str>)>,
    /// The bytes to write.
    pub body: Bytes,
}

/// The answer to a request about an object.
#[derive(Debug)]
pub struct Reply<B> {
    /// Status of HTTP: 200, or 206 for a range.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: B,
}

impl<B> Reply<B> {
    fn new(answer: Response<B>) -> Self {
        let (head, body) = answer.into_parts();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Returns the value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// Makes a request about an object, such as PutObject, and returns the whole answer.
    ///
    /// # Errors
    /// [`Failure`] when the call fails in its last attempt, also where S3 reports that after it has begun to answer with
    /// status 200 (CompleteMultipartUpload); of the code `ConstructionFailure` for the name of a directory bucket or an access
    /// point.
    pub async fn object(&self, method: Method, object: &Object<'_>) -> Result<Reply<Bytes>, Failure> {
        let request = self.request(method, object)?;
        let reply = self.whole(&request, |answer| Some(answer.clone())).await.map(Reply::new)?;
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
        if request.method == Method::POST
            && let Ok(text) = std::str::from_utf8(&reply.body)
            && let Problem { code: Some(code), message } = Problem::xml(text)
        {
            let error = CallError::of_service(Some(&code), message.as_deref(), 500);
            return Err(Failure { error, body: reply.body });
        }
        Ok(reply)
    }

    /// Requests an object or a range of it, and returns its bytes as they arrive. If S3 names the checksum of what it sends,
    /// the bytes are compared with it, and others fail at their end.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub async fn read(&self, object: &Object<'_>) -> Result<Reply<Body>, Failure> {
        let mut request = self.request(Method::GET, object)?;
        request.headers.push(("x-amz-checksum-mode", "ENABLED".into()));
        let Reply { status, headers, body } = self.stream(&request).await.map(Reply::new)?;
        let checksum = Checksum::of_answer(&headers);
        Ok(Reply { status, headers, body: body.checked(checksum) })
    }

    fn request<'a>(&self, method: Method, object: &Object<'a>) -> Result<Request<'a>, CallError> {
        let &Object { bucket, key, ref query, ref headers, ref body } = object;
        // Directory buckets have signatures, and access points hosts, of their own.
        if bucket.is_empty() || bucket.contains([':', '/']) || bucket.ends_with("--x-s3") {
            return Err(CallError::construction());
        }
        let place = self.place(Service::S3);
        let Some(endpoint) = &place.endpoint else {
            tracing::error!("S3 has no endpoint in this Region as AWS_USE_FIPS_ENDPOINT asks for");
            return Err(CallError::construction());
        };
        let mut path = String::with_capacity(bucket.len() + key.len() + 8);
        path.push('/');
        let origin = match !place.custom && is_label(bucket) {
            true => {
                let Origin { tls, ref host, port } = endpoint.origin;
                Some(Origin { tls, host: format!("{bucket}.{host}"), port })
            }
            false => {
                push_encoded(&mut path, bucket, false);
                path.push('/');
                None
            }
        };
        push_encoded(&mut path, key, true);
        let mut parameters: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| {
                let (mut encoded, mut value_encoded) = (String::new(), String::new());
                push_encoded(&mut encoded, name, false);
                push_encoded(&mut value_encoded, value, false);
                (encoded, value_encoded)
            })
            .collect();
        parameters.sort();
        let query: Vec<String> =
            parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Request {
            service: Service::S3,
            method,
            origin,
            path: path.into(),
            query: query.join("&").into(),
            headers: headers.clone(),
            body: body.clone(),
        })
    }
}

/// Returns whether a bucket can be a label of a host name, under the certificate of S3.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
fn is_label(bucket: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(inner)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}
