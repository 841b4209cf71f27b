//! Every call of AWS, whoever makes it: shown with its result and its duration, and made within a budget.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::budget::Budget;
use crate::operation::{named_operation, operation, service};

/// The function that is told of each call: its name, its result, its duration; and the budget of the calls.
#[derive(Clone)]
pub struct Calls {
    tell: Option<Arc<Tell>>,
    budget: Option<Budget>,
}

type Tell = dyn Fn(&str, &str, Duration) + Send + Sync;

impl Calls {
    /// Creates a value that tells a function of each call.
    pub fn to(tell: impl Fn(&str, &str, Duration) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), budget: None }
    }

    /// Creates a value by which each call is made within a budget, and told to a function if there is one.
    pub fn within(
        budget: Budget,
        tell: Option<impl Fn(&str, &str, Duration) + Send + Sync + 'static>,
    ) -> Self {
        let tell = tell.map(|tell| Arc::new(tell) as Arc<Tell>);
        Self { tell, budget: Some(budget) }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Calls")
    }
}

/// Returns the configuration with a client that shows each request.
pub(super) fn shown(config: SdkConfig, calls: Calls) -> SdkConfig {
    // The client that the SDK makes where it is given none: `aws_smithy_http_client`, feature `default-client`.
    let inner = config.http_client().unwrap_or_else(|| {
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    });
    let client = SharedHttpClient::new(Shown { inner, calls });
    config.into_builder().http_client(client).build()
}

#[derive(Debug)]
struct Shown<C> {
    inner: C,
    calls: Calls,
}

impl HttpClient for Shown<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Shown { inner, calls: self.calls.clone() })
    }
}

impl HttpConnector for Shown<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (calls, inner) = (self.calls.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let operation = operation(&request);
            if let Some(budget) = &calls.budget {
                budget.spend(&operation).await;
            }
            let (name, begun) = (name(&request), Instant::now());
            let answer = inner.call(request).await;
            if let (Some(budget), Ok(answer)) = (&calls.budget, &answer) {
                budget.answered(&operation, answer.body().content_length().unwrap_or_default());
            }
            if let Some(tell) = &calls.tell {
                let text = match &answer {
                    Ok(answer) => answer.status().as_u16().to_string(),
                    Err(error) => error.to_string(),
                };
                tell(&name, &text, begun.elapsed());
            }
            answer
        })
    }
}

/// Returns the name of a request: `cloudformation DescribeStacks` in the protocols that name the operation, else
/// service, method and path. Nothing of the query is shown, and of the body the operation alone.
fn name(request: &HttpRequest) -> String {
    let service = service(request);
    match named_operation(request) {
        Some(operation) => format!("{service} {operation}"),
        None => {
            let uri = request.uri();
            let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
            let path = path.find('/').map_or("/", |at| &path[at..]);
            let path = path.split('?').next().unwrap_or_default();
            format!("{service} {} {path}", request.method())
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &'static str)], body: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_uri(uri.to_owned()).expect("a URI");
        for (name, value) in headers {
            request.headers_mut().insert(*name, *value);
        }
        request
    }

    #[test]
    fn calls_are_named_without_what_they_hold() {
        let agent = ("x-amz-user-agent", "aws-sdk-rust/1.3 ua/2.1 api/sqs/1.119.0 os/linux lang/rust#1.95.0");
        let target = ("x-amz-target", "AmazonSQS.SendMessage");
        assert_eq!(name(&request("https://sqs.x/", &[agent, target], "{}")), "sqs SendMessage");
        let query = "Action=DescribeStacks&Version=2010-05-15&StackName=secret";
        assert_eq!(name(&request("https://cloudformation.x/", &[], query)), "aws DescribeStacks");
        let signed = "https://bucket.s3.x/in/a.csv?X-Amz-Signature=secret";
        assert_eq!(name(&request(signed, &[agent], "secret")), "sqs GET /in/a.csv");
        assert_eq!(name(&request("https://bucket.s3.x", &[], "")), "aws GET /");
    }
}
