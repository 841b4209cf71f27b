//! Rules on the fields of `transform` that need other resources: the tables that `load` writes, and the columns of
//! files.

use std::collections::BTreeMap;

use contract::columns;
use contract::settings::{
    Element, Empty, FieldSettings, Form, OnConflict, SOURCE_ATTRIBUTE, Type, VERSION_ATTRIBUTE,
};
use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::yaml::shorten;

use crate::columns::Source;
use crate::loading;
use crate::model::function::{FieldPlace, Function, Settings, is_constant};
use crate::model::table::{KeyType, Table};
use crate::model::{Resource, ResourceType, Stack};
use crate::{sensitive, supply};

/// Applies the rules to the settings of one `transform`.
pub(super) fn check(
    stack: &Stack,
    resource: &Resource,
    function: &Function,
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) {
    let tables = supply::tables(stack, function);
    table_keys(resource, &tables, settings, diagnostics);
    index_keys(&tables, settings, diagnostics);
    time_to_live(&tables, settings, diagnostics);
    keys_without_value(&tables, settings, diagnostics);
    version(stack, function, settings, diagnostics);
    source(stack, function, settings, diagnostics);
    deletions(stack, resource, function, settings, diagnostics);
    named_columns(stack, function, diagnostics);
}

/// The type of DynamoDB as which a field is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    String,
    Number,
    Binary,
    /// Another type, in words.
    Other(&'static str),
}

impl Stored {
    const fn of_key(kind: KeyType) -> Self {
        match kind {
            KeyType::String => Self::String,
            KeyType::Number => Self::Number,
            KeyType::Binary => Self::Binary,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Binary => "binary",
            Self::Other(words) => words,
        }
    }
}

/// Returns the type as which a field is stored.
fn stored(field: &FieldSettings, settings: &Settings) -> Stored {
    if field.map.is_some() {
        return Stored::Other("a map");
    }
    let computed = settings.expressions.types.iter().find(|(name, _)| *name == field.name);
    let kind = field.kind.or(computed.map(|(_, kind)| *kind)).unwrap_or(Type::String);
    match kind {
        Type::String => Stored::String,
        Type::Number | Type::Integer => Stored::Number,
        Type::Timestamp | Type::Date => match field.form {
            Some(Form::Epoch | Form::EpochMilliseconds) => Stored::Number,
            Some(Form::Iso) | None => Stored::String,
        },
        Type::Binary => Stored::Binary,
        Type::Boolean => Stored::Other("a boolean"),
        Type::Set => match field.of {
            Some(Element::Number | Element::Integer) => Stored::Other("a set of numbers"),
            _ => Stored::Other("a set of strings"),
        },
        Type::List => Stored::Other("a list"),
        Type::Json => Stored::Other("any JSON"),
    }
}

/// Returns what to write so that a field is stored as this type.
fn remedy(field: &FieldSettings, wanted: KeyType) -> &'static str {
    let time = matches!(field.kind, Some(Type::Timestamp | Type::Date));
    match wanted {
        KeyType::String if time => "write `as: iso`, or make the key a number",
        KeyType::String => "write `type: string`, or give the key the type of the field",
        KeyType::Number if time => "write `as: epoch`, or make the key a string",
        KeyType::Number => "write `type: number`, or give the key the type of the field",
        KeyType::Binary => "write `type: binary`, or give the key the type of the field",
    }
}

/// Checks that the items of `transform` have the key of every table that they are written to.
fn table_keys(
    resource: &Resource,
    tables: &BTreeMap<&str, &Table>,
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) {
    for (name, table) in tables {
        let fields: Vec<Option<(&FieldSettings, &FieldPlace)>> =
            table.key.iter().map(|(key, _)| field(settings, key)).collect();
        for ((key, kind), field) in table.key.iter().zip(&fields) {
            match field {
                None => diagnostics.push(
                    Diagnostic::error(
                        "E0307",
                        resource.span,
                        format!(
                            "no field of `{}` sets `{key}`, a key attribute of the table `{name}`",
                            resource.name
                        ),
                    )
                    .help(format!("add `{key}: {{ from: …, required: true }}` to `settings.fields`")),
                ),
                Some((field, place)) => {
                    let what = format!("key attribute of the table `{name}`");
                    key_type(settings, (field, place), *kind, &what, diagnostics);
                }
            }
        }
        let constant = fields.iter().all(|field| field.is_some_and(|(field, _)| is_constant(field)));
        if let (true, Some(Some((first, place)))) = (constant, fields.first()) {
            let message = format!(
                "every row has the same key of the table `{name}`: `{}` is a text without a column",
                first.name
            );
            diagnostics.push(Diagnostic::error("E0307", place.span, message).help(format!(
                "each row would replace the one before; write `{{ from: … }}`, or a column in the text, such as `\"{}${{ID}}\"`",
                shorten(first.template.as_deref().unwrap_or_default())
            )));
        }
    }
}

/// Returns the field of this name.
fn field<'s>(settings: &'s Settings, name: &str) -> Option<(&'s FieldSettings, &'s FieldPlace)> {
    settings.transform.fields.iter().zip(&settings.fields).find(|(field, _)| field.name == name)
}

/// Checks that a field is stored as the type of the key attribute that it sets.
fn key_type(
    settings: &Settings,
    (field, place): (&FieldSettings, &FieldPlace),
    wanted: KeyType,
    what: &str,
    diagnostics: &mut Diagnostics,
) {
    let found = stored(field, settings);
    if found == Stored::of_key(wanted) {
        return;
    }
    let message = format!(
        "the field `{}` is {}, and the {what} is {}",
        field.name,
        found.words(),
        Stored::of_key(wanted).words()
    );
    diagnostics.push(Diagnostic::error("E0307", place.property("type"), message).help(remedy(field, wanted)));
}

/// Checks that fields which are keys of an index have their type, and are never DynamoDB's null.
fn index_keys(tables: &BTreeMap<&str, &Table>, settings: &Settings, diagnostics: &mut Diagnostics) {
    for (name, table) in tables {
        let mut known: Vec<&str> = table.key.iter().map(|(key, _)| key.as_str()).collect();
        for (index, properties) in &table.indexes {
            for (key, kind) in &properties.key {
                let Some((field, place)) = field(settings, key).filter(|_| !known.contains(&key.as_str()))
                else {
                    continue;
                };
                known.push(key);
                let what = format!("key attribute of the index `{index}` of `{name}`");
                key_type(settings, (field, place), *kind, &what, diagnostics);
                if field.empty == Some(Empty::Null) || field.empty_quoted == Some(Empty::Null) {
                    let message = format!("the field `{key}` may be null, and it is a {what}");
                    diagnostics.push(Diagnostic::error("E0307", place.property("empty"), message).help(
                        "DynamoDB accepts no null there; write `empty: omit`, and such items are not in the index",
                    ));
                }
            }
        }
    }
}

/// Checks that a field that sets the time at which items expire is a number of seconds.
fn time_to_live(tables: &BTreeMap<&str, &Table>, settings: &Settings, diagnostics: &mut Diagnostics) {
    for (name, table) in tables {
        let attribute = table.time_to_live.as_deref();
        let Some((field, place)) = attribute.and_then(|attribute| field(settings, attribute)) else {
            continue;
        };
        let (property, found) = match stored(field, settings) {
            Stored::Number if field.form == Some(Form::EpochMilliseconds) => ("as", "in milliseconds"),
            Stored::Number => continue,
            other => ("type", other.words()),
        };
        let message = format!(
            "the field `{}` is {found}, and items of the table `{name}` expire by a number of seconds since 1970",
            field.name
        );
        let help = match field.kind {
            Some(Type::Timestamp | Type::Date) => "write `as: epoch`",
            _ => "write `type: timestamp` and `as: epoch`, or `type: number` for a column that has seconds",
        };
        diagnostics.push(Diagnostic::error("E0307", place.property(property), message).help(help));
    }
}

/// Warns of keys without a value in a row: such a row comes into no table, or no index.
fn keys_without_value(tables: &BTreeMap<&str, &Table>, settings: &Settings, diagnostics: &mut Diagnostics) {
    for (field, place) in settings.transform.fields.iter().zip(&settings.fields) {
        if !may_be_empty(field) {
            continue;
        }
        let name = &field.name;
        let is_key = |key: &[(String, KeyType)]| key.iter().any(|(attribute, _)| attribute == name);
        let found = tables.iter().find_map(|(of, table)| {
            if is_key(&table.key) {
                return Some((
                    format!("the field `{name}` is a key of the table `{of}`, and not required"),
                    "write `required: true`: without it, a row without a value fails only when `load` writes it",
                ));
            }
            let (index, _) = table.indexes.iter().find(|(_, index)| is_key(&index.key))?;
            // An attribute that may be null is an error of its own.
            let intended = field.optional || matches!(field.empty, Some(Empty::Omit | Empty::Null));
            (!intended).then(|| {
                (
                    format!("the field `{name}` is a key of the index `{index}` of `{of}`, and not required"),
                    "items without a value are not in the index; write `required: true`, or `empty: omit` if this is intended",
                )
            })
        });
        if let Some((message, help)) = found {
            diagnostics.push(Diagnostic::warning("W0410", place.span, message).help(help));
        }
    }
}

/// Returns whether the attribute may be missing or empty in the item of a row.
fn may_be_empty(field: &FieldSettings) -> bool {
    let fails = |empty: Option<Empty>| empty.is_none_or(|empty| empty == Empty::Fail);
    let never = field.required || field.default.is_some();
    let without_rule = field.empty.is_none() && field.empty_quoted.is_none();
    let from = field.from.is_some() && (without_rule || !fails(field.empty) || !fails(field.empty_quoted));
    // A template of which a part is empty fails the row, and an expression has a value, unless `empty` says otherwise.
    let other = field.from.is_none() && !fails(field.empty) && !is_constant(field);
    !never && (from || other)
}

/// Checks that no field takes the attributes that a `load` writes itself.
fn version(stack: &Stack, transform: &Function, settings: &Settings, diagnostics: &mut Diagnostics) {
    let load = loading::loads(stack, transform).find(|(_, load)| loading::on_conflict(load).has_versions());
    if let (Some((resource, load)), Some((_, place))) = (load, field(settings, VERSION_ATTRIBUTE)) {
        let on_conflict = loading::on_conflict(load);
        let purpose = match on_conflict {
            OnConflict::Keep => "from which row an item comes",
            _ => "which item is newer",
        };
        diagnostics.push(
            Diagnostic::error(
                "E0354",
                place.span,
                format!(
                    "`{}` writes an attribute `{VERSION_ATTRIBUTE}` of its own, to tell {purpose}",
                    resource.name
                ),
            )
            .help(format!("give the field another name, or remove `onConflict: {}`", on_conflict.word())),
        );
    }
}

/// Checks the same of the attribute that names the file of an item.
fn source(stack: &Stack, transform: &Function, settings: &Settings, diagnostics: &mut Diagnostics) {
    let load = loading::loads(stack, transform).find(|(_, load)| loading::has_sources(load));
    if let (Some((resource, _)), Some((_, place))) = (load, field(settings, SOURCE_ATTRIBUTE)) {
        diagnostics.push(
            Diagnostic::error(
                "E0354",
                place.span,
                format!(
                    "`{}` writes an attribute `{SOURCE_ATTRIBUTE}` of its own, to tell from which file an item comes",
                    resource.name
                ),
            )
            .help("give the field another name, or remove `snapshot: true`"),
        );
    }
}

/// Checks that `load` can do what rows ask for that delete items.
fn deletions(
    stack: &Stack,
    resource: &Resource,
    transform: &Function,
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) {
    let Some(place) = &settings.conditions.delete else { return };
    // One that may not write is reported itself.
    if loading::loads(stack, transform).next().is_none() {
        diagnostics.push(
            Diagnostic::error(
                "E0307",
                place.span,
                format!(
                    "no `load` of this stack writes what `{}` makes, so the key to delete is not known",
                    resource.name
                ),
            )
            .help("add a function with `worker: load`, or remove `delete`"),
        );
    }
    for (load, _) in
        loading::loads(stack, transform).filter(|(_, load)| loading::on_conflict(load) == OnConflict::Keep)
    {
        diagnostics.push(
            Diagnostic::error(
                "E0355",
                place.span,
                format!("`{}` keeps the items of its table, and `delete` removes them", load.name),
            )
            .help("remove `delete`, or write another `onConflict` than `keep`"),
        );
    }
}

/// Checks that every column that is not optional is one that the settings of an extraction name, if they name any:
/// otherwise all files would fail.
fn named_columns(stack: &Stack, function: &Function, diagnostics: &mut Diagnostics) {
    for extraction in &stack.resources {
        let ResourceType::Task(task) = &extraction.is else { continue };
        let named = task.settings.as_ref().map_or(&[][..], |settings| settings.columns());
        if named.is_empty() {
            continue;
        }
        let expected = sensitive::expected(stack, task);
        for used in expected.iter().filter(|used| std::ptr::eq(used.function, function)) {
            if named.iter().any(|column| columns::same(column, &used.column)) {
                continue;
            }
            let verb = match used.source {
                Source::From => "comes from",
                Source::Template | Source::Expression | Source::Where | Source::Delete => "uses",
            };
            let (user, column, task) = (used.user(), shorten(&used.column), &extraction.name);
            let message =
                format!("{user} {verb} the column `{column}`, which the files of `{task}` don't have");
            diagnostics.push(
                Diagnostic::error("E0316", used.span, message)
                    .suggest(&used.column, named.iter().map(String::as_str)),
            );
        }
    }
}
