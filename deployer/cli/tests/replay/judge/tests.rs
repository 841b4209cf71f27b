use serde_json::json;

use super::*;

const NONE: &str = "Stack with id s does not exist";

/// One call of a conversation: the operation, its input, and its output or the message of its error.
type Said = (&'static str, Value, Result<Value, &'static str>);

fn judged(said: Vec<Said>) -> Vec<&'static str> {
    let mut judge = Judge::default();
    for (operation, mut input, ended) in said {
        input["StackName"] = json!("s");
        let call = Call { service: "CloudFormation".into(), operation: operation.into(), input };
        match ended {
            Ok(output) => judge.hear(&call, Ended::Answered(&output)),
            Err("lost") => judge.hear(&call, Ended::Lost),
            Err(message) => judge.hear(&call, Ended::Refused(message, 400)),
        }
    }
    judge.findings.into_iter().map(|(rule, _)| rule).collect()
}

fn absent() -> Said {
    ("DescribeStacks", json!({}), Err(NONE))
}

fn is_in(status: &str) -> Said {
    ("DescribeStacks", json!({}), Ok(json!({ "Stacks": [{ "StackName": "s", "StackStatus": status }] })))
}

fn tagged(keys: &[&str]) -> Said {
    let tags: Vec<Value> = keys.iter().map(|key| json!({ "Key": key, "Value": "a" })).collect();
    let stack = json!({ "StackName": "s", "StackStatus": "UPDATE_COMPLETE", "Tags": tags });
    ("DescribeStacks", json!({}), Ok(json!({ "Stacks": [stack] })))
}

fn protected() -> Said {
    let stack =
        json!({ "StackName": "s", "StackStatus": "CREATE_COMPLETE", "EnableTerminationProtection": true });
    ("DescribeStacks", json!({}), Ok(json!({ "Stacks": [stack] })))
}

fn events(lines: &[(&str, &str)], token: &str) -> Said {
    let event = |(id, status): &(&str, &str)| json!({ "EventId": id, "ResourceStatus": status, "StackId": "i", "PhysicalResourceId": "i", "ClientRequestToken": token });
    let events: Vec<Value> = lines.iter().map(event).collect();
    ("DescribeStackEvents", json!({}), Ok(json!({ "StackEvents": events })))
}

fn planned(mut input: Value) -> Said {
    input["ChangeSetName"] = json!("c");
    ("CreateChangeSet", input, Ok(json!({})))
}

fn ready() -> Said {
    let output = json!({ "Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE" });
    ("DescribeChangeSet", json!({ "ChangeSetName": "c" }), Ok(output))
}

fn executed(mut input: Value) -> Said {
    input["ChangeSetName"] = json!("c");
    input["ClientRequestToken"] = json!("ours-1");
    ("ExecuteChangeSet", input, Ok(json!({})))
}

#[test]
fn what_cloudformation_does_breaks_no_rule() {
    let create = || json!({ "ChangeSetType": "CREATE", "OnStackFailure": "DELETE" });
    let update = || json!({ "ChangeSetType": "UPDATE" });
    let express = json!({ "ChangeSetType": "CREATE", "DeploymentConfig": { "Mode": "EXPRESS", "DisableRollback": "false" } });
    for said in [
        vec![
            absent(),
            planned(create()),
            ready(),
            is_in("REVIEW_IN_PROGRESS"),
            executed(json!({})),
            is_in("CREATE_COMPLETE"),
        ],
        vec![
            absent(),
            planned(create()),
            ready(),
            executed(json!({})),
            is_in("DELETE_IN_PROGRESS"),
            absent(),
        ],
        vec![absent(), planned(express), ready(), executed(json!({})), is_in("ROLLBACK_COMPLETE")],
        vec![
            absent(),
            planned(json!({ "ChangeSetType": "CREATE" })),
            ready(),
            executed(json!({ "DisableRollback": "true" })),
            is_in("CREATE_FAILED"),
        ],
        vec![
            is_in("UPDATE_COMPLETE"),
            planned(update()),
            ready(),
            executed(json!({})),
            is_in("UPDATE_ROLLBACK_FAILED"),
            ("ContinueUpdateRollback", json!({}), Ok(json!({}))),
            is_in("UPDATE_ROLLBACK_COMPLETE"),
        ],
        vec![absent(), planned(import()), ready(), executed(json!({})), is_in("IMPORT_COMPLETE")],
        vec![absent(), planned(import()), ready(), executed(json!({})), is_in("ROLLBACK_COMPLETE")],
        vec![is_in("CREATE_COMPLETE"), ("DeleteStack", json!({}), Err("lost")), is_in("CREATE_COMPLETE")],
        vec![is_in("CREATE_COMPLETE"), ("DeleteStack", json!({}), Err("lost")), is_in("DELETE_FAILED")],
        vec![
            events(&[("2", "CREATE_COMPLETE"), ("1", "CREATE_IN_PROGRESS")], "other-1"),
            planned(update()),
            ready(),
            executed(json!({})),
            events(
                &[
                    ("4", "UPDATE_COMPLETE"),
                    ("3", "UPDATE_IN_PROGRESS"),
                    ("2", "CREATE_COMPLETE"),
                    ("1", "CREATE_IN_PROGRESS"),
                ],
                "ours-7",
            ),
        ],
    ] {
        let shown = format!("{said:?}");
        assert_eq!(judged(said), [""; 0], "{shown}");
    }
}

/// Returns a refactor of a queue, with another template and other moves than it should have.
fn refactored(template: &Value, moves: &[(&str, &str)], policy: &str) -> Vec<Said> {
    let deployed = json!({ "Resources": {
        "A": { "Type": "AWS::SQS::Queue", "Properties": {} },
        "P": { "Type": "AWS::SQS::QueuePolicy", "Properties": { "Queues": [{ "Ref": "A" }] } },
    } });
    let place = |id: &str| json!({ "StackName": "s", "LogicalResourceId": id });
    let moves: Vec<Value> =
        moves.iter().map(|(old, new)| json!({ "Source": place(old), "Destination": place(new) })).collect();
    let input = json!({
        "StackDefinitions": [{ "StackName": "s", "TemplateBody": template.to_string() }],
        "ResourceMappings": moves,
    });
    let id = || json!({ "StackRefactorId": "r" });
    let seen = |execution: &str| json!({ "Status": "CREATE_COMPLETE", "ExecutionStatus": execution });
    vec![
        is_in("UPDATE_COMPLETE"),
        ("GetTemplate", json!({}), Ok(json!({ "TemplateBody": deployed.to_string() }))),
        ("GetStackPolicy", json!({}), Ok(json!({ "StackPolicyBody": policy }))),
        ("CreateStackRefactor", input, Ok(id())),
        ("DescribeStackRefactor", id(), Ok(seen("AVAILABLE"))),
        ("ExecuteStackRefactor", id(), Ok(json!({}))),
        ("DescribeStackRefactor", id(), Ok(seen("EXECUTE_COMPLETE"))),
        is_in("UPDATE_COMPLETE"),
    ]
}

/// The template of a queue that was renamed, and whose policy was not.
fn moved() -> Value {
    json!({ "Resources": {
        "B": { "Type": "AWS::SQS::Queue", "Properties": {} },
        "P": { "Type": "AWS::SQS::QueuePolicy", "Properties": { "Queues": [{ "Ref": "B" }] } },
    } })
}

#[test]
fn a_refactor_moves_and_changes_nothing_else() {
    assert_eq!(judged(refactored(&moved(), &[("A", "B")], "")), Vec::<&str>::new());
    let mut reference = moved();
    reference["Resources"]["P"]["Properties"]["Queues"][0]["Ref"] = json!("A");
    let mut property = moved();
    property["Resources"]["B"]["Properties"]["DelaySeconds"] = json!(1);
    let mut policy = moved();
    policy["Resources"]["Q"] = policy["Resources"]["P"].clone();
    for (template, moves) in [
        (reference, vec![("A", "B")]),
        (property, vec![("A", "B")]),
        (policy, vec![("A", "B"), ("P", "Q")]),
        (moved(), vec![]),
    ] {
        assert!(
            judged(refactored(&template, &moves, "")).contains(&"refactor-alone"),
            "{template} {moves:?}"
        );
    }
    assert_eq!(judged(refactored(&moved(), &[("A", "B")], "{}")), ["refactor"]);
    let mut twice = refactored(&moved(), &[("A", "B")], "");
    twice.push(("ExecuteStackRefactor", json!({ "StackRefactorId": "r" }), Ok(json!({}))));
    assert_eq!(judged(twice), ["refactor"]);
}

/// The input of an import of one bucket.
fn import() -> Value {
    let template =
        json!({ "Resources": { "Landing": { "Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain" } } });
    json!({
        "ChangeSetType": "IMPORT",
        "TemplateBody": template.to_string(),
        "ResourcesToImport": [{
            "ResourceType": "AWS::S3::Bucket",
            "LogicalResourceId": "Landing",
            "ResourceIdentifier": { "entry": [{ "key": "BucketName", "value": "b" }] },
        }],
    })
}

/// The same with another value at a path.
fn import_with(path: &str, value: Value) -> Value {
    let mut input = import();
    match input.pointer_mut(path) {
        Some(place) => *place = value,
        None => input[path.trim_start_matches('/')] = value,
    }
    input
}

#[test]
fn every_rule_is_found_broken() {
    let create = json!({ "ChangeSetType": "CREATE" });
    let update = json!({ "ChangeSetType": "UPDATE" });
    let deletes = json!({ "ChangeSetType": "CREATE", "OnStackFailure": "DELETE" });
    let express = json!({ "ChangeSetType": "UPDATE", "DeploymentConfig": { "Mode": "EXPRESS", "DisableRollback": "true" } });
    let both = json!({ "ChangeSetType": "CREATE", "OnStackFailure": "DELETE", "DeploymentConfig": { "Mode": "EXPRESS" } });
    let done = Ok(json!({}));
    let bare = json!({ "Resources": { "Landing": { "Type": "AWS::S3::Bucket" } } }).to_string();
    let ours = json!({ "Metadata": { "deployer": { "tags": ["team"] } } });
    let two = json!({ "Resources": {
        "Landing": { "DeletionPolicy": "Retain" }, "Other": { "DeletionPolicy": "Retain" } } })
    .to_string();
    let broken: Vec<(&str, Vec<Said>)> = vec![
        (
            "status",
            vec![absent(), planned(deletes.clone()), ready(), executed(json!({})), is_in("CREATE_FAILED")],
        ),
        ("only-this-caller", vec![is_in("CREATE_COMPLETE"), is_in("UPDATE_IN_PROGRESS")]),
        ("operation", vec![is_in("UPDATE_COMPLETE"), ("CancelUpdateStack", json!({}), done.clone())]),
        ("absent", vec![absent(), ("ListStackResources", json!({}), done.clone())]),
        (
            "change-set",
            vec![
                is_in("CREATE_COMPLETE"),
                planned(update.clone()),
                ("DeleteChangeSet", json!({ "ChangeSetName": "c" }), done.clone()),
                executed(json!({})),
            ],
        ),
        ("change-set-type", vec![is_in("CREATE_COMPLETE"), planned(create.clone())]),
        (
            "on-failure-type",
            vec![
                is_in("CREATE_COMPLETE"),
                planned(json!({ "ChangeSetType": "UPDATE", "OnStackFailure": "DELETE" })),
            ],
        ),
        (
            "on-failure-and-disable-rollback",
            vec![absent(), planned(deletes), ready(), executed(json!({ "DisableRollback": "true" }))],
        ),
        ("on-failure-and-deployment-config", vec![absent(), planned(both)]),
        (
            "deployment-config-and-disable-rollback",
            vec![
                is_in("CREATE_COMPLETE"),
                planned(express.clone()),
                ready(),
                executed(json!({ "DisableRollback": "true" })),
            ],
        ),
        (
            "express-follow-up",
            vec![
                is_in("CREATE_COMPLETE"),
                planned(express),
                ready(),
                executed(json!({})),
                is_in("UPDATE_FAILED"),
                ("RollbackStack", json!({}), done.clone()),
            ],
        ),
        ("termination-protection", vec![protected(), ("DeleteStack", json!({}), done.clone())]),
        (
            "deletion-mode",
            vec![
                is_in("CREATE_COMPLETE"),
                ("DeleteStack", json!({ "RetainResources": ["Jobs"] }), done.clone()),
            ],
        ),
        (
            "skip",
            vec![
                is_in("UPDATE_ROLLBACK_FAILED"),
                (
                    "ListStackResources",
                    json!({}),
                    Ok(
                        json!({ "StackResourceSummaries": [{ "LogicalResourceId": "Jobs", "ResourceStatus": "UPDATE_COMPLETE" }] }),
                    ),
                ),
                ("ContinueUpdateRollback", json!({ "ResourcesToSkip": ["Jobs"] }), done),
            ],
        ),
        (
            "events",
            vec![
                events(&[("2", "CREATE_COMPLETE"), ("1", "CREATE_IN_PROGRESS")], "a-1"),
                events(&[("1", "CREATE_COMPLETE")], "a-1"),
            ],
        ),
        ("import-alone", vec![absent(), planned(import_with("/TemplateBody", json!(two)))]),
        (
            "import-untouched",
            vec![absent(), planned(import_with("/Tags", json!([{ "Key": "a", "Value": "b" }])))],
        ),
        ("import-policy", vec![absent(), planned(import_with("/TemplateBody", json!(bare)))]),
        (
            "import-identifier",
            vec![
                absent(),
                planned(import_with("/ResourcesToImport/0/ResourceIdentifier/entry/0/key", json!("Name"))),
            ],
        ),
        (
            "tags",
            vec![
                is_in("UPDATE_COMPLETE"),
                planned(json!({ "ChangeSetType": "UPDATE", "Tags": [{ "Key": "team", "Value": "" }] })),
            ],
        ),
        (
            "tags-of-others",
            vec![
                tagged(&["deployer:stack", "team", "owner"]),
                ("GetTemplate", json!({}), Ok(json!({ "TemplateBody": ours.to_string() }))),
                planned(
                    json!({ "ChangeSetType": "UPDATE", "Tags": [{ "Key": "deployer:stack", "Value": "dev" }] }),
                ),
            ],
        ),
        ("refactor-alone", {
            let mut more = moved();
            more["Resources"]["B"]["Properties"]["DelaySeconds"] = json!(1);
            refactored(&more, &[("A", "B")], "")
        }),
        ("refactor", refactored(&moved(), &[("A", "B")], "{}")),
        (
            "revert-drift",
            vec![
                is_in("UPDATE_COMPLETE"),
                planned(
                    json!({ "ChangeSetType": "UPDATE", "DeploymentMode": "REVERT_DRIFT", "DeploymentConfig": {} }),
                ),
            ],
        ),
    ];
    for (rule, said) in &broken {
        assert_eq!(judged(said.clone()), [*rule], "{said:?}");
    }
    assert_eq!(broken.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), RULES.map(|(rule, _)| rule));
}
