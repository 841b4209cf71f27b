//! The profile of a build: for AWS, or for this machine.

use deployer_base::error::{Error, Result};

/// Variable that names the profile for all builds.
const PROFILE: &str = "DEPLOYER_BUILD_PROFILE";

/// The profile of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For this machine, quickly: cargo's profile `dev`.
    Dev,
    /// For AWS: cargo's profile `release`, static, for the processor that is asked for.
    Release,
}

impl Profile {
    /// Returns the profile that the environment names, else the one of the cloud in which the programs will run.
    ///
    /// # Errors
    /// If the environment names another profile.
    pub fn of(local: bool) -> Result<Self> {
        Self::named(std::env::var(PROFILE).ok().as_deref(), local)
    }

    fn named(name: Option<&str>, local: bool) -> Result<Self> {
        match name {
            None | Some("") if local => Ok(Self::Dev),
            None | Some("" | "release") => Ok(Self::Release),
            Some("dev") if local => Ok(Self::Dev),
            Some("dev") => Err(Error::failed_with_hint(
                format!("{PROFILE} is `dev`, and programs of that profile run only on this machine"),
                "remove the variable to deploy to AWS",
            )),
            Some(other) => Err(Error::failed_with_hint(
                format!("{PROFILE} is `{other}`, which is not a profile"),
                "`dev` or `release`",
            )),
        }
    }

    /// Returns the name of cargo's profile.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_that_of_the_place() {
        for (name, local, wanted) in [
            (None, true, Some(Profile::Dev)),
            (None, false, Some(Profile::Release)),
            (Some("release"), true, Some(Profile::Release)),
            (Some("dev"), true, Some(Profile::Dev)),
            (Some(""), true, Some(Profile::Dev)),
            (Some("dev"), false, None),
            (Some("fast"), true, None),
        ] {
            assert_eq!(Profile::named(name, local).ok(), wanted, "{name:?} {local}");
        }
    }
}
