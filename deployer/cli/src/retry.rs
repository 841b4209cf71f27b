//! Repeated attempts at an operation of CloudFormation that failed for a reason which passes by itself.
//!
//! The known failures (`known.yaml`) define which reasons pass. The attempts are bounded, and each is announced with
//! its reason before the wait.

use std::time::Duration;

use deployer_base::error::{Message, Passing};
use deployer_cfn::status::Status;
use deployer_plan::diagnose::known;

use crate::context::Context;

/// Environment variable with the seconds before the second attempt; each further wait is twice as long.
pub const VARIABLE: &str = "DEPLOYER_RETRY_PAUSE";

/// Time before the second attempt: SQS releases the name of a deleted queue after 60 seconds; IAM, and tasks that stop,
/// take less.
const PAUSE: Duration = Duration::from_secs(65);
/// Number of further attempts.
const ATTEMPTS: u32 = 2;

/// The operation that is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// A deployment, after CloudFormation has brought the stack back to its state before.
    Deployment,
    /// The deletion of a stack, or a rollback, which continues where it stopped.
    Cleanup,
}

impl Repeated {
    fn may_follow(self, passing: &Passing) -> bool {
        let status = Status::of(&passing.status);
        match self {
            // A deployment takes long, so only a reason that passes soon is worth another attempt.
            Self::Deployment => {
                passing.lasts == known::Passing::Soon
                    && matches!(status, Status::DeleteComplete | Status::UpdateRollbackComplete)
            }
            Self::Cleanup => matches!(status, Status::DeleteFailed | Status::UpdateRollbackFailed),
        }
    }
}

/// The attempts that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    used: u32,
    pause: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        let seconds = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        Self { used: 0, pause: seconds.map_or(PAUSE, Duration::from_secs) }
    }
}

impl Retries {
    /// Waits before another attempt, and shows the reason. Returns `false`, at once, if there is no further attempt.
    pub async fn wait(&mut self, context: &Context, repeated: Repeated, failure: &Message) -> bool {
        let Some((passing, pause)) = self.next(repeated, failure) else { return false };
        let (id, attempt, of) = (passing.id, self.used + 1, ATTEMPTS + 1);
        context.on_interrupt("nothing is in progress", "run the command again");
        context.ui.step(
            "waiting",
            format!("{} s, because `{id}` is temporary; then attempt {attempt} of {of}", pause.as_secs()),
        );
        tokio::time::sleep(pause).await;
        true
    }

    fn next<'m>(&mut self, repeated: Repeated, failure: &'m Message) -> Option<(&'m Passing, Duration)> {
        let passing = failure.passing.as_ref().filter(|passing| repeated.may_follow(passing))?;
        if self.used == ATTEMPTS {
            return None;
        }
        let pause = self.pause * 2_u32.pow(self.used);
        self.used += 1;
        Some((passing, pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(lasts: known::Passing, status: &str) -> Message {
        let mut message = Message::new("it failed");
        message.passing = Some(Passing { id: "throttled", lasts, status: status.into() });
        message
    }

    #[test]
    fn only_what_passes_is_tried_again_and_not_for_ever() {
        use known::Passing::{Later, Soon};
        for (repeated, lasts, status, wanted) in [
            (Repeated::Deployment, Soon, "DELETE_COMPLETE", 2),
            (Repeated::Deployment, Soon, "UPDATE_ROLLBACK_COMPLETE", 2),
            // Too long for a deployment.
            (Repeated::Deployment, Later, "DELETE_COMPLETE", 0),
            // The stack is left in this state, and can't be deployed.
            (Repeated::Deployment, Soon, "UPDATE_FAILED", 0),
            (Repeated::Deployment, Soon, "DELETE_FAILED", 0),
            (Repeated::Cleanup, Later, "DELETE_FAILED", 2),
            (Repeated::Cleanup, Soon, "UPDATE_ROLLBACK_FAILED", 2),
            (Repeated::Cleanup, Soon, "DELETE_COMPLETE", 0),
        ] {
            let mut retries = Retries { used: 0, pause: PAUSE };
            let failure = failure(lasts, status);
            let mut pauses = Vec::new();
            while let Some((_, pause)) = retries.next(repeated, &failure) {
                pauses.push(pause);
            }
            assert_eq!(pauses.len(), wanted, "{repeated:?} {lasts:?} {status}");
            assert!(pauses.iter().zip([PAUSE, PAUSE * 2]).all(|(pause, wanted)| *pause == wanted));
        }
        let mut retries = Retries { used: 0, pause: PAUSE };
        assert_eq!(retries.next(Repeated::Deployment, &Message::new("it failed for good")), None);
    }
}
