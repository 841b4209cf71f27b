//! The language as pages of Markdown, made from the same questions that read the file.

use std::fmt::Write as _;

use deployer_cfn::schemas::{Replacement, TypeId};
use deployer_syntax::units;

use crate::document;
use crate::iam::{Grant, WITHOUT_RESOURCE, WORKER_GRANTS};
use crate::model::Kind;
use crate::model::access::Verb;
use crate::model::properties::{Property, Shape, with_article};

/// Returns the reference of `stack.yaml`: every section, type, property and attribute.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# Reference of stack.yaml\n\n\
         Every section, type, property and attribute. The guide is [language.md](language.md).\n\n\
         `a.b` is the property `b` of the mapping `a`, `a[].b` that of each entry of the list `a`, and `a.*.b` that of\n\
         each value of the mapping `a`, whose keys are names of your own. Under `resources` and `outputs`, every\n\
         single value can be or contain `${config.name}`.\n",
    );
    section(&mut out, "The file", &document::top_level_properties());
    out.push_str("\n## An entry under `resources`\n\n");
    table(&mut out, &document::resource_properties());
    for kind in Kind::ALL {
        let _ = write!(out, "\n## `type: {}`\n\n{}", kind.name(), body_of_type(kind));
    }
    out.push_str(
        "\n## `type: AWS::…`\n\nAny CloudFormation type, by its own name and with its own properties, checked against its published schema.\n\
         `!Ref`, `!GetAtt`, `!Sub` and the other functions can be used there beside `${…}`. Attributes are those of\n\
         `Fn::GetAtt`: `${name.Arn}`; `${name}` alone is its `Ref`.\n",
    );
    let _ = write!(out, "\n## Access\n\n{}", body_of_access());
    out
}

/// Returns the page of one type of the language.
#[must_use]
pub fn type_page(kind: Kind) -> String {
    format!("# `type: {}`\n\n{}", kind.name(), body_of_type(kind))
}

fn body_of_type(kind: Kind) -> String {
    let mut out = format!("{}\n\n", kind.description());
    match kind.properties().as_slice() {
        [] => out.push_str("It has no properties.\n"),
        properties => table(&mut out, properties),
    }
    let name = kind.name();
    let attributes: Vec<String> = kind
        .attributes()
        .iter()
        .map(|(attribute, what)| format!("`${{{name}.{attribute}}}` ({what})"))
        .collect();
    let first = kind.attributes().first().map_or("", |(_, what)| what);
    let _ = writeln!(
        out,
        "\nAttributes of one named `{name}`: {}. In a text, `${{{name}}}` alone means its {first}.",
        attributes.join(", ")
    );
    out
}

/// Returns the page of one CloudFormation type, as its published schema has it.
#[must_use]
pub fn raw_page(type_id: TypeId) -> String {
    let schema = type_id.schema();
    let required: Vec<&str> = schema.required().collect();
    let read_only: Vec<&str> = schema.read_only().collect();
    let mut out = format!(
        "# `type: {}`\n\n{} What the properties mean is in the AWS CloudFormation Template Reference.\n\n\
         | property | | a change of it |\n|---|---|---|\n",
        type_id.name(),
        crate::model::raw::DESCRIPTION
    );
    for property in schema.properties().filter(|property| !read_only.contains(property)) {
        let change = match schema.replacement(&[property]) {
            Replacement::Never => "updates",
            Replacement::Conditional => "may replace",
            Replacement::Always => "replaces",
        };
        let needed = if required.contains(&property) { "required" } else { "" };
        let _ = writeln!(out, "| `{property}` | {needed} | {change} |");
    }
    let attributes: Vec<String> =
        schema.attributes().iter().map(|name| format!("`${{name.{name}}}`")).collect();
    let _ = match attributes.is_empty() {
        true => writeln!(out, "\nIt has no attributes."),
        false => writeln!(out, "\nAttributes of one named `name`: {}.", attributes.join(", ")),
    };
    out
}

/// Returns the page of `access`: the actions that each verb allows, and the resources.
#[must_use]
pub fn access_page() -> String {
    format!("# Access\n\n{}", body_of_access())
}

fn body_of_access() -> String {
    let mut out = String::from(
        "`access: [{ VERB: \"${name}\" }]` of a function or task becomes these statements of its role, and no others.\n\n\
         | verb | on | actions | resources |\n|---|---|---|---|\n",
    );
    let mut row = |what: &str, kind: Kind, grant: &Grant| {
        let actions: Vec<String> = grant.actions.iter().map(|action| format!("`{action}`")).collect();
        let kind = kind.name();
        let _ = writeln!(out, "| {what} | {kind} | {} | {} |", actions.join(", "), grant.on.words());
    };
    for (verb, name, _) in Verb::ALL {
        for kind in verb.kinds() {
            for grant in kind.grants().iter().filter(|grant| grant.verb == verb) {
                row(&format!("`{name}`"), *kind, grant);
            }
        }
        for (worker, kind, grant) in WORKER_GRANTS.iter().filter(|(.., grant)| grant.verb == verb) {
            row(&format!("`{name}`, of the worker `{}`", worker.name()), *kind, grant);
        }
    }
    out.push_str(
        "\nWhere a key of the stack encrypts the resource (`key`, or its `encryptionKey`), its use is allowed too, if `kms:ViaService`\n\
         is the resource's service: `kms:Decrypt` to read and receive; that, `kms:Encrypt` and `kms:GenerateDataKey` to write, send and publish.\n\n\
         Some actions are allowed on `*`, because AWS supports no resource for them:\n\n| actions | why |\n|---|---|\n",
    );
    for (_, actions, why) in WITHOUT_RESOURCE {
        let actions: Vec<String> = actions.iter().map(|action| format!("`{action}`")).collect();
        let _ = writeln!(out, "| {} | {why} |", actions.join(", "));
    }
    out
}

fn section(out: &mut String, title: &str, properties: &[Property]) {
    let _ = write!(out, "\n## {title}\n\n");
    table(out, properties);
}

fn table(out: &mut String, properties: &[Property]) {
    out.push_str("| property | value | default | |\n|---|---|---|---|\n");
    rows(out, "", properties);
}

fn rows(out: &mut String, prefix: &str, properties: &[Property]) {
    for property in properties {
        let path = format!("{prefix}{}", property.name);
        let default = match (&property.default, property.required) {
            (_, true) => "required".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, _) => String::new(),
        };
        let _ =
            writeln!(out, "| `{path}` | {} | {default} | {} |", value(&property.shape), property.description);
        nested(out, &path, &property.shape);
    }
}

fn nested(out: &mut String, path: &str, shape: &Shape) {
    match shape {
        Shape::Object(properties) => rows(out, &format!("{path}."), properties),
        Shape::List(item) => nested(out, &format!("{path}[]"), item),
        Shape::Map(item) => nested(out, &format!("{path}.*"), item),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| nested(out, path, shape)),
        Shape::Named(_, shape) => nested(out, path, shape),
        _ => {}
    }
}

/// Returns the values that a property takes, in words.
#[must_use]
pub fn value(shape: &Shape) -> String {
    match shape {
        Shape::String => "text".to_owned(),
        Shape::Text => "text with references".to_owned(),
        Shape::Template => "text with columns".to_owned(),
        Shape::AnyCharacter => "one character".to_owned(),
        Shape::Integer(low, high) => format!("number from {low} to {high}"),
        Shape::WordOrInteger(word, low, high) => format!("`{word}`, or a number from {low} to {high}"),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::Character => "one ASCII character".to_owned(),
        Shape::Duration(low, high) => {
            format!("duration from `{}` to `{}`", units::show_duration(*low), units::show_duration(*high))
        }
        Shape::Size(low, high) => {
            format!("size from `{}` to `{}`", units::show_size(*low), units::show_size(*high))
        }
        Shape::Percent => "percentage from `0%` to `100%`".to_owned(),
        Shape::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::Reference(kinds) => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            format!("`${{…}}` of a {}", kinds.join(" or "))
        }
        Shape::AnyReference => "`${…}` of a resource".to_owned(),
        Shape::Any => "anything".to_owned(),
        Shape::List(item) => format!("list: {}", value(item)),
        Shape::Map(item) => format!("mapping: {}", value(item)),
        Shape::Object(_) => "mapping".to_owned(),
        Shape::Either(shapes) => shapes.iter().map(value).collect::<Vec<_>>().join(", or "),
        Shape::Named(_, shape) => value(shape),
        Shape::Again(name) => with_article(name),
    }
}
