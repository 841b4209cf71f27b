//! `cases/<name>/`: a stack file and its result.
//!
//! A good case holds `template.json`, or `template-<stack>.json` for each of several stacks, and `warnings.txt` if it
//! gives any; a case whose name begins with `wrong-` holds `errors.txt`. Without a `stack.yaml` of its own a case is
//! about the repository's. `config.txt` holds lines for `--config`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use deployer_cfn::template::logical_id;
use deployer_lang::model::ResourceType;
use deployer_lang::model::access::Verb;
use deployer_lang::{Compiled, Stack};
use deployer_syntax::{Diagnostics, Source, number};

use crate::golden::{self, assert_golden, load, source_of};

struct Case {
    name: String,
    folder: PathBuf,
    source: Source,
    overrides: Vec<(String, String)>,
}

impl Case {
    fn is_wrong(&self) -> bool {
        self.name.starts_with("wrong-")
    }

    fn load(&self) -> (Vec<Compiled>, Diagnostics) {
        load(&self.source, &self.overrides)
    }

    fn template_file(stack: &Stack, stacks: &[Compiled]) -> String {
        match stacks {
            [_] => "template.json".to_owned(),
            _ => format!("template-{}.json", stack.target.stack),
        }
    }
}

fn cases() -> Vec<Case> {
    let folders = golden::entries(&golden::cases());
    let cases = folders.into_iter().map(|folder| {
        let config = fs::read_to_string(folder.join("config.txt")).unwrap_or_default();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        Case {
            source: golden::source_of(&name),
            name,
            overrides: config.lines().map(|line| pair(line).expect("name=value")).collect(),
            folder,
        }
    });
    cases.collect()
}

/// Returns the good cases' sources, for tests of other readers that must accept them.
pub(crate) fn good_sources() -> Vec<(String, Source)> {
    cases().into_iter().filter(|case| !case.is_wrong()).map(|case| (case.name, case.source)).collect()
}

/// Returns each golden file of problems with its source.
pub(crate) fn error_files() -> Vec<(Source, String)> {
    let wrong = cases().into_iter().filter(Case::is_wrong);
    wrong.map(|case| (case.source, golden::read(&case.folder.join("errors.txt")))).collect()
}

#[test]
fn every_case_gives_what_its_folder_holds() {
    let mut failures = String::new();
    for case in cases() {
        let (stacks, problems) = case.load();
        let errors = problems.has_errors();
        let problems = problems.to_lines(&case.source);
        if (case.is_wrong() && problems.is_empty()) || (errors && !case.is_wrong()) {
            failures.push_str(&format!("{}: errors are in `wrong-…` cases only:\n{problems}", case.name));
            continue;
        }
        let expected: BTreeMap<String, String> = if case.is_wrong() {
            BTreeMap::from([("errors.txt".to_owned(), problems)])
        } else {
            let warnings = (!problems.is_empty()).then(|| ("warnings.txt".to_owned(), problems));
            let templates =
                stacks.iter().map(|one| (Case::template_file(&one.stack, &stacks), one.template.to_json()));
            templates.chain(warnings).collect()
        };
        for (file, text) in &expected {
            if let Some(difference) = golden::difference(&case.folder.join(file), text) {
                failures.push_str(&difference);
            }
        }
        for path in golden::entries(&case.folder) {
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !expected.contains_key(&file) && file != "stack.yaml" && file != "config.txt" {
                if golden::updating() {
                    fs::remove_file(&path).expect("a stale golden file can be removed");
                } else {
                    failures.push_str(&format!("{}: nothing gives this file\n", path.display()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn good() -> impl Iterator<Item = (Case, Compiled)> {
    cases().into_iter().filter(|case| !case.is_wrong()).flat_map(|case| {
        let (stacks, _) = case.load();
        let again = move |compiled| {
            let Case { name, folder, source, overrides } = &case;
            let case = Case {
                name: name.clone(),
                folder: folder.clone(),
                source: source.clone(),
                overrides: overrides.clone(),
            };
            (case, compiled)
        };
        stacks.into_iter().map(again)
    })
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    for (case, Compiled { stack, template: first, .. }) in good() {
        let (again, _) = case.load();
        let again = again.iter().find(|again| again.stack.name == stack.name).expect("the same stack");
        let second = &again.template;
        assert_eq!(first.to_json(), second.to_json(), "{}", case.name);
        assert_eq!(first.to_yaml(), second.to_yaml(), "{}", case.name);
    }
}

#[test]
fn templates_refer_to_what_they_hold() {
    for (case, Compiled { stack, template, defect, .. }) in good() {
        assert_eq!(defect, None, "{}", case.name);
        assert_eq!(template.check(), [], "{}", case.name);
        assert_eq!(template.cycle(), None, "{}", case.name);
        let mut ids: Vec<&String> = template.resources.iter().map(|(id, _)| id).collect();
        ids.extend(template.parameters.iter().map(|(id, _)| id));
        ids.sort();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{}: a logical id twice", case.name);
        for (id, resource) in &template.resources {
            assert!(stack.resource(&resource.origin).is_some(), "{}: {id} comes from nowhere", case.name);
        }
    }
}

#[test]
fn every_shape_of_a_template_says_the_same() {
    for (case, Compiled { template, .. }) in good() {
        let value = template.to_value();
        let read = |text: &str| deployer_syntax::json::value(text).expect("JSON");
        assert_eq!(read(&template.to_json()), value, "{}", case.name);
        assert_eq!(read(&template.to_compact_json()), value, "{}", case.name);
        // Other readers read the same numbers, as far as their numbers go.
        let json: serde_json::Value = serde_json::from_str(&template.to_json()).expect("JSON");
        let yaml: serde_json::Value = serde_yaml::from_str(&template.to_yaml()).expect("YAML");
        let value = with_doubles(&value);
        assert_eq!((with_doubles(&json), with_doubles(&yaml)), (value.clone(), value), "{}", case.name);
    }
}

/// Returns a value whose numbers are the nearest doubles.
fn with_doubles(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(with_doubles).collect(),
        serde_json::Value::Object(map) => {
            map.iter().map(|(key, inner)| (key.clone(), with_doubles(inner))).collect()
        }
        other => number::nearest(other).map_or_else(|| other.clone(), serde_json::Value::from),
    }
}

#[test]
fn a_stack_with_a_key_encrypts_all_that_holds_data() {
    let path = |kind: &str| match kind {
        "AWS::S3::Bucket" => Some(
            "/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/KMSMasterKeyID",
        ),
        "AWS::SQS::Queue" | "AWS::SNS::Topic" => Some("/KmsMasterKeyId"),
        "AWS::Events::EventBus" | "AWS::Events::Archive" => Some("/KmsKeyIdentifier"),
        "AWS::DynamoDB::Table" => Some("/SSESpecification/KMSMasterKeyId"),
        "AWS::Logs::LogGroup" => Some("/KmsKeyId"),
        _ => None,
    };
    let mut without = Vec::new();
    for (case, compiled) in good().filter(|(_, compiled)| compiled.stack.key.is_some()) {
        for (id, resource) in compiled.template.resources {
            if path(resource.kind).is_some_and(|path| resource.properties.pointer(path).is_none()) {
                without.push(format!("{}: {id}", case.name));
            }
        }
    }
    let meant = [
        "encrypted: Accesses",
        "encrypted: ShopDeadLetters",
        "encrypted: PlainDeadLetters",
        "existing: EventsDeadLetters",
        "results: EventsDeadLetters",
    ];
    assert_eq!(
        without, meant,
        "access logs come to no bucket with a key; dead letters of a bus are for when it fails"
    );
}

/// Collects the logical IDs that a part of a template refers to.
fn references(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, inner) in map {
                match (name.as_str(), inner) {
                    ("Ref", serde_json::Value::String(id)) => drop(found.insert(id.clone())),
                    ("Fn::GetAtt", serde_json::Value::Array(parts)) => {
                        found.extend(parts.first().and_then(|id| id.as_str()).map(str::to_owned));
                    }
                    ("Fn::Sub", serde_json::Value::String(text)) => {
                        let names = text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
                        found.extend(names.map(str::to_owned));
                    }
                    _ => references(inner, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

/// Checks that publishers are deleted before their bus: EventBridge accepts events for a deleted bus, and drops them
/// without an error.
#[test]
fn whatever_may_publish_is_deleted_before_its_bus() {
    let mut publishers = 0;
    for (case, Compiled { stack, template: lowered, .. }) in good() {
        let template = lowered.to_value();
        let resources = template["Resources"].as_object().expect("resources");
        let buses = resources.iter().filter(|(_, bus)| bus["Type"] == "AWS::Events::EventBus");
        for (bus, made) in buses {
            // A name that is computed makes no dependency.
            let name = made["Properties"]["Name"]["Fn::Sub"].as_str().expect("a computed name");
            for (id, resource) in resources {
                let publishes = [
                    "AWS::IAM::Role",
                    "AWS::Lambda::Function",
                    "AWS::ECS::TaskDefinition",
                    "AWS::Events::Rule",
                    "AWS::Scheduler::Schedule",
                ];
                if !publishes.iter().any(|kind| resource["Type"] == *kind) {
                    continue;
                }
                let mut found = BTreeSet::new();
                references(&resource["Properties"], &mut found);
                let computed = resource["Properties"].to_string().contains(&format!("{name}\""));
                assert!(!computed || found.contains(bus), "{}: {id} may outlive {bus}", case.name);
                publishers += usize::from(found.contains(bus));
            }
        }
        for resource in &stack.resources {
            let ResourceType::Task(task) = &resource.is else { continue };
            let cluster = logical_id(&task.cluster.name);
            // An existing cluster outlives the stack.
            if stack.resource(&task.cluster.name).is_some_and(|one| one.is.existing().is_some()) {
                continue;
            }
            let cluster = lowered.resources.iter().find(|(id, _)| *id == cluster).expect("a cluster");
            for access in task.access.iter().filter(|access| access.verb == Verb::Publish) {
                let bus = logical_id(&access.resource.name);
                if resources.get(&bus).is_some_and(|bus| bus["Type"] == "AWS::Events::EventBus") {
                    let waits = cluster.1.depends_on.contains(&bus);
                    assert!(waits, "{}: tasks of {} may outlive {bus}", case.name, resource.name);
                    publishers += 1;
                }
            }
        }
    }
    assert!(publishers > 50, "{publishers}");
}

/// Checks the permissions of rules: an event or a dead letter that a rule may not send is lost.
#[test]
fn rules_may_send_to_their_queues_and_to_those_of_their_dead_letters() {
    let text = source_of("repository").text;
    let shared = text.replace("deadLetter: { after: 5 }", "deadLetter: { after: 5, queue: \"${errors}\" }");
    assert_ne!(shared, text, "stack.yaml is another one");
    let source = Source::new("stack.yaml", shared);
    let (stacks, problems) = load(&source, &[]);
    assert!(!problems.has_errors(), "{}", problems.to_lines(&source));
    let shared = stacks.into_iter().map(|compiled| ("shared dead letters".to_owned(), compiled));
    let mut dead_letters = 0;
    for (case, compiled) in good().map(|(case, compiled)| (case.name, compiled)).chain(shared) {
        let template = compiled.template.to_value();
        let resources = template["Resources"].as_object().expect("resources");
        let may_send = |rule: &str, queue: &serde_json::Value| {
            let policy = resources.values().find(|policy| {
                policy["Type"] == "AWS::SQS::QueuePolicy"
                    && policy["Properties"]["Queues"][0]["Ref"] == *queue
            });
            let statements = policy.map(|policy| &policy["Properties"]["PolicyDocument"]["Statement"]);
            statements.and_then(serde_json::Value::as_array).is_some_and(|statements| {
                statements.iter().any(|one| {
                    let source = &one["Condition"]["ArnEquals"]["aws:SourceArn"];
                    let sources = source.as_array().map_or(std::slice::from_ref(source), Vec::as_slice);
                    one["Principal"]["Service"] == "events.amazonaws.com"
                        && sources.iter().any(|source| source["Fn::GetAtt"][0] == rule)
                })
            })
        };
        for (id, rule) in resources.iter().filter(|(_, rule)| rule["Type"] == "AWS::Events::Rule") {
            for target in rule["Properties"]["Targets"].as_array().expect("targets") {
                for arn in [&target["Arn"], &target["DeadLetterConfig"]["Arn"]] {
                    let queue = &arn["Fn::GetAtt"][0];
                    let is_queue = queue.as_str().and_then(|queue| resources.get(queue));
                    if is_queue.is_some_and(|queue| queue["Type"] == "AWS::SQS::Queue") {
                        assert!(may_send(id, queue), "{case}: {id} may not send to {queue}");
                    }
                }
                dead_letters += usize::from(target["DeadLetterConfig"].is_object());
            }
        }
    }
    assert!(dead_letters > 20, "{dead_letters}");
}

#[test]
fn a_cluster_that_the_bus_waits_for_makes_no_circle() {
    let text = source_of("repository").text.replace(
        "  events: { type: bus }",
        "  events: { type: bus, options: { dependsOn: [\"${cluster}\"] } }",
    );
    assert!(text.contains("dependsOn"), "stack.yaml is another one");
    let source = Source::new("stack.yaml", text);
    let (stacks, problems) = load(&source, &[]);
    assert!(!problems.has_errors(), "{}", problems.to_lines(&source));
    assert_eq!(stacks[0].template.cycle(), None);
}

#[test]
fn statements_of_a_policy_have_ids_of_their_own() {
    for (case, compiled) in good() {
        for (id, resource) in compiled.template.resources {
            each_document(&resource.properties, &mut |statements| {
                let ids: Vec<&str> = statements.iter().filter_map(|one| one["Sid"].as_str()).collect();
                let different: BTreeSet<&str> = ids.iter().copied().collect();
                assert_eq!(ids.len(), different.len(), "{}: {id}: {ids:?}", case.name);
            });
        }
    }
}

fn each_document(value: &serde_json::Value, found: &mut impl FnMut(&[serde_json::Value])) {
    if let Some(statements) = value["Statement"].as_array() {
        found(statements);
    }
    match value {
        serde_json::Value::Object(map) => map.values().for_each(|inner| each_document(inner, found)),
        serde_json::Value::Array(items) => items.iter().for_each(|inner| each_document(inner, found)),
        _ => {}
    }
}

/// Returns the file with the entries of its `resources` the other way round.
fn reversed(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut entries: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let top = !line.starts_with([' ', '\n', '#', '\r']);
        if top {
            out.extend(entries.drain(..).rev());
            inside = line.starts_with("resources:");
        }
        match entries.last_mut() {
            _ if !inside || top => out.push(line.to_owned()),
            Some(entry) if line.starts_with("   ") => entry.push_str(line),
            _ => entries.push(line.to_owned()),
        }
    }
    out.extend(entries.into_iter().rev());
    out.concat()
}

#[test]
fn the_order_of_the_file_changes_no_logical_id_and_no_property() {
    let by_id = |compiled: &Compiled| -> BTreeMap<String, String> {
        compiled.template.to_value()["Resources"]
            .as_object()
            .expect("resources")
            .iter()
            .map(|(id, resource)| (id.clone(), resource.to_string()))
            .collect()
    };
    for name in ["repository", "functions", "tasks", "buckets", "compute", "messaging", "networks"] {
        let source = source_of(name);
        let other = Source::new("stack.yaml", reversed(&source.text));
        assert_ne!(other.text, source.text, "{name}");
        let ((stacks, _), (others, problems)) = (load(&source, &[]), load(&other, &[]));
        assert_eq!(problems.to_lines(&other), "", "{name}");
        for (one, other) in stacks.iter().zip(&others) {
            assert_ne!(one.template.to_json(), other.template.to_json(), "{name}: the order is the file's");
            assert_eq!(by_id(one), by_id(other), "{name}");
        }
    }
}

#[test]
fn a_golden_file_that_differs_is_shown_as_a_diff() {
    if golden::updating() {
        return;
    }
    let path = golden::package().join("tests/cases/minimal/template.json");
    let wrong = golden::read(&path).replace("2010-09-09", "2010-09-10");
    let difference = golden::difference(&path, &wrong).expect("a difference");
    assert!(difference.contains("-  \"AWSTemplateFormatVersion\": \"2010-09-09\""), "{difference}");
    assert!(difference.contains("+  \"AWSTemplateFormatVersion\": \"2010-09-10\""), "{difference}");
    assert_golden(&path, &golden::read(&path));
}
