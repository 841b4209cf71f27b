//! The causes of failed operations, from the events that AWS returns: each known failure by its own words, and whole
//! stories.

use std::collections::{BTreeMap, BTreeSet};

use deployer_plan::diagnose::known::{self, Subject, table};
use deployer_plan::diagnose::{Event, Reason, diagnose, page, phases};
use proptest::prelude::*;

use crate::golden::{self, assert_golden};

fn subject(resource_type: &str) -> Subject<'_> {
    Subject {
        resource_type,
        logical_id: "LoadRole",
        physical_id: "",
        origin: Some("load"),
        stack: Some("orders-dev"),
    }
}

/// Returns the name of the entry that explains a reason.
fn explains(resource_type: &str, reason: &str) -> Option<&'static str> {
    known::find(&subject(resource_type), &Reason::parse(reason)).map(|found| found.known.id.as_str())
}

#[test]
fn every_entry_explains_its_examples_and_nothing_that_is_only_similar() {
    assert!(table().len() >= 100, "the table is read as a whole: {}", table().len());
    let ids: BTreeSet<&str> = table().iter().map(|known| known.id.as_str()).collect();
    assert_eq!(ids.len(), table().len(), "an id is used twice");
    for known in table() {
        for pattern in &known.patterns {
            regex::Regex::new(pattern).unwrap_or_else(|error| panic!("{}: {error}", known.id));
        }
        assert!(!known.examples.is_empty() && !known.source.is_empty(), "{}", known.id);
        let any = ["AWS::X::Y".to_owned()];
        let types = if known.types.is_empty() { any.as_slice() } else { &known.types };
        for (resource_type, example) in
            types.iter().flat_map(|one| known.examples.iter().map(move |example| (one, example)))
        {
            let found = known::find(&subject(resource_type), &Reason::parse(example));
            let found = found.unwrap_or_else(|| panic!("{} does not know its example {example}", known.id));
            assert_eq!(found.known.id, known.id, "{resource_type}: {example}");
            for text in [&found.meaning, &found.fix] {
                assert!(!text.contains("(not named)"), "{}: {text}", known.id);
                assert!(!text.ends_with('.') && !text.contains('\n'), "{}: {text}", known.id);
            }
        }
        for similar in &known.unlike {
            assert_ne!(explains(&types[0], similar), Some(known.id.as_str()), "{similar}");
        }
    }
}

#[test]
fn every_pattern_is_shown_by_an_example() {
    for known in table() {
        for text in &known.patterns {
            let pattern = regex::RegexBuilder::new(text).dot_matches_new_line(true).build();
            let pattern = pattern.unwrap_or_else(|error| panic!("{}: {error}", known.id));
            let shown = known.examples.iter().any(|example| pattern.is_match(Reason::parse(example).message));
            assert!(shown, "{}: no example shows {text}", known.id);
        }
    }
}

#[test]
fn every_pattern_names_what_its_texts_need() {
    for known in table() {
        let texts = format!("{} {}", known.meaning, known.fix);
        let places = texts.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
        let needed: BTreeSet<&str> = places
            .filter(|name| name.bytes().all(|letter| letter.is_ascii_lowercase()) && !name.is_empty())
            .filter(|name| !["resource", "name"].contains(name))
            .collect();
        for pattern in &known.patterns {
            for place in &needed {
                assert!(
                    pattern.contains(&format!("(?P<{place}>")),
                    "{}: {place} is not in {pattern}",
                    known.id
                );
            }
        }
        // A code alone captures nothing.
        assert!(needed.is_empty() || known.codes.is_empty(), "{}: a code fills no place", known.id);
    }
}

#[test]
fn what_is_captured_stands_in_the_texts() {
    let denied = &known::entry("permission-missing").expect("known").examples[0];
    let found = known::find(&subject("AWS::Lambda::Function"), &Reason::parse(denied)).expect("known");
    assert_eq!(
        found.meaning,
        "arn:aws:iam::111122223333:user/deploy has no permission for `lambda:TagResource`"
    );
    let small = &known::entry("visibility-below-timeout").expect("known").examples[0];
    let found =
        known::find(&subject("AWS::Lambda::EventSourceMapping"), &Reason::parse(small)).expect("known");
    assert!(found.fix.contains("at least 120s"), "{}", found.fix);
    let taken =
        known::find(&subject("AWS::S3::Bucket"), &Reason::parse("x.y already exists")).expect("known");
    assert!(taken.meaning.contains("`x.y`") && taken.fix.contains("`x.y` is yours"), "{taken:?}");
    let kept = "orders-dev-landing-111122223333-eu-west-1 already exists";
    let kept = known::find(&subject("AWS::S3::Bucket"), &Reason::parse(kept)).expect("known");
    assert!(
        kept.fix.contains("--physical-resource-id orders-dev-landing-111122223333-eu-west-1")
            && kept.fix.contains("rename `load`"),
        "{kept:?}"
    );
}

#[test]
fn what_is_only_similar_is_not_taken_for_it() {
    for (resource_type, reason, id) in [
        ("AWS::SQS::Queue", "orders already exists", Some("name-taken")),
        ("AWS::S3::Bucket", "Bucket policy already exists", None),
        ("AWS::S3::Bucket", "The bucket is not empty of meaning", None),
        ("AWS::Lambda::Function", "Queue visibility timeout: unknown", None),
        ("AWS::SQS::Queue", "Unzipped size must be smaller than 262144000 bytes", None),
        ("AWS::EC2::VPC", "The maximum number of VPCs has been reached.", Some("vpc-quota")),
        (
            "AWS::EC2::VPCEndpoint",
            "The maximum number of VPC endpoints has been reached.",
            Some("network-quota"),
        ),
        (
            "AWS::IAM::Role",
            "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/y because no permissions boundary allows the iam:PassRole action",
            Some("denied-by-boundary"),
        ),
        ("AWS::X::Y", "The role is authorized to perform: nothing", None),
        ("AWS::ECS::Service", "Exceeded attempts to wait", Some("service-not-stable")),
        ("AWS::EC2::VPCEndpoint", "Exceeded attempts to wait", Some("not-stable")),
        (
            "AWS::X::Y",
            r#"Resource handler returned message: "null" (HandlerErrorCode: AlreadyExists)"#,
            Some("name-taken"),
        ),
        // Codes that mean several things explain none of them.
        (
            "AWS::Lambda::Permission",
            "The statement is there (Service: AWSLambdaInternal; Status Code: 409; Error Code: ResourceConflictException; Request ID: 1)",
            None,
        ),
        (
            "AWS::IAM::Role",
            r#"Resource handler returned message: "Policy arn:aws:iam::aws:policy/Gone does not exist or is not attachable. (Service: Iam, Status Code: 404, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: NotFound)"#,
            Some("managed-policy-missing"),
        ),
        // The name that another stack computes says nothing of this one.
        (
            "AWS::S3::Bucket",
            "orders-landing-111122223333-eu-west-1 already exists",
            Some("bucket-name-taken"),
        ),
        (
            "AWS::S3::Bucket",
            "orders-devel-landing-111122223333-eu-west-1 already exists",
            Some("bucket-name-taken"),
        ),
        // The name of a bucket in another stack is computed as well, and that it is there says more.
        (
            "AWS::S3::Bucket",
            "orders-dev-a-111122223333-eu-west-1 already exists in stack arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/1",
            Some("in-another-stack"),
        ),
        ("AWS::ECS::Cluster", "The Cluster cannot be deleted while it is asleep", None),
        ("AWS::EC2::VPCGatewayAttachment", "Network vpc-1 has no mapped public addresses", None),
        (
            "AWS::Lambda::Function",
            "'MemorySize' value failed to satisfy constraint: Member must have value greater than or equal to 128",
            None,
        ),
        ("AWS::SQS::Queue", "Invalid value for the parameter MaximumMessageSize.", None),
        ("AWS::X::Y", "Something nobody has seen", None),
        ("AWS::X::Y", "", None),
    ] {
        assert_eq!(explains(resource_type, reason), id, "{reason}");
    }
}

fn stack(status: &str, reason: &str) -> Event {
    event("shop-dev", "AWS::CloudFormation::Stack", status, reason, true)
}

fn resource(id: &str, status: &str, reason: &str) -> Event {
    event(id, "AWS::X::Y", status, reason, false)
}

fn event(id: &str, resource_type: &str, status: &str, reason: &str, of_stack: bool) -> Event {
    Event {
        time: "2026-11-01T12:00:00Z".into(),
        logical_id: id.into(),
        physical_id: format!("{}-physical", id.to_lowercase()),
        resource_type: resource_type.into(),
        status: status.into(),
        reason: (!reason.is_empty()).then(|| reason.into()),
        of_stack,
    }
}

fn ids(causes: &[deployer_plan::diagnose::Cause]) -> Vec<&str> {
    causes.iter().map(|cause| cause.logical_id.as_str()).collect()
}

/// Returns a first creation that fails, as CloudFormation tells it with `OnStackFailure: DELETE`.
fn failed_create() -> Vec<Event> {
    vec![
        stack("REVIEW_IN_PROGRESS", "User Initiated"),
        stack("CREATE_IN_PROGRESS", "User Initiated"),
        resource("Orders", "CREATE_IN_PROGRESS", ""),
        event("Landing", "AWS::S3::Bucket", "CREATE_FAILED", "landing already exists", false),
        resource("Jobs", "CREATE_FAILED", "Resource creation cancelled"),
        resource("Other", "CREATE_FAILED", "Something else entirely"),
        stack(
            "DELETE_IN_PROGRESS",
            "The following resource(s) failed to create: [Landing, Jobs, Other]. . Delete requested by user.",
        ),
        resource("Orders", "DELETE_SKIPPED", ""),
        stack("DELETE_COMPLETE", ""),
    ]
}

#[test]
fn a_first_create_that_fails_is_explained_after_it_is_gone() {
    let origins = BTreeMap::from([("Landing".to_owned(), "landing".to_owned())]);
    let diagnosis = diagnose(&failed_create(), &origins).expect("it failed");
    assert_eq!(ids(&diagnosis.causes), ["Landing", "Other"]);
    assert_eq!(diagnosis.causes[0].origin.as_deref(), Some("landing"));
    assert_eq!(diagnosis.causes[0].known.as_ref().map(|known| known.id), Some("bucket-name-taken"));
    assert_eq!(diagnosis.causes[1].known, None);
    assert_eq!(diagnosis.consequences, 1);
    assert_eq!(diagnosis.status, "DELETE_COMPLETE");
    assert_eq!(
        diagnosis.left_over.iter().map(|one| one.physical_id.as_str()).collect::<Vec<_>>(),
        ["orders-physical"]
    );
    assert!(!diagnosis.superseded && diagnosis.began_with.is_empty());
}

#[test]
fn the_rollback_that_got_stuck_is_the_cause() {
    let mut events = vec![
        stack("CREATE_IN_PROGRESS", "User Initiated"),
        stack("CREATE_COMPLETE", ""),
        stack("UPDATE_IN_PROGRESS", "User Initiated"),
        resource("Table", "UPDATE_FAILED", "no such key"),
        resource("Queue", "UPDATE_FAILED", "Resource update cancelled"),
        stack("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Table, Queue]. "),
        resource("Function", "UPDATE_FAILED", "the image is gone"),
        stack("UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [Function]. "),
    ];
    let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert_eq!((ids(&diagnosis.causes), ids(&diagnosis.began_with)), (vec!["Function"], vec!["Table"]));
    assert_eq!((diagnosis.consequences, diagnosis.attempts), (1, 1));
    assert!(diagnosis.next.contains("recover"), "{}", diagnosis.next);

    // A second try fails as well: still one story.
    events.push(stack("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"));
    events.push(resource("Function", "UPDATE_FAILED", "the image is still gone"));
    events.push(stack("UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [Function]. "));
    let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert_eq!(diagnosis.causes[0].message, "the image is still gone");
    assert_eq!((ids(&diagnosis.began_with), diagnosis.attempts), (vec!["Table"], 2));

    // Skipped at last: the update is the failure that remains.
    events.push(stack("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"));
    events.push(stack("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""));
    events.push(stack("UPDATE_ROLLBACK_COMPLETE", ""));
    let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert_eq!(
        (ids(&diagnosis.causes), diagnosis.status.as_str()),
        (vec!["Table"], "UPDATE_ROLLBACK_COMPLETE")
    );

    // And a later update that works makes all of it history.
    events.push(stack("UPDATE_IN_PROGRESS", "User Initiated"));
    events.push(stack("UPDATE_COMPLETE", ""));
    assert!(diagnose(&events, &BTreeMap::new()).expect("it failed once").superseded);
}

#[test]
fn what_only_the_stack_says_is_found() {
    let export = "Export shop:Table cannot be deleted as it is in use by reports";
    let events = [
        stack("UPDATE_IN_PROGRESS", "User Initiated"),
        resource("Table", "UPDATE_COMPLETE", ""),
        stack("UPDATE_ROLLBACK_IN_PROGRESS", export),
        stack("UPDATE_ROLLBACK_COMPLETE", ""),
    ];
    let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert_eq!(diagnosis.causes.len(), 1);
    assert_eq!(diagnosis.causes[0].known.as_ref().map(|known| known.id), Some("export-in-use"));
    assert!(diagnosis.causes[0].fix.contains("reports"), "{:?}", diagnosis.causes);
}

#[test]
fn what_validation_found_explains_what_the_stack_only_announces() {
    let events = [
        stack("CREATE_IN_PROGRESS", ""),
        stack(
            "CREATE_FAILED",
            "Validation failed with 1 error(s). Call DescribeEvents to retrieve the full list of issues.",
        ),
        stack(
            "ROLLBACK_IN_PROGRESS",
            "Validation failure detected. See the operation's FAILED event for details.",
        ),
        stack("ROLLBACK_COMPLETE", ""),
    ];
    let mut diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert!(diagnosis.is_only_of_the_stack());
    let reason = "Resource of type 'AWS::S3::Bucket' with identifier 'taken' already exists.";
    let found = [event("Landing", "AWS::S3::Bucket", "CREATE_FAILED", reason, false)];
    diagnosis.explain_by(&found, &BTreeMap::from([("Landing".to_owned(), "landing".to_owned())]));
    assert_eq!(
        (ids(&diagnosis.causes), diagnosis.causes[0].origin.as_deref()),
        (vec!["Landing"], Some("landing"))
    );
    assert_eq!(diagnosis.causes[0].known.as_ref().map(|known| known.id), Some("bucket-name-taken"));
    // The reason of a resource is nearer to the cause.
    diagnosis.explain_by(&[event("Other", "AWS::X::Y", "CREATE_FAILED", "no", false)], &BTreeMap::new());
    assert_eq!(ids(&diagnosis.causes), ["Landing"]);
}

#[test]
fn a_deletion_that_fails_is_a_story_of_its_own() {
    let events = [
        stack("CREATE_IN_PROGRESS", ""),
        stack("CREATE_COMPLETE", ""),
        stack("DELETE_IN_PROGRESS", "User Initiated"),
        event(
            "Landing",
            "AWS::S3::Bucket",
            "DELETE_FAILED",
            "The bucket you tried to delete is not empty (Service: Amazon S3; Status Code: 409; Error Code: BucketNotEmpty; Request ID: 1)",
            false,
        ),
        stack("DELETE_FAILED", "The following resource(s) failed to delete: [Landing]. "),
    ];
    let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
    assert_eq!(diagnosis.causes[0].known.as_ref().map(|known| known.id), Some("bucket-not-empty"));
    assert!(diagnosis.causes[0].fix.contains("deployer recover"));
    // The resource still belongs to the stack.
    assert_eq!((diagnosis.left_over.len(), diagnosis.attempts), (0, 1));
    assert_eq!(phases::newest(&events).len(), 3);
}

#[test]
fn what_went_well_is_no_failure() {
    let well =
        [stack("CREATE_IN_PROGRESS", ""), resource("A", "CREATE_COMPLETE", ""), stack("CREATE_COMPLETE", "")];
    assert_eq!(diagnose(&well, &BTreeMap::new()), None);
    assert_eq!(diagnose(&[], &BTreeMap::new()), None);
    // The deletion of a created stack does not make its creation a failure.
    let gone = [well.as_slice(), &[stack("DELETE_IN_PROGRESS", ""), stack("DELETE_COMPLETE", "")]].concat();
    assert_eq!(diagnose(&gone, &BTreeMap::new()), None);
    // Consequences alone still name something.
    let odd = [
        stack("CREATE_IN_PROGRESS", ""),
        resource("A", "CREATE_FAILED", "Resource creation cancelled"),
        stack("CREATE_FAILED", ""),
    ];
    assert_eq!(ids(&diagnose(&odd, &BTreeMap::new()).expect("it failed").causes), ["A"]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(vec![
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "CREATE_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_FAILED",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "DELETE_IN_PROGRESS",
        "DELETE_FAILED",
        "DELETE_COMPLETE",
        "DELETE_SKIPPED",
        "REVIEW_IN_PROGRESS",
        "",
        "SOMETHING_NEW",
    ]);
    let examples: Vec<String> = table().iter().flat_map(|known| known.examples.clone()).collect();
    let reason = prop_oneof![
        Just(String::new()),
        prop::sample::select(examples),
        "\\PC{0,80}",
        Just("Resource creation cancelled".to_owned()),
        "[{}()\":;,a-z ]{0,40}returned message:[{}()\":;,a-zA-Z é]{0,60}",
    ];
    let kind = prop::sample::select(vec![
        "AWS::S3::Bucket",
        "AWS::Lambda::Function",
        "AWS::CloudFormation::Stack",
        "",
    ]);
    ("[A-C]", kind, status, reason, any::<bool>())
        .prop_map(|(id, kind, status, reason, of_stack)| event(&id, kind, status, &reason, of_stack))
}

proptest! {
    #[test]
    fn any_events_are_diagnosed(events in prop::collection::vec(any_event(), 0..30)) {
        let origins = BTreeMap::from([("A".to_owned(), "a".to_owned())]);
        let split: usize = phases::operations(&events)
            .iter()
            .flat_map(|operation| &operation.phases)
            .map(|phase| phase.events.len())
            .sum();
        prop_assert_eq!(split, events.len());
        prop_assert!(phases::newest(&events).len() <= events.len());
        if let Some(diagnosis) = diagnose(&events, &origins) {
            prop_assert!(!diagnosis.causes.is_empty());
            prop_assert!(diagnosis.causes.iter().chain(&diagnosis.began_with).all(|cause| !cause.fix.is_empty() && !cause.message.is_empty()));
        }
    }
}

#[test]
fn the_published_failures_are_those_of_the_table() {
    assert_golden(&golden::repository().join("docs/failures.md"), &page());
}

#[test]
fn a_role_that_is_too_new_passes_and_one_that_is_wrong_does_not() {
    let principal = "Policy contains a statement with one or more invalid principals. (Service: Kms, Status Code: 400, Request ID: 1)";
    let story = |role: &str, reason: &str| {
        let events = [
            stack("UPDATE_IN_PROGRESS", ""),
            event("Role", "AWS::IAM::Role", role, "", false),
            event("Key", "AWS::KMS::Key", "CREATE_FAILED", reason, false),
            stack("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Key]. "),
            event("Role", "AWS::IAM::Role", "DELETE_COMPLETE", "", false),
            stack("UPDATE_ROLLBACK_COMPLETE", ""),
        ];
        let diagnosis = diagnose(&events, &BTreeMap::new()).expect("it failed");
        (diagnosis.passing(), diagnosis.next)
    };
    let (passing, next) = story("CREATE_COMPLETE", principal);
    assert_eq!(passing, Some(("key-principal-missing", known::Passing::Soon)));
    assert!(next.contains("is temporary"), "{next}");
    let (passing, next) = story("CREATE_FAILED", principal);
    assert_eq!((passing, next), (None, "fix the cause, then run `deployer deploy` again"));
    assert_eq!(story("CREATE_COMPLETE", "No such thing").0, None);
}

#[test]
fn causes_pass_only_all_together() {
    let busy = "Rate exceeded";
    let events = |other: &str| {
        [
            stack("CREATE_IN_PROGRESS", ""),
            resource("A", "CREATE_FAILED", busy),
            event("B", "AWS::S3::Bucket", "CREATE_FAILED", other, false),
            stack(
                "DELETE_IN_PROGRESS",
                "The following resource(s) failed to create: [A, B]. . Delete requested by user.",
            ),
            stack("DELETE_COMPLETE", ""),
        ]
    };
    let passing = |other: &str| diagnose(&events(other), &BTreeMap::new()).expect("it failed").passing();
    assert_eq!(passing("landing already exists"), None);
    assert_eq!(passing(busy), Some(("throttled", known::Passing::Soon)));
    let later = "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    assert_eq!(passing(later), Some(("bucket-being-changed", known::Passing::Later)));
}
