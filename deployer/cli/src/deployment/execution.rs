//! The execution of a change set, watched until it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deployer_aws::cloudformation::{Begun, StackResource, StackState};
use deployer_base::error::{Error, Message, Result};
use deployer_cfn::status::Status;

use super::Deployment;
use super::change_set::Waiting;
use crate::diagnosis;
use crate::plan::Action;
use crate::records;
use crate::watch::{Goal, Outcome, Watch};

/// Error codes of a change set that can't be executed any more.
const OUTDATED: [&str; 3] = ["InvalidChangeSetStatus", "ChangeSetNotFound", "ChangeSetNotFoundException"];

/// A change set whose execution has ended.
pub(super) struct Executed {
    /// ARN of the stack.
    pub(super) id: String,
    /// Duration of the execution.
    pub(super) took: Duration,
    /// The prepared record.
    pub(super) ready: Result<records::Ready>,
}

impl Deployment<'_> {
    /// Executes a change set and watches it until it ends. A failure is recorded.
    pub(super) async fn watch(
        &self,
        waiting: &Waiting,
        values: &BTreeMap<String, String>,
        mark: &str,
    ) -> Result<Executed> {
        let name = self.name;
        // A stack that only waits with a change set may be a different one by now.
        let known = self.deployed.filter(|deployed| deployed.stack.state != StackState::Review);
        let known = known.map(|deployed| deployed.stack.id.as_str());
        let past = async {
            match known {
                Some(id) => self.cloudformation.past(id).await.map(Some),
                None => Ok(None),
            }
        };
        let (before, past) = tokio::try_join!(self.cloudformation.describe(name), past)?;
        let Some(before) = before else {
            return Err(Error::failed(format!(
                "the stack {name} was deleted before its change set was executed"
            )));
        };
        let past = match past.filter(|_| known == Some(before.id.as_str())) {
            Some(past) => past,
            None => self.cloudformation.past(&before.id).await?,
        };
        let started = Instant::now();
        let token = format!("{mark}{}", started_at(&waiting.name));
        match self.cloudformation.execute(name, &waiting.name, &token, self.options.mode).await {
            // Every execution invalidates the other change sets of a stack: AWS CloudFormation User Guide, "Execute a
            // change set".
            Err(error) if OUTDATED.iter().any(|code| error.is(code)) => {
                self.discard(&waiting.name, Action::Update).await;
                return Err(self.came_first());
            }
            // Without an event since the look at the stack, somebody else had executed the change set before, and
            // there is no end to wait for.
            Ok(Begun::Over)
                if self.cloudformation.events_after(&before.id, past.last.as_deref()).await?.is_empty() =>
            {
                return Err(self.came_first());
            }
            begun => drop(begun?),
        }
        self.context
            .on_interrupt("CloudFormation continues the deployment", "`deployer deploy` watches it again");
        let watch = Watch {
            context: self.context,
            cloudformation: self.cloudformation,
            stack_id: &before.id,
            goal: Goal::Deploy,
            origins: &self.wanted.origins,
            expected: Some((waiting.changes.len(), past.took)),
        };
        let ready = records::prepare(self.context, self.session, name, Some(&self.wanted.text));
        let (outcome, ready) = tokio::join!(watch.until_end(past.last.clone()), ready);
        let (outcome, took) = (outcome?, started.elapsed());
        match outcome {
            Outcome::Succeeded => Ok(Executed { id: before.id, took, ready }),
            Outcome::Failed { message, status } => {
                let message = remove_failed_create(&watch, past.last.as_deref(), message, &status).await;
                let finished = self.finished(&before.id, Some(&message.text), took, values, &waiting.changes);
                records::tell(
                    self.context,
                    records::write(self.context, self.session, ready, &finished).await,
                );
                Err(Error::Deployment(message))
            }
        }
    }
}

/// Removes the rest of a first deployment of ours that failed and was rolled back: a stack without resources, which
/// could only be deleted. CloudFormation does so by itself where `OnStackFailure` is allowed; in express mode it is
/// not.
///
/// Returns the message of the failure: `message` if the stack stays.
pub async fn remove_failed_create(
    watch: &Watch<'_>,
    after: Option<&str>,
    message: Message,
    status: &str,
) -> Message {
    // Only the first operation on a stack ends in this state.
    if Status::of(status) != Status::RollbackComplete {
        return message;
    }
    match removed(watch, after).await {
        Ok(Some(message)) => message,
        Ok(None) => message,
        // The failure stays the same; `recover` removes the rest of the stack.
        Err(error) => {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            watch.context.ui.warn(format!("the empty stack was not deleted: {why}"));
            message
        }
    }
}

async fn removed(watch: &Watch<'_>, after: Option<&str>) -> Result<Option<Message>> {
    let (id, cloudformation) = (watch.stack_id, watch.cloudformation);
    if cloudformation.resources(id).await?.iter().any(StackResource::exists) {
        return Ok(None);
    }
    let last = cloudformation.past(id).await?.last;
    cloudformation.delete(id).await?;
    let deletion = Watch { goal: Goal::Destroy, expected: None, ..*watch };
    if deletion.until_end(last).await? != Outcome::Succeeded {
        return Ok(None);
    }
    let events = cloudformation.events_after(id, after).await?;
    Ok(diagnosis::of(&events, watch.origins)
        .map(|found| diagnosis::message(&found.ended_in(Status::DeleteComplete.as_str()))))
}

/// Returns the last part of a change set's name, which makes a token unique.
fn started_at(change_set: &str) -> String {
    let word = change_set.rsplit('-').next().unwrap_or_default();
    word.chars().filter(char::is_ascii_alphanumeric).take(40).collect()
}
