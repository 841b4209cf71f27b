//! Calls by the JSON and the query protocol of services that are called once or twice, for which a client of the SDK would
//! add more to the program than all of its calls need. They are signed as the SDK signs. A call is made once: a caller
//! can do without its answer, or runs again.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use serde_json::Value;

use crate::error::AwsError;
use crate::session::Session;

/// Time limit of a call.
const TIMEOUT: Duration = Duration::from_secs(10);
const FORM: &str = "application/x-www-form-urlencoded";

/// A service with the JSON protocol.
#[derive(Debug, Clone, Copy)]
pub struct JsonService {
    /// Name in signatures, and the first label of its host names.
    pub name: &'static str,
    /// Last part of the variable that names another endpoint, after `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
    /// First part of `X-Amz-Target`.
    pub target: &'static str,
    /// Version of the protocol.
    pub version: &'static str,
}

/// Calls an operation of the JSON protocol, and returns its output.
///
/// # Errors
/// The error of the service, or the reason why no answer came.
pub async fn call(
    session: &Session,
    service: JsonService,
    operation: &'static str,
    resource: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    let failed = |message: String| AwsError { operation, resource: resource.to_owned(), code: None, message };
    let target = format!("{}.{operation}", service.target);
    let content = format!("application/x-amz-json-{}", service.version);
    let headers = [("content-type", content.as_str()), ("x-amz-target", target.as_str())];
    let (status, text) =
        post(session, (service.name, service.variable), &headers, input.to_string()).await.map_err(failed)?;
    match (status < 300, serde_json::from_str::<Value>(&text)) {
        (true, Ok(output)) => Ok(output),
        (false, Ok(error)) => {
            let (code, message) = of_service(&error, status);
            Err(AwsError { code: Some(code), ..failed(message) })
        }
        (_, Err(error)) => Err(failed(format!("the answer, of status {status}, is not JSON: {error}"))),
    }
}

/// Calls an operation of the query protocol, and returns its answer. `service` is its name in signatures, which is also
/// the first label of its host names, and the last part of the variable that names another endpoint.
///
/// # Errors
/// The error of the service, or the reason why no answer came.
pub async fn query(
    session: &Session,
    service: (&str, &str),
    operation: &'static str,
    resource: &str,
    input: &[(&str, &str)],
) -> Result<Xml, AwsError> {
    let failed = |message: String| AwsError { operation, resource: resource.to_owned(), code: None, message };
    let fields = [("Action", operation)].into_iter().chain(input.iter().copied());
    let body: Vec<String> = fields.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let headers = [("content-type", FORM)];
    let (status, text) = post(session, service, &headers, body.join("&")).await.map_err(failed)?;
    let answer = Xml(text);
    if status < 300 {
        return Ok(answer);
    }
    let code = answer.element("Code").unwrap_or_else(|| status.to_string());
    let message = answer.element("Message").unwrap_or_else(|| "no reason given".to_owned());
    Err(AwsError { code: Some(code), ..failed(message) })
}

/// An answer of the query protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xml(String);

impl Xml {
    /// Returns the text of the first element of this name, which has no attributes and no elements in it.
    #[must_use]
    pub fn element(&self, name: &str) -> Option<String> {
        self.element_after(name, 0)
    }

    /// Returns the value of an entry of a map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<String> {
        let at = self.0.find(&format!("<key>{key}</key>"))?;
        self.element_after("value", at)
    }

    fn element_after(&self, name: &str, at: usize) -> Option<String> {
        let (_, rest) = self.0.get(at..)?.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        // An ampersand last, so that nothing is unescaped twice.
        let entities = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#39;", "'"),
            ("&#34;", "\""),
            ("&#xA;", "\n"),
            ("&amp;", "&"),
        ];
        Some(entities.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter)))
    }
}

/// Returns a text as a value of a form.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Sends a signed request, and returns the status and the text of the answer.
async fn post(
    session: &Session,
    (name, variable): (&str, &str),
    headers: &[(&str, &str)],
    body: String,
) -> Result<(u16, String), String> {
    let url = session
        .endpoint(variable)
        .unwrap_or_else(|| format!("https://{name}.{}.{}", session.region, session.domain()));
    let Some(provider) = session.config.credentials_provider() else {
        return Err("no credentials found in chain".to_owned());
    };
    let credentials = provider
        .provide_credentials()
        .await
        .map_err(|error| format!("loading credentials failed: {error}"))?;
    let identity: Identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&session.region)
        .name(name)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?;
    let request = SignableRequest::new(
        "POST",
        url.as_str(),
        headers.iter().copied(),
        SignableBody::Bytes(body.as_bytes()),
    );
    let signed = request.and_then(|request| sign(request, &params.into()));
    let (instructions, _) = signed.map_err(|error| error.to_string())?.into_parts();

    let builder = reqwest::Client::builder().timeout(TIMEOUT);
    // A proxy of the environment leads away from this machine.
    let client = if session.local { builder.no_proxy() } else { builder }.build();
    let mut request = client.map_err(|error| error.to_string())?.post(&url);
    for (name, value) in headers.iter().copied().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    Ok((status, text))
}

/// Returns code and message of an error: AWS JSON 1.1 protocol of Smithy, "Operation error serialization".
fn of_service(error: &Value, status: u16) -> (String, String) {
    let text = |name: &str| error[name].as_str();
    let code = text("__type").or_else(|| text("code")).map_or_else(
        || status.to_string(),
        |code| {
            let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
            code.split(':').next().unwrap_or(code).to_owned()
        },
    );
    let message = text("message").or_else(|| text("Message")).unwrap_or("no reason given");
    (code, message.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_have_the_code_that_the_service_means() {
        for (error, code, message) in [
            (
                json!({ "__type": "com.amazonaws.servicequotas#NoSuchResourceException", "Message": "no" }),
                "NoSuchResourceException",
                "no",
            ),
            (
                json!({ "__type": "AccessDeniedException", "message": "not you" }),
                "AccessDeniedException",
                "not you",
            ),
            (json!({ "code": "Throttling:http://x" }), "Throttling", "no reason given"),
            (json!([]), "403", "no reason given"),
        ] {
            assert_eq!(of_service(&error, 403), (code.to_owned(), message.to_owned()), "{error}");
        }
    }

    #[test]
    fn an_answer_in_xml_is_read_by_the_names_in_it() {
        let answer = Xml(
            "<R><Attributes><entry><key>Policy</key><value>{&quot;a&quot;:&quot;&amp;lt;&quot;}</value></entry>\n\
             <entry>\n<key>Owner</key>\n<value>1</value></entry></Attributes></R>"
                .to_owned(),
        );
        assert_eq!(answer.entry("Policy").as_deref(), Some("{\"a\":\"&lt;\"}"));
        assert_eq!(answer.entry("Owner").as_deref(), Some("1"));
        assert_eq!(answer.entry("KmsMasterKeyId"), None);
        assert_eq!(Xml("<Code>NotFound</Code".to_owned()).element("Code"), None);
        assert_eq!(encoded("arn:aws:sns:é"), "arn%3Aaws%3Asns%3A%C3%A9");
    }
}
