//! One build: its command line, its flags, and everything that determines its result.

use std::ffi::OsString;

use deployer_lang::model::code::Architecture;

use crate::profile::Profile;
use crate::workspace::{Layout, Workspace};

/// Returns the machine that code runs on, as rustc names it.
pub(super) const fn target(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// Flags without a C library of the host's: the same binary runs in Lambda and in an image with nothing else in it.
const STATIC: &str = "-C target-feature=+crt-static";
/// Packages with the workers.
pub(crate) const PACKAGES: [&str; 2] = ["etl-functions", "etl-task"];

/// One build: a part of a workspace, and the way it is built.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) workspace: Workspace,
    pub(crate) layout: Layout,
    pub(crate) packages: Vec<String>,
    /// Names of the binaries that the build must produce.
    pub(crate) binaries: Vec<String>,
    pub(crate) architecture: Architecture,
    pub(crate) profile: Profile,
    /// Output of `rustc -vV`.
    pub(crate) rustc: String,
}

impl Job {
    /// Returns the arguments of cargo or cargo-lambda, whose `--disable-optimizations` leaves the profile to
    /// `Cargo.toml`.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let fixed = match (self.profile, self.architecture) {
            (Profile::Dev, _) => "build --bins --message-format json-render-diagnostics".to_owned(),
            (Profile::Release, architecture) => format!(
                "lambda build --release {} --skip-target-check --compiler cargo --disable-optimizations",
                match architecture {
                    Architecture::X86_64 => "--x86-64",
                    Architecture::Arm64 => "--arm64",
                }
            ),
        };
        let mut out: Vec<OsString> = fixed.split(' ').map(OsString::from).collect();
        out.extend(["--manifest-path".into(), self.workspace.root.join("Cargo.toml").into()]);
        if self.profile == Profile::Release {
            out.extend(["--lambda-dir".into(), self.layout.lambda.clone().into()]);
        }
        for package in &self.packages {
            out.extend(["-p".into(), package.into()]);
        }
        if self.workspace.locked {
            out.push("--locked".into());
        }
        out
    }

    /// Returns the user's flags and ours, if there are any.
    pub(super) fn flags(&self) -> Option<String> {
        let own = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|flags| flags.replace('\x1f', " "));
        let own = own.or_else(|| std::env::var("RUSTFLAGS").ok()).filter(|flags| !flags.trim().is_empty());
        match (self.profile, own) {
            (Profile::Dev, own) => own,
            (Profile::Release, Some(own)) => Some(format!("{own} {STATIC}")),
            (Profile::Release, None) => Some(STATIC.to_owned()),
        }
    }

    /// Returns everything but files that determines the result. Not the place of the workspace: the same sources
    /// elsewhere give the same.
    pub(super) fn recipe(&self, flags: Option<&str>) -> String {
        let mut variables: Vec<String> = std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PROFILE_"))
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        variables.sort_unstable();
        let Self { packages, architecture, profile, rustc, .. } = self;
        let locked = self.workspace.locked;
        let flags = flags.unwrap_or_default();
        format!(
            "2\n{rustc}\n{packages:?} {architecture:?} {profile:?} {locked}\n{flags}\n{}\n",
            variables.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::examples::job;

    #[test]
    fn the_users_lock_file_is_kept_and_ours_is_not() {
        let text = |locked, profile| {
            let job = job(Path::new("/w"), locked, "/w/target/lambda".into(), profile);
            job.arguments().iter().map(|one| one.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            text(true, Profile::Release),
            "lambda build --release --x86-64 --skip-target-check --compiler cargo --disable-optimizations \
             --manifest-path /w/Cargo.toml --lambda-dir /w/target/lambda -p etl-functions -p etl-task --locked"
        );
        assert_eq!(
            text(true, Profile::Dev),
            "build --bins --message-format json-render-diagnostics --manifest-path /w/Cargo.toml -p etl-functions -p etl-task \
             --locked"
        );
        assert!(!text(false, Profile::Release).contains("--locked"));
    }
}
