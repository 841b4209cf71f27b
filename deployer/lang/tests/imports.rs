//! The flow goes one way: the allowed users of each part, read off the manifests of every crate, and off its sources
//! where Cargo keeps nothing.

use std::path::{Path, PathBuf};

use crate::codes::sources;
use crate::golden;

/// The packages without a clock, network or client of AWS.
const PURE: [&str; 6] = [
    "deployer/syntax",
    "deployer/cfn",
    "deployer/lang",
    "deployer/editor",
    "deployer/plan",
    "deployer/policy",
];

/// The sources of the deployer without the language, and the packer of programs.
const DEPLOYER: [&str; 7] = [
    "deployer/aws/src",
    "deployer/base/src",
    "deployer/build/src",
    "deployer/cli/src",
    "deployer/console/src",
    "deployer/local/src",
    "deployer/oci/src",
];

/// Returns the lines of code, without comments, in the crates' `src` folders, with their path in the repository.
fn lines(folder: &str) -> Vec<(String, String)> {
    let root = golden::repository();
    let files = sources(&root.join(folder));
    assert!(!files.is_empty(), "{folder} has no sources");
    let mut out = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("inside").to_string_lossy().replace('\\', "/");
        for (number, line) in golden::read(&file).lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                out.push((format!("{path}:{}", number + 1), line.to_owned()));
            }
        }
    }
    out
}

/// Returns the places in `folder`, other than those under `except`, that contain one of the words.
fn places(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    lines(folder)
        .into_iter()
        .filter(|(place, _)| !except.iter().any(|allowed| place.starts_with(allowed)))
        .filter(|(_, line)| words.iter().any(|word| holds(line, word)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

/// Returns whether a line contains a word, not as the end of a longer one (`print!` in `eprint!`).
fn holds(line: &str, word: &str) -> bool {
    let part_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part_of_word))
}

fn crates() -> Vec<PathBuf> {
    let root = golden::repository();
    let found = ["deployer", "workers"].iter().flat_map(|folder| golden::entries(&root.join(folder)));
    found.filter(|path| path.join("Cargo.toml").is_file()).collect()
}

fn dependencies(package: &Path) -> String {
    let manifest = golden::read(&package.join("Cargo.toml"));
    let sections = manifest.split("\n[").filter(|section| section.starts_with("dependencies"));
    sections.collect()
}

#[test]
fn every_crate_is_known_here() {
    let root = golden::repository();
    let names: Vec<String> =
        crates().iter().map(|path| path.strip_prefix(&root).expect("inside").display().to_string()).collect();
    let known = [
        "deployer/aws",
        "deployer/base",
        "deployer/build",
        "deployer/cfn",
        "deployer/cli",
        "deployer/console",
        "deployer/editor",
        "deployer/lang",
        "deployer/local",
        "deployer/oci",
        "deployer/packing",
        "deployer/plan",
        "deployer/policy",
        "deployer/syntax",
        "workers/client",
        "workers/contract",
        "workers/functions",
        "workers/publisher",
        "workers/runtime",
        "workers/sealing",
        "workers/tally",
        "workers/task",
        "workers/transform",
        "workers/workspace-hack",
    ];
    assert_eq!(names, known, "say in this file what the new crate may use");
}

#[test]
fn the_language_and_the_plan_are_pure() {
    let forbidden = [
        "tokio",
        "async ",
        "aws_sdk",
        "aws_config",
        "reqwest",
        "std::net",
        "std::process",
        "std::env",
        "std::fs",
        "std::thread",
        "SystemTime",
        "Instant",
    ];
    for folder in PURE {
        assert_eq!(places(&format!("{folder}/src"), &forbidden, &[]), Vec::<String>::new());
        let manifest = dependencies(&golden::repository().join(folder));
        assert!(!["tokio", "aws-", "reqwest"].iter().any(|name| manifest.contains(name)), "{manifest}");
    }
}

#[test]
fn contract_and_transform_are_pure() {
    let forbidden = [
        "tokio",
        "async ",
        "aws_sdk",
        "aws_config",
        "lambda_runtime",
        "std::net",
        "std::process",
        "std::fs",
        "std::env",
    ];
    // The language depends on the second one.
    for folder in ["workers/contract", "workers/transform"] {
        assert_eq!(places(&format!("{folder}/src"), &forbidden, &[]), Vec::<String>::new());
        let manifest = dependencies(&golden::repository().join(folder));
        assert!(
            !["tokio", "aws-", "workspace-hack"].iter().any(|name| manifest.contains(name)),
            "{manifest}"
        );
    }
}

#[test]
fn packing_knows_no_aws() {
    let forbidden = ["tokio", "async ", "aws_sdk", "aws_config", "reqwest", "std::net", "std::process"];
    assert_eq!(
        places("deployer/packing/src", &forbidden, &["deployer/packing/src/bin/"]),
        Vec::<String>::new()
    );
}

#[test]
fn the_console_serves_a_page_and_knows_nothing_else() {
    let manifest = dependencies(&golden::repository().join("deployer/console"));
    for name in ["deployer-", "aws-", "contract", "tally", "transform", "reqwest"] {
        assert!(!manifest.lines().any(|line| line.starts_with(name)), "{name}: {manifest}");
    }
    let forbidden = ["std::process", "std::env", "std::fs", "TcpStream::connect"];
    assert_eq!(places("deployer/console/src", &forbidden, &[]), Vec::<String>::new());
}

#[test]
fn workers_know_no_deployer() {
    for path in crates().iter().filter(|path| path.starts_with(golden::repository().join("workers"))) {
        let manifest = dependencies(path);
        let name = path.display();
        assert!(!manifest.contains("deployer"), "{name}: {manifest}");
    }
}

#[test]
fn only_one_package_of_the_deployer_talks_to_aws() {
    for path in crates().iter().filter(|path| path.starts_with(golden::repository().join("deployer"))) {
        let manifest = dependencies(path);
        assert_eq!(
            manifest.contains("\naws-"),
            path.ends_with("deployer/aws"),
            "{}: {manifest}",
            path.display()
        );
    }
}

#[test]
fn packages_of_the_deployer_depend_on_those_below_them() {
    let order = [
        "console", "syntax", "cfn", "lang", "editor", "policy", "packing", "plan", "base", "oci", "aws",
        "build", "local", "cli",
    ];
    // Beside each other: neither needs the other one.
    let apart = [
        ("oci", "aws"),
        ("build", "local"),
        ("packing", "plan"),
        ("editor", "policy"),
        ("editor", "plan"),
        ("policy", "packing"),
        ("policy", "plan"),
    ];
    for (at, package) in order.iter().enumerate() {
        let manifest = dependencies(&golden::repository().join("deployer").join(package));
        let names = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        for used in names.filter_map(|name| name.strip_prefix("deployer-")) {
            assert!(order[..at].contains(&used), "{package} depends on {used}");
            assert!(!apart.contains(&(used, package)), "{package} depends on {used}");
        }
    }
    let known = crates();
    let known = known.iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("deployer")));
    assert_eq!(known.count(), order.len(), "say in this test on what the new package may depend");
}

#[test]
fn the_deployer_writes_no_cloudformation() {
    let types: Vec<String> = DEPLOYER
        .into_iter()
        .flat_map(lines)
        .filter(|(_, line)| line.contains("\"Fn::") || line.contains("\"AWSTemplateFormatVersion\""))
        .map(|(place, line)| format!("{place}: {line}"))
        .collect();
    assert_eq!(types, Vec::<String>::new());
}

#[test]
fn one_file_writes_to_the_terminal() {
    // Not `stderr()`: a child process may be given it.
    let macros = ["print!", "println!", "eprint!", "eprintln!", "io::stdout", "anstream::"];
    let pure = PURE.map(|folder| format!("{folder}/src"));
    for folder in DEPLOYER.map(str::to_owned).into_iter().chain(pure) {
        assert_eq!(places(&folder, &macros, &["deployer/base/src/ui.rs"]), Vec::<String>::new());
    }
}

#[test]
fn words_are_found_as_words() {
    assert!(holds("use tokio::fs;", "tokio"));
    assert!(!holds("    eprintln!()", "println!"));
    assert!(holds("    std::io::stdout().lock()", "io::stdout"));
}
