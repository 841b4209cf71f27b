//! `deployer history`.

use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackState};
use deployer_base::error::Result;
use deployer_base::output::Digest;
use deployer_base::time;
use deployer_packing::sha256_hex;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::records::{self, Record};

/// List the recorded operations on a stack, newest first
///
/// Also shows whether what is deployed matches the last record, or was changed by other means.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Maximum number of records to list
    #[arg(long, default_value = "20")]
    limit: usize,
}

/// Number of records that are searched for a success.
const LOOK_BACK: usize = 20;
/// Number of digits of a digest that are shown, as git does.
const SHORT: usize = 8;

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let handle = context.open(args.stack.as_deref()).await?;
    let cloudformation = CloudFormation::new(&handle.session);
    // The deployed stack is compared with the last success, however few records are shown.
    let (mut records, deployed) = tokio::try_join!(
        records::list(context, &handle.session, &handle.name, args.limit.max(LOOK_BACK)),
        deployed(&cloudformation, &handle.name)
    )?;
    let standing = Standing::of(&records, deployed.as_ref());
    records.truncate(args.limit.max(1));
    if context.ui.is_json() {
        return context.ui.json(document(&handle.name, &records, deployed.as_ref(), standing));
    }
    if let Some(remark) = standing.remark(&handle.name) {
        context.ui.warn(remark);
    }
    if records.is_empty() {
        context.ui.note(format!("nothing is recorded for {}", handle.name));
        return Ok(());
    }
    let now = time::now();
    let current = standing.number();
    let rows = records.iter().map(|record| row(record, current, now));
    context.ui.data(&deployer_base::ui::table(
        ["", "number", "when", "", "who", "what", "result", "changes", "template"],
        rows,
    ))
}

/// A stack, and the digest of its template.
type Deployed = (DeployedStack, String);

/// Returns the deployed stack, which only CloudFormation can describe.
///
/// # Errors
/// Returns an error if CloudFormation can't be asked.
pub async fn deployed(cloudformation: &CloudFormation, name: &str) -> Result<Option<Deployed>> {
    let (stack, template) = tokio::try_join!(cloudformation.describe(name), cloudformation.template(name))?;
    Ok(stack.map(|stack| (stack, sha256_hex(template.unwrap_or_default().as_bytes()))))
}

/// The deployed stack, compared with the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is no stack.
    Absent,
    /// The stack is as this record describes it.
    Recorded(u64),
    /// The stack is not as the last record of a success describes it.
    Changed(u64),
    /// The stack differs too, and a deployer changed it: one that was interrupted before it could write its record.
    Interrupted,
    /// The stack exists, but without a record of a success.
    Unrecorded,
}

impl Standing {
    fn of(records: &[Record], deployed: Option<&Deployed>) -> Self {
        let Some((stack, template)) = deployed else { return Self::Absent };
        // A stack that was deleted and created again is a different one with the same name.
        let mut own = records.iter().filter(|record| record.stack_id == stack.id);
        let by_deployer = || stack.change_set.as_deref().is_some_and(is_of_deployer);
        match own.find(|record| record.is_way_back()) {
            Some(last) if last.is_deployed(template, &stack.parameters) => Self::Recorded(last.number),
            _ if stack.state == StackState::Settled && by_deployer() => Self::Interrupted,
            Some(last) => Self::Changed(last.number),
            None => Self::Unrecorded,
        }
    }

    const fn number(self) -> Option<u64> {
        match self {
            Self::Recorded(number) => Some(number),
            Self::Absent | Self::Changed(_) | Self::Interrupted | Self::Unrecorded => None,
        }
    }

    const fn summary(self) -> Comparison {
        match self {
            Self::Absent => Comparison::Absent,
            Self::Recorded(_) => Comparison::Recorded,
            Self::Changed(_) => Comparison::Changed,
            Self::Interrupted => Comparison::Interrupted,
            Self::Unrecorded => Comparison::Unrecorded,
        }
    }

    fn remark(self, stack: &str) -> Option<String> {
        match self {
            Self::Recorded(_) => None,
            Self::Absent => Some(format!("{stack} is not deployed")),
            Self::Changed(number) => Some(format!(
                "{stack} was changed outside of the deployer: what is deployed differs from record {number}"
            )),
            Self::Interrupted => Some(format!(
                "what is deployed in {stack} was never recorded: that deployment was interrupted, or could not write its record"
            )),
            Self::Unrecorded => Some(format!(
                "{stack} is deployed, but none of its last records is of a successful deployment"
            )),
        }
    }
}

/// Returns whether a change set, by its ARN, is one that a deployer made to be executed.
fn is_of_deployer(arn: &str) -> bool {
    let name = arn.split('/').nth(1).and_then(|name| name.strip_prefix("deployer-"));
    name.is_some_and(|stamp| !stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit()))
}

fn row(record: &Record, current: Option<u64>, now: u64) -> [String; 9] {
    let result = match &record.cause {
        Some(cause) => format!("{}: {}", record.result.name(), shortened(cause)),
        None => record.result.name().to_owned(),
    };
    let ago = time::parse_rfc3339(&record.time).map(|moment| time::ago(moment, now));
    [
        if current == Some(record.number) { "*" } else { "" }.to_owned(),
        record.number.to_string(),
        record.time.clone(),
        ago.unwrap_or_default(),
        record.who().to_owned(),
        record.kind.name().to_owned(),
        result,
        record.changes.describe(),
        record.template.as_deref().unwrap_or_default().chars().take(SHORT).collect(),
    ]
}

/// Returns the beginning of a cause, which may be pages long; the record contains all of it.
fn shortened(cause: &str) -> String {
    const MOST: usize = 60;
    match cause.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &cause[..end]),
        None => cause.to_owned(),
    }
}

fn document<'a>(
    name: &'a str,
    records: &'a [Record],
    deployed: Option<&'a Deployed>,
    standing: Standing,
) -> History<'a> {
    History {
        stack: name,
        deployed: deployed.map(|(stack, template)| DeployedNow { status: &stack.status, template }),
        standing: standing.summary(),
        current: standing.number(),
        records,
    }
}

/// The records of a stack, and what is deployed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct History<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The deployed stack; null if it is not deployed.
    deployed: Option<DeployedNow<'a>>,
    /// Comparison of the deployed stack with the last record of a success.
    standing: Comparison, // words: ignore
    /// Number of the record of what is deployed.
    current: Option<u64>,
    /// The records, the newest first.
    records: &'a [Record],
}

/// The deployed stack.
#[derive(Debug, Serialize, JsonSchema)]
struct DeployedNow<'a> {
    /// CloudFormation's status of the stack.
    status: &'a str,
    /// SHA-256 of the template.
    #[schemars(with = "Digest")]
    template: &'a str,
}

/// Comparison of the deployed stack with the last record of a success.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Comparison {
    /// The stack is not deployed.
    Absent,
    /// The deployed stack is as recorded.
    Recorded,
    /// The stack was changed outside of the deployer.
    Changed,
    /// A deployment ended before it could write its record.
    Interrupted,
    /// There is no record of a success.
    Unrecorded,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// Returns a stack with this template, parameter and change set.
    fn deployed(id: &str, template: &str, code: &str, change_set: Option<&str>) -> Deployed {
        let stack = DeployedStack {
            name: "s".to_owned(),
            id: id.to_owned(),
            state: StackState::Settled,
            status: "UPDATE_COMPLETE".to_owned(),
            protected: false,
            parameters: parameters(code),
            outputs: Vec::new(),
            tags: BTreeMap::new(),
            change_set: change_set
                .map(|name| format!("arn:aws:cloudformation:eu-west-1:111122223333:changeSet/{name}/1-2")),
            failed_in_express: false,
            role: None,
            notifications: Vec::new(),
        };
        (stack, template.to_owned())
    }

    fn record(number: u64, kind: &str, result: &str, template: &str) -> Record {
        serde_json::from_value(json!({
            "schemaVersion": 1, "number": number, "stack": "s", "stackId": "arn", "time": "2026-11-24T22:04:25Z",
            "caller": "arn:aws:iam::123456789012:user/bob", "deployer": "0.1.0", "kind": kind, "result": result,
            "seconds": 3, "template": template, "parameters": { "Code": "a" }, "changes": { "add": 2 },
        }))
        .expect("a record")
    }

    fn parameters(code: &str) -> BTreeMap<String, String> {
        [("Code", code), ("Defaulted", "x")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn what_is_deployed_is_told_from_what_is_recorded() {
        let records = [
            record(3, "deploy", "failed", "c"),
            record(2, "deploy", "succeeded", "b"),
            record(1, "deploy", "succeeded", "a"),
        ];
        let ours = Some("deployer-1764367892000");
        for (deployed, standing) in [
            (deployed("arn", "b", "a", ours), Standing::Recorded(2)),
            (deployed("arn", "a", "a", None), Standing::Changed(2)),
            (deployed("arn", "b", "other", Some("by-hand")), Standing::Changed(2)),
            (deployed("arn", "a", "a", ours), Standing::Interrupted),
            // The records belong to a stack that was deleted.
            (deployed("other", "b", "a", None), Standing::Unrecorded),
            (deployed("other", "b", "a", ours), Standing::Interrupted),
        ] {
            assert_eq!(Standing::of(&records, Some(&deployed)), standing, "{deployed:?}");
        }
        assert_eq!(Standing::of(&records, None), Standing::Absent);
        let failed = deployed("arn", "c", "a", None);
        assert_eq!(Standing::of(&records[..1], Some(&failed)), Standing::Unrecorded);
    }

    #[test]
    fn a_row_says_it_all() {
        let mut record = record(7, "rollback", "succeeded", &"0123456789abcdef".repeat(4));
        let now = time::parse_rfc3339("2026-11-25T01:30:00Z").expect("a moment");
        assert_eq!(
            row(&record, Some(7), now),
            [
                "*",
                "7",
                "2026-11-24T22:04:25Z",
                "3 hours ago",
                "bob",
                "rollback",
                "succeeded",
                "+2",
                "01234567"
            ]
        );
        record.cause = Some("ü".repeat(100));
        record.time = "yesterday".to_owned();
        let [.., ago, _, _, result, _, _] = row(&record, None, now);
        assert_eq!((ago.as_str(), result.chars().count()), ("", "succeeded: ".len() + 61));
    }
}
