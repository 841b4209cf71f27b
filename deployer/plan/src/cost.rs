//! The cost of a stack as its file describes it: while idle, and for the rows that go through it if it has the
//! deployer's workers.
//!
//! Beside the flow: AWS is not called, so use is counted from the file (`pipeline`), and every assumption is listed.
//! The design that this pipeline comes from is estimated beside it (`original`). Unknown costs are reported as unknown,
//! and never counted as nothing. Prices are those of [`prices`](crate::prices).

use deployer_cfn::template::Template;
use deployer_lang::model::Stack;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::prices::{Item, prices};

pub mod forecast;
pub(crate) mod idle;
pub mod kept;
mod original;
mod pipeline;
mod text;

pub use forecast::{Pace, pace};
pub use text::{money, page, render};

/// Rows that go through the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Number of rows, in one file.
    pub rows: u64,
    /// Bytes of a row in the file.
    #[schemars(range(min = 1))]
    pub bytes_per_row: u64,
    /// Rows that `where` leaves out; missing if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// The number of runs of such rows, one after another: of rows that share an event, each run has one of its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped_runs: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Load {
    fn rows(self) -> f64 {
        self.rows as f64
    }

    fn bytes(self) -> f64 {
        self.bytes_per_row as f64
    }

    /// Returns the number of rows that become items.
    const fn items(self) -> f64 {
        self.rows.saturating_sub(self.skipped) as f64
    }

    /// Returns the share of the rows that become items.
    fn share(self) -> f64 {
        if self.rows == 0 { 1.0 } else { self.items() / self.rows() }
    }

    /// Returns the number of events of items, and of rows that are left out, for each row, if this many rows share an
    /// event: `transform` divides it wherever one kind follows the other.
    fn divided(self, together: f64) -> (f64, f64) {
        if self.skipped == 0 || self.rows == 0 {
            return (1.0 / together, 0.0);
        }
        let events = |rows: f64| (self.skipped_runs as f64 + rows / together).min(rows) / self.rows();
        (events(self.items()), events(self.skipped as f64))
    }
}

/// A charge: a quantity and its price.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The service that asks for it.
    pub service: String,
    /// The item that is charged.
    pub what: String,
    /// The quantity.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub quantity: f64,
    /// The price of one unit, as AWS writes it.
    pub price: String,
    /// Dollars.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub dollars: f64,
    #[serde(skip)]
    item: Item,
}

/// A charge whose quantity or price is not known from the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "unknownCharge")]
pub struct Unknown {
    /// The item that is charged, and the reason why its price is not known.
    pub what: String,
    /// The price of one unit, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(skip)]
    item: Option<Item>,
}

/// Items that are paid for together. `unknown` is not part of `total`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// The sum of the known items.
    pub charges: Vec<Charge>,
    /// Dollars of what is known.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub total: f64,
    /// The unknown charges, which come on top.
    pub unknown: Vec<Unknown>,
}

impl Bill {
    /// Adds a quantity of something to the one that the bill has already.
    fn add(&mut self, item: Item, quantity: f64) {
        if quantity <= 0.0 {
            return;
        }
        let Some(price) = prices().get(item) else {
            return self.unknown(format!("{item:?}: the table has no price of it"), None);
        };
        let dollars = price.each() * quantity;
        self.total += dollars;
        if let Some(charge) = self.charges.iter_mut().find(|charge| charge.item == item) {
            charge.quantity += quantity;
            charge.dollars += dollars;
            return;
        }
        self.charges.push(Charge {
            service: price.service.clone(),
            what: price.what.clone(),
            quantity,
            price: price.shown(),
            dollars,
            item,
        });
    }

    fn unknown(&mut self, what: impl Into<String>, item: Option<Item>) {
        let price = item.and_then(|item| prices().get(item)).map(|price| price.shown());
        let unknown = Unknown { what: what.into(), price, item };
        if !self.unknown.contains(&unknown) {
            self.unknown.push(unknown);
        }
    }

    fn charge(&self, item: Item) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.item == item)
    }
}

/// A resource that costs something while it is idle.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdleResource {
    /// The service that asks for it.
    pub service: String,
    /// Logical ID.
    pub resource: String,
    /// Name of what is paid for.
    pub what: String,
    /// Dollars a month.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub dollars: f64,
}

/// A month in which nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// The resources that cost something.
    pub resources: Vec<IdleResource>,
    /// Dollars a month of what is known.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub total: f64,
    /// Logical IDs of the resources whose price is not known.
    pub unknown: Vec<String>,
}

/// The usage of a row in the long run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerRow {
    /// Events on the bus.
    pub events: f64,
    /// Calls of PutEvents.
    pub calls: f64,
    /// Messages in queues.
    pub messages: f64,
    /// Invocations of functions.
    pub invocations: f64,
    /// Bytes in logs.
    pub log_bytes: f64,
}

/// The cost of the rows with another `rowsPerEvent`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// The setting of the extraction.
    #[schemars(range(min = 1))]
    pub rows_per_event: u32,
    /// Events on the bus, for each row.
    pub events: f64,
    /// Dollars of what is known, for all rows.
    #[serde(serialize_with = "rounded")]
    pub total: f64,
}

/// The cost of what follows the last row of a file: the event about its end, the report and the metrics. It is a part of
/// the bill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndOfFile {
    /// Dollars for each file.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub per_file: f64,
    /// Dollars for a million rows besides, for the batches in which settled rows are counted.
    #[serde(serialize_with = "rounded")]
    #[schemars(range(min = 0))]
    pub per_million_rows: f64,
}

/// The cost of rows that go through the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// The rows.
    #[serde(flatten)]
    pub load: Load,
    /// The cost of letting them through.
    pub bill: Bill,
    /// The cost of what they leave, for each month that it is kept.
    pub kept: Bill,
    /// The usage of a row.
    pub per_row: PerRow,
    /// The cost of the end of a file; missing if the stack does not publish it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<EndOfFile>,
    /// The same rows with other settings of `rowsPerEvent`, and with the stack's own.
    pub groupings: Vec<Grouping>,
    /// The time that they take; null without rows.
    pub time: Option<Pace>,
    /// Assumptions, and where they were measured.
    pub assumptions: Vec<String>,
    /// Dollars for a million rows, as far as known; missing without rows.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rounded_if_known")]
    pub per_million: Option<f64>,
}

/// The design that the pipeline comes from, for the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Original {
    /// Dollars a month while nothing happens.
    pub idle: Bill,
    /// The cost of the rows.
    pub bill: Bill,
    /// The usage of a row.
    pub per_row: PerRow,
    /// Assumptions.
    pub assumptions: Vec<String>,
}

/// The price of something that depends on use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    /// The service that asks for it.
    pub service: String,
    /// Name of what is paid for.
    pub what: String,
    /// The price, as AWS writes it.
    pub price: String,
}

/// The cost of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// Region that the file names; prices are those of `region`.
    pub stack_region: Option<String>,
    /// Region of the prices.
    pub region: String,
    /// Date of the table of prices.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub date: String,
    /// A month in which nothing happens.
    pub idle: Idle,
    /// The rows of a file; missing when the stack does not have the deployer's workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// The design that the pipeline comes from, for the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// Prices of what depends on use, for what is in the stack.
    pub uses: Vec<Use>,
    /// Prices among those used that were not read again on a public page.
    pub unverified: Vec<String>,
}

impl Estimate {
    /// Returns the estimate as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Nothing in it can fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Rounds to nine digits: the last digits of a sum of fractions say nothing.
fn nine_digits(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(nine_digits(*number))
}

fn rounded_if_known<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    number.map(nine_digits).serialize(serializer)
}

/// Estimates the cost of `stack`, whose template is `template`.
#[must_use]
pub fn estimate(stack: &Stack, template: &Template, load: Load) -> Estimate {
    let table = prices();
    let value = template.to_value();
    let idle = idle(&value);
    let rows = pipeline::find(stack).map(|pipeline| pipeline.rows(load));
    let original = rows.as_ref().map(|_| original::original(load));
    let uses = uses(&value);
    Estimate {
        stack: stack.name.clone(),
        stack_region: stack.target.region.clone(),
        region: table.region.clone(),
        date: table.date.clone(),
        unverified: unverified(&idle, rows.as_ref(), &uses),
        idle,
        rows,
        original,
        uses,
    }
}

fn idle(template: &Value) -> Idle {
    let mut out = Idle::default();
    for (id, idle) in idle::of_template(template) {
        match idle {
            Some(idle) if idle.dollars > 0.0 => {
                out.total += idle.dollars;
                out.resources.push(IdleResource {
                    service: idle.service.to_owned(),
                    resource: id,
                    what: idle.what,
                    dollars: idle.dollars,
                });
            }
            Some(_) => {}
            None => out.unknown.push(id),
        }
    }
    out.resources.sort_by(|a, b| (&a.service, &a.resource).cmp(&(&b.service, &b.resource)));
    out
}

/// Returns the types of a template's resources.
fn types(template: &Value) -> Vec<&str> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter_map(|(_, resource)| resource["Type"].as_str()).collect()
}

fn uses(template: &Value) -> Vec<Use> {
    let types = types(template);
    let there = |kind: &String| types.contains(&kind.as_str());
    let mut out: Vec<Use> = prices()
        .all()
        .filter(|(_, price)| price.types.iter().any(there))
        .map(|(_, price)| Use {
            service: price.service.clone(),
            what: price.what.clone(),
            price: price.shown(),
        })
        .collect();
    out.sort();
    out
}

/// Returns the prices that were used and that nobody has read again.
fn unverified(idle: &Idle, rows: Option<&Rows>, uses: &[Use]) -> Vec<String> {
    let bills = rows.into_iter().flat_map(|rows| [&rows.bill, &rows.kept]);
    let charged: Vec<Item> = bills.flat_map(|bill| &bill.charges).map(|charge| charge.item).collect();
    let ready = idle.resources.iter().any(|resource| resource.what.ends_with("kept ready"));
    prices()
        .all()
        .filter(|(item, price)| {
            let kept_ready = matches!(item, Item::ProvisionedGbSecondArm | Item::ProvisionedGbSecondX86);
            price.verified().is_none()
                && (charged.contains(item)
                    || (kept_ready && ready)
                    || uses.iter().any(|one| one.service == price.service && one.what == price.what))
        })
        .map(|(_, price)| format!("{}: {}, {}", price.service, price.what, price.shown()))
        .collect()
}
