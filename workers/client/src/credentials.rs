//! Credentials: those of the environment, which a function has, or those of the container, which a task has.

mod container;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use contract::environment::{VariableError, Variables};

use crate::clock;
use crate::connection::Connections;
use container::Container;

/// The time before their end from which credentials are replaced.
const EARLY: Duration = Duration::from_secs(60);

/// An access key.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Credentials {
    /// Creates the credentials of an access key, with the token of a session, if it is one of a session.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>, token: Option<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), token }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The reason why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// The environment names none.
    #[error(
        "the environment has neither AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY nor the credentials of a container"
    )]
    Missing,
    /// The container has none.
    #[error("the credentials of the container cannot be read: {0}")]
    Container(String),
}

/// Credentials that may end.
#[derive(Debug, Clone)]
pub(crate) struct Lasting {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) until: Option<SystemTime>,
}

impl Lasting {
    fn lasts(&self, time: Duration) -> bool {
        self.until.is_none_or(|until| SystemTime::now() + time < until)
    }
}

/// The place that credentials come from.
#[derive(Debug)]
pub(crate) struct Provider {
    container: Option<Container>,
    known: RwLock<Option<Lasting>>,
    /// Held by the one that asks for new ones.
    asks: tokio::sync::Mutex<()>,
}

impl Provider {
    /// Finds the credentials that the environment names. They are first read with the first call.
    pub(crate) fn of_environment<F: Fn(&str) -> Option<String>>(
        variables: &Variables<F>,
    ) -> Result<Self, VariableError> {
        let (id, secret) =
            (variables.optional("AWS_ACCESS_KEY_ID"), variables.optional("AWS_SECRET_ACCESS_KEY"));
        let (container, known) = match (id, secret) {
            (Some(id), Some(secret)) => {
                let token = variables.optional("AWS_SESSION_TOKEN");
                (
                    None,
                    Some(Lasting { credentials: Arc::new(Credentials { id, secret, token }), until: None }),
                )
            }
            _ => (Container::of_environment(variables)?, None),
        };
        Ok(Self { container, known: RwLock::new(known), asks: tokio::sync::Mutex::default() })
    }

    fn known(&self) -> Option<Lasting> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns credentials that have not ended.
    pub(crate) async fn get(
        &self,
        connections: &Arc<Connections>,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let fresh = |known: Option<Lasting>| known.filter(|known| known.lasts(EARLY));
        if let Some(known) = fresh(self.known()) {
            return Ok(known.credentials);
        }
        let _asks = self.asks.lock().await;
        // Another call may have got them meanwhile.
        if let Some(known) = fresh(self.known()) {
            return Ok(known.credentials);
        }
        let container = self.container.as_ref().ok_or(CredentialsError::Missing)?;
        match container.read(connections).await {
            Ok(read) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
                Ok(read.credentials)
            }
            Err(cause) => match self.known().filter(|known| known.lasts(Duration::ZERO)) {
                Some(known) => {
                    tracing::warn!(cause, "the credentials of the container cannot be renewed yet");
                    Ok(known.credentials)
                }
                None => Err(CredentialsError::Container(cause)),
            },
        }
    }
}

/// The answer of a container's endpoint.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

impl Lasting {
    /// Reads the answer of a container's endpoint.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        // Not serde's words: they may quote the secret.
        let answer: Answer =
            serde_json::from_slice(body).map_err(|_| "the answer is not credentials".to_owned())?;
        let until = clock::timestamp(&answer.expiration)
            .ok_or_else(|| format!("the time of their end is `{}`", answer.expiration))?;
        let credentials =
            Credentials::new(answer.access_key_id, answer.secret_access_key, Some(answer.token));
        Ok(Self { credentials: Arc::new(credentials), until: Some(until) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", Credentials::new("id", "hidden", Some("hidden".into())));
        assert!(shown.contains("id") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn an_answer_has_all_parts() {
        let answer = br#"{"RoleArn":"r","AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}"#;
        let read = Lasting::read(answer).expect("complete");
        assert_eq!(*read.credentials, Credentials::new("a", "s", Some("t".into())));
        assert!(read.lasts(EARLY) && !read.lasts(Duration::from_secs(u64::from(u32::MAX))));
        let error = Lasting::read(br#"{"AccessKeyId":"a","SecretAccessKey":7}"#).expect_err("incomplete");
        assert_eq!(error, "the answer is not credentials");
        let answer = String::from_utf8_lossy(answer).replace("2100", "x");
        assert!(Lasting::read(answer.as_bytes()).expect_err("no time").contains("x-01-01"));
    }
}
