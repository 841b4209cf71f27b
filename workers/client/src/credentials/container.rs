//! The endpoint of a container with the credentials of its role.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contract::environment::{VariableError, Variables};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use tokio::time::{sleep, timeout};

use super::Lasting;
use crate::body::Body;
use crate::connection::Connections;
use crate::origin::{Endpoint, Origin};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The endpoint of ECS; the address of EKS is another.
const ECS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));
const EKS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
const EKS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23));

/// Seconds for an answer: those of the SDK.
const LATEST: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;

/// An endpoint with credentials.
#[derive(Debug)]
pub(crate) struct Container {
    origin: Origin,
    /// Path and query.
    path: String,
    token: Option<Token>,
}

#[derive(Debug)]
enum Token {
    /// Its value does not change.
    Fixed(String),
    /// It is read each time: EKS writes another from time to time.
    File(String),
}

impl Container {
    /// Returns the endpoint that the environment names; `None` if it names none.
    pub(crate) fn of_environment<F: Fn(&str) -> Option<String>>(
        variables: &Variables<F>,
    ) -> Result<Option<Self>, VariableError> {
        let (origin, path) = if let Some(path) = variables.optional(RELATIVE) {
            if !path.starts_with('/') {
                let expected = "a path that begins with a slash".into();
                return Err(VariableError::Invalid { name: RELATIVE, expected });
            }
            (Origin { tls: false, host: ECS.to_string(), port: 80 }, path)
        } else if let Some(url) = variables.optional(FULL) {
            let (base, query) = url.split_once('?').unwrap_or((&url, ""));
            let endpoint = Endpoint::parse(base).ok_or_else(|| VariableError::Invalid {
                name: FULL,
                expected: "a URL of `http` or `https`".into(),
            })?;
            let query = if query.is_empty() { String::new() } else { format!("?{query}") };
            let path = if endpoint.path.is_empty() { "/" } else { &endpoint.path };
            (endpoint.origin, format!("{path}{query}"))
        } else {
            return Ok(None);
        };
        let file = variables.optional(TOKEN_FILE).map(Token::File);
        let token = file.or_else(|| variables.optional(TOKEN).map(Token::Fixed));
        Ok(Some(Self { origin, path, token }))
    }

    /// Asks for the credentials, again where that may help. The error says what failed, without a secret.
    pub(crate) async fn read(&self, connections: &Arc<Connections>) -> Result<Lasting, String> {
        self.check_place().await?;
        let mut attempt = 1;
        loop {
            let failed = match self.attempt(connections).await {
                Ok(read) => return Ok(read),
                Err(failed) => failed,
            };
            if attempt >= ATTEMPTS || failed.is_final {
                return Err(failed.cause);
            }
            sleep(Duration::from_millis(100 << attempt)).await;
            attempt += 1;
        }
    }

    /// Refuses a place that others than the container could be at: credentials are not for the network.
    async fn check_place(&self) -> Result<(), String> {
        if self.origin.tls {
            return Ok(());
        }
        let host = self.origin.address();
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => tokio::net::lookup_host((host, self.origin.port))
                .await
                .map_err(|error| format!("`{host}` has no address: {error}"))?
                .map(|address| address.ip())
                .collect(),
        };
        let allowed = |address: &IpAddr| address.is_loopback() || [ECS, EKS, EKS_V6].contains(address);
        match addresses.iter().find(|address| !allowed(address)) {
            Some(address) => Err(format!("{FULL} is at {address}, which needs `https`")),
            None => Ok(()),
        }
    }

    async fn attempt(&self, connections: &Arc<Connections>) -> Result<Lasting, Failed> {
        let passing = |cause: String| Failed { cause, is_final: false };
        let lasting = |cause: String| Failed { cause, is_final: true };
        let token = match &self.token {
            None => None,
            Some(Token::Fixed(token)) => Some(token.clone()),
            Some(Token::File(path)) => Some(
                std::fs::read_to_string(path).map_err(|error| lasting(format!("{TOKEN_FILE}: {error}")))?,
            ),
        };
        let mut request = Request::get(&self.path)
            .header(header::HOST, self.origin.authority())
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::new()))
            .map_err(|error| lasting(error.to_string()))?;
        if let Some(token) = token {
            let mut token = HeaderValue::from_str(&token)
                .map_err(|_| lasting("the authorization token is not a value of a header".into()))?;
            token.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let answer = timeout(LATEST, async {
            let answer = connections.send(&self.origin, request).await?;
            let status = answer.status();
            Ok((status, Body::new(answer.into_body()).whole().await?))
        });
        let answer = answer.await.map_err(|_| passing("no answer in time".into()))?;
        let (status, body) = answer.map_err(|error: std::io::Error| passing(error.to_string()))?;
        if !status.is_success() {
            let cause = format!("status {}", status.as_u16());
            return Err(Failed { cause, is_final: !(status.is_server_error() || status.as_u16() == 429) });
        }
        Lasting::read(&body).map_err(passing)
    }
}

struct Failed {
    cause: String,
    is_final: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Container>, VariableError> {
        let known: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Container::of_environment(&Variables::new(move |name| {
            known.iter().find_map(|(known, value)| (known == name).then(|| value.clone()))
        }))
    }

    #[tokio::test]
    async fn credentials_are_not_fetched_from_the_network_in_clear() {
        let is_allowed = async |url: &str| {
            let container = of(&[(FULL, url)]).expect("a URL").expect("an endpoint");
            container.check_place().await
        };
        for url in [
            "http://127.0.0.1:51678/creds",
            "http://[::1]/creds",
            "http://localhost/creds",
            "http://169.254.170.2/creds",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "https://192.0.2.1/creds",
        ] {
            assert_eq!(is_allowed(url).await, Ok(()), "{url}");
        }
        for url in ["http://192.0.2.1/creds", "http://169.254.169.254/creds", "http://[fd00:ec2::254]/"] {
            let error = is_allowed(url).await.expect_err(url);
            assert!(error.contains("https"), "{error}");
        }
    }

    #[test]
    fn the_environment_names_the_place() {
        let place = |variables: &[(&str, &str)]| {
            let container = of(variables).expect("valid").expect("an endpoint");
            format!("{}{}", container.origin.url(), container.path)
        };
        assert_eq!(place(&[(RELATIVE, "/v2/x?a=b"), (FULL, "http://x/")]), "http://169.254.170.2/v2/x?a=b");
        assert_eq!(place(&[(FULL, "http://localhost:1/get?a=b")]), "http://localhost:1/get?a=b");
        assert_eq!(place(&[(FULL, "http://localhost")]), "http://localhost/");
        assert!(of(&[]).expect("nothing").is_none());
        for (name, value) in [(RELATIVE, "v2"), (FULL, "localhost/get")] {
            assert!(of(&[(name, value)]).expect_err(value).to_string().contains(name));
        }
    }
}
