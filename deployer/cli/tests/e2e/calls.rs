//! The number of calls of AWS's API by each command; `calls.txt` contains the maximum.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::proxy::{Fate, Proxy};
use crate::sample::{EMPTY, stack_with_bucket, zip};

/// Operations that are called again until something has happened, so that their number means nothing.
const POLLED: [&str; 3] = [
    "CloudFormation.DescribeChangeSet",
    "CloudFormation.DescribeStackEvents",
    "Lambda.GetFunctionConfiguration",
];

/// Commands in an order in which each finds the resources that it needs: name, command line, visibility timeout and
/// code of the stack.
const COMMANDS: [(&str, &[&str], u32, &str); 26] = [
    ("ls", &["ls"], 60, "one"),
    ("synth", &["synth"], 60, "one"),
    ("graph", &["graph"], 60, "one"),
    ("docs", &["docs", "queue"], 60, "one"),
    ("diff, first", &["diff"], 60, "one"),
    ("deploy, first", &["deploy"], 60, "one"),
    ("deploy, unchanged", &["deploy"], 60, "one"),
    ("diff, unchanged", &["diff"], 60, "one"),
    ("diff, changed", &["diff"], 90, "one"),
    ("diff, with a change set", &["diff", "--change-set"], 90, "one"),
    ("deploy, changed template", &["deploy"], 90, "one"),
    ("deploy, changed code", &["deploy"], 90, "two"),
    ("deploy, swapped code", &["deploy", "--hotswap"], 90, "three"),
    ("deploy, code taken back", &["deploy"], 90, "two"),
    ("rollback", &["rollback"], 90, "two"),
    ("history", &["history"], 90, "two"),
    ("gc", &["gc", "-y"], 90, "two"),
    ("bootstrap", &["bootstrap"], 90, "two"),
    ("outputs", &["outputs"], 90, "two"),
    ("status", &["status"], 90, "two"),
    ("console, one read", &["console", "--reads", "1"], 90, "two"),
    ("diagnose", &["diagnose"], 90, "two"),
    ("events", &["events"], 90, "two"),
    ("recover, nothing", &["recover"], 90, "two"),
    ("destroy", &["destroy", "-y"], 90, "two"),
    ("destroy, absent", &["destroy", "-y"], 90, "two"),
];

/// Formats the table as text: a command a paragraph, an operation a line.
fn table(all: &[(&str, BTreeMap<String, usize>)]) -> String {
    let mut out = String::from(
        "Calls of AWS's API that each command makes at most, on a stack with a bucket, a queue and a function.\n\
         `polled`: again until something has happened. Written by `make golden-cli`.\n",
    );
    for (name, calls) in all {
        let total: usize =
            calls.iter().filter(|(name, _)| !POLLED.contains(&name.as_str())).map(|(_, count)| count).sum();
        let _ = write!(out, "\n{name}: {total}\n");
        for (operation, count) in calls {
            let count =
                if POLLED.contains(&operation.as_str()) { "polled".to_owned() } else { count.to_string() };
            let _ = writeln!(out, "  {operation} {count}");
        }
    }
    out
}

/// Parses `calls.txt`: for each command, operations and their maximum.
fn allowed(text: &str) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut out: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut command = String::new();
    for line in text.lines() {
        if let Some((operation, count)) = line.strip_prefix("  ").and_then(|line| line.rsplit_once(' ')) {
            let count = count.parse().unwrap_or(usize::MAX);
            out.entry(command.clone()).or_default().insert(operation.to_owned(), count);
        } else if let Some((name, _)) = line.rsplit_once(": ") {
            command = name.to_owned();
            out.entry(command.clone()).or_default();
        }
    }
    out
}

/// The operations of CloudFormation that a command waits for, however near it is.
const STEPS: [&str; 5] = [
    "CloudFormation.CreateChangeSet",
    "CloudFormation.DescribeChangeSet",
    "CloudFormation.ExecuteChangeSet",
    "CloudFormation.DescribeStackEvents",
    "CloudFormation.DeleteStack",
];
/// Delay of each call, so that two of which one waits for the other begin that far apart.
const AWAY: Duration = Duration::from_millis(50);

/// Returns the number of calls that follow each other, of those that began at these times.
fn depth(mut begun: Vec<Instant>) -> usize {
    begun.sort_unstable();
    let mut last: Option<Instant> = None;
    begun
        .into_iter()
        .filter(|begun| {
            let follows = last.is_none_or(|last| *begun >= last + AWAY);
            if follows {
                last = Some(*begun);
            }
            follows
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_do_not_need_each_other_go_together() {
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    for (name, args, timeout, most) in [
        // Two more than without a look for what was kept: the records, then the names.
        ("deploy, first", &["deploy"][..], 60, 18),
        ("deploy, unchanged", &["deploy"], 60, 2),
        ("diff, unchanged", &["diff"], 60, 2),
        ("deploy, changed template", &["deploy"], 90, 8),
        ("destroy", &["destroy", "-y"], 90, 8),
    ] {
        cloud.write("stack.yaml", stack_with_bucket("deep", &proxy.url, timeout).as_bytes());
        cloud.write("code.zip", &zip("one"));
        let begun = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&begun);
        proxy.decide(move |call, _| {
            if !STEPS.contains(&call.name().as_str()) {
                all.lock().expect("not poisoned").push((call.name(), Instant::now()));
            }
            Fate::Late(AWAY)
        });
        cloud.ok(args);
        let begun = begun.lock().expect("not poisoned").clone();
        let depth = depth(begun.iter().map(|(_, begun)| *begun).collect());
        let first = begun.first().map(|(_, begun)| *begun);
        let order: Vec<String> = begun
            .iter()
            .map(|(name, begun)| {
                format!("{:>5} {name}", first.map_or(0, |first| (*begun - first).as_millis()))
            })
            .collect();
        assert!(
            depth <= most,
            "`{name}` is {depth} calls deep, and {most} are allowed:\n{}",
            order.join("\n")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_calls_more_than_it_may() {
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    let mut all = Vec::new();
    for (name, args, timeout, content) in COMMANDS {
        cloud.write("stack.yaml", stack_with_bucket("counted", &proxy.url, timeout).as_bytes());
        cloud.write("code.zip", &zip(content));
        proxy.decide(|_, _| Fate::Through);
        cloud.ok(args);
        all.push((name, proxy.calls()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/calls.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, table(&all)).expect("calls.txt can be written");
    }
    let allowed = allowed(&std::fs::read_to_string(&path).expect("calls.txt"));
    let mut wrong = String::new();
    for (name, calls) in &all {
        for (operation, count) in calls {
            let most = allowed.get(*name).and_then(|calls| calls.get(operation)).copied().unwrap_or(0);
            if *count > most {
                let _ = writeln!(
                    wrong,
                    "`{name}` calls {operation} {count} times, and {most} at most are allowed"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}if this is meant: make golden-cli");
}
