use deployer_lang::{Compiled, Document, compile};
use deployer_syntax::{Diagnostics, Source};

use super::*;

const FILE: &str = r#"
name: shop
stacks: { prod: { region: eu-west-1 } }
resources:
  main: { type: key, properties: { existing: 1234abcd-12ab-34cd-56ef-1234567890ab } }
  landing: { type: bucket, properties: { existing: landing, notify: [{ topic: "${news}" }] } }
  orders: { type: table, properties: { existing: orders, key: { id: string, day: number }, indexes: { by-day: { key: { day: number } } } } }
  jobs: { type: queue, properties: { existing: jobs, encryptionKey: "${main}", deadLetter: { after: 3 } } }
  news: { type: topic, properties: { existing: news } }
  shared: { type: cluster, properties: { existing: shared } }
  vpc: { type: network }
  job: { type: task, properties: { code: { package: work }, cluster: "${shared}", network: "${vpc}", spot: true } }
  late: { type: alarm, properties: { of: "${jobs}", metric: ApproximateAgeOfOldestMessage, threshold: 9, notify: ["${news}"] } }
  work: { type: function, properties: { code: { package: work }, timeout: 1m, triggers: [{ queue: "${jobs}" }] } }
"#;

fn compiled() -> Compiled {
    let source = Source::new("stack.yaml", FILE.to_owned());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics).expect("a document");
    let compiled = compile(&document, &document.stacks[0], &[], &mut diagnostics);
    compiled.unwrap_or_else(|| panic!("{:?}", diagnostics.sorted()))
}

fn pseudo() -> PseudoParameters {
    PseudoParameters {
        account: Some("111122223333".into()),
        region: Some("eu-west-1".into()),
        partition: Some("aws".into()),
        stack: "shop-prod".into(),
    }
}

/// Returns the mismatches of a resource as messages.
fn of(name: &str, facts: &Facts) -> Vec<String> {
    let (compiled, pseudo) = (compiled(), pseudo());
    let place = Place { stack: &compiled.stack, pseudo: &pseudo };
    let resource = compiled.stack.resource(name).expect("a resource");
    place.mismatches(resource, &compiled.needs, facts).into_iter().map(|one| one.message).collect()
}

fn attributes(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, letter)| ((*name).to_owned(), (*letter).to_owned())).collect()
}

fn keys(partition: &[(&str, &str)], sort: &[(&str, &str)]) -> KeyAttributes {
    KeyAttributes { partition: attributes(partition), sort: attributes(sort) }
}

fn table(key: KeyAttributes, indexes: &[(&str, KeyAttributes)]) -> Facts {
    let indexes = indexes.iter().map(|(name, key)| ((*name).to_owned(), key.clone())).collect();
    Facts::Table { status: "ACTIVE".into(), keys: TableKeys { key, indexes }, key: KeyFact::OfAws }
}

#[test]
fn the_key_of_a_table_is_that_of_the_file() {
    let day = keys(&[("day", "N")], &[]);
    let own = keys(&[("id", "S")], &[("day", "N")]);
    let more = [("by-day", day.clone()), ("by-name", keys(&[("name", "S")], &[]))];
    assert_eq!(of("orders", &table(own.clone(), &more)), Vec::<String>::new(), "an index more does no harm");
    assert_eq!(
        of("orders", &table(keys(&[("id", "N")], &[]), &[("by-day", day)])),
        ["the table has `key: { id: number }`, and the file says `key: { id: string, day: number }`"]
    );
    assert_eq!(
        of("orders", &table(own.clone(), &[("other", own.clone())])),
        ["the table has no index `by-day`; its indexes: other"]
    );
    let several = keys(&[("a", "S"), ("b", "B")], &[("c", "N")]);
    assert_eq!(
        of("orders", &table(own, &[("by-day", several)])),
        [
            "the index `by-day` has `partitionKey: { a: string, b: binary }, sortKey: { c: number }`, and the file says `key: { day: number }`"
        ]
    );
}

#[test]
fn a_resource_that_is_not_there_is_named() {
    for (name, what) in [("orders", "table orders"), ("landing", "bucket landing"), ("jobs", "queue jobs")] {
        assert_eq!(
            of(name, &Facts::Missing),
            [format!("there is no {what} in account 111122223333, eu-west-1")]
        );
    }
}

#[test]
fn a_queue_must_fit_to_the_functions_that_read_it() {
    let own = |id: &str| KeyFact::Own(format!("arn:aws:kms:eu-west-1:111122223333:key/{id}"));
    let key = own("1234abcd-12ab-34cd-56ef-1234567890ab");
    let queue = |visibility_timeout, key: &KeyFact| Facts::Queue {
        visibility_timeout,
        receives: None,
        key: key.clone(),
        policy: None,
    };
    assert_eq!(of("jobs", &queue(60, &key)), Vec::<String>::new());
    assert_eq!(
        of("jobs", &queue(59, &key)),
        ["the queue hides a message for 59s, but `work` can take 1m to process it"]
    );
    assert_eq!(of("jobs", &queue(60, &KeyFact::Unknown)), Vec::<String>::new(), "nobody can say");
    assert_eq!(
        of("jobs", &queue(60, &KeyFact::OfAws)),
        ["it is not encrypted with a key of the account, and the file says `main`"]
    );
    assert_eq!(
        of("jobs", &queue(60, &own("0000"))),
        ["it is encrypted with the key 0000, and `main` is 1234abcd-12ab-34cd-56ef-1234567890ab"]
    );
}

#[test]
fn a_policy_must_allow_what_the_stack_does_not_write() {
    let topic = |policy: Option<Value>| Facts::Topic { key: KeyFact::OfAws, policy };
    let statement = |service: &str, action: &str| json!({ "Effect": "Allow", "Principal": { "Service": service }, "Action": action, "Resource": "*" });
    let both = json!({ "Statement": [
        statement("cloudwatch.amazonaws.com", "SNS:Publish"),
        statement("events.amazonaws.com", "sns:*"),
    ] });
    assert_eq!(of("news", &topic(Some(both))), Vec::<String>::new());
    let one = json!({ "Statement": statement("cloudwatch.amazonaws.com", "sns:Publish") });
    assert_eq!(
        of("news", &topic(Some(one))),
        ["the policy of news does not allow events.amazonaws.com what this stack needs"]
    );
    assert_eq!(of("news", &topic(None)).len(), 2);
    let denied = json!({ "Statement": { "Effect": "Deny", "Principal": "*", "Action": "sns:*" } });
    assert_eq!(of("news", &topic(Some(denied))).len(), 2);

    let (compiled, pseudo) = (compiled(), pseudo());
    let place = Place { stack: &compiled.stack, pseudo: &pseudo };
    let news = compiled.stack.resource("news").expect("a topic");
    let found = place.mismatches(news, &compiled.needs, &topic(None));
    let expected = "\"Action\":\"sns:Publish\",\"Resource\":\"arn:aws:sns:eu-west-1:111122223333:news\"";
    assert!(found.iter().all(|one| one.help.contains(expected)), "{found:?}");
    assert!(found.iter().any(|one| one.help.contains("\"aws:SourceAccount\":\"111122223333\"")), "{found:?}");
}

#[test]
fn keys_clusters_and_buckets_must_be_usable() {
    let key = |state: &str, of_aws| Facts::Key { state: state.to_owned(), of_aws, policy: None };
    assert_eq!(of("main", &key("Enabled", false)), Vec::<String>::new());
    assert!(of("main", &key("Disabled", false))[0].contains("is Disabled"));
    assert!(of("main", &key("Enabled", true))[0].contains("managed by AWS"));
    let cluster = |status: &str, providers: &[&str]| Facts::Cluster {
        status: status.to_owned(),
        providers: providers.iter().map(|one| (*one).to_owned()).collect(),
    };
    assert_eq!(of("shared", &cluster("ACTIVE", &["FARGATE", "FARGATE_SPOT"])), Vec::<String>::new());
    assert_eq!(of("shared", &cluster("INACTIVE", &["FARGATE"])).len(), 2);
    let bucket = |region: &str, event_bridge| Facts::Bucket {
        region: region.to_owned(),
        key: KeyFact::OfAws,
        event_bridge: Some(event_bridge),
        policy: None,
    };
    assert_eq!(of("landing", &bucket("eu-west-1", true)), Vec::<String>::new());
    assert_eq!(
        of("landing", &bucket("us-east-1", false)),
        [
            "the bucket landing is in us-east-1, and the stack in eu-west-1",
            "the bucket landing sends no events to EventBridge, and `notify` needs them",
        ]
    );
}

#[test]
fn an_action_matches_its_patterns() {
    for (pattern, action, fits) in [
        ("*", "sqs:SendMessage", true),
        ("sqs:*", "sqs:SendMessage", true),
        ("SQS:Send*", "sqs:SendMessage", true),
        ("sqs:*Message", "sqs:SendMessage", true),
        ("sqs:S*d*age", "sqs:SendMessage", true),
        ("sqs:SendMessage", "sqs:SendMessage", true),
        ("sqs:SendMessageBatch", "sqs:SendMessage", false),
        ("sqs:Send", "sqs:SendMessage", false),
        ("sns:*", "sqs:SendMessage", false),
        ("kms:GenerateDataKey*", "kms:GenerateDataKey*", true),
        ("kms:GenerateDataKey", "kms:GenerateDataKey*", false),
    ] {
        assert_eq!(matches(pattern, action), fits, "{pattern} {action}");
    }
}

#[test]
fn a_resource_of_the_stack_itself_is_not_deleted_from_under_it() {
    let (compiled, pseudo) = (compiled(), pseudo());
    let place = Place { stack: &compiled.stack, pseudo: &pseudo };
    let jobs = compiled.stack.resource("jobs").expect("a queue");
    let physical = PhysicalResource {
        kind: "AWS::SQS::Queue".into(),
        id: "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs".into(),
    };
    let resources = BTreeMap::from([("Old".to_owned(), physical)]);
    let template = |policy: &str| json!({ "Resources": { "Old": { "DeletionPolicy": policy } } });
    let deleted = |wanted: &Value, deployed: &Value| {
        place.deleted(jobs, &Change { wanted, deployed, resources: &resources }).map(|one| one.message)
    };
    let none = json!({ "Resources": {} });
    let message = "jobs is Old of this stack, which the deployment would delete";
    assert_eq!(deleted(&none, &template("Delete")).as_deref(), Some(message));
    assert_eq!(deleted(&none, &none).as_deref(), Some(message), "without a policy it is deleted too");
    assert_eq!(deleted(&none, &template("Retain")), None, "it stays");
    assert_eq!(deleted(&template("Delete"), &template("Delete")), None, "it stays in the stack");
    let news = compiled.stack.resource("news").expect("a topic");
    let change = Change { wanted: &none, deployed: &none, resources: &resources };
    assert_eq!(place.deleted(news, &change), None, "it is another type");
}

#[test]
fn the_policy_that_sns_gives_a_topic_allows_no_service() {
    let wanted = json!({ "Principal": { "Service": "events.amazonaws.com" }, "Action": "sns:Publish" });
    let policy = |principal: Value, condition: Value| {
        let statement = json!({
            "Effect": "Allow", "Principal": principal, "Action": ["SNS:Publish", "SNS:Subscribe"], "Condition": condition,
        });
        json!({ "Version": "2008-10-17", "Statement": [statement] })
    };
    let of_owner = json!({ "StringEquals": { "AWS:SourceOwner": "111122223333" } });
    assert!(!allows(&policy(json!({ "AWS": "*" }), of_owner.clone()), &wanted));
    assert!(!allows(&policy(json!("*"), of_owner.clone()), &wanted));
    assert!(allows(&policy(json!({ "AWS": "*" }), Value::Null), &wanted));
    assert!(allows(&policy(json!({ "Service": "events.amazonaws.com" }), of_owner), &wanted));
}

#[test]
fn a_rule_has_no_role_where_the_file_does_not_tell_the_accounts_apart() {
    let other = "arn:aws:sqs:eu-west-1:444455556666:jobs";
    let elsewhere = |account: &str, arn: &str| {
        let text = format!(
            "name: shop\nstacks: {{ prod: {{ region: eu-west-1{account} }} }}\nresources:\n  events: {{ type: bus }}\n  jobs: {{ type: queue, \
             properties: {{ existing: \"{arn}\" }} }}\n  rule: {{ type: rule, properties: {{ bus: \"${{events}}\", pattern: {{ source: [a] }}, \
             targets: [{{ queue: \"${{jobs}}\" }}] }} }}\n"
        );
        let source = Source::new("stack.yaml", text);
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        let compiled = compile(&document, &document.stacks[0], &[], &mut diagnostics);
        let compiled = compiled.unwrap_or_else(|| panic!("{}", diagnostics.to_lines(&source)));
        let pseudo = pseudo();
        let place = Place { stack: &compiled.stack, pseudo: &pseudo };
        let jobs = compiled.stack.resource("jobs").expect("the queue");
        let found = place.elsewhere(jobs).into_iter().map(|one| one.message).collect::<Vec<_>>();
        (found, compiled.needs)
    };
    let (found, _) = elsewhere("", other);
    assert_eq!(found, ["it is in account 444455556666, and a rule needs a role to send to it"]);
    assert_eq!(elsewhere("", "arn:aws:sqs:eu-west-1:111122223333:jobs").0, Vec::<String>::new());
    let (found, needs) = elsewhere(", account: \"111122223333\"", other);
    assert_eq!(found, Vec::<String>::new(), "the rule has a role");
    let principal = json!({ "AWS": { "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root" } });
    assert_eq!(needs[0].statement["Principal"], principal);
    let wanted =
        json!({ "Action": "sqs:SendMessage", "Principal": { "AWS": "arn:aws:iam::111122223333:root" } });
    let policy = |principal: Value| json!({ "Statement": [{ "Effect": "Allow", "Action": "sqs:SendMessage", "Principal": principal }] });
    for (principal, is_allowed) in [
        (json!({ "AWS": "111122223333" }), true),
        (json!({ "AWS": ["arn:aws:iam::111122223333:role/a", "444455556666"] }), true),
        (json!({ "AWS": "444455556666" }), false),
        (json!({ "Service": "events.amazonaws.com" }), false),
    ] {
        assert_eq!(allows(&policy(principal.clone()), &wanted), is_allowed, "{principal}");
    }
}
