//! The design that the pipeline comes from, for the same rows: cdkpatterns' "The EventBridge ETL", as its sources
//! deploy it.
//!
//! One event for each step of a row, each put by a call of its own; three rules that invoke functions without a queue,
//! the observer for every event; a table with capacity for five writes a second, and a NAT gateway in each of two
//! zones.

use super::pipeline::{CHUNK, GB, pieces};
use super::{Bill, Load, Original, PerRow};
use crate::prices::{Item, grouped, prices};
use crate::timings::timings;

/// Events of a row: extracted, transformed, loaded.
const EVENTS: f64 = 3.0;
/// Invocations of a row: one to transform, one to load, and the observer's for each event.
const INVOCATIONS: f64 = 2.0 + EVENTS;
/// NAT gateways and their addresses: those that CDK makes for two zones.
const GATEWAYS: f64 = 2.0;
/// Read and write units of the table: CDK's default.
const UNITS: f64 = 5.0;
/// Memory of its functions in GB: Lambda's default, which it leaves.
const MEMORY: f64 = 0.125;
/// Bytes of the unit of [`MEMORY`].
const GIB: f64 = (1_u64 << 30) as f64;
/// An event of EventBridge without its detail. A test makes one.
const ENVELOPE: f64 = 300.0;
/// Bytes that each invocation logs beside the row: the event indented by two, and Lambda's three lines. A test makes
/// the first.
const LOG_BYTES: f64 = 350.0 + 254.0;

/// Estimates its cost.
pub(super) fn original(load: Load) -> Original {
    let rows = load.rows();
    let mut idle = Bill::default();
    let month = prices().hours_of_month;
    idle.add(Item::NatGatewayHour, GATEWAYS * month);
    idle.add(Item::PublicIpv4Hour, GATEWAYS * month);
    idle.add(Item::TableReadUnitHour, UNITS * month);
    idle.add(Item::TableWriteUnitHour, UNITS * month);
    idle.add(Item::QueueRequest, prices().idle_polls_of_month());

    let mut bill = Bill::default();
    bill.add(Item::Event, rows * EVENTS * pieces(ENVELOPE + load.bytes(), CHUNK));
    bill.add(Item::LambdaRequest, rows * INVOCATIONS);
    let aws = &timings().aws;
    let bytes = MEMORY * GIB;
    let milliseconds = aws.transform_ms(bytes, 1.0, 1.0)
        + aws.load_ms(bytes, 1.0, 1.0, 1.0)
        + EVENTS * aws.observe_ms(bytes, 1.0, 0.0);
    let seconds = milliseconds / 1_000.0;
    bill.add(Item::LambdaGbSecondX86, rows * seconds * MEMORY);
    // The file: S3 sends a notification about it, and the file is written and read.
    bill.add(Item::QueueRequest, 3.0);
    bill.add(Item::ObjectWrite, 1.0);
    bill.add(Item::ObjectRead, 1.0);
    let log_bytes = INVOCATIONS * (LOG_BYTES + load.bytes());
    bill.add(Item::LogsGb, rows * log_bytes / GB);
    bill.unknown("Fargate: the task waits for one call after another", Some(Item::FargateVcpuHourX86));
    bill.unknown("the traffic of its calls through the NAT gateway", Some(Item::NatGatewayGb));
    let per_row =
        PerRow { events: EVENTS, calls: EVENTS, messages: 0.0, invocations: INVOCATIONS, log_bytes };
    let assumptions = vec![
        "An invocation takes as long as one of this pipeline with one row, though its language is slower; at Lambda's default \
         memory of 128 MB."
            .to_owned(),
        "Each function logs its event indented, as in its sources, and Lambda adds three lines; results of calls are not included."
            .to_owned(),
        format!(
            "Its table accepts {UNITS} writes a second: these rows take at least {} hours, and without a queue before the \
             functions, rows that it rejects for too long are lost.",
            grouped((rows / UNITS / 3_600.0).ceil())
        ),
    ];
    Original { idle, bill, per_row, assumptions }
}
