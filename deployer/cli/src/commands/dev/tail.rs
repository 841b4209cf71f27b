//! The logs of the functions and tasks of the deployed stack, as they are written.

use std::collections::BTreeMap;
use std::time::Duration;

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::logs::log_events::{LogEvent, LogReader};
use deployer_aws::session::Session;
use deployer_base::error::Result;
use deployer_base::text::harmless;
use deployer_lang::StackTarget;
use tokio::sync::watch::Receiver;

use super::report::{DevEvent, Report};
use crate::commands::logs::filter::Filter;
use crate::commands::logs::log_group;
use crate::context::Context;

/// Interval at which new log events are looked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// The logs to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stack in the file.
    pub target: StackTarget,
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// Functions and tasks, by their names in the file.
    pub names: Vec<String>,
    /// Number of the deployment, by which log groups may be new ones.
    pub deployment: u64,
    /// Milliseconds since 1970 from which on lines are shown.
    pub since: i64,
}

/// Readers of the log groups.
#[derive(Debug, Default)]
struct Readers {
    session: Option<Session>,
    /// Log group → the resource, and its reader.
    groups: BTreeMap<String, (String, LogReader)>,
    width: usize,
}

impl Readers {
    /// Reads the logs of this source from now on. Readers of log groups that stay go on where they are.
    async fn set(&mut self, context: &Context, source: &Source, before: Option<&Source>) -> Result<()> {
        let goes_on = before.is_some_and(|before| {
            before.since == source.since && before.stack == source.stack && before.target == source.target
        });
        if !goes_on {
            self.groups.clear();
        }
        let session = context.connect(&source.target).await?;
        let resources = CloudFormation::new(&session).resources(&source.stack).await?;
        let mut groups = BTreeMap::new();
        for name in &source.names {
            let Some(group) = log_group(&resources, name) else { continue };
            let reader = self.groups.remove(group).map(|(_, reader)| reader);
            let reader = reader.unwrap_or_else(|| LogReader::new(&session, group, source.since));
            groups.insert(group.to_owned(), (name.clone(), reader));
        }
        self.width = source.names.iter().map(String::len).max().unwrap_or_default();
        self.groups = groups;
        self.session = Some(session);
        Ok(())
    }

    /// Returns the lines since the last time, by time.
    async fn next(&mut self) -> Vec<(String, LogEvent)> {
        let mut out = Vec::new();
        for (name, reader) in self.groups.values_mut() {
            // The local cloud may be stopped, or a group may have gone with its function; the loop tells of either.
            if let Ok(page) = reader.next().await {
                out.extend(page.into_iter().map(|event| (name.clone(), event)));
            }
        }
        out.sort_by_key(|(_, event)| event.timestamp);
        out
    }
}

/// Shows the logs of the newest source until the reader of the output is gone.
///
/// # Errors
/// [`deployer_base::error::Error::BrokenPipe`] then.
pub async fn follow(
    context: &Context,
    report: &Report,
    filter: &Filter,
    mut sources: Receiver<Option<Source>>,
) -> Result<()> {
    let mut readers = Readers::default();
    let mut current: Option<Source> = None;
    loop {
        let wanted = sources.borrow_and_update().clone();
        if let Some(wanted) = &wanted
            && current.as_ref() != Some(wanted)
            // Else it is tried again in a second.
            && readers.set(context, wanted, current.as_ref()).await.is_ok()
        {
            current = Some(wanted.clone());
        }
        let lines = readers.next().await;
        let mut out = String::new();
        for (name, event) in lines.iter().filter(|(_, event)| filter.takes(&event.message)) {
            if context.ui.is_json() {
                report.event(
                    &context.ui,
                    &DevEvent::Log { resource: name, timestamp: event.timestamp, message: &event.message },
                )?;
            } else {
                out.push_str(&format!("{name:<0$}  {1}\n", readers.width, harmless(&event.message)));
            }
        }
        if !out.is_empty() {
            context.ui.data(&out)?;
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            changed = sources.changed() => if changed.is_err() {
                return Ok(());
            }
        }
    }
}
