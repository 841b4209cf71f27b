//! Secrets that are in the file in plain text, recognized by their shape or by the name of their key.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Entry, Node, Value, shorten};

/// The beginning of a token, the least number of characters that follow, their kind, and the name of the token.
type Shape = (&'static str, usize, fn(u8) -> bool, &'static str);

/// Tokens: the beginning of each, the number and kind of characters that follow at least, and its name.
/// Sources: IAM User Guide, "IAM identifiers" (AKIA, ASIA); the token formats that GitHub, GitLab, Slack, Stripe,
/// Google and npm publish for secret scanners.
const SHAPES: [Shape; 13] = [
    ("AKIA", 16, is_upper, "an AWS access key"),
    ("ASIA", 16, is_upper, "an AWS access key"),
    ("ghp_", 36, is_word, "a GitHub token"),
    ("gho_", 36, is_word, "a GitHub token"),
    ("ghs_", 36, is_word, "a GitHub token"),
    ("github_pat_", 40, is_word, "a GitHub token"),
    ("glpat-", 20, is_word, "a GitLab token"),
    ("xoxb-", 20, is_word, "a Slack token"),
    ("xoxp-", 20, is_word, "a Slack token"),
    ("sk_live_", 20, is_word, "a Stripe key"),
    ("rk_live_", 20, is_word, "a Stripe key"),
    ("AIza", 35, is_word, "a Google API key"),
    ("npm_", 36, is_word, "an npm token"),
];

const fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Words in the name of a key whose value is a secret.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authtoken",
    "accesstoken",
    "credentials",
];

/// Returns the name of the secret whose shape a text contains.
fn shape(text: &str) -> Option<&'static str> {
    let begins_word = |at: usize| !text[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric());
    for (start, length, letter, what) in SHAPES {
        for (at, _) in text.match_indices(start) {
            let rest = &text.as_bytes()[at + start.len()..];
            let count = rest.iter().take_while(|byte| letter(**byte)).count();
            // An access key has its exact length; it is not a part of a longer word.
            let fits = if start.len() == 4 && length == 16 { count == length } else { count >= length };
            if begins_word(at) && fits {
                return Some(what);
            }
        }
    }
    let key = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----");
    key.then_some("a private key")
}

/// Returns whether the value of a key of this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.iter().any(|word| folded.ends_with(word))
        || folded.ends_with("token") && folded.len() > "token".len()
}

/// Reports every text below a node that has the shape of a secret, and every secret by name among properties of the
/// user's own or of CloudFormation's.
pub fn check(node: &Node, diagnostics: &mut Diagnostics) {
    match &node.value {
        Value::Scalar { text, .. } => {
            if let Some(what) = shape(text) {
                report(what, node.span, diagnostics);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| check(item, diagnostics)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| entry_of(entry, diagnostics)),
        Value::Tagged { node, .. } => check(node, diagnostics),
    }
}

fn report(what: &str, span: Span, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::error("E0311", span, format!("this looks like {what}, in plain text")).help(
            "revoke it, and store a new one in Secrets Manager: `config` has the type `secret`, tasks have `secrets`",
        ),
    );
}

fn entry_of(entry: &Entry, diagnostics: &mut Diagnostics) {
    check(&entry.value, diagnostics);
    let Value::Scalar { text, .. } = &entry.value.value else { return };
    let reference = text.contains("${") || text.starts_with("{{resolve:") || text.starts_with("arn:");
    // A boolean, a number or a name of a kind says how a secret is treated.
    let word = text.len() < 8 || matches!(text.as_str(), "required" | "optional" | "disabled" | "enabled");
    if is_secret_name(&entry.key) && !entry.value.is_null() && !reference && !word && shape(text).is_none() {
        diagnostics.push(by_name(&entry.key, entry.value.span));
    }
}

/// Returns the warning about a secret that is known by the name of its key.
pub fn by_name(name: &str, span: Span) -> Diagnostic {
    let message = format!("by its name, `{}` is a secret, but its value is in plain text", shorten(name));
    Diagnostic::warning("W0402", span, message)
        .help("store it in Secrets Manager: `config` has the type `secret`, tasks have `secrets`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_shape() {
        let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
        for (text, found) in [
            (key.as_str(), true),
            (&format!("key={key}"), true),
            (&format!("{key}Q"), false),
            (&format!("x{key}"), false),
            ("AKIA", false),
            (&format!("ghp_{}", "a".repeat(36)), true),
            ("-----BEGIN RSA PRIVATE KEY-----", true),
            ("-----BEGIN CERTIFICATE-----", false),
            ("a text about AKIA keys", false),
        ] {
            assert_eq!(shape(text).is_some(), found, "{text}");
        }
    }

    #[test]
    fn secrets_are_known_by_the_name_of_their_key() {
        for (name, found) in [
            ("DB_PASSWORD", true),
            ("MasterUserPassword", true),
            ("apiKey", true),
            ("SLACK_TOKEN", true),
            ("token", false),
            ("PasswordPolicy", false),
            ("TOKEN_URL", false),
            ("key", false),
        ] {
            assert_eq!(is_secret_name(name), found, "{name}");
        }
    }
}
