//! Permits of `deployer verify`: without one, the workers write nothing about a marked object.

use contract::verification::{id_of, permit};
use runtime::CallError;

use crate::reader::{Scope, Source};

/// Returns whether the workers may write about the object of this key: it is a user's, or the permit of its ID is in the table.
///
/// # Errors
/// If the table does not answer.
pub async fn is_permitted(source: &impl Source, key: &str) -> Result<bool, CallError> {
    let Some(id) = id_of(key) else { return Ok(true) };
    let (object, part) = permit(id);
    Ok(!source.items(Scope::Part(&object, part)).await?.is_empty())
}
