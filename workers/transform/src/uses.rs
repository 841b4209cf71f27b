//! The facts that only expressions show, for checks before there is a row.

use contract::settings::Type;

use crate::column::Column;
use crate::expression::Kind;
use crate::field::{Computed, Field, Source};
use crate::transform::Transform;

impl Transform {
    /// Returns the columns that expressions read, each with the path of its field, such as `address.street`, which is
    /// empty for `where`. A column is optional if the expression asks whether it is there.
    #[must_use]
    pub fn columns_of_expressions(&self) -> Vec<(&str, Column)> {
        let mut found = Vec::new();
        for field in &self.0.all {
            in_field(field, &mut found);
        }
        if let Some(filter) = &self.0.filter {
            add("", filter, &mut found);
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

fn in_field<'t>(field: &'t Field, found: &mut Vec<(&'t str, Column)>) {
    match &field.source {
        Source::Expression(computed) => add(&field.path, computed, found),
        Source::Map(fields) => fields.iter().for_each(|field| in_field(field, found)),
        Source::Column(_) | Source::Template { .. } => {}
    }
}

fn add<'t>(path: &'t str, computed: &'t Computed, found: &mut Vec<(&'t str, Column)>) {
    let columns = computed.expression.columns().iter();
    found.extend(
        columns.map(|column| (path, Column { name: column.name.clone(), optional: column.optional })),
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
        }))
        .expect("settings");
        let transform = Transform::new(&settings, None).expect("a transform");
        let columns: Vec<(&str, String, bool)> = transform
            .columns_of_expressions()
            .into_iter()
            .map(|(path, column)| (path, column.name, column.optional))
            .collect();
        let expected = [
            ("size", "Note", false),
            ("late", "Due", true),
            ("late", "Date", false),
            ("a.b", "Net", false),
            ("", "Status", false),
        ];
        assert_eq!(columns, expected.map(|(path, name, optional)| (path, name.to_owned(), optional)));
        assert_eq!(transform.types_of_expressions(), [("size", Type::Integer), ("late", Type::Boolean)]);
    }
}
