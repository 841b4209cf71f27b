//! The columns that the fields of a stack use: by name, in templates and in expressions.

use contract::columns;
use contract::settings::FieldSettings;
use deployer_syntax::diagnostic::Span;
use deployer_syntax::reference::{Piece, pieces};
use transform::Owner;

use crate::model::function::{FieldPlace, Function, Settings};
use crate::model::worker::Worker;
use crate::model::{Resource, Stack};

/// The part of a field that names a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `from`.
    From,
    /// A template.
    Template,
    /// An expression.
    Expression,
    /// `where`, which belongs to no field.
    Where,
    /// `delete`, which belongs to no field, either.
    Delete,
}

/// A use of a column by a `transform` worker.
#[derive(Debug, Clone)]
pub struct Use<'s> {
    /// The function, as a resource.
    pub of: &'s Resource,
    /// The function.
    pub function: &'s Function,
    /// The name of the field, with those of the fields around it: `address.street`. Empty for `where` and `delete`.
    pub field: String,
    /// The part of the field.
    pub source: Source,
    /// `true` if the field is an attribute of the item, rather than a part of a map.
    pub outermost: bool,
    /// Name of the column, without blanks and invisible characters around it.
    pub column: String,
    /// `true` if a file may lack the column.
    pub optional: bool,
    /// Its place in the file.
    pub span: Span,
}

impl Use<'_> {
    /// Returns the user of the column, for messages: the field `id`, `where`, or `delete`.
    #[must_use]
    pub fn user(&self) -> String {
        match self.source {
            Source::Where => "`where`".to_owned(),
            Source::Delete => "`delete`".to_owned(),
            _ => format!("the field `{}`", self.field),
        }
    }
}

/// Returns the uses of columns by all `transform` workers, in the order of the file.
pub fn uses(stack: &Stack) -> impl Iterator<Item = Use<'_>> {
    stack
        .functions()
        .filter(|(_, function)| function.worker() == Some(Worker::Transform))
        .filter_map(|(of, function)| Some((of, function, function.settings.as_ref()?)))
        .flat_map(|(of, function, settings)| of_settings(of, function, settings))
}

fn of_settings<'s>(of: &'s Resource, function: &'s Function, settings: &Settings) -> Vec<Use<'s>> {
    let mut found = Vec::new();
    let all = &settings.transform.fields;
    let mut add = |source, path: &str, field: Option<&FieldSettings>, column: &str, optional, span| {
        found.push(Use {
            of,
            function,
            field: path.to_owned(),
            source,
            outermost: field.is_some_and(|field| all.iter().any(|one| std::ptr::eq(one, field))),
            column: columns::trim(column).to_owned(),
            optional: optional || field.is_some_and(|field| field.optional),
            span,
        });
    };
    let read = &settings.expressions.columns;
    walk(all, &settings.fields, "", &mut |path, field, place| {
        if let Some(from) = &field.from {
            add(Source::From, path, Some(field), from, false, place.span);
        }
        for (name, range) in field.template.as_deref().map(of_template).unwrap_or_default() {
            let span = place.place("template").map_or(place.span, |place| place.part(None, Some(range)));
            add(Source::Template, path, Some(field), name, false, span);
        }
        let is_of = |owner: &Owner| matches!(owner, Owner::Field(field) if field == path);
        for column in read.iter().filter(|column| is_of(&column.owner)) {
            let span = place.property("expression");
            add(Source::Expression, path, Some(field), &column.name, column.optional, span);
        }
    });
    let conditions = [
        (Source::Where, Owner::Where, &settings.conditions.filter),
        (Source::Delete, Owner::Delete, &settings.conditions.delete),
    ];
    for (source, owner, place) in conditions {
        let Some(place) = place else { continue };
        for column in read.iter().filter(|column| column.owner == owner) {
            add(source, "", None, &column.name, column.optional, place.span);
        }
    }
    found
}

/// Calls a function for each field, also for those in maps, with its path.
pub(crate) fn walk(
    fields: &[FieldSettings],
    places: &[FieldPlace],
    around: &str,
    call: &mut impl FnMut(&str, &FieldSettings, &FieldPlace),
) {
    for (field, place) in fields.iter().zip(places) {
        let path = if around.is_empty() { field.name.clone() } else { format!("{around}.{}", field.name) };
        call(&path, field, place);
        walk(field.map.as_deref().unwrap_or_default(), &place.map, &path, call);
    }
}

/// Returns the columns of a template, with their places in it.
fn of_template(template: &str) -> Vec<(&str, (usize, usize))> {
    let named = pieces(template).into_iter().filter_map(|piece| match piece {
        Piece::Reference(from, to) => Some((columns::trim(template.get(from + 2..to - 1)?), (from, to))),
        _ => None,
    });
    named.filter(|(name, _)| !name.starts_with("object.") && !name.starts_with("record.")).collect()
}
