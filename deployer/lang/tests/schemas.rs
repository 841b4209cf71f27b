//! The resource schemas against templates that are known to be right.

use deployer_cfn::expression::{Expression, ExpressionEntry, ExpressionKind, Gives};
use deployer_cfn::schemas;
use deployer_syntax::{Span, number};
use serde_json::{Value, json};

use crate::golden;

/// Returns a value of a template as the properties of a raw resource are read.
fn expression(value: &Value) -> Expression {
    if let Some(digits) = number::digits(value) {
        let is = ExpressionKind::Scalar { text: digits.into_owned(), plain: true };
        return Expression { is, span: Span::default() };
    }
    let is = match value {
        Value::Null => ExpressionKind::Null,
        Value::Array(items) => ExpressionKind::List(items.iter().map(expression).collect()),
        Value::Object(map) => match map.iter().next() {
            Some((key, Value::Array(parts))) if key == "Fn::If" && parts.len() == 3 => ExpressionKind::If {
                condition: parts[0].as_str().unwrap_or_default().to_owned(),
                then: Box::new(expression(&parts[1])),
                otherwise: Box::new(expression(&parts[2])),
            },
            Some((key, inner)) if map.len() == 1 && (key == "Ref" || key.starts_with("Fn::")) => {
                let gives = match key.as_str() {
                    "Fn::Sub" | "Fn::Join" => Gives::Single,
                    _ => Gives::Any,
                };
                match inner == "AWS::NoValue" {
                    true => ExpressionKind::NoValue,
                    false => ExpressionKind::Function { value: value.clone(), gives },
                }
            }
            _ => {
                let entry = |(key, inner): (&String, &Value)| ExpressionEntry {
                    key: key.clone(),
                    key_span: Span::default(),
                    value: expression(inner),
                };
                ExpressionKind::Map(map.iter().map(entry).collect())
            }
        },
        Value::String(text) => ExpressionKind::Scalar { text: text.clone(), plain: false },
        other => ExpressionKind::Scalar { text: other.to_string(), plain: true },
    };
    Expression { is, span: Span::default() }
}

#[test]
fn every_resource_of_the_golden_templates_is_right() {
    let mut checked = 0;
    for case in golden::entries(&golden::cases()) {
        for file in golden::entries(&case) {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            if !(name.starts_with("template") && name.ends_with(".json")) {
                continue;
            }
            let template = deployer_syntax::json::value(&golden::read(&file)).expect("JSON");
            for (id, resource) in template["Resources"].as_object().expect("resources") {
                let empty = json!({});
                let properties = resource.get("Properties").unwrap_or(&empty);
                let kind = resource["Type"].as_str().expect("a type");
                let Some(known) = schemas::find(kind) else {
                    assert!(!kind.starts_with("AWS::"), "{} {id}", file.display());
                    continue;
                };
                let schema = known.schema();
                let mut problems = Vec::new();
                let value =
                    schema.check(&expression(properties), &mut |problem| problems.push(problem.to_string()));
                assert_eq!(problems, Vec::<String>::new(), "{} {id}", file.display());
                assert_eq!(value, *properties, "{} {id}", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "{checked}");
}
