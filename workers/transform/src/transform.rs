//! The settings of `transform`, checked and ready.

use contract::settings::TransformSettings;

use crate::column::Column;
use crate::compile::Compiler;
use crate::failure::Failure;
use crate::field::Fields;
use crate::mapping::{Mapping, Sensitive};
use crate::problem::Problem;

/// The settings of `transform`, checked and ready for files.
#[derive(Debug)]
pub struct Transform(pub(crate) Fields);

impl Transform {
    /// Checks the settings. Where the columns of the files are known, templates and expressions may use no others.
    ///
    /// # Errors
    /// Every problem of the settings.
    pub fn new(settings: &TransformSettings, columns: Option<&[String]>) -> Result<Self, Vec<Problem>> {
        Compiler::new(columns).compile(settings).map(Self)
    }

    /// Returns the columns that the fields, `where` and `delete` need, each once.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.0.columns
    }

    /// Finds the columns of a file.
    ///
    /// # Errors
    /// [`Failure`] when no row of a file with this header can become an item.
    pub fn bind(&self, headers: &[String], sensitive: Sensitive) -> Result<Mapping<'_>, Failure> {
        Mapping::new(&self.0, headers, sensitive)
    }
}
