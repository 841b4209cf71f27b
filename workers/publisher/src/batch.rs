//! The division of entries among calls.

use std::ops::Range;

/// The greatest number of entries in one PutEvents call.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
pub const MAX_ENTRIES: usize = 10;

/// The greatest number of bytes in one PutEvents call, summed over its entries, and so also the limit of a single
/// entry.
///
/// The service takes less than 1 MB, read here as 10⁶ bytes (the stricter reading):
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>. The headroom is for the envelope
/// (id, account, region, time, names) that EventBridge adds before the event goes into an SQS message, which holds 1
/// MiB, and for differences in how either side counts.
pub const MAX_BYTES: usize = 950_000;

/// The same limit outside of the standard partition: the documentation of the regions in China names 256 KB
/// (<https://docs.amazonaws.cn/en_us/eventbridge/latest/userguide/eb-putevents.html>), which was the limit everywhere
/// before, and the limits of the other partitions are not documented.
pub const MAX_BYTES_ELSEWHERE: usize = 240_000;

/// The prefixes of regions that are not in the standard partition.
const ELSEWHERE: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// Returns the number of bytes that a call certainly may have in a region.
#[must_use]
pub fn max_bytes_in(region: &str) -> usize {
    if ELSEWHERE.iter().any(|prefix| region.starts_with(prefix)) { MAX_BYTES_ELSEWHERE } else { MAX_BYTES }
}

/// Divides entries of these sizes into consecutive batches, each of at most [`MAX_ENTRIES`] entries and `limit` bytes.
/// An entry that is larger than that is in a batch of its own.
#[must_use]
pub fn split(sizes: &[usize], limit: usize) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0usize);
    for (index, &size) in sizes.iter().enumerate() {
        if index > start && !fits(index - start, bytes, size, limit) {
            batches.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(size);
    }
    if start < sizes.len() {
        batches.push(start..sizes.len());
    }
    batches
}

/// Returns whether an entry of `size` bytes fits into a batch that already contains `entries` entries of `bytes` bytes.
pub(crate) const fn fits(entries: usize, bytes: usize, size: usize, limit: usize) -> bool {
    entries < MAX_ENTRIES && bytes.saturating_add(size) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_keep_the_limits_the_order_and_every_entry(
            sizes in proptest::collection::vec(prop_oneof![1..2_000usize, 1..=MAX_BYTES, Just(MAX_BYTES)], 0..60),
        ) {
            let batches = split(&sizes, MAX_BYTES);
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..sizes.len()).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert!(!batch.is_empty() && batch.len() <= MAX_ENTRIES);
                prop_assert!(sizes[batch.clone()].iter().sum::<usize>() <= MAX_BYTES);
            }
            // No more calls than needed: a batch only ends where its successor's first entry did not fit.
            for pair in batches.windows(2) {
                let bytes = sizes[pair[0].clone()].iter().sum::<usize>();
                prop_assert!(!fits(pair[0].len(), bytes, sizes[pair[1].start], MAX_BYTES));
            }
        }
    }

    #[test]
    fn ten_fit_and_the_eleventh_does_not() {
        assert_eq!(split(&[1; 11], MAX_BYTES), [0..10, 10..11]);
        assert_eq!(split(&[MAX_BYTES - 1, 1, 1], MAX_BYTES), [0..2, 2..3]);
        assert_eq!(split(&[1, 11, 1], 10), [0..1, 1..2, 2..3]);
        assert!(split(&[], MAX_BYTES).is_empty());
    }

    #[test]
    fn the_limit_is_that_of_the_partition() {
        for region in ["eu-west-1", "us-east-1", "ap-southeast-7", "il-central-1", ""] {
            assert_eq!(max_bytes_in(region), MAX_BYTES, "{region}");
        }
        for region in [
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
        ] {
            assert_eq!(max_bytes_in(region), MAX_BYTES_ELSEWHERE, "{region}");
        }
    }
}
