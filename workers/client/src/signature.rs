//! Signatures of requests, Version 4.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{digest, hmac};

use crate::clock::Stamp;
use crate::credentials::Credentials;

/// The parts of a request that are signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// The path, encoded as it is sent.
    pub(crate) path: &'a str,
    /// The query, encoded, and sorted by name.
    pub(crate) query: &'a str,
    /// Names in lower case, sorted, with their values.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The SHA-256 of the body, in hexadecimal digits.
    pub(crate) body: &'a str,
}

/// A signer for one service in one Region. It remembers its key, which changes with the day and the credentials.
#[derive(Debug)]
pub(crate) struct Signer {
    region: String,
    service: &'static str,
    key: Mutex<Option<Key>>,
}

#[derive(Debug, Clone)]
struct Key {
    day: String,
    credentials: Arc<Credentials>,
    key: Arc<hmac::Key>,
}

impl Signer {
    pub(crate) fn new(region: impl Into<String>, service: &'static str) -> Self {
        Self { region: region.into(), service, key: Mutex::new(None) }
    }

    /// Returns the value of `Authorization`.
    pub(crate) fn authorization(
        &self,
        credentials: &Arc<Credentials>,
        stamp: &Stamp,
        signed: &Signed<'_>,
    ) -> String {
        let names: usize = signed.headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut canonical = String::with_capacity(names * 2 + signed.path.len() + signed.query.len() + 80);
        for part in [signed.method, signed.path, signed.query] {
            canonical.push_str(part);
            canonical.push('\n');
        }
        for (name, value) in signed.headers {
            canonical.push_str(name);
            canonical.push(':');
            push_trimmed(&mut canonical, value);
            canonical.push('\n');
        }
        canonical.push('\n');
        let start = canonical.len();
        for (position, (name, _)) in signed.headers.iter().enumerate() {
            if position > 0 {
                canonical.push(';');
            }
            canonical.push_str(name);
        }
        let names = start..canonical.len();
        canonical.push('\n');
        canonical.push_str(signed.body);

        let (day, region, service) = (stamp.day(), &self.region, self.service);
        let mut text = String::with_capacity(160);
        let _ = write!(text, "AWS4-HMAC-SHA256\n{}\n{day}/{region}/{service}/aws4_request\n", stamp.text());
        push_hex(&mut text, digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let signature = hmac::sign(&self.key(credentials, day), text.as_bytes());

        let names = canonical.get(names).unwrap_or_default();
        let mut out = String::with_capacity(names.len() + credentials.id.len() + 180);
        let _ = write!(
            out,
            "AWS4-HMAC-SHA256 Credential={}/{day}/{region}/{service}/aws4_request, SignedHeaders={names}, Signature=",
            credentials.id
        );
        push_hex(&mut out, signature.as_ref());
        out
    }

    /// Returns the key of that day and these credentials.
    fn key(&self, credentials: &Arc<Credentials>, day: &str) -> Arc<hmac::Key> {
        let mut known = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known
            && known.day == day
            && Arc::ptr_eq(&known.credentials, credentials)
        {
            return Arc::clone(&known.key);
        }
        let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", credentials.secret).as_bytes());
        let key = [day, &self.region, self.service, "aws4_request"].into_iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        });
        let key = Arc::new(key);
        *known =
            Some(Key { day: day.to_owned(), credentials: Arc::clone(credentials), key: Arc::clone(&key) });
        key
    }
}

/// Appends a value with each run of blanks as one, and none at its ends.
fn push_trimmed(out: &mut String, value: &str) {
    let value = value.trim_matches(' ');
    if !value.contains("  ") {
        return out.push_str(value);
    }
    for (position, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if position > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// Appends bytes as hexadecimal digits.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0')));
        }
    }
}

/// Returns the SHA-256 of a body in hexadecimal digits.
pub(crate) fn sha256_hex(body: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    push_hex(&mut out, digest::digest(&digest::SHA256, body).as_ref());
    out
}

/// Appends a text as a part of a path or a query: everything but letters, digits and `-_.~` is encoded, and a slash
/// unless `slash`.
pub(crate) fn push_encoded(out: &mut String, text: &str, slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if slash => out.push('/'),
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0')));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
