//! A template as CloudFormation returns it: JSON from this deployer, JSON or YAML from others. `deployer_plan::diff`
//! reads it, and expects no form of it.

pub mod lossy;

use serde_json::{Map, Value, json};
use serde_yaml::Value as Yaml;

/// Depth to which nested values are followed; CloudFormation's own limits are far below.
const MAX_DEPTH: usize = 100;

/// Returns the template as JSON, with YAML's short forms (`!Ref`) as the functions that they mean; null if the text is
/// neither JSON nor YAML.
#[must_use]
pub fn read(text: &str) -> Value {
    if let Some(value) = deployer_syntax::json::value(text) {
        return value;
    }
    serde_yaml::from_str::<Yaml>(text).ok().and_then(|yaml| value(yaml, 0)).unwrap_or_default()
}

fn value(yaml: Yaml, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(number) => serde_json::to_value(number).unwrap_or_default(),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => {
            Value::Array(items.into_iter().map(|item| value(item, depth + 1)).collect::<Option<_>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut out = Map::new();
            for (key, inner) in entries {
                let key = match key {
                    Yaml::String(key) => key,
                    // Such as the version of an IAM policy, or a port in a `Mappings` section.
                    other => match value(other, depth + 1)? {
                        Value::String(key) => key,
                        other => other.to_string(),
                    },
                };
                out.insert(key, value(inner, depth + 1)?);
            }
            Value::Object(out)
        }
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let inner = value(tagged.value, depth + 1)?;
            // CloudFormation User Guide, "Intrinsic function reference": all but two short forms mean `Fn::…`.
            match (name, inner) {
                ("Ref" | "Condition", inner) => json!({ name: inner }),
                ("GetAtt", Value::String(path)) => match path.split_once('.') {
                    Some((id, attribute)) => json!({ "Fn::GetAtt": [id, attribute] }),
                    None => json!({ "Fn::GetAtt": path }),
                },
                (name, inner) => json!({ format!("Fn::{name}"): inner }),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_forms_stand_for_functions() {
        let yaml = "
AWSTemplateFormatVersion: '2010-09-09'
Conditions: { C: !Equals [a, !Ref A], D: !Condition C }
Resources:
  Q:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: 5
      FifoQueue: true
      QueueName: !Sub '${AWS::StackName}-q'
      KmsMasterKeyId: !GetAtt Key.Arn.More
";
        let expected = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Conditions": { "C": { "Fn::Equals": ["a", { "Ref": "A" }] }, "D": { "Condition": "C" } },
            "Resources": { "Q": { "Type": "AWS::SQS::Queue", "Properties": {
                "DelaySeconds": 5,
                "FifoQueue": true,
                "QueueName": { "Fn::Sub": "${AWS::StackName}-q" },
                "KmsMasterKeyId": { "Fn::GetAtt": ["Key", "Arn.More"] },
            } } },
        });
        assert_eq!(read(yaml), expected);
        assert_eq!(read(&expected.to_string()), expected);
    }

    #[test]
    fn what_is_neither_is_null() {
        for text in ["", "{", "a: b: c", "\u{0}"] {
            assert_eq!(read(text), Value::Null, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
