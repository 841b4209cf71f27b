//! One field, ready for rows.

use contract::Reason;
use contract::columns;

use crate::column::Column;
use crate::conversion::Conversion;
use crate::expression::{Expression, Kind};
use crate::failure::{Failure, Flaw};
use crate::template::Template;

/// All fields of the settings, ready for rows.
#[derive(Debug)]
pub(crate) struct Fields {
    /// The columns that the fields need, each once.
    pub(crate) columns: Vec<Column>,
    pub(crate) all: Vec<Field>,
    /// Positions of the fields, so that each comes after those that its expression reads.
    pub(crate) order: Vec<usize>,
    pub(crate) filter: Option<Computed>,
    pub(crate) delete: Option<Deletion>,
    /// No expression reads a field.
    pub(crate) plain: bool,
}

impl Fields {
    /// Returns whether no field and no row depends on the value of another field.
    pub(crate) const fn is_plain(&self) -> bool {
        self.filter.is_none() && self.delete.is_none() && self.plain
    }
}

/// The rows that delete items.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub(crate) when: Computed,
    /// Positions of the fields that are keys of tables.
    pub(crate) key: Vec<usize>,
}

/// One field, ready for rows.
#[derive(Debug)]
pub(crate) struct Field {
    /// Name of the attribute.
    pub(crate) name: String,
    /// Name in messages: with the fields around it.
    pub(crate) path: String,
    pub(crate) source: Source,
    pub(crate) conversion: Conversion,
    pub(crate) sensitive: bool,
    /// The type of its value in expressions; `None` if they can't read it.
    pub(crate) kind: Option<Kind>,
    /// The column that it comes from, if it comes from one.
    pub(crate) column: Option<String>,
}

/// The source of a field's value. Columns are positions in [`Fields::columns`].
#[derive(Debug)]
pub(crate) enum Source {
    Column(usize),
    Template { template: Template, columns: Vec<usize> },
    Expression(Computed),
    Map(Vec<Field>),
}

/// An expression, with what it reads.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) expression: Expression,
    /// Columns, by slot.
    pub(crate) columns: Vec<usize>,
    /// Fields, by slot.
    pub(crate) fields: Vec<usize>,
}

impl Field {
    /// Returns the failure of a row by this field.
    pub(crate) fn failure(&self, flaw: Flaw) -> Failure {
        let Flaw { reason, rule } = flaw;
        let message = match (&self.column, reason) {
            (_, Reason::InvalidExpression) => {
                format!("the expression of the field `{}` has no value: {rule}", self.path)
            }
            (Some(column), Reason::NotEncrypted) => format!("the sensitive column `{column}` {rule}"),
            (Some(column), _) => format!("the column `{column}` {rule}"),
            (None, _) => format!("the field `{}` {rule}", self.path),
        };
        Failure { reason, field: Some(self.path.clone()), column: self.column.clone(), message }
    }

    /// Returns the fields that the expressions of this field read.
    pub(crate) fn reads(&self) -> Vec<usize> {
        match &self.source {
            Source::Expression(computed) => computed.fields.clone(),
            Source::Map(fields) => fields.iter().flat_map(Self::reads).collect(),
            Source::Column(_) | Source::Template { .. } => Vec::new(),
        }
    }

    /// Returns the name of a column, as messages have it.
    pub(crate) fn column_name(from: &str) -> String {
        columns::trim(from).to_owned()
    }
}
