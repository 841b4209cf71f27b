//! `policies`: the rules of a stack file, in every form in which problems are shown.

use tempfile::TempDir;

use crate::{folder, json, run};

const STACK: &str = "\
name: shop
stacks: { dev: { region: eu-west-1 } }
policies: [\"rules/*.guard\"]
resources:
  jobs:
    type: queue
    properties: { visibilityTimeout: 30s }
  files: { type: bucket, properties: { notify: [{ queue: \"${jobs}\" }] } }
";

const BROKEN: &str =
    "rule SHORT {\n  Resources.Jobs.Properties.VisibilityTimeout < 30 <<at most half a minute>>\n}\n";
const FOLLOWED: &str = "rule LONG { Resources.Jobs.Properties.VisibilityTimeout >= 30 }\n";

/// Creates a folder with a stack file and rule files.
fn with_rules(rules: &[(&str, &str)]) -> TempDir {
    let folder = folder(STACK);
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    for (name, text) in rules {
        std::fs::write(folder.path().join("rules").join(name), text).expect("a rule file");
    }
    folder
}

#[test]
fn rules_that_are_followed_stop_nothing() {
    let followed = with_rules(&[("a.guard", FOLLOWED)]);
    let (code, out, err) = run(&followed, &["check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "stack.yaml: no problems in stack dev; the rules of 1 file are followed\n");
    let (_, out, _) = run(&followed, &["check", "--output", "json"]);
    assert_eq!(json(&out)["ruleFiles"], 1);
}

#[test]
fn a_rule_that_is_broken_refuses_before_any_call() {
    let broken = with_rules(&[("a.guard", FOLLOWED), ("b.guard", BROKEN)]);
    let place = "stack.yaml:7:19: error[E0388]: the rule `SHORT` (rules/b.guard:1) fails: `VisibilityTimeout` of `Jobs` is `30`, but \
                 must be less than `30`; help: at most half a minute\n";
    for args in [&["check"][..], &["diff", "--no-build"], &["deploy", "-y"], &["deploy", "--all", "-y"]] {
        let (code, out, err) = run(&broken, &[args, &["--message-format", "short"]].concat());
        assert_eq!((code, out.as_str()), (Some(5), ""), "{args:?}: {err}");
        assert!(err.starts_with(place), "{args:?}: {err}");
        assert!(
            err.contains("stack.yaml breaks the rules of its `policies` in 1 place; nothing was done"),
            "{err}"
        );
    }
    // The template can be seen all the same.
    let (code, out, _) = run(&broken, &["synth"]);
    assert_eq!(code, Some(0));
    assert_eq!(json(&out)["Resources"]["Jobs"]["Properties"]["VisibilityTimeout"], 30);

    let (code, _, err) = run(&broken, &["check", "--message-format", "github"]);
    assert_eq!(code, Some(5));
    assert!(err.starts_with("::error file=stack.yaml,line=7,col=19,endColumn=36,title=E0388::"), "{err}");
    let (code, out, _) = run(&broken, &["check", "--output", "sarif"]);
    assert_eq!(code, Some(5));
    assert_eq!(json(&out)["runs"][0]["results"][0]["ruleId"], "E0388");
    let (code, out, _) = run(&broken, &["check", "--output", "json"]);
    assert_eq!(code, Some(5));
    assert_eq!(json(&out)["diagnostics"][0]["code"], "E0388");
    assert_eq!(json(&out)["diagnostics"][0]["start"]["line"], 7);
}

#[test]
fn what_is_no_rule_is_shown_in_its_own_file() {
    let unreadable = with_rules(&[("a.guard", FOLLOWED), ("b.guard", "rule X {\n  Resources ==\n}\n")]);
    let (code, out, err) = run(&unreadable, &["check", "--message-format", "short"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("rules/b.guard:2:15: error[E0389]: "), "{err}");
    let (code, out, _) = run(&unreadable, &["check", "--output", "sarif"]);
    assert_eq!(code, Some(2));
    let place = &json(&out)["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"rules/b.guard".into(), &2.into())
    );
    // A file of comments alone is accepted from a pattern, and not by its own name.
    let empty = with_rules(&[("a.guard", "# rule X { }\n"), ("b.guard", FOLLOWED)]);
    assert_eq!(run(&empty, &["check"]).0, Some(0));
    std::fs::write(empty.path().join("stack.yaml"), STACK.replace("*.guard", "a.guard")).expect("stack.yaml");
    let (code, _, err) = run(&empty, &["check", "--message-format", "short"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("rules/a.guard:1:1: error[E0389]: the file has no rules"), "{err}");
}

#[test]
fn a_path_without_a_rule_file_is_an_error() {
    for (rules, reason) in
        [(&[][..], "`rules/*.guard` names no file"), (&[("a.txt", FOLLOWED)], "names no file")]
    {
        let (code, _, err) = run(&with_rules(rules), &["check", "--message-format", "short"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.starts_with("stack.yaml:3:12: error[E0390]: ") && err.contains(reason), "{err}");
    }
    let latin = with_rules(&[]);
    std::fs::write(latin.path().join("rules/a.guard"), b"rule \xe4 { }").expect("a rule file");
    let (_, _, err) = run(&latin, &["check", "--message-format", "short"]);
    assert!(err.contains("E0390") && err.contains("not UTF-8: line 1 has other bytes"), "{err}");
    assert!(err.contains("save the file as UTF-8") && !err.contains("relative to the stack file"), "{err}");
    std::fs::write(latin.path().join("rules/a.guard"), vec![b'#'; (1 << 20) + 1]).expect("a rule file");
    let (_, _, err) = run(&latin, &["check", "--message-format", "short"]);
    assert!(err.contains("E0390") && err.contains("more than 1048576 bytes"), "{err}");
}
