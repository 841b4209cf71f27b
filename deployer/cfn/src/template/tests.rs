use super::*;
use proptest::prelude::*;
use serde_json::Map;

#[test]
fn logical_ids_come_from_the_name_alone() {
    assert_eq!(logical_id("landing"), "Landing");
    assert_eq!(logical_id("my-landing_zone2"), "MyLandingZone2");
}

#[test]
fn what_is_sent_is_ascii_and_the_same() {
    let template = Template { description: Some("Größe 東京 🦀".to_owned()), ..Template::default() };
    let sent = template.to_compact_json();
    assert!(sent.is_ascii(), "{sent}");
    assert_eq!(serde_json::from_str::<Value>(&sent).expect("JSON"), template.to_value());
}

#[test]
fn references_to_nothing_are_found() {
    let resource = Resource {
        kind: "AWS::X::Y",
        depends_on: vec!["Gone".into()],
        properties: json!({ "A": Ref("Q"), "B": [Sub("${Q.Arn}-${AWS::Region}-${!L}-${Z}")], "C": GetAtt("W", "Arn") }),
        ..Resource::default()
    };
    let template = Template { resources: vec![("Q".into(), resource)], ..Template::default() };
    let found: Vec<String> = template.check().into_iter().map(|dangling| dangling.to).collect();
    assert_eq!(found, ["Z", "W", "Gone"]);
}

#[test]
fn a_variable_comes_before_an_attribute_of_its_name() {
    let properties =
        || json!({ "Fn::Sub": ["${Q.Arn} ${Q.Url} ${x:y} ${V} ${V.Arn}", { "Q.Arn": 1, "x:y": 2, "V": 3 }] });
    let resource = Resource { kind: "AWS::X::Y", properties: properties(), ..Resource::default() };
    let mut template = Template { resources: vec![("P".into(), resource)], ..Template::default() };
    let found: Vec<String> = template.check().into_iter().map(|dangling| dangling.to).collect();
    assert_eq!(found, ["Q", "V"], "of `Q.Url` and `V.Arn`");
    let mut of_q = Vec::new();
    attributes(&properties(), "Q", &mut |attribute| of_q.push(attribute.to_owned()));
    assert_eq!(of_q, ["Url"]);
    template.rename(&["Q", "V"].map(|id| (id.to_owned(), format!("{id}2"))).into());
    assert_eq!(template.resources[0].1.properties["Fn::Sub"][0], "${Q.Arn} ${Q2.Url} ${x:y} ${V} ${V2.Arn}");
}

#[test]
fn what_a_macro_adds_may_be_referred_to() {
    let include = || ("Fn::Transform".to_owned(), json!({ "Name": "AWS::Include" }));
    let outputs = vec![("O".to_owned(), json!({ "Condition": "Gone", "Value": Ref("Gone") }))];
    let template = Template { outputs, ..Template::default() };
    assert_eq!(template.check().len(), 2);
    for section in ["mappings", "conditions", "loops", "outputs", "transform"] {
        let mut template = template.clone();
        match section {
            "mappings" => template.mappings.push(include()),
            "conditions" => template.conditions.push(include()),
            "loops" => template.loops.push(include()),
            "outputs" => template.outputs.push(include()),
            _ => template.transform = Some(json!("Own")),
        }
        assert_eq!(template.check(), [], "{section}");
    }
}

#[test]
fn new_logical_ids_stand_everywhere() {
    let resource = Resource {
        kind: "AWS::X::Y",
        depends_on: vec!["A".into()],
        properties: json!({
            "A": Ref("A"),
            "B": [Sub("${A}-${A.Arn}-${!A}-${AB}-${A")],
            "C": { "Fn::Sub": ["${A}-${B}", { "A": { "Fn::GetAtt": ["A", "Arn"] } }] },
            "D": "A",
        }),
        ..Resource::default()
    };
    let mut template = Template {
        resources: vec![("A".into(), resource)],
        outputs: vec![("A".into(), json!({ "Value": Ref("A") }))],
        ..Template::default()
    };
    template.rename(&BTreeMap::from([("A".to_owned(), "N".to_owned()), ("B".to_owned(), "A".to_owned())]));
    let (id, resource) = &template.resources[0];
    assert_eq!((id.as_str(), resource.depends_on.as_slice()), ("N", ["N".to_owned()].as_slice()));
    assert_eq!(
        resource.properties,
        json!({
            "A": Ref("N"),
            "B": [Sub("${N}-${N.Arn}-${!A}-${AB}-${N")],
            "C": { "Fn::Sub": ["${A}-${A}", { "A": { "Fn::GetAtt": ["N", "Arn"] } }] },
            "D": "A",
        })
    );
    assert_eq!(template.outputs, [("A".to_owned(), json!({ "Value": Ref("N") }))]);
}

#[test]
fn what_may_be_missing_is_referred_to_only_where_it_is_there() {
    let resource = |condition: Option<&str>, properties: Value| Resource {
        kind: "AWS::X::Y",
        condition: condition.map(str::to_owned),
        properties,
        ..Resource::default()
    };
    let both = json!({ "Fn::And": [{ "Condition": "Is" }, { "Fn::Not": [{ "Condition": "Other" }] }] });
    let template = Template {
        conditions: vec![
            ("Is".into(), json!({ "Fn::Equals": ["a", Ref("AWS::Region")] })),
            ("Other".into(), json!({ "Fn::Equals": ["b", Ref("AWS::Region")] })),
            ("Both".into(), both),
            ("IsNot".into(), json!({ "Fn::Not": [{ "Condition": "Is" }] })),
        ],
        resources: vec![
            ("Maybe".into(), resource(Some("Is"), json!({}))),
            ("Same".into(), resource(Some("Is"), json!({ "A": Ref("Maybe") }))),
            ("Stricter".into(), resource(Some("Both"), json!({ "A": Ref("Maybe") }))),
            ("Inside".into(), resource(None, json!({ "A": { "Fn::If": ["Is", Ref("Maybe"), "x"] } }))),
            ("Negated".into(), resource(None, json!({ "A": { "Fn::If": ["IsNot", "x", Ref("Maybe")] } }))),
            ("Always".into(), resource(None, json!({ "A": { "Fn::If": ["Is", "x", Sub("${Maybe.Arn}")] } }))),
            ("Different".into(), resource(Some("Other"), json!([GetAtt("Maybe", "Arn"), Ref("Maybe")]))),
        ],
        outputs: vec![("Shown".into(), json!({ "Value": Ref("Maybe") }))],
        ..Template::default()
    };
    assert_eq!(template.check(), []);
    let found: Vec<String> = template.conditional_references().into_iter().map(|found| found.from).collect();
    assert_eq!(found, ["Always", "Different", "Shown"]);
}

#[test]
fn circles_are_shown_as_a_path() {
    let resource = |properties: Value| Resource { kind: "AWS::X::Y", properties, ..Resource::default() };
    let template = |last: Value| Template {
        resources: vec![
            ("Before".into(), resource(json!({ "A": Ref("B") }))),
            ("B".into(), resource(json!({ "A": [GetAtt("C", "Arn")] }))),
            ("C".into(), resource(last)),
        ],
        ..Template::default()
    };
    assert_eq!(template(json!({ "A": Ref("P") })).cycle(), None);
    let circle = template(json!({ "A": Sub("${B}") })).cycle().expect("a circle");
    assert_eq!(circle, ["B", "C", "B"]);
}

#[test]
fn resources_of_iam_that_are_named_are_found() {
    let of = |kind: &str, properties: Value| {
        has_named_iam(&json!({ "Resources": { "R": { "Type": kind, "Properties": properties } } }))
    };
    assert!(of("AWS::IAM::Role", json!({ "RoleName": { "Fn::Sub": "${AWS::StackName}-role" } })));
    assert!(of("AWS::IAM::ManagedPolicy", json!({ "ManagedPolicyName": "p" })));
    assert!(!of("AWS::IAM::Role", json!({ "Path": "/app/" })));
    // A policy within a role has a name always, and needs no more than a role does.
    assert!(!of("AWS::IAM::Policy", json!({ "PolicyName": "p" })));
    assert!(!of("AWS::SQS::Queue", json!({ "RoleName": "p" })));
    assert!(!has_named_iam(&json!({})));
}

proptest! {
    #[test]
    fn yaml_says_what_json_says(
        texts in proptest::collection::vec("\\PC{0,12}|[a\u{7f}\u{85}\u{2028}\u{feff}\u{ffff}\\n\\t ]{1,4}|no|ON|012|1e3|2012-10-17|~|0x1F|a: b|- x|1:30|=|<<|null", 1..6)
    ) {
        let properties = json!({ "List": texts, "Map": texts.iter().map(|t| (t.clone(), json!(t))).collect::<Map<_, _>>(), "Empty": {}, "N": 1, "B": true });
        let resource = Resource { kind: "AWS::X::Y", properties, ..Resource::default() };
        let template = Template { resources: vec![("Q".into(), resource)], ..Template::default() };
        let read: Value = serde_yaml::from_str(&template.to_yaml()).expect("valid YAML");
        prop_assert_eq!(read, template.to_value());
    }
}

#[test]
fn references_are_replaced_by_texts_wherever_they_are() {
    let texts = [("Jobs", "https://sqs.${AWS::Region}/jobs"), ("Jobs.Arn", "arn:aws:sqs:r:1:jobs")];
    let texts: BTreeMap<String, String> = texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let mut value = json!({
        "Url": { "Ref": "Jobs" },
        "Arn": { "Fn::GetAtt": ["Jobs", "Arn"] },
        "Dotted": { "Fn::GetAtt": "Jobs.Arn" },
        "Other": { "Fn::GetAtt": ["Jobs", "Elsewhere"] },
        "Text": { "Fn::Sub": "${Jobs.Arn}/*" },
        "Mixed": { "Fn::Sub": "${!Jobs} ${Jobs} ${Other} ${Jobs.Elsewhere}" },
        "Own": { "Fn::Sub": ["${Jobs} ${Jobs.Arn}", { "Jobs": { "Ref": "Jobs" } }] },
        "Untouched": { "Fn::Sub": "plain" },
    });
    replace_references(&mut value, &texts);
    let expected = json!({
        "Url": { "Fn::Sub": "https://sqs.${AWS::Region}/jobs" },
        "Arn": "arn:aws:sqs:r:1:jobs",
        "Dotted": "arn:aws:sqs:r:1:jobs",
        "Other": { "Fn::GetAtt": ["Jobs", "Elsewhere"] },
        "Text": "arn:aws:sqs:r:1:jobs/*",
        "Mixed": { "Fn::Sub": "${!Jobs} https://sqs.${AWS::Region}/jobs ${Other} ${Jobs.Elsewhere}" },
        "Own": { "Fn::Sub": ["${Jobs} arn:aws:sqs:r:1:jobs", { "Jobs": { "Fn::Sub": "https://sqs.${AWS::Region}/jobs" } }] },
        "Untouched": { "Fn::Sub": "plain" },
    });
    assert_eq!(value, expected);
}
