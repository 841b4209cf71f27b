//! The whole pipeline with real binaries on the local cloud: `stack.yaml` → rows in the table.
//!
//! Each test has a folder, a local cloud and a stack of its own. The folder holds nothing but a `stack.yaml`, so the
//! workers are built from the sources that the deployer carries; all tests share one build.

#[path = "../output/schema.rs"]
mod schema;
#[path = "../wire/mod.rs"]
mod wire;

mod afterwards;
mod arrivals;
mod calls;
mod cloud;
mod conflicts;
mod console;
mod dev;
mod examples;
mod existing;
mod failure;
mod faults;
mod import;
mod inline;
mod interrupted;
mod kept;
mod lifecycle;
mod organisation;
mod parts;
mod pipeline_faults;
mod plan;
mod presign;
mod preview;
mod processes;
mod proxy;
mod raw;
mod results;
mod rows;
mod sample;
mod sensitive;
mod snapshots;
mod status;
mod tally;
mod terminal;
mod unreliable;
mod verify;
mod verify_stacks;
