//! The commands that lead on from the state of a file.

use contract::ObjectRef;
use deployer_base::text::quoted;
use deployer_lang::Stack;
use deployer_lang::model::worker::Worker;
use schemars::JsonSchema;
use serde::Serialize;
use tally::Tally;

use super::sources::Results;
use crate::commands::tally::State;

/// A command that leads on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// The command line.
    pub command: String,
    /// The effect of the command.
    pub purpose: String,
}

impl NextStep {
    fn new(command: String, purpose: impl Into<String>) -> Self {
        Self { command, purpose: purpose.into() }
    }
}

/// Returns the next steps for a file, the best first; none if every row is in the table or was skipped.
pub fn steps(
    stack: &Stack,
    object: &ObjectRef,
    tally: Option<&Tally>,
    results: Option<&Results>,
    is_quiet: bool,
) -> Vec<NextStep> {
    let target =
        if stack.target.default { String::new() } else { format!(" {}", quoted(&stack.target.stack)) };
    let key = quoted(&object.key);
    let wait = |what: &str| NextStep::new(format!("deployer tally {key}{target} --wait"), what);
    let logs = |worker: Worker, what: &str| {
        let mut functions = stack.functions().filter(|(_, function)| function.worker() == Some(worker));
        let (resource, _) = functions.next()?;
        Some(NextStep::new(format!("deployer logs {}{target}", quoted(&resource.name)), what))
    };
    let Some(tally) = tally else {
        let mut out = vec![wait("waits for its rows")];
        out.extend(logs(Worker::Extract, "shows whether its task was started"));
        return out;
    };
    let reason =
        |reason: &str| NextStep::new(format!("deployer docs {}", quoted(reason)), "explains the reason");
    let mut out = Vec::new();
    if let Some(replay) = tally.pending_replays().last() {
        out.push(wait(&format!("waits for the replay of {}", replay.id)));
    }
    if let Some((_, why)) = tally.object_failures().first() {
        out.push(reason(why));
        let upload = format!("deployer upload FILE{target} --key {key}");
        out.push(NextStep::new(
            upload,
            "sends the file again, after the file or the settings were corrected",
        ));
        return out;
    }
    if let Some(failure) = tally.failures().first() {
        out.push(reason(&failure.reason));
        if let Some(rejects) = results.and_then(|results| results.outcome.files.as_ref()?.rejects.as_deref())
        {
            let from = quoted(&format!("s3://{}/{rejects}", object.bucket));
            let what = "downloads the rows that failed, to be corrected and uploaded";
            out.push(NextStep::new(format!("aws s3 cp {from} ."), what));
        }
        let replay = format!("deployer replay {key}{target} --failed");
        out.push(NextStep::new(replay, "sends the rows again, if the cause was not the file"));
    }
    if State::of(tally) == State::Open {
        match is_quiet && tally.total().is_some() && !tally.missing().is_empty() {
            true => {
                let replay = format!("deployer replay {key}{target} --missing");
                out.push(NextStep::new(replay, "sends the missing rows again"));
            }
            false if out.is_empty() => out.push(wait("waits for the other rows")),
            false => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use tally::RowSet;

    use super::*;
    use crate::commands::status::tests::stack;

    fn commands(tally: Option<&Tally>, is_quiet: bool) -> Vec<String> {
        let object = ObjectRef {
            bucket: "b".to_owned(),
            key: "my orders.csv".to_owned(),
            version: None,
            etag: None,
            uploaded: None,
            replay: None,
        };
        steps(&stack(), &object, tally, None, is_quiet).into_iter().map(|step| step.command).collect()
    }

    #[test]
    fn commands_are_those_to_type() {
        assert_eq!(
            commands(None, false),
            ["deployer tally 'my orders.csv' dev --wait", "deployer logs extract dev"]
        );
        let mut tally = Tally::default();
        tally.extracted.add(&RowSet::range(1..4));
        tally.summary.shards.insert((1, 1), tally::Counts { rows: 3, rejected: 0, bytes: 9 });
        assert_eq!(commands(Some(&tally), false), ["deployer tally 'my orders.csv' dev --wait"]);
        assert_eq!(commands(Some(&tally), true), ["deployer replay 'my orders.csv' dev --missing"]);
        tally.loaded = RowSet::range(1..4);
        assert_eq!(commands(Some(&tally), true), [""; 0]);
        let mut broken = Tally::default();
        broken.summary.failures.insert(("extraction".into(), "missing-column".into()));
        assert_eq!(
            commands(Some(&broken), true),
            ["deployer docs missing-column", "deployer upload FILE dev --key 'my orders.csv'"]
        );
    }
}
