//! Resources that an import finds again after their stack was deleted: the identifier of each type, and the tags that
//! name the stack and the logical ID.
//!
//! CloudFormation adds its own tags neither to tables nor to queues and keys (their schemas have
//! `cloudFormationSystemTags: false`), so the template adds tags of the deployer.

/// Key of the tag with the name of the stack. Not `deployer:stack`, the tag of the whole stack: which of two values
/// wins on a resource is not documented.
pub const STACK_TAG: &str = "deployer:stack-name";
/// Key of the tag with the logical ID.
pub const LOGICAL_ID_TAG: &str = "deployer:logical-id";
/// Number of tags that a resource may have: Amazon S3, DynamoDB, KMS, CloudWatch Logs, SQS and SNS allow 50 each.
pub const MOST_TAGS: usize = 50;

/// A type that can be imported by its physical ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Importable {
    /// The type.
    pub kind: &'static str,
    /// The only key of its identifier, whose value is the physical ID.
    pub identifier: &'static str,
    /// `true` if its property `Tags` is a list of keys and values.
    pub tagged: bool,
}

const fn importable(kind: &'static str, identifier: &'static str, tagged: bool) -> Importable {
    Importable { kind, identifier, tagged }
}

/// The types, sorted. Source: `primaryIdentifier` in the resource schemas; types whose physical ID is not that
/// identifier are missing.
const TYPES: [Importable; 12] = [
    importable("AWS::CloudWatch::Alarm", "AlarmName", true),
    importable("AWS::DynamoDB::Table", "TableName", true),
    importable("AWS::ECS::Cluster", "ClusterName", true),
    importable("AWS::Events::Archive", "ArchiveName", false),
    importable("AWS::Events::EventBus", "Name", true),
    importable("AWS::IAM::Role", "RoleName", true),
    importable("AWS::KMS::Key", "KeyId", true),
    importable("AWS::Lambda::Function", "FunctionName", true),
    importable("AWS::Logs::LogGroup", "LogGroupName", true),
    importable("AWS::S3::Bucket", "BucketName", true),
    importable("AWS::SNS::Topic", "TopicArn", true),
    importable("AWS::SQS::Queue", "QueueUrl", true),
];

/// Returns how a type is imported; `None` if it can't be.
#[must_use]
pub fn find(kind: &str) -> Option<Importable> {
    TYPES.binary_search_by_key(&kind, |one| one.kind).ok().map(|at| TYPES[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas;

    #[test]
    fn the_types_are_sorted_and_have_their_identifiers() {
        assert!(TYPES.is_sorted_by_key(|one| one.kind));
        for one in TYPES {
            let schema = schemas::find(one.kind).expect(one.kind).schema();
            let read_only = schema.read_only().any(|name| name == one.identifier);
            let known = read_only || schema.properties().any(|name| name == one.identifier);
            assert!(known, "{}: {}", one.kind, one.identifier);
            assert_eq!(one.tagged, schema.properties().any(|name| name == "Tags"), "{}", one.kind);
            assert_eq!(find(one.kind), Some(one));
        }
        assert_eq!(find("AWS::SQS::QueuePolicy"), None, "without a read handler");
    }
}
