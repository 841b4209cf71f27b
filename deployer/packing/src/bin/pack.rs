//! `pack FROM TO`: packs the workers' programs below `FROM` for the deployer to carry; see
//! [`deployer_packing::carried`].

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [from, to] = arguments.as_slice() else { return complain("usage: pack FROM TO") };
    match deployer_packing::carried::pack(Path::new(from), Path::new(to)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => complain(&error.message),
    }
}

#[expect(clippy::print_stderr, reason = "a tool of the build, with nothing else to say")]
fn complain(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::FAILURE
}
