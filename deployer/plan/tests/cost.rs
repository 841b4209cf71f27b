//! The cost of stacks: the published page, golden texts of cases with and without the workers, and sums by hand.

use contract::{Detail, ObjectRef, SOURCE};
use deployer_lang::Compiled;
use deployer_plan::cost::{Estimate, Load, estimate, pace, page, render};
use deployer_syntax::Source;
use proptest::prelude::*;
use serde_json::json;

use crate::golden::{self, assert_golden, load, source_of};

const MILLION: Load = Load { rows: 1_000_000, bytes_per_row: 200 };

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

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-9 * expected.abs().max(1.0), "{actual} is not {expected}");
}

#[test]
fn the_published_costs_are_those_of_the_code() {
    assert_golden(&golden::repository().join("docs/cost.md"), &page(&of(&repository(&[]), MILLION)));
}

#[test]
fn every_case_costs_what_its_golden_text_says() {
    for (case, load) in [
        ("minimal", MILLION),
        ("compute", MILLION),
        ("raw", MILLION),
        ("repository", Load { rows: 50_000, bytes_per_row: 3_000 }),
    ] {
        let stack = stack_of(&source_of(case), None);
        let path = golden::package().join(format!("tests/costs/{case}.md"));
        assert_golden(&path, &render(&of(&stack, load), true));
    }
}

#[test]
fn a_million_rows_by_hand() {
    let estimate = of(&repository(&[]), MILLION);
    // Extracted, transformed and loaded: 3 events a row; 1 for the task and 1 for the end of the file. $1 a million.
    near(dollars(&estimate, "EventBridge"), 3_000_002.0 / 1e6);
    // Each of 5,000,002 messages (transform and load 1 a row, observe 3 and 2 a file) is sent by a request of its own.
    // Ten are received by one request, and deleted by one: 100,000 + 100,000 + 300,001 batches, the last begun. One
    // more message announces the file: 3 requests. $0.40 a million.
    near(dollars(&estimate, "SQS"), (5_000_002.0 + 2.0 * 500_001.0 + 3.0) * 0.40 / 1e6);
    // Observe takes a thousand at once: 100,000 + 100,000 + 3,001 invocations, and that of extract, at $0.20 a million.
    // 256 MiB are 0.25 GB: 100,000 × 36 ms + 100,000 × 42 ms + 3,001 × 1,000 ms + 250 ms = 10,801.25 s → 2,700.3125
    // GB-s at $0.0000166667.
    near(dollars(&estimate, "Lambda"), 203_002.0 * 0.20 / 1e6 + 2_700.312_5 * 0.000_016_666_7);
    // One item a row, below 1 KB, and the tally: two items a batch of seven units each, and the summary twice. $0.625 a
    // million.
    near(dollars(&estimate, "DynamoDB"), 0.625 + (3_001.0 * 14.0 + 2.0) * 0.625 / 1e6);
    // 538 + 533 + 580 bytes a row and 581 + 525 a file from observe, 228 + 400 an invocation, 350 from the task; $0.50
    // a GB.
    let bytes = 1_651.0 * 1e6 + 1_106.0 + 628.0 * 203_002.0 + 350.0;
    near(dollars(&estimate, "CloudWatch"), bytes / 1e9 * 0.50);
    // 1,000 rows a second and 15 seconds before: 1,015 s of a quarter of a vCPU, half a GB, one GB of disk above 20,
    // one address.
    let hours = 1_015.0 / 3_600.0;
    near(dollars(&estimate, "Fargate"), hours * (0.25 * 0.040_48 + 0.5 * 0.004_445 + 0.000_111));
    near(dollars(&estimate, "VPC"), hours * 0.005);
    // The upload and the download.
    near(dollars(&estimate, "S3"), 0.005 / 1_000.0 + 0.000_4 / 1_000.0);
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
fn the_slowest_stage_decides_the_time() {
    let of = |edits: &[(&str, &str)], load| pace(&repository(edits).stack, load).expect("a pipeline");
    // Two executions of `load` write ten rows in 42 ms each; `transform` takes 36 ms, `observe` a second for a thousand
    // events, of which a row has three.
    let found = of(&[], MILLION);
    near(found.rows_per_second, 2.0 * 10.0 / 0.042);
    near(found.seconds, 15.0 + 1e6 * 0.042 / 20.0);
    assert_eq!(found.limit, "`load`: 2 executions at the same time (`concurrency`)");
    // With many executions, it is the task.
    let many =
        of(&[("throttle: { type: integer, default: 2", "throttle: { type: integer, default: 50")], MILLION);
    near(many.rows_per_second, 1_000.0);
    assert_eq!(many.limit, "`extraction`: 1 task, which publishes 1,000 rows a second");
    let slow = [("disk: 21GiB", "disk: 21GiB\n      settings: { eventsPerSecond: 20, rowsPerEvent: 10 }")];
    let slow = of(&slow, MILLION);
    near(slow.rows_per_second, 200.0);
    assert_eq!(slow.limit, "`eventsPerSecond: 20` of `extraction`");
    let capacity = [("{ key: { id: string } }", "{ key: { id: string }, capacity: { read: 1, write: 5 } }")];
    let capacity = of(&capacity, Load { rows: 10, bytes_per_row: 1_500 });
    near(capacity.rows_per_second, 2.5);
    assert_eq!(capacity.limit, "the start of the task");
    assert_eq!(pace(&repository(&[]).stack, Load { rows: 0, bytes_per_row: 1 }), None);
}

#[test]
fn rows_of_one_event_share_its_price() {
    let disk = "disk: 21GiB";
    let with = |rows| format!("disk: 21GiB\n      settings: {{ rowsPerEvent: {rows} }}");
    let ten = of(&repository(&[(disk, &with(10))]), MILLION);
    // A tenth of the events of rows, and the two of the file.
    near(dollars(&ten, "EventBridge"), 300_002.0 / 1e6);
    // 500,002 messages, ten of which have 10 × (700 + 10 × 235) = 30,500 bytes: one request each for 10,000 + 10,000 +
    // 30,001 batches to receive, and one to delete.
    near(dollars(&ten, "SQS"), (500_002.0 + 2.0 * 50_001.0 + 3.0) * 0.40 / 1e6);
    // The table has as many items as before; the tally is written by a tenth of the batches, 301.
    near(dollars(&ten, "DynamoDB"), 0.625 + (301.0 * 14.0 + 2.0) * 0.625 / 1e6);
    // A batch of load has 100 rows: four requests of 25.
    let seconds = 10_000.0 * 0.036 + 10_000.0 * 4.0 * 0.042 + 301.0 + 0.250;
    near(dollars(&ten, "Lambda"), 20_302.0 * 0.20 / 1e6 + seconds * 0.25 * 0.000_016_666_7);
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
    let large = of(&repository(&[(disk, &with(1_000))]), Load { rows: 1_000_000, bytes_per_row: 3_000 });
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
    // (36 + 42 + 3 × 10) ms at 0.125 GB.
    near(dollars("time of a function"), 0.108 * 0.125 * 1e6 * 0.000_016_666_7);
    // Five times the event of 200 bytes and 604 more: 4.02 GB.
    near(dollars("log events"), 5.0 * 804.0 * 1e6 / 1e9 * 0.50);
    // Unknown things are named, and in no sum.
    assert_eq!(original.bill.unknown.len(), 2);
}

#[test]
fn idle_queues_are_asked_and_that_is_charged() {
    let idle = of(&repository(&[]), MILLION).idle;
    // extract's queue, and the buffers of transform, load and observe.
    assert_eq!(idle.resources.len(), 4, "{idle:?}");
    near(idle.total, 4.0 * 657_000.0 * 0.40 / 1e6);
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
    assert_eq!(direct.idle.resources.len(), 3);
    // Provisioned writes are paid for while idle, and take their time.
    let table = "properties: { key: { id: string } }";
    let provisioned = of(&[(table, "properties: { key: { id: string }, capacity: { read: 1, write: 10 } }")]);
    let tally = 42_016.0 * 0.625 / 1e6;
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
    let estimate = of(&repository(&[]), Load { rows: 1_000_000, bytes_per_row: 70_000 });
    near(dollars(&estimate, "EventBridge"), 2.0 * 3_000_002.0 / 1e6);
    let batches = 500_001.0;
    near(
        dollars(&estimate, "SQS"),
        (2.0 * 5_000_002.0 + 11.0 * batches + batches + 2.0 + 2.0 + 1.0) * 0.40 / 1e6,
    );
    // 70,035 bytes are 69 units of 1 KB.
    near(dollars(&estimate, "DynamoDB"), 69.0 * 0.625 + 42_016.0 * 0.625 / 1e6);
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
            let at = |rows| of(stack, Load { rows, bytes_per_row });
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
