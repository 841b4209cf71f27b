//! The permission that a call needs, under its name in policies.

/// Calls whose action has another name, or needs the action of another call: Service Authorization Reference.
const RENAMED: [(&str, &str); 11] = [
    ("HeadBucket", "s3:ListBucket"),
    ("HeadObject", "s3:GetObject"),
    ("ListObjectsV2", "s3:ListBucket"),
    ("ListObjectVersions", "s3:ListBucketVersions"),
    ("DeleteObjects", "s3:DeleteObject and s3:DeleteObjectVersion"),
    ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("GetBucketNotificationConfiguration", "s3:GetBucketNotification"),
    ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ("PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ("UpdateFunction", "lambda:GetFunctionConfiguration"),
];
/// Services by words in the names of their calls, the first that fits; their actions are named as their calls.
const SERVICES: [(&str, &[&str]); 12] = [
    ("cloudformation", &["Stack", "ChangeSet", "GetTemplate", "DescribeEvents"]),
    ("s3", &["Object", "Bucket"]),
    ("ecs", &["TaskDefinition", "Task", "Cluster"]),
    ("ecr", &["Image", "Repositor", "Layer", "GetAuthorizationToken"]),
    ("lambda", &["Function", "GetAccountSettings"]),
    ("sqs", &["Queue"]),
    ("logs", &["Log"]),
    ("dynamodb", &["Table", "Scan"]),
    ("iam", &["Role", "SimulatePrincipalPolicy"]),
    ("servicequotas", &["ServiceQuota"]),
    ("kms", &["Key"]),
    ("sns", &["Topic"]),
];

/// Returns the action that a call needs: the one that the service reports as missing, else the one of the reference.
#[must_use]
pub fn needed(operation: &str, message: &str) -> String {
    if let Some(named) = named_by(message) {
        return named.to_owned();
    }
    if let Some((_, action)) = RENAMED.iter().find(|(call, _)| *call == operation) {
        return (*action).to_owned();
    }
    let service = SERVICES.iter().find(|(_, words)| words.iter().any(|word| operation.contains(word)));
    service.map_or_else(|| operation.to_owned(), |(service, _)| format!("{service}:{operation}"))
}

/// Returns the action in `… is not authorized to perform: s3:PutObject on …`, as IAM words it for every service.
fn named_by(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action =
        rest.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == ':' || letter == '-'));
    action.into_iter().next().filter(|action| action.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_named_by_their_actions() {
        for (operation, action) in [
            ("CreateChangeSet", "cloudformation:CreateChangeSet"),
            ("ListStackResources", "cloudformation:ListStackResources"),
            ("ListObjectsV2", "s3:ListBucket"),
            ("PutObject", "s3:PutObject"),
            ("InitiateLayerUpload", "ecr:InitiateLayerUpload"),
            ("DescribeImages", "ecr:DescribeImages"),
            ("DescribeRepositories", "ecr:DescribeRepositories"),
            ("UpdateFunctionCode", "lambda:UpdateFunctionCode"),
            ("DescribeTable", "dynamodb:DescribeTable"),
            ("RegisterTaskDefinition", "ecs:RegisterTaskDefinition"),
            ("GetQueueAttributes", "sqs:GetQueueAttributes"),
            ("SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy"),
            ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
            ("DescribeKey", "kms:DescribeKey"),
            ("GetTopicAttributes", "sns:GetTopicAttributes"),
            ("GetServiceQuota", "servicequotas:GetServiceQuota"),
            ("GetCallerIdentity", "GetCallerIdentity"),
        ] {
            assert_eq!(needed(operation, "Access Denied"), action);
        }
    }

    #[test]
    fn what_the_service_says_counts_first() {
        let message = "User: arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt on resource: x";
        assert_eq!(needed("PutObject", message), "kms:Decrypt");
        assert_eq!(needed("PutObject", "not authorized to perform: nothing"), "s3:PutObject");
    }
}
