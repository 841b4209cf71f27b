//! Sensitive values, one by one: checked in the task before they are encrypted, and converted in `load` after they are
//! decrypted, since `transform` never sees them.

use contract::row::Cell;
use contract::settings::{FieldSettings, TransformSettings};

use crate::failure::Failure;
use crate::field::Field;
use crate::problem::Problem;
use crate::transform::Transform;
use crate::value::Value;

/// The conversion of one sensitive field.
#[derive(Debug)]
pub struct SensitiveValue(Field);

impl SensitiveValue {
    /// Checks the settings of a field that comes from a column.
    ///
    /// # Errors
    /// Every problem of the settings.
    pub fn new(settings: &FieldSettings) -> Result<Self, Vec<Problem>> {
        let settings = TransformSettings { fields: vec![settings.clone()], ..TransformSettings::default() };
        Transform::new(&settings, None)
            .map(|transform| transform.0.all.into_iter().next().map(Self).ok_or_else(Vec::new))?
    }

    /// Converts a value; `None` if it is empty, and the item has no such attribute then. The number is that of
    /// timestamps whose second 60 was taken as 59.
    ///
    /// # Errors
    /// [`Failure`] when the value breaks a rule of the field.
    pub fn convert<'r>(&'r self, cell: Cell<'r>) -> Result<Option<(Value<'r>, u32)>, Failure> {
        let converted = self.0.conversion.convert(cell.into()).map_err(|flaw| self.0.failure(flaw))?;
        Ok(converted.map(|converted| (converted.value, converted.leap_seconds)))
    }
}
