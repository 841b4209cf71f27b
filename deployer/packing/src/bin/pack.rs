//! `pack workers FROM TO`: packs the workers' programs below `FROM` for the deployer to carry; see
//! [`deployer_packing::carried`]. `pack image NAME PROGRAM FILE`: writes a container image that starts a program; see
//! [`deployer_packing::layout`].

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use deployer_lang::model::code::Architecture;
use deployer_packing::{Content, carried, image, layout};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.as_slice() {
        [what, from, to] if what == "workers" => {
            carried::pack(Path::new(from), Path::new(to)).map(drop).map_err(|error| error.message)
        }
        [what, name, program, file] if what == "image" => match name.to_str() {
            Some(name) => write_image(name, Path::new(program), Path::new(file)),
            None => Err("the name is not UTF-8".to_owned()),
        },
        _ => Err("usage: pack workers FROM TO, or pack image NAME PROGRAM FILE".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => complain(&message),
    }
}

fn write_image(name: &str, program: &Path, file: &Path) -> Result<(), String> {
    let binary =
        std::fs::read(program).map_err(|error| format!("could not read {}: {error}", program.display()))?;
    let (layer, facts) = image::layer(name, &binary).map_err(|error| error.message)?;
    let image = image::of(name, Architecture::X86_64, Content::known(facts, layer.into()));
    let version = env!("CARGO_PKG_VERSION");
    let bytes = layout::of(&image, &format!("{name}:{version}")).map_err(|error| error.message)?;
    std::fs::write(file, bytes).map_err(|error| format!("could not write {}: {error}", file.display()))
}

#[expect(clippy::print_stderr, reason = "a tool of the build, with nothing else to say")]
fn complain(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::FAILURE
}
