//! Sessions: what a person at an editor sees.

use serde_json::{Value, json};

use crate::client::{Client, URI, repository};

const STACK: &str = include_str!("../../../stack.yaml");

/// A file whose texts have characters of one to four bytes before everything that is asked about.
const SHOP: &str = "\
name: shop
config:
  size: { type: integer, default: 2, description: \"🦀 at once\" }
stacks:
  local: { target: local, config: { size: 3 } }
resources:
  jobs: { type: queue } # 🦀🦀 ü
  big-jobs: { type: queue, properties: { deadLetter: { queue: \"${jobs}\" } } } # ü
  events: { type: bus }
  raw:
    type: AWS::SQS::Queue
    properties:
      QueueName: !Sub \"🦀${jobs.QueueName}-x\"
      RedrivePolicy: { deadLetterTargetArn: !GetAtt jobs.Arn, maxReceiveCount: \"${config.size}\" }
    options: { dependsOn: [\"${events}\"] }
outputs:
  text: \"🦀 ${jobs.url} and ${jobs}\"
";

#[test]
fn a_session_begins_and_ends_as_the_protocol_says() {
    let mut client = Client::open(STACK);
    assert_eq!(client.ask("initialize", json!({}))["code"], -32_600);
    assert_eq!(client.ask("workspace/symbol", json!({}))["code"], -32_601);
    assert_eq!(client.ask("textDocument/hover", json!({}))["code"], -32_602);
    let closed =
        json!({ "textDocument": { "uri": "file:///other" }, "position": { "line": 0, "character": 0 } });
    assert_eq!(client.ask("textDocument/hover", closed)["code"], -32_602);
    assert_eq!(client.ask("shutdown", Value::Null), Value::Null);
    assert_eq!(client.ask("textDocument/hover", json!({}))["code"], -32_600);
    assert_eq!(client.tell("exit", Value::Null).exit, Some(0));
    assert_eq!(Client::open(STACK).tell("exit", Value::Null).exit, Some(1), "without a shutdown");
}

#[test]
fn messages_that_are_none_are_answered() {
    let mut client = Client::open(STACK);
    for (message, code) in [
        (json!([]), json!(-32_600)),
        (json!(1), json!(-32_600)),
        (json!({}), json!(-32_600)),
        (json!({ "id": 1 }), json!(-32_600)),
        (json!({ "id": {}, "method": "shutdown" }), json!(-32_600)),
    ] {
        let messages = client.session.handle(&message).messages;
        assert_eq!(messages.len(), 1, "{message}");
        assert_eq!(messages[0]["error"]["code"], code, "{message}");
    }
    let answer = json!({ "id": 1, "result": null });
    assert!(client.session.handle(&answer).messages.is_empty(), "an answer to nothing");
    assert!(client.tell("$/setTrace", json!({})).messages.is_empty());
    let change = json!({ "textDocument": { "uri": URI, "version": 2 }, "contentChanges": [{}] });
    let log = client.tell("textDocument/didChange", change).messages;
    assert_eq!(log[0]["method"], "window/logMessage", "a change that is none is not passed over in silence");
}

#[test]
fn problems_are_those_of_the_check_and_of_the_text_of_the_client() {
    let mut client = Client::open(STACK);
    assert_eq!(client.problems(), json!([]));
    client.replace(&STACK.replace("worker: load", "worker: lod"));
    let problems = client.problems();
    let [problem] = problems.as_array().expect("problems").as_slice() else { panic!("{problems:#}") };
    assert_eq!(client.under(&problem["range"]), "lod");
    assert_eq!(problem["code"], "E0105");
    assert_eq!(problem["severity"], 1);
    assert_eq!(problem["codeDescription"]["href"], "file:///docs.html#E0105");
    assert_eq!(problem["message"], "`lod` is not allowed here\nhelp: did you mean `load`?");
    // A check of a text that has changed since is of no use.
    let late = client.session.job(URI).expect("a document");
    client.replace("name: [");
    assert!(client.session.checked(late.run()).is_none());
    assert_eq!(client.problems()[0]["code"], "E0001");
    let closed = client.tell("textDocument/didClose", json!({ "textDocument": { "uri": URI } }));
    assert_eq!(closed.messages[0]["params"]["diagnostics"], json!([]), "nothing is left in the list");
    assert!(client.session.job(URI).is_none());
}

#[test]
fn every_stack_of_the_file_is_checked() {
    // The value of one stack alone is too small.
    let text = STACK.replace("throttle: 50", "throttle: 1");
    let problems = Client::open(&text).problems();
    assert_eq!(problems[0]["code"], "E0104", "{problems:#}");
}

#[test]
fn documents_do_not_know_each_other() {
    let mut client = Client::open(STACK);
    let uri = "file:///other/stack.yaml";
    let document = json!({ "uri": uri, "version": 1, "text": "\u{0}\u{1}GIF89a" });
    client.tell("textDocument/didOpen", json!({ "textDocument": document }));
    let job = client.session.job(uri).expect("a document");
    let problems = client.session.checked(job.run()).expect("problems");
    assert!(problems["params"]["diagnostics"][0]["code"].as_str().expect("a code").starts_with("E00"));
    assert_eq!(client.problems(), json!([]));
    assert!(client.complete("type: ").contains(&"integer".to_owned()));
}

#[test]
fn changes_of_ranges_count_utf_16() {
    let mut client = Client::open(SHOP);
    let place = client.place("ü\n  big", 0);
    let document = json!({ "uri": URI, "version": 2 });
    let end =
        json!({ "line": place["line"], "character": place["character"].as_u64().expect("a number") + 1 });
    let change = json!({ "range": { "start": place, "end": end }, "text": "🦀x" });
    client.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    let changed = SHOP.replacen("ü\n  big", "🦀x\n  big", 1);
    let mut other = Client::open(&changed);
    let ask = json!({ "textDocument": { "uri": URI } });
    assert_eq!(
        client.ask("textDocument/documentSymbol", ask.clone()),
        other.ask("textDocument/documentSymbol", ask)
    );
    assert_eq!(client.problems(), other.problems());
}

#[test]
fn keys_and_values_are_completed() {
    let mut client = Client::open(STACK);
    let keys = client.complete("arrivals:\n    type: queue\n    properties: { vis");
    assert!(
        keys.contains(&"retention".to_owned()) && keys.contains(&"visibilityTimeout".to_owned()),
        "{keys:?}"
    );
    assert!(!keys.contains(&"deadLetter".to_owned()), "it is given already: {keys:?}");
    assert!(client.complete("worker: ").contains(&"extraction".to_owned()));
    assert_eq!(client.complete("target: "), ["aws", "local"]);
    let types = client.complete("type: buck");
    assert!(
        types.contains(&"bucket".to_owned()) && types.contains(&"AWS::S3::Bucket".to_owned()),
        "{types:?}"
    );
    assert_eq!(client.complete("publish: \"${"), ["events", "config."], "only buses and topics");
    assert_eq!(client.complete("publish: \""), ["events"]);
}

#[test]
fn what_is_being_written_is_completed() {
    let mut client = Client::open(STACK);
    // The file is not YAML from here on, and the names are those that it had.
    for (line, before, expected) in [
        ("  new: { type: queue, properties: { visi", "{ visi", "visibilityTimeout"),
        ("  new:\n    type: function\n    properties:\n      access: [{ wri", "[{ wri", "write"),
        ("  new:\n    type: function\n    properties:\n      access: [{ write: \"${rec", "${rec", "records"),
        ("  new:\n    type: function\n    properties:\n      work", "      work", "worker"),
        ("  new:\n    type: function\n    properties:\n      worker: ", "worker: ", "snapshot"),
        ("  new:\n    ty", "    ty", "type"),
        ("  new:\n    type: AWS::SQS::Queue\n    properties: { Visi", "{ Visi", "VisibilityTimeout"),
        ("  new:\n    type: AWS::SQS::Q", "AWS::SQS::Q", "AWS::SQS::Queue"),
    ] {
        let text = STACK.replace("  errors:", &format!("{line}\n  errors:"));
        client.replace(&text);
        let all = client.complete(before_in(&text, line, before).as_str());
        assert!(all.contains(&expected.to_owned()), "{line}: {all:?}");
        for read_only in ["Arn", "QueueUrl"] {
            assert!(!all.contains(&read_only.to_owned()), "{line}: {all:?}");
        }
    }
    client.replace(&STACK.replace("${landing.name}", "${landing."));
    assert_eq!(client.complete("bucket: ${landing."), ["name", "arn"]);
    client.replace(&STACK.replace("${landing.name}", "${"));
    let names = client.complete("bucket: ${");
    for name in ["landing", "records", "config.", "AWS::Region"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    client.replace(&STACK.replace("${config.taskCpu}", "${config."));
    assert_eq!(client.complete("cpu: ${config."), ["throttle", "taskCpu", "taskMemory"]);
}

/// Returns a text that ends where the cursor is: the first part of `text` up to the end of `before` in `line`.
fn before_in(text: &str, line: &str, before: &str) -> String {
    let start = text.find(line).expect("the line");
    let end = start + line.find(before).expect("the place") + before.len();
    text[..end].to_owned()
}

#[test]
fn a_completion_fits_in_its_place() {
    let mut client = Client::open(
        "name: a\nresources:\n  jobs: { type: queue }\n  x:\n    type: rule\n    properties: { targets: [{ queue: \"${}\" }], bus:  }\n",
    );
    assert!(client.completed("queue: \"${", "jobs").contains("{ queue: \"${jobs}\" }"));
    client.replace("resources:\n  jobs: { type: queue }\n  e: { type: bus }\n  x:\n    type: rule\n    properties: { bus:  }\n");
    assert!(client.completed("{ bus: ", "e").contains("{ bus: \"${e}\" }"));
    client.replace("resources:\n  jobs:\n    type: queue\n    prop\n");
    assert!(client.completed("    prop", "properties").ends_with("    properties:\n"));
    client.replace("resources:\n  jobs:\n    type: queue\n    properties:\n      ret: 5m\n");
    assert!(client.completed("      ret", "retention").ends_with("      retention: 5m\n"));
    client.replace("outputs:\n  # x\n");
    assert_eq!(client.complete("# "), Vec::<String>::new(), "a comment");
}

#[test]
fn hover_explains_types_properties_names_and_codes() {
    let mut client = Client::open(&STACK.replace("worker: load", "worker: lod"));
    let mut hover = |before: &str| {
        let found = client.ask_at("textDocument/hover", before, json!({}));
        (found["contents"]["value"].as_str().unwrap_or_default().to_owned(), found["range"].clone())
    };
    assert!(hover("type: que").0.contains("An SQS queue with a dead-letter queue; or an existing one."));
    let (text, range) = hover("visibilityTim");
    assert!(
        text.starts_with("**`visibilityTimeout`**: duration from `0s` to `12h`, default `30s`"),
        "{text}"
    );
    assert_eq!(client.under(&range), "visibilityTimeout");
    let mut hover =
        |before: &str| client.ask_at("textDocument/hover", before, json!({}))["contents"]["value"].clone();
    assert!(hover("run: \"${extr").as_str().expect("a text").contains("`type: task`"));
    assert_eq!(hover("${landing.na"), "**`landing.name`**: bucket name");
    assert_eq!(
        hover("${config.throt"),
        "**config `throttle`**: integer, default 2, minimum 2, Concurrent executions of each function."
    );
    client.problems();
    let text = client.ask_at("textDocument/hover", "worker: lo", json!({}))["contents"]["value"].clone();
    assert!(text.as_str().expect("a text").ends_with("# E0105: the page"), "{text}");
    assert_eq!(client.ask_at("textDocument/hover", "# typed by", json!({})), Value::Null, "a comment");
    // The same while the file is not YAML.
    client.replace(&STACK.replace("outputs:", "outputs: {"));
    let mut hover = |before: &str| {
        let found = client.ask_at("textDocument/hover", before, json!({}));
        found["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    assert!(hover("visibilityTim").starts_with("**`visibilityTimeout`**: duration"));
    assert!(hover("run: \"${extr").contains("`type: task`"));
    assert!(hover("errors: { type: que").contains("An SQS queue"));
}

#[test]
fn definitions_and_references_are_found() {
    let mut client = Client::open(SHOP);
    for (before, expected) in [
        ("queue: \"${jo", "jobs"),
        ("🦀 ${jobs.ur", "jobs"),
        ("!GetAtt jo", "jobs"),
        ("!Sub \"🦀${jo", "jobs"),
        ("dependsOn: [\"${ev", "events"),
        ("${config.si", "size"),
        ("config: { si", "size"),
    ] {
        let found = client.ask_at("textDocument/definition", before, json!({}));
        let place = client.place(&format!("\n  {expected}:"), 3);
        assert_eq!(found["range"]["start"], place, "{before}");
        assert_eq!(client.under(&found["range"]), expected);
    }
    let found = client.ask_at("textDocument/references", "\n  jo", json!({}));
    let found = found.as_array().expect("places");
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(found.iter().all(|place| client.under(&place["range"]) == "jobs"));
    let context = json!({ "context": { "includeDeclaration": false } });
    let without = client.ask_at("textDocument/references", "\n  jo", context);
    assert_eq!(without.as_array().map(Vec::len), Some(5));
    // The definition is found even if the file is not YAML.
    client.replace(&SHOP.replace("outputs:\n", "outputs: {\n").replace("config:\n", "\n\nconfig:\n"));
    let found = client.ask_at("textDocument/definition", "🦀 ${jobs.ur", json!({}));
    assert_eq!(client.under(&found["range"]), "jobs");
    let refused = client.ask_at("textDocument/references", "\n  jo", json!({}));
    assert!(
        refused["message"].as_str().expect("a message").starts_with("the file can't be read: line "),
        "{refused}"
    );
}

#[test]
fn a_column_is_not_a_reference() {
    let mut client = Client::open(STACK);
    let all = |client: &mut Client| {
        let found = client.ask_at("textDocument/references", "\n  land", json!({}));
        found.as_array().map(Vec::len)
    };
    let before = all(&mut client);
    assert!(before > Some(4), "{before:?}");
    client.replace(&STACK.replace("{ from: ID, required: true }", "\"${landing}-${ID}\""));
    assert_eq!(all(&mut client), before, "the template names a column");
    assert_eq!(client.complete("id: \"${"), ["config."]);
    assert_eq!(client.ask_at("textDocument/definition", "id: \"${land", json!({})), Value::Null);
}

#[test]
fn a_rename_changes_every_reference_and_says_what_it_means() {
    let mut client = Client::open(SHOP);
    let messages = {
        let params = json!({ "textDocument": { "uri": URI }, "position": client.place("\n  jobs", 4), "newName": "work" });
        client.ask_all("textDocument/rename", params)
    };
    let [warning, answer] = messages.as_slice() else { panic!("{messages:?}") };
    let text = warning["params"]["message"].as_str().expect("a message");
    assert!(text.contains("in place of `Jobs`, `JobsD"), "{text}");
    assert_eq!(
        client.changed(&answer["result"]),
        SHOP.replace("jobs", "work").replace("big-work", "big-jobs")
    );
    // A client that can show why is asked to.
    let abilities = json!({ "workspace": { "workspaceEdit": { "documentChanges": true, "changeAnnotationSupport": {} } } });
    let mut able = Client::open_with(SHOP, abilities);
    let edit = able.ask_at("textDocument/rename", "\n  jo", json!({ "newName": "work" }));
    assert_eq!(edit["changeAnnotations"]["logical-ids"]["needsConfirmation"], true);
    assert_eq!(edit["documentChanges"][0]["textDocument"]["version"], 1);
    // A name that the file can't have is refused with the reason.
    for (name, reason) in [
        ("events", "twice"),
        ("a b", "can't be a name"),
        ("config", "can't be the name"),
        ("Big_Jobs", "logical id"),
    ] {
        let refused = client.ask_at("textDocument/rename", "\n  jo", json!({ "newName": name }));
        assert_eq!(refused["code"], -32_803, "{name}: {refused}");
        assert!(refused["message"].as_str().expect("a message").contains(reason), "{name}: {refused}");
    }
    let config = client.ask_at("textDocument/rename", "${config.si", json!({ "newName": "amount" }));
    assert_eq!(client.changed(&config), SHOP.replace("size", "amount"));
    let nothing = client.ask_at("textDocument/rename", "name", json!({ "newName": "x" }));
    assert_eq!(nothing["code"], -32_803);
    let place = client.ask_at("textDocument/prepareRename", "queue: \"${jo", json!({}));
    assert_eq!((client.under(&place["range"]), &place["placeholder"]), ("jobs", &json!("jobs")));
}

#[test]
fn a_kept_logical_id_needs_no_warning() {
    let text = "name: a\nstacks: { l: { target: local } }\nresources:\n  e:\n    type: bus\n    options: { logicalId: Events }\n";
    let mut client = Client::open(text);
    let params =
        json!({ "textDocument": { "uri": URI }, "position": client.place("\n  e", 3), "newName": "events" });
    let messages = client.ask_all("textDocument/rename", params);
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn a_dollar_before_a_name_is_no_escape_for_cloudformation() {
    let text = "name: a\nstacks: { l: { target: local } }\nresources:\n  jobs: { type: queue }\n  raw:\n    type: AWS::SSM::Parameter\n    \
                properties: { Type: String, Value: !Sub \"$${jobs} ${!jobs}\" }\n";
    let mut client = Client::open(text);
    let edit = client.ask_at("textDocument/rename", "\n  jo", json!({ "newName": "work" }));
    let expected = text.replace("  jobs:", "  work:").replace("$${jobs}", "$${work}");
    assert_eq!(client.changed(&edit), expected);
}

#[test]
fn a_rename_in_a_file_with_errors_leaves_no_reference_behind() {
    let text = "name: a\nstacks: { l: { target: local } }\nresources:\n  jobs: { type: queue }\n  raw:\n    type: AWS::SQS::Queue\n    \
                properties: { QueueName: !GetAtt jobs } # jobs\n";
    let mut client = Client::open(text);
    let refused = client.ask_at("textDocument/rename", "\n  jo", json!({ "newName": "work" }));
    assert_eq!(refused["code"], -32_803, "{refused}");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("line 7 seems to name `jobs`"), "{message}");
    // An error elsewhere prevents no rename.
    let text = text.replace("!GetAtt jobs", "!GetAtt jobs.QueueName").replace("type: queue", "type: qeue");
    client.replace(&text);
    let edit = client.ask_at("textDocument/rename", "\n  jo", json!({ "newName": "work" }));
    assert_eq!(
        client.changed(&edit),
        text.replace("  jobs:", "  work:").replace("GetAtt jobs", "GetAtt work")
    );
}

/// Every resource of every case of the language can be renamed: the file stays as right, or as wrong, as it was.
#[test]
fn every_resource_of_every_case_can_be_renamed() {
    let folder = repository().join("deployer/lang/tests/cases");
    let (mut renamed, mut moved) = (0, 0);
    for case in std::fs::read_dir(folder).expect("the cases") {
        let file = case.expect("a case").path().join("stack.yaml");
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if file.to_string_lossy().contains("wrong-") {
            continue;
        }
        let mut client = Client::open(&text);
        let before = client.problems().as_array().map(Vec::len);
        let symbols = client.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": URI } }));
        let sections = symbols.as_array().expect("symbols");
        let resources = sections.iter().find(|one| one["name"] == "resources");
        let children = resources.and_then(|one| one["children"].as_array()).cloned().unwrap_or_default();
        for resource in
            children.iter().filter(|one| !one["name"].as_str().is_some_and(|name| name.contains(':')))
        {
            let params = json!({
                "textDocument": { "uri": URI },
                "position": resource["selectionRange"]["start"],
                "newName": "renamedHere",
            });
            let edit = client.ask("textDocument/rename", params);
            assert!(edit.get("code").is_none(), "{}: {}: {edit}", file.display(), resource["name"]);
            let changed = client.changed(&edit);
            let name = resource["name"].as_str().expect("a name");
            moved += crate::renames::moves_along(&text, &changed, name, "renamedHere");
            let mut after = Client::open(&changed);
            assert_eq!(
                after.problems().as_array().map(Vec::len),
                before,
                "{}: {}",
                file.display(),
                resource["name"]
            );
            renamed += 1;
        }
    }
    assert!(renamed > 200, "{renamed}");
    assert!(moved > 500, "{moved}");
}

#[test]
fn fixes_are_offered_and_solve_the_problem() {
    let mut client = Client::open(
        &STACK.replace("run: \"${extraction}\" }, { publish: \"${events}\"", "run: \"${extractoin}\""),
    );
    let ask = |client: &mut Client, before: &str, at: usize| {
        let place = client.place(before, at);
        let range = json!({ "start": place, "end": place });
        let params =
            json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": [] } });
        client.ask("textDocument/codeAction", params)
    };
    let fixes = ask(&mut client, "extractoi", 9);
    assert_eq!(fixes[0]["title"], "Replace `extractoin` by `extraction`");
    assert_eq!(fixes[0]["kind"], "quickfix");
    let text = client.changed(&fixes[0]["edit"]);
    client.replace(&text);
    let fixes = ask(&mut client, "\n  extract:", 5);
    assert_eq!(fixes[0]["title"], "Add `{ publish: \"${events}\" }` to `access`", "{fixes:#}");
    assert_eq!(client.changed(&fixes[0]["edit"]), STACK);
    let params = json!({
        "textDocument": { "uri": URI },
        "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 99, "character": 0 } },
        "context": { "only": ["refactor"] },
    });
    assert_eq!(client.ask("textDocument/codeAction", params), json!([]));
}

#[test]
fn symbols_are_the_names_of_the_file() {
    let mut client = Client::open(SHOP);
    let symbols = client.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": URI } }));
    let names: Vec<&str> =
        symbols.as_array().expect("symbols").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["name", "config", "stacks", "resources", "outputs"]);
    let raw = &symbols[3]["children"][3];
    assert_eq!((&raw["name"], &raw["detail"]), (&json!("raw"), &json!("AWS::SQS::Queue")));
    assert_eq!(client.under(&raw["selectionRange"]), "raw");
    assert!(client.under(&raw["range"]).ends_with("[\"${events}\"] }"), "{}", client.under(&raw["range"]));
}
