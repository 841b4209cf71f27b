//! `observe`: see [`functions::observe`].

use std::process::ExitCode;

use functions::observe::Observe;
use functions::start;

#[tokio::main]
async fn main() -> ExitCode {
    start::run(|_| Ok(Observe)).await
}
