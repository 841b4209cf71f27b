//! The screen of the command, for people.

use deployer_base::text::printable;
use deployer_base::time;
use deployer_base::ui::{ScreenLine, fitted_table, table, wide_table};
use tally::Tally;

use super::next::NextStep;
use super::pace::{Pace, Speed};
use super::sources::{Queue, Results, Snapshot};
use crate::commands::tally::{State, describe_rows, state_text};

/// The text where something is not known, or does not exist.
const NONE: &str = "-";
const UNKNOWN: &str = "?";

/// The parts of a screen, of which each begins with an empty line.
#[derive(Debug, Default)]
pub struct Screen {
    lines: Vec<ScreenLine>,
    /// Columns of the terminal that it is written to, if it is.
    width: Option<usize>,
}

impl Screen {
    /// Begins a screen with the name of the stack and the time.
    pub fn new(stack: &str, region: &str, time: &str, width: Option<usize>) -> Self {
        Self { lines: vec![ScreenLine::heading(format!("{stack} in {region}, {time}"))], width }
    }

    /// Returns the lines.
    pub fn lines(&self) -> &[ScreenLine] {
        &self.lines
    }

    fn part(&mut self) {
        self.lines.push(ScreenLine::plain(""));
    }

    /// Adds a table; `is_alarm` says which of its rows somebody must look at.
    fn table(&mut self, text: &str, is_alarm: impl Fn(usize) -> bool) {
        self.part();
        for (index, line) in text.lines().enumerate() {
            self.lines.push(match index {
                0 => ScreenLine::heading(line),
                row if is_alarm(row - 1) => ScreenLine::alarm(line),
                _ => ScreenLine::plain(line),
            });
        }
    }

    /// Adds the files, the newest first, at most as many as `most`.
    pub fn files(&mut self, snapshot: &Snapshot, pace: &Pace, most: usize) {
        let shown = &snapshot.files[..snapshot.files.len().min(most)];
        if snapshot.files.is_empty() {
            self.part();
            self.lines.push(ScreenLine::plain("no file has been uploaded yet"));
            return;
        }
        let head = [
            "file",
            "state",
            "rows",
            "loaded",
            "failed",
            "skipped",
            "missing",
            "rows/s",
            "to go",
            "last event",
        ];
        let rows = shown.iter().map(|tally| {
            let speed = pace.of(tally, snapshot.moment);
            vec![
                tally.summary.object.as_ref().map_or_else(|| UNKNOWN.to_owned(), |object| object.key.clone()),
                state_text(tally),
                tally.total().map_or_else(|| UNKNOWN.to_owned(), |total| total.to_string()),
                tally.loaded.len().to_string(),
                tally.failed().len().to_string(),
                tally.skipped.len().to_string(),
                tally.missing().len().to_string(),
                speed.rows_per_second.map_or_else(|| NONE.to_owned(), |rate| format!("{rate:.1}")),
                to_go(tally, speed),
                last_event(snapshot.moment, speed),
            ]
        });
        let text = fitted_table(&head.map(str::to_owned), rows.collect(), self.width);
        self.table(&text, |row| {
            matches!(State::of(&shown[row]), State::RowsFailed | State::ObjectFailed)
                || !shown[row].failed().is_empty()
        });
        let more = snapshot.files.len() - shown.len();
        if more > 0 {
            self.lines.push(ScreenLine::plain(format!("and {more} more: `deployer tally` lists all")));
        }
    }

    /// Adds the rows of one file.
    pub fn file(&mut self, key: &str, tally: Option<&Tally>, snapshot: &Snapshot, pace: &Pace) {
        self.part();
        let key = printable(key);
        let Some(tally) = tally else {
            self.lines.push(ScreenLine::plain(format!("{key}: no event about its rows has arrived")));
            return;
        };
        let speed = pace.of(tally, snapshot.moment);
        let mut text = format!("{key}: {}", printable(&state_text(tally)));
        if let Some(left) = speed.seconds_to_go {
            text.push_str(&format!(", about {} to go", duration(left)));
        }
        text.push_str(&format!(", last event {}", last_event(snapshot.moment, speed)));
        self.lines.push(match State::of(tally) {
            State::RowsFailed | State::ObjectFailed => ScreenLine::alarm(text),
            State::Open | State::Loaded => ScreenLine::heading(text),
        });
        let rows = describe_rows(tally);
        let lines: Vec<&str> = rows.lines().collect();
        self.table(&rows, |row| lines[row + 1].starts_with("failed "));
    }

    /// Adds the files that `report` wrote.
    pub fn results(&mut self, bucket: &str, results: &Results) {
        let files = results.outcome.files.as_ref();
        let place = |key: &str| format!("s3://{bucket}/{key}");
        let mut rows = Vec::new();
        if let Some(files) = files {
            rows.push(["results".to_owned(), place(&files.results)]);
            if let Some(rejects) = &files.rejects {
                rows.push(["rejects".to_owned(), place(rejects)]);
            }
        }
        if let Some(problem) = &results.problem {
            rows.push(["problem".to_owned(), problem.clone()]);
        }
        let title = format!("attempt {}", results.outcome.attempt);
        self.table(&table(["report", &title], rows), |_| false);
    }

    /// Adds the next steps.
    pub fn next(&mut self, steps: &[NextStep]) {
        if steps.is_empty() {
            return;
        }
        let rows = steps.iter().map(|step| [step.command.clone(), step.purpose.clone()]);
        self.table(&table(["next", ""], rows), |_| false);
    }

    /// Adds the queues, the dead letters and the tasks.
    pub fn pipeline(&mut self, snapshot: &Snapshot) {
        if !snapshot.queues.is_empty() {
            let head = ["queue", "function", "throttle", "waiting", "in flight", "delayed", "dead letters"];
            let rows = snapshot.queues.iter().map(|queue| queue_row(queue, &snapshot.queues).to_vec());
            let head = head.map(str::to_owned);
            self.table(&wide_table(&head, rows), |row| {
                snapshot.queues[row].dead_letters.is_some_and(|count| count > 0)
            });
        }
        if snapshot.dead_letters > 0 {
            let noun = if snapshot.dead_letters == 1 { "dead letter" } else { "dead letters" };
            self.lines.push(ScreenLine::alarm(format!(
                "{} {noun}: `deployer logs` shows why, and `deployer replay --dead-letters` sends them back",
                snapshot.dead_letters
            )));
        }
        if !snapshot.tasks.is_empty() {
            let rows = snapshot
                .tasks
                .iter()
                .map(|tasks| [tasks.name.clone(), tasks.running.to_string(), tasks.other.to_string()]);
            self.table(&table(["task", "running", "starting or stopping"], rows), |_| false);
        }
        for unread in &snapshot.unread {
            let why = unread.error.message().map(|message| message.text).unwrap_or_default();
            self.lines.push(ScreenLine::alarm(format!(
                "not read: {}: {}",
                unread.source.name(),
                printable(&why)
            )));
        }
    }
}

/// Describes a stack in one line, without the time, for logs.
pub fn line(snapshot: &Snapshot, most: usize) -> String {
    let mut parts: Vec<String> = snapshot.files.iter().take(most).map(file_in_short).collect();
    let sum = |of: fn(&deployer_aws::sqs::messages::QueueDepth) -> u64| -> u64 {
        snapshot.queues.iter().filter_map(|queue| queue.depth.as_ref()).map(of).sum()
    };
    let tasks: u64 = snapshot.tasks.iter().map(|tasks| tasks.running + tasks.other).sum();
    parts.push(format!(
        "queues: {} waiting, {} in flight, {} delayed, {} dead letters",
        sum(|depth| depth.waiting),
        sum(|depth| depth.in_flight),
        sum(|depth| depth.delayed),
        snapshot.dead_letters
    ));
    parts.push(format!("tasks: {tasks}"));
    parts.extend(snapshot.unread.iter().map(|unread| {
        let why = unread.error.message().map(|message| message.text).unwrap_or_default();
        format!("not read: {}: {}", unread.source.name(), printable(&why))
    }));
    parts.join("; ")
}

fn file_in_short(tally: &Tally) -> String {
    let key = tally.summary.object.as_ref().map_or(UNKNOWN, |object| object.key.as_str());
    let total = tally.total().map_or_else(|| UNKNOWN.to_owned(), |total| total.to_string());
    format!(
        "{}: {}, {} of {total} loaded, {} failed, {} skipped",
        printable(key),
        printable(&state_text(tally)),
        tally.loaded.len(),
        tally.failed().len(),
        tally.skipped.len()
    )
}

/// Returns the cells of a queue. Two queues of one name have their logical IDs beside it.
fn queue_row(queue: &Queue, all: &[Queue]) -> [String; 7] {
    let is_double = all.iter().filter(|other| other.name == queue.name).count() > 1;
    let name = match is_double {
        true => format!("{} ({})", queue.name, queue.logical_id),
        false => queue.name.clone(),
    };
    let join = |words: Vec<String>| if words.is_empty() { NONE.to_owned() } else { words.join(", ") };
    let count = |count: Option<u64>| count.map_or_else(|| NONE.to_owned(), |count| count.to_string());
    let depth = queue.depth.as_ref();
    let has_unread_dead =
        depth.is_some_and(|depth| depth.dead_letters.is_some()) && queue.dead_letters.is_none();
    [
        name,
        join(queue.functions.iter().map(|one| one.name.clone()).collect()),
        join(
            queue
                .functions
                .iter()
                .map(|one| one.throttle.map_or_else(|| NONE.to_owned(), |throttle| throttle.to_string()))
                .collect(),
        ),
        count(depth.map(|depth| depth.waiting)),
        count(depth.map(|depth| depth.in_flight)),
        count(depth.map(|depth| depth.delayed)),
        if has_unread_dead { UNKNOWN.to_owned() } else { count(queue.dead_letters) },
    ]
}

/// Describes the time until the last row of a file is settled.
fn to_go(tally: &Tally, speed: Speed) -> String {
    match (speed.seconds_to_go, State::of(tally)) {
        (Some(left), _) => duration(left),
        (None, State::Open) => UNKNOWN.to_owned(),
        (None, State::Loaded | State::RowsFailed | State::ObjectFailed) => NONE.to_owned(),
    }
}

fn last_event(moment: u64, speed: Speed) -> String {
    speed.quiet.map_or_else(|| UNKNOWN.to_owned(), |quiet| time::ago(moment.saturating_sub(quiet), moment))
}

/// Formats a duration in its two largest units: `5 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min"), (273_600, "3 d 4 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn queues_of_one_name_are_told_apart_and_what_was_not_read_is_not_zero() {
        let queue = |id: &str, dead: Option<&str>| Queue {
            name: "load".to_owned(),
            logical_id: id.to_owned(),
            functions: Vec::new(),
            depth: Some(deployer_aws::sqs::messages::QueueDepth {
                dead_letters: dead.map(str::to_owned),
                ..Default::default()
            }),
            dead_letters: None,
        };
        let all = [queue("LoadABuffer", Some("arn")), queue("LoadBBuffer", None)];
        let rows = all.each_ref().map(|one| queue_row(one, &all));
        assert_eq!((rows[0][0].as_str(), rows[0][6].as_str()), ("load (LoadABuffer)", "?"));
        assert_eq!((rows[1][0].as_str(), rows[1][6].as_str()), ("load (LoadBBuffer)", "-"));
    }
}
