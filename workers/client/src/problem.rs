//! The errors of services, in the form of each protocol.

use std::borrow::Cow;

use http::HeaderMap;
use serde::Deserialize;

use crate::service::Service;

/// The code and the message of an error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Json<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow, rename = "__type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, alias = "Message", alias = "errorMessage")]
    message: Option<Text<'a>>,
}

/// A text; anything else is as good as nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

impl Text<'_> {
    fn take(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.into_owned()),
            Self::Other(_) => None,
        }
    }
}

impl Problem {
    /// Reads the error in an answer. What can't be read is missing.
    pub(crate) fn read(service: Service, status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        match service.json() {
            Some(_) => Self::json(headers, body),
            // The answer to HeadObject never has one.
            None if status == 404 && body.is_empty() => Self { code: Some("NotFound".into()), message: None },
            None => std::str::from_utf8(body).map(Self::xml).unwrap_or_default(),
        }
    }

    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>
    fn json(headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Json<'_> = serde_json::from_slice(body).unwrap_or_default();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // `NAMESPACE#CODE:URL`
        let plain = |code: &str| {
            let code = code.split(':').next().unwrap_or_default();
            code.split_once('#').map_or(code, |(_, code)| code).to_owned()
        };
        // `CODE;FAULT`, as the query protocol of the service named it.
        let queried = header("x-amzn-query-error").and_then(|error| error.split_once(';'));
        let named = header("x-amzn-errortype").map(str::to_owned);
        let code =
            named.or_else(|| body.code.and_then(Text::take)).or_else(|| body.kind.and_then(Text::take));
        Self {
            code: queried.map(|(code, _)| code.to_owned()).or_else(|| code.map(|code| plain(&code))),
            message: body.message.and_then(Text::take),
        }
    }

    /// Reads `<Error><Code>…</Code><Message>…</Message></Error>`, which the query protocol has within another element.
    pub(crate) fn xml(body: &str) -> Self {
        let Some(error) = element(body, "Error") else { return Self::default() };
        let text = |name| element(error, name).and_then(unescaped);
        Self { code: text("Code"), message: text("Message") }
    }
}

/// Returns the content of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = xml;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let Some(tag) = rest.strip_prefix(name) else { continue };
        // `<ErrorResponse>` is another one.
        let (attributes, content) = tag.split_once('>')?;
        if !attributes.is_empty() && !attributes.starts_with(char::is_whitespace) {
            continue;
        }
        return Some(content.split_once(&format!("</{name}>"))?.0);
    }
}

/// Returns the text of an element with its entities resolved; `None` if it has one that XML doesn't.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';')?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(number)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn json(headers: &[(&'static str, &'static str)], body: &str) -> (Option<String>, Option<String>) {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let Problem { code, message } = Problem::json(&headers.collect(), body.as_bytes());
        (code, message)
    }

    fn some(code: &str, message: &str) -> (Option<String>, Option<String>) {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (text(code), text(message))
    }

    #[test]
    fn every_form_of_an_error_is_read() {
        assert_eq!(json(&[], r#"{"__type":"a.b#Code:http://x","message":"m"}"#), some("Code", "m"));
        assert_eq!(json(&[], r#"{"__type":"A","code":"B","Message":"m","x":[1]}"#), some("B", "m"));
        assert_eq!(json(&[("x-amzn-errortype", "C:http://x")], r#"{"__type":"A"}"#), some("C", ""));
        assert_eq!(json(&[("x-amzn-query-error", "Q.C;Sender")], r#"{"__type":"A"}"#), some("Q.C", ""));
        assert_eq!(json(&[("x-amzn-query-error", "Q.C")], r#"{"__type":"A"}"#), some("A", ""));
        assert_eq!(json(&[], r#"{"__type":"A","code":7,"message":null}"#), some("A", ""));
        assert_eq!(json(&[], "<html>"), some("", ""));
        let xml = |body: &str| {
            let Problem { code, message } = Problem::xml(body);
            (code, message)
        };
        let s3 = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>a &lt;b&#62; &#x26; c</Message></Error>";
        assert_eq!(xml(s3), some("NoSuchKey", "a <b> & c"));
        let sns = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NotFound</Code><Message>m</Message></Error>\
                   <RequestId>r</RequestId></ErrorResponse>";
        assert_eq!(xml(sns), some("NotFound", "m"));
        assert_eq!(xml("<Error x='y'><Code>A</Code></Error>"), some("A", ""));
        for none in ["", "<", "<Error>", "<Errors><Code>A</Code></Errors>", "<Error><Code>A</Code>", "text"] {
            assert_eq!(xml(none), some("", ""), "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_an_error_or_none(body in ".*|[<>/&;#xCErdo]{0,40}") {
            let _ = (Problem::xml(&body), json(&[], &body));
        }
    }
}
