//! The cost of stacks: the published page, golden texts of cases with and without the workers, and sums by hand.

use contract::{Detail, ObjectRef, SOURCE};
use deployer_lang::Compiled;
use deployer_plan::cost::{Estimate, Load, estimate, forecast, pace, page, render};
use deployer_syntax::Source;
use proptest::prelude::*;
use serde_json::json;

use crate::golden::{self, assert_golden, load, source_of};

const MILLION: Load = rows_of(1_000_000, 200);

const fn rows_of(rows: u64, bytes_per_row: u64) -> Load {
    Load { rows, bytes_per_row, skipped: 0, skipped_runs: 0 }
}

fn stack_of(source: &Source, name: Option<&str>) -> Compiled {
    let (stacks, problems) = load(source, &[]);
    assert!(!problems.has_errors(), "{}", problems.to_lines(source));
    let found = stacks.into_iter().find(|one| name.is_none_or(|name| one.stack.target.stack == name));
    found.expect("the stack")
}

fn of(compiled: &Compiled, load: Load) -> Estimate {
    estimate(&compiled.stack, &compiled.template, load)
}

/// Returns the repository's stack `dev`, with texts of its file replaced.
fn repository(edits: &[(&str, &str)]) -> Compiled {
    let mut text = golden::read(&golden::repository().join("stack.yaml"));
    for (old, new) in edits {
        assert_eq!(text.matches(old).count(), 1, "`{old}`");
        text = text.replace(old, new);
    }
    stack_of(&Source::new("stack.yaml", text), Some("dev"))
}

/// Returns the dollars of the charges of a service.
fn dollars(estimate: &Estimate, service: &str) -> f64 {
    let rows = estimate.rows.as_ref().expect("a pipeline");
    rows.bill.charges.iter().filter(|charge| charge.service == service).map(|charge| charge.dollars).sum()
}

/// The share of a processor that 256 of 1,769 MiB have.
const SHARE: f64 = 256.0 / 1_769.0;

/// Seconds of an invocation of `transform` with ten messages of this many rows: one call, and 10.9 µs a row.
fn transform(rows: f64) -> f64 {
    0.025 + rows * 10.9e-6 / SHARE
}

/// Seconds of an invocation of `load` with ten messages of this many rows: requests of 10 ms each, one call, and 13.5 µs a
/// row.
fn load_of(rows: f64, requests: f64) -> f64 {
    requests * 0.010 + 0.025 + rows * 13.5e-6 / SHARE
}

/// Seconds of an invocation of `observe` with a thousand events: two items of the tally and the count of settled rows, 10
/// ms each, and 7.4 µs an event.
fn observe() -> f64 {
    0.030 + 1_000.0 * OBSERVE / SHARE
}

/// Seconds of a processor for an event in `observe`.
const OBSERVE: f64 = 7.4e-6;

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-9 * expected.abs().max(1.0), "{actual} is not {expected}");
}

#[test]
fn the_published_costs_are_those_of_the_code() {
    assert_golden(&golden::repository().join("docs/cost.md"), &page(&of(&repository(&[]), MILLION)));
}

#[test]
fn the_published_forecast_is_that_of_the_code() {
    let path = golden::repository().join("docs/forecast.md");
    assert_golden(&path, &forecast::page(&forecast::forecast(&repository(&[]).stack, MILLION)));
}

/// The quotas and times by hand, for the repository's stack: extracted, transformed and loaded are three events a row;
/// transform and load get one of them each, observe all three.
#[test]
fn a_forecast_by_hand() {
    let stages = |edits: &[(&str, &str)], load: Load| {
        let found = forecast::forecast(&repository(edits).stack, load);
        let stage = |name: &str| {
            found.stages.iter().find(|stage| stage.name == name).map(|stage| stage.rows_per_second)
        };
        (
            ["PutEvents", "rules", "transform", "load", "observe", "records"]
                .map(|name| stage(name).unwrap_or_default()),
            found,
        )
    };
    // Ten events in each of 10,000 calls; 18,750 events to targets; two executions for ten, ten and a thousand events; one
    // write unit a row: 4,000 a second for the 250 seconds of a million rows.
    let (rates, found) = stages(&[], MILLION);
    for (rate, expected) in rates.into_iter().zip([
        100_000.0 / 3.0,
        18_750.0 / 5.0,
        20.0 / transform(10.0),
        20.0 / load_of(10.0, 1.0),
        2_000.0 / observe() / 3.0,
        4_000.0,
    ]) {
        near(rate, expected);
    }
    let time = found.time.expect("a time");
    near(time.seconds, 15.0 + 1e6 * load_of(10.0, 1.0) / 20.0);
    assert!(time.limit.starts_with("`load`"), "{}", time.limit);

    // In a region with the smallest quotas, the rules are the limit, and more executions do not help.
    let (rates, found) = stages(&[("dev: { region: eu-west-1 }", "dev: { region: af-south-1 }")], MILLION);
    near(rates[0], 4_000.0 / 3.0);
    near(rates[1], 150.0);
    let advice = found.advice.expect("a change");
    assert_eq!(advice.change, "`rowsPerEvent: 25` for `extraction`");
    // A table that is cold takes four thousand items a second for half an hour, and twice as many in the next.
    let large = rows_of(20_000_000, 200);
    let (rates, _) = stages(&[], large);
    near(rates[5], 20e6 / (1_800.0 + (20e6 - 7.2e6) / 8_000.0));
    // The local cloud has none of these quotas.
    let local = stack_of(
        &Source::new("stack.yaml", golden::read(&golden::repository().join("stack.yaml"))),
        Some("local"),
    );
    let found = forecast::forecast(&local.stack, MILLION);
    assert!(
        found.region.is_none()
            && found.stages.iter().all(|stage| !["PutEvents", "rules", "records"].contains(&&*stage.name))
    );
}

#[test]
fn a_function_that_reads_a_small_file_starts_no_task() {
    let edits = [(
        "access: [{ run: \"${extraction}\" }, { publish: \"${events}\" }]",
        "access: [{ run: \"${extraction}\" }, { publish: \"${events}\" }, { read: \"${landing}\" }, { tally: \"${tally}\" }]\n      settings: { inline: 5MiB }",
    )];
    let small = rows_of(50, 100);
    let (task, inline) = (of(&repository(&[]), small), of(&repository(&edits), small));
    near(dollars(&inline, "Fargate"), 0.0);
    assert!(dollars(&task, "Fargate") > 0.0 && dollars(&inline, "Lambda") > dollars(&task, "Lambda"));
    let seconds =
        |edits: &[(&str, &str)], load| pace(&repository(edits).stack, load).expect("a time").seconds;
    // 50 rows through `load`: 0.25 seconds for the start and an invocation for each ten, two at a time.
    near(seconds(&edits, small), 0.25 + 50.0 * load_of(10.0, 1.0) / 20.0);
    near(seconds(&[], small), 15.0 + 50.0 * load_of(10.0, 1.0) / 20.0);
    near(seconds(&edits, MILLION), seconds(&[], MILLION));
    // On the local cloud, too, it is the function that starts.
    let text = golden::read(&golden::repository().join("stack.yaml"));
    for (text, limit) in [
        (text.replace(edits[0].0, edits[0].1), "the start of the function"),
        (text.clone(), "the start of the task"),
    ] {
        let local = stack_of(&Source::new("stack.yaml", text), Some("local"));
        assert_eq!(pace(&local.stack, rows_of(1, 100)).expect("a time").limit, limit);
    }
}

#[test]
fn the_advice_is_what_the_changed_file_gives() {
    let now = forecast::forecast(&repository(&[]).stack, MILLION);
    let advice = now.advice.expect("a change");
    assert_eq!(advice.change, "`concurrency: 50` for `transform`, `load`, `observe`");
    let edits = [("throttle: { type: integer, default: 2", "throttle: { type: integer, default: 50")];
    assert_eq!(pace(&repository(&edits).stack, MILLION).as_ref(), Some(&advice.pace));
}

#[test]
fn every_case_costs_what_its_golden_text_says() {
    for (case, load) in
        [("minimal", MILLION), ("compute", MILLION), ("raw", MILLION), ("repository", rows_of(50_000, 3_000))]
    {
        let stack = stack_of(&source_of(case), None);
        let path = golden::package().join(format!("tests/costs/{case}.md"));
        assert_golden(&path, &render(&of(&stack, load), true));
    }
}

#[test]
fn rows_that_are_left_out_divide_events_and_are_not_written() {
    let edit = ("      disk: 21GiB\n", "      disk: 21GiB\n      settings: { rowsPerEvent: 100 }\n");
    let grouped = repository(&[edit]);
    let with = |skipped, skipped_runs| {
        of(&grouped, Load { skipped, skipped_runs, ..MILLION }).rows.expect("a pipeline")
    };
    let quantity = |rows: &deployer_plan::cost::Rows, what: &str| {
        let charge = rows.bill.charges.iter().find(|charge| charge.what.starts_with(what));
        charge.map_or(0.0, |charge| charge.quantity)
    };
    // Of a hundred rows in an event, every second one: fifty events of an item, and fifty of a row that is left out.
    let alternating = with(500_000, 500_000);
    near(alternating.per_row.events, 0.01 + 0.5 + 0.5 + 0.5);
    // In one run, no event is divided but the one in which it begins.
    let once = with(500_000, 1);
    near(once.per_row.events, 0.01 + 2.0 * (0.005 + 1e-6) + 0.005 + 1e-6);
    let none = with(0, 0);
    near(none.per_row.events, 0.03);
    assert!(alternating.bill.total > 9.0 * once.bill.total, "{} {}", alternating.bill.total, once.bill.total);
    // The tally is written besides.
    let written = |rows: &deployer_plan::cost::Rows| quantity(rows, "write unit");
    assert!(written(&none) - written(&once) > 499_000.0, "{} {}", written(&none), written(&once));
    near(
        once.kept.charges.iter().find(|charge| charge.what == "items of a table").expect("items").quantity
            * 2.0,
        none.kept.charges.iter().find(|charge| charge.what == "items of a table").expect("items").quantity,
    );
    assert!(once.assumptions[0].contains("leaves out 500,000 rows in one run"), "{:?}", once.assumptions);
    let pace = |load| pace(&grouped.stack, load).expect("rows").seconds;
    let all = Load { skipped: 500_000, skipped_runs: 500_000, ..MILLION };
    assert!(pace(all) > 2.0 * pace(MILLION), "{} {}", pace(all), pace(MILLION));
}

/// What `onConflict`, a topic of `report` and metrics of `observe` cost besides.
#[test]
fn settings_of_the_workers_have_their_price() {
    let of = |edits: &[(&str, &str)], load| of(&repository(edits), load);
    let seconds = |estimate: &Estimate| dollars(estimate, "Lambda") / 0.000_016_666_7 * 4.0;
    let load_access = "access: [{ write: \"${records}\" }, { publish: \"${events}\" }]";
    let plain = of(&[], MILLION);
    for (word, verb) in [("newest", "write"), ("keep", "write"), ("merge", "update")] {
        let access = format!(
            "access: [{{ {verb}: \"${{records}}\" }}, {{ publish: \"${{events}}\" }}]\n      settings: {{ onConflict: {word} }}"
        );
        let single = of(&[(load_access, &access)], MILLION);
        // Ten rows are two rounds of eight, where they were one request: 10 ms more for each of 100,000 batches.
        assert!((seconds(&single) - seconds(&plain) - 1_000.0).abs() < 1e-3, "{word}");
        // The same write units: a row is below a kibibyte, with its version too.
        near(dollars(&single, "DynamoDB"), dollars(&plain, "DynamoDB"));
        let assumptions = &single.rows.as_ref().expect("rows").assumptions;
        assert!(
            assumptions.iter().any(|text| text.contains(word) && text.contains("condition")),
            "{assumptions:?}"
        );
        // The version takes a row of 900 bytes above one: only `merge` has none.
        let large = of(&[(load_access, &access)], rows_of(1_000, 900));
        let without = of(&[], rows_of(1_000, 900));
        let more = (dollars(&large, "DynamoDB") - dollars(&without, "DynamoDB")) * 1e6 / 0.625;
        near(more, if word == "merge" { 0.0 } else { 1_000.0 });
    }

    let report = "access: [{ read: \"${landing}\" }, { write: \"${landing}\" }, { tally: \"${tally}\" }]\n";
    let topic = "access: [{ read: \"${landing}\" }, { write: \"${landing}\" }, { tally: \"${tally}\" }, { publish: \"${people}\" }]\n  people: { type: topic, properties: { subscriptions: [{ email: a@example.com }] } }\n";
    let told = of(&[(report, topic)], MILLION);
    // A message, and the results once more, which note it. Deliveries depend on the subscribers.
    near(dollars(&told, "SNS"), 0.50 / 1e6);
    near(dollars(&told, "S3") - dollars(&plain, "S3"), 0.005 / 1_000.0);
    let unknown = &told.rows.as_ref().expect("rows").bill.unknown;
    assert!(unknown.iter().any(|one| one.what.contains("subscribers")), "{unknown:?}");

    let observer = "access: [{ tally: \"${tally}\" }, { publish: \"${events}\" }] # `object-completed`, when each row of a file is settled\n";
    let metrics = format!("{observer}      settings: {{ metrics: true }}\n");
    let measured = of(&[(observer, &metrics)], MILLION);
    // Four metrics in one of 730 hours.
    near(dollars(&measured, "CloudWatch") - dollars(&plain, "CloudWatch"), 4.0 * 0.30 / 730.0);
}

/// The end of a file by hand.
#[test]
fn the_end_of_a_file_by_hand() {
    let end = of(&repository(&[]), MILLION).rows.expect("rows").end.expect("an end");
    let gb_second = 0.000_016_666_7;
    let count_of_batch = 0.625 / 1e6 + 0.010 * 0.25 * gb_second;
    // One event, which is a message for observe, in a batch that it has anyway, and one for report: four requests. An
    // invocation of report. The lines of both: 560, and 228 + 400 bytes. Three units for the end, and one for how the task
    // reads the file. A look for earlier results, and the results.
    let by_hand = 1.0 / 1e6
        + 4.0 * 0.40 / 1e6
        + 0.20 / 1e6
        + 0.3 * 0.5 * gb_second
        + (560.0 + 628.0) / 1e9 * 0.50
        + 4.0 * 0.625 / 1e6
        + 0.005 / 1_000.0
        + 0.000_4 / 1_000.0;
    near(end.per_file, by_hand + count_of_batch);
    // Each of 3,001 batches counts the settled rows, in a write of 10 ms; one of them is that of the file.
    near(end.per_million_rows, 3_000.0 * count_of_batch);
    let without = [(", { publish: \"${events}\" }] # `object-completed`", "] # `object-completed`")];
    let estimate = of(&repository(&without), MILLION);
    assert!(estimate.rows.expect("rows").end.is_some(), "report is there");
}

#[test]
fn a_million_rows_by_hand() {
    let estimate = of(&repository(&[]), MILLION);
    // Extracted, transformed and loaded: 3 events a row; 1 for the task and 2 for the end of the file. $1 a million.
    near(dollars(&estimate, "EventBridge"), 3_000_003.0 / 1e6);
    // Each of 5,000,003 messages (transform and load 1 a row, observe 3 and 3 a file) is sent by a request of its own.
    // Ten are received by one request, and deleted by one: 100,000 + 100,000 + 300,001 batches, the last begun. One
    // more message announces the file, and one its end to report: 3 requests each. $0.40 a million.
    near(dollars(&estimate, "SQS"), (5_000_003.0 + 2.0 * 500_001.0 + 6.0) * 0.40 / 1e6);
    // Observe takes a thousand at once: 100,000 + 100,000 + 3,001 invocations, and those of extract and report, at $0.20 a
    // million. 256 MiB are 0.25 GB, and 300 ms with 512 MiB are 0.15 GB-s, at $0.0000166667.
    let seconds = 1e5 * transform(10.0) + 1e5 * load_of(10.0, 1.0) + 3_001.0 * observe() + 0.250;
    near(dollars(&estimate, "Lambda"), 203_003.0 * 0.20 / 1e6 + (seconds * 0.25 + 0.15) * 0.000_016_666_7);
    // One item a row, below 1 KB, and the tally: two items a batch of seven units each, and one that counts settled
    // rows; the summary twice, how the file is read, and its end three times. $0.625 a million.
    near(dollars(&estimate, "DynamoDB"), 0.625 + (3_001.0 * 15.0 + 6.0) * 0.625 / 1e6);
    // 538 + 533 + 580 bytes a row and 581 + 525 + 560 a file from observe, 228 + 400 an invocation, 350 from the task; $0.50
    // a GB.
    let bytes = 1_651.0 * 1e6 + 1_666.0 + 628.0 * 203_003.0 + 350.0;
    near(dollars(&estimate, "CloudWatch"), bytes / 1e9 * 0.50);
    // 3,200 rows a second (eight calls of ten in 25 ms) and 15 seconds before: 327.5 s of a quarter of a vCPU, half a GB, one
    // GB of disk above 20, one address.
    let hours = 327.5 / 3_600.0;
    near(dollars(&estimate, "Fargate"), hours * (0.25 * 0.040_48 + 0.5 * 0.004_445 + 0.000_111));
    near(dollars(&estimate, "VPC"), hours * 0.005);
    // The upload and the download; report looks for earlier results, and writes those of the file.
    near(dollars(&estimate, "S3"), 2.0 * (0.005 / 1_000.0 + 0.000_4 / 1_000.0));
    let rows = estimate.rows.as_ref().expect("a pipeline");
    near(rows.bill.total, rows.bill.charges.iter().map(|charge| charge.dollars).sum());
    // 200 bytes, and 2 + 12 + 14 + 4 + 3 of the attributes' names.
    let kept = |what: &str| rows.kept.charges.iter().find(|charge| charge.what == what).expect("it").quantity;
    near(kept("objects kept"), 0.2);
    near(kept("items of a table"), 0.235);
    // 0.203 invocations: two that publish, with one call each, and the task's calls of ten.
    assert_eq!((rows.per_row.events, rows.per_row.messages), (3.0, 5.0));
    near(rows.per_row.invocations, 0.203);
    near(rows.per_row.calls, 0.3);
    near(rows.per_row.log_bytes, 1_651.0 + 0.203 * 628.0);
}

#[test]
fn a_snapshot_by_hand() {
    let snapshot = "  snapshot:
    type: function
    properties:
      worker: snapshot
      timeout: 5m
      triggers: [{ bus: \"${events}\", event: object-completed, batchSize: 1 }]
      access: [{ read: \"${records}\" }, { delete: \"${records}\" }, { tally: \"${tally}\" }, { publish: \"${events}\" }]
  failures: #";
    let edits = [
        ("worker: load\n", "worker: load\n      settings: { onConflict: newest, snapshot: true }\n"),
        ("event: object-completed, batchSize: 1", "event: snapshot-completed, batchSize: 1"),
        ("  failures: #", snapshot),
    ];
    let newest = [("worker: load\n", "worker: load\n      settings: { onConflict: newest }\n")];
    let (without, with) = (of(&repository(&newest), MILLION), of(&repository(&edits), MILLION));
    let more = |service: &str| dollars(&with, service) - dollars(&without, service);
    // `snapshot-completed`, and its message to observe; one more to snapshot. Each of the two takes 3 requests, or joins others.
    near(more("EventBridge"), 1.0 / 1e6);
    assert!(more("SQS") > 0.0 && more("SQS") < 8.0 * 0.40 / 1e6, "{}", more("SQS"));
    // A million items of 200 + 35 bytes, 118 of the version and 39 of the source: 95,704 reads of 4,096 at $0.125 a million. Of the
    // tally, 6 writes for the file and one for each of 374 mebibytes, at $0.625 a million.
    near(more("DynamoDB"), 95_704.0 * 0.125 / 1e6 + 380.0 * 0.625 / 1e6);
    // 300 ms, and 200 for each mebibyte, with 256 MiB.
    near(more("Lambda"), 0.20 / 1e6 + 0.25 * 75.1 * 0.000_016_666_7);
    assert!(with.rows.expect("a pipeline").assumptions.iter().any(|text| text.contains("`snapshot` reads")));
}

#[test]
fn the_slowest_stage_decides_the_time() {
    let of = |edits: &[(&str, &str)], load| pace(&repository(edits).stack, load).expect("a pipeline");
    // Two executions of `load` write ten rows each.
    let found = of(&[], MILLION);
    near(found.rows_per_second, 2.0 * 10.0 / load_of(10.0, 1.0));
    near(found.seconds, 15.0 + 1e6 * load_of(10.0, 1.0) / 20.0);
    assert_eq!(found.limit, "`load`: 2 executions at the same time (`concurrency`)");
    // With many executions, it is the task.
    let many =
        of(&[("throttle: { type: integer, default: 2", "throttle: { type: integer, default: 50")], MILLION);
    near(many.rows_per_second, 3_200.0);
    assert_eq!(many.limit, "`extraction`: 1 task, which publishes 3,200 rows a second");
    let slow = [("disk: 21GiB", "disk: 21GiB\n      settings: { eventsPerSecond: 20, rowsPerEvent: 10 }")];
    let slow = of(&slow, MILLION);
    near(slow.rows_per_second, 200.0);
    assert_eq!(slow.limit, "`eventsPerSecond: 20` of `extraction`");
    let capacity = [("{ key: { id: string } }", "{ key: { id: string }, capacity: { read: 1, write: 5 } }")];
    let capacity = of(&capacity, rows_of(10, 1_500));
    near(capacity.rows_per_second, 2.5);
    assert_eq!(capacity.limit, "the start of the task");
    assert_eq!(pace(&repository(&[]).stack, rows_of(0, 1)), None);
}

#[test]
fn rows_of_one_event_share_its_price() {
    let disk = "disk: 21GiB";
    let with = |rows| format!("disk: 21GiB\n      settings: {{ rowsPerEvent: {rows} }}");
    let ten = of(&repository(&[(disk, &with(10))]), MILLION);
    // A tenth of the events of rows, and the three of the file.
    near(dollars(&ten, "EventBridge"), 300_003.0 / 1e6);
    // 500,003 messages, ten of which have 10 × (700 + 10 × 235) = 30,500 bytes: one request each for 10,000 + 10,000 +
    // 30,001 batches to receive, and one to delete.
    near(dollars(&ten, "SQS"), (500_003.0 + 2.0 * 50_001.0 + 6.0) * 0.40 / 1e6);
    // The table has as many items as before; the tally is written by a tenth of the batches, 301.
    near(dollars(&ten, "DynamoDB"), 0.625 + (301.0 * 15.0 + 6.0) * 0.625 / 1e6);
    // A batch of load has 100 rows: four requests of 25.
    let seconds = 1e4 * transform(100.0) + 1e4 * load_of(100.0, 4.0) + 301.0 * observe() + 0.250;
    near(dollars(&ten, "Lambda"), 20_303.0 * 0.20 / 1e6 + (seconds * 0.25 + 0.15) * 0.000_016_666_7);
    let rows = ten.rows.expect("rows");
    near(rows.per_row.events, 0.3);
    let one = of(&repository(&[]), MILLION).rows.expect("rows");
    let totals = |rows: &deployer_plan::cost::Rows| {
        rows.groupings.iter().map(|one| (one.rows_per_event, (one.total * 1e6) as u64)).collect::<Vec<_>>()
    };
    assert_eq!(totals(&one), totals(&rows), "the table is the same, whatever the stack's own setting");
    assert_eq!(totals(&rows).iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), [1, 10, 25, 100]);
    assert!(totals(&rows).is_sorted_by(|a, b| a.1 > b.1), "{:?}", totals(&rows));
    near(rows.groupings[1].total, rows.bill.total);
    // 60 KiB hold 20 rows of 3,000 bytes, whatever the file asks for.
    let large = of(&repository(&[(disk, &with(1_000))]), rows_of(1_000_000, 3_000));
    near(large.rows.expect("rows").per_row.events, 3.0 / 20.0);
}

#[test]
fn the_original_by_hand() {
    let estimate = of(&repository(&[]), MILLION);
    let original = estimate.original.expect("the original");
    // Two gateways, two addresses, five units of each kind, one queue that Lambda polls; 730 hours.
    let hourly = 2.0 * 0.045 + 2.0 * 0.005 + 5.0 * 0.000_13 + 5.0 * 0.000_65;
    near(original.idle.total, 730.0 * hourly + 657_000.0 * 0.40 / 1e6);
    assert_eq!(format!("{:.2}", original.idle.total), "76.11");
    let dollars = |what: &str| {
        let charge = original.bill.charges.iter().find(|charge| charge.what.starts_with(what));
        charge.expect("the charge").dollars
    };
    near(dollars("event on a bus"), 3.0);
    // Transform, load, and the observer three times.
    near(dollars("invocation"), 5.0 * 0.20);
    // One row each, at 0.125 GB: half the share of a processor that 256 MiB have.
    let seconds = 0.025 + 0.035 + 2.0 * (10.9e-6 + 13.5e-6 + 3.0 * OBSERVE) / SHARE;
    near(dollars("time of a function"), seconds * 0.125 * 1e6 * 0.000_016_666_7);
    // Five times the event of 200 bytes and 604 more: 4.02 GB.
    near(dollars("log events"), 5.0 * 804.0 * 1e6 / 1e9 * 0.50);
    // Unknown things are named, and in no sum.
    assert_eq!(original.bill.unknown.len(), 2);
}

#[test]
fn idle_queues_are_asked_and_that_is_charged() {
    let idle = of(&repository(&[]), MILLION).idle;
    // extract's queue, and the buffers of transform, load, observe and report.
    assert_eq!(idle.resources.len(), 5, "{idle:?}");
    near(idle.total, 5.0 * 657_000.0 * 0.40 / 1e6);
    assert!(idle.unknown.is_empty());
}

#[test]
fn the_file_decides() {
    let of = |edits: &[(&str, &str)]| of(&repository(edits), MILLION);
    let plain = of(&[]);
    // Five events a batch: twice the receives and deletes, which take ten at most: 600,001 for 300,001 each.
    let observe =
        "triggers: [{ bus: \"${events}\", event: any, buffer: true, batchSize: 1000, batchWindow: 1s }]";
    let small = of(&[(observe, "triggers: [{ bus: \"${events}\", event: any, batchSize: 5 }]")]);
    near(dollars(&small, "SQS") - dollars(&plain, "SQS"), 2.0 * 300_000.0 * 0.40 / 1e6);
    near(small.rows.as_ref().expect("rows").per_row.invocations, 0.2 + 3.0 / 5.0);
    // Without buffer there is no queue, and an invocation for each event.
    let direct = of(&[(observe, "triggers: [{ bus: \"${events}\", event: any, buffer: false }]")]);
    let per_row = direct.rows.as_ref().expect("rows").per_row;
    assert_eq!((per_row.messages, per_row.invocations), (2.0, 3.2));
    assert_eq!(direct.idle.resources.len(), 4);
    // Provisioned writes are paid for while idle, and take their time.
    let table = "properties: { key: { id: string } }";
    let provisioned = of(&[(table, "properties: { key: { id: string }, capacity: { read: 1, write: 10 } }")]);
    let tally = 45_021.0 * 0.625 / 1e6;
    near(dollars(&provisioned, "DynamoDB"), tally);
    let assumptions = &provisioned.rows.as_ref().expect("rows").assumptions;
    // 1,000,000 / 10 / 3,600 = 27.8.
    assert!(assumptions.iter().any(|text| text.contains("28 hours")), "{assumptions:?}");
    // Each index is written too.
    let indexed =
        of(&[(table, "properties: { key: { id: string }, indexes: { byZip: { key: { zip: string } } } }")]);
    near(dollars(&indexed, "DynamoDB"), 2.0 * 0.625 + tally);
    // A private network has a gateway while idle, and each event goes through it: 700 + 200 + 35 bytes a row; no
    // address.
    let private = of(&[("egress: public", "egress: nat")]);
    near(dollars(&private, "VPC"), 0.935 * 0.045);
    assert!(private.idle.total > plain.idle.total + 32.85);
    // Spare capacity has no fixed price, and one that is unknown is in no sum.
    let spot = of(&[("      disk: 21GiB\n", "      disk: 21GiB\n      spot: true\n")]);
    near(dollars(&spot, "Fargate"), 0.0);
    let unknown = &spot.rows.as_ref().expect("rows").bill.unknown;
    assert!(unknown.iter().any(|one| one.what.contains("Spot")), "{unknown:?}");
}

#[test]
fn large_rows_are_charged_by_the_piece() {
    // 70,000 bytes and 735 more are two pieces of 64 KiB; ten of them together are 707,350 bytes: eleven.
    let estimate = of(&repository(&[]), rows_of(1_000_000, 70_000));
    near(dollars(&estimate, "EventBridge"), 2.0 * 3_000_003.0 / 1e6);
    let batches = 500_001.0;
    near(
        dollars(&estimate, "SQS"),
        (2.0 * 5_000_003.0 + 11.0 * batches + batches + 2.0 * (2.0 + 2.0 + 1.0)) * 0.40 / 1e6,
    );
    // 70,035 bytes are 69 units of 1 KB.
    near(dollars(&estimate, "DynamoDB"), 69.0 * 0.625 + 45_021.0 * 0.625 / 1e6);
}

#[test]
fn a_stack_without_the_workers_has_prices_of_its_uses_and_no_rows() {
    let stack = stack_of(&source_of("minimal"), None);
    let estimate = of(&stack, MILLION);
    assert!(estimate.rows.is_none() && estimate.original.is_none());
    let value = estimate.to_value();
    assert!(value.get("rows").is_none(), "{value}");
}

#[test]
fn an_event_is_about_as_large_as_is_assumed() {
    let object = ObjectRef {
        bucket: "eventbridge-etl-dev-landing-111122223333-eu-west-1".into(),
        key: "test_data.csv".into(),
        version: Some("3sL4kqtJlcpXroDTDmJrmSpXd3dIbrHY".into()),
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
        uploaded: Some("2026-11-24T12:00:00.000Z".into()),
        replay: None,
    };
    let detail = Detail::RecordExtracted {
        record: object.record(1_000_000),
        object,
        headers: "ID,HouseNum,Street,Town,Zip".into(),
        data: String::new(),
        data_key: None,
        location: None,
    };
    let event = |detail: &serde_json::Value| {
        json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": "s3RecordExtraction",
            "source": SOURCE, "account": "111122223333", "time": "2026-11-24T12:00:00Z", "region": "eu-west-1",
            "resources": [], "detail": detail
        })
    };
    let bytes = event(&detail.to_value()).to_string().len();
    assert!((550..=700).contains(&bytes), "{bytes}");
    // The original's, without its row: as it is sent, and as its functions log it.
    let original = event(&json!({ "status": "extracted", "headers": "", "data": "" }));
    let (sent, logged) = (original.to_string().len(), format!("{original:#}").len());
    assert!((250..=300).contains(&sent) && (300..=350).contains(&logged), "{sent} {logged}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cost_is_never_negative_and_grows_with_rows(
        rows in 0..10_000_000_u64,
        more in 1..10_000_000_u64,
        bytes_per_row in 1..400_000_u64,
    ) {
        thread_local!(static STACK: Compiled = repository(&[]));
        let (few, many) = STACK.with(|stack| {
            let at = |rows| of(stack, rows_of(rows, bytes_per_row));
            (at(rows), at(rows + more))
        });
        let (few, many) = (few.rows.expect("rows"), many.rows.expect("rows"));
        prop_assert!(many.bill.total > few.bill.total && many.kept.total > few.kept.total);
        for charge in few.bill.charges.iter().chain(&few.kept.charges) {
            prop_assert!(charge.dollars > 0.0 && charge.dollars.is_finite() && charge.quantity > 0.0, "{charge:?}");
        }
        for charge in &few.bill.charges {
            let then = many.bill.charges.iter().find(|then| then.what == charge.what);
            prop_assert!(then.is_some_and(|then| then.dollars >= charge.dollars), "{charge:?}");
        }
    }
}
