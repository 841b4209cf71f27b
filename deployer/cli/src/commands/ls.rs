//! `deployer ls`.

use std::collections::BTreeMap;

use deployer_aws::cloudformation::stacks;
use deployer_aws::cloudformation::stacks::Overview;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_base::output::Moment;
use deployer_base::time;
use deployer_lang::StackTarget;
use deployer_lang::document::Document;
use deployer_lang::model::target::{Removal, Target};
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::{Context, check_account};

/// List the stacks of the file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shows the state of each stack in AWS, when it was last changed, and whether it had drifted at the last check.
    #[arg(long)]
    pub(super) status: bool,
}

/// The stacks of the file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stacks<'a> {
    /// The stacks, in the order of the file.
    stacks: Vec<ListedStack<'a>>,
}

/// A stack of the file.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedStack<'a> {
    /// Key in the file.
    stack: &'a str,
    /// Name of the CloudFormation stack.
    name: String,
    /// AWS or the local cloud.
    target: Target,
    /// Region, if the file names one.
    region: Option<&'a str>,
    /// Account, if the file names one.
    account: Option<&'a str>,
    /// `true` if the stack is protected from deletion.
    protect: bool,
    /// The treatment of data when the stack is deleted.
    removal: Removal,
    /// `true` if commands without a stack use this one.
    default: bool,
    /// With `--status`: the state of the stack in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StackStatus<'a>>,
}

/// The state of a stack in AWS.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum StackStatus<'a> {
    /// The stack is deployed.
    #[serde(rename_all = "camelCase")]
    Deployed {
        /// CloudFormation's status.
        state: &'a str,
        /// Time of the last change.
        #[schemars(with = "Option<Moment>")]
        changed: Option<String>,
        /// CloudFormation's drift status, as of the last check.
        drift: &'a str,
        /// Time of that check.
        #[schemars(with = "Option<Moment>")]
        drift_checked: Option<String>,
    },
    /// The stack is not deployed.
    NotDeployed {
        /// Always null.
        state: (),
    },
    /// The state could not be found out.
    Unknown {
        /// Why it could not.
        error: &'a str,
    },
}

/// Lists only the contents of the file, without calling AWS.
pub fn run(context: &Context, _: &Args) -> Result<()> {
    let document = context.load()?.document;
    if context.ui.is_json() {
        let stacks = document.stacks.iter().map(|stack| described(&document, stack, None));
        return context.ui.json(Stacks { stacks: stacks.collect() });
    }
    let rows = document.stacks.iter().map(|stack| row(&document, stack));
    context.ui.data(&deployer_base::ui::table(["stack", "name", "target", "region", ""], rows))
}

/// Lists the stacks with their status in AWS. A status that can't be read is reported in its row, and doesn't fail the
/// others.
pub async fn with_status(context: &Context) -> Result<()> {
    let document = context.load()?.document;
    let statuses = statuses(context, &document).await;
    if context.ui.is_json() {
        let stacks = document
            .stacks
            .iter()
            .zip(&statuses)
            .map(|(stack, status)| described(&document, stack, Some(status.as_data())));
        return context.ui.json(Stacks { stacks: stacks.collect() });
    }
    let now = time::now();
    let rows = document.stacks.iter().zip(&statuses).map(|(stack, status)| {
        let [short, name, target, region, remarks] = row(&document, stack);
        let [state, changed, drift] = status.cells(now);
        [short, name, target, region, state, changed, drift, remarks]
    });
    context.ui.data(&deployer_base::ui::table(
        ["stack", "name", "target", "region", "status", "changed", "drift", ""],
        rows,
    ))
}

/// The status of a stack, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Deployed(Overview),
    NotDeployed,
    /// The reason for which nothing could be read: in a few words, and in full.
    Unknown {
        brief: String,
        why: String,
    },
}

impl Known {
    fn from_error(error: &Error, stack: &StackTarget) -> Self {
        let why = error.message().map(|message| message.text).unwrap_or_default();
        let brief = match error {
            Error::Aws(error) if error.is_denied() => format!("{} is denied", error.operation),
            error if error.exit_code() == 6 => no_credentials(stack),
            _ => why.clone(),
        };
        Self::Unknown { brief, why }
    }

    fn as_data(&self) -> StackStatus<'_> {
        match self {
            Self::Deployed(status) => StackStatus::Deployed {
                state: &status.status,
                changed: status.changed.map(time::rfc3339),
                drift: &status.drift,
                drift_checked: status.drift_checked.map(time::rfc3339),
            },
            Self::NotDeployed => StackStatus::NotDeployed { state: () },
            Self::Unknown { why, .. } => StackStatus::Unknown { error: why },
        }
    }

    fn cells(&self, now: u64) -> [String; 3] {
        match self {
            Self::Deployed(status) => {
                let ago =
                    |moment: Option<u64>| moment.map(|moment| time::ago(moment, now)).unwrap_or_default();
                let drift = match status.drift.as_str() {
                    "NOT_CHECKED" => "not checked".to_owned(),
                    drift => format!(
                        "{} {}",
                        drift.to_ascii_lowercase().replace('_', " "),
                        ago(status.drift_checked)
                    ),
                };
                [status.status.clone(), ago(status.changed), drift.trim_end().to_owned()]
            }
            Self::NotDeployed => ["not deployed".to_owned(), String::new(), String::new()],
            Self::Unknown { brief, .. } => [brief.clone(), String::new(), String::new()],
        }
    }
}

fn no_credentials(stack: &StackTarget) -> String {
    let place = match (&stack.account, &stack.region) {
        (Some(account), _) => format!(" for account {account}"),
        (None, Some(region)) => format!(" for {region}"),
        (None, None) => String::new(),
    };
    format!("no credentials{place}")
}

/// Reads the status of all stacks at once; stacks at one place share a connection.
async fn statuses(context: &Context, document: &Document) -> Vec<Known> {
    let mut places: BTreeMap<_, Vec<(usize, &StackTarget)>> = BTreeMap::new();
    for (at, stack) in document.stacks.iter().enumerate() {
        let place = (stack.target == Target::Local, &stack.endpoint, &stack.region);
        places.entry(place).or_default().push((at, stack));
    }
    let asks = places.into_values().map(async |stacks| {
        let Some((_, first)) = stacks.first() else { return Vec::new() };
        let connected = context.connect(first).await;
        let asks = stacks.iter().map(async |(at, stack)| {
            let known = match &connected {
                Ok(session) => status(document, stack, session).await,
                Err(error) => Known::from_error(error, stack),
            };
            (*at, known)
        });
        join_all(asks).await
    });
    let mut known: Vec<(usize, Known)> = join_all(asks).await.into_iter().flatten().collect();
    known.sort_unstable_by_key(|(at, _)| *at);
    known.into_iter().map(|(_, known)| known).collect()
}

async fn status(document: &Document, stack: &StackTarget, session: &Session) -> Known {
    if let Err(error) = check_account(stack, session) {
        let why = error.message().map(|message| message.text).unwrap_or_default();
        return Known::Unknown { brief: no_credentials(stack), why };
    }
    match stacks::status(session, &stack.full_name(&document.name)).await {
        Ok(Some(status)) => Known::Deployed(status),
        Ok(None) => Known::NotDeployed,
        Err(error) => Known::from_error(&error.into(), stack),
    }
}

fn described<'a>(
    document: &Document,
    stack: &'a StackTarget,
    status: Option<StackStatus<'a>>,
) -> ListedStack<'a> {
    ListedStack {
        stack: &stack.stack,
        name: stack.full_name(&document.name),
        target: stack.target,
        region: stack.region.as_deref(),
        account: stack.account.as_deref(),
        protect: stack.protect,
        removal: stack.removal,
        default: stack.default || document.stacks.len() == 1,
        status,
    }
}

fn row(document: &Document, stack: &StackTarget) -> [String; 5] {
    let place = match (&stack.account, &stack.region) {
        (Some(account), Some(region)) => format!("{region}, account {account}"),
        (None, Some(region)) => region.clone(),
        (Some(account), None) => format!("account {account}"),
        (None, None) => String::new(),
    };
    let mut remarks = Vec::new();
    if stack.default || document.stacks.len() == 1 {
        remarks.push("default");
    }
    if stack.protect {
        remarks.push("protected");
    }
    [
        stack.stack.clone(),
        stack.full_name(&document.name),
        target(stack.target).to_owned(),
        place,
        remarks.join(", "),
    ]
}

const fn target(target: Target) -> &'static str {
    match target {
        Target::Aws => "aws",
        Target::Local => "local",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn data(known: &Known) -> Value {
        serde_json::to_value(known.as_data()).expect("JSON")
    }

    #[test]
    fn what_is_known_of_a_stack_fits_three_cells() {
        let status = Overview {
            status: "UPDATE_COMPLETE".to_owned(),
            changed: Some(1_000),
            drift: "IN_SYNC".to_owned(),
            drift_checked: Some(4_600),
        };
        let known = Known::Deployed(status.clone());
        assert_eq!(known.cells(8_200), ["UPDATE_COMPLETE", "2 hours ago", "in sync 1 hour ago"]);
        assert_eq!(data(&known)["changed"], "1970-01-01T00:16:40Z");
        let known = Known::Deployed(Overview { drift: "NOT_CHECKED".to_owned(), changed: None, ..status });
        assert_eq!(known.cells(8_200), ["UPDATE_COMPLETE", "", "not checked"]);
        assert_eq!(data(&Known::NotDeployed), json!({ "state": null }));
        let unknown = Known::Unknown { brief: "no credentials".to_owned(), why: "long".to_owned() };
        assert_eq!(unknown.cells(0)[0], "no credentials");
        assert_eq!(data(&unknown), json!({ "error": "long" }));
    }
}
