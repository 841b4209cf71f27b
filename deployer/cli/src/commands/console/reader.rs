//! The reader: one, however many tabs are open. It reads the stack again and again while a tab is open, at a pace that leaves a
//! part of the budget to whoever asks for more, and waits longer and longer while nothing answers.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use deployer_aws::cloudformation::DeployedStack;
use deployer_base::error::Result;
use deployer_base::time;
use deployer_cfn::status::Status;
use deployer_console::model::{Activity, Connection, ConnectionState, Deployment, Problem, Rates};
use deployer_lang::model::target::Target;
use deployer_lang::{Document, compile};
use deployer_local::state;
use deployer_syntax::Diagnostics;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tally::Tally;

use super::ages::Ages;
use super::drawing::{Drawing, Flow, FlowRates, Live};
use super::failure::problem;
use super::linked::Linked;
use super::site::Site;
use super::{cost, files};
use crate::commands::status::pace::Pace;
use crate::commands::status::sources::{Queue, Snapshot};
use crate::records;

/// The least time between two reads of the files of the local cloud, and of AWS.
const LEAST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// The same for queues and tasks, which are many calls.
const LEAST_AROUND: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// The age that counts should not exceed, where a read takes long because others are at work.
const OLDEST: Duration = Duration::from_secs(1);
/// The parts of the budget for files and for queues and tasks. The rest is for requests of the page.
const FOR_FILES: f64 = 0.375;
const FOR_AROUND: f64 = 0.375;
/// The pause after a read that failed: it doubles up to the last one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The same for the local cloud, which costs nothing to ask.
const LONGEST_LOCAL_PAUSE: Duration = Duration::from_secs(3);
/// Time after which the stack itself is described again.
const DESCRIBED: Duration = Duration::from_secs(5);
/// The same for the local cloud.
const LOCAL_DESCRIBED: Duration = Duration::from_secs(2);
/// Rates that are kept, one a second.
const HISTORY: usize = 120;
/// Reads of queues that are kept, to see which become longer.
const DEPTHS: usize = 5;
/// Times after the end of an operation at which the records are read again: whoever has watched it writes its record afterwards.
const RECORDED: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];
/// Time after which a new record is looked for, on the local cloud and on AWS: not every operation is seen while it is in progress.
const LOOKED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Records that are shown.
const RECORDS: usize = 20;

/// The reader.
pub struct Reader<'s> {
    site: &'s Site,
    drawing: Drawing,
    pace: Pace,
    ages: Ages,
    /// The last counts, and the time at which they were read.
    counted: Option<(Instant, Flow)>,
    /// The rows a second between the last two counts.
    flow_rates: Option<FlowRates>,
    history: VecDeque<f64>,
    /// The time of the last rate in the history.
    rated: Instant,
    /// The messages of each queue in the last reads.
    depths: VecDeque<BTreeMap<String, u64>>,
    /// The last read of queues and tasks, with the files of the last read.
    snapshot: Option<Snapshot>,
    /// Whether the files of the snapshot were read, and not only queues and tasks.
    has_files: bool,
    /// The time at which queues and tasks are read again.
    due: Instant,
    /// The last time at which the stack was described, and the stack.
    described: Option<(Instant, DeployedStack)>,
    /// The activity that this reader has shown.
    activity: Option<Activity>,
    /// The file and the records must be read.
    is_stale: bool,
    /// The times at which the records are read again.
    records: VecDeque<Instant>,
    /// The number of the newest record, and the time at which it was looked for.
    newest: (Option<u64>, Instant),
    failures: u32,
}

/// A read of queues and tasks beside those of files.
struct Around {
    begun: Instant,
    /// Calls for queues and tasks before it.
    before: u64,
    work: LocalBoxFuture<'static, Snapshot>,
}

/// The end of a read.
enum Read {
    /// At least a part was answered; the problem of another part.
    Connected(Option<Problem>),
    NotDeployed,
}

impl<'s> Reader<'s> {
    /// Creates the reader of a site, and shows the pipeline that it has not read yet.
    pub fn new(site: &'s Site) -> Self {
        let drawing = Drawing::new(&site.compiled());
        site.hub.set_graph(drawing.unknown());
        let reader = Self {
            site,
            drawing,
            pace: Pace::default(),
            ages: Ages::default(),
            counted: None,
            flow_rates: None,
            history: VecDeque::new(),
            rated: Instant::now(),
            depths: VecDeque::new(),
            snapshot: None,
            has_files: false,
            due: Instant::now(),
            described: None,
            activity: None,
            is_stale: true,
            records: VecDeque::new(),
            newest: (None, Instant::now()),
            failures: 0,
        };
        reader.show_budget();
        reader
    }

    fn is_local(&self) -> bool {
        self.site.compiled().stack.target.target == Target::Local
    }

    /// Reads until it is dropped, or as often as the options say.
    pub async fn run(&mut self) {
        let most = self.site.options.reads;
        let mut around = None;
        let mut reads = 0;
        loop {
            if most.is_none() && self.site.hub.tabs() == 0 {
                around = None;
                self.site.hub.watched().await;
                self.awake();
            }
            let (begun, before) = (Instant::now(), self.made(|call| call == FILES));
            let read = self.read(&mut around).await;
            if most.is_some() {
                self.finish(&mut around).await;
            }
            let pause = match self.show(read) {
                true => self.rest(begun.elapsed(), self.made(|call| call == FILES) - before),
                false => {
                    // What it still finds is of the connection that was lost.
                    around = None;
                    self.back_off()
                }
            };
            self.show_budget();
            reads += 1;
            if most.is_some_and(|most| reads >= most) {
                return;
            }
            self.pause(tokio::time::Instant::now() + pause, &mut around).await;
        }
    }

    /// Waits for the next read, unless there may be something new before. Queues and tasks are read meanwhile.
    async fn pause(&mut self, until: tokio::time::Instant, around: &mut Option<Around>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.site.wake.notified() => return,
                () = self.finish(around), if around.is_some() => {}
            }
        }
    }

    /// Waits for a read of queues and tasks, and shows it. If this is dropped, the read can be waited for again.
    async fn finish(&mut self, around: &mut Option<Around>) {
        let Some(reading) = around else { return };
        let snapshot = (&mut reading.work).await;
        let Around { begun, before, .. } = &*reading;
        let calls = self.made(is_around).saturating_sub(*before);
        self.note(*begun, calls, snapshot);
        *around = None;
        self.show_snapshot();
    }

    /// Returns the number of calls since the start.
    fn made(&self, is_counted: impl Fn(&str) -> bool) -> u64 {
        let calls = self.site.budget.used().calls;
        calls.iter().filter(|(name, _)| is_counted(name)).map(|(_, count)| count).sum()
    }

    /// Forgets what would be wrong after a rest.
    fn awake(&mut self) {
        (self.counted, self.snapshot, self.described) = (None, None, None);
        self.has_files = false;
        self.pace = Pace::default();
        self.depths.clear();
        self.history.clear();
        (self.rated, self.due) = (Instant::now(), Instant::now());
    }

    /// Returns the pause after a read of the files that took so long and made so many calls.
    fn rest(&self, took: Duration, calls: u64) -> Duration {
        let least = if self.is_local() { LEAST.0 } else { LEAST.1 };
        let paced = paced(calls, self.site.budget.per_minute(), FOR_FILES);
        least.max(paced).saturating_sub(took).max(polite(took))
    }

    fn back_off(&self) -> Duration {
        let longest = if self.is_local() { LONGEST_LOCAL_PAUSE } else { LONGEST_PAUSE };
        FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(longest)
    }

    fn show_budget(&self) {
        self.site.hub.set_budget(cost::shown(&self.site.budget, self.is_local()));
    }

    /// Shows the end of a read, and returns whether it was one.
    fn show(&mut self, read: Result<Read>) -> bool {
        let (state, problem, is_read) = match read {
            Ok(Read::Connected(problem)) => (ConnectionState::Connected, problem, true),
            Ok(Read::NotDeployed) => {
                let stack = &self.site.compiled().stack;
                let text = format!("the stack {} is not deployed", stack.name);
                let hint = Some(format!("run `deployer deploy {}`", stack.target.stack));
                (ConnectionState::NotDeployed, Some(Problem { text, hint }), true)
            }
            Err(error) => (ConnectionState::Lost, Some(problem(&error)), false),
        };
        if is_read {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            // What comes back may be elsewhere, and something else.
            *self.site.linked.borrow_mut() = None;
            self.is_stale = true;
            self.awake();
        }
        let before = self.site.hub.connection();
        let since = if before.state == state { before.since } else { time::stamp() };
        self.site.hub.set_connection(Connection { state, since, problem });
        is_read
    }

    /// Reads what is due.
    async fn read(&mut self, around: &mut Option<Around>) -> Result<Read> {
        self.check_local_cloud()?;
        if self.is_stale {
            self.reload();
        }
        let linked = self.site.link().await?;
        if linked.deployed.is_none() {
            return self.look_for_stack(&linked).await;
        }
        let Some(now) = self.describe(&linked).await? else {
            // It was deleted.
            *self.site.linked.borrow_mut() = None;
            self.is_stale = true;
            self.show_activity(None);
            return Ok(Read::NotDeployed);
        };
        let was_busy = self.activity.is_some();
        let is_busy = Status::of(&now.status).is_in_progress();
        // An operation that was over between two looks has left another change set, or other values.
        let is_changed = linked.deployed.as_ref().is_some_and(|before| {
            (&before.change_set, &before.parameters) != (&now.change_set, &now.parameters)
        });
        self.show_activity(is_busy.then_some(now.status));
        if !is_busy && (was_busy || is_changed) {
            // Another template, and other resources.
            self.expect_record();
            (*self.site.linked.borrow_mut(), self.described) = (None, None);
            self.is_stale = true;
            self.reload();
        }
        let linked = self.site.link().await?;
        let is_recorded = self.records.pop_front_if(|at| *at <= Instant::now()).is_some();
        if self.is_stale || is_recorded {
            self.show_records(&linked).await;
            self.is_stale = false;
        } else if self.has_new_record(&linked).await {
            *self.site.linked.borrow_mut() = None;
            self.is_stale = true;
            self.site.wake.notify_one();
        }
        self.read_pipeline(&linked, around).await.map(Read::Connected)
    }

    /// Finds at once that the local cloud has stopped, which calls would find after attempts only.
    fn check_local_cloud(&self) -> Result<()> {
        let target = &self.site.compiled().stack.target;
        if target.target == Target::Local && target.endpoint.is_none() {
            let running = state::running(self.site.context.folder())?;
            // Another start may have another port.
            let is_same = self
                .site
                .linked()
                .is_none_or(|linked| linked.session.config.endpoint_url() == Some(running.endpoint.as_str()));
            if !is_same {
                *self.site.linked.borrow_mut() = None;
            }
        }
        Ok(())
    }

    /// Looks for a stack that was not there.
    async fn look_for_stack(&mut self, linked: &Linked) -> Result<Read> {
        let name = &self.site.compiled().stack.name;
        let found = linked.cloudformation.describe(name).await?;
        if found.is_some() {
            self.expect_record();
            *self.site.linked.borrow_mut() = None;
            self.is_stale = true;
            self.site.wake.notify_one();
        }
        self.site.hub.set_graph(self.drawing.unknown());
        Ok(Read::NotDeployed)
    }

    /// Returns the stack, which is described from time to time; `None` if it is gone.
    async fn describe(&mut self, linked: &Linked) -> Result<Option<DeployedStack>> {
        let often = if self.is_local() { LOCAL_DESCRIBED } else { DESCRIBED };
        if let Some((at, stack)) = &self.described
            && at.elapsed() < often
        {
            return Ok(Some(stack.clone()));
        }
        let Some(deployed) = &linked.deployed else { return Ok(None) };
        let now = linked.cloudformation.describe(&deployed.name).await?;
        let now = now.filter(|now| now.id == deployed.id);
        self.described = now.clone().map(|now| (Instant::now(), now));
        Ok(now)
    }

    /// Shows an operation of CloudFormation, whoever has started it. What others show as an activity is left alone.
    fn show_activity(&mut self, status: Option<String>) {
        let text = status.map(|status| format!("CloudFormation works on the stack: {status}"));
        if self.activity.as_ref().map(|activity| &activity.text) == text.as_ref() {
            return;
        }
        let since = self.activity.take().map_or_else(time::stamp, |activity| activity.since);
        self.activity = text.map(|text| Activity { text, since });
        self.site.hub.set_activity(self.activity.clone());
    }

    /// Reads the stack file again. One that is not valid at the moment changes nothing.
    fn reload(&mut self) {
        let Ok(source) = self.site.context.source() else { return };
        let mut diagnostics = Diagnostics::default();
        let Some(document) = Document::parse(&source, &mut diagnostics) else { return };
        let Ok(target) = document.select(self.site.name.as_deref()) else { return };
        let Some(compiled) = compile(&document, target, &self.site.context.config, &mut diagnostics) else {
            return;
        };
        // A stack of another name is not the one that is shown.
        if compiled.stack.name == self.site.compiled().stack.name {
            self.drawing = Drawing::new(&compiled);
            self.site.compiled.replace(Rc::new(compiled));
        }
    }

    /// Has the records read again after the end of an operation.
    fn expect_record(&mut self) {
        self.records = RECORDED.iter().map(|later| Instant::now() + *later).collect();
    }

    /// Returns whether there is a record that is not shown yet, which is looked for from time to time.
    async fn has_new_record(&mut self, linked: &Linked) -> bool {
        let (newest, looked) = self.newest;
        if looked.elapsed() < if self.is_local() { LOOKED.0 } else { LOOKED.1 } {
            return false;
        }
        self.newest.1 = Instant::now();
        let name = &self.site.compiled().stack.name;
        let found = records::list(&self.site.context, &linked.session, name, 1).await.unwrap_or_default();
        found.first().is_some_and(|record| Some(record.number) != newest)
    }

    async fn show_records(&mut self, linked: &Linked) {
        let name = &self.site.compiled().stack.name;
        // Records are notes: the stack is shown without them as well.
        let Ok(records) = records::list(&self.site.context, &linked.session, name, RECORDS).await else {
            return;
        };
        self.newest = (records.first().map(|record| record.number), Instant::now());
        let shown = records.iter().map(|record| Deployment {
            number: record.number,
            time: record.time.clone(),
            kind: record.kind.name().to_owned(),
            result: record.result.name().to_owned(),
            caller: record.who().to_owned(),
            changes: record.changes.describe(),
        });
        self.site.hub.set_deployments(shown.collect());
    }

    /// Reads the files, beside the queues and tasks if these are due, and shows what was answered. Returns the problem of what
    /// was not.
    async fn read_pipeline(
        &mut self,
        linked: &Rc<Linked>,
        around: &mut Option<Around>,
    ) -> Result<Option<Problem>> {
        let compiled = self.site.compiled();
        if around.is_none() && Instant::now() >= self.due {
            let (linked, compiled) = (Rc::clone(linked), Rc::clone(&compiled));
            let work = async move { linked.places(&compiled.stack).pipeline().await };
            let before = self.made(is_around);
            *around = Some(Around { begun: Instant::now(), before, work: work.boxed_local() });
        }
        let places = linked.places(&compiled.stack);
        let mut reading = pin!(places.files(None));
        let files = loop {
            tokio::select! {
                files = &mut reading => break files,
                () = self.finish(around), if around.is_some() => {}
            }
        };
        // A caller may be allowed to read the queues alone.
        if files.is_err() && self.snapshot.is_none() {
            self.finish(around).await;
        }
        let last = self.snapshot.as_ref();
        let is_answered = last.is_some_and(|last| !last.queues.is_empty() || !last.tasks.is_empty());
        let mut found = last.and_then(|last| last.unread.first()).map(|unread| problem(&unread.error));
        if places.tally.is_none()
            && !is_answered
            && let Some(last) = &mut self.snapshot
            && let Some(unread) = last.unread.pop()
        {
            return Err(unread.error);
        }
        match files {
            Ok(files) => {
                self.snapshot.get_or_insert_with(empty).files = files;
                self.has_files = true;
            }
            Err(error) if !is_answered => return Err(error),
            // The files are as they were.
            Err(error) => found = Some(problem(&error)),
        }
        self.count();
        self.show_snapshot();
        Ok(found)
    }

    /// Notes a read of queues and tasks, which was begun at this time and made so many calls.
    fn note(&mut self, begun: Instant, calls: u64, mut snapshot: Snapshot) {
        let least = if self.is_local() { LEAST_AROUND.0 } else { LEAST_AROUND.1 };
        let paced = paced(calls, self.site.budget.per_minute(), FOR_AROUND);
        // Watching must not slow down the work that it watches.
        self.due = Instant::now() + least.max(paced).max(begun.elapsed() * 4);
        if let Some(before) = self.snapshot.take() {
            snapshot.files = before.files;
        }
        let depth = |queue: &Queue| {
            let depth = queue.depth.as_ref()?;
            Some((queue.logical_id.clone(), depth.waiting + depth.delayed))
        };
        self.depths.push_back(snapshot.queues.iter().filter_map(depth).collect());
        while self.depths.len() > DEPTHS {
            self.depths.pop_front();
        }
        self.snapshot = Some(snapshot);
    }

    /// Counts the rows of the files that were read just now, and shows their rate.
    fn count(&mut self) {
        let has_tally = self.site.linked().is_some_and(|linked| linked.tally.is_some());
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.moment = time::now();
        self.pace.note(&snapshot.files);
        let now = Instant::now();
        self.ages.note(now, &snapshot.files);
        let flow = has_tally.then(|| Flow::of(&snapshot.files));
        self.flow_rates = flow
            .zip(self.counted)
            .map(|(flow, (at, before))| flow.since(before, now.duration_since(at).as_secs_f64()));
        self.counted = flow.map(|flow| (now, flow));
        if let Some(rates) = self.flow_rates {
            while now.duration_since(self.rated) >= Duration::from_secs(1) {
                self.rated += Duration::from_secs(1);
                self.history.push_back(rates.loaded);
            }
            while self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        self.site.hub.set_rates(Rates {
            rows_per_second: self.flow_rates.map(|rates| rates.loaded),
            history: self.history.iter().copied().collect(),
        });
        let object = |tally: &Tally| Some((tally.digest.clone(), tally.summary.object.clone()?));
        *self.site.objects.borrow_mut() = snapshot.files.iter().filter_map(object).collect();
    }

    /// Shows the files, and the drawing with what was read last.
    fn show_snapshot(&self) {
        let (Some(snapshot), Some(linked)) = (&self.snapshot, self.site.linked()) else { return };
        // Queues may be read before the files are: until then, those that are shown stay.
        if self.has_files {
            let files = &snapshot.files;
            let rows = files.iter().map(|tally| files::row(tally, self.pace.of(tally, snapshot.moment)));
            self.site.hub.set_files(files.len(), rows.collect());
        }
        let statuses = linked.resources.iter();
        let statuses = statuses.map(|one| (one.logical_id.clone(), one.status.clone())).collect();
        let before = match self.depths.len() > 1 {
            true => self.depths.front().cloned().unwrap_or_default(),
            false => BTreeMap::new(),
        };
        let live = Live {
            snapshot,
            statuses: &statuses,
            flow: self.counted.map(|(_, flow)| flow),
            rates: self.flow_rates,
            before: &before,
            ages: &self.ages,
            now: Instant::now(),
        };
        self.site.hub.set_graph(self.drawing.with(&self.site.compiled().stack, live));
    }
}

/// The call that reads the files.
const FILES: &str = "DynamoDB.Scan";

/// Returns whether a call reads queues or tasks.
fn is_around(call: &str) -> bool {
    call == "SQS.GetQueueAttributes" || call.starts_with("ECS.")
}

/// Returns a snapshot before anything was read.
const fn empty() -> Snapshot {
    Snapshot {
        moment: 0,
        files: Vec::new(),
        queues: Vec::new(),
        dead_letters: 0,
        tasks: Vec::new(),
        results: None,
        unread: Vec::new(),
    }
}

/// Returns the least pause after a read that took so long: watching takes a tenth of the time of the work that it watches, but
/// where a read takes long, it mostly waits for other calls, and the counts would become too old for it.
fn polite(took: Duration) -> Duration {
    (took * 9).min(OLDEST.saturating_sub(took * 2).max(took / 4))
}

/// Returns the time between two reads of so many calls each, within a part of a budget.
fn paced(calls: u64, per_minute: u32, part: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a budget has few digits")]
    let seconds = calls as f64 * 60.0 / (f64::from(per_minute) * part);
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_leave_a_part_of_the_budget() {
        assert_eq!(paced(15, 300, FOR_AROUND), Duration::from_secs(8));
        assert_eq!(paced(0, 300, FOR_FILES), Duration::ZERO);
        // As often as this, files, queues and tasks take three quarters of it.
        let used = |calls: u64, part| 60.0 / paced(calls, 300, part).as_secs_f64() * calls as f64;
        assert!((used(2, FOR_FILES) + used(17, FOR_AROUND) - 225.0).abs() < 1e-6);
    }

    #[test]
    fn counts_are_not_old_and_watching_leaves_time_for_the_work() {
        for milliseconds in [1, 20, 90, 200, 440] {
            let took = Duration::from_millis(milliseconds);
            assert!(took * 2 + polite(took) <= OLDEST, "{took:?}");
        }
        assert_eq!(polite(Duration::from_millis(20)), Duration::from_millis(180), "a tenth");
        assert_eq!(polite(Duration::from_secs(8)), Duration::from_secs(2));
    }
}
