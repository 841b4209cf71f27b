//! The fixes of problems: each solves its own problem, and is offered where the help knows what would be right.

use std::collections::BTreeSet;

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};
use deployer_syntax::{Source, edit, yaml};

use crate::golden::{cases, entries, load, source_of};

/// Returns the problems of a file.
fn problems(source: &Source) -> Vec<Diagnostic> {
    load(source, &[]).1.sorted().into_iter().cloned().collect()
}

/// Returns the text after the fix of a problem.
fn fixed(source: &Source, problem: &Diagnostic) -> Option<Source> {
    let root = yaml::parse(source, &mut Diagnostics::default())?;
    let edits = problem.fix.as_ref()?.edits(problem.span, source, &root)?;
    Some(Source::new("stack.yaml", edit::apply(&source.text, &edits).expect("edits of the text, in order")))
}

fn count(problems: &[Diagnostic], like: &Diagnostic) -> usize {
    problems.iter().filter(|one| one.code == like.code && one.message == like.message).count()
}

#[test]
fn a_fix_solves_its_problem() {
    let mut applied = 0;
    let mut codes = BTreeSet::new();
    for folder in entries(&cases()) {
        let case = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let source = source_of(&case);
        let before = problems(&source);
        for problem in &before {
            let Some(changed) = fixed(&source, problem) else { continue };
            let after = problems(&changed);
            assert!(
                count(&after, problem) < count(&before, problem),
                "{case}: {problem} is still there in\n{}",
                changed.text
            );
            applied += 1;
            codes.insert(problem.code);
        }
    }
    assert!(applied > 30, "{applied} fixes of {codes:?}");
    for code in ["E0101", "E0103", "E0105", "E0109", "E0203", "E0204", "E0305"] {
        assert!(codes.contains(code), "no case shows a fix of {code}: {codes:?}");
    }
}

/// Applies the first fix until there is none.
fn until_right(text: &str) -> String {
    let mut source = Source::new("stack.yaml", text);
    for _ in 0..20 {
        let Some(changed) = problems(&source).iter().find_map(|problem| fixed(&source, problem)) else {
            break;
        };
        source = changed;
    }
    source.text
}

#[test]
fn fixes_lead_to_a_file_that_is_right() {
    let text = "\
name: shop
stacks: { local: { target: local } }
resources:
  events: { type: bus }
  tally: { type: table, properties: { key: { object: string, part: string } } }
  jobs:
    type: qeue
    DependsOn: events
  alert:
    type: topic
    properties:
      subscriptions:
        queue: \"${jobs}\" # one
        filter:
          kind: [work]

        raw: true
  news: { type: topic, properties: { subscriptions: { queue: \"${jobs}\" } } }
  observe:
    type: function
    properties:
      worker: observe
      triggers: [{ bus: \"${event}\", evnt: any }]
      access:
        - publish: events # the ends of files
        - tally: \"${tally.name}\"
outputs:
  jobs: ${job.ulr}
";
    let expected = "\
name: shop
stacks: { local: { target: local } }
resources:
  events: { type: bus }
  tally: { type: table, properties: { key: { object: string, part: string } } }
  jobs:
    type: queue
    options: { dependsOn: [\"${events}\"] }
  alert:
    type: topic
    properties:
      subscriptions:
        - queue: \"${jobs}\" # one
          filter:
            kind: [work]

          raw: true
  news: { type: topic, properties: { subscriptions: [{ queue: \"${jobs}\" }] } }
  observe:
    type: function
    properties:
      worker: observe
      triggers: [{ bus: \"${events}\", event: any }]
      access:
        - publish: \"${events}\" # the ends of files
        - tally: \"${tally}\"
outputs:
  jobs: ${jobs.url}
";
    assert_eq!(until_right(text), expected);
}

#[test]
fn missing_access_is_added() {
    let stack = include_str!("../../../stack.yaml");
    let access = "access: [{ run: \"${extraction}\" }, { publish: \"${events}\" }]";
    let expected = stack.replace(access, "access: [{ publish: \"${events}\" }, { run: \"${extraction}\" }]");
    assert_ne!(expected, stack);
    assert_eq!(until_right(&stack.replace(access, "access: []")), expected);
}
