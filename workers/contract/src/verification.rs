//! The mark of the rows by which `deployer verify` proves a deployment.
//!
//! The key of a marked object contains [`MARK`] and a random ID, and the object is named in every event about its rows. Marked
//! events have a `source` of their own, so that no rule for the events of the pipeline takes them; the triggers of the workers take
//! both. `load` writes a marked row only over an item that has the ID in [`ATTRIBUTE`], and the other workers write nothing about it
//! without a permit in the tally. `deployer verify` writes both before, and deletes both in the end: a message that comes later
//! leaves nothing.

use crate::ObjectRef;

/// The text before the ID in the key of a marked object.
pub const MARK: &str = "deployer-verify-";
/// The attribute of an item that has the ID: the item is that of a marked row, or of none yet.
pub const ATTRIBUTE: &str = "_verification";
/// The number of hexadecimal digits of an ID.
pub const ID_DIGITS: usize = 32;
/// The end of the `source` of marked events.
const SOURCE: &str = ".verify";
/// The sort key of permits in the tally.
const PERMIT: &str = "permit";
/// The beginning of the partition keys of permits.
const PERMITS: &str = "verification#";

/// Returns the ID in the key of a marked object; `None` for the object of a user.
#[must_use]
pub fn id_of(key: &str) -> Option<&str> {
    let (_, rest) = key.rsplit_once(MARK)?;
    let id = rest.get(..ID_DIGITS)?;
    id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(id)
}

/// Returns whether the rows of an object are marked.
#[must_use]
pub fn is_marked(object: &ObjectRef) -> bool {
    id_of(&object.key).is_some()
}

/// Returns the `source` of the marked events in a stack whose other events have this one.
#[must_use]
pub fn source(source: &str) -> String {
    format!("{source}{SOURCE}")
}

/// Returns partition key and sort key of the permit with this ID in the table of the tally.
#[must_use]
pub fn permit(id: &str) -> (String, &'static str) {
    (format!("{PERMITS}{id}"), PERMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_with_an_id_is_marked() {
        let id = "0123456789abcdef0123456789abcdef";
        for key in [
            format!("deployer-verify-{id}.csv"),
            format!("in/deployer-verify-{id}"),
            format!("deployer-verify-x/deployer-verify-{id}.csv.gz"),
        ] {
            assert_eq!(id_of(&key), Some(id), "{key}");
        }
        for key in [
            "deployer-verify-.csv",
            "orders.csv",
            "",
            "deployer-verify-0123456789ABCDEF0123456789abcdef",
            "deployer-verify-é123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(id_of(key), None, "{key}");
        }
        assert_eq!(source("shop"), "shop.verify");
        assert_ne!(permit(id), permit(""));
    }
}
