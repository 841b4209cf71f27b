//! Rows that are too large for an event: `transform` reads each from its object, at the location in the event.

use std::future::Future;

use contract::location::Field;
use contract::{Location, ObjectRef, Reason};
use runtime::s3::ObjectError;

/// A reader of objects. Implemented by [`crate::aws::S3`], and by fakes in tests.
pub trait Objects: Send + Sync {
    /// Returns the bytes of `location`; fewer where the object ends before, and never more.
    fn read(
        &self,
        object: &ObjectRef,
        location: &Location,
    ) -> impl Future<Output = Result<Vec<u8>, ObjectError>> + Send;
}

/// The reason why there are no fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFields {
    /// For good: the reason code, and one sentence for a person, without any value.
    Failed(Reason, String),
    /// For now: the failure, in a few words.
    Unfinished(String),
}

/// Returns the fields of the row at `location`, as many as there are columns.
///
/// # Errors
/// [`NoFields`] when they can't be read, or are not one row.
pub async fn fields<O: Objects>(
    objects: &O,
    object: &ObjectRef,
    location: &Location,
    columns: usize,
) -> Result<Vec<Field>, NoFields> {
    let malformed = |message: &str| NoFields::Failed(Reason::MalformedEvent, message.into());
    let length = location.length();
    if length == 0 || location.is_too_large() {
        return Err(malformed("the event's location has no byte, or more than can be read at once"));
    }
    let bytes = objects.read(object, location).await.map_err(not_read)?;
    if bytes.len() as u64 != length {
        return Err(malformed("the event's location is after the end of the object"));
    }
    location.fields(&bytes, columns).map_err(|error| NoFields::Failed(error.reason(), error.to_string()))
}

fn not_read(error: ObjectError) -> NoFields {
    let code = match error {
        ObjectError::Transient { code } => {
            return NoFields::Unfinished(format!("could not read the row: {code}"));
        }
        ObjectError::Unreadable { code } => code,
    };
    let why = match code.as_str() {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound" => "the object no longer exists",
        // S3 also answers this for objects that don't exist, to callers that may not list the bucket.
        "AccessDenied" | "Forbidden" => {
            "access to the object is denied, or it no longer exists; the function needs `access: [{ read: \"${…}\" }]` of its \
             bucket"
        }
        "PreconditionFailed" => "the object was replaced after its upload was announced",
        _ => "the object could not be read",
    };
    NoFields::Failed(Reason::ObjectUnreadable, format!("{why}: {code}"))
}
