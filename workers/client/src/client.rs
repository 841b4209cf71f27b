//! The client: configuration, and calls by protocol.

pub(crate) mod call;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use contract::environment::{VariableError, Variables};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::Connections;
use crate::credentials::{Credentials, Provider};
use crate::error::{CallError, Failure};
use crate::origin::{Endpoint, Origin};
use crate::proxy;
use crate::retry::{ATTEMPTS, Tokens};
use crate::service::{Service, Variant, host};
use crate::signature::{Signer, push_encoded};

use call::Request;

const REGION: &str = "AWS_REGION";
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const MAX_ATTEMPTS: &str = "AWS_MAX_ATTEMPTS";
const RETRY_MODE: &str = "AWS_RETRY_MODE";
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";
const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// A client for all services. Clones share its connections and its credentials.
#[derive(Debug, Clone)]
pub struct Client(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) connections: Arc<Connections>,
    pub(crate) provider: Provider,
    region: String,
    places: [Place; Service::ALL.len()],
    pub(crate) attempts: u32,
    /// `true` in a function: its calls carry the trace of the invocation, by which Lambda finds loops.
    pub(crate) traced: bool,
}

/// A service in the client's Region.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` if the service has none of the variant that the environment asks for.
    pub(crate) endpoint: Option<Endpoint>,
    /// `true` if the environment names the endpoint.
    pub(crate) custom: bool,
    pub(crate) signer: Signer,
    pub(crate) tokens: Tokens,
    /// Seconds that the clock of the service is ahead of this one, if that matters.
    pub(crate) ahead: AtomicI64,
}

impl Client {
    /// Creates the client that the environment describes, as AWS's SDKs read it: Region, credentials, endpoints and retries.
    ///
    /// # Errors
    /// [`VariableError`] for the first variable that is missing, or has a value that would be ignored.
    ///
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>
    pub fn from_environment<F: Fn(&str) -> Option<String>>(
        variables: &Variables<F>,
    ) -> Result<Self, VariableError> {
        let region = match variables.optional(REGION).or_else(|| variables.optional("AWS_DEFAULT_REGION")) {
            Some(region) if region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => region,
            Some(_) => return Err(invalid(REGION, "a Region")),
            None => return Err(VariableError::Missing(REGION)),
        };
        let attempts = match variables.optional(MAX_ATTEMPTS) {
            None => ATTEMPTS,
            Some(number) => match number.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(invalid(MAX_ATTEMPTS, "a number of attempts")),
            },
        };
        if variables.optional(RETRY_MODE).is_some_and(|mode| !mode.eq_ignore_ascii_case("standard")) {
            return Err(invalid(RETRY_MODE, "`standard`, the only mode of the workers"));
        }
        let variant = Variant { fips: flag(variables, FIPS)?, dual_stack: flag(variables, DUAL_STACK)? };
        let endpoints = !flag(variables, IGNORE_ENDPOINTS)?;
        let place = |service: Service| place(variables, service, &region, variant, endpoints);
        let [a, b, c, d, e, f, g] = Service::ALL;
        let places = [place(a)?, place(b)?, place(c)?, place(d)?, place(e)?, place(f)?, place(g)?];
        Ok(Self(Arc::new(Inner {
            connections: Arc::new(Connections::new(proxy::of_environment())),
            provider: Provider::of_environment(variables)?,
            places,
            region,
            attempts,
            traced: variables.optional("AWS_LAMBDA_FUNCTION_NAME").is_some(),
        })))
    }

    /// Creates a client for one endpoint, such as that of a local cloud, which all services have.
    ///
    /// # Errors
    /// [`VariableError`] if `endpoint` is not a URL of HTTP, or the Region is not one.
    pub fn at(endpoint: &str, region: &str, credentials: &Credentials) -> Result<Self, VariableError> {
        Self::from_environment(&Variables::new(|name: &str| {
            Some(match name {
                REGION => region.to_owned(),
                ENDPOINT => endpoint.to_owned(),
                "AWS_ACCESS_KEY_ID" => credentials.id.clone(),
                "AWS_SECRET_ACCESS_KEY" => credentials.secret.clone(),
                "AWS_SESSION_TOKEN" => return credentials.token.clone(),
                _ => return None,
            })
        }))
    }

    /// Returns the Region of the client.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    pub(crate) fn place(&self, service: Service) -> &Place {
        let [a, b, c, d, e, f, g] = &self.0.places;
        match service {
            Service::DynamoDb => a,
            Service::Ecs => b,
            Service::EventBridge => c,
            Service::Kms => d,
            Service::S3 => e,
            Service::Sns => f,
            Service::Sqs => g,
        }
    }

    /// Calls an operation of a service with a JSON protocol.
    ///
    /// # Errors
    /// [`Failure`] when the call fails in its last attempt; of the code `ConstructionFailure` for a service without such a
    /// protocol, or an input that is not JSON.
    pub async fn json<I: Serialize + Sync + ?Sized, O: DeserializeOwned>(
        &self,
        service: Service,
        operation: &str,
        input: &I,
    ) -> Result<O, Failure> {
        let body = serde_json::to_vec(input).map_err(|_| CallError::construction())?;
        self.json_text(service, operation, body.into(), |answer| serde_json::from_slice(answer).ok()).await
    }

    /// Calls such an operation with an input that is JSON already. `read` reads the answer; if it returns `None`, the answer
    /// counts as unreadable.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn json_text<T>(
        &self,
        service: Service,
        operation: &str,
        input: Bytes,
        read: impl Fn(&[u8]) -> Option<T> + Sync,
    ) -> Result<T, Failure> {
        let (prefix, media_type) = service.json().ok_or_else(CallError::construction)?;
        let mut headers: Vec<(&'static str, Cow<'_, str>)> = Vec::with_capacity(3);
        headers.push(("content-type", media_type.into()));
        if service == Service::Sqs {
            // SQS names errors as its query protocol did.
            headers.push(("x-amzn-query-mode", "true".into()));
        }
        headers.push(("x-amz-target", format!("{prefix}.{operation}").into()));
        let request = Request::post(service, headers, input);
        // Some operations have nothing to say, and say it without a body.
        let text = |answer: &http::Response<Bytes>| match answer.body().is_empty() {
            true => read(b"{}"),
            false => read(answer.body()),
        };
        self.whole(&request, text).await
    }

    /// Calls an operation of a service with the query protocol, such as SNS, and returns its answer, which is XML.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn query(
        &self,
        service: Service,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Bytes, Failure> {
        let mut body = String::new();
        for (name, value) in [("Action", action), ("Version", version)].iter().chain(parameters) {
            if !body.is_empty() {
                body.push('&');
            }
            push_encoded(&mut body, name, false);
            body.push('=');
            push_encoded(&mut body, value, false);
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded".into())];
        let request = Request::post(service, headers, body.into());
        self.whole(&request, |answer| Some(answer.body().clone())).await
    }
}

impl<'a> Request<'a> {
    fn post(service: Service, headers: Vec<(&'static str, Cow<'a, str>)>, body: Bytes) -> Self {
        Self {
            service,
            method: Method::POST,
            origin: None,
            path: "/".into(),
            query: Cow::Borrowed(""),
            headers,
            body,
        }
    }
}

fn place<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
    service: Service,
    region: &str,
    variant: Variant,
    endpoints: bool,
) -> Result<Place, VariableError> {
    let own = [service.endpoint_variable(), ENDPOINT].into_iter().filter(|_| endpoints);
    let custom = own.filter_map(|name| Some((name, variables.optional(name)?))).next();
    let endpoint = match &custom {
        Some((name, url)) => {
            Some(Endpoint::parse(url).ok_or_else(|| invalid(name, "a URL of `http` or `https`"))?)
        }
        None => host(service, region, variant)
            .map(|host| Endpoint { origin: Origin::secure(host), path: String::new() }),
    };
    Ok(Place {
        endpoint,
        custom: custom.is_some(),
        signer: Signer::new(region, service.name()),
        tokens: Tokens::default(),
        ahead: AtomicI64::new(0),
    })
}

fn flag<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
    name: &'static str,
) -> Result<bool, VariableError> {
    match variables.optional(name) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(invalid(name, "`true` or `false`")),
    }
}

fn invalid(name: &'static str, expected: &str) -> VariableError {
    VariableError::Invalid { name, expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&'static str, &'static str)]) -> Result<Client, VariableError> {
        let known = variables.to_vec();
        Client::from_environment(&Variables::new(move |name| {
            known.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()))
        }))
    }

    #[test]
    fn endpoints_are_those_of_the_environment() {
        let url = |variables: &[(&'static str, &'static str)], service| {
            let client = of(&[&[(REGION, "eu-west-1")], variables].concat()).expect("valid");
            let place = client.place(service);
            let endpoint = place.endpoint.as_ref().expect("an endpoint");
            (format!("{}{}", endpoint.origin.url(), endpoint.path), place.custom)
        };
        let aws = |url: &str| (url.to_owned(), false);
        let own = |url: &str| (url.to_owned(), true);
        for service in Service::ALL {
            let name = service.name();
            assert_eq!(url(&[], service), aws(&format!("https://{name}.eu-west-1.amazonaws.com")));
            let variable = [(service.endpoint_variable(), "http://localhost:2")];
            assert_eq!(
                url(&[&variable[..], &[(ENDPOINT, "http://localhost:1")]].concat(), service),
                own("http://localhost:2")
            );
            assert_eq!(url(&[(ENDPOINT, "http://localhost:1/x/")], service), own("http://localhost:1/x"));
            let ignored = [(ENDPOINT, "http://localhost:1"), (IGNORE_ENDPOINTS, "true")];
            assert!(!url(&ignored, service).1);
        }
        assert_eq!(url(&[(FIPS, "true")], Service::Kms), aws("https://kms-fips.eu-west-1.amazonaws.com"));
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        assert_eq!(
            of(&[]).expect_err("no Region").to_string(),
            "the environment variable `AWS_REGION` is missing"
        );
        assert_eq!(of(&[("AWS_DEFAULT_REGION", "eu-west-2")]).expect("a Region").region(), "eu-west-2");
        for (name, value) in [
            (REGION, "eu west"),
            (MAX_ATTEMPTS, "0"),
            (MAX_ATTEMPTS, "many"),
            (RETRY_MODE, "adaptive"),
            (FIPS, "yes"),
            (DUAL_STACK, "1"),
            (ENDPOINT, "localhost"),
            ("AWS_ENDPOINT_URL_S3", "localhost"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x"),
        ] {
            let error = of(&[(name, value), (REGION, "eu-west-1")]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
