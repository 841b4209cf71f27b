//! One rule file against one template, by AWS's own evaluator.

use std::io::Cursor;

use cfn_guard::commands::Executable as _;
use cfn_guard::commands::validate::{OutputFormatType, ShowSummaryType};
use cfn_guard::utils::reader::{ReadBuffer, Reader};
use cfn_guard::utils::writer::{WriteBuffer, Writer};
use cfn_guard::{CommandBuilder as _, Error, ValidateBuilder};
use serde_json::json;

use crate::report;
use crate::verdict::{Unreadable, Verdict};

/// Exit code of Guard for a rule file that it can't read: `commands::ERROR_STATUS_CODE` of the crate, which is private.
const UNREADABLE: i32 = 5;

/// Applies a rule file to a template, given as JSON.
///
/// The call may end the process, and take any time and memory: see the documentation of this package.
#[must_use]
pub fn evaluate(rules: &str, template: &str) -> Verdict {
    match run(rules, template) {
        Ok((UNREADABLE, _, problem)) => Verdict::Unreadable(unreadable(&problem)),
        Ok((_, document, _)) => {
            match report::read(&document, &serde_json::from_str(template).unwrap_or_default()) {
                Ok(evaluated) => Verdict::Evaluated(evaluated),
                Err(error) => Verdict::Unusable(format!("the report of Guard is not as expected: {error}")),
            }
        }
        Err(error) => Verdict::Unusable(error.to_string()),
    }
}

/// Runs Guard's `validate`, and returns its exit code, its report, and what it writes about a file that it can't read.
fn run(rules: &str, template: &str) -> Result<(i32, String, String), Error> {
    let payload = json!({ "rules": [rules], "data": [template] }).to_string();
    let mut reader = Reader::new(ReadBuffer::Cursor(Cursor::new(payload.into_bytes())));
    let mut writer = Writer::new_with_err(WriteBuffer::Vec(Vec::new()), WriteBuffer::Vec(Vec::new()))?;
    let command = ValidateBuilder::default()
        .payload(true)
        .structured(true)
        .output_format(OutputFormatType::JSON)
        .show_summary(vec![ShowSummaryType::None])
        .try_build()?;
    let code = command.execute(&mut writer, &mut reader)?;
    match code {
        UNREADABLE => Ok((code, String::new(), writer.err_to_stripped()?)),
        _ => Ok((code, writer.into_string()?, String::new())),
    }
}

/// Returns the place in a message such as `… at line 3 at column 10, when handling expecting …, fragment …`.
fn unreadable(problem: &str) -> Unreadable {
    let after = |mark: &str| problem.split_once(mark).map(|(_, rest)| rest).unwrap_or_default();
    let number = |mark: &str| {
        let rest = after(mark);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().unwrap_or(1)
    };
    let expected = after(", when handling ").split(", fragment ").next().unwrap_or_default();
    // Some of Guard's explanations end in a place, which is given already, by a name of the file that is Guard's own.
    let expected = expected.split("RULES_STDIN").next().unwrap_or_default().trim();
    let expected = expected.to_lowercase().replace("there were no clauses present", "expected a condition");
    Unreadable {
        line: number(" at line "),
        column: number(" at column "),
        expected: expected.replacen("expecting", "expected", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Evaluated, Failure};

    const TEMPLATE: &str = r#"{ "Resources": { "Jobs": { "Type": "AWS::SQS::Queue", "Properties": { "DelaySeconds": 5, "Tags": [{ "Key": "a" }] } } } }"#;

    fn failures(rules: &str) -> Vec<Failure> {
        match evaluate(rules, TEMPLATE) {
            Verdict::Evaluated(found) => found.failures,
            other => panic!("{rules}: {other:?}"),
        }
    }

    /// Returns the paths that fail, with the missing properties and the demands.
    fn shown(rules: &str) -> Vec<String> {
        let line =
            |one: &Failure| format!("{} {} {}", one.path, one.missing.as_deref().unwrap_or("-"), one.demand);
        failures(rules).iter().map(line).collect()
    }

    #[test]
    fn every_kind_of_clause_is_told() {
        let clause = |clause: &str| shown(&format!("rule r {{ Resources.Jobs.Properties.{clause} }}"));
        let delay = "/Resources/Jobs/Properties/DelaySeconds -";
        assert_eq!(clause("DelaySeconds == 6"), [format!("{delay} is `5`, but must be equal to `6`")]);
        assert_eq!(clause("DelaySeconds != 5"), [format!("{delay} is `5`, but must not be equal to `5`")]);
        assert_eq!(clause("DelaySeconds > 5"), [format!("{delay} is `5`, but must be greater than `5`")]);
        assert_eq!(
            clause("DelaySeconds IN [1, 2]"),
            [format!("{delay} is `5`, but must be one of `1`, `2`")]
        );
        assert_eq!(clause("DelaySeconds not exists"), [format!("{delay} must not exist")]);
        assert_eq!(clause("DelaySeconds is_string"), [format!("{delay} is `5`, but must be a string")]);
        assert_eq!(
            clause("Tags empty"),
            ["/Resources/Jobs/Properties/Tags - is `[{\"Key\":\"a\"}]`, but must be empty"]
        );
        assert_eq!(clause("Nothing exists"), ["/Resources/Jobs/Properties Nothing must exist"]);
        assert_eq!(
            clause("Nothing.Below == 'x'"),
            ["/Resources/Jobs/Properties Nothing.Below must be equal to a value in the rule"]
        );
        assert_eq!(clause("Tags[*].Value exists"), ["/Resources/Jobs/Properties/Tags/0 Value must exist"]);
        assert_eq!(clause("DelaySeconds == 5"), Vec::<String>::new());
    }

    #[test]
    fn alternatives_are_one_failure() {
        let found = failures(
            "rule r { Resources.Jobs.Properties.A exists or Resources.Jobs.Properties.DelaySeconds == 6 <<why\n so>> }",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "/Resources/Jobs/Properties");
        assert!(found[0].demand.contains("; nor is"), "{found:?}");
    }

    #[test]
    fn alternatives_are_told_for_each_resource_with_all_names() {
        let template =
            r#"{ "Resources": { "A": { "Properties": { "Y": 1 } }, "B": { "Properties": { "Z": 5 } } } }"#;
        let found = |rules: &str| match evaluate(rules, template) {
            Verdict::Evaluated(found) => {
                let line = |one: &Failure| format!("{} {}", one.path, one.describe("it"));
                found.failures.iter().map(line).collect::<Vec<_>>()
            }
            other => panic!("{rules}: {other:?}"),
        };
        assert_eq!(
            found("rule r { Resources.*.Properties.X exists or Resources.*.Properties.W exists }"),
            [
                "/Resources/A/Properties it has no `X`, which must exist; nor is there `W`",
                "/Resources/B/Properties it has no `X`, which must exist; nor is there `W`",
            ]
        );
        assert_eq!(
            found(
                "rule r { Resources.A.Properties.X exists or Resources.B.Properties.Z == 6 or Resources.B.Properties.W exists }"
            ),
            [
                "/Resources/A/Properties it has no `X`, which must exist; nor is it right for another clause: `B` is `5`, but must be equal to `6`; nor has `B` `W`",
            ]
        );
    }

    #[test]
    fn values_that_a_rule_computes_are_none_of_the_template() {
        let found =
            failures("let all = Resources.*\nlet number = count(%all)\nrule r { %number >= 2 <<more>> }");
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((only.path.as_str(), only.message.as_deref()), ("", Some("more")));
        assert_eq!(
            only.demand,
            "does not follow it: a value that it computes is `1`, but must be at least `2`"
        );
        let upper = failures("let type = to_upper(Resources.Jobs.Type)\nrule r { %type == 'A' }");
        assert!(upper[0].demand.contains("computes is `AWS::SQS::QUEUE`"), "{upper:?}");
    }

    #[test]
    fn the_keys_that_a_filter_compares_are_no_failures() {
        let found = failures("rule r { Resources[ keys == /^Z/ ] !empty }");
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert!(only.path.is_empty() && only.demand.contains("not EMPTY"), "{only:?}");
        let twice = failures(
            "rule r { Resources.*[ Type == 'AWS::SQS::Queue' ] { Properties[ DelaySeconds > 30 ] !empty } Resources.*[ Type == 'AWS::SQS::Queue' ] { Properties[ DelaySeconds > 30 ] !empty } }",
        );
        assert_eq!(twice.len(), 1, "what is said twice says nothing more: {twice:?}");
    }

    #[test]
    fn messages_are_one_line() {
        let found =
            failures("rule r { Resources.Jobs.Properties.A exists <<\n  Violation: b\n  Fix: c\n>> }");
        assert_eq!(found[0].message.as_deref(), Some("Violation: b Fix: c"));
        assert_eq!(found[0].rule.as_deref(), Some("r"));
        assert_eq!(failures("Resources.Jobs.Properties.A exists")[0].rule, None);
    }

    #[test]
    fn rules_are_counted() {
        let rules =
            "rule a { Resources exists }\nrule b when Nothing exists { Resources empty }\nrule c {\n  a\n}\n";
        let counted = Evaluated { followed: 2, skipped: 1, failures: Vec::new() };
        assert_eq!(evaluate(rules, TEMPLATE), Verdict::Evaluated(counted));
        assert_eq!(evaluate("# nothing\n", TEMPLATE), Verdict::Evaluated(Evaluated::default()));
    }

    #[test]
    fn what_is_no_rule_has_its_place() {
        let place = |rules: &str| match evaluate(rules, TEMPLATE) {
            Verdict::Unreadable(found) => (found.line, found.column, found.expected),
            other => panic!("{rules}: {other:?}"),
        };
        let value = "expected either a property access \"engine.core\" or value like \"string\" or [\"this\", \"that\"]";
        assert_eq!(place("rule x {\n  Resources.*.Type == \n}\n"), (2, 22, value.to_owned()));
        assert_eq!(place("rule x when { a exists }"), (1, 13, "expected a condition".to_owned()));
        assert_eq!(place("rule x { a exists"), (1, 18, String::new()));
    }

    #[test]
    fn rules_that_fail_to_run_say_why() {
        let Verdict::Unusable(reason) = evaluate("rule x { %nope exists }", TEMPLATE) else {
            panic!("a reason")
        };
        assert!(reason.contains("nope"), "{reason}");
    }
}
