//! The columns of one file, and the items of its rows.

use std::borrow::Cow;

use contract::Reason;
use contract::columns;
use contract::row::Cell;

use crate::column::Column;
use crate::context::Context;
use crate::conversion::{Converted, Input as Text};
use crate::expression::{Datum, Elements, Input, Kind, Timestamp};
use crate::failure::{Failure, Flaw};
use crate::field::{Computed, Field, Fields, Source};
use crate::item::Item;
use crate::value::Value;

/// The form in which sensitive values arrive.
#[derive(Debug, Clone, Copy)]
pub enum Sensitive {
    /// Encrypted, as the function tells: they stay as they are, and one that is not encrypted fails its row.
    Sealed(fn(&str) -> bool),
    /// As in the file: they are converted as others are.
    Clear,
}

/// The end of a row that is not a failure.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'r> {
    /// It became an item.
    Item(Item<'r>),
    /// It deletes the item of its key: an item with the attributes of the key alone.
    Deletion(Item<'r>),
    /// `where` leaves it out.
    Skipped,
}

/// The fields of the settings, each with its columns in a file.
#[derive(Debug)]
pub struct Mapping<'t> {
    fields: &'t Fields,
    /// Positions of the fields' columns; `None` for an optional one that is not there.
    positions: Vec<Option<usize>>,
    /// Columns of the file.
    width: usize,
    sensitive: Sensitive,
}

impl<'t> Mapping<'t> {
    pub(crate) fn new(fields: &'t Fields, headers: &[String], sensitive: Sensitive) -> Result<Self, Failure> {
        let failed = |reason, message| Failure { reason, field: None, column: None, message };
        let expected = fields.columns.iter().filter(|column| !column.optional);
        if let Some(missing) = columns::missing(headers, expected.map(|column| column.name.as_str())) {
            return Err(failed(Reason::MissingColumn, missing.to_string()));
        }
        let find = |column: &Column| columns::find(headers, &column.name);
        let positions: Result<_, columns::AmbiguousColumn> = fields.columns.iter().map(find).collect();
        let positions =
            positions.map_err(|ambiguous| failed(Reason::DuplicateHeader, ambiguous.to_string()))?;
        Ok(Self { fields, positions, width: headers.len(), sensitive })
    }

    /// Returns the item of a row, or that it is left out.
    ///
    /// # Errors
    /// [`Failure`] when the row can't become an item.
    pub fn row<'r>(
        &'r self,
        cells: &'r [Cell<'r>],
        context: &'r Context<'r>,
    ) -> Result<Outcome<'r>, Failure> {
        if cells.len() != self.width {
            let message = format!("the row has {} fields, but the header has {}", cells.len(), self.width);
            return Err(Failure { reason: Reason::RowLength, field: None, column: None, message });
        }
        let fields = self.fields;
        let mut row = Row { mapping: self, cells, context, values: Vec::new() };
        if fields.is_plain() {
            // No expression reads a value, so none is kept.
            let mut item = Item::with_capacity(fields.all.len());
            for field in &fields.all {
                if let Some(converted) = row.value(field)? {
                    item.add(field, converted);
                }
            }
            return Ok(Outcome::Item(item));
        }
        row.values = vec![None; fields.all.len()];
        if let Some(filter) = &fields.filter
            && !row.holds("where", filter)?
        {
            return Ok(Outcome::Skipped);
        }
        if let Some(deletion) = &fields.delete
            && row.holds("delete", &deletion.when)?
        {
            // The other fields may be without a value that makes sense.
            row.prepare(&deletion.key)?;
            return Ok(Outcome::Deletion(row.item(&deletion.key)));
        }
        for &index in &fields.order {
            row.compute(index)?;
        }
        let mut item = Item::with_capacity(fields.all.len());
        for (field, value) in fields.all.iter().zip(row.values) {
            if let Some(converted) = value.flatten() {
                item.add(field, converted);
            }
        }
        Ok(Outcome::Item(item))
    }
}

/// A row that is being mapped.
struct Row<'r> {
    mapping: &'r Mapping<'r>,
    cells: &'r [Cell<'r>],
    context: &'r Context<'r>,
    /// The values of the fields: `None` before they are computed, and without a value if the item lacks them.
    values: Vec<Option<Option<Converted<'r>>>>,
}

impl<'r> Row<'r> {
    /// Returns whether a condition on the row is true.
    fn holds(&mut self, property: &str, condition: &'r Computed) -> Result<bool, Failure> {
        self.prepare(&condition.fields)?;
        match self.evaluate(condition) {
            Ok(value) => Ok(value == Datum::Boolean(true)),
            Err(rule) => {
                let message = format!("`{property}` has no value: {rule}");
                Err(Failure::of_row(Reason::InvalidExpression, message))
            }
        }
    }

    /// Returns the item of some fields that are computed.
    fn item(self, fields: &[usize]) -> Item<'r> {
        let mut item = Item::with_capacity(fields.len());
        let all = self.mapping.fields.all.iter().zip(self.values).enumerate();
        for (_, (field, value)) in all.filter(|(position, _)| fields.contains(position)) {
            if let Some(converted) = value.flatten() {
                item.add(field, converted);
            }
        }
        item
    }

    /// Computes the fields that an expression reads.
    fn prepare(&mut self, fields: &[usize]) -> Result<(), Failure> {
        for &index in fields {
            self.compute(index)?;
        }
        Ok(())
    }

    /// Computes a field and those that it reads, unless it is computed already.
    fn compute(&mut self, index: usize) -> Result<(), Failure> {
        let (Some(field), Some(None)) = (self.mapping.fields.all.get(index), self.values.get(index)) else {
            return Ok(());
        };
        match &field.source {
            Source::Expression(computed) => self.prepare(&computed.fields)?,
            Source::Map(_) => self.prepare(&field.reads())?,
            Source::Column(_) | Source::Template { .. } => {}
        }
        let value = self.value(field)?;
        if let Some(slot) = self.values.get_mut(index) {
            *slot = Some(value);
        }
        Ok(())
    }

    /// Returns the cell of a column; `None` if the file does not have it.
    fn cell(&self, column: usize) -> Option<Cell<'r>> {
        let position = self.mapping.positions.get(column).copied().flatten()?;
        self.cells.get(position).copied()
    }

    fn value(&self, field: &'r Field) -> Result<Option<Converted<'r>>, Failure> {
        let converted = match &field.source {
            Source::Column(column) => match self.cell(*column) {
                None => field.conversion.absent(),
                Some(cell) if field.sensitive => match self.mapping.sensitive {
                    Sensitive::Sealed(is_sealed) => sealed(field, cell, is_sealed),
                    Sensitive::Clear => field.conversion.convert(cell.into()),
                },
                Some(Cell { text, .. }) if field.conversion.is_plain() && !text.is_empty() => {
                    return Ok(Some(Value::text(text).into()));
                }
                Some(cell) => field.conversion.convert(cell.into()),
            },
            Source::Template { template, columns } => {
                let cells: Option<Vec<Cell<'r>>> = columns.iter().map(|column| self.cell(*column)).collect();
                match cells {
                    None => field.conversion.absent(),
                    Some(cells) => {
                        let cell = |slot: usize| cells.get(slot).copied().unwrap_or_default();
                        let (text, lacks_part) = template.render(self.context, cell);
                        field.conversion.convert(Text { text, quoted: false, lacks_part })
                    }
                }
            }
            Source::Expression(computed) => {
                if computed.columns.iter().any(|column| self.cell(*column).is_none()) {
                    field.conversion.absent()
                } else {
                    self.evaluate(computed)
                        .map_err(|rule| Flaw::new(Reason::InvalidExpression, rule))
                        .and_then(|value| field.conversion.computed(value))
                }
            }
            Source::Map(fields) => return self.map(fields),
        };
        converted.map_err(|flaw| field.failure(flaw))
    }

    fn evaluate(&self, computed: &'r Computed) -> Result<Datum<'r>, String> {
        let input = Read { row: self, computed };
        computed.expression.evaluate(&input).map_err(|error| error.to_string())
    }

    /// Returns the map of nested fields; nothing if none of them has a value.
    fn map(&self, fields: &'r [Field]) -> Result<Option<Converted<'r>>, Failure> {
        let (mut entries, mut all) = (Vec::with_capacity(fields.len()), 0);
        for field in fields {
            if let Some(Converted { value, leap_seconds, .. }) = self.value(field)? {
                entries.push((Cow::Borrowed(field.name.as_str()), value));
                all += leap_seconds;
            }
        }
        let map = |entries| Converted { leap_seconds: all, ..Value::Map(entries).into() };
        Ok((!entries.is_empty()).then(|| map(entries)))
    }
}

/// A row, as one expression reads it.
struct Read<'a, 'r> {
    row: &'a Row<'r>,
    computed: &'r Computed,
}

impl<'r> Read<'_, 'r> {
    fn converted(&self, slot: usize) -> Option<(&Field, &Converted<'r>)> {
        let index = *self.computed.fields.get(slot)?;
        let value = self.row.values.get(index)?.as_ref()?.as_ref()?;
        Some((self.row.mapping.fields.all.get(index)?, value))
    }
}

impl<'r> Input<'r> for Read<'_, 'r> {
    fn column(&self, slot: usize) -> Option<&'r str> {
        self.row.cell(*self.computed.columns.get(slot)?).map(|cell| cell.text)
    }

    fn field(&self, slot: usize) -> Option<Datum<'r>> {
        let (field, converted) = self.converted(slot)?;
        match (&converted.value, converted.instant, field.kind.as_ref()?) {
            (_, Some(instant), Kind::Timestamp) => {
                Timestamp::new(instant.seconds(), instant.nanosecond()).map(Datum::Timestamp)
            }
            (value, _, kind) => datum(value, kind),
        }
    }

    fn has_field(&self, slot: usize) -> bool {
        self.converted(slot).is_some_and(|(_, converted)| converted.value != Value::Null)
    }

    fn object_key(&self) -> &'r str {
        self.row.context.key
    }

    fn object_version(&self) -> &'r str {
        self.row.context.version.unwrap_or_default()
    }

    fn record_index(&self) -> u64 {
        self.row.context.index
    }
}

/// Returns a value as expressions know it; `None` if it has none of their types.
fn datum<'r>(value: &Value<'r>, kind: &Kind) -> Option<Datum<'r>> {
    let list = |kind: &Kind| match kind {
        Kind::List(element) => Some((**element).clone()),
        _ => None,
    };
    Some(match value {
        Value::Boolean(value) => Datum::Boolean(*value),
        Value::Number(number) if *kind == Kind::Integer => Datum::Integer(number.to_i64()?),
        Value::Number(number) => Datum::Double(number.to_f64()),
        Value::Text(text) => Datum::Text(text.clone()),
        Value::TextSet(texts) => {
            Datum::List(Elements::Owned(texts.iter().map(|text| Datum::Text(text.clone())).collect()))
        }
        Value::NumberSet(numbers) => {
            let element = list(kind)?;
            let all = numbers.iter().map(|number| datum(&Value::Number(*number), &element));
            Datum::List(Elements::Owned(all.collect::<Option<_>>()?))
        }
        Value::List(values) => {
            let element = list(kind)?;
            let all = values.iter().map(|value| datum(value, &element));
            Datum::List(Elements::Owned(all.collect::<Option<_>>()?))
        }
        Value::Null | Value::Binary(_) | Value::BinarySet(_) | Value::Map(_) => return None,
    })
}

/// Takes a sensitive value as it is.
fn sealed<'r>(
    field: &'r Field,
    cell: Cell<'r>,
    is_sealed: fn(&str) -> bool,
) -> Result<Option<Converted<'r>>, Flaw> {
    match cell.text {
        "" => field.conversion.convert(cell.into()),
        // The task that read the row did not know yet, or is another stack's: a value in clear goes no further.
        text if !is_sealed(text) => Err(Flaw::new(Reason::NotEncrypted, "is not encrypted")),
        text => Ok(Some(Value::text(text).into())),
    }
}

#[cfg(test)]
mod tests;
