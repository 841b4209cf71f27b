//! `diffs/<name>/`: two templates, or the repository's file and edits of it, and their differences.
//!
//! A case holds `before.json` and `after.json`, or `edits.json` with pairs of texts (those of `base` are made on both
//! sides); `given.json` with the place, values of parameters and tags, origins, sizes of code; and the results:
//! `diff.json` (without resources that are kept), `diff.txt`, and its short form `brief.txt`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deployer_plan::diff::{
    ChangeKind, CodeState, Detail, Diff, Forces, PseudoParameters, Side, compare, render,
};
use deployer_syntax::Source;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::golden::{self, load};

type Texts = BTreeMap<String, String>;

/// The input of a case.
struct Given {
    before: Option<(Value, Texts, Texts)>,
    after: (Value, Texts, Texts),
    pseudo: PseudoParameters,
    origins: Texts,
}

impl Given {
    fn diff(&self) -> Diff {
        fn of((template, parameters, tags): &(Value, Texts, Texts)) -> Side<'_> {
            Side { template, parameters, tags }
        }
        compare(self.before.as_ref().map(of).as_ref(), &of(&self.after), &self.pseudo, &self.origins)
    }
}

fn texts(value: &Value) -> Texts {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned())).collect()
}

fn json_file(path: &Path) -> Value {
    serde_json::from_str(&golden::read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn given(folder: &Path) -> (Given, Value) {
    let given = json_file(&folder.join("given.json"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut pseudo = PseudoParameters {
        account: text(&given["place"]["account"]),
        region: text(&given["place"]["region"]),
        partition: text(&given["place"]["partition"]),
        stack: "stack".to_owned(),
    };
    let side = |name: &str, template: Value, mut parameters: Texts| {
        parameters.extend(texts(&given[name]["parameters"]));
        (template, parameters, texts(&given[name]["tags"]))
    };
    if !folder.join("edits.json").exists() {
        let template = |name: &str| json_file(&folder.join(name));
        let before = side("before", template("before.json"), Texts::new());
        let after = side("after", template("after.json"), Texts::new());
        return (Given { before: Some(before), after, pseudo, origins: texts(&given["origins"]) }, given);
    }
    let edit = |text: String, edits: &Value| {
        edits.as_array().into_iter().flatten().fold(text, |text, edit| {
            let (old, new) = (edit[0].as_str().expect("a text"), edit[1].as_str().expect("a text"));
            assert_eq!(text.matches(old).count(), 1, "{}: `{old}`", folder.display());
            text.replace(old, new)
        })
    };
    let file = edit(golden::read(&golden::repository().join("stack.yaml")), &given["base"]);
    let edited = edit(file.clone(), &json_file(&folder.join("edits.json")));
    pseudo.stack = format!("eventbridge-etl-{}", given["of"].as_str().expect("a stack"));
    pseudo.account = Some("111122223333".to_owned());
    pseudo.region = Some("eu-west-1".to_owned());
    pseudo.partition = Some("aws".to_owned());
    let lowered = |text: String| {
        let source = Source::new("stack.yaml", text);
        let (stacks, problems) = load(&source, &[]);
        assert!(!problems.has_errors(), "{}", problems.to_lines(&source));
        let found = stacks.into_iter().find(|compiled| compiled.stack.target.stack == given["of"]);
        found.expect("the stack").template
    };
    let (before, after) = (lowered(file), lowered(edited));
    let origins = after.resources.iter().map(|(id, made)| (id.clone(), made.origin.clone())).collect();
    let built = given["unbuilt"] != true;
    let (before, after) = (before.to_value(), after.to_value());
    let known = if built { code(&after) } else { Texts::new() };
    let after = side("after", after, known);
    let before = (given["new"] != true).then(|| side("before", before.clone(), code(&before)));
    (Given { before, after, pseudo, origins }, given)
}

/// Returns values for the parameters that name code.
fn code(template: &Value) -> Texts {
    let parameters = template["Parameters"].as_object().into_iter().flatten();
    let digest = "a".repeat(64);
    parameters
        .map(|(name, _)| {
            let value = match name.as_str() {
                name if name.ends_with("Code") => format!("worker/{digest}.zip"),
                name if name.ends_with("Image") => {
                    format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/deployer-assets@sha256:{digest}")
                }
                _ => "deployer-assets-111122223333-eu-west-1".to_owned(),
            };
            (name.clone(), value)
        })
        .collect()
}

fn cases() -> Vec<PathBuf> {
    golden::entries(&golden::package().join("tests/diffs"))
}

fn case(name: &str) -> Diff {
    given(&golden::package().join("tests/diffs").join(name)).0.diff()
}

/// Returns a diff as a reader without colours sees it.
fn page(diff: &Diff, width: usize) -> String {
    shown(diff, width, Detail::Full)
}

fn shown(diff: &Diff, width: usize, detail: Detail) -> String {
    render(diff, width, detail).iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the published schema of a diff, but strict: a field that it does not describe is an error.
fn strict_schema() -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(close);
                if fields.contains_key("properties") {
                    fields.insert("additionalProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let text = golden::read(&golden::repository().join("docs/diff.schema.json"));
    let mut schema = serde_json::from_str(&text).expect("JSON");
    close(&mut schema);
    schema
}

#[test]
fn every_case_of_a_diff_gives_what_its_folder_holds() {
    let validator = jsonschema::validator_for(&strict_schema()).expect("a valid schema");
    let mut failures = String::new();
    for folder in cases() {
        let (given, more) = given(&folder);
        let mut diff = given.diff();
        for code in &mut diff.code {
            let sizes = &more["sizes"][&code.parameter];
            (code.before_bytes, code.after_bytes) = (sizes[0].as_u64(), sizes[1].as_u64());
        }
        let mut value = diff.to_value();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", folder.display());
        if let Some(resources) = value["resources"].as_array_mut() {
            resources.retain(|resource| resource["action"] != "keep");
        }
        let (text, brief) = (page(&diff, 100), shown(&diff, 100, Detail::Brief));
        for text in [&text, &brief] {
            assert!(
                !text.chars().any(|letter| letter.is_control() && letter != '\n'),
                "{}",
                folder.display()
            );
        }
        let files = [("diff.json", format!("{value:#}\n")), ("diff.txt", text), ("brief.txt", brief)];
        for (file, text) in files {
            failures.extend(golden::difference(&folder.join(file), &text));
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn what_is_no_difference_is_none() {
    for name in ["no-noise", "repository-unchanged"] {
        let diff = case(name);
        assert!(diff.is_empty(), "{name}\n{}", page(&diff, 100));
        assert!(diff.permissions.is_empty() && diff.exposure.is_empty(), "{name}\n{}", page(&diff, 100));
    }
}

#[test]
fn actions_are_those_of_cloudformation() {
    let action = |diff: &Diff, id: &str| {
        diff.resources.iter().find(|resource| resource.id == id).map(|resource| resource.action)
    };
    let diff = case("references-followed");
    for (id, expected) in [
        ("Vpc", ChangeKind::Replace),
        ("Subnet", ChangeKind::Replace),
        ("Group", ChangeKind::Replace),
        ("Function", ChangeKind::Update),
        ("Other", ChangeKind::Update),
        ("Watcher", ChangeKind::Keep),
    ] {
        assert_eq!(action(&diff, id), Some(expected), "{id}");
    }
    let diff = case("repository-table-key");
    assert_eq!(action(&diff, "Records"), Some(ChangeKind::Replace));
    let diff = case("repository-throttle");
    assert!(diff.changed().all(|one| one.action == ChangeKind::Update && one.replacement == Forces::Never));
    let diff = case("repository-code");
    assert_eq!(action(&diff, "Extraction"), Some(ChangeKind::Replace), "a task definition never changes");
    assert_eq!(action(&diff, "Transform"), Some(ChangeKind::Update));
    assert!(diff.code.iter().all(|code| code.state == CodeState::Update));
    assert!(
        case("conditions-and-secrets")
            .resources
            .iter()
            .any(|one| one.id == "Never" && one.action == ChangeKind::Delete)
    );
    assert!(!page(&case("conditions-and-secrets"), 100).contains("hunter2"));
}

/// Returns all templates of the golden cases.
fn templates() -> Vec<Value> {
    let cases = golden::entries(&golden::cases());
    let files = cases.iter().flat_map(|case| golden::entries(case));
    let is_template = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let mut out: Vec<Value> = files.filter(is_template).map(|path| json_file(&path)).collect();
    for folder in cases_with_templates() {
        out.push(json_file(&folder.join("before.json")));
        out.push(json_file(&folder.join("after.json")));
    }
    out
}

fn cases_with_templates() -> impl Iterator<Item = PathBuf> {
    cases().into_iter().filter(|folder| folder.join("before.json").exists())
}

/// Returns the template with all keys, and all lists that are certainly sets, the other way round.
fn shuffled(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .rev()
            .map(|(key, inner)| (key.clone(), shuffled(inner, key)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => {
            let sets =
                ["Tags", "Statement", "Action", "Resource", "DependsOn", "SecurityGroupEgress", "SubnetIds"];
            let mut items: Vec<Value> = items.iter().map(|item| shuffled(item, "")).collect();
            if sets.contains(&name) {
                items.reverse();
            }
            items.into()
        }
        other => other.clone(),
    }
}

fn compared(before: Option<&Value>, after: &Value) -> Diff {
    let (none, pseudo) =
        (Texts::new(), PseudoParameters { stack: "s".to_owned(), ..PseudoParameters::default() });
    let side = |template| Side { template, parameters: &none, tags: &none };
    compare(before.map(side).as_ref(), &side(after), &pseudo, &none)
}

#[test]
fn a_template_and_itself_in_another_order_are_the_same() {
    for template in templates() {
        for other in [template.clone(), shuffled(&template, "")] {
            let diff = compared(Some(&template), &other);
            assert!(diff.is_empty(), "{}", page(&diff, 200));
            assert_eq!((diff.permissions.len(), diff.exposure.len(), diff.cost.items.len()), (0, 0, 0));
        }
    }
}

#[test]
fn a_new_stack_creates_everything_and_the_same_way_back_deletes_it() {
    for template in templates() {
        let count = template["Resources"].as_object().map_or(0, Map::len);
        let diff = compared(None, &template);
        assert!(diff.resources.iter().all(|resource| resource.action == ChangeKind::Create));
        assert!(diff.resources.len() <= count);
        let back = compared(Some(&template), &json!({}));
        assert!(back.resources.iter().all(|resource| resource.action == ChangeKind::Delete));
        assert_eq!(back.resources.len(), diff.resources.len());
        let gained = diff.permissions.iter().filter(|one| one.gained).count();
        assert_eq!(gained, back.permissions.iter().filter(|one| !one.gained).count());
    }
}

/// Returns any JSON: a deployed template can be anything.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "Resources",
        "Type",
        "Properties",
        "Ref",
        "Fn::Sub",
        "Fn::GetAtt",
        "Fn::If",
        "Fn::Join",
        "Fn::Select",
        "Condition",
        "Conditions",
        "Parameters",
        "Outputs",
        "Value",
        "A",
        "B",
        "AWS::SQS::Queue",
        "AWS::IAM::Role",
        "AWS::EC2::SecurityGroup",
        "${A}",
        "${A.Arn}",
        "${",
        "${!",
        "}",
        "Statement",
        "Effect",
        "Allow",
        "Action",
        "Tags",
        "Key",
        "Principal",
        "*",
        "{\"a\": [1]}",
        "[",
        "AWS::NoValue",
        "DependsOn",
        "KeySchema",
        "é🦀",
    ])
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn any_template() -> impl Strategy<Value = Value> {
    let resource = (
        prop::sample::select(vec![
            "AWS::SQS::Queue",
            "AWS::IAM::Role",
            "AWS::EC2::SecurityGroup",
            "AWS::S3::Bucket",
            "X::Y",
        ]),
        any_json(),
        any_json(),
    );
    let resource = resource.prop_map(
        |(kind, properties, depends)| json!({ "Type": kind, "Properties": properties, "DependsOn": depends }),
    );
    let resource = prop_oneof![resource, any_json()];
    (resource.clone(), resource, any_json(), any_json(), any_json()).prop_map(|(a, b, conditions, outputs, parameters)| {
        json!({ "Resources": { "A": a, "B": b }, "Conditions": conditions, "Outputs": outputs, "Parameters": parameters })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_two_templates_are_compared(a in any_template(), b in any_template(), any in any_json(), width in 0_usize..200) {
        for (before, after) in [(&a, &b), (&a, &any), (&any, &b)] {
            let diff = compared(Some(before), after);
            prop_assert_eq!(&diff, &compared(Some(before), after));
            for detail in [Detail::Brief, Detail::Changes, Detail::Full] {
                for line in render(&diff, width, detail) {
                    prop_assert!(!line.text.chars().any(char::is_control), "{:?}", line);
                }
            }
        }
        for template in [&a, &b, &any] {
            let diff = compared(Some(template), template);
            prop_assert!(diff.is_empty(), "{}", page(&diff, 200));
        }
    }
}

#[test]
fn no_template_goes_on_without_end() {
    // Conditions in a circle, parameters that would grow a text without end, values deeper than anybody writes.
    let mut deep = json!("x");
    for _ in 0..120 {
        deep = json!({ "Fn::Join": ["", [deep, { "Ref": "P" }]] });
    }
    let mut wide = Map::new();
    for index in 0..400 {
        wide.insert(format!("V{index}"), json!({ "Fn::Sub": "${P}".repeat(400) }));
    }
    let conditions: Map<String, Value> = (0..100)
        .map(|index| {
            let next = json!({ "Condition": format!("C{}", (index + 1) % 100) });
            (format!("C{index}"), json!({ "Fn::And": [next, next] }))
        })
        .collect();
    let template = json!({
        "Parameters": { "P": { "Type": "String", "Default": "p".repeat(4_096) } },
        "Conditions": conditions,
        "Resources": {
            "A": { "Type": "AWS::SQS::Queue", "Condition": "C0", "Properties": { "QueueName": deep } },
            "B": { "Type": "AWS::Lambda::Function", "Properties": { "Environment": { "Variables": wide } } },
        },
    });
    assert!(compared(Some(&template), &template).is_empty());
    assert!(!compared(Some(&template), &json!({})).is_empty());
}
