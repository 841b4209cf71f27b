//! The problems of fields that were read: those of `transform`, at their places.

use contract::settings::{FieldSettings, TransformSettings, Type};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use transform::expression::names;
use transform::{Owner, Problem, ProblemKind, Transform};

use super::{FieldPlace, Place};
use crate::model::properties::Properties;

/// The facts about the settings of `transform` that only their expressions show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expressions {
    /// The columns that expressions read.
    pub columns: Vec<ReadColumn>,
    /// The types of the fields at the top level whose expression decides it.
    pub types: Vec<(String, Type)>,
}

/// A column that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadColumn {
    /// The setting that has the expression.
    pub owner: Owner,
    /// Name of the column.
    pub name: String,
    /// `true` if the expression asks whether there is such a column.
    pub optional: bool,
}

/// The places of the conditions on rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// That of `where`.
    pub filter: Option<Place>,
    /// That of `delete`.
    pub delete: Option<Place>,
}

impl Conditions {
    /// Returns the place of a condition by its name in the file.
    fn place(&self, name: &str) -> Option<&Place> {
        match name {
            "where" => self.filter.as_ref(),
            "delete" => self.delete.as_ref(),
            _ => None,
        }
    }
}

/// Reports all that is wrong with the settings of `transform`, and returns what their expressions show otherwise.
pub(in crate::model::function) fn check(
    settings: &TransformSettings,
    places: &[FieldPlace],
    conditions: &Conditions,
    properties: &mut Properties<'_>,
) -> Expressions {
    let problems = match Transform::new(settings, None) {
        Ok(transform) => return expressions(&transform),
        Err(problems) => problems,
    };
    // One problem of a text is enough.
    let mut reported: Vec<Span> = Vec::new();
    for (field, place) in settings.fields.iter().zip(places) {
        reported.extend(combinations(field, place, true).iter().map(|diagnostic| diagnostic.span));
    }
    // A field that is wrong has no type, which is not the fault of those that read it. Its own problems come first.
    let mut wrong: Vec<String> = Vec::new();
    for problem in problems {
        let own = problem.place.field.first().cloned();
        let reads_wrong = problem.kind == ProblemKind::Expression
            && expression_of(settings, &problem.place).is_some_and(|text| {
                names(text).iter().any(|name| own.as_ref() != Some(name) && wrong.contains(name))
            });
        wrong.extend(own);
        if reads_wrong {
            continue;
        }
        let diagnostic = diagnostic(problem, places, conditions, properties.span_of("fields"));
        let Span { start, end } = diagnostic.span;
        if !reported.iter().any(|other| other.start <= start && end <= other.end) {
            reported.push(diagnostic.span);
            properties.report(diagnostic);
        }
    }
    Expressions::default()
}

fn expressions(transform: &Transform) -> Expressions {
    let columns = transform.columns_of_expressions().into_iter().map(|(owner, column)| ReadColumn {
        owner,
        name: column.name,
        optional: column.optional,
    });
    let types = transform.types_of_expressions().into_iter().map(|(field, kind)| (field.to_owned(), kind));
    Expressions { columns: columns.collect(), types: types.collect() }
}

/// Returns the problems of a field that are those of the language more than of `transform`: they are found even if
/// another field can't be read.
pub(super) fn combinations(field: &FieldSettings, place: &FieldPlace, outermost: bool) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let sources = ["from", "template", "expression", "map"];
    if !sources.iter().any(|source| place.has(source)) {
        found.push(
            Diagnostic::error(
                "E0102",
                place.span,
                "one of `from`, `template`, `expression` or `map` is missing",
            )
            .help("the source of the value, such as `from: Column`"),
        );
    }
    if field.values.as_ref().is_some_and(Vec::is_empty) {
        found.push(
            Diagnostic::error("E0106", place.property("values"), "`values` without any value")
                .help("every row would fail; write `values: { N: new }`, or remove it"),
        );
    }
    let rules = [
        (
            field.sensitive && !outermost,
            "sensitive",
            "a field in a `map` can't be sensitive",
            "`load` finds the value by the name of an attribute; write a field beside the map",
        ),
        (
            field.sensitive && place.has("default"),
            "default",
            "a sensitive field has no `default`",
            "it would be in plain text, here and in the template; remove it",
        ),
        (
            field.sensitive && field.optional,
            "optional",
            "a sensitive field can't be optional",
            "in a file with another name for the column, its values would not be encrypted; remove `optional`",
        ),
        (
            field.required && field.optional,
            "optional",
            "a field can't be both required and optional",
            "`optional` allows files without the column, and `required` would fail each of their rows; remove one of them",
        ),
    ];
    for (wrong, property, message, help) in rules {
        if wrong {
            found.push(Diagnostic::error("E0107", place.property(property), message).help(help));
        }
    }
    for (field, place) in field.map.iter().flatten().zip(&place.map) {
        found.extend(combinations(field, place, false));
    }
    found
}

/// Returns the expression at a place.
fn expression_of<'s>(settings: &'s TransformSettings, place: &transform::Place) -> Option<&'s str> {
    let mut fields = &settings.fields;
    let mut path = place.field.iter().peekable();
    while let Some(name) = path.next() {
        let field = fields.iter().find(|field| field.name == *name)?;
        match (path.peek(), &field.map) {
            (None, _) => return field.expression.as_deref(),
            (Some(_), Some(map)) => fields = map,
            (Some(_), None) => return None,
        }
    }
    match place.property {
        Some("delete") => settings.delete.as_deref(),
        _ => settings.filter.as_deref(),
    }
}

/// Returns a problem of `transform` at its place in the file.
fn diagnostic(problem: Problem, places: &[FieldPlace], conditions: &Conditions, fields: Span) -> Diagnostic {
    let Problem { place, kind, message, help } = problem;
    let span = match (FieldPlace::find(places, &place.field), place.property) {
        (Some(field), Some(property)) => {
            let found = field.place(property).or_else(|| field.place(word_of(property)));
            found.map_or(field.span, |found| found.part(place.element, place.range))
        }
        (Some(field), None) => field.span,
        (None, property) => {
            let condition = property.and_then(|property| conditions.place(property));
            condition.map_or(fields, |condition| condition.part(place.element, place.range))
        }
    };
    let code = match kind {
        ProblemKind::Combination => "E0107",
        ProblemKind::Value => "E0108",
        ProblemKind::Format => "E0317",
        ProblemKind::Expression => "E0318",
        ProblemKind::Pattern => "E0319",
        ProblemKind::Template => "E0320",
        ProblemKind::Column => "E0316",
    };
    Diagnostic::error(code, span, message).help(help.unwrap_or_else(|| example(kind).to_owned()))
}

/// Returns the help for problems that explain themselves.
const fn example(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Expression => {
            "an expression is such as `double(Net) * 1.19` or `Status == \"N\" || Status == \"\"`"
        }
        ProblemKind::Format => "a format is such as `%d/%m/%Y %H:%M`, and a zone such as `Europe/Berlin`",
        ProblemKind::Pattern => "a pattern is such as `^[0-9]{5}$`",
        ProblemKind::Template => "a template is such as `ORDER#${ID}`",
        ProblemKind::Combination | ProblemKind::Value | ProblemKind::Column => "change it, or remove it",
    }
}

/// Returns the property of `stack.yaml` that a setting without one of its own belongs to.
fn word_of(property: &str) -> &str {
    match property {
        "emptyQuoted" => "empty",
        other => other,
    }
}
