//! `deployer check`, and the forms in which problems go to other tools.

use crate::{STACK, folder, json, run};

/// The stack file with an error in all stacks, and a value that is wrong in one.
fn wrong() -> String {
    STACK
        .replace("visibilityTimeout", "visibiltyTimeout")
        .replace("config: { throttle: 50 }", "config: { throttle: 50, taskCpu: 300 }")
}

#[test]
fn all_stacks_are_checked() {
    let (code, out, err) = run(&folder(STACK), &["check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "stack.yaml: no problems in 3 stacks: local, dev, prod\n");
    let (_, out, _) = run(&folder(STACK), &["check", "dev"]);
    assert_eq!(out, "stack.yaml: no problems in stack dev\n");

    let (code, out, err) = run(&folder(&wrong()), &["check", "--message-format", "short"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    // The value of `prod` is seen although `local` is the default, and what is wrong everywhere is said once.
    assert_eq!(err.matches("visibiltyTimeout").count(), 1, "{err}");
    assert!(err.contains("300"), "{err}");

    let (code, _, err) = run(&folder(STACK), &["check", "nosuch"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no stack is named `nosuch`"), "{err}");
}

#[test]
fn problems_are_annotations_of_github() {
    let (code, _, err) = run(&folder(&wrong()), &["synth", "--message-format", "github"]);
    assert_eq!(code, Some(2));
    let first = err.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "::error file=stack.yaml,line=22,col=19,endColumn=35,title=E0101::unknown key `visibiltyTimeout`%0Ahelp: did you mean `visibilityTimeout`?"
    );
}

#[test]
fn problems_are_a_log_of_sarif() {
    let places = |text: &str| -> Vec<(String, u64)> {
        let log = json(text);
        assert_eq!(log["version"], "2.1.0");
        let results = log["runs"][0]["results"].as_array().expect("results").clone();
        let place = |result: &serde_json::Value| {
            let line = &result["locations"][0]["physicalLocation"]["region"]["startLine"];
            (result["ruleId"].as_str().expect("a code").to_owned(), line.as_u64().expect("a line"))
        };
        results.iter().map(place).collect()
    };
    let (code, out, err) = run(&folder(&wrong()), &["check", "--output", "sarif"]);
    assert_eq!(code, Some(2), "{err}");
    assert_eq!(places(&out).len(), 2, "{out}");
    assert!(places(&out).contains(&("E0101".to_owned(), 22)), "{out}");
    // A file that is no YAML, and one that is right.
    let (code, out, _) = run(&folder("name: [\n"), &["check", "--output", "sarif"]);
    assert_eq!((code, places(&out).len()), (Some(2), 1), "{out}");
    let (code, out, _) = run(&folder(STACK), &["check", "--output", "sarif"]);
    assert_eq!((code, places(&out).len()), (Some(0), 0));
    let (code, _, err) = run(&folder(STACK), &["ls", "--output", "sarif"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("only `deployer check` supports `--output sarif`"), "{err}");
}
