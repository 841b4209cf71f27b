//! From settings to fields that are ready for rows.

use contract::columns;
use contract::settings::{Element, FieldSettings, Form, TransformSettings, Type};

use crate::column::Columns;
use crate::combinations;
use crate::conversion::Conversion;
use crate::expression::{self, Expression, Kind, Scope};
use crate::field::{Computed, Deletion, Field, Fields, Source};
use crate::problem::{Place, Problem, ProblemKind};
use crate::template::Template;

/// The compiler of the settings of one `transform`.
pub(crate) struct Compiler<'s> {
    /// The columns of the files, if they are known.
    known: Option<&'s [String]>,
    columns: Columns,
    problems: Vec<Problem>,
    /// The fields, with the types of their values in expressions.
    scope: Vec<(String, Option<Kind>)>,
    /// The columns of sensitive fields.
    sensitive: Vec<&'s str>,
}

impl<'s> Compiler<'s> {
    pub(crate) fn new(known: Option<&'s [String]>) -> Self {
        Self {
            known,
            columns: Columns::default(),
            problems: Vec::new(),
            scope: Vec::new(),
            sensitive: Vec::new(),
        }
    }

    pub(crate) fn compile(mut self, settings: &'s TransformSettings) -> Result<Fields, Vec<Problem>> {
        let all = &settings.fields;
        let sensitive = all.iter().filter(|field| field.sensitive);
        self.sensitive = sensitive.filter_map(|field| field.from.as_deref()).collect();
        self.scope = all.iter().map(|field| (field.name.clone(), kind(field, None))).collect();
        let order = self.order(all);
        let mut fields: Vec<Option<Field>> = all.iter().map(|_| None).collect();
        for &index in &order {
            let Some(settings) = all.get(index) else { continue };
            let path = [settings.name.clone()];
            let field = self.field(settings, &path);
            if let (Some(field), Some((_, kind))) = (&field, self.scope.get_mut(index)) {
                kind.clone_from(&field.kind);
            }
            if let Some(slot) = fields.get_mut(index) {
                *slot = field;
            }
        }
        let filter = settings.filter.as_deref().and_then(|text| self.condition("where", text));
        let delete = settings.delete.as_deref().and_then(|text| self.condition("delete", text));
        let delete = delete.map(|when| {
            let is_key = |name: &String| settings.key.contains(name);
            let positions = all.iter().enumerate().filter(|(_, field)| is_key(&field.name));
            Deletion { when, key: positions.map(|(position, _)| position).collect() }
        });
        let Self { columns, problems, .. } = self;
        let fields: Option<Vec<Field>> = fields.into_iter().collect();
        match fields.filter(|_| problems.is_empty()) {
            Some(fields) => {
                let plain = fields.iter().all(|field| field.reads().is_empty());
                Ok(Fields { columns: columns.0, all: fields, order, filter, delete, plain })
            }
            None => Err(problems),
        }
    }

    /// Returns the positions of the fields, so that each comes after those that its expression reads.
    fn order(&mut self, all: &[FieldSettings]) -> Vec<usize> {
        let reads: Vec<Vec<usize>> = all.iter().map(|field| self.names_in(field)).collect();
        let mut order = Vec::with_capacity(all.len());
        let mut state = vec![Visit::New; all.len()];
        for index in 0..all.len() {
            self.visit(index, all, &reads, &mut state, &mut order);
        }
        order
    }

    fn visit(
        &mut self,
        index: usize,
        all: &[FieldSettings],
        reads: &[Vec<usize>],
        state: &mut [Visit],
        order: &mut Vec<usize>,
    ) {
        let Some(visit) = state.get_mut(index) else { return };
        match *visit {
            Visit::Done => return,
            Visit::Open => {
                let name = all.get(index).map(|field| field.name.clone()).unwrap_or_default();
                let message = format!("the value of `{name}` depends on itself");
                let help = Some("a field's expression may read other fields, but not in a circle".into());
                let place = Place { field: vec![name], property: Some("expression"), ..Place::default() };
                self.problems.push(Problem { place, kind: ProblemKind::Expression, message, help });
                return;
            }
            Visit::New => *visit = Visit::Open,
        }
        for &read in reads.get(index).into_iter().flatten() {
            self.visit(read, all, reads, state, order);
        }
        if let Some(visit) = state.get_mut(index) {
            *visit = Visit::Done;
        }
        order.push(index);
    }

    /// Returns the positions of the fields that the expressions of a field name.
    fn names_in(&self, field: &FieldSettings) -> Vec<usize> {
        let own = field.expression.as_deref().map(expression::names).unwrap_or_default();
        let own = own.iter().filter_map(|name| self.scope.iter().position(|(known, _)| known == name));
        let nested = field.map.iter().flatten().flat_map(|field| self.names_in(field));
        own.chain(nested).collect()
    }

    fn field(&mut self, settings: &FieldSettings, path: &[String]) -> Option<Field> {
        let before = self.problems.len();
        combinations::check(settings, path, &mut self.problems);
        if settings.name.is_empty() {
            self.problems.push(Problem {
                place: Place { field: path.to_vec(), ..Place::default() },
                kind: ProblemKind::Value,
                message: "an attribute needs a name".into(),
                help: Some(
                    "write a name before the colon: DynamoDB has no attribute with an empty one".into(),
                ),
            });
        }
        if settings.sensitive && path.len() > 1 {
            self.problem(
                path,
                "sensitive",
                ProblemKind::Combination,
                "a field of a map can't be sensitive",
                "write it as an attribute of its own",
            );
        }
        if self.problems.len() > before {
            return None;
        }
        let optional = settings.optional;
        let mut column = None;
        let mut declared = settings.kind.unwrap_or(Type::String);
        let mut computed = None;
        let source = if let Some(from) = &settings.from {
            if columns::trim(from).is_empty() {
                let help = "write the name of a column";
                self.problem(path, "from", ProblemKind::Value, "a column needs a name", help);
                return None;
            }
            column = Some(Field::column_name(from));
            Some(Source::Column(self.columns.slot(from, optional)))
        } else if let Some(text) = &settings.template {
            self.template(text, optional, path)
        } else if let Some(text) = &settings.expression {
            let place = Place { field: path.to_vec(), property: Some("expression"), ..Place::default() };
            let found = self.expression(text, optional, &place)?;
            match type_of(found.expression.kind(), settings.kind) {
                Ok(kind) => declared = kind,
                Err((message, help)) => {
                    let kind = ProblemKind::Expression;
                    self.problems.push(Problem { place, kind, message, help: Some(help) });
                    return None;
                }
            }
            computed = Some(found.expression.kind().clone());
            Some(Source::Expression(found))
        } else {
            let fields = settings.map.iter().flatten();
            let fields: Vec<Option<Field>> = fields
                .map(|field| self.field(field, &[path, std::slice::from_ref(&field.name)].concat()))
                .collect();
            if fields.is_empty() {
                let help = "write the fields of the map, such as `map: { street: { from: Street } }`";
                self.problem(path, "map", ProblemKind::Value, "the map has no fields", help);
            }
            fields.into_iter().collect::<Option<_>>().map(Source::Map)
        };
        let conversion = Conversion::new(settings, declared, path, &mut self.problems);
        Some(Field {
            name: settings.name.clone(),
            path: path.join("."),
            source: source?,
            conversion: conversion?,
            sensitive: settings.sensitive,
            kind: kind(settings, computed),
            column,
        })
    }

    fn template(&mut self, text: &str, optional: bool, path: &[String]) -> Option<Source> {
        let place = |range| Place { field: path.to_vec(), property: Some("template"), element: None, range };
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                self.problems.push(Problem {
                    place: place(Some(error.range)),
                    kind: ProblemKind::Template,
                    message: error.message,
                    help: Some(error.help),
                });
                return None;
            }
        };
        let names = template.columns().to_vec();
        for name in &names {
            let marker = format!("${{{name}}}");
            let range = text.find(&marker).map(|at| (at, at + marker.len()));
            self.check_column(name, &place(range));
        }
        let columns = names.iter().map(|name| self.columns.slot(name, optional)).collect();
        Some(Source::Template { template, columns })
    }

    fn expression(&mut self, text: &str, optional: bool, place: &Place) -> Option<Computed> {
        let scope = Scope { columns: self.known, fields: &self.scope };
        let expression = match Expression::compile(text, &scope) {
            Ok(expression) => expression,
            Err(error) => {
                self.problems.push(Problem {
                    place: Place { range: Some(error.range), ..place.clone() },
                    kind: ProblemKind::Expression,
                    message: error.message,
                    help: error.help,
                });
                return None;
            }
        };
        let read: Vec<(String, bool)> =
            expression.columns().iter().map(|column| (column.name.clone(), column.optional)).collect();
        let columns = read
            .iter()
            .map(|(name, asked)| {
                self.check_column(name, place);
                self.columns.slot(name, optional || *asked)
            })
            .collect();
        let fields = expression.fields().to_vec();
        Some(Computed { expression, columns, fields })
    }

    /// Compiles a condition on rows.
    fn condition(&mut self, property: &'static str, text: &str) -> Option<Computed> {
        let place = Place { property: Some(property), ..Place::default() };
        let computed = self.expression(text, false, &place)?;
        match computed.expression.kind() {
            Kind::Boolean => Some(computed),
            other => {
                let message = format!("`{property}` is true or false, and this is of type {other}");
                let help = Some("write a comparison such as `Status != \"X\"`".into());
                self.problems.push(Problem { place, kind: ProblemKind::Expression, message, help });
                None
            }
        }
    }

    /// Reports a column that only the task and `load` can read, or that the files don't have.
    fn check_column(&mut self, name: &str, place: &Place) {
        if self.sensitive.iter().any(|sensitive| columns::same(sensitive, name)) {
            self.problems.push(Problem {
                place: place.clone(),
                kind: ProblemKind::Combination,
                message: format!("the column `{}` is sensitive", columns::trim(name)),
                help: Some(
                    "it is encrypted before `transform` sees it; only a field with `from` can have it".into(),
                ),
            });
        } else if let Some(known) = self.known
            && !known.iter().any(|column| columns::same(column, name))
        {
            let listed: Vec<String> = known.iter().take(20).map(|column| format!("`{column}`")).collect();
            self.problems.push(Problem {
                place: place.clone(),
                kind: ProblemKind::Column,
                message: format!("the files have no column `{}`", columns::trim(name)),
                help: Some(format!("they have {}", listed.join(", "))),
            });
        }
    }

    fn problem(
        &mut self,
        path: &[String],
        property: &'static str,
        kind: ProblemKind,
        message: &str,
        help: &str,
    ) {
        let place = Place { field: path.to_vec(), property: Some(property), ..Place::default() };
        let (message, help) = (message.to_owned(), Some(help.to_owned()));
        self.problems.push(Problem { place, kind, message, help });
    }
}

/// The state of a field in a search.
#[derive(Clone, Copy)]
enum Visit {
    New,
    Open,
    Done,
}

/// Returns the type that a field's value has in expressions, `computed` being that of its own expression; `None` if
/// expressions can't read it.
fn kind(settings: &FieldSettings, computed: Option<Kind>) -> Option<Kind> {
    if settings.sensitive || settings.map.is_some() {
        return None;
    }
    let element = match settings.of {
        None | Some(Element::String) => Kind::Text,
        Some(Element::Number) => Kind::Double,
        Some(Element::Integer) => Kind::Integer,
        Some(Element::Boolean) => Kind::Boolean,
    };
    match settings.kind {
        None => computed.or_else(|| settings.expression.is_none().then_some(Kind::Text)),
        Some(Type::String) => Some(Kind::Text),
        Some(Type::Number) => Some(Kind::Double),
        Some(Type::Integer) => Some(Kind::Integer),
        Some(Type::Boolean) => Some(Kind::Boolean),
        Some(Type::Timestamp) => Some(Kind::Timestamp),
        Some(Type::Date) if settings.form.is_none_or(|form| form == Form::Iso) => Some(Kind::Text),
        Some(Type::Date) => Some(Kind::Integer),
        Some(Type::Set | Type::List) if settings.expression.is_none() => Some(element.list()),
        Some(Type::Set | Type::List) => computed,
        Some(Type::Json | Type::Binary) => None,
    }
}

/// Returns the type of the value of an expression, or what is wrong with it and what would be right.
fn type_of(kind: &Kind, declared: Option<Type>) -> Result<Type, (String, String)> {
    let own = match kind {
        Kind::Boolean => Type::Boolean,
        Kind::Integer => Type::Integer,
        Kind::Double => Type::Number,
        Kind::Text => Type::String,
        Kind::Timestamp => Type::Timestamp,
        Kind::List(_) => Type::List,
        Kind::Duration | Kind::Nothing => {
            return Err((
                format!("the expression is of type {kind}, which no attribute has"),
                "add a duration to a timestamp, or make a text of it".into(),
            ));
        }
    };
    match declared {
        None => Ok(own),
        Some(declared) if declared == own => Ok(own),
        Some(Type::Number) if own == Type::Integer => Ok(Type::Number),
        Some(Type::Set) if own == Type::List => Ok(Type::Set),
        Some(declared) => {
            let help = match (own, declared) {
                (Type::Number, Type::Integer) => {
                    "write `int(…)`, which cuts the decimals off, or `type: number`".into()
                }
                (Type::String, Type::Number) => "write `double(…)`; a column as it is needs `from`".into(),
                (Type::String, Type::Integer) => "write `int(…)`; a column as it is needs `from`".into(),
                (Type::String, Type::Boolean) => "write a comparison such as `Paid == \"yes\"`".into(),
                (Type::String, Type::Timestamp) => {
                    "write `timestamp(…)`; a column as it is needs `from`".into()
                }
                (_, Type::String) => "write `string(…)`".into(),
                _ => format!("remove `type`, or write `type: {}`", own.word()),
            };
            Err((
                format!("the expression is of type {kind}, and the field of `type: {}`", declared.word()),
                help,
            ))
        }
    }
}
