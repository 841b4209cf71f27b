//! Events that may come to a `transform` that calls a column sensitive: the task must encrypt it then.

use deployer_syntax::Source;

use crate::golden::load;

/// Returns a task on one bus, a `transform` with a sensitive field on another, and the additions of a test.
fn stack(more: &str) -> Source {
    let text = format!(
        r#"
name: etl
stacks: {{ dev: {{ region: eu-west-1 }} }}
resources:
  uploads: {{ type: bucket }}
  home: {{ type: network }}
  fleet: {{ type: cluster }}
  first: {{ type: bus }}
  second: {{ type: bus }}
  read:
    type: task
    properties:
      worker: extraction
      cluster: ${{fleet}}
      network: ${{home}}
      access: [{{ read: "${{uploads}}" }}, {{ publish: "${{first}}" }}]
  people:
    type: function
    properties:
      worker: transform
      triggers: [{{ bus: "${{second}}", event: record-extracted }}]
      access: [{{ publish: "${{second}}" }}]
      settings: {{ fields: {{ ssn: {{ from: SSN, sensitive: true }} }} }}
{more}"#
    );
    Source::new("stack.yaml", text)
}

fn must_encrypt(source: &Source) -> bool {
    let (_, problems) = load(source, &[]);
    let lines = problems.to_lines(source);
    let errors: Vec<&str> = lines.lines().filter(|line| line.contains(": error[")).collect();
    let demand = "the worker `extraction` must be allowed to encrypt with a key";
    assert!(errors.iter().all(|line| line.contains(demand)), "{errors:?}");
    !errors.is_empty()
}

#[test]
fn events_of_another_bus_need_no_key() {
    assert!(!must_encrypt(&stack("")));
    let code =
        "  own: { type: function, properties: { code: { zip: a.zip, runtime: nodejs24.x, handler: a.b }, ";
    // Resources that read, or that may do something else, pass nothing on.
    assert!(!must_encrypt(&stack(&format!(
        "{code} triggers: [{{ bus: \"${{first}}\", event: any }}], statements: [{{ actions: [events:Describe*], resources: [\"*\"] }}] }} }}\n"
    ))));
}

#[test]
fn whatever_may_pass_events_on_is_followed() {
    let code =
        "  own: { type: function, properties: { code: { zip: a.zip, runtime: nodejs24.x, handler: a.b }, ";
    let statement = |action: &str| {
        format!("{code} statements: [{{ actions: [\"{action}\"], resources: [\"*\"] }}] }} }}\n")
    };
    let ways = [
        "  on: { type: rule, properties: { bus: \"${first}\", event: any, targets: [{ bus: \"${second}\" }] } }\n".to_owned(),
        format!("{code} access: [{{ publish: \"${{second}}\" }}] }} }}\n"),
        statement("events:PutEvents"),
        statement("events:put*"),
        "  on:\n    type: AWS::Events::Rule\n    properties:\n      EventPattern: { source: [a] }\n".to_owned(),
    ];
    for way in ways {
        assert!(must_encrypt(&stack(&way)), "{way}");
    }
    // The consumers of an existing bus are not known.
    let source = stack("");
    let existing =
        source.text.replace("first: { type: bus }", "first: { type: bus, properties: { existing: shared } }");
    assert!(must_encrypt(&Source::new("stack.yaml", existing)));
}
