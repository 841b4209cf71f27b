//! The facts that a command needs before it compares: the caller, the deployed stack, the contents of the file. All of
//! them are requested at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackState};
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::DeploymentEvent;
use deployer_build::{Prepared, expected_values, prepare};
use deployer_cfn::Template;
use deployer_cfn::status::Status;
use deployer_lang::assets::assets;
use deployer_lang::{Compiled, Stack};

use crate::context::{Context, check_account};
use crate::deployment::remove_failed_create;
use crate::hotswap::Swapped;
use crate::operation::{self, Operation};
use crate::records::Kind;
use crate::state::{Deployed, Wanted};
use crate::watch::{Goal, Outcome, Watch};

/// The reaction to an operation in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// A wait for its end if it is this very deployment, otherwise a refusal.
    Refuse,
    /// A wait for its end.
    Wait,
    /// None: the situation is read in spite of the operation.
    Ignore,
}

/// The deployed stack, and the wanted one.
#[derive(Debug)]
pub struct Situation {
    /// The session of the caller.
    pub session: Session,
    /// The client of CloudFormation.
    pub cloudformation: CloudFormation,
    /// The deployed stack.
    pub deployed: Option<Deployed>,
    /// The stack as the file describes it.
    pub wanted: Wanted,
    /// The duration of this very deployment, if an earlier run began it and this one watched its end.
    pub resumed: Option<Duration>,
}

impl Situation {
    /// Reads the file, and the deployed stack, at the same time. With `code`, the code is found or built too.
    ///
    /// # Errors
    /// Returns an error if there are no valid credentials, AWS can't be asked, the code can't be built, the deployed
    /// template can't be read, or another operation is in progress.
    pub async fn new(context: &Context, compiled: &Compiled, code: bool, busy: Busy) -> Result<Self> {
        let Compiled { stack, template, .. } = compiled;
        let text = template.to_compact_json();
        let open = context.reach(&stack.target).await?;
        let local = open.is_local();
        let cloudformation = CloudFormation::unidentified(&open);
        let wanted_code = if code { assets(stack) } else { Vec::new() };
        // The caller must be known before anything is done, but the rest need not wait for the answer.
        let (session, found, prepared) = tokio::join!(
            open.identify(),
            ask(&cloudformation, &stack.name),
            prepare(context.project(), &wanted_code, local)
        );
        let session = session?;
        greet(context, stack, &session)?;
        let ((mut found, mut text_there), prepared) = (found?, prepared?);
        let origins = origins(template);
        let parameters = |found: &Option<DeployedStack>, prepared: &[Prepared]| {
            expected_values(&session, prepared, found.as_ref())
        };
        let mut resumed = None;
        let under_way =
            found.as_ref().filter(|stack| stack.state == StackState::Busy && busy != Busy::Ignore);
        if let Some(under_way) = under_way {
            let mark = operation::mark(&text, &parameters(&found, &prepared));
            resumed =
                settle(context, &cloudformation, under_way, &origins, &mark, busy == Busy::Wait).await?;
            (found, text_there) = ask(&cloudformation, &stack.name).await?;
        }
        let values = parameters(&found, &prepared);
        let deployed = match found {
            Some(found) => {
                let swapped = match values.is_empty() && found.parameters.is_empty() {
                    true => None,
                    false => Swapped::read(&session, &stack.name, &found.id).await?,
                };
                Some(Deployed::new(found, text_there.unwrap_or_default(), swapped)?)
            }
            None => None,
        };
        let wanted = Wanted {
            kind: Kind::Deploy,
            template: template.to_value(),
            text,
            parameters: values,
            tags: [("deployer:stack".to_owned(), stack.target.stack.clone())].into(),
            origins,
            code: prepared,
        };
        Ok(Self { session, cloudformation, deployed, wanted, resumed })
    }
}

/// Shows the caller and the target first, and compares them with the file.
pub fn greet(context: &Context, stack: &Stack, session: &Session) -> Result<()> {
    let place = if session.local {
        "the local cloud".to_owned()
    } else {
        format!("account {}, {}", session.account, session.region)
    };
    context.ui.step("target", format!("{} → {place} as {}", stack.name, session.caller));
    context.ui.event(&DeploymentEvent::Target {
        stack: &stack.name,
        account: &session.account,
        region: &session.region,
        caller: &session.caller,
    });
    check_account(&stack.target, session)
}

/// Reads the deployed stack and its template.
async fn ask(
    cloudformation: &CloudFormation,
    name: &str,
) -> std::result::Result<(Option<DeployedStack>, Option<String>), AwsError> {
    tokio::try_join!(cloudformation.describe(name), cloudformation.template(name))
}

/// Watches an operation in progress until it ends, if it is this very deployment, or on request. Returns its duration
/// if it is.
async fn settle(
    context: &Context,
    cloudformation: &CloudFormation,
    busy: &DeployedStack,
    origins: &BTreeMap<String, String>,
    mark: &str,
    wait: bool,
) -> Result<Option<Duration>> {
    let operation = Operation::find(cloudformation, busy).await?;
    let ours = operation.is(mark);
    let what = format!("{} is in {}{}", busy.name, busy.status, operation.describe());
    // A cleanup after an operation that is done does not prevent a deployment.
    if !ours && !wait && !Status::of(&busy.status).is_cleanup() {
        return Err(Error::Refused(Message::new(what).hint(
            "`--wait` waits for it and then deploys; `deployer events --follow` shows its progress; nothing was changed",
        )));
    }
    let why = if ours { "it is this deployment, and is watched again" } else { "waiting for that operation" };
    context.ui.step("waiting", format!("{what}; {why}"));
    context.on_interrupt("CloudFormation continues the operation", "`deployer deploy` watches it again");
    let goal = if Status::of(&busy.status).is_deletion() { Goal::Destroy } else { Goal::Deploy };
    let watch = Watch { context, cloudformation, stack_id: &busy.id, goal, origins, expected: None };
    let since = operation.began();
    match watch.until_end(operation.before.clone()).await? {
        Outcome::Failed { message, status } if ours => {
            let message = remove_failed_create(&watch, operation.before.as_deref(), message, &status).await;
            Err(Error::Deployment(message))
        }
        Outcome::Failed { message, .. } => {
            context.ui.warn(format!("that operation failed: {}", message.text));
            Ok(None)
        }
        Outcome::Succeeded if ours => Ok(Some(since.elapsed())),
        Outcome::Succeeded => Ok(None),
    }
}

/// Returns the names in the file by logical ID, for messages.
pub fn origins(template: &Template) -> BTreeMap<String, String> {
    template.resources.iter().map(|(id, resource)| (id.clone(), resource.origin.clone())).collect()
}
