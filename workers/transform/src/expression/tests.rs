//! Tests of expressions as a whole: right ones, wrong ones, and any.

mod any;
mod differential;
mod right;
mod rows;
mod wrong;

use super::{Datum, EvaluationError, Expression, ExpressionError, Input, Kind, Scope};

/// A row by the names of its columns and fields.
#[derive(Default)]
struct Row {
    columns: Vec<(&'static str, String)>,
    fields: Vec<(&'static str, Datum<'static>)>,
}

/// A row as an expression of this scope sees it.
struct Seen<'r> {
    row: &'r Row,
    scope: &'r [(String, Option<Kind>)],
    expression: &'r Expression,
}

impl<'r> Seen<'r> {
    fn value(&self, slot: usize) -> Option<&'r Datum<'static>> {
        let field = self.expression.fields().get(slot).and_then(|position| self.scope.get(*position))?;
        self.row.fields.iter().find(|(name, _)| *name == field.0).map(|(_, value)| value)
    }
}

impl<'r> Input<'r> for Seen<'r> {
    fn column(&self, slot: usize) -> Option<&'r str> {
        let name = &self.expression.columns().get(slot)?.name;
        let mut columns = self.row.columns.iter();
        columns.find(|(column, _)| contract::columns::same(column, name)).map(|(_, value)| value.as_str())
    }

    fn field(&self, slot: usize) -> Option<Datum<'r>> {
        self.value(slot).map(|value| {
            let value: &'r Datum<'r> = value;
            value.borrowed()
        })
    }

    fn has_field(&self, slot: usize) -> bool {
        self.value(slot).is_some()
    }

    fn object_key(&self) -> &'r str {
        "in/orders.csv"
    }

    fn object_version(&self) -> &'r str {
        "v1"
    }

    fn record_index(&self) -> u64 {
        7
    }
}

/// Returns the fields of the tests.
fn fields() -> Vec<(String, Option<Kind>)> {
    [
        ("total", Some(Kind::Double)),
        ("count", Some(Kind::Integer)),
        ("paid", Some(Kind::Boolean)),
        ("tags", Some(Kind::Text.list())),
        ("scores", Some(Kind::Integer.list())),
        ("placed", Some(Kind::Timestamp)),
        ("span", Some(Kind::Duration)),
        ("day", Some(Kind::Text)),
        ("missing", Some(Kind::Text)),
        ("extra", None),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .to_vec()
}

/// Returns the columns of the tests.
fn columns() -> Vec<String> {
    ["Amount", "Comma", "Name", "Empty", "Order ID", "Größe", "Count", "in", "Date", "Flag", "a-b", "row"]
        .map(str::to_owned)
        .to_vec()
}

/// Returns the row of the tests.
fn row() -> Row {
    let values =
        ["12.50", "1,5", "Ada", "", "A-7", "XL", "3", "yes", "2026-03-29T03:30:00+02:00", "true", "x", "R"];
    let names = [
        "Amount", "Comma", "Name", "Empty", "Order ID", "Größe", "Count", "in", "Date", "Flag", "a-b", "row",
    ];
    Row {
        columns: names.into_iter().zip(values.map(str::to_owned)).collect(),
        fields: vec![
            ("total", Datum::Double(2.5)),
            ("count", Datum::Integer(4)),
            ("paid", Datum::Boolean(true)),
            ("tags", Datum::list(vec![Datum::text("a"), Datum::text("b")])),
            ("scores", Datum::list(vec![Datum::Integer(3), Datum::Integer(-1)])),
            (
                "placed",
                Datum::Timestamp(super::Timestamp::new(1_774_747_800, 500_000_000).expect("in range")),
            ),
            ("span", Datum::Duration(super::SignedDuration::from_secs(5400))),
            ("day", Datum::text("2026-03-29")),
            ("extra", Datum::Boolean(true)),
        ],
    }
}

fn compile(text: &str) -> Result<Expression, ExpressionError> {
    Expression::compile(text, &Scope { columns: Some(&columns()), fields: &fields() })
}

fn evaluate(text: &str) -> Result<Datum<'static>, EvaluationError> {
    let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let (row, scope) = (row(), fields());
    let seen = Seen { row: &row, scope: &scope, expression: &expression };
    expression.evaluate(&seen).map(Datum::into_owned)
}

/// Writes a value as a literal of CEL, or as CEL converts it.
fn shown(value: &Datum<'_>) -> String {
    match value {
        Datum::Boolean(value) => value.to_string(),
        Datum::Integer(value) => value.to_string(),
        Datum::Double(value) => format!("{value:?}"),
        Datum::Text(text) => format!("{text:?}"),
        Datum::Timestamp(value) => format!("timestamp {}", super::time::timestamp_text(*value)),
        Datum::Duration(value) => format!("duration {}", super::time::duration_text(*value)),
        Datum::List(elements) => {
            format!("[{}]", elements.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
    }
}
