//! The commands that need no cloud, and the failures of the others without one: exit code, stdout and stderr together.

mod check;
mod from;
mod import;
mod lsp;
mod output;
mod permissions;
mod policies;
mod preview;
#[path = "../output/schema.rs"]
mod schema;
mod spectrum;
mod strange;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const STACK: &str = include_str!("../../../../stack.yaml");

/// Creates a folder with a `stack.yaml`.
fn folder(stack: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("stack.yaml"), stack).expect("stack.yaml");
    folder
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deployer"));
    command
        .args(args)
        .current_dir(folder)
        // The environment holds nothing of the developer's own: no credentials, no network.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
    command
}

/// Runs the deployer; returns exit code, stdout and stderr.
fn run(folder: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        command(folder.path(), args).output().expect("the deployer starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn ls_lists_the_stacks() {
    let (code, out, err) = run(&folder(STACK), &["ls"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let expected = "\
stack  name                   target  region
local  eventbridge-etl-local  local                                     default
dev    eventbridge-etl-dev    aws     eu-west-1
prod   eventbridge-etl-prod   aws     eu-west-1, account 111122223333  protected
";
    let squeeze = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(squeeze(&out), squeeze(expected));
    let (_, out, _) = run(&folder(STACK), &["ls", "--output", "json"]);
    assert_eq!(json(&out)["stacks"][2]["account"], "111122223333");
    assert_eq!(json(&out)["stacks"][0]["removal"], "delete");
}

#[test]
fn the_version_names_the_sources() {
    for args in [&["--version"][..], &["-V"], &["deploy", "--version"]] {
        let (code, out, err) = run(&folder(""), args);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let version = concat!("deployer ", env!("CARGO_PKG_VERSION"), " (commit ");
        assert!(out.starts_with(version) && out.ends_with(")\n") && out.lines().count() == 1, "{out}");
        // A test is not built with packed workers.
        let digest = out.split("workers: sources ").nth(1).map(|rest| rest.trim_end_matches(")\n"));
        let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(digest.is_some_and(is_hex), "{out}");
    }
}

#[test]
fn synth_writes_the_template_and_nothing_else() {
    let folder = folder(STACK);
    let (code, out, err) = run(&folder, &["synth"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let template = json(&out);
    assert_eq!(template["AWSTemplateFormatVersion"], "2010-09-09");
    let (_, yaml, _) = run(&folder, &["synth", "--format", "yaml"]);
    assert!(yaml.starts_with("AWSTemplateFormatVersion: \"2010-09-09\"\n"), "{yaml}");
    let (_, wrapped, _) = run(&folder, &["synth", "--output", "json"]);
    assert_eq!(json(&wrapped)["template"], template);
    // Config of the command line comes before the stack's own.
    let (_, prod, _) = run(&folder, &["synth", "prod", "--config", "throttle=7"]);
    assert_eq!(json(&prod)["Resources"]["Load"]["Properties"]["ReservedConcurrentExecutions"], 7);

    let (code, out, _) = run(&folder, &["synth", "dev", "--out", "here/it"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("here/it").join(name)).expect(name);
    assert!(json(&read("eventbridge-etl-dev.template.json"))["Resources"]["Landing"].is_object());
    let assets = json(&read("eventbridge-etl-dev.assets.json"));
    assert_eq!(assets["assets"].as_array().map(Vec::len), Some(6));
}

#[test]
fn a_wrong_file_is_exit_2_with_every_problem_and_its_place() {
    let stack =
        STACK.replace("visibilityTimeout: 5m", "visibilityTimout: 5m").replace("zones: 2", "zones: two");
    let folder = folder(&stack);
    let (code, out, err) = run(&folder, &["synth"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    for part in [
        "E0101",
        "visibilityTimout",
        "did you mean `visibilityTimeout`?",
        "E0103",
        "a whole number",
        "stack.yaml:",
    ] {
        assert!(err.contains(part), "no {part} in\n{err}");
    }
    assert!(err.contains("stack.yaml has 2 errors; nothing was done"), "{err}");
    let (code, out, _) = run(&folder, &["synth", "--output", "json"]);
    assert_eq!(code, Some(2));
    let diagnostics = json(&out)["diagnostics"].clone();
    assert_eq!(diagnostics[0]["code"], "E0101");
    let line = stack.lines().position(|line| line.contains("visibilityTimout")).expect("the line") + 1;
    assert_eq!(diagnostics[0]["start"]["line"], line);
    assert_eq!(diagnostics.as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_asked_for_must_exist() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let (code, _, err) = run(&empty, &["ls"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("there is no file stack.yaml here") && err.contains("`deployer init my-pipeline`"),
        "{err}"
    );
    for (args, wanted) in [
        (&["synth", "qa"][..], "no stack is named `qa`; the file has `local`, `dev`, `prod`"),
        (&["synth", "--config", "throtle=3"], "did you mean `throttle`?"),
        (&["synth", "--config", "throttle=1"], "at least 2"),
        (&["synth", "--config", "throttle"], "expected NAME=VALUE"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["upload", "gone.csv"], "there is no file gone.csv"),
        (&["upload", "stack.yaml", "--wait"], "the key `stack.yaml` matches no `notify` of `landing`"),
        (
            &["upload", "stack.yaml", "--key", "rejects/a.csv"],
            "the key `rejects/a.csv` is that of a file of `report`",
        ),
        (
            &["upload", "stack.yaml", "--key", "deployer-verify-0123456789abcdef0123456789abcdef.csv"],
            "is that of a file of `deployer verify`",
        ),
        (&["verify", "--timeout", "0s"], "expected a duration such as 90s or 5m"),
        (&["tally", "x.csv", "--bucket", "nope"], "no bucket is named `nope`"),
        (&["replay", "x.csv"], "required arguments were not provided"),
        (&["replay", "x.csv", "--failed", "--missing"], "cannot be used with"),
        (&["replay", "--failed"], "the key of the object is missing"),
        (&["replay", "--dead-letters", "nope"], "no queue is named `nope`"),
        (&["logs", "lod"], "no function or task is named `lod`"),
        // The name of a stack alone is never a key.
        (&["tally", "dev", "--wait"], "`--wait` is about an object, and `dev` is a stack of the file"),
        (&["items", "dev", "--from", "5"], "`--from` is about an object, and `dev` is a stack of the file"),
        (&["status", "dev", "--version-id", "x"], "`dev dev` is the object with the key `dev`"),
        // Limits of options.
        (&["items", "x.csv", "--rows", "0"], "expected a number from 1 to 1000"),
        (&["items", "x.csv", "--rows", "1001"], "expected a number from 1 to 1000"),
        (&["items", "x.csv", "--from", "0"], "0 is not in 1.."),
        (&["errors", "--since", "0s"], "expected a duration of at least 1s"),
    ] {
        let (code, out, err) = run(&folder(STACK), args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(wanted), "{args:?}: {err}");
    }
    let without = STACK.replace("access: [{ tally: \"${tally}\" }, ", "access: [");
    assert_ne!(without, STACK);
    let (code, _, err) = run(&folder(&without), &["tally"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("the stack has no tally") && err.contains("access: [{ tally:"), "{err}");
    let three = STACK.replace(", default: true", "");
    let (code, _, err) = run(&folder(&three), &["synth"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no stack is named: the file has"), "{err}");
}

#[test]
fn without_a_cloud_it_says_how_to_get_one() {
    let (code, _, err) = run(&folder(STACK), &["outputs", "local"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("deployer local up"), "{err}");
    assert_eq!(run(&folder(STACK), &["local", "env"]).0, Some(1));
    let (code, _, err) = run(&folder(STACK), &["outputs", "dev"]);
    assert_eq!(code, Some(6), "{err}");
    assert!(err.contains("no AWS credentials were found") && err.contains("AWS_PROFILE"), "{err}");
    let (code, _, err) = run(&folder(STACK), &["outputs", "dev", "--profile", "nosuch"]);
    assert_eq!(code, Some(6), "{err}");
    assert!(
        err.contains("there is no AWS profile `nosuch`") && err.contains("no profiles are configured"),
        "{err}"
    );
    let nowhere = STACK.replace("dev: { region: eu-west-1 }", "dev: {}");
    let (code, _, err) = run(&folder(&nowhere), &["outputs", "dev"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("no region is set"), "{err}");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let folder = folder(STACK);
    let mut child = command(folder.path(), &["synth"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the deployer starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the deployer ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
}

#[test]
fn the_cost_counts_rows_that_are_left_out() {
    let folder = folder(STACK);
    let (code, out, err) = run(&folder, &["cost", "--rows", "1000", "--skipped", "400"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("leaves out 400 rows in 400 runs"), "{out}");
    let (_, out, _) = run(&folder, &["cost", "--rows", "1000", "--skipped", "1000", "--output", "json"]);
    assert_eq!(
        (json(&out)["rows"]["skipped"].clone(), json(&out)["rows"]["skippedRuns"].clone()),
        (1000.into(), 1.into())
    );
    for (args, part) in [
        (&["--rows", "10", "--skipped", "11"][..], "`--skipped 11` is more than the 10 rows of the file"),
        (&["--rows", "10", "--skipped", "4", "--skipped-runs", "5"], "it is between 1 and 4"),
        (&["--rows", "10", "--skipped", "9", "--skipped-runs", "3"], "it is between 1 and 2"),
        (&["--rows", "10", "--skipped-runs", "1"], "it is between 0 and 0"),
    ] {
        let (code, _, err) = run(&folder, &[&["cost"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

#[test]
fn quiet_leaves_errors_and_data() {
    let empty = TempDir::new().expect("a folder");
    let (code, _, err) = run(&empty, &["init", "one"]);
    assert_eq!((code, err.contains("wrote")), (Some(0), true), "{err}");
    assert_eq!(run(&empty, &["init", "two", "--quiet"]), (Some(0), String::new(), String::new()));
    let (code, out, err) = run(&folder(STACK), &["-q", "ls"]);
    assert_eq!((code, out.is_empty(), err.as_str()), (Some(0), false, ""));
    let (code, _, err) = run(&empty, &["ls", "-q"]);
    assert_eq!((code, err.contains("error:")), (Some(2), true), "{err}");
    assert_eq!(run(&folder(STACK), &["ls", "-q", "-v"]).0, Some(2));
}

#[test]
fn the_schema_describes_the_file() {
    let (code, out, _) = run(&folder(STACK), &["schema"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        json(&out)["properties"]["name"]["description"],
        "Name of the pipeline: lower case letters, digits and hyphens."
    );
}

#[test]
fn warnings_stand_beside_the_data() {
    let folder = folder("name: w\nstacks: { dev: {} }\nresources: { jobs: { type: queue } }\n");
    let (code, out, err) = run(&folder, &["synth"]);
    assert_eq!(code, Some(0));
    assert!(json(&out)["Resources"]["Jobs"].is_object());
    assert!(err.contains("W0403") && err.contains("nothing uses `jobs`"), "{err}");
    let (code, out, err) = run(&folder, &["synth", "--output", "json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let document = json(&out);
    assert!(document["template"]["Resources"]["Jobs"].is_object());
    let warning = &document["diagnostics"][0];
    assert_eq!((warning["code"].as_str(), warning["severity"].as_str()), (Some("W0403"), Some("warning")));
    assert_eq!(warning["start"]["line"], 3);
}

#[test]
fn docs_explains_types_codes_and_topics() {
    let folder = folder(STACK);
    for (args, wanted) in [
        (&["docs"][..], &["AWS::SQS::Queue", "dashboard", "diagnostics"][..]),
        (&["docs", "queue"], &["visibilityTimeout", "duration from 0s to 12h", "${queue.url}"]),
        (&["docs", "e0304"], &["E0304", "Wrong", "Right", "visibilityTimeout: 6m"]),
        (&["docs", "AWS::SNS::Topic"], &["FifoTopic", "replaces", "${name.TopicArn}"]),
        (&["docs", "access"], &["dynamodb:BatchWriteItem", "ecr:GetAuthorizationToken"]),
        (&["docs", "language"], &["Writing stack.yaml", "yes, on and 012"]),
        (&["docs", "failures"], &["bucket-name-taken", "deployer recover"]),
    ] {
        let (code, out, err) = run(&folder, args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
        let plain = out.replace('`', "");
        for part in wanted {
            assert!(plain.contains(part), "{args:?}: no {part} in\n{out}");
        }
    }
    let (code, out, err) = run(&folder, &["docs", "qeue"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("did you mean `queue`?"), "{err}");
    let (_, out, _) = run(&folder, &["docs", "E0101", "--output", "json"]);
    assert!(json(&out)["markdown"].as_str().is_some_and(|text| text.starts_with("# E0101: ")), "{out}");
}

#[test]
fn docs_fit_one_page_that_needs_nothing_else() {
    let folder = folder(STACK);
    let (code, out, err) = run(&folder, &["docs", "--out", "docs.html"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let html = std::fs::read_to_string(folder.path().join("docs.html")).expect("the page");
    for place in ["language", "events", "failures", "access", "queue", "e0102", "w0403"] {
        assert!(html.contains(&format!("<section id=\"{place}\">")), "{place}");
    }
    // The page loads nothing, and every link within it leads to a place that exists.
    assert!(
        !html.contains(" src=") && !html.contains("@import") && !html.contains("<link"),
        "it loads something"
    );
    for (at, _) in html.match_indices("href=\"#") {
        let target = html[at + 7..].split('"').next().expect("a target");
        assert!(html.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
    }
}

#[test]
fn graph_draws_the_pipeline_in_three_formats() {
    let folder = folder(STACK);
    for (format, begins, holds) in [
        (
            "mermaid",
            "flowchart LR\n",
            "Events -->|\"record-extracted<br/><small>buffer + DLQ</small>\"| Transform",
        ),
        (
            "dot",
            "digraph \"eventbridge-etl-local\" {\n",
            "\"landing\" -> \"arrivals\" [label=\"created *.csv\"];",
        ),
        ("svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", ">observe</text>"),
    ] {
        let (code, out, err) = run(&folder, &["graph", "--format", format]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{format}");
        assert!(out.starts_with(begins) && out.contains(holds), "{format}\n{out}");
        let (_, _, note) = run(&folder, &["graph", "--format", format, "--out", "drawing"]);
        assert!(note.contains("wrote drawing"), "{note}");
        assert_eq!(std::fs::read_to_string(folder.path().join("drawing")).expect("the drawing"), out);
    }
    let (_, out, _) = run(&folder, &["graph", "--output", "json"]);
    assert_eq!(json(&out)["nodes"][0]["name"], "landing");
    assert_eq!(json(&out)["nodes"][1]["queues"][0], "ArrivalsDeadLetters");
    let (_, out, _) = run(&folder, &["graph", "--expand-queues"]);
    assert!(out.contains("Events -->|\"record-extracted\"| TransformOnRecordExtractedBuffer\n"), "{out}");
}

/// Checks whether a program is installed on this machine.
fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Returns the errors in the commands of a README that keep them from being pasted into a shell.
fn wrong_with_commands(readme: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut block = String::new();
    for line in readme.lines().chain([""]) {
        if let Some(code) = line.strip_prefix("    ") {
            block.push_str(code);
            block.push('\n');
            continue;
        }
        let block = std::mem::take(&mut block);
        let parsed = Command::new("bash").args(["-n", "-c", &block]).output().expect("bash starts");
        if !parsed.status.success() || block.contains(r"\\") {
            wrong.push(format!("no shell reads\n{block}{}", String::from_utf8_lossy(&parsed.stderr)));
        }
        for command in block.lines().filter_map(|line| line.strip_prefix("deployer ")) {
            let words: Vec<&str> = command.split([' ', '&', '|']).filter(|word| !word.is_empty()).collect();
            let name = words.iter().take_while(|word| !word.starts_with('-')).take(1);
            let help = Command::new(env!("CARGO_BIN_EXE_deployer")).arg("help").args(name).output();
            if !help.expect("the deployer starts").status.success() {
                wrong.push(format!("there is no `deployer {command}`"));
            }
        }
        // Variables of the shell are between a closed and an opened quote.
        let filled = block.replace("'\"$BUS\"'", "bus");
        for text in filled.split('\'').skip(1).step_by(2).filter(|text| text.starts_with(['{', '['])) {
            if let Err(error) = readable(text) {
                wrong.push(format!("{error} in {text}"));
            }
        }
    }
    wrong
}

/// Checks whether a text is JSON, with the events in it, which are JSON as texts.
fn readable(text: &str) -> serde_json::Result<()> {
    let value: Value = serde_json::from_str(text)?;
    for entry in value.as_array().into_iter().flatten() {
        if let Some(detail) = entry["Detail"].as_str() {
            serde_json::from_str::<Value>(detail)?;
        }
    }
    Ok(())
}

#[test]
fn commands_that_cannot_be_pasted_are_found() {
    for wrong in [
        "    aws sqs send-message \\\\\n        --message-body x\n",
        "    echo 'a\n",
        "    deployer lokal up\n",
        "    aws x '[{ \"Detail\": \"{ \\\\\"id\\\\\": 1 }\" }]'\n",
        "    aws x '{ id: 1 }'\n",
    ] {
        assert!(!wrong_with_commands(wrong).is_empty(), "{wrong}");
    }
    assert_eq!(wrong_with_commands("    deployer local up && deployer deploy\n"), [""; 0]);
}

#[test]
fn init_says_what_a_project_is_named() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    for (folder, said) in [
        ("orders", None),
        ("My Pipeline", Some("`my-pipeline`")),
        ("123", Some("`eventbridge-etl`")),
        ("ünïcode", Some("`n-code`")),
    ] {
        let (code, _, err) = run(&parent, &["init", folder]);
        assert_eq!(code, Some(0), "{err}");
        let found = err.lines().find(|line| line.starts_with("The pipeline is named"));
        assert_eq!(found.is_some(), said.is_some(), "{err}");
        assert!(found.zip(said).is_none_or(|(line, name)| line.contains(name)), "{err}");
    }
    let (_, _, err) = run(&parent, &["init", "It's mine"]);
    assert!(err.contains(r"cd 'It'\''s mine'"), "{err}");
}

#[test]
fn the_stack_file_of_a_folder_above_is_found() {
    let folder = folder(STACK);
    let below = folder.path().join("data/deep");
    std::fs::create_dir_all(&below).expect("made");
    let listed = command(&below, &["ls"]).output().expect("the deployer starts");
    let said = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert_eq!((listed.status.code(), said.as_str()), (Some(0), "using ../../stack.yaml\n"));
    let named = command(&below, &["ls", "-f", "stack.yaml"]).output().expect("the deployer starts");
    assert_eq!(named.status.code(), Some(2), "what is named is not searched for");
}

#[test]
fn doctor_says_in_one_problem_that_the_emulator_is_missing() {
    let folder = folder(STACK);
    let doctor = |folder: &TempDir, args: &[&str]| {
        let mut command = command(folder.path(), &[&["doctor", "--output", "json"], args].concat());
        let output = command.env("PATH", "/nowhere").output().expect("the deployer starts");
        (output.status.code(), json(&String::from_utf8_lossy(&output.stdout)))
    };
    let problems = |document: &Value| -> Vec<Value> {
        let findings = document["findings"].as_array().expect("findings").clone();
        let builds = |one: &Value| one["about"].as_str().is_some_and(|about| about.starts_with("cargo"));
        findings.into_iter().filter(|one| one["state"] == "problem" && !builds(one)).collect()
    };
    let (code, found) = doctor(&folder, &["local"]);
    let wrong = problems(&found);
    assert_eq!((code, wrong.len()), (Some(1), 1), "{found}");
    assert_eq!(wrong[0]["about"], "emulator");
    let fix = wrong[0]["fix"].as_str().expect("a fix");
    assert!(
        fix.contains("python3 -m venv .venv && .venv/bin/pip install ministack==")
            && fix.contains("deployer local up")
    );
    // Without a file, the findings that need none are shown all the same.
    let empty = tempfile::tempdir().expect("a temporary folder");
    let (code, found) = doctor(&empty, &[]);
    let wrong = problems(&found);
    assert_eq!((code, wrong.len(), found["stack"].is_null()), (Some(1), 1, true), "{found}");
    assert!(wrong[0]["fix"].as_str().is_some_and(|fix| fix.contains("deployer init")), "{found}");
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(3), "{found}");
    assert_eq!(schema::judge("doctor", &found), [""; 0]);
}

#[test]
fn problems_come_in_one_line_each_for_editors() {
    let folder = folder(&STACK.replace("visibilityTimeout: 5m", "visibilityTimout: 5m"));
    let (code, _, err) = run(&folder, &["synth", "--message-format", "short"]);
    assert_eq!(code, Some(2));
    let first = err.lines().next().unwrap_or_default();
    let line = STACK.lines().position(|line| line.contains("visibilityTimeout: 5m")).expect("the line") + 1;
    assert!(first.starts_with(&format!("stack.yaml:{line}:")), "{err}");
    assert!(first.contains(": error[E0101]: ") && first.contains("; help: did you mean"), "{err}");
    assert_eq!(err.lines().filter(|line| line.starts_with("stack.yaml:")).count(), 1, "{err}");
}

#[test]
fn init_writes_projects_that_are_right() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let (code, out, _) = run(&parent, &["init", "--list", "--output", "json"]);
    assert_eq!(code, Some(0));
    let templates = json(&out)["templates"].as_array().expect("templates").clone();
    assert!(templates.len() >= 6, "{out}");
    for template in templates {
        let template = template["name"].as_str().expect("a name");
        let folder = format!("My {template}");
        let (code, out, err) = run(&parent, &["init", &folder, "--template", template]);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert!(err.contains("deployer deploy dev"), "{err}");
        let installs = err.contains("  python3 -m venv .venv && .venv/bin/pip install ministack==");
        assert!(installs || on_path("ministack"), "{err}");
        let project = parent.path().join(&folder);
        for file in ["README.md", ".gitignore", "stack.schema.json"] {
            assert!(project.join(file).is_file(), "{template}: {file}");
        }
        let stack = std::fs::read_to_string(project.join("stack.yaml")).expect("stack.yaml");
        assert!(stack.starts_with("# yaml-language-server: $schema=stack.schema.json\n"), "{stack}");
        assert!(stack.contains(&format!("\nname: my-{template}\n")), "{stack}");
        for stack in ["local", "dev"] {
            let synth = command(&project, &["synth", stack]).output().expect("the deployer starts");
            let said = String::from_utf8_lossy(&synth.stderr).into_owned();
            assert_eq!((synth.status.code(), said.as_str()), (Some(0), ""), "{template}");
        }
        let readme = std::fs::read_to_string(project.join("README.md")).expect("README.md");
        assert_eq!(wrong_with_commands(&readme), [""; 0], "{template}");
        // The second time, the command leaves existing files alone.
        std::fs::write(project.join("README.md"), "mine").expect("written");
        let (code, _, err) = run(&parent, &["init", &folder, "--template", template]);
        assert_eq!(code, Some(5));
        assert!(err.contains("README.md") && err.contains("nothing was written"), "{err}");
        assert_eq!(std::fs::read_to_string(project.join("README.md")).expect("there"), "mine");
    }
    let (code, _, err) = run(&parent, &["init", "x", "--template", "queue-wroker"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean `queue-worker`?"), "{err}");
    assert!(!parent.path().join("x").exists());
}
