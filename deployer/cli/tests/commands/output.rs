//! Documents of the commands that need no cloud match `docs/output.schema.json`.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::schema::judge;
use crate::{STACK, command, folder, json as parsed, run};

#[test]
fn every_document_is_as_its_schema_says() {
    let folder = folder(STACK);
    for args in [
        &["ls"][..],
        &["ls", "--status"],
        &["check"],
        &["check", "dev", "prod"],
        &["synth"],
        &["graph"],
        &["graph", "--expand-queues"],
        &["permissions", "dev"],
        &["permissions", "prod", "--github", "octo-org/orders"],
        &["cost"],
        &["forecast"],
        &["forecast", "--rows", "0"],
        &["cost", "--rows", "0", "--bytes-per-row", "400000"],
        &["docs"],
        &["docs", "queue"],
        &["init", "--list"],
        &["init", "new", "--template", "etl"],
        &["local", "status"],
        &["completions", "fish"],
        &["man"],
        &["man", "--out", "pages"],
        &["schema"],
    ] {
        let (code, out, err) = run(&folder, &[args, &["--output", "json"]].concat());
        assert_eq!(code, Some(0), "{args:?}: {err}");
        assert_eq!(judge(args[0], &parsed(&out)), [""; 0], "{args:?}");
    }
    let (code, out, _) =
        run(&self::folder("name: w\nstacks: { dev: {} }\nresources: 1\n"), &["synth", "--output", "json"]);
    assert_eq!(code, Some(2));
    assert_eq!(judge("problems", &parsed(&out)), [""; 0]);
}

#[test]
fn every_failure_is_a_document() {
    let folder = folder(STACK);
    let empty = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("rows.csv"), "ID,HouseNum,Street,Town,Zip\n1,2,3,4,5\n")
        .expect("a file");
    for (place, args, kind, code) in [
        (&empty, &["ls"][..], "usage", 2),
        (&folder, &["deploy", "nosuch"], "usage", 2),
        (&empty, &["dev"], "usage", 2),
        (&folder, &["dev", "dev"], "refused", 5),
        (&folder, &["upload", "gone.csv"], "usage", 2),
        (&folder, &["docs", "nosuch"], "usage", 2),
        (&folder, &["ls", "--config", "x"], "usage", 2),
        (&folder, &["frobnicate"], "usage", 2),
        (&folder, &["upload"], "usage", 2),
        (&folder, &["init", "x", "--template", "nosuch"], "usage", 2),
        (&folder, &["destroy", "local"], "failed", 1),
        (&folder, &["tally", "rows.csv", "local"], "failed", 1),
        (&folder, &["upload", "rows.csv", "local", "--wait"], "failed", 1),
        (&folder, &["logs", "load", "local"], "failed", 1),
        (&folder, &["events", "local"], "failed", 1),
        (&folder, &["outputs", "dev"], "credentials", 6),
        (&folder, &["history", "dev"], "credentials", 6),
        (&folder, &["diagnose", "dev"], "credentials", 6),
    ] {
        for json in [&["--output", "json"][..], &["--output=json"]] {
            let (exit, out, err) = run(place, &[args, json].concat());
            assert_eq!(exit, Some(code), "{args:?}: {err}");
            assert_eq!(out.lines().count(), 1, "{args:?}: {out}");
            let document = parsed(&out);
            assert_eq!(judge("failure", &document), [""; 0], "{args:?}");
            assert_eq!((&document["kind"], &document["exitCode"]), (&json!(kind), &json!(code)), "{args:?}");
            let said = document["error"].as_str().and_then(|text| text.lines().next()).expect("a message");
            assert!(err.contains(said), "{args:?}: {err}");
        }
        let (_, out, _) = run(place, args);
        assert_eq!(out, "", "{args:?}: nothing but data stands on stdout");
    }
    // A document of its own contains the outcome.
    let (code, out, _) = run(&folder, &["doctor", "--output", "json"]);
    assert_eq!((code, parsed(&out)["result"].clone()), (Some(1), Value::Null));
}

#[test]
fn help_and_man_name_every_exit_code() {
    let folder = folder(STACK);
    let page = include_str!("../../../../docs/exit-codes.md");
    let codes =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
    let codes: Vec<u8> = codes.collect();
    assert!(codes.contains(&7) && codes.contains(&141), "{codes:?}");
    for args in [&["--help"][..], &["man"]] {
        let (_, out, _) = run(&folder, args);
        let told = out.split_once("Exit codes:").expect("the exit codes").1;
        let told: Vec<&str> = told.split("141 ").next().expect("a list").split_whitespace().collect();
        for code in codes.iter().filter(|code| **code != 141) {
            assert!(told.contains(&code.to_string().as_str()), "{args:?}: {code}");
        }
    }
}

#[test]
fn every_command_has_a_schema() {
    let (_, out, _) = run(&folder(STACK), &["--help"]);
    let commands = out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        // The language server has messages, and no document.
        .filter(|command| !matches!(*command, "help" | "lsp"))
        .collect();
    assert!(commands.len() >= 20, "{commands:?}");
    for command in commands {
        // No command writes `null`; the test is that the command is described.
        assert_ne!(judge(command, &json!(null)), [""; 0], "{command}");
    }
}

#[test]
fn the_schema_knows_a_wrong_document() {
    let right = json!({ "schemaVersion": 1, "stack": "s", "outputs": { "a": "b" } });
    assert_eq!(judge("outputs", &right), [""; 0]);
    for (field, value) in
        [("schemaVersion", json!(2)), ("outputs", json!([])), ("more", json!(1)), ("stack", Value::Null)]
    {
        let mut wrong = right.clone();
        wrong[field] = value;
        assert_ne!(judge("outputs", &wrong), [""; 0], "{field}");
    }
}

#[test]
fn shells_and_man_get_what_they_read() {
    let folder = folder(STACK);
    for (shell, part) in
        [("bash", "complete -F _deployer"), ("zsh", "#compdef deployer"), ("fish", "complete -c deployer")]
    {
        let (code, out, err) = run(&folder, &["completions", shell]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains(part) && out.contains("rollback"), "{shell}");
    }
    let (code, out, _) = run(&folder, &["man"]);
    assert_eq!(code, Some(0));
    assert!(out.contains(".TH deployer 1"), "{out}");
    let (code, out, err) = run(&folder, &["man", "--out", "pages"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    for page in ["deployer.1", "deployer-rollback.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
    let (code, _, err) = run(&folder, &["completions", "tcl"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn variables_of_a_shell_are_only_of_outputs() {
    let folder = folder(STACK);
    let (code, out, err) = run(&folder, &["ls", "--output", "env"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("only `deployer outputs`"), "{err}");
    let (code, _, err) = run(&folder, &["outputs", "local", "--output", "env"]);
    assert_eq!(code, Some(1), "{err}");
}

#[test]
fn a_stack_that_cannot_be_asked_fails_no_other() {
    let (code, out, err) = run(&folder(STACK), &["ls", "--status"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("the local cloud is not running"), "{out}");
    assert!(out.contains("no credentials for eu-west-1"), "{out}");
    assert!(out.contains("no credentials for account 111122223333"), "{out}");
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let (code, out, err) = run(&folder(STACK), &["doctor", "--output", "json"]);
    assert_eq!(code, Some(1), "{err}");
    let document = parsed(&out);
    assert_eq!(judge("doctor", &document), [""; 0]);
    let findings = document["findings"].as_array().expect("findings");
    let about = |name: &str| findings.iter().find(|one| one["about"] == name);
    // On a machine without an emulator, that finding comes first.
    let cloud = about("endpoint").or_else(|| about("emulator")).expect("the local cloud");
    assert_eq!(cloud["state"], "problem", "{document}");
    assert!(cloud["fix"].as_str().is_some_and(|fix| fix.ends_with("`deployer local up`")), "{document}");
    assert!(about("credentials").is_none(), "nobody is there to ask: {document}");
}

#[test]
fn cost_asks_nobody_and_says_what_it_does_not_know() {
    let folder = folder(STACK);
    let (code, out, err) = run(&folder, &["cost", "dev"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for part in
        ["While idle", "1,000,000 rows of 200 bytes", "Not known, and not included in any sum", "at least $"]
    {
        assert!(out.contains(part), "no {part} in\n{out}");
    }
    assert!(!out.contains("original"), "{out}");
    let (_, compared, _) = run(&folder, &["cost", "dev", "--compare"]);
    for part in ["The EventBridge ETL", "The original: $76.11 a month"] {
        assert!(compared.contains(part), "no {part} in\n{compared}");
    }
    let (code, page, err) = run(&folder, &["docs", "cost"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    // The page is about this file.
    let sum = |text: &str| {
        let line = text.lines().find(|line| line.contains("together") && line.contains("at least"));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let out = compared;
    assert!(sum(&out).is_some() && sum(&out) == sum(&page), "{out}\n{page}");
    for wrong in
        [["--rows", "-1"], ["--bytes-per-row", "0"], ["--bytes-per-row", "400001"], ["--rows", "many"]]
    {
        let (code, out, _) = run(&folder, &[&["cost"][..], &wrong].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong:?}");
    }
}

#[test]
fn a_pattern_is_held_against_an_event() {
    let folder = folder(STACK);
    std::fs::write(folder.path().join("pattern.json"), r#"{"detail":{"n":[1]}}"#).expect("a file");
    for (pattern, event, wanted) in [
        (r#"{"detail":{"n":[1]}}"#, r#"{"detail":{"n":1e0}}"#, "true\n"),
        ("@pattern.json", r#"{"detail":{"n":"1"}}"#, "false\n"),
    ] {
        let (code, out, err) = run(&folder, &["match", "--pattern", pattern, "--event", event]);
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), wanted, ""), "{pattern} {event}");
    }
    for (pattern, event, part) in [
        (r#"{"detail":{"n":[{"cidr":"10.0.0.0/32"}]}}"#, "{}", "is not a range of addresses"),
        (r#"{"detail":"#, "{}", "not valid JSON"),
        (r#"{"a":[1]}"#, "[]", "an event is a JSON object"),
        (r#"{"a":[1]}"#, "{", "--event:1:2: not valid JSON"),
        (r#"{"a":[1]}"#, "@gone.json", "there is no file gone.json"),
    ] {
        let (code, out, err) = run(&folder, &["match", "--pattern", pattern, "--event", event]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{pattern} {event}");
        assert!(err.contains(part), "{err}");
    }
    let args = ["match", "--pattern", r#"{"a":[1]}"#, "--event", r#"{"a":1}"#, "--output", "json"];
    let (code, out, _) = run(&folder, &args);
    assert_eq!((code, judge("match", &parsed(&out))), (Some(0), Vec::<String>::new()));
    for args in [&["match"][..], &["match", "--pattern", "{}"], &["match", "a", "b", "c"]] {
        assert_eq!(run(&folder, args).0, Some(2), "{args:?}");
    }
}

#[test]
fn events_are_held_against_a_stack() {
    let folder = folder(STACK);
    let event = |kind: &str, status: &str| {
        json!({ "source": "cdkpatterns.the-eventbridge-etl", "detail-type": kind, "detail": { "status": status } })
            .to_string()
    };
    let lines = format!("{}\n\n{}\r\n", event("transform", "transformed"), event("loadFailed", "failed"));
    std::fs::write(folder.path().join("events.jsonl"), &lines).expect("a file");
    std::fs::write(folder.path().join("wrong.jsonl"), format!("{lines}{{\n")).expect("a file");
    let (code, out, err) = run(&folder, &["match", "events.jsonl", "--output", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let document = parsed(&out);
    assert_eq!(judge("match", &document), Vec::<String>::new());
    let routes = |event: &Value| {
        let taken = event["routes"].as_array().expect("routes").iter().filter(|one| one["matches"] == true);
        taken
            .map(|one| format!("{} {}", one["kind"], one["resource"]))
            .collect::<Vec<_>>()
            .join(", ")
            .replace('"', "")
    };
    let events = document["events"].as_array().expect("events");
    let lines: Vec<_> = events.iter().map(|event| event["line"].as_u64()).collect();
    assert_eq!(lines, [Some(1), Some(3)]);
    assert_eq!(routes(&events[0]), "trigger load, trigger observe");
    assert_eq!(routes(&events[1]), "trigger observe, rule failures");
    let (code, out, _) = run(&folder, &["match", "dev", "events.jsonl"]);
    assert_eq!(code, Some(0));
    for part in [
        "events.jsonl:1\n",
        "goes to load",
        "detail-type is \"transform\"; expected \"s3RecordExtraction\"",
        "goes to errors",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (code, _, err) = run(&folder, &["match", "wrong.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("wrong.jsonl:4:2: not valid JSON"), "{err}");
    for text in ["", "\n\n", "[]"] {
        std::fs::write(folder.path().join("empty.jsonl"), text).expect("a file");
        let (code, out, err) = run(&folder, &["match", "empty.jsonl"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{text:?}: {err}");
        assert!(err.contains("empty.jsonl has no event"), "{text:?}: {err}");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_a_usage_error() {
    let folder = folder(STACK);
    for args in [
        &["-f", ".", "check"][..],
        &["-f", ".", "synth"],
        &["import", "--template", ".", "--out", "-"],
        &["match", "."],
        &["match", "--pattern", "@.", "--event", "{}"],
        &["preview", "."],
    ] {
        let (code, out, err) = run(&folder, args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(". is a folder"), "{args:?}: {err}");
    }
}

#[test]
fn pages_are_laid_out_for_a_narrow_terminal() {
    let folder = folder(STACK);
    let output = command(folder.path(), &["docs", "verify"]).env("COLUMNS", "60").output();
    let page = String::from_utf8(output.expect("the deployer starts").stdout).expect("UTF-8");
    let prose = page.lines().filter(|line| !line.starts_with("    "));
    let long: Vec<&str> = prose.filter(|line| line.chars().count() > 60 && line.contains(' ')).collect();
    assert_eq!(long, [""; 0]);
}

#[test]
fn a_region_has_the_form_of_one() {
    let folder = folder(STACK);
    for (region, code) in [("eu-west-1", 0), ("us-gov-east-1", 0), ("moon-1", 2), ("nowhere", 2)] {
        let (found, _, err) = run(&folder, &["ls", "--region", region]);
        assert_eq!(found, Some(code), "{region}: {err}");
    }
}

/// A console that is opened by what the system opens links with.
#[cfg(target_os = "linux")]
#[test]
fn the_token_of_a_console_is_in_no_argument() {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder(STACK);
    let tool = folder.path().join("xdg-open");
    let text = "#!/bin/sh\nprintf '%s' \"$1\" > given.part\nmv given.part given\n";
    std::fs::write(&tool, text).expect("a tool");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut console = command(folder.path(), &["console", "local"])
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the deployer starts");
    let mut link = String::new();
    BufReader::new(console.stdout.take().expect("its output")).read_line(&mut link).expect("the link");
    let given = folder.path().join("given");
    for _ in 0..600 {
        if given.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let given = std::fs::read_to_string(&given).expect("what was opened");
    let (_, token) = link.trim().split_once("token=").expect("a link with a token");
    assert!(given.starts_with("file:///") && !given.contains(token), "{given}");
    let page = Path::new(given.strip_prefix("file://").expect("a path"));
    assert!(std::fs::read_to_string(page).expect("the page").contains(link.trim()));
    let mode = std::fs::metadata(page).expect("the page").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    console.kill().expect("killed");
    console.wait().expect("ended");
    std::fs::remove_file(page).expect("removed");
}
