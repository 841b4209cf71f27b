//! What a stack costs, as its file describes it: while idle, and for the rows that go through it when it has the deployer's workers.
//!
//! Beside the flow: nobody is asked, so what depends on use is counted from the file (`pipeline`), with every assumption said.
//! Beside it stands the design that this pipeline comes from (`original`). What is not known is said to be so, and never
//! counted as nothing. Prices are those of [`prices`](crate::prices).

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::Stack;
use crate::prices::{Item, prices};
use crate::template::Template;

pub(crate) mod idle;
mod original;
mod pipeline;
mod text;

pub use text::{page, render};

/// What goes through the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Rows, in one file.
    pub rows: u64,
    /// Bytes of a row in the file.
    pub bytes_per_row: u64,
}

impl Load {
    fn rows(self) -> f64 {
        self.rows as f64
    }

    fn bytes(self) -> f64 {
        self.bytes_per_row as f64
    }
}

/// Something that is paid for, so many times.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The service that asks for it.
    pub service: String,
    /// What it is.
    pub what: String,
    /// How many.
    #[serde(serialize_with = "rounded")]
    pub quantity: f64,
    /// The price of it, as AWS writes it.
    pub price: String,
    /// Dollars.
    #[serde(serialize_with = "rounded")]
    pub dollars: f64,
    #[serde(skip)]
    item: Item,
}

/// Something that costs what nobody can say from the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What it is, and why it is not known.
    pub what: String,
    /// The price of one, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(skip)]
    item: Option<Item>,
}

/// What is paid for together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// What is known, in the order in which it comes up.
    pub charges: Vec<Charge>,
    /// Dollars of what is known.
    #[serde(serialize_with = "rounded")]
    pub total: f64,
    /// What is not known, and comes on top.
    pub unknown: Vec<Unknown>,
}

impl Bill {
    /// Adds so many of something; with what there is of it already.
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

/// A resource that costs something while nothing happens in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdleResource {
    /// The service that asks for it.
    pub service: String,
    /// Logical id.
    pub resource: String,
    /// What is paid for.
    pub what: String,
    /// Dollars a month.
    #[serde(serialize_with = "rounded")]
    pub dollars: f64,
}

/// A month in which nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// The resources that cost something.
    pub resources: Vec<IdleResource>,
    /// Dollars a month of what is known.
    #[serde(serialize_with = "rounded")]
    pub total: f64,
    /// Logical ids of the resources whose price is not known.
    pub unknown: Vec<String>,
}

/// What one row causes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
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

/// What the rows cost with another `rowsPerEvent`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// The setting of the extraction.
    pub rows_per_event: u32,
    /// Events on the bus, for each row.
    pub events: f64,
    /// Dollars of what is known, for all rows.
    #[serde(serialize_with = "rounded")]
    pub total: f64,
}

/// What rows cost that go through the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// What goes through it.
    #[serde(flatten)]
    pub load: Load,
    /// What it costs to let them through.
    pub bill: Bill,
    /// What it costs to keep what they leave, each month.
    pub kept: Bill,
    /// What one of them causes.
    pub per_row: PerRow,
    /// The same rows with other settings of `rowsPerEvent`, and with the stack's own.
    pub groupings: Vec<Grouping>,
    /// What was assumed, and where it was measured.
    pub assumptions: Vec<String>,
}

impl Rows {
    /// Dollars for a million of them, as far as known.
    #[must_use]
    pub fn per_million(&self) -> Option<f64> {
        (self.load.rows > 0).then(|| self.bill.total / self.load.rows() * 1e6)
    }
}

/// The design that the pipeline comes from, for the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Original {
    /// A month in which nothing happens.
    pub idle: Bill,
    /// What the rows cost.
    pub bill: Bill,
    /// What one of them causes.
    pub per_row: PerRow,
    /// What was assumed.
    pub assumptions: Vec<String>,
}

/// The price of something that depends on use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    /// The service that asks for it.
    pub service: String,
    /// What is paid for.
    pub what: String,
    /// The price of it.
    pub price: String,
}

/// What a stack costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Name of the CloudFormation stack.
    pub stack: String,
    /// Region that the file names for it; prices are of another.
    pub stack_region: Option<String>,
    /// Region of the prices.
    pub region: String,
    /// When the table of prices was made.
    pub date: String,
    /// While nothing happens in it.
    pub idle: Idle,
    /// The rows, when the stack has the workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// The design that the pipeline comes from, beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// Prices of what depends on use, for what is in the stack.
    pub uses: Vec<Use>,
    /// Prices among those used that nobody has read again on a public page.
    pub unverified: Vec<String>,
}

impl Estimate {
    /// As JSON. `schemaVersion` is the caller's, as in all output.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Nothing in it can fail to become JSON.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(rows) = &self.rows
            && let Some(per_million) = rows.per_million()
        {
            value["rows"]["perMillion"] = nine_digits(per_million).into();
        }
        value
    }
}

/// Without the last digits of a sum of fractions, which say nothing.
fn nine_digits(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(nine_digits(*number))
}

/// What `stack` costs, of which `template` was made.
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

/// The types of a template's resources.
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

/// The prices that were used and that nobody has read again.
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
