//! The operation in progress on a stack: its owner, its start, and the data to continue watching it.
//!
//! A deployment marks its operation with a token that contains a digest of the template and parameters. CloudFormation
//! returns the token in every event, so that `deploy` finds its own operation again after an interruption, and
//! distinguishes it from others.

use deployer_aws::Pause;
use deployer_aws::cloudformation::{CloudFormation, DeployedStack, Event, StackState};
use deployer_aws::error::AwsError;
use deployer_cfn::status::Status;
use deployer_packing::sha256_hex;

/// Number of hexadecimal digits of the digest in a token: AWS CloudFormation API Reference, ExecuteChangeSet, allows
/// 128 characters in total.
const DIGITS: usize = 24;

/// Returns the beginning of the token of every operation that deploys this template with these parameters.
#[must_use]
pub fn mark<'a>(template: &str, parameters: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = template.to_owned();
    for (name, value) in parameters {
        // The address of the repository is known only after an image was pushed; the digest after it is the part that
        // counts.
        let value = value.rsplit('@').next().unwrap_or(value);
        // No name and no value of the deployer's parameters contains a line end.
        text.push_str(&format!("\n{name}={value}"));
    }
    format!("deployer-{}-", &sha256_hex(text.as_bytes())[..DIGITS])
}

/// An operation in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// ID of the last event before the operation.
    pub before: Option<String>,
    /// Token of the caller who started the operation.
    pub token: Option<String>,
    /// Start of the operation: RFC 3339.
    pub since: Option<String>,
    /// The caller who started the operation, if a deployer did.
    pub who: Option<String>,
    /// `true` if the operation has ended since the stack was seen busy.
    pub is_over: bool,
}

/// Returns whether an operation ends with this event. The wait of a stack for its first change set is not an operation.
fn is_end(event: &Event) -> bool {
    let status = Status::of(&event.status);
    event.of_stack && (status.is_terminal() || status == Status::ReviewInProgress)
}

impl Operation {
    /// Finds the operation on a stack that was seen busy, and whose operation may have ended since.
    ///
    /// # Errors
    /// Returns an error if AWS can't be asked.
    pub async fn find(cloudformation: &CloudFormation, busy: &DeployedStack) -> Result<Self, AwsError> {
        let mut pause = Pause::new();
        let mut events = cloudformation.events_of_operation(&busy.id).await?;
        while events.last().is_some_and(is_end) {
            // The operation has ended, or its first event is not there yet. In the first case, its end is among the
            // events by now.
            let now = cloudformation.describe(&busy.id).await?;
            let is_busy = now.is_some_and(|now| now.state == StackState::Busy);
            if is_busy {
                pause.wait().await;
            }
            events = cloudformation.events_of_operation(&busy.id).await?;
            if !is_busy {
                break;
            }
        }
        let who = match &busy.change_set {
            // A caller without permission for this call must still be able to watch.
            Some(name) => cloudformation.find_change_set(&busy.id, name).await.ok().flatten(),
            None => None,
        };
        Ok(Self::of(&events, who.and_then(|change_set| change_set.description)))
    }

    /// Finds the newest operation in events, oldest first, of which the first may be the end of the operation before.
    fn of(events: &[Event], who: Option<String>) -> Self {
        let (last, earlier) = events.split_last().map_or((None, events), |(last, rest)| (Some(last), rest));
        let is_over = last.is_some_and(is_end);
        let before = earlier.iter().rposition(is_end);
        let own = before.map_or(events, |at| &events[at + 1..]);
        Self {
            before: before.map(|at| events[at].id.clone()),
            token: own.iter().find_map(|event| event.token.clone()),
            since: own.first().map(|event| event.time.clone()),
            who,
            is_over,
        }
    }

    /// Returns whether the operation deploys the template and parameters of this mark.
    #[must_use]
    pub fn is(&self, mark: &str) -> bool {
        self.token.as_deref().is_some_and(|token| token.starts_with(mark))
    }

    /// Returns the start of the operation; the present moment, if it is not known.
    #[must_use]
    pub fn began(&self) -> std::time::Instant {
        let now = std::time::Instant::now();
        let began = self.since.as_deref().and_then(|since| since.parse::<jiff::Timestamp>().ok());
        let ago = began.and_then(|began| jiff::Timestamp::now().duration_since(began).try_into().ok());
        ago.and_then(|ago| now.checked_sub(ago)).unwrap_or(now)
    }

    /// Describes the start and the owner.
    #[must_use]
    pub fn describe(&self) -> String {
        let since = self.since.as_deref().filter(|since| !since.is_empty());
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        let who = self.who.as_deref().map(|who| format!(", {who}")).unwrap_or_default();
        format!("{since}{who}")
    }
}

/// Returns the description of a change set, which names its owner; other callers see it if they find the stack busy.
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
        // An operation that has ended is the one that is meant, and not something after it.
        let end = event("dddd", "UPDATE_COMPLETE", true, Some("deployer-1-2"));
        let over = Operation::of(&[events.as_slice(), &[end]].concat(), None);
        assert_eq!((over.before.as_deref(), over.is_over, operation.is_over), (Some("a"), true, false));
        assert!(over.is("deployer-1-"));
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
