//! Resources that hold data that can't be created again.

use serde_json::Value;

use super::Fate;

/// Types, and the data that is lost with each.
const HOLDS: [(&str, &str); 25] = [
    ("AWS::Backup::BackupVault", "recovery points"),
    ("AWS::CloudTrail::EventDataStore", "audit events"),
    ("AWS::Cognito::UserPool", "users and their passwords"),
    ("AWS::DocDB::DBCluster", "documents"),
    ("AWS::DynamoDB::GlobalTable", "items"),
    ("AWS::DynamoDB::Table", "items"),
    ("AWS::EC2::Volume", "blocks of data"),
    ("AWS::ECR::Repository", "images"),
    ("AWS::EFS::FileSystem", "files"),
    ("AWS::ElastiCache::ReplicationGroup", "cached data"),
    ("AWS::Events::Archive", "archived events"),
    ("AWS::FSx::FileSystem", "files"),
    ("AWS::KMS::Key", "the key, and with it everything that it encrypts"),
    ("AWS::Kinesis::Stream", "records that were not read yet"),
    ("AWS::Logs::LogGroup", "logs"),
    ("AWS::Neptune::DBCluster", "graph data"),
    ("AWS::OpenSearchService::Domain", "indexes"),
    ("AWS::RDS::DBCluster", "databases"),
    ("AWS::RDS::DBInstance", "databases"),
    ("AWS::Redshift::Cluster", "databases"),
    ("AWS::S3::Bucket", "objects"),
    ("AWS::SQS::Queue", "messages"),
    ("AWS::SSM::Parameter", "the value"),
    ("AWS::SecretsManager::Secret", "the secret value"),
    ("AWS::Timestream::Table", "measurements"),
];

/// Returns the data that is lost with a resource of this type; `None` if it can be created again.
#[must_use]
pub fn holds(kind: &str) -> Option<&'static str> {
    HOLDS.binary_search_by_key(&kind, |(kind, _)| kind).ok().map(|at| HOLDS[at].1)
}

/// Returns the fate of a resource that is removed and has no `DeletionPolicy`: databases leave a snapshot, except those
/// of a cluster (CloudFormation User Guide, "DeletionPolicy attribute").
pub(super) fn default_fate(kind: &str, properties: Option<&Value>) -> Fate {
    let of_cluster = || properties.is_some_and(|properties| !properties["DBClusterIdentifier"].is_null());
    match kind {
        "AWS::RDS::DBCluster" => Fate::Snapshot,
        "AWS::RDS::DBInstance" if !of_cluster() => Fate::Snapshot,
        _ => Fate::Deleted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_cfn::schemas;

    #[test]
    fn the_list_is_sorted_and_of_types_that_there_are() {
        assert!(HOLDS.is_sorted());
        for (kind, what) in HOLDS {
            assert!(schemas::find(kind).is_some(), "{kind}");
            assert_eq!(holds(kind), Some(what));
        }
        assert_eq!(holds("AWS::IAM::Role"), None);
    }
}
