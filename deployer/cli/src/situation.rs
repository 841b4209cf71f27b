//! The facts that a command needs before it compares: the caller, the deployed stack, the contents of the file. All of
//! them are requested at the same time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackState};
use deployer_aws::error::AwsError;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::DeploymentEvent;
use deployer_base::text::printable;
use deployer_build::{Prepared, Project, expected_values, prepare};
use deployer_cfn::Template;
use deployer_cfn::deployed;
use deployer_cfn::stack_settings::StackSettings;
use deployer_cfn::status::Status;
use deployer_cfn::template::{has_macros, logical_id};
use deployer_lang::assets::assets;
use deployer_lang::model::arn::StackPlace;
use deployer_lang::model::organisation::NamedArn;
use deployer_lang::renames::{self, FormerId, Impossible, Rename};
use deployer_lang::{Compiled, Stack};
use deployer_syntax::Diagnostics;
use futures::future::{Either, select};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::adoption::{Adopter, Adoption};
use crate::context::{Context, check_account};
use crate::deployment::{remove_failed_create, rename};
use crate::generation;
use crate::hotswap::Swapped;
use crate::operation::{self, Operation};
use crate::parameters;
use crate::records::{self, Kind, Record};
use crate::state::{self, Deployed, Wanted, is_empty};
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
    /// The records of the stack, newest first, if it isn't deployed by the deployer.
    pub records: Vec<Record>,
    /// The duration of this very deployment, if an earlier run began it and this one watched its end.
    pub resumed: Option<Duration>,
    /// The logical IDs that had other forms before, according to `was`.
    former: Vec<FormerId>,
}

impl Situation {
    /// Reads the file, and the deployed stack, at the same time. Code is built only after caller and stack are known.
    ///
    /// # Errors
    /// Returns an error if there are no valid credentials, AWS can't be asked, nothing is named as `allow_replace` says, the code
    /// can't be built, the deployed template can't be read, or another operation is in progress.
    pub async fn new(context: &Context, compiled: &Compiled, look: Look<'_>) -> Result<Self> {
        let Look { code, busy, fresh, allow_replace } = look;
        let Compiled { stack, template, .. } = compiled;
        let open = context.reach(&stack.target).await?;
        let local = open.is_local();
        let cloudformation = CloudFormation::unidentified(&open);
        let wanted_code = if code { assets(stack) } else { Vec::new() };
        let (asked, prepared) = {
            // The caller must be known before anything is done, but what costs little need not wait for the answer.
            let asked = async {
                let (session, found) = tokio::join!(open.identify(), ask(&cloudformation, &stack.name));
                let session = session?;
                greet(context, stack, &session)?;
                check_places(&stack.organisation.arns, &session)?;
                let found = found?;
                check_allowed(compiled, found.1.as_deref(), allow_replace)?;
                Ok::<_, Error>((session, found))
            };
            let leave = Semaphore::new(0);
            let project = Project { leave: Some(&leave), ..context.project() };
            let (asked, prepared) = (pin!(asked), pin!(prepare(project, &wanted_code, local)));
            match select(asked, prepared).await {
                // A refusal drops the preparation, which has built nothing.
                Either::Left((asked, prepared)) => {
                    let asked = asked?;
                    leave.add_permits(1);
                    (asked, prepared.await?)
                }
                Either::Right((prepared, asked)) => (asked.await?, prepared?),
            }
        };
        let (session, (mut found, mut text_there)) = asked;
        // A stack that was only imported so far has no tags.
        let tags = |found: &Option<DeployedStack>| {
            let ours = found.as_ref().filter(|stack| stack.tags.contains_key(STACK_TAG));
            ours.map(|stack| stack.tags.clone())
        };
        let records = match tags(&found) {
            Some(_) => Vec::new(),
            None => former_records(context, &session, &stack.name).await,
        };
        let generation = match fresh {
            true => fresh_generation(found.as_ref(), &records)?,
            false => generation::current(tags(&found).as_ref(), &records),
        };
        let pseudo = state::pseudo(&session, &stack.name);
        let renamed = generation::template(template, generation, &BTreeMap::new(), &pseudo)?;
        let template = renamed.as_ref().unwrap_or(template);
        let former = renames::former_ids(stack, template);
        let kept = kept(template, &former, found.as_ref(), text_there.as_deref())?;
        let template = kept.as_ref().unwrap_or(template);
        let origins = origins(template);
        let text = template.to_compact_json();
        let parameters = |found: &Option<DeployedStack>, prepared: &[Prepared]| {
            let mut values = parameters::values(stack, found.as_ref())?;
            values.extend(expected_values(&session, prepared, found.as_ref()));
            Ok::<_, Error>(values)
        };
        let mut resumed = None;
        let under_way =
            found.as_ref().filter(|stack| stack.state == StackState::Busy && busy != Busy::Ignore);
        if let Some(under_way) = under_way {
            let mark = operation::mark(&text, &parameters(&found, &prepared)?);
            let expected = Expected { mark: &mark, renames: !former.is_empty() };
            resumed =
                settle(context, &cloudformation, under_way, &origins, expected, busy == Busy::Wait).await?;
            (found, text_there) = ask(&cloudformation, &stack.name).await?;
        }
        let values = parameters(&found, &prepared)?;
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
        let template_value = template.to_value();
        let pending = match &deployed {
            Some(deployed) if !deployed.is_empty() => {
                renames::pending(&former, &deployed.template).map_err(impossible)?
            }
            _ => Vec::new(),
        };
        let pending = if local { without_refactors(context, &pending) } else { pending };
        let wanted = Wanted {
            kind: Kind::Deploy,
            text,
            parameters: values,
            tags: stack_tags(stack, &template_value, deployed.as_ref(), generation),
            template: template_value,
            origins,
            code: prepared,
            renames: pending,
        };
        Ok(Self { session, cloudformation, deployed, wanted, records, resumed, former })
    }

    /// Says which `was` of the file the deployed stack no longer needs.
    ///
    /// # Errors
    /// Returns an error if the file can't be read again, which has the lines.
    pub fn remark_renames(&self, context: &Context, stack: &Stack) -> Result<()> {
        let Some(deployed) = &self.deployed else { return Ok(()) };
        let remarks = renames::done(stack, &self.former, &self.wanted.template, &deployed.template);
        if remarks.is_empty() {
            return Ok(());
        }
        let mut diagnostics = Diagnostics::default();
        remarks.into_iter().for_each(|remark| diagnostics.push(remark));
        context.ui.warnings(&context.source()?, &diagnostics);
        Ok(())
    }

    /// Finds the resources that the stack can adopt, if it has none of its own.
    ///
    /// # Errors
    /// Returns an error if AWS can't be asked.
    pub async fn adoption(&self, name: &str, allow_replace: &[String]) -> Result<Option<Adoption>> {
        let adopter = Adopter {
            session: &self.session,
            cloudformation: &self.cloudformation,
            name,
            wanted: &self.wanted,
            records: &self.records,
            allow_replace,
        };
        adopter.find(self.deployed.as_ref()).await
    }
}

/// What is read of a situation, and what is done about an operation in progress.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// `true` if the code is found or built too.
    pub code: bool,
    /// The reaction to an operation in progress.
    pub busy: Busy,
    /// `true` if nothing is adopted that a deleted stack has kept.
    pub fresh: bool,
    /// The resources that `--allow-replace` names.
    pub allow_replace: &'a [String],
}

/// Refuses names of resources that neither the file nor the deployed stack has: most of them are misspelt. A stack that isn't
/// deployed may have kept resources of other names.
fn check_allowed(compiled: &Compiled, deployed: Option<&str>, allow_replace: &[String]) -> Result<()> {
    let Some(deployed) = deployed.filter(|_| !allow_replace.is_empty()).map(deployed::read) else {
        return Ok(());
    };
    let there = deployed["Resources"].as_object();
    let is_known = |name: &str| {
        let is_id = |id: &str| {
            there.is_some_and(|there| there.contains_key(id))
                || compiled.template.resources.iter().any(|(known, _)| known == id)
        };
        compiled.stack.resource(name).is_some() || is_id(name) || is_id(&logical_id(name))
    };
    // What macros make of a template has other names.
    if there.is_none() || has_macros(&deployed) || compiled.template.transform.is_some() {
        return Ok(());
    }
    match allow_replace.iter().find(|name| !is_known(name)) {
        Some(stranger) => Err(Error::Usage(
            Message::new(format!(
                "`--allow-replace {stranger}` has no effect: neither the file nor the deployed stack has that resource"
            ))
            .hint("`deployer diff` shows the resources that a deployment would change; nothing was changed"),
        )),
        None => Ok(()),
    }
}

/// Returns the template with the logical IDs and computed names that stay from before a rename; `None` if there are none.
fn kept(
    template: &Template,
    former: &[FormerId],
    found: Option<&DeployedStack>,
    text: Option<&str>,
) -> Result<Option<Template>> {
    let (Some(_), Some(text)) = (found.filter(|stack| !is_empty(stack)), text) else { return Ok(None) };
    let deployed = state::read_deployed(text)?;
    let mut own = template.clone();
    Ok(renames::keep(&mut own, former, &deployed).map_err(impossible)?.then_some(own))
}

/// Returns the error of a rename that can't be made.
fn impossible(found: Impossible) -> Error {
    Error::Refused(Message::new(found.why).hint(format!("{}; nothing was changed", found.help)))
}

/// Says that the local cloud creates resources anew instead of renaming them. Returns no renames.
fn without_refactors(context: &Context, pending: &[Rename]) -> Vec<Rename> {
    if !pending.is_empty() {
        let ids: Vec<String> = pending.iter().map(|one| format!("{} → {}", one.old, one.new)).collect();
        context.ui.warn(format!(
            "the local cloud can't rename resources, so they are created anew, without their data: {}",
            ids.join(", ")
        ));
    }
    Vec::new()
}

/// Key of the tag with the name of the stack in the file.
const STACK_TAG: &str = "deployer:stack";
/// Number of records that are read of a stack that isn't deployed.
const LOOK_BACK: usize = 50;

/// Reads the records of a stack that isn't deployed. Lost records cost no deployment.
pub async fn former_records(context: &Context, session: &Session, stack: &str) -> Vec<Record> {
    match records::list(context, session, stack, LOOK_BACK).await {
        Ok(records) => records,
        Err(error) => {
            let why = error.message().map(|message| message.text).unwrap_or_default();
            context.ui.warn(format!(
                "the records of {stack} can't be read, so kept resources are looked up by name: {why}"
            ));
            Vec::new()
        }
    }
}

/// Returns the generation of a stack that is created anew beside what a former one has kept.
fn fresh_generation(found: Option<&DeployedStack>, records: &[Record]) -> Result<u32> {
    match found.filter(|stack| !is_empty(stack)) {
        Some(stack) => Err(Error::Refused(
            Message::new(format!("{} is deployed, and `--fresh` is for a stack that isn't", stack.name))
                .hint("deploy without `--fresh`, or run `deployer destroy` first; nothing was changed"),
        )),
        None => Ok(generation::next(records)),
    }
}

/// Returns the tags of a stack: those of the file, of the deployer and of others. A stack that another tool made gets no
/// tag of the deployer as long as it has no code of the deployer, which finds the code in use by its tag: a further tag
/// would change every resource.
fn stack_tags(
    stack: &Stack,
    template: &Value,
    deployed: Option<&Deployed>,
    generation: u32,
) -> BTreeMap<String, String> {
    let of_others = |deployed: &Deployed| {
        stack.target.name.is_some()
            && assets(stack).is_empty()
            && !deployed.stack.tags.contains_key(STACK_TAG)
    };
    let mut own = stack.organisation.tags.clone();
    if !deployed.is_some_and(of_others) {
        own.insert(STACK_TAG.to_owned(), stack.target.stack.clone());
        if generation > 1 {
            own.insert(generation::TAG.to_owned(), generation.to_string());
        }
    }
    match deployed {
        Some(deployed) => {
            StackSettings::of(template).tags_beside(&own, &deployed.stack.tags, &deployed.settings())
        }
        None => own,
    }
}

/// Shows the role with which CloudFormation works on a stack, which stays its role until another one is given.
pub fn show_role(context: &Context, given: Option<&str>, deployed: Option<&DeployedStack>) {
    let of_stack = deployed.and_then(|stack| stack.role.as_deref());
    let text = match (given, of_stack) {
        (None, None) => return,
        (Some(given), Some(of_stack)) if given != of_stack => {
            format!("CloudFormation works as {given}, in the place of {of_stack}, from now on")
        }
        (Some(given), None) => format!("CloudFormation works as {given} from now on"),
        (_, Some(of_stack)) => format!("CloudFormation works as {of_stack}, the role of the stack"),
    };
    context.ui.step("role", printable(&text));
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

/// Refuses roles and boundaries of another account or partition than that of the caller, which the file need not name.
///
/// # Errors
/// Returns [`Error::Refused`] for such an ARN.
pub fn check_places<'a>(arns: impl IntoIterator<Item = &'a NamedArn>, session: &Session) -> Result<()> {
    let place = StackPlace {
        partition: Some(session.partition()),
        region: Some(&session.region),
        account: Some(&session.account),
    };
    let misplaced = arns.into_iter().filter_map(|arn| arn.misplaced(&place));
    match misplaced.filter(|_| !session.local).find(|one| one.is_certain) {
        Some(found) => Err(Error::Refused(Message::new(found.message).hint(found.help))),
        None => Ok(()),
    }
}

/// Reads the deployed stack and its template.
async fn ask(
    cloudformation: &CloudFormation,
    name: &str,
) -> std::result::Result<(Option<DeployedStack>, Option<String>), AwsError> {
    tokio::try_join!(cloudformation.describe(name), cloudformation.template(name))
}

/// The operations of this very deployment.
#[derive(Debug, Clone, Copy)]
struct Expected<'a> {
    /// The mark of its operations.
    mark: &'a str,
    /// `true` if it may begin with a rename.
    renames: bool,
}

/// Watches an operation in progress until it ends, if it is this very deployment, or on request. Returns its duration
/// if it is.
async fn settle(
    context: &Context,
    cloudformation: &CloudFormation,
    busy: &DeployedStack,
    origins: &BTreeMap<String, String>,
    expected: Expected<'_>,
    wait: bool,
) -> Result<Option<Duration>> {
    let operation = Operation::find(cloudformation, busy).await?;
    let ours = operation.is(expected.mark);
    if !ours
        && expected.renames
        && let Some(begun) = rename::in_progress(cloudformation, busy, expected.mark).await?
    {
        context.ui.step(
            "waiting",
            format!(
                "{} is in {}; it is the rename of this deployment, and is watched again",
                busy.name, busy.status
            ),
        );
        context.on_interrupt("CloudFormation continues the rename", "`deployer deploy` watches it again");
        rename::until_end(cloudformation, busy, &begun).await?;
        return Ok(None);
    }
    let what = format!("{} is in {}{}", busy.name, busy.status, operation.describe());
    // Neither an operation that has ended since, nor the cleanup after one, prevents a deployment.
    if !ours && !wait && !operation.is_over && !Status::of(&busy.status).is_cleanup() {
        return Err(Error::Refused(Message::new(what).hint(
            "`--wait` waits for it and then deploys; `deployer events --follow` shows its progress; nothing was changed",
        )));
    }
    let why = match (ours, operation.is_over) {
        (true, _) => "it is this deployment, and is watched again",
        (false, false) => "waiting for that operation",
        (false, true) => "that operation has ended meanwhile",
    };
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
