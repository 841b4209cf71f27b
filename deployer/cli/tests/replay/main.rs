//! The deployer against replayed conversations with AWS, for everything that a local cloud can't do.
//!
//! A case is a folder in `cases/`: a stack file, the conversation that is expected, and the output that a person sees.
//! A new case needs no code. `tools/conversations.py` compares every answer with AWS's published models, and `judge.rs`
//! every conversation with the states and rules of CloudFormation.

#[path = "../wire/mod.rs"]
mod wire;

mod answer;
mod case;
mod conversation;
mod judge;
mod served;
mod server;
mod shorthand;
mod states;

use std::fs;

use futures::StreamExt as _;

/// Number of cases that are played at a time: they wait more than they work.
const PARALLEL: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_as_it_was_seen() {
    let only = std::env::var("CASE").unwrap_or_default();
    let entries = fs::read_dir(case::here().join("cases")).expect("the cases");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|folder| folder.to_string_lossy().contains(&only));
    folders.sort();
    assert!(!folders.is_empty(), "no case is named {only}");
    let played = futures::stream::iter(folders).map(async |folder| {
        let wrong = case::play(&folder).await?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Some(format!("=== {name}\n{wrong}"))
    });
    let wrong: Vec<String> = played.buffer_unordered(PARALLEL).filter_map(async |one| one).collect().await;
    assert!(wrong.is_empty(), "{} cases are otherwise\n{}", wrong.len(), wrong.join("\n"));
}
