//! Who is let in: requests to this host, from this page, with the token. Actions need more: the header that only a page of
//! this origin can set, and a confirmation.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE,
};
use axum::http::{Method, Response, StatusCode, Uri};
use axum::middleware::Next;

use super::{App, answer};

/// The header of actions.
const ACTION: HeaderName = HeaderName::from_static("x-console");
/// Where a browser says that a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request pass, or refuses it.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let mut response = match app.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => *refusal,
    };
    answer::protect(&mut response);
    response
}

/// Returns the value of a parameter of a URL; `None` without the parameter, or if the parameters can't be read.
pub fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    all.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Returns the value of a header that is there once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

impl App {
    /// Decides about a request. The refusal tells nothing of the stack.
    fn admit(&self, request: &Request) -> Result<(), Box<Response<Body>>> {
        let (headers, uri, path) = (request.headers(), request.uri(), request.uri().path());
        let refuse = |status, text, hint| Err(Box::new(refusal(path, status, text, hint)));
        // A name of somebody else that leads to this machine is in `Host` all the same.
        let host = single(headers, &HOST).filter(|host| self.hosts.iter().any(|own| own == host));
        let is_elsewhere =
            uri.authority().is_some_and(|authority| host.is_none_or(|host| authority.as_str() != host));
        let Some(host) = host.filter(|_| !is_elsewhere) else {
            return refuse(StatusCode::FORBIDDEN, "the host is not that of the link", None);
        };
        let is_foreign = headers.contains_key(ORIGIN)
            && single(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://")) != Some(host);
        // A link may lead to the page from anywhere, but nothing else may.
        let is_of_others = |site: &HeaderValue| site != "same-origin" && site != "none";
        if is_foreign || (path != "/" && headers.get_all(FETCH_SITE).iter().any(is_of_others)) {
            return refuse(StatusCode::FORBIDDEN, "the request comes from another page", None);
        }
        if path == "/"
            && let Some(given) = parameter(uri, "token")
        {
            return Err(Box::new(match self.settings.token.is(&given) {
                true => self.entrance(),
                false => unauthorized(path),
            }));
        }
        let by_cookie = self.cookies(headers).any(|token| self.settings.token.is(token));
        let bearer = single(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if !by_cookie && !bearer.is_some_and(|token| self.settings.token.is(token)) {
            return Err(Box::new(unauthorized(path)));
        }
        match *request.method() {
            Method::GET | Method::HEAD => Ok(()),
            Method::POST => {
                // A script, which shows the token itself, has no origin.
                let is_unknown = bearer.is_none() && !headers.contains_key(ORIGIN);
                if is_unknown || single(headers, &ACTION) != Some("1") {
                    let text = "an action needs the headers `Origin` and `X-Console: 1`";
                    return refuse(StatusCode::FORBIDDEN, text, None);
                }
                if self.settings.read_only {
                    let hint = Some("start it without `--read-only`");
                    return refuse(StatusCode::FORBIDDEN, "the console is read-only", hint);
                }
                match parameter(uri, "confirm").as_deref() {
                    Some("1") => Ok(()),
                    _ => refuse(
                        StatusCode::BAD_REQUEST,
                        "an action must be confirmed",
                        Some("add `confirm=1` once the user has confirmed it"),
                    ),
                }
            }
            _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "there are only GET and POST", None),
        }
    }

    /// Returns the tokens in the cookies of this server.
    fn cookies<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let fields = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = fields.flat_map(|field| field.split(';')).filter_map(|one| one.trim().split_once('='));
        cookies.filter(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    /// Returns the answer to the link: the cookie, and the way to the page without the token.
    fn entrance(&self) -> Response<Body> {
        let mut response = answer::of_type(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
        // `Strict` would keep it from the page to which this leads, where a link of another page led here.
        let cookie =
            format!("{}={}; HttpOnly; SameSite=Lax; Path=/", self.cookie, self.settings.token.text());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
        response
    }
}

/// Returns a refusal: a document for the protocol, a page for people.
fn refusal(path: &str, status: StatusCode, text: &str, hint: Option<&str>) -> Response<Body> {
    if path.starts_with("/api/") {
        return answer::error(status, text, hint);
    }
    // Neither text comes from the request.
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>deployer console</title>\n<h1>{}</h1>\n<p>{text}</p>\n<p>{}</p>\n</html>\n",
        status.canonical_reason().unwrap_or_default(),
        hint.unwrap_or_default(),
    );
    answer::of_type(status, "text/html; charset=utf-8", body)
}

fn unauthorized(path: &str) -> Response<Body> {
    let hint = "open the link that <code>deployer console</code> has printed: it has a token, and each start has another one";
    let plain = hint.replace("<code>", "`").replace("</code>", "`");
    let hint = if path.starts_with("/api/") { &plain } else { hint };
    refusal(
        path,
        StatusCode::UNAUTHORIZED,
        "the token of the link is missing, or is not that of this console",
        Some(hint),
    )
}
