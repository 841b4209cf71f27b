//! Proxies between a process and AWS, from the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

use std::io;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::origin::Origin;
use crate::stream::Duplex;

/// The largest head of a proxy's answer.
const HEAD: usize = 8 * 1024;

/// Returns the proxies that the environment of the process names; `None` if it names none.
pub(crate) fn of_environment() -> Option<Matcher> {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .then(Matcher::from_env)
}

/// Returns the proxy on the way to an origin.
pub(crate) fn of(proxies: &Matcher, origin: &Origin) -> io::Result<Option<Intercept>> {
    let url: Uri = origin.url().parse().map_err(io::Error::other)?;
    Ok(proxies.intercept(&url))
}

/// Returns the place of a proxy.
pub(crate) fn origin(proxy: &Intercept) -> io::Result<Origin> {
    Origin::of(proxy.uri()).ok_or_else(|| {
        let scheme = proxy.uri().scheme_str().unwrap_or_default();
        tracing::error!(scheme, "only proxies of `http` and `https` are supported");
        io::Error::new(io::ErrorKind::Unsupported, "a proxy that is not one of HTTP")
    })
}

/// Asks the proxy at the other end of `stream` for a connection to `origin`.
pub(crate) async fn tunnel(
    stream: &mut Box<dyn Duplex>,
    origin: &Origin,
    proxy: &Intercept,
) -> io::Result<()> {
    let place = format!("{}:{}", origin.host, origin.port);
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
    if let Some(authorization) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to the origin.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD {
            return Err(io::Error::other("the proxy's answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status.starts_with(b"2") {
        return Ok(());
    }
    let status = String::from_utf8_lossy(status).into_owned();
    tracing::warn!(status, "the proxy refuses a connection");
    Err(io::Error::other(format!("the proxy refuses a connection: {status}")))
}

/// Addresses a request to `origin`, for a proxy that sees it.
pub(crate) fn address(
    request: &mut Request<Full<Bytes>>,
    origin: &Origin,
    proxy: &Intercept,
) -> io::Result<()> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url: Uri = format!("{}{path}", origin.url()).parse().map_err(io::Error::other)?;
    *request.uri_mut() = url;
    if let Some(authorization) = proxy.basic_auth() {
        let mut authorization: HeaderValue = authorization.clone();
        authorization.set_sensitive(true);
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
    }
    Ok(())
}
