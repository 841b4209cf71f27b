//! An estimate for people, as Markdown: in the terminal, and in `docs/cost.md`.

use std::fmt::Write as _;

use super::forecast::duration;
use super::{Bill, Charge, Estimate, Original, Rows, Unknown};
use crate::prices::{Item, grouped, prices};

/// Calls to KMS of a queue with a key in a data key reuse period, with one sender and one reader; and such periods of
/// an hour: Amazon SQS Developer Guide, "Estimating AWS KMS costs". CloudFormation's default is five minutes.
const QUEUE_KEY_CALLS: f64 = 3.0;
const QUEUE_KEY_PERIODS: f64 = 12.0;

/// The design of the comparison, explained once at its beginning.
const ORIGINAL: &str = "*The original* is the pattern that this pipeline reimplements, \
    *The EventBridge ETL* of [cdkpatterns.com](https://cdkpatterns.com), as its code deploys it: in a network with a NAT gateway, \
    and without queues between the functions.";

/// Returns the estimate of a stack; with `compare`, beside the cost of the original pattern.
#[must_use]
pub fn render(estimate: &Estimate, compare: bool) -> String {
    let mut out = format!("# Cost of {}\n\n", estimate.stack);
    out.push_str(&basis(estimate));
    out.push_str(&body(estimate, compare));
    out
}

/// Returns the page of the documentation: the cost of the repository's own stack, and all prices.
#[must_use]
pub fn page(estimate: &Estimate) -> String {
    let mut out = String::from(
        "# Cost\n\n\
         `deployer cost` estimates the cost of a stack from its file, without calling AWS: of an idle month and, if the stack has\n\
         the deployer's workers, of the rows of a file (`--rows`, `--bytes-per-row`; `--skipped` and `--skipped-runs` for rows that\n\
         `where` leaves out). It lists the prices that are not known, which no sum includes, and below the sums the assumptions.\n\
         `deployer diff` uses the same prices.\n\n\
         This page shows its estimate for this repository's `stack.yaml`, with `--compare`. ",
    );
    out.push_str(&basis(estimate));
    out.push_str(&body(estimate, true));
    out.push_str(&table_of_prices());
    out
}

/// Returns the highest cost of a key that encrypts a queue: the file doesn't say for how long messages go through it.
fn key_calls() -> String {
    let Some(price) = prices().get(Item::KeyRequest) else { return String::new() };
    let calls = QUEUE_KEY_CALLS * QUEUE_KEY_PERIODS * prices().hours_of_month;
    format!(
        " For each queue that it encrypts, SQS calls KMS about {QUEUE_KEY_CALLS} times in five minutes in which it has messages: \
         twice for a sender, once for a reader. Without a pause, that is {} calls a month, {}.",
        grouped(calls),
        money(price.each() * calls)
    )
}

/// Describes the prices.
fn basis(estimate: &Estimate) -> String {
    let Estimate { region, date, .. } = estimate;
    let other = match &estimate.stack_region {
        Some(other) if other != region => {
            format!(" The stack is deployed to {other}, where they may differ.")
        }
        _ => String::new(),
    };
    format!("Prices are AWS's list prices of {region} as of {date}, without free tier.{other}\n\n")
}

fn body(estimate: &Estimate, compare: bool) -> String {
    let original = estimate.original.as_ref().filter(|_| compare);
    let mut out = String::new();
    if original.is_some() {
        let _ = writeln!(out, "{ORIGINAL}\n");
    }
    out.push_str("## While idle\n\n");
    out.push_str(&idle(estimate, original));
    match &estimate.rows {
        Some(rows) => {
            out.push_str(&of_rows(rows, original));
        }
        None => out.push_str(&uses(estimate)),
    }
    if !estimate.unverified.is_empty() {
        out.push_str("\n## Prices that were not verified\n\n");
        out.push_str(&list(&estimate.unverified));
    }
    out
}

fn idle(estimate: &Estimate, original: Option<&Original>) -> String {
    let mut out = String::new();
    if estimate.idle.resources.is_empty() {
        out.push_str("No resource with a known price costs money while idle.\n");
    } else {
        out.push_str("| service | resource | | a month |\n|---|---|---|---:|\n");
        for one in &estimate.idle.resources {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                one.service,
                cell(&one.resource),
                cell(&one.what),
                money(one.dollars)
            );
        }
        let _ = writeln!(out, "| | | **together** | {} |", money(estimate.idle.total));
    }
    if estimate.idle.resources.iter().any(|one| one.what == "queue that Lambda polls") {
        let _ = writeln!(
            out,
            "\nLambda polls a queue that starts a function about {} times a minute, even while it is empty, and SQS charges \
             each poll. AWS does not document the rate; others have measured it. The first million requests of an account each \
             month are free.",
            prices().idle_polls.per_minute
        );
    }
    if estimate.idle.resources.iter().any(|one| one.what == "key") {
        out.push_str("\nEach of the first rotations of a key adds its price once more.");
        out.push_str(&key_calls());
        out.push('\n');
    }
    if !estimate.idle.unknown.is_empty() {
        let _ = writeln!(out, "\nNot known, and not included in the sum: {}.", names(&estimate.idle.unknown));
    }
    if let Some(original) = original {
        let parts: Vec<String> = original
            .idle
            .charges
            .iter()
            .map(|charge| format!("{} {}", money(charge.dollars), charge.what))
            .collect();
        let _ =
            writeln!(out, "\nThe original: {} a month ({}).", money(original.idle.total), parts.join(", "));
    }
    out
}

fn of_rows(rows: &Rows, original: Option<&Original>) -> String {
    let mut out = format!(
        "\n## {} rows of {} bytes\n\n| service | | quantity | price | dollars |{}\n|---|---|---:|---|---:|{}\n",
        grouped(rows.load.rows()),
        grouped(rows.load.bytes()),
        column(original, " the original "),
        column(original, "---:")
    );
    let theirs = |original: &Original, charge: &Charge| {
        let is_of_service = |unknown: &Unknown| {
            let price = unknown.item.and_then(|item| prices().get(item));
            price.is_some_and(|price| price.service == charge.service)
        };
        match original.bill.charge(charge.item) {
            Some(found) => money(found.dollars),
            None if original.bill.unknown.iter().any(is_of_service) => "?".to_owned(),
            None => "–".to_owned(),
        }
    };
    let ours = rows.bill.charges.iter();
    let only_theirs = original.into_iter().flat_map(|original| &original.bill.charges);
    let mut lines: Vec<(&Charge, bool)> = ours.map(|charge| (charge, true)).collect();
    lines.extend(
        only_theirs.filter(|charge| rows.bill.charge(charge.item).is_none()).map(|charge| (charge, false)),
    );
    // By service, each service where it comes up first.
    let first = |service: &str| lines.iter().position(|(charge, _)| charge.service == service);
    let mut sorted = lines.clone();
    sorted.sort_by_key(|(charge, _)| first(&charge.service));
    for (charge, is_ours) in sorted {
        let (quantity, dollars) = if is_ours {
            (amount(charge.quantity), money(charge.dollars))
        } else {
            (String::new(), "–".to_owned())
        };
        let _ = writeln!(
            out,
            "| {} | {} | {quantity} | {} | {dollars} |{}",
            charge.service,
            charge.what,
            charge.price,
            original.map(|original| format!(" {} |", theirs(original, charge))).unwrap_or_default()
        );
    }
    let _ = writeln!(
        out,
        "| | **together** | | | {} |{}",
        total(&rows.bill),
        original.map(|original| format!(" {} |", total(&original.bill))).unwrap_or_default()
    );
    if let Some(per_million) = rows.per_million.filter(|_| rows.load.rows != 1_000_000) {
        let _ = writeln!(out, "\nThat is {} for a million rows.", money(per_million));
    }
    if let Some(time) = &rows.time {
        let _ = writeln!(
            out,
            "\nThey take about {}; the limit is {}. `deployer forecast` names the change that helps most.",
            duration(time.seconds),
            time.limit
        );
    }
    if let Some(end) = &rows.end {
        let _ = writeln!(
            out,
            "\nThe end of a file (`object-completed`, `report`, metrics) costs {} for each file and {} for a million rows of these.",
            money(end.per_file),
            money(end.per_million_rows)
        );
    }
    out.push_str(&per_row(rows, original));
    out.push_str(&groupings(rows));
    out.push_str("\n### Data that the rows leave\n\nFor each month that it is kept:\n\n| service | | GB | price | a month \
                  |\n|---|---|---:|---|---:|\n");
    for charge in &rows.kept.charges {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            charge.service,
            charge.what,
            amount(charge.quantity),
            charge.price,
            money(charge.dollars)
        );
    }
    let _ = writeln!(out, "| | **together** | | | {} |", total(&rows.kept));
    out.push_str("\n### Not known, and not included in any sum\n\n");
    let ours = rows.bill.unknown.iter().chain(&rows.kept.unknown).map(unknown);
    let theirs = original.into_iter().flat_map(|original| &original.bill.unknown);
    let all: Vec<String> = ours.chain(theirs.map(|one| format!("The original: {}", unknown(one)))).collect();
    out.push_str(&list(&all));
    out.push_str("\n### Assumed\n\n");
    let theirs = original.into_iter().flat_map(|original| &original.assumptions);
    let all: Vec<String> =
        rows.assumptions.iter().cloned().chain(theirs.map(|one| format!("The original: {one}"))).collect();
    out.push_str(&list(&all));
    out
}

/// Returns a cell of a table that is there for the comparison alone.
fn column(original: Option<&Original>, cell: &str) -> String {
    original.map(|_| format!("{cell}|")).unwrap_or_default()
}

/// Returns the sum of a bill; a lower bound where not all prices are known.
fn total(bill: &Bill) -> String {
    let least = if bill.unknown.is_empty() { "" } else { "at least " };
    format!("{least}{}", money(bill.total))
}

/// Describes the savings of `rowsPerEvent`.
fn groupings(rows: &Rows) -> String {
    let mut out = String::from(
        "\n### More rows in an event\n\n\
         `settings: { rowsPerEvent: … }` of the extraction puts several rows into an event. They are retried together, and an \
         event \
         stays below the 64 KiB that are charged as one.\n\n\
         | `rowsPerEvent` | events of a row | dollars | saved |\n|---:|---:|---:|---:|\n",
    );
    let single = rows.groupings.iter().find(|grouping| grouping.rows_per_event == 1);
    for grouping in &rows.groupings {
        let saved = single
            .filter(|single| single.total > 0.0)
            .map_or(0.0, |single| (1.0 - grouping.total / single.total) * 100.0);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {saved:.0} % |",
            grouping.rows_per_event,
            amount(grouping.events),
            money(grouping.total)
        );
    }
    out
}

fn per_row(rows: &Rows, original: Option<&Original>) -> String {
    let mut out = format!(
        "\n### Calls and data of a row\n\n| | |{}\n|---|---:|{}\n",
        column(original, " the original "),
        column(original, "---:")
    );
    let theirs = original.map(|original| original.per_row);
    let ours = rows.per_row;
    for (what, ours, theirs) in [
        ("events on the bus", ours.events, theirs.map(|theirs| theirs.events)),
        ("calls of PutEvents", ours.calls, theirs.map(|theirs| theirs.calls)),
        ("messages in queues", ours.messages, theirs.map(|theirs| theirs.messages)),
        ("invocations of functions", ours.invocations, theirs.map(|theirs| theirs.invocations)),
        ("bytes in logs", ours.log_bytes, theirs.map(|theirs| theirs.log_bytes)),
    ] {
        let theirs = theirs.map(|theirs| format!(" {} |", amount(theirs))).unwrap_or_default();
        let _ = writeln!(out, "| {what} | {} |{theirs}", amount(ours));
    }
    out
}

/// Describes the costs that depend on use, where the quantity is not known.
fn uses(estimate: &Estimate) -> String {
    if estimate.uses.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n## In use\n\nThe deployer's workers are not in this stack, so its usage is not known. The prices are:\n\n\
         | service | | price |\n|---|---|---|\n",
    );
    for one in &estimate.uses {
        let _ = writeln!(out, "| {} | {} | {} |", one.service, one.what, one.price);
    }
    out
}

fn table_of_prices() -> String {
    let mut out = format!(
        "\n## Prices\n\nOf {}, `deployer/plan/src/prices.json`. Each price was last read on the date given, on a public page \
         that the file names: on many of AWS's own pages, scripts fill in the numbers.\n\n\
         | service | | price | AWS's page | verified |\n|---|---|---|---|---|\n",
        prices().region
    );
    let mut all: Vec<_> = prices().all().map(|(_, price)| price).collect();
    all.sort_by(|a, b| (&a.service, &a.what).cmp(&(&b.service, &b.what)));
    for price in all {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            price.service,
            price.what,
            price.shown(),
            cell(&price.source),
            price.verified().unwrap_or("**not verified**")
        );
    }
    out
}

/// Formats dollars: cents, or two significant digits where that would be nothing.
#[must_use]
pub fn money(dollars: f64) -> String {
    if dollars <= 0.0 {
        return "$0.00".to_owned();
    }
    if dollars < 0.005 {
        let digits = (1.0 - dollars.log10().floor()).clamp(2.0, 12.0);
        return format!("${dollars:.*}", digits as usize);
    }
    let cents = (dollars * 100.0).round();
    format!("${}.{:02}", grouped((cents / 100.0).floor()), cents % 100.0)
}

/// Formats a quantity: whole from a thousand on, else with its significant digits.
fn amount(quantity: f64) -> String {
    if quantity >= 1_000.0 || quantity.fract() == 0.0 {
        return grouped(quantity);
    }
    let digits = if quantity >= 1.0 { 2 } else { 4 };
    let text = format!("{quantity:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn unknown(unknown: &Unknown) -> String {
    match &unknown.price {
        Some(price) => format!("{} ({price})", unknown.what),
        None => unknown.what.clone(),
    }
}

fn list(entries: &[String]) -> String {
    entries.iter().fold(String::new(), |mut out, entry| {
        let _ = writeln!(out, "- {entry}");
        out
    })
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| cell(name)).collect::<Vec<_>>().join(", ")
}

/// Escapes a text so that it ends no cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_says_something_and_never_too_much() {
        for (dollars, shown) in [
            (0.0, "$0.00"),
            (-0.0, "$0.00"),
            (7.155, "$7.16"),
            (1_234_567.891, "$1,234,567.89"),
            (999.999, "$1,000.00"),
            (0.005, "$0.01"),
            (0.004_86, "$0.0049"),
            (0.000_005_4, "$0.0000054"),
            (1e-20, "$0.000000000000"),
        ] {
            assert_eq!(money(dollars), shown);
        }
    }

    #[test]
    fn quantities_are_short() {
        assert_eq!(
            [3_000_000.0, 999.5, 0.3, 1.974, 0.104_2, 3.0, 0.0].map(amount),
            ["3,000,000", "999.5", "0.3", "1.97", "0.1042", "3", "0"]
        );
    }
}
