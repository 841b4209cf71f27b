//! Estimates of the cost and the time of the rows of a file.

use deployer_cfn::template::Template;
use deployer_lang::Stack;
use deployer_plan::cost::{Load, Pace, estimate, pace};
use schemars::JsonSchema;
use serde::Serialize;
use task::file::FileEnd;

use crate::preview::summary::Summary;

/// The cost of the rows of a file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostOfRows {
    /// Dollars of the known charges.
    pub(super) dollars: f64,
    /// `true` if there are charges whose price or quantity is not known, which come on top.
    pub(super) incomplete: bool,
    /// Region of the prices.
    pub(super) region: String,
    /// Bytes of a row, on average.
    pub(super) bytes_per_row: u64,
}

/// Returns the rows of a file as the estimates take them; `None` if there are none.
pub(super) fn load(summary: &Summary, end: &FileEnd) -> Option<Load> {
    let bytes_per_row = end.text.checked_div(summary.rows)?.max(1);
    let Summary { rows, skipped, skipped_runs, .. } = *summary;
    Some(Load { rows, bytes_per_row, skipped, skipped_runs })
}

/// Estimates the cost of rows, as `deployer cost` does.
pub(super) fn cost(stack: &Stack, template: &Template, load: Load) -> Option<CostOfRows> {
    let estimate = estimate(stack, template, load);
    let bill = estimate.rows?.bill;
    Some(CostOfRows {
        // The last digits of a sum of fractions say nothing.
        dollars: (bill.total * 1e9).round() / 1e9,
        incomplete: !bill.unknown.is_empty(),
        region: estimate.region,
        bytes_per_row: load.bytes_per_row,
    })
}

/// Estimates the time that rows take.
pub(super) fn time(stack: &Stack, load: Load) -> Option<Pace> {
    pace(stack, load)
}
