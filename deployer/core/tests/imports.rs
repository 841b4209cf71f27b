//! The flow goes one way: who may use what, read off the manifests of every crate, and off its sources where Cargo keeps nothing.

use std::path::{Path, PathBuf};

use crate::codes::sources;
use crate::golden;

/// The sources of the deployer but for the language, and what packs programs.
const DEPLOYER: [&str; 6] = [
    "deployer/aws/src",
    "deployer/base/src",
    "deployer/build/src",
    "deployer/cli/src",
    "deployer/local/src",
    "deployer/oci/src",
];

/// Lines of code, without comments, in the crates' `src` folders, with their path in the repository.
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

/// Places in `folder`, other than those under `except`, where one of the words stands.
fn places(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    lines(folder)
        .into_iter()
        .filter(|(place, _)| !except.iter().any(|allowed| place.starts_with(allowed)))
        .filter(|(_, line)| words.iter().any(|word| holds(line, word)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

/// Whether a word stands in a line, not as the end of a longer one (`print!` in `eprint!`).
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
        "deployer/cli",
        "deployer/core",
        "deployer/local",
        "deployer/oci",
        "deployer/packing",
        "workers/contract",
        "workers/functions",
        "workers/publisher",
        "workers/runtime",
        "workers/sealing",
        "workers/tally",
        "workers/task",
        "workers/workspace-hack",
    ];
    assert_eq!(names, known, "say in this file what the new crate may use");
}

#[test]
fn core_is_pure() {
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
    assert_eq!(places("deployer/core/src", &forbidden, &[]), Vec::<String>::new());
    let manifest = dependencies(&golden::package());
    assert!(!["tokio", "aws-", "reqwest"].iter().any(|name| manifest.contains(name)), "{manifest}");
}

#[test]
fn contract_is_pure() {
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
    assert_eq!(places("workers/contract/src", &forbidden, &[]), Vec::<String>::new());
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
fn workers_know_no_deployer() {
    for path in crates().iter().filter(|path| path.starts_with(golden::repository().join("workers"))) {
        let manifest = dependencies(path);
        let name = path.display();
        assert!(!["stack-core", "deployer"].iter().any(|name| manifest.contains(name)), "{name}: {manifest}");
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
    let aws_and_images = ["deployer-aws", "deployer-base", "deployer-oci"];
    let allowed: [(&str, &[&str]); 6] = [
        ("packing", &[]),
        ("base", &[]),
        ("oci", &["deployer-base"]),
        ("aws", &["deployer-base"]),
        ("build", &aws_and_images),
        ("local", &aws_and_images),
    ];
    for (package, below) in allowed {
        let manifest = dependencies(&golden::repository().join("deployer").join(package));
        let names = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let used: Vec<&str> = names.filter(|name| name.starts_with("deployer-")).collect();
        assert!(used.iter().all(|name| below.contains(name)), "{package}: {used:?}");
    }
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
    for folder in DEPLOYER.into_iter().chain(["deployer/core/src"]) {
        assert_eq!(places(folder, &macros, &["deployer/base/src/ui.rs"]), Vec::<String>::new());
    }
}

#[test]
fn words_are_found_as_words() {
    assert!(holds("use tokio::fs;", "tokio"));
    assert!(!holds("    eprintln!()", "println!"));
    assert!(holds("    std::io::stdout().lock()", "io::stdout"));
}
