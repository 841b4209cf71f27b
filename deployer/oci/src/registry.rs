//! A container registry: images by the OCI Distribution Specification 1.1, over HTTP.
//!
//! ECR's own API would do the same in more calls, and the local cloud takes images only in this way. Every part is
//! named by its digest, so each may be sent again, and existing parts are not sent.

use std::time::Duration;

use deployer_base::aws_error::AwsError;
use deployer_base::error::Error;
use deployer_packing::image::{Blob, Image, MANIFEST_TYPE};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use self::call::{Call, Failure, chain};

mod call;

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a request without content; content gets more, by its size.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Rate below which a connection counts as broken.
const LEAST_BYTES_A_SECOND: u64 = 20_000;

/// A registry, and our credentials for it.
#[derive(Debug, Clone)]
pub struct Registry {
    client: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    pause: Duration,
}

impl Registry {
    /// Creates a client for the registry at a URL, such as `https://123456789012.dkr.ecr.eu-west-1.amazonaws.com`, with
    /// `Basic` credentials.
    ///
    /// # Errors
    /// If the URL or the token makes no sense.
    pub fn new(base: &str, token: Option<&str>) -> Result<Self, Error> {
        let base =
            Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base =
            base.ok_or_else(|| Error::failed("the URL of the image registry is neither HTTP nor HTTPS"))?;
        let authorization = match token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Basic {token}")).map_err(|_| {
                    Error::failed("the registry token from AWS is not valid in an HTTP header")
                })?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        // Locations are followed here, one by one, so that only the registry gets the credentials.
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("deployer/", env!("CARGO_PKG_VERSION")));
        let builder = if is_loopback(&base) { builder.no_proxy() } else { builder };
        let client = builder
            .build()
            .map_err(|error| Error::failed(format!("HTTP cannot be used: {}", chain(&error))))?;
        Ok(Self { client, base, authorization, pause: FIRST_PAUSE })
    }

    /// Checks whether an image exists.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub async fn has_image(&self, repository: &str, image: &Image) -> Result<bool, AwsError> {
        self.has_manifest(repository, &image.manifest).await
    }

    /// Sends those parts of an image that are missing, the manifest last: then the image is complete.
    ///
    /// # Errors
    /// If the registry refuses, or does not answer after several attempts.
    pub async fn push(&self, repository: &str, image: &Image) -> Result<(), AwsError> {
        if self.has_manifest(repository, &image.manifest).await? {
            return Ok(());
        }
        tokio::try_join!(
            self.send_blob(repository, &image.layer),
            self.send_blob(repository, &image.config)
        )?;
        self.send_manifest(repository, &image.manifest).await
    }

    async fn has_manifest(&self, repository: &str, manifest: &Blob) -> Result<bool, AwsError> {
        let resource = resource(repository, manifest);
        let call = Call { operation: "BatchGetImage", resource: &resource };
        let url = self.url(&call, &format!("/v2/{repository}/manifests/{}", manifest.digest))?;
        self.repeat(async || self.has(&call, &url).await).await
    }

    /// Sends a blob unless it exists. Each attempt starts anew: the rest of a broken upload is the registry's.
    async fn send_blob(&self, repository: &str, blob: &Blob) -> Result<(), AwsError> {
        let resource = resource(repository, blob);
        let look = Call { operation: "BatchCheckLayerAvailability", resource: &resource };
        let start = Call { operation: "InitiateLayerUpload", resource: &resource };
        let finish = Call { operation: "CompleteLayerUpload", resource: &resource };
        let url = self.url(&look, &format!("/v2/{repository}/blobs/{}", blob.digest))?;
        let uploads = self.url(&start, &format!("/v2/{repository}/blobs/uploads/"))?;
        let bytes = || blob.content.bytes().map_err(|error| finish.error("InvalidContent", error.message));
        let send = async || {
            if self.has(&look, &url).await? {
                return Ok(());
            }
            let request = self.request(Method::POST, &uploads).header(reqwest::header::CONTENT_LENGTH, 0);
            let started = start.answer(request, StatusCode::ACCEPTED).await?;
            let mut target = self.location(&start, &uploads, &started)?;
            target.query_pairs_mut().append_pair("digest", &blob.digest);
            let request = self
                .request(Method::PUT, &target)
                .timeout(timeout(blob.content.facts.size))
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(bytes().map_err(Failure::Lasting)?);
            finish.answer(request, StatusCode::CREATED).await.map(drop)
        };
        self.repeat(send).await
    }

    async fn send_manifest(&self, repository: &str, manifest: &Blob) -> Result<(), AwsError> {
        let resource = resource(repository, manifest);
        let call = Call { operation: "PutImage", resource: &resource };
        let url = self.url(&call, &format!("/v2/{repository}/manifests/{}", manifest.digest))?;
        let bytes = manifest.content.bytes().map_err(|error| call.error("InvalidContent", error.message))?;
        let send = async || {
            let request =
                self.request(Method::PUT, &url).header(CONTENT_TYPE, manifest.media_type).body(bytes.clone());
            let answer = call.answer(request, StatusCode::CREATED).await?;
            match answer.headers().get("docker-content-digest") {
                Some(digest) if digest != manifest.digest.as_str() => {
                    let digest = String::from_utf8_lossy(digest.as_bytes()).into_owned();
                    Err(Failure::Lasting(
                        call.error("InvalidAnswer", format!("the registry stored it as {digest}")),
                    ))
                }
                _ => Ok(()),
            }
        };
        self.repeat(send).await
    }

    async fn has(&self, call: &Call<'_>, url: &Url) -> Result<bool, Failure> {
        let answer = call.send(self.request(Method::HEAD, url).header(ACCEPT, MANIFEST_TYPE)).await?;
        match answer.status() {
            // A redirection tells the place of the part, so the part exists.
            status if status.is_success() || status.is_redirection() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(call.refused(answer).await),
        }
    }

    /// Creates a request with our credentials if it goes to this registry, and without them elsewhere.
    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.client.request(method, url.clone()).timeout(TIMEOUT);
        match &self.authorization {
            Some(authorization) if url.origin() == self.base.origin() => {
                request.header(AUTHORIZATION, authorization.clone())
            }
            _ => request,
        }
    }

    fn url(&self, call: &Call<'_>, path: &str) -> Result<Url, AwsError> {
        self.base.join(path).map_err(|error| call.error("InvalidRequest", error.to_string()))
    }

    /// Returns the URL for the rest of an upload: an absolute one, or one relative to the request's.
    fn location(&self, call: &Call<'_>, url: &Url, answer: &Response) -> Result<Url, Failure> {
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.and_then(|location| url.join(location).ok());
        match location {
            Some(location) if location.scheme() == "https" || location.scheme() == self.base.scheme() => {
                Ok(location)
            }
            Some(location) => {
                let text = format!(
                    "the registry redirects the upload to {}, without TLS",
                    location.origin().ascii_serialization()
                );
                Err(Failure::Lasting(call.error("InvalidAnswer", text)))
            }
            None => Err(Failure::Lasting(
                call.error("InvalidAnswer", "the answer of the registry has no upload location".to_owned()),
            )),
        }
    }

    /// Tries again, with growing pauses, as long as there is hope.
    async fn repeat<T>(&self, attempt: impl AsyncFn() -> Result<T, Failure>) -> Result<T, AwsError> {
        let mut pause = self.pause;
        for remaining in (0..ATTEMPTS).rev() {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(Failure::Passing(_, asked)) if remaining > 0 => {
                    tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Failure::Passing(error, _) | Failure::Lasting(error)) => return Err(error),
            }
        }
        Err(Call { operation: "PutImage", resource: self.base.as_str() }
            .error("InternalFailure", "no attempt was made".to_owned()))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn timeout(bytes: u64) -> Duration {
    TIMEOUT + Duration::from_secs(bytes / LEAST_BYTES_A_SECOND)
}

fn resource(repository: &str, blob: &Blob) -> String {
    let what = if blob.media_type == MANIFEST_TYPE { "image" } else { "part" };
    format!("{what} {} in image repository {repository}", blob.digest)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A request as the server saw it.
    #[derive(Debug, Clone)]
    struct Seen {
        /// Method and path with query.
        line: String,
        authorization: Option<String>,
        body: Vec<u8>,
    }

    /// An HTTP server that answers with the results of a function, one request a connection.
    struct Server {
        url: String,
        seen: Arc<Mutex<Vec<Seen>>>,
    }

    impl Server {
        /// Starts a server. `answer` gets the request and the number of requests before it; it returns status, headers
        /// and body, or hangs up.
        async fn start(answer: impl Fn(&Seen, usize) -> Option<String> + Send + Sync + 'static) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            let seen = Arc::new(Mutex::new(Vec::new()));
            let all = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let Some(request) = read(&mut stream).await else { continue };
                    let answer = {
                        let mut all = all.lock().expect("not poisoned");
                        let answer = answer(&request, all.len());
                        all.push(request);
                        answer
                    };
                    if let Some(answer) = answer {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                }
            });
            Self { url, seen }
        }

        fn seen(&self) -> Vec<Seen> {
            self.seen.lock().expect("not poisoned").clone()
        }

        /// Returns methods and last parts of the paths.
        fn lines(&self) -> Vec<String> {
            self.seen().into_iter().map(|seen| seen.line).collect()
        }
    }

    async fn read(stream: &mut TcpStream) -> Option<Seen> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let header = |wanted: &str| {
            head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let mut body = vec![0; header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
        Some(Seen { line, authorization: header("authorization"), body })
    }

    fn answer(status: u16, headers: &str, body: &str) -> Option<String> {
        let length = body.len();
        Some(format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    fn registry(server: &Server, token: Option<&str>) -> Registry {
        let mut registry = Registry::new(&server.url, token).expect("a registry");
        registry.pause = Duration::from_millis(5);
        registry
    }

    /// Answers as a registry that has nothing, and takes everything.
    fn empty(seen: &Seen) -> Option<String> {
        match seen.line.split(' ').next() {
            Some("HEAD") => answer(404, "", ""),
            Some("POST") => answer(202, "location: /v2/assets/blobs/uploads/1?state=a%2Fb\r\n", ""),
            _ => answer(201, "", ""),
        }
    }

    fn image() -> Image {
        let (layer, facts) = deployer_packing::image::layer("extraction", b"program").expect("packed");
        let layer = deployer_packing::Content::known(facts, layer.into());
        deployer_packing::image::of("extraction", deployer_lang::model::code::Architecture::X86_64, layer)
    }

    #[tokio::test]
    async fn an_image_that_is_there_is_only_looked_at() {
        let server = Server::start(|_, _| answer(200, "", "")).await;
        let image = image();
        registry(&server, Some("secret")).push("assets", &image).await.expect("pushed");
        assert_eq!(server.lines(), [format!("HEAD /v2/assets/manifests/{}", image.manifest.digest)]);
        assert_eq!(server.seen()[0].authorization.as_deref(), Some("Basic secret"));
    }

    #[tokio::test]
    async fn a_new_image_is_sent_whole_and_its_manifest_last() {
        let server = Server::start(|seen, _| empty(seen)).await;
        let image = image();
        registry(&server, None).push("assets", &image).await.expect("pushed");
        let seen = server.seen();
        assert_eq!(seen.len(), 8, "{:?}", server.lines());
        for blob in [&image.layer, &image.config] {
            let line = format!("PUT /v2/assets/blobs/uploads/1?state=a%2Fb&digest=sha256%3A{}", blob.hex());
            let put = seen.iter().find(|seen| seen.line == line).expect("the blob was sent");
            assert_eq!(put.body, blob.content.bytes().expect("bytes"));
        }
        let last = seen.last().expect("requests");
        assert_eq!(last.line, format!("PUT /v2/assets/manifests/{}", image.manifest.digest));
        assert_eq!(last.body, image.manifest.content.bytes().expect("bytes"));
        assert!(seen.iter().all(|seen| seen.authorization.is_none()));
    }

    #[tokio::test]
    async fn what_is_there_is_not_sent_again() {
        let image = image();
        let layer = image.layer.digest.clone();
        let server = Server::start(move |seen, _| match &seen.line {
            line if line.starts_with("HEAD") && line.ends_with(&layer) => {
                answer(307, "location: http://x/\r\n", "")
            }
            _ => empty(seen),
        })
        .await;
        registry(&server, None).push("assets", &image).await.expect("pushed");
        let lines = server.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), 1, "{lines:?}");
        assert!(
            !lines.iter().any(|line| line.starts_with("PUT") && line.contains(image.layer.hex())),
            "{lines:?}"
        );
    }

    #[tokio::test]
    async fn a_passing_failure_is_tried_again() {
        // Every other request fails: with 500, 503, 429, or a connection that is cut.
        let server = Server::start(|seen, before| match before % 2 {
            1 => empty(seen),
            _ => match before % 8 {
                0 => answer(500, "", ""),
                2 => answer(503, "retry-after: 0\r\n", ""),
                4 => answer(429, "", ""),
                _ => None,
            },
        })
        .await;
        let image = image();
        let registry = registry(&server, None);
        // The calls follow each other, so that the failures meet each in turn.
        assert!(!registry.has_image("assets", &image).await.expect("asked"));
        registry.send_manifest("assets", &image.manifest).await.expect("sent");
        assert!(!registry.has_image("assets", &image).await.expect("asked"));
        assert!(!registry.has_image("assets", &image).await.expect("asked"));
        assert_eq!(server.seen().len(), 8);
    }

    #[tokio::test]
    async fn an_upload_that_breaks_starts_anew() {
        let server = Server::start(|seen, before| match seen.line.split(' ').next() {
            Some("PUT") if before < 4 => answer(502, "", ""),
            _ => empty(seen),
        })
        .await;
        let image = image();
        registry(&server, None).send_blob("assets", &image.layer).await.expect("sent");
        let methods: Vec<_> =
            server.lines().iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(methods, ["HEAD", "POST", "PUT", "HEAD", "POST", "PUT"]);
    }

    #[tokio::test]
    async fn hope_ends() {
        let server = Server::start(|_, _| answer(500, "", "")).await;
        let error = registry(&server, None).push("assets", &image()).await.expect_err("fails");
        assert_eq!(server.seen().len(), ATTEMPTS as usize);
        assert_eq!((error.operation, error.code.as_deref()), ("BatchGetImage", Some("500")));
    }

    #[tokio::test]
    async fn another_host_gets_no_credentials() {
        let storage = Server::start(|_, _| answer(201, "", "")).await;
        let location = format!("location: {}/upload?key=1\r\n", storage.url);
        let server = Server::start(move |seen, _| match seen.line.split(' ').next() {
            Some("POST") => answer(202, &location, ""),
            _ => empty(seen),
        })
        .await;
        let image = image();
        registry(&server, Some("secret")).push("assets", &image).await.expect("pushed");
        let stored = storage.seen();
        assert_eq!(stored.len(), 2);
        assert!(
            stored.iter().all(|seen| seen.authorization.is_none() && seen.line.contains("key=1&digest="))
        );
        assert!(server.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Basic secret")));
    }

    #[tokio::test]
    async fn an_absolute_location_on_the_registry_gets_them() {
        let server = Server::start(|_, _| None).await;
        let registry = registry(&server, Some("secret"));
        let own = Url::parse(&format!("{}/x", server.url)).expect("a URL");
        let other = Url::parse("http://127.0.0.1:1/x").expect("a URL");
        let header = |url: &Url| {
            let request = registry.request(Method::PUT, url).build().expect("a request");
            request.headers().get(AUTHORIZATION).cloned()
        };
        assert!(header(&own).is_some_and(|value| value.is_sensitive()));
        assert!(header(&other).is_none());
        assert!(!format!("{registry:?}").contains("secret"));
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_says_why() {
        let body = r#"{"errors":[{"code":"DENIED","message":"not you"}]}"#;
        let server = Server::start(move |seen, _| match seen.line.starts_with("POST") {
            true => answer(403, "", body),
            false => empty(seen),
        })
        .await;
        let error =
            registry(&server, Some("x")).send_blob("assets", &image().config).await.expect_err("fails");
        assert_eq!(error.message, "not you (HTTP 403)");
        assert_eq!(error.operation, "InitiateLayerUpload");
        assert_eq!(Error::from(error).exit_code(), 6);
        assert_eq!(server.seen().len(), 2);
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let mut registry = Registry::new(&url, None).expect("a registry");
        registry.pause = Duration::from_millis(1);
        let error = registry.has_image("assets", &image()).await.expect_err("fails");
        assert!(error.message.contains("Connection refused"), "{error:?}");
        assert_eq!(error.code, None);
    }

    #[test]
    fn only_http_makes_a_registry() {
        assert!(Registry::new("ftp://x", None).is_err());
        assert!(Registry::new("x", None).is_err());
        assert!(Registry::new("https://x", Some("a\nb")).is_err());
    }
}
