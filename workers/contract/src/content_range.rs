//! The header that names the bytes of an object in an answer.

/// A `Content-Range` such as `bytes 5-9/10` (RFC 9110, section 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte, if the header names it.
    pub from: Option<u64>,
    /// Length of the object, if it is known.
    pub length: Option<u64>,
}

impl ContentRange {
    /// Reads the header's value.
    #[must_use]
    pub fn new(value: &str) -> Self {
        let from = |value: &str| value.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok();
        let length = |value: &str| value.rsplit_once('/')?.1.parse().ok();
        Self { from: from(value), length: length(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_known() {
        let read = |value| {
            let ContentRange { from, length } = ContentRange::new(value);
            (from, length)
        };
        assert_eq!(read("bytes 5-9/10"), (Some(5), Some(10)));
        assert_eq!(read("bytes 0-9/*"), (Some(0), None));
        assert_eq!(read("bytes */10"), (None, Some(10)));
        for other in ["", "10", "bytes -5/x", "lines 1-2/*", "bytes 99999999999999999999-1/"] {
            assert_eq!(read(other), (None, None), "{other}");
        }
    }
}
