use super::*;

fn resolved(template: &Value, value: &Value) -> Value {
    let parameters = BTreeMap::from([("P".to_owned(), "p".to_owned()), ("L".to_owned(), "a, b".to_owned())]);
    let tags = BTreeMap::new();
    let pseudo = PseudoParameters {
        region: Some("eu-west-1".to_owned()),
        stack: "s".to_owned(),
        ..PseudoParameters::default()
    };
    let side = Side { template, parameters: &parameters, tags: &tags };
    Resolver::new(&side, &BTreeMap::new(), &pseudo).value(value)
}

fn template() -> Value {
    json!({
        "Parameters": {
            "P": { "Type": "String" }, "L": { "Type": "CommaDelimitedList" }, "D": { "Type": "Number", "Default": 2 },
            "N": { "Type": "String", "Default": "secret", "NoEcho": true },
            "S": { "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x" },
        },
        "Mappings": { "M": { "eu-west-1": { "Size": 3 } } },
        "Conditions": {
            "Yes": { "Fn::Equals": [{ "Ref": "P" }, "p"] },
            "No": { "Fn::Not": [{ "Condition": "Yes" }] },
            "Far": { "Fn::Equals": [{ "Ref": "AWS::AccountId" }, "1"] },
            "Or": { "Fn::Or": [{ "Condition": "Far" }, { "Condition": "Yes" }] },
            "And": { "Fn::And": [{ "Condition": "Far" }, { "Condition": "Yes" }] },
            "Circle": { "Fn::Not": [{ "Condition": "Circle" }] },
        },
    })
}

#[test]
fn what_is_known_takes_its_place() {
    for (value, expected) in [
        (json!({ "Fn::Sub": "a-${P}-${AWS::Region}" }), json!("a-p-eu-west-1")),
        (json!({ "Fn::Sub": ["${X}${!P}${D}", { "X": { "Ref": "P" } }] }), json!("p${P}2")),
        (json!({ "Fn::Join": ["-", ["a", { "Ref": "P" }]] }), json!("a-p")),
        (json!({ "Ref": "L" }), json!(["a", "b"])),
        (json!({ "Fn::Select": ["1", { "Ref": "L" }] }), json!("b")),
        (json!({ "Fn::Select": [1, { "Fn::Split": ["-", "x-y"] }] }), json!("y")),
        (json!({ "Fn::FindInMap": ["M", { "Ref": "AWS::Region" }, "Size"] }), json!(3)),
        (json!({ "Fn::If": ["Yes", 1, 2] }), json!(1)),
        (json!({ "Fn::If": ["No", 1, 2] }), json!(2)),
        (json!({ "Fn::If": ["Or", 1, 2] }), json!(1)),
        (json!({ "Fn::If": ["Far", 1, 1] }), json!(1)),
        (json!({ "A": { "Ref": "AWS::NoValue" }, "B": null }), json!({})),
        (json!({ "Fn::GetAZs": "" }), json!({ "Fn::GetAZs": "eu-west-1" })),
        (json!({ "Ref": "S" }), json!("{{resolve:ssm:/x}}")),
        (json!({ "Fn::ToJsonString": { "a": { "Ref": "P" } } }), json!("{\"a\":\"p\"}")),
    ] {
        assert_eq!(resolved(&template(), &value), expected, "{value}");
    }
}

#[test]
fn what_is_not_known_has_one_form() {
    for (value, expected) in [
        (json!({ "Fn::GetAtt": "A.B.C" }), json!({ "Fn::GetAtt": ["A", "B.C"] })),
        (json!({ "Fn::Sub": "${A}" }), json!({ "Ref": "A" })),
        (json!({ "Fn::Sub": "${A.Arn}" }), json!({ "Fn::GetAtt": ["A", "Arn"] })),
        (
            json!({ "Fn::Join": ["", [{ "Fn::GetAtt": ["A", "Arn"] }, "/*"]] }),
            json!({ "Fn::Sub": "${A.Arn}/*" }),
        ),
        (
            json!({ "Fn::Join": ["", ["x", { "Fn::Join": [":", ["y", { "Fn::Sub": "${A}-${P}" }]] }]] }),
            json!({ "Fn::Sub": "xy:${A}-p" }),
        ),
        (json!({ "Fn::Sub": "${A}${!B}" }), json!({ "Fn::Sub": "${A}${!B}" })),
        (json!({ "Ref": "N" }), json!({ "Ref": "N" })),
        (json!({ "Fn::If": ["And", 1, 2] }), json!({ "Fn::If": ["And", 1, 2] })),
        (json!({ "Fn::If": ["Circle", 1, 2] }), json!({ "Fn::If": ["Circle", 1, 2] })),
    ] {
        assert_eq!(resolved(&template(), &value), expected, "{value}");
    }
}
