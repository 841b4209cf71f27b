//! Places that speak HTTP.

use http::Uri;

/// A scheme, a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// `true` for `https`.
    pub(crate) tls: bool,
    /// A name or an address, one of IPv6 in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Returns the origin of a host that is reached by TLS at its usual port.
    pub(crate) fn secure(host: impl Into<String>) -> Self {
        Self { tls: true, host: host.into(), port: 443 }
    }

    /// Returns the origin of a URL; `None` if it isn't one of HTTP.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let tls = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host().filter(|host| !host.is_empty())?.to_owned();
        Some(Self { tls, host, port: url.port_u16().unwrap_or(if tls { 443 } else { 80 }) })
    }

    /// Returns the host, with the port where it isn't the usual one: the value of `Host`.
    pub(crate) fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// Returns the URL of the origin.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }

    /// Returns the host without the brackets of an address.
    pub(crate) fn address(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }
}

/// An endpoint: an origin, and a path before the path of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) origin: Origin,
    /// Without a slash at its end.
    pub(crate) path: String,
}

impl Endpoint {
    /// Returns the endpoint with this URL; `None` if it isn't one of HTTP.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        if url.query().is_some() {
            return None;
        }
        Some(Self { origin: Origin::of(&url)?, path: url.path().trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_from_its_url() {
        let parse = |url| {
            Endpoint::parse(url).map(|endpoint| (endpoint.origin.url(), endpoint.path, endpoint.origin.port))
        };
        let expected = |url: &str, path: &str, port| Some((url.to_owned(), path.to_owned(), port));
        assert_eq!(parse("http://127.0.0.1:4566"), expected("http://127.0.0.1:4566", "", 4566));
        assert_eq!(parse("https://example.com/a/b/"), expected("https://example.com", "/a/b", 443));
        assert_eq!(parse("https://example.com:443"), expected("https://example.com", "", 443));
        assert_eq!(parse("http://[::1]:80/"), expected("http://[::1]", "", 80));
        assert_eq!(Endpoint::parse("http://[::1]").expect("a URL").origin.address(), "::1");
        for bad in ["", "example.com", "/path", "ftp://example.com", "http://", "http://x/?a=b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
