//! The change set: CloudFormation's own list of the changes. A deployment creates one to execute it, `diff` creates one
//! to read it.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::{
    Change, ChangeSetInput, ChangeSetKind, ChangeSetOutcome, CloudFormation, ImportedResource, Mode,
    TemplateSource,
};
use deployer_aws::error::AwsError;
use deployer_aws::published;
use deployer_aws::s3::objects;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_build::ensure_bucket;
use deployer_cfn::template;

use super::Deployment;
use crate::context::Context;
use crate::diagnosis;
use crate::operation;
use crate::plan::{self, Action, INLINE_TEMPLATE_BYTES};
use crate::records;
use crate::state::{Deployed, Wanted};

/// A change set that waits to be executed.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The name.
    pub name: String,
    /// The changes.
    pub changes: Vec<Change>,
}

/// A change set that is to be created.
#[derive(Debug)]
pub struct ChangeSetRequest<'a> {
    /// The session that signs it.
    pub session: &'a Session,
    /// The client for CloudFormation.
    pub cloudformation: &'a CloudFormation,
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the change set, from [`name`].
    pub name: &'a str,
    /// The action on the stack.
    pub action: Action,
    /// Resources that are imported; if there are any, the change set does nothing else.
    pub imports: &'a [ImportedResource],
    /// The template and the tags.
    pub wanted: &'a Wanted,
    /// The stack as it is deployed.
    pub deployed: Option<&'a Deployed>,
    /// ARN of the role with which CloudFormation works from now on.
    pub role: Option<&'a str>,
    /// Values for the parameters of the template.
    pub values: &'a BTreeMap<String, String>,
    /// The mode of the execution.
    pub mode: Mode,
}

impl ChangeSetRequest<'_> {
    /// Creates the change set, and waits until CloudFormation has computed it. The template is sent with the call
    /// unless it has a URL.
    ///
    /// # Errors
    /// Returns the error of CloudFormation.
    pub async fn create(
        &self,
        template_url: Option<&str>,
    ) -> std::result::Result<ChangeSetOutcome, AwsError> {
        // An import changes neither; a new stack has none of its own.
        let changes = self.imports.is_empty();
        let deployed = self.deployed.filter(|_| self.action == Action::Update);
        let notifications = changes.then(|| self.wanted.notifications_to_send(deployed)).flatten();
        let input = ChangeSetInput {
            stack: self.stack,
            name: self.name,
            kind: match self.action {
                _ if !self.imports.is_empty() => ChangeSetKind::Import(self.imports),
                Action::Create => ChangeSetKind::Create,
                Action::Update => ChangeSetKind::Update,
            },
            template: template_url.map_or(TemplateSource::Body(&self.wanted.text), TemplateSource::Url),
            parameters: &plan::parameters(&self.wanted.template, self.values),
            macros: template::has_macros(&self.wanted.template),
            named_iam: template::has_named_iam(&self.wanted.template),
            tags: changes.then(|| self.wanted.tags_to_send(deployed)).flatten(),
            notifications: notifications.as_deref(),
            role: self.role,
            description: &operation::signature(&self.session.caller),
            mode: self.mode,
        };
        self.cloudformation.change_set(&input).await
    }
}

/// Returns a unique name for a change set: `prefix`, the time in milliseconds, and six random digits. Deployments that
/// begin in the same millisecond would take each other's change set for their own, which CloudFormation confirms: it
/// gives the change set that is there to a request with its name and client token.
#[must_use]
pub fn name(prefix: &str) -> String {
    format!("{prefix}-{}{:06}", jiff::Timestamp::now().as_millisecond(), fastrand::u32(..1_000_000))
}

/// Removes a change set, and with it the empty stack that its creation `made`. A change set that can't be removed is
/// harmless, so its error must not hide the reason for the removal.
pub async fn discard(
    context: &Context,
    cloudformation: &CloudFormation,
    stack: &str,
    name: &str,
    made: bool,
) {
    if let Err(error) = cloudformation.discard_change_set(stack, name, made).await
        && !error.is("ChangeSetNotFound")
    {
        context.ui.warn(format!("the change set {name} was not deleted: {}", error.message));
    }
}

impl Deployment<'_> {
    /// Asks CloudFormation for the changes. `so_far` describes the steps that were done before.
    pub(super) async fn change_set(
        &self,
        action: Action,
        values: &BTreeMap<String, String>,
        so_far: &str,
    ) -> Result<Option<Waiting>> {
        let name = name(if self.imports.is_empty() { "deployer" } else { "deployer-import" });
        let url = self.template_url().await?;
        let request = ChangeSetRequest {
            session: self.session,
            cloudformation: self.cloudformation,
            stack: self.name,
            name: &name,
            action,
            imports: self.imports,
            wanted: self.wanted,
            deployed: self.deployed,
            role: self.options.role.as_deref(),
            values,
            mode: self.options.mode,
        };
        self.context.on_interrupt(
            &format!("{so_far}; the change set {name} may remain, and does no harm"),
            "run `deployer deploy` again; a deployment removes leftover change sets",
        );
        let live = self.context.ui.live();
        live.say("CloudFormation is creating the change set");
        let outcome = request.create(url.as_deref()).await;
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

    /// Returns the error for an operation that began between the look at the stack and the change set. CloudFormation
    /// has no code of its own for that.
    pub(super) fn overtaken(&self, error: AwsError) -> Error {
        if !error.is("ValidationError") || !error.message.contains("_IN_PROGRESS state") {
            return error.into();
        }
        Error::Refused(
            Message::new(format!("another operation has started on {}: {}", self.name, error.message))
                .hint("`deployer deploy --wait` waits for it and then deploys; nothing was changed"),
        )
    }

    /// Removes a change set of this deployment.
    pub(super) async fn discard(&self, name: &str, action: Action) {
        // A stack that waited with another change set continues to wait.
        let made_here = action == Action::Create && self.deployed.is_none();
        discard(self.context, self.cloudformation, self.name, name, made_here).await;
    }

    /// Returns the URL of a template that is too large for a call, and is uploaded to the asset bucket.
    async fn template_url(&self) -> Result<Option<String>> {
        if self.wanted.text.len() <= INLINE_TEMPLATE_BYTES {
            return Ok(None);
        }
        Ok(Some(self.upload(&self.wanted.text).await?))
    }

    /// Uploads a template to the asset bucket, and returns its URL.
    pub(super) async fn upload(&self, text: &str) -> Result<String> {
        let bucket = ensure_bucket(&self.context.ui, self.session).await?;
        let key = records::template_key(&deployer_packing::sha256_hex(text.as_bytes()));
        objects::put_text(self.session, &bucket, &key, text).await?;
        Ok(published::object_url(self.session, &bucket, &key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_the_same_millisecond_differ() {
        let names: BTreeSet<String> = (0..100).map(|_| name("deployer")).collect();
        assert!(names.len() > 95, "{names:?}");
    }
}
