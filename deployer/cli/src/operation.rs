//! The operation that is under way on a stack: whose it is, since when, and how to go on watching it.
//!
//! A deployment marks its operation with a token that holds a digest of what it deploys. CloudFormation gives the token
//! back in every event, so that `deploy` finds its own operation again after an interruption, and tells it from others.

use deployer_aws::cloudformation::{CloudFormation, DeployedStack, Event};
use deployer_aws::error::AwsError;
use deployer_cfn::status::Status;
use deployer_packing::sha256_hex;

/// Hexadecimal digits of the digest in a token: AWS CloudFormation API Reference, ExecuteChangeSet, allows 128 characters in all.
const DIGITS: usize = 24;

/// What every operation that deploys this begins its token with.
#[must_use]
pub fn mark<'a>(template: &str, parameters: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = template.to_owned();
    for (name, value) in parameters {
        // The address of the repository is known only once an image was pushed; the digest behind it is what counts.
        let value = value.rsplit('@').next().unwrap_or(value);
        // No name and no value of a parameter of ours has a line end.
        text.push_str(&format!("\n{name}={value}"));
    }
    format!("deployer-{}-", &sha256_hex(text.as_bytes())[..DIGITS])
}

/// An operation that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Id of the last event before it.
    pub before: Option<String>,
    /// Token of whoever started it.
    pub token: Option<String>,
    /// When it began: RFC 3339.
    pub since: Option<String>,
    /// Who began it, when a deployer did.
    pub who: Option<String>,
}

impl Operation {
    /// Asks what is under way on a busy stack.
    ///
    /// # Errors
    /// When AWS can't be asked.
    pub async fn find(cloudformation: &CloudFormation, busy: &DeployedStack) -> Result<Self, AwsError> {
        let events = cloudformation.events_of_operation(&busy.id).await?;
        let who = match &busy.change_set {
            // Who may not ask that must not be kept from watching.
            Some(name) => cloudformation.find_change_set(&busy.id, name).await.ok().flatten(),
            None => None,
        };
        Ok(Self::of(&events, who.and_then(|change_set| change_set.description)))
    }

    /// From events, oldest first, of which the first may be the end of the operation before.
    fn of(events: &[Event], who: Option<String>) -> Self {
        // That a stack waits for its first change set is no operation.
        let ends = |event: &Event| {
            let status = Status::of(&event.status);
            status.is_terminal() || status == Status::ReviewInProgress
        };
        let before = events.iter().rposition(|event| event.of_stack && ends(event));
        let own = before.map_or(events, |at| &events[at + 1..]);
        Self {
            before: before.map(|at| events[at].id.clone()),
            token: own.iter().find_map(|event| event.token.clone()),
            since: own.first().map(|event| event.time.clone()),
            who,
        }
    }

    /// Whether it deploys what this mark stands for.
    #[must_use]
    pub fn is(&self, mark: &str) -> bool {
        self.token.as_deref().is_some_and(|token| token.starts_with(mark))
    }

    /// The moment at which it began; now, if nobody says.
    #[must_use]
    pub fn began(&self) -> std::time::Instant {
        let now = std::time::Instant::now();
        let began = self.since.as_deref().and_then(|since| since.parse::<jiff::Timestamp>().ok());
        let ago = began.and_then(|began| jiff::Timestamp::now().duration_since(began).try_into().ok());
        ago.and_then(|ago| now.checked_sub(ago)).unwrap_or(now)
    }

    /// In words: since when, and by whom.
    #[must_use]
    pub fn describe(&self) -> String {
        let since = self.since.as_deref().filter(|since| !since.is_empty());
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        let who = self.who.as_deref().map(|who| format!(", {who}")).unwrap_or_default();
        format!("{since}{who}")
    }
}

/// What a change set says of who made it; others meet it when they find the stack busy.
#[must_use]
pub fn signature(caller: &str) -> String {
    format!("by {caller} with deployer {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(id: &str, status: &str, of_stack: bool, token: Option<&str>) -> Event {
        Event {
            id: id.into(),
            logical_id: id.into(),
            physical_id: String::new(),
            resource_type: "AWS::X::Y".into(),
            status: status.into(),
            reason: None,
            of_stack,
            token: token.map(str::to_owned),
            time: format!("2026-01-01T00:00:0{}Z", id.len()),
        }
    }

    #[test]
    fn the_operation_begins_behind_the_end_of_the_one_before() {
        let events = [
            event("a", "UPDATE_COMPLETE", true, Some("old")),
            event("bb", "UPDATE_IN_PROGRESS", true, Some("deployer-1-2")),
            event("ccc", "UPDATE_COMPLETE", false, Some("deployer-1-2")),
        ];
        let operation = Operation::of(&events, Some("by somebody".into()));
        assert_eq!(operation.before.as_deref(), Some("a"));
        assert!(operation.is("deployer-1-") && !operation.is("deployer-2-"));
        assert_eq!(operation.describe(), " since 2026-01-01T00:00:02Z, by somebody");
        let mut reviewed = events.clone();
        reviewed[0].status = "REVIEW_IN_PROGRESS".into();
        assert_eq!(Operation::of(&reviewed, None).before.as_deref(), Some("a"));
        let first = Operation::of(&events[1..], None);
        assert_eq!((first.before, first.since.as_deref()), (None, Some("2026-01-01T00:00:02Z")));
        assert_eq!(Operation::of(&[], None).describe(), "");
    }

    #[test]
    fn a_mark_stands_for_template_and_parameters() {
        let parameters = |value: &str| BTreeMap::from([("Code".to_owned(), value.to_owned())]);
        let one = mark("{}", &parameters("1"));
        assert_eq!(one, mark("{}", &parameters("1")));
        assert_ne!(one, mark("{}", &parameters("2")));
        assert_ne!(one, mark("{ }", &parameters("1")));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(one.len() + 20 <= 128 && one.bytes().all(allowed), "{one}");
    }
}
