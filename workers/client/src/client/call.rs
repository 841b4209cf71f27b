//! One call: its attempts, each signed anew.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, DATE, HOST, HeaderName, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use http_body_util::Full;
use tokio::time::{sleep, timeout};

use crate::body::Body;
use crate::client::{Client, Place};
use crate::clock::{Stamp, http_date};
use crate::error::{CallError, Failed, Failure, NoAnswer};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::retry::Attempts;
use crate::service::Service;
use crate::signature::{Signed, sha256_hex};

/// The time for the head of an answer. The SDK waits without an end; this is what other SDKs of AWS have.
/// <https://docs.aws.amazon.com/botocore/latest/reference/config.html> (`read_timeout`)
const ANSWER: Duration = Duration::from_secs(60);
/// Seconds by which a clock may be wrong before signatures are made for the service's time, as in the SDK. AWS takes
/// signatures of five minutes.
const SKEW: i64 = 4 * 60;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("etl-client/", env!("CARGO_PKG_VERSION")));

/// A request that is not signed yet.
pub(crate) struct Request<'a> {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// The origin, if it is not that of the service's endpoint.
    pub(crate) origin: Option<Origin>,
    /// Encoded, with a slash at its beginning.
    pub(crate) path: Cow<'a, str>,
    /// Encoded, sorted by name.
    pub(crate) query: Cow<'a, str>,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, Cow<'a, str>)>,
    pub(crate) body: Bytes,
}

impl Client {
    /// Makes a call, and reads its whole answer.
    pub(crate) async fn whole<T>(
        &self,
        request: &Request<'_>,
        read: impl Fn(&Response<Bytes>) -> Option<T> + Sync,
    ) -> Result<T, Failure> {
        let hash = sha256_hex(&request.body);
        let mut attempts = Attempts::new(&self.place(request.service).tokens, self.0.attempts);
        loop {
            let failed = match self.attempt(request, &hash).await {
                Ok(answer) => match whole(answer).await.as_ref().and_then(&read) {
                    Some(read) => {
                        attempts.succeeded();
                        return Ok(read);
                    }
                    None => Failed::without_answer(NoAnswer::Unreadable),
                },
                Err(failed) => failed,
            };
            again(&mut attempts, failed).await?;
        }
    }

    /// Makes a call, and returns its answer before the body has arrived.
    pub(crate) async fn stream(&self, request: &Request<'_>) -> Result<Response<Body>, Failure> {
        let hash = sha256_hex(&request.body);
        let mut attempts = Attempts::new(&self.place(request.service).tokens, self.0.attempts);
        loop {
            match self.attempt(request, &hash).await {
                Ok(answer) => {
                    attempts.succeeded();
                    return Ok(answer);
                }
                Err(failed) => again(&mut attempts, failed).await?,
            }
        }
    }

    /// Sends the request once.
    async fn attempt(&self, request: &Request<'_>, hash: &str) -> Result<Response<Body>, Failed> {
        let place = self.place(request.service);
        let (origin, signed) = self.signed(place, request, hash).await?;
        let sent = SystemTime::now();
        let answer = match timeout(ANSWER, self.0.connections.send(origin, signed)).await {
            Ok(Ok(answer)) => answer.map(Body::new),
            Ok(Err(error)) => {
                tracing::debug!(service = %request.service, %error, "the request was not answered");
                let error_of_call = CallError::without_answer(NoAnswer::NotSent);
                return Err(match error.kind() {
                    // A proxy of another kind: no attempt gets through it.
                    std::io::ErrorKind::Unsupported => Failed::for_good(error_of_call),
                    _ => Failed::without_answer(NoAnswer::NotSent),
                });
            }
            Err(_) => return Err(Failed::without_answer(NoAnswer::Late)),
        };
        let skewed = measure(place, answer.headers(), sent);
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refused(request.service, answer, skewed).await)
    }

    async fn signed<'a>(
        &self,
        place: &'a Place,
        request: &'a Request<'_>,
        hash: &str,
    ) -> Result<(&'a Origin, http::Request<Full<Bytes>>), Failed> {
        let credentials = self.0.provider.get(&self.0.connections).await.map_err(|error| {
            tracing::error!(%error, "a call cannot be signed");
            Failed::for_good(CallError::without_answer(NoAnswer::NotSent))
        })?;
        let ahead = place.ahead.load(Ordering::Relaxed);
        let stamp = Stamp::new(moved(SystemTime::now(), ahead));
        let endpoint = place.endpoint.as_ref().ok_or_else(|| Failed::for_good(CallError::construction()))?;
        let origin = request.origin.as_ref().unwrap_or(&endpoint.origin);
        let authority = origin.authority();
        let trace = if self.0.traced { std::env::var("_X_AMZN_TRACE_ID").ok() } else { None };
        let path = match endpoint.path.as_str() {
            "" => Cow::Borrowed(request.path.as_ref()),
            before => format!("{before}{}", request.path).into(),
        };

        let mut headers: Vec<(&'static str, &str)> = Vec::with_capacity(request.headers.len() + 5);
        headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_ref())));
        headers.extend([("host", authority.as_str()), ("x-amz-date", stamp.text())]);
        headers.extend(credentials.token.as_deref().map(|token| ("x-amz-security-token", token)));
        headers.extend(trace.as_deref().map(|trace| ("x-amzn-trace-id", trace)));
        headers.extend((request.service == Service::S3).then_some(("x-amz-content-sha256", hash)));
        headers.sort_unstable_by_key(|(name, _)| *name);
        let signed = Signed {
            method: request.method.as_str(),
            path: &path,
            query: &request.query,
            headers: &headers,
            body: hash,
        };
        let authorization = place.signer.authorization(&credentials, &stamp, &signed);
        build(request, &path, &headers, &authorization)
            .map(|built| (origin, built))
            .ok_or_else(|| Failed::for_good(CallError::construction()))
    }
}

/// Returns the request as it is sent; `None` if it contains what HTTP can't carry.
fn build(
    request: &Request<'_>,
    path: &str,
    headers: &[(&'static str, &str)],
    authorization: &str,
) -> Option<http::Request<Full<Bytes>>> {
    let uri = match request.query.as_ref() {
        "" => PathAndQuery::try_from(path).ok()?,
        query => PathAndQuery::try_from(format!("{path}?{query}")).ok()?,
    };
    let mut built = http::Request::new(Full::new(request.body.clone()));
    *built.method_mut() = request.method.clone();
    *built.uri_mut() = Uri::from(uri);
    let map = built.headers_mut();
    map.reserve(headers.len() + 2);
    for (name, value) in headers {
        let name = if *name == "host" { HOST } else { HeaderName::from_static(name) };
        map.insert(name, HeaderValue::from_str(value).ok()?);
    }
    map.insert(AUTHORIZATION, HeaderValue::from_str(authorization).ok()?);
    map.insert(USER_AGENT, AGENT);
    Some(built)
}

/// Waits before another attempt, or returns the failure if there is none.
async fn again(attempts: &mut Attempts<'_>, failed: Failed) -> Result<(), Failure> {
    match attempts.failed(&failed) {
        Some(pause) => {
            tracing::debug!(code = failed.failure.error.code, ?pause, "the call is repeated");
            sleep(pause).await;
            Ok(())
        }
        None => Err(failed.failure),
    }
}

/// Reads the body of an answer.
async fn whole(answer: Response<Body>) -> Option<Response<Bytes>> {
    let (head, body) = answer.into_parts();
    Some(Response::from_parts(head, body.whole().await.ok()?))
}

/// Reads the error in an answer.
async fn refused(service: Service, answer: Response<Body>, skewed: bool) -> Failed {
    let (head, mut body) = answer.into_parts();
    let status = head.status.as_u16();
    if status >= 500 {
        // Another server may be better.
        body.close();
    }
    let Ok(body) = body.whole().await else { return Failed::without_answer(NoAnswer::Unreadable) };
    let Problem { code, message } = Problem::read(service, status, &head.headers, &body);
    let error = CallError::of_service(code.as_deref(), message.as_deref(), status);
    let after = head.headers.get("x-amz-retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Failed {
        failure: Failure { error, body },
        status: Some(status),
        code,
        retry_after: after.map(Duration::from_millis),
        skewed,
        is_final: false,
    }
}

/// Compares the clock with that of the service, for the next signature. Returns whether it is wrong.
fn measure(place: &Place, headers: &HeaderMap, sent: SystemTime) -> bool {
    // An answer of a cache has a date of its own.
    let date = headers.get(DATE).filter(|_| !headers.contains_key("age"));
    let Some(theirs) = date.and_then(|date| http_date(date.to_str().ok()?)) else { return false };
    let ahead = match theirs.duration_since(sent) {
        Ok(ahead) => i64::try_from(ahead.as_secs()).unwrap_or_default(),
        Err(behind) => i64::try_from(behind.duration().as_secs()).map_or(0, |seconds| -seconds),
    };
    let wrong = ahead.abs() > SKEW;
    place.ahead.store(if wrong { ahead } else { 0 }, Ordering::Relaxed);
    wrong
}

fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    moved.unwrap_or(time)
}
