//! `policies`: rule files are read here, and evaluated by a process of their own.
//!
//! Some rule files end the process that evaluates them. So `deployer evaluate-rules` evaluates, under limits, and its end is a
//! problem of the rule file at which it ended.

#[cfg(feature = "policies")]
mod evaluation;

#[cfg(feature = "policies")]
pub use evaluation::{Evaluate, RuleFiles, evaluate};

#[cfg(not(feature = "policies"))]
pub use without::RuleFiles;

/// A deployer that was built without Guard: a file with `policies` is refused, never taken for one that follows them.
#[cfg(not(feature = "policies"))]
mod without {
    use std::marker::PhantomData;
    use std::path::Path;

    use deployer_base::error::{Error, Result};
    use deployer_lang::{Compiled, Document};
    use deployer_syntax::{Diagnostics, Source};

    /// No rule files.
    pub struct RuleFiles<'d>(PhantomData<&'d Document>);

    impl<'d> RuleFiles<'d> {
        /// Refuses a file with `policies`.
        ///
        /// # Errors
        /// Returns [`Error::Failed`] if there are some.
        pub fn read(_: &Path, document: &'d Document, _: &mut Diagnostics) -> Result<Self> {
            match document.policies.as_slice() {
                [] => Ok(Self(PhantomData)),
                _ => Err(Error::failed_with_hint(
                    "this deployer was built without AWS CloudFormation Guard, which `policies` needs",
                    "build it with the feature `policies`, which is a default one",
                )),
            }
        }

        /// Returns no path.
        pub fn paths(&self) -> impl Iterator<Item = &Path> {
            std::iter::empty()
        }

        /// Returns the number of rule files.
        pub const fn count(&self) -> usize {
            0
        }

        /// Evaluates nothing.
        ///
        /// # Errors
        /// Returns none.
        pub fn apply(
            &self,
            _: &Document,
            _: &Compiled,
            _: &mut Diagnostics,
        ) -> Result<Option<(Source, Diagnostics)>> {
            Ok(None)
        }
    }
}
