//! How programs are built: for AWS, or for this machine.

use deployer_base::error::{Error, Result};

/// Names the profile to build in, whatever it is for.
const PROFILE: &str = "DEPLOYER_BUILD_PROFILE";

/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For this machine, quickly: cargo's profile `dev`.
    Dev,
    /// For AWS: cargo's profile `release`, static, for the processor that is asked for.
    Release,
}

impl Profile {
    /// The one that the environment names, else that for where the programs will run.
    ///
    /// # Errors
    /// When the environment names another.
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

    /// The name of cargo's profile.
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
