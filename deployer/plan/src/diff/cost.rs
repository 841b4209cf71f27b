//! The change of the cost of a stack while nothing happens in it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cost::idle::{self, IdlePrice, cents};
use crate::prices::prices;
use crate::resolve::Resources;

/// A resource whose cost changes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostItem {
    /// Logical ID.
    pub resource: String,
    /// The item that is charged.
    pub what: String,
    /// Dollars a month of what is deployed; missing where it is not deployed, or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Dollars a month of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
}

/// The cost of the idle stack, in dollars a month.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "idleCost")]
pub struct Cost {
    /// Dollars a month of what is deployed, as far as known.
    pub before: f64,
    /// Dollars a month of the file, as far as known.
    pub after: f64,
    /// The difference, as far as known.
    pub delta: f64,
    /// The resources whose cost changes.
    pub items: Vec<CostItem>,
    /// Logical IDs of resources that change and whose price is not known.
    pub unknown: Vec<String>,
    /// Region of the prices.
    pub region: String,
    /// Date of the prices.
    pub date: String,
}

impl Cost {
    /// Compares the costs. `changed` are the IDs of the resources that are not kept.
    pub(super) fn of(before: &Resources<'_>, after: &Resources<'_>, changed: &BTreeSet<&str>) -> Self {
        let prices = prices();
        let mut items = Vec::new();
        let mut unknown = Vec::new();
        let (mut old, mut new) = (0.0, 0.0);
        for id in super::names(after.keys().copied(), before.keys().copied()) {
            let price = |side: &Resources<'_>| side.get(id).map(|resource| idle::of(resource, side));
            let (a, b) = (price(before), price(after));
            let amount = |price: &Option<IdlePrice>| match price {
                Some(IdlePrice::Known(idle)) => Some(idle.dollars),
                Some(IdlePrice::Unknown) | None => None,
            };
            old += amount(&a).unwrap_or_default();
            new += amount(&b).unwrap_or_default();
            if changed.contains(id) && [&a, &b].iter().any(|price| matches!(price, Some(IdlePrice::Unknown)))
            {
                unknown.push(id.to_owned());
                continue;
            }
            if amount(&a).unwrap_or_default() != amount(&b).unwrap_or_default() {
                let what = match (&b, &a) {
                    (Some(IdlePrice::Known(idle)), _) if idle.dollars > 0.0 => idle.what.clone(),
                    (_, Some(IdlePrice::Known(idle))) | (Some(IdlePrice::Known(idle)), _) => {
                        idle.what.clone()
                    }
                    _ => continue,
                };
                let dollars = |price| amount(price).map(cents);
                items.push(CostItem {
                    resource: id.to_owned(),
                    what,
                    before: dollars(&a),
                    after: dollars(&b),
                });
            }
        }
        Self {
            before: cents(old),
            after: cents(new),
            delta: cents(new - old),
            items,
            unknown,
            region: prices.region.clone(),
            date: prices.date.clone(),
        }
    }

    /// Returns whether there is nothing to report.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.items.is_empty() && self.unknown.is_empty()
    }
}
