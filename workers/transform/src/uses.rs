//! The facts that only expressions show, for checks before there is a row.

use contract::settings::Type;

use crate::column::Column;
use crate::expression::Kind;
use crate::field::{Computed, Field, Source};
use crate::transform::Transform;

/// The setting that has an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A field, by its path: `address.street`.
    Field(String),
    /// `where`.
    Where,
    /// `delete`.
    Delete,
}

impl Transform {
    /// Returns the columns that expressions read. A column is optional if the expression asks whether it is there.
    #[must_use]
    pub fn columns_of_expressions(&self) -> Vec<(Owner, Column)> {
        let mut found = Vec::new();
        for field in &self.0.all {
            in_field(field, &mut found);
        }
        if let Some(filter) = &self.0.filter {
            add(&Owner::Where, filter, &mut found);
        }
        if let Some(deletion) = &self.0.delete {
            add(&Owner::Delete, &deletion.when, &mut found);
        }
        found
    }

    /// Returns the attributes whose type is that of their expression, where no `type` is given, with this type.
    #[must_use]
    pub fn types_of_expressions(&self) -> Vec<(&str, Type)> {
        let computed = self.0.all.iter().filter_map(|field| match &field.source {
            Source::Expression(computed) => Some((field.name.as_str(), type_of(computed.expression.kind())?)),
            Source::Column(_) | Source::Template { .. } | Source::Map(_) => None,
        });
        computed.collect()
    }
}

fn in_field(field: &Field, found: &mut Vec<(Owner, Column)>) {
    match &field.source {
        Source::Expression(computed) => add(&Owner::Field(field.path.clone()), computed, found),
        Source::Map(fields) => fields.iter().for_each(|field| in_field(field, found)),
        Source::Column(_) | Source::Template { .. } => {}
    }
}

fn add(owner: &Owner, computed: &Computed, found: &mut Vec<(Owner, Column)>) {
    let columns = computed.expression.columns().iter();
    found.extend(
        columns
            .map(|column| (owner.clone(), Column { name: column.name.clone(), optional: column.optional })),
    );
}

/// Returns the type of the attribute that an expression of this type gives.
const fn type_of(kind: &Kind) -> Option<Type> {
    match kind {
        Kind::Boolean => Some(Type::Boolean),
        Kind::Integer => Some(Type::Integer),
        Kind::Double => Some(Type::Number),
        Kind::Text => Some(Type::String),
        Kind::Timestamp => Some(Type::Timestamp),
        Kind::List(_) => Some(Type::List),
        Kind::Duration | Kind::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use contract::settings::TransformSettings;
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_show_their_columns_and_types() {
        let settings: TransformSettings = serde_json::from_value(json!({
            "fields": [
                { "name": "id", "from": "ID" },
                { "name": "size", "expression": "size(Note)" },
                { "name": "late", "expression": "has(row.Due) && Due < Date", "type": "boolean" },
                { "name": "a", "map": [{ "name": "b", "expression": "double(Net) * 2.0" }] },
            ],
            "where": "Status != ''",
            "delete": "Op == 'D'",
        }))
        .expect("settings");
        let transform = Transform::new(&settings, None).expect("a transform");
        let columns: Vec<(Owner, String, bool)> = transform
            .columns_of_expressions()
            .into_iter()
            .map(|(owner, column)| (owner, column.name, column.optional))
            .collect();
        let field = |path: &str| Owner::Field(path.to_owned());
        let expected = [
            (field("size"), "Note", false),
            (field("late"), "Due", true),
            (field("late"), "Date", false),
            (field("a.b"), "Net", false),
            (Owner::Where, "Status", false),
            (Owner::Delete, "Op", false),
        ];
        assert_eq!(columns, expected.map(|(owner, name, optional)| (owner, name.to_owned(), optional)));
        assert_eq!(transform.types_of_expressions(), [("size", Type::Integer), ("late", Type::Boolean)]);
    }
}
