//! The properties of a field that go together: those of a type, and those of a source.

use contract::settings::{Element, Empty, FieldSettings, Type};

use crate::problem::{Place, Problem, ProblemKind};

/// Tells whether settings give a property.
type Given = fn(&FieldSettings) -> bool;

/// A property that only some types have.
struct Typed {
    name: &'static str,
    given: Given,
    types: &'static [Type],
}

/// The properties that only some types have. Elements of a set or list that are numbers have those of numbers.
const TYPED: [Typed; 18] = [
    Typed { name: "of", given: |field| field.of.is_some(), types: &[Type::Set, Type::List] },
    Typed { name: "separator", given: |field| field.separator.is_some(), types: &[Type::Set, Type::List] },
    Typed { name: "case", given: |field| field.case.is_some(), types: &[Type::String] },
    Typed { name: "maxLength", given: |field| field.max_length.is_some(), types: &[Type::String] },
    Typed { name: "pattern", given: |field| field.pattern.is_some(), types: &[Type::String] },
    Typed { name: "minimum", given: |field| field.minimum.is_some(), types: ORDERED },
    Typed { name: "maximum", given: |field| field.maximum.is_some(), types: ORDERED },
    Typed { name: "decimal", given: |field| field.decimal.is_some(), types: &[Type::Number] },
    Typed { name: "group", given: |field| field.group.is_some(), types: &[Type::Number, Type::Integer] },
    Typed { name: "true", given: |field| field.truths.is_some(), types: &[Type::Boolean] },
    Typed { name: "false", given: |field| field.falsehoods.is_some(), types: &[Type::Boolean] },
    Typed { name: "format", given: |field| field.format.is_some(), types: TIMES },
    Typed { name: "language", given: |field| field.language.is_some(), types: TIMES },
    Typed { name: "plus", given: |field| field.plus.is_some(), types: TIMES },
    Typed { name: "as", given: |field| field.form.is_some(), types: TIMES },
    Typed { name: "zone", given: |field| field.zone.is_some(), types: &[Type::Timestamp] },
    Typed { name: "fold", given: |field| field.fold.is_some(), types: &[Type::Timestamp] },
    Typed { name: "leapSeconds", given: |field| field.leap_seconds, types: &[Type::Timestamp] },
];

const TIMES: &[Type] = &[Type::Timestamp, Type::Date];
const ORDERED: &[Type] = &[Type::Number, Type::Integer, Type::Timestamp, Type::Date];

/// The properties that a source has no use for.
struct Unused {
    source: &'static str,
    has: Given,
    properties: &'static [(&'static str, Given)],
    because: &'static str,
}

const UNUSED: [Unused; 3] = [
    Unused {
        source: "map",
        has: |field| field.map.is_some(),
        properties: &[
            ("type", |field| field.kind.is_some()),
            ("empty", |field| field.empty.is_some() || field.empty_quoted.is_some()),
            ("required", |field| field.required),
            ("optional", |field| field.optional),
            ("default", |field| field.default.is_some()),
            ("trim", |field| field.trim),
            ("values", |field| field.values.is_some()),
            ("otherwise", |field| field.otherwise.is_some()),
            ("sensitive", |field| field.sensitive),
        ],
        because: "the fields of the map have properties of their own",
    },
    Unused {
        source: "expression",
        has: |field| field.expression.is_some(),
        properties: &[
            ("trim", |field| field.trim),
            ("case", |field| field.case.is_some()),
            ("values", |field| field.values.is_some()),
            ("otherwise", |field| field.otherwise.is_some()),
            ("decimal", |field| field.decimal.is_some()),
            ("group", |field| field.group.is_some()),
            ("separator", |field| field.separator.is_some()),
            ("true", |field| field.truths.is_some()),
            ("false", |field| field.falsehoods.is_some()),
            ("format", |field| field.format.is_some()),
            ("zone", |field| field.zone.is_some()),
            ("fold", |field| field.fold.is_some()),
            ("language", |field| field.language.is_some()),
            ("leapSeconds", |field| field.leap_seconds),
            ("plus", |field| field.plus.is_some()),
            ("sensitive", |field| field.sensitive),
        ],
        because: "an expression has a value of its type, not a text that is read; write it in the expression",
    },
    Unused {
        source: "template",
        has: |field| field.template.is_some(),
        properties: &[("sensitive", |field| field.sensitive)],
        because: "the columns of a template are read after the task; write `from` for a sensitive column",
    },
];

/// Adds the problems of properties that don't go together.
pub(crate) fn check(settings: &FieldSettings, path: &[String], problems: &mut Vec<Problem>) {
    let mut add = |property: Option<&'static str>, message: String, help: &str| {
        problems.push(Problem {
            place: Place { field: path.to_vec(), property, ..Place::default() },
            kind: ProblemKind::Combination,
            message,
            help: Some(help.to_owned()),
        });
    };
    let sources = [
        ("from", settings.from.is_some()),
        ("template", settings.template.is_some()),
        ("expression", settings.expression.is_some()),
        ("map", settings.map.is_some()),
    ];
    let mut given = sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    match (given.next(), given.next()) {
        (None, _) => add(
            None,
            "the field has no source".into(),
            "write one of `from` (a column), `template`, `expression` and `map`",
        ),
        (Some(first), Some(second)) => add(
            Some(second),
            format!("a field has one source, and this one has `{first}` and `{second}`"),
            "remove one of them",
        ),
        _ => {}
    }
    for Unused { source, has, properties, because } in UNUSED {
        for (name, _) in properties.iter().filter(|(_, given)| has(settings) && given(settings)) {
            add(Some(name), format!("a field with `{source}` has no `{name}`"), because);
        }
    }
    if settings.map.is_some() {
        return;
    }
    let kind = settings.kind.unwrap_or(Type::String);
    let of_numbers = matches!(kind, Type::Set | Type::List)
        && matches!(settings.of, Some(Element::Number | Element::Integer));
    let of_booleans = kind == Type::List && settings.of == Some(Element::Boolean);
    for Typed { name, given, types } in TYPED {
        let fits = types.contains(&kind)
            || (of_booleans && matches!(name, "true" | "false"))
            || (of_numbers && matches!(name, "decimal" | "group"))
            // Without a type, it is that of the expression.
            || (settings.expression.is_some() && settings.kind.is_none() && name != "of");
        if given(settings) && !fits {
            let words: Vec<String> = types.iter().map(|kind| format!("`type: {}`", kind.word())).collect();
            add(
                Some(name),
                format!("a field of `type: {}` has no `{name}`", kind.word()),
                &format!("it belongs to {}", words.join(" and ")),
            );
        }
    }
    if kind == Type::Set && settings.of == Some(Element::Boolean) {
        add(Some("of"), "a set can't have booleans".into(), "DynamoDB has sets of strings and of numbers");
    }
    if settings.otherwise.is_some() && settings.values.is_none() {
        add(Some("otherwise"), "`otherwise` without `values`".into(), "add the `values` that are known");
    }
    for (name, empty) in [("empty", settings.empty), ("emptyQuoted", settings.empty_quoted)] {
        let Some(empty) = empty else { continue };
        if empty == Empty::Keep && kind != Type::String && settings.expression.is_none() {
            add(
                Some("empty"),
                format!("an empty text is not a value of `type: {}`", kind.word()),
                "write `omit`, `null` or `fail`",
            );
        } else if name == "empty" && settings.required && empty != Empty::Fail {
            add(
                Some("empty"),
                format!("a field can't be required and have `empty: {}`", empty.word()),
                "a row without the value fails, or it doesn't; remove one of them",
            );
        }
        if settings.default.is_some() && name == "empty" {
            add(
                Some("empty"),
                "a field with a `default` has no `empty`".into(),
                "an empty value becomes the default; remove one of them",
            );
        }
    }
}
