//! Drift of resources of the language and of CloudFormation's own types, in files of one stack and of several.

use super::*;

const FILE: &str = r#"# Comments stay.
name: shop
config:
  delay: { type: duration, default: 0s }
stacks:
  dev: { region: eu-west-1 }
resources:
  jobs:
    type: queue
    properties:
      visibilityTimeout: 30s # as long as a job takes
      delay: "${config.delay}"
  work:
    type: function
    properties:
      code: { package: work }
      memory: 256MiB
      logRetention: 7d
      triggers: [{ queue: "${jobs}" }]
  news:
    type: AWS::SNS::Topic
    properties:
      DisplayName: News
      TracingConfig: !Ref AWS::NoValue
      Tags:
        - { Key: team, Value: shop }
        - { Key: who, Value: anna }
  mail: { type: "AWS::SNS::Topic", properties: { DisplayName: !Sub "${AWS::StackName} mail" } }
outputs: { url: "${jobs.url}", topic: "${news}", mail: "${mail}" }
"#;

/// Returns what `drift --accept` makes of a file: the lines that are new, and the reasons why something is left.
fn accepted(text: &str, drifted: &[[&str; 5]]) -> (Vec<String>, Vec<String>) {
    let pseudo = PseudoParameters {
        account: Some("111122223333".into()),
        region: Some("eu-west-1".into()),
        partition: Some("aws".into()),
        stack: "shop-dev".into(),
    };
    let none = BTreeMap::new();
    let place = Place { stack: "dev", overrides: &[], parameters: &none, pseudo: &pseudo };
    let drifted: Vec<Drifted<'_>> = drifted
        .iter()
        .map(|[logical_id, path, expected, actual, kind]| Drifted {
            logical_id,
            path,
            expected,
            actual,
            kind,
        })
        .collect();
    let source = Source::new("stack.yaml", text.to_owned());
    let out = accept(&source, &place, &drifted);
    assert_eq!(out.accepted.len() + out.left.len(), drifted.len());
    let old: Vec<&str> = text.lines().collect();
    let new = out.text.lines().filter(|line| !old.contains(line)).map(|line| line.trim().to_owned());
    (new.collect(), out.left.into_iter().map(|one| one.why).collect())
}

fn one(text: &str, drifted: [&str; 5]) -> Result<Vec<String>, String> {
    let (lines, mut left) = accepted(text, &[drifted]);
    match left.pop() {
        Some(why) => {
            assert!(lines.is_empty(), "what is left changes nothing: {lines:?}");
            Err(why)
        }
        None => Ok(lines),
    }
}

fn lines(lines: &[&str]) -> Result<Vec<String>, String> {
    Ok(lines.iter().map(|line| (*line).to_owned()).collect())
}

#[test]
fn a_value_of_the_language_is_changed_in_its_unit() {
    let changed = |drifted| one(FILE, drifted);
    assert_eq!(
        changed(["Jobs", "/VisibilityTimeout", "30", "120", "NOT_EQUAL"]),
        lines(&["visibilityTimeout: 2m # as long as a job takes"])
    );
    assert_eq!(changed(["Work", "/MemorySize", "256", "1024", "NOT_EQUAL"]), lines(&["memory: 1GiB"]));
    assert_eq!(
        changed(["WorkLogs", "/RetentionInDays", "7", "30", "NOT_EQUAL"]),
        lines(&["logRetention: 30d"])
    );
    // A default that the file does not give.
    let added = changed(["Work", "/Timeout", "30", "20", "NOT_EQUAL"]).expect("a property");
    assert_eq!(added, ["timeout: 20s"]);
    // A config value gets another one for the stack.
    assert_eq!(
        changed(["Jobs", "/DelaySeconds", "null", "10", "ADD"]),
        lines(&["dev: { region: eu-west-1, config: { delay: 10s } }"])
    );
}

#[test]
fn a_property_of_cloudformation_is_changed_at_its_path() {
    assert_eq!(
        one(FILE, ["News", "/DisplayName", "News", "News: all", "NOT_EQUAL"]),
        lines(&["DisplayName: \"News: all\""])
    );
    assert_eq!(
        one(FILE, ["News", "/Tags/1/Value", "anna", "bert", "NOT_EQUAL"]),
        lines(&["- { Key: who, Value: bert }"])
    );
    assert_eq!(
        one(FILE, ["News", "/Tags/2", "null", r#"{"Key":"cost","Value":"1"}"#, "ADD"]),
        lines(&[r#"- {"Key":"cost","Value":"1"}"#])
    );
    assert_eq!(one(FILE, ["News", "/FifoTopic", "null", "true", "ADD"]), lines(&["FifoTopic: true"]));
    let (new, left) =
        accepted(FILE, &[["News", "/Tags/1", r#"{"Key":"who","Value":"anna"}"#, "null", "REMOVE"]]);
    assert_eq!((new, left), (Vec::<String>::new(), Vec::new()), "the line is gone, and no other has changed");
}

#[test]
fn what_the_file_cannot_say_is_left_with_the_reason() {
    let left = |drifted| one(FILE, drifted).expect_err("it is left");
    assert!(left(["Jobs", "/MaximumMessageSize", "262144", "1", "NOT_EQUAL"]).contains("was deployed"));
    assert!(
        left(["JobsDeadLetters", "/MessageRetentionPeriod", "1209600", "60", "NOT_EQUAL"])
            .contains("a queue of the file")
    );
    assert!(left(["Jobs", "/VisibilityTimeout", "45", "60", "NOT_EQUAL"]).contains("the file has 30 there"));
    assert!(left(["Gone", "/A", "1", "2", "NOT_EQUAL"]).contains("no resource with this logical ID"));
    assert!(left(["News", "/DisplayName", "News", "${x}", "NOT_EQUAL"]).contains("--revert-drift"));
}

#[test]
fn several_properties_are_accepted_one_after_the_other() {
    let (new, left) = accepted(
        FILE,
        &[
            ["Jobs", "/VisibilityTimeout", "30", "60", "NOT_EQUAL"],
            ["JobsDeadLetters", "/MessageRetentionPeriod", "1209600", "60", "NOT_EQUAL"],
            ["Work", "/MemorySize", "256", "300", "NOT_EQUAL"],
        ],
    );
    assert_eq!(new, ["visibilityTimeout: 1m # as long as a job takes", "memory: 300MiB"]);
    assert_eq!(left.len(), 1);
}

#[test]
fn other_stacks_keep_their_values() {
    let two = FILE.replace("  dev: {", "  prod: { region: eu-west-1, config: { delay: 5s } }\n  dev: {");
    assert_eq!(
        one(&two, ["Jobs", "/DelaySeconds", "null", "10", "ADD"]),
        lines(&["dev: { region: eu-west-1, config: { delay: 10s } }"])
    );
    assert_eq!(
        one(&two, ["Jobs", "/VisibilityTimeout", "30", "120", "NOT_EQUAL"]),
        lines(&[
            "jobsVisibilityTimeout: { type: duration, default: 30s }",
            "dev: { region: eu-west-1, config: { jobsVisibilityTimeout: 2m } }",
            "visibilityTimeout: \"${config.jobsVisibilityTimeout}\" # as long as a job takes",
        ])
    );
    let why =
        one(&two, ["News", "/Tags/2", "null", r#"{"Key":"cost","Value":"1"}"#, "ADD"]).expect_err("shared");
    assert!(why.contains("the same line makes the property in `prod`"), "{why}");
}
