//! The state that all tabs show, and the changes of it.
//!
//! Each section of the state has the number of its last change. A tab remembers the number that it has seen, and asks for
//! whatever is newer once it can take more. So nothing waits for a tab that is slow, and it misses nothing but states that
//! were over before it looked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::model::{
    Activity, Budget, Connection, Deployment, FileProblem, FileRow, Files, Graph, Rates, StackInfo, State,
};

/// The most files in the state.
pub const MAX_FILES: usize = 10_000;
/// The files of which it is remembered that they are gone. A tab that has seen less gets the whole state.
const MAX_GONE: usize = 1_000;

/// The state, and whoever waits for its changes. Copies share it.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// The number of the last change.
    changes: watch::Sender<u64>,
    /// The number of open tabs.
    tabs: watch::Sender<usize>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    number: u64,
    sections: Sections,
    /// The number of the last change of each file.
    files: HashMap<String, u64>,
    /// Files that are gone, with the number of that change.
    gone: VecDeque<(u64, String)>,
    /// The number of the latest change that is no longer in `gone`.
    forgotten: u64,
}

/// The number of the last change of each section.
#[derive(Debug, Default)]
struct Sections {
    stack: u64,
    connection: u64,
    problems: u64,
    activity: u64,
    graph: u64,
    files: u64,
    rates: u64,
    budget: u64,
    deployments: u64,
}

/// The sections that have changed, each whole; of the files, those that have changed.
#[derive(Debug, Serialize)]
pub struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<&'a StackInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a Connection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [FileProblem]>,
    /// The outer one is the change: nothing that happens any more is `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    activity: Option<Option<&'a Activity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<&'a Graph>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<FilesChange<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<&'a Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<&'a Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployments: Option<&'a [Deployment]>,
}

/// The files that have changed.
#[derive(Debug, Serialize)]
pub struct FilesChange<'a> {
    /// The number of files that the stack knows.
    total: usize,
    /// Files that are new or have changed, in the order of the state.
    upsert: Vec<&'a FileRow>,
    /// Identifiers of files that are not in the state any more.
    gone: Vec<&'a str>,
}

/// A message to a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Name of the event: `state` or `change`.
    pub event: &'static str,
    /// The number of the last change in it.
    pub number: u64,
    /// The document.
    pub data: String,
}

/// A tab, which counts as open until it is dropped.
#[derive(Debug)]
pub struct Tab {
    hub: Hub,
    seen: u64,
    changes: watch::Receiver<u64>,
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.hub.0.tabs.send_modify(|tabs| *tabs = tabs.saturating_sub(1));
    }
}

impl Tab {
    /// Waits until there is a change that the tab has not seen.
    pub async fn changed(&mut self) {
        while *self.changes.borrow_and_update() <= self.seen {
            // The hub has the other end.
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns whatever the tab has not seen; `None` if that is nothing.
    pub fn take(&mut self) -> Option<Message> {
        let message = self.hub.since(self.seen)?;
        self.seen = message.number;
        Some(message)
    }
}

impl Hub {
    /// Creates a hub.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::new(Inner {
                state,
                number: 1,
                sections: Sections::default(),
                files: HashMap::new(),
                gone: VecDeque::new(),
                forgotten: 0,
            }),
            changes: watch::Sender::new(1),
            tabs: watch::Sender::new(0),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a tab.
    #[must_use]
    pub fn open(&self) -> Tab {
        self.0.tabs.send_modify(|tabs| *tabs += 1);
        Tab { hub: self.clone(), seen: 0, changes: self.0.changes.subscribe() }
    }

    /// Returns the number of open tabs.
    #[must_use]
    pub fn tabs(&self) -> usize {
        *self.0.tabs.borrow()
    }

    /// Waits until a tab is open.
    pub async fn watched(&self) {
        let mut tabs = self.0.tabs.subscribe();
        // The hub has the other end.
        let _ = tabs.wait_for(|tabs| *tabs > 0).await;
    }

    /// Returns a copy of the state.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// Returns the connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.inner().state.connection.clone()
    }

    /// Returns what the state says of its stack.
    #[must_use]
    pub fn stack(&self) -> StackInfo {
        self.inner().state.stack.clone()
    }

    /// Changes a section, if it is another one.
    fn set<T: PartialEq>(
        &self,
        value: T,
        section: impl FnOnce(&mut State) -> &mut T,
        number: impl FnOnce(&mut Sections) -> &mut u64,
    ) {
        let mut inner = self.inner();
        let current = section(&mut inner.state);
        if *current == value {
            return;
        }
        *current = value;
        inner.number += 1;
        let last = inner.number;
        *number(&mut inner.sections) = last;
        drop(inner);
        self.0.changes.send_replace(last);
    }

    /// Sets what is known of the stack.
    pub fn set_stack(&self, stack: StackInfo) {
        self.set(stack, |state| &mut state.stack, |sections| &mut sections.stack);
    }

    /// Sets the connection.
    pub fn set_connection(&self, connection: Connection) {
        self.set(connection, |state| &mut state.connection, |sections| &mut sections.connection);
    }

    /// Sets the problems of the stack file.
    pub fn set_problems(&self, problems: Vec<FileProblem>) {
        self.set(problems, |state| &mut state.problems, |sections| &mut sections.problems);
    }

    /// Sets what is happening to the stack.
    pub fn set_activity(&self, activity: Option<Activity>) {
        self.set(activity, |state| &mut state.activity, |sections| &mut sections.activity);
    }

    /// Sets the graph.
    pub fn set_graph(&self, graph: Graph) {
        self.set(graph, |state| &mut state.graph, |sections| &mut sections.graph);
    }

    /// Sets the rates.
    pub fn set_rates(&self, rates: Rates) {
        self.set(rates, |state| &mut state.rates, |sections| &mut sections.rates);
    }

    /// Sets the calls that were made.
    pub fn set_budget(&self, budget: Budget) {
        self.set(budget, |state| &mut state.budget, |sections| &mut sections.budget);
    }

    /// Sets the recorded deployments.
    pub fn set_deployments(&self, deployments: Vec<Deployment>) {
        self.set(deployments, |state| &mut state.deployments, |sections| &mut sections.deployments);
    }

    /// Sets the files, of which `total` exist. The first [`MAX_FILES`] are kept.
    pub fn set_files(&self, total: usize, mut rows: Vec<FileRow>) {
        rows.truncate(MAX_FILES);
        let mut guard = self.inner();
        let inner = &mut *guard;
        let number = inner.number + 1;
        let mut changed = inner.state.files.total != total;
        let mut before: HashMap<&str, &FileRow> =
            inner.state.files.rows.iter().map(|row| (row.id.as_str(), row)).collect();
        for row in &rows {
            if before.remove(row.id.as_str()) != Some(row) {
                changed = true;
                inner.files.insert(row.id.clone(), number);
            }
        }
        for id in before.into_keys() {
            changed = true;
            inner.files.remove(id);
            inner.gone.push_back((number, id.to_owned()));
        }
        if !changed {
            return;
        }
        // One that is back is not gone.
        inner.gone.retain(|(_, id)| !inner.files.contains_key(id));
        while inner.gone.len() > MAX_GONE {
            if let Some((number, _)) = inner.gone.pop_front() {
                inner.forgotten = number;
            }
        }
        inner.state.files = Files { total, rows };
        inner.number = number;
        inner.sections.files = number;
        drop(guard);
        self.0.changes.send_replace(number);
    }

    /// Returns what has changed since the change with that number; the whole state if that is not known any more.
    fn since(&self, seen: u64) -> Option<Message> {
        let inner = self.inner();
        let number = inner.number;
        if number <= seen {
            return None;
        }
        if seen == 0 || seen < inner.forgotten {
            let data = serde_json::to_string(&inner.state).unwrap_or_default();
            return Some(Message { event: "state", number, data });
        }
        let Inner { state, sections, .. } = &*inner;
        let files = (sections.files > seen).then(|| FilesChange {
            total: state.files.total,
            upsert: state
                .files
                .rows
                .iter()
                .filter(|row| inner.files.get(&row.id).is_some_and(|number| *number > seen))
                .collect(),
            gone: inner.gone.iter().filter(|(number, _)| *number > seen).map(|(_, id)| id.as_str()).collect(),
        });
        let change = Change {
            stack: (sections.stack > seen).then_some(&state.stack),
            connection: (sections.connection > seen).then_some(&state.connection),
            problems: (sections.problems > seen).then_some(&state.problems),
            activity: (sections.activity > seen).then_some(state.activity.as_ref()),
            graph: (sections.graph > seen).then_some(&state.graph),
            files,
            rates: (sections.rates > seen).then_some(&state.rates),
            budget: (sections.budget > seen).then_some(&state.budget),
            deployments: (sections.deployments > seen).then_some(&state.deployments),
        };
        let data = serde_json::to_string(&change).unwrap_or_default();
        Some(Message { event: "change", number, data })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hub() -> Hub {
        Hub::new(State::new(StackInfo::default(), "2026-11-30T00:00:00Z"))
    }

    fn row(id: &str, loaded: u64) -> FileRow {
        FileRow { id: id.to_owned(), loaded, ..FileRow::default() }
    }

    fn next(tab: &mut Tab) -> Option<(&'static str, Value)> {
        tab.take().map(|message| (message.event, serde_json::from_str(&message.data).expect("JSON")))
    }

    #[test]
    fn a_tab_gets_the_state_and_then_what_has_changed() {
        let hub = hub();
        let mut tab = hub.open();
        let (event, state) = next(&mut tab).expect("the state");
        assert_eq!((event, &state["activity"], &state["protocol"]), ("state", &Value::Null, &json!(1)));
        assert_eq!(next(&mut tab), None);

        let activity = Activity { text: "deploying".to_owned(), since: String::new() };
        hub.set_activity(Some(activity.clone()));
        hub.set_activity(Some(activity));
        hub.set_problems(Vec::new());
        let (event, change) = next(&mut tab).expect("a change");
        assert_eq!((event, change), ("change", json!({ "activity": { "text": "deploying", "since": "" } })));
        hub.set_activity(None);
        assert_eq!(next(&mut tab), Some(("change", json!({ "activity": null }))));
        assert_eq!(next(&mut tab), None, "the problems are the same");
    }

    #[test]
    fn of_the_files_a_tab_gets_those_that_have_changed() {
        let hub = hub();
        hub.set_files(2, vec![row("b", 0), row("a", 5)]);
        let mut tab = hub.open();
        next(&mut tab);
        hub.set_files(3, vec![row("c", 1), row("b", 7), row("a", 5)]);
        let (_, change) = next(&mut tab).expect("a change");
        let upserted = |change: &Value| -> Vec<String> {
            let rows = change["files"]["upsert"].as_array().expect("rows").iter();
            rows.map(|row| format!("{}{}", row["id"].as_str().unwrap_or_default(), row["loaded"])).collect()
        };
        assert_eq!(
            (upserted(&change), &change["files"]["total"]),
            (vec!["c1".into(), "b7".into()], &json!(3))
        );
        hub.set_files(2, vec![row("c", 1), row("a", 5)]);
        hub.set_files(2, vec![row("c", 2), row("a", 5)]);
        let (_, change) = next(&mut tab).expect("a change");
        assert_eq!((upserted(&change), &change["files"]["gone"]), (vec!["c2".into()], &json!(["b"])));
        hub.set_files(3, vec![row("c", 2), row("b", 7), row("a", 5)]);
        let (_, change) = next(&mut tab).expect("a change");
        assert_eq!((upserted(&change), &change["files"]["gone"]), (vec!["b7".into()], &json!([])));
        hub.set_files(3, vec![row("c", 2), row("b", 7), row("a", 5)]);
        assert_eq!(next(&mut tab), None);
    }

    #[test]
    fn a_tab_that_has_missed_too_much_gets_the_whole_state() {
        let hub = hub();
        let mut slow = hub.open();
        next(&mut slow);
        let all = |from: usize| (from..from + 600).map(|at| row(&at.to_string(), 0)).collect::<Vec<_>>();
        for from in [0, 600] {
            hub.set_files(600, all(from));
        }
        let mut quick = hub.open();
        next(&mut quick);
        hub.set_files(600, all(1_200));
        assert_eq!(next(&mut slow).map(|(event, _)| event), Some("state"));
        let (event, change) = next(&mut quick).expect("a change");
        assert_eq!((event, change["files"]["gone"].as_array().map(Vec::len)), ("change", Some(600)));
    }

    #[test]
    fn a_list_of_files_has_an_end() {
        let hub = hub();
        hub.set_files(10_005, (0..10_005).map(|at| row(&at.to_string(), 0)).collect());
        let files = hub.state().files;
        assert_eq!((files.total, files.rows.len(), files.rows[0].id.as_str()), (10_005, MAX_FILES, "0"));
    }

    #[tokio::test]
    async fn tabs_are_counted_and_wake_whoever_waits() {
        let hub = hub();
        let waiting = tokio::spawn({
            let hub = hub.clone();
            async move { hub.watched().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && hub.tabs() == 0);
        let (mut one, two) = (hub.open(), hub.open());
        waiting.await.expect("a tab");
        assert_eq!(hub.tabs(), 2);
        drop(two);
        assert_eq!(hub.tabs(), 1);
        one.changed().await;
        one.take();
        let changed = tokio::time::timeout(std::time::Duration::from_millis(50), one.changed()).await;
        assert!(changed.is_err(), "nothing has changed");
        hub.set_rates(Rates { rows_per_second: Some(1.0), history: vec![1.0] });
        one.changed().await;
        assert!(one.take().is_some());
    }
}
