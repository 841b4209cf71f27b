//! `deployer permissions`: the files that it writes, and what it refuses.

use serde_json::{Value, json};

use crate::{STACK, folder, run};

#[test]
fn policies_and_trust_are_written_as_iam_takes_them() {
    let folder = folder(STACK);
    let stale = folder.path().join("policies/eventbridge-etl-prod.plan-2.policy.json");
    std::fs::create_dir(folder.path().join("policies")).expect("a folder");
    for name in ["plan-1", "plan-2", "service"] {
        let path = folder.path().join(format!("policies/eventbridge-etl-prod.{name}.policy.json"));
        std::fs::write(path, "{}").expect("a policy of an earlier run");
    }
    let args = ["permissions", "prod", "--github", "octo-org/orders", "--owner-id", "7", "--repo-id", "42"];
    let (code, out, err) = run(&folder, &[&args[..], &["--out", "policies"]].concat());
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let read = |name: &str| -> Value {
        let path = folder.path().join("policies").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).expect("JSON")
    };
    assert!(!stale.exists(), "the role has one policy now");
    let plan = read("eventbridge-etl-prod.plan.policy.json");
    assert_eq!(plan["Version"], "2012-10-17");
    let about = |service: &str| {
        let is_of =
            |one: &&Value| one["Action"][0].as_str().is_some_and(|action| action.starts_with(service));
        plan["Statement"].as_array().and_then(|all| all.iter().find(is_of)).cloned().unwrap_or_default()
    };
    assert_eq!(
        about("cloudformation:")["Resource"],
        json!(["arn:aws:cloudformation:eu-west-1:111122223333:stack/eventbridge-etl-prod/*"])
    );
    let trust = read("eventbridge-etl-prod.deployer.trust.json");
    let equals = &trust["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(
        equals["token.actions.githubusercontent.com:sub"],
        json!(["repo:octo-org/orders:environment:prod", "repo:octo-org@7/orders@42:environment:prod"])
    );
    // Two managed policies, since one has room for 6,144 characters.
    for number in [1, 2] {
        let service = read(&format!("eventbridge-etl-prod.service-{number}.policy.json"));
        assert!(service.to_string().len() <= 6_144);
    }
}

#[test]
fn what_no_policy_can_be_made_for_is_refused() {
    let folder = folder(STACK);
    for (args, said) in [
        (&["local"][..], "stack `local` is deployed to the local cloud, which checks no permissions"),
        (&["dev", "--github", "octo-org/orders"], "no account is known"),
        (&["prod", "--github", "octo-org/*"], "`octo-org/*` is not a repository of GitHub"),
        (&["prod", "--github", "octo/x", "--environment", "*"], "`*` cannot be the environment"),
        (&["prod", "--github", "octo/x", "--owner-id", "1"], "--repo-id"),
        (&["prod", "--owner-id", "1", "--repo-id", "1"], "--github"),
        (&["prod", "--account", "1"], "12 digits"),
        (&["prod", "--account", "444455556666"], "belongs to account 111122223333"),
    ] {
        let (code, out, err) = run(&folder, &[&["permissions"][..], args].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let (code, out, err) = run(&folder, &["permissions", "dev", "--role", "plan"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("account or region is not known"), "{err}");
    assert!(out.starts_with("plan  arn:aws:iam::*:role/deployer/eventbridge-etl-dev-plan\n"), "{out}");
    assert!(!out.contains("iam:CreateRole"), "{out}");
}
