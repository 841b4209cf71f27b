//! Amazon Resource Names: the parts that say where a resource is.

/// Beginnings of regions, each with its partition: AWS Fault Isolation Boundaries, "Partitions"; `partitions.json` of the SDKs.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// Returns the partition of a region.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    PARTITIONS.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| partition)
}

/// The place of a stack, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct StackPlace<'a> {
    /// Partition.
    pub partition: Option<&'a str>,
    /// Region.
    pub region: Option<&'a str>,
    /// Account.
    pub account: Option<&'a str>,
}

/// An ARN in its parts: AWS General Reference, "Amazon Resource Names (ARNs)".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArnParts<'a> {
    /// Partition, such as `aws`.
    pub partition: &'a str,
    /// Service, such as `sns`.
    pub service: &'a str,
    /// Region; empty for services without regions.
    pub region: &'a str,
    /// Account; empty for some services, and `aws` for policies that AWS manages.
    pub account: &'a str,
    /// What is left: the resource.
    pub resource: &'a str,
}

/// The account of policies that AWS manages.
pub(super) const AWS: &str = "aws";

impl<'a> ArnParts<'a> {
    /// Splits an ARN; `None` if a part can't be one, or the region is in another partition.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [first, partition, service, region, account, resource] = parts[..] else { return None };
        let word = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_partition = partition.strip_prefix("aws").is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('-') && rest.len() > 1 && !rest.ends_with('-') && word(rest)
        });
        let fits = first == "arn"
            && is_partition
            && !service.is_empty()
            && word(region)
            && (region.is_empty() || partition_of(region) == partition)
            && (account.is_empty() || account == AWS || is_account(account));
        fits.then_some(Self { partition, service, region, account, resource })
    }
}

/// Returns whether a text is the ID of an account.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_its_parts_or_is_none() {
        let found = ArnParts::parse("arn:aws-cn:sns:cn-north-1:111122223333:a:b").expect("an ARN");
        let (partition, service, region) = ("aws-cn", "sns", "cn-north-1");
        let expected = ArnParts { partition, service, region, account: "111122223333", resource: "a:b" };
        assert_eq!(found, expected);
        assert!(ArnParts::parse("arn:aws:s3:::bucket").is_some());
        assert!(ArnParts::parse("arn:aws:iam::aws:policy/a").is_some());
        for wrong in [
            "",
            "arn:aws:sns",
            "ARN:aws:sns:eu-west-1:111122223333:a",
            "arn:awsx:sns:eu-west-1:111122223333:a",
            "arn:aws-:s3:::bucket",
            "arn:aws:s3::1111:bucket",
            "arn:aws::eu-west-1:111122223333:a",
            // A region of another partition.
            "arn:aws-cn:sns:us-east-1:111122223333:a",
            "arn:aws:sns:cn-north-1:111122223333:a",
        ] {
            assert_eq!(ArnParts::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_region_is_in_one_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition_of(region), partition, "{region}");
        }
    }
}
