//! `deployer history`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::assets::sha256_hex;
use crate::aws::cloudformation::{CloudFormation, DeployedStack};
use crate::context::Context;
use crate::error::Result;
use crate::records::{self, Record};
use crate::time;

/// Lists what was done to a stack, newest first.
///
/// Also says whether what is deployed is what was recorded last, or was changed by other means.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack; may be left out when the file has one, or one marked `default: true`.
    stack: Option<String>,
    /// How many to list.
    #[arg(long, default_value = "20")]
    limit: usize,
}

/// Records that are looked through for a success.
const LOOK_BACK: usize = 20;
/// Digits of a digest that are shown, as git does.
const SHORT: usize = 8;

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let place = context.open(args.stack.as_deref()).await?;
    let cloudformation = CloudFormation::new(&place.session);
    // What is deployed is compared with the last success, however few records are shown.
    let (mut records, deployed) = tokio::try_join!(
        records::list(context, &place.session, &place.name, args.limit.max(LOOK_BACK)),
        deployed(&cloudformation, &place.name)
    )?;
    let known = deployed.as_ref().map(|(stack, template)| (template.as_str(), &stack.parameters));
    let standing = Standing::of(&records, known);
    records.truncate(args.limit.max(1));
    if context.ui.is_json() {
        return context.ui.json(document(&place.name, &records, deployed.as_ref(), standing));
    }
    if let Some(remark) = standing.remark(&place.name) {
        context.ui.warn(remark);
    }
    if records.is_empty() {
        context.ui.note(format!("nothing is recorded of {}", place.name));
        return Ok(());
    }
    let now = time::now();
    let current = standing.number();
    let rows = records.iter().map(|record| row(record, current, now));
    context.ui.data(&crate::ui::table(
        ["", "number", "when", "", "who", "what", "result", "changes", "template"],
        rows,
    ))
}

/// A stack, and the digest of its template.
type Deployed = (DeployedStack, String);

/// What is deployed, which CloudFormation alone knows.
///
/// # Errors
/// When CloudFormation can't be asked.
pub async fn deployed(cloudformation: &CloudFormation, name: &str) -> Result<Option<Deployed>> {
    let (stack, template) = tokio::try_join!(cloudformation.describe(name), cloudformation.template(name))?;
    Ok(stack.map(|stack| (stack, sha256_hex(template.unwrap_or_default().as_bytes()))))
}

/// What is deployed, beside what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is no stack.
    Absent,
    /// The stack is as this record says.
    Recorded(u64),
    /// The stack is not as the last record of a success says.
    Changed(u64),
    /// There is a stack, and no record of a success.
    Unrecorded,
}

impl Standing {
    fn of(records: &[Record], deployed: Option<(&str, &BTreeMap<String, String>)>) -> Self {
        let Some((template, parameters)) = deployed else { return Self::Absent };
        match records.iter().find(|record| record.is_way_back()) {
            Some(last) if last.is_deployed(template, parameters) => Self::Recorded(last.number),
            Some(last) => Self::Changed(last.number),
            None => Self::Unrecorded,
        }
    }

    const fn number(self) -> Option<u64> {
        match self {
            Self::Recorded(number) => Some(number),
            Self::Absent | Self::Changed(_) | Self::Unrecorded => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Recorded(_) => "recorded",
            Self::Changed(_) => "changed",
            Self::Unrecorded => "unrecorded",
        }
    }

    fn remark(self, stack: &str) -> Option<String> {
        match self {
            Self::Recorded(_) => None,
            Self::Absent => Some(format!("{stack} is not deployed")),
            Self::Changed(number) => Some(format!(
                "{stack} was changed outside of deployer: what is deployed is not what record {number} says"
            )),
            Self::Unrecorded => {
                Some(format!("{stack} is deployed, and none of its last records is of a success"))
            }
        }
    }
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

/// The first words of a cause, which may be pages long; the record has all of it.
fn shortened(cause: &str) -> String {
    const MOST: usize = 60;
    match cause.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &cause[..end]),
        None => cause.to_owned(),
    }
}

fn document(name: &str, records: &[Record], deployed: Option<&Deployed>, standing: Standing) -> Value {
    let deployed = deployed.map(|(stack, template)| json!({ "status": stack.status, "template": template }));
    json!({
        "stack": name,
        "deployed": deployed,
        "standing": standing.name(),
        "current": standing.number(),
        "records": records,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (same, other) = (parameters("a"), parameters("other"));
        for (deployed, standing) in [
            (Some(("b", &same)), Standing::Recorded(2)),
            (Some(("a", &same)), Standing::Changed(2)),
            (Some(("b", &other)), Standing::Changed(2)),
            (None, Standing::Absent),
        ] {
            assert_eq!(Standing::of(&records, deployed), standing);
        }
        assert_eq!(Standing::of(&records[..1], Some(("c", &same))), Standing::Unrecorded);
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
