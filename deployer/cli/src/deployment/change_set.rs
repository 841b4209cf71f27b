//! The change set of a deployment: CloudFormation's own answer to what would change.

use std::collections::BTreeMap;

use super::Deployment;
use crate::assets::ensure_bucket;
use crate::aws::cloudformation::{Change, ChangeSetInput, ChangeSetOutcome, TemplateSource};
use crate::aws::error::AwsError;
use crate::aws::{objects, published};
use crate::diagnosis;
use crate::error::{Error, Message, Result};
use crate::operation;
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES};
use crate::records;

/// A change set that waits to be executed.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// What it would do.
    pub changes: Vec<Change>,
}

impl Deployment<'_> {
    /// Asks CloudFormation what would change. `so_far` says what was done before.
    pub(super) async fn change_set(
        &self,
        action: Action,
        values: &BTreeMap<String, String>,
        so_far: &str,
    ) -> Result<Option<Waiting>> {
        let name = format!("deployer-{}", jiff::Timestamp::now().as_millisecond());
        let parameters = plan::parameters(&self.wanted.template, values);
        let url = self.template_url().await?;
        let input = ChangeSetInput {
            stack: self.name,
            name: &name,
            create: action == Action::Create,
            template: url.as_deref().map_or(TemplateSource::Body(&self.wanted.text), TemplateSource::Url),
            parameters: &parameters,
            tags: &self.wanted.tags,
            description: &operation::signature(&self.session.caller),
            mode: self.options.mode,
        };
        self.context.on_interrupt(
            &format!("{so_far}; the change set {name} may remain, and does no harm"),
            "run `deployer deploy` again; a deployment removes leftover change sets",
        );
        let live = self.context.ui.live();
        live.say("CloudFormation is creating the change set");
        let outcome = self.cloudformation.change_set(&input).await;
        drop(live);
        match outcome.map_err(|error| self.overtaken(error))? {
            ChangeSetOutcome::Ready(changes) => {
                self.context.ui.step("change set", plan::summary(&changes));
                Ok(Some(Waiting { name, changes }))
            }
            ChangeSetOutcome::Empty => {
                self.discard(&name, action).await;
                Ok(None)
            }
            ChangeSetOutcome::Overtaken => {
                self.discard(&name, action).await;
                Err(self.came_first())
            }
            ChangeSetOutcome::Refused(reason) => {
                self.discard(&name, action).await;
                let stack = self.name;
                Err(Error::Deployment(
                    Message::new(format!("CloudFormation refused the change set of {stack}: {reason}"))
                        .hint(diagnosis::refused(&reason)),
                ))
            }
        }
    }

    /// Somebody began between our look and the change set, for which there is no code of its own.
    fn overtaken(&self, error: AwsError) -> Error {
        if !error.is("ValidationError") || !error.message.contains("_IN_PROGRESS state") {
            return error.into();
        }
        Error::Refused(
            Message::new(format!("another operation has started on {}: {}", self.name, error.message))
                .hint("`deployer deploy --wait` waits for it and then deploys; nothing was changed"),
        )
    }

    /// Removes a change set. What stays when it can't be removed is harmless, and no reason to hide why it has to go.
    pub(super) async fn discard(&self, name: &str, action: Action) {
        let stack = self.name;
        // A stack that waited with another change set goes on waiting.
        let made_here = action == Action::Create && self.deployed.is_none();
        let done = self.cloudformation.discard_change_set(stack, name, made_here).await;
        if let Err(error) = done
            && !error.is("ChangeSetNotFound")
        {
            self.context.ui.warn(format!("the change set {name} was not deleted: {}", error.message));
        }
    }

    /// Templates that are too large for a call go by way of the asset bucket.
    async fn template_url(&self) -> Result<Option<String>> {
        if self.wanted.text.len() <= INLINE_TEMPLATE_BYTES {
            return Ok(None);
        }
        let bucket = ensure_bucket(self.context, self.session).await?;
        let key = records::template_key(&crate::assets::sha256_hex(self.wanted.text.as_bytes()));
        objects::put_text(self.session, &bucket, &key, &self.wanted.text).await?;
        Ok(Some(published::object_url(self.session, &bucket, &key)))
    }
}
