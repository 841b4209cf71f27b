//! The permissions of whoever runs the deployer, by role: the calls of its own commands.
//!
//! The tests hold this table against the calls that the conversations and `calls.txt` record: no call is missing, and no
//! entry is without a call.

use deployer_lang::Stack as StackModel;
use deployer_lang::model::Kind as TypeOf;

use super::names::Names;
use super::policy::{Grants, condition};
use super::service::service_linked_role;
use super::{Place, Role};

/// The resources that calls are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// The stack.
    Stack,
    /// Any stack of the account and Region.
    AnyStack,
    /// No resource: IAM takes none for these actions.
    Nothing,
    /// The bucket of the code and the records.
    AssetBucket,
    /// Its objects.
    AssetObjects,
    /// The repository of the images, if the stack has any.
    Repository,
    /// No resource, for a stack with images.
    Registry,
    /// The stack, if it has resources that are renamed.
    Renamed,
    /// No resource, for such a stack.
    Renames,
    /// No resource, for a stack with resources of this kind.
    Any(&'static str),
    /// The stack's resources of this kind, if it has any.
    Kind(&'static str),
    /// Resources of this kind, of any name, for a stack that has some.
    Others(&'static str),
    /// Resources of this kind, of any name: those that deleted stacks have kept.
    Every(&'static str),
}

use On::{
    Any, AnyStack, AssetBucket, AssetObjects, Every, Kind, Nothing, Others, Registry, Renamed, Renames,
    Repository, Stack,
};
use Role::{Deployer, GarbageCollector, Plan};

/// Actions, their resources, and the roles that need them.
type Entry = (On, &'static [Role], &'static [&'static str]);

/// The permissions of all commands.
const CALLS: &[Entry] = &[
    (Stack, &[Deployer, Plan], &["cloudformation:DescribeStacks", "cloudformation:GetTemplate"]),
    (
        Stack,
        &[Deployer],
        &[
            "cloudformation:CancelUpdateStack",
            "cloudformation:ContinueUpdateRollback",
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:DeleteStack",
            "cloudformation:DescribeChangeSet",
            "cloudformation:DescribeEvents",
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DetectStackDrift",
            "cloudformation:DetectStackResourceDrift",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:ListChangeSets",
            "cloudformation:ListStackResources",
            "cloudformation:RollbackStack",
            // The stack has tags of the deployer's own.
            "cloudformation:TagResource",
            "cloudformation:UntagResource",
            "cloudformation:UpdateStack",
            "cloudformation:UpdateTerminationProtection",
        ],
    ),
    (
        Nothing,
        &[Deployer],
        &["cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:ListStacks"],
    ),
    // What is in use of the account's quotas.
    (Nothing, &[Deployer, Plan], &["cloudwatch:GetMetricData", "servicequotas:GetServiceQuota"]),
    (Any("events:rule-on-default-event-bus"), &[Deployer, Plan], &["events:ListRules"]),
    (Any("events:rule-on-custom-event-bus"), &[Deployer, Plan], &["events:ListRules"]),
    (Any("lambda:function"), &[Deployer, Plan], &["lambda:GetAccountSettings"]),
    (Any("lambda:function"), &[Deployer], &["lambda:ListFunctions"]),
    (Others("lambda:function"), &[Deployer], &["lambda:GetFunctionConcurrency", "lambda:ListTags"]),
    (Renamed, &[Deployer], &["cloudformation:CreateStackRefactor", "cloudformation:GetStackPolicy"]),
    // Their calls name a refactor, for which IAM has no ARN.
    (
        Renames,
        &[Deployer],
        &[
            "cloudformation:DescribeStackRefactor",
            "cloudformation:ExecuteStackRefactor",
            "cloudformation:ListStackRefactorActions",
            "cloudformation:ListStackRefactors",
        ],
    ),
    (AssetBucket, &[Deployer, Plan], &["s3:ListBucket"]),
    (
        AssetBucket,
        &[Deployer],
        &[
            "s3:CreateBucket",
            "s3:GetBucketPolicy",
            "s3:GetBucketTagging",
            "s3:GetLifecycleConfiguration",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutLifecycleConfiguration",
        ],
    ),
    (AssetObjects, &[Deployer, Plan, GarbageCollector], &["s3:GetObject"]),
    (AssetObjects, &[Deployer], &["s3:DeleteObject", "s3:PutObject"]),
    (AssetObjects, &[GarbageCollector], &["s3:DeleteObject", "s3:DeleteObjectVersion"]),
    (
        AnyStack,
        &[GarbageCollector],
        &[
            "cloudformation:DescribeStacks",
            "cloudformation:GetTemplate",
            "cloudformation:ListChangeSets",
            "cloudformation:ListStackResources",
        ],
    ),
    (Every("dynamodb:table"), &[GarbageCollector], &["dynamodb:DescribeTable"]),
    (Every("sqs:queue"), &[GarbageCollector], &["sqs:GetQueueAttributes"]),
    (Every("kms:key"), &[GarbageCollector], &["kms:DescribeKey"]),
    (Every("s3:bucket"), &[GarbageCollector], &["s3:ListBucketVersions"]),
    (Repository, &[GarbageCollector], &["ecr:BatchDeleteImage", "ecr:DescribeImages"]),
    (
        Repository,
        &[Deployer],
        &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:CreateRepository",
            "ecr:DescribeImages",
            "ecr:DescribeRepositories",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ],
    ),
    (Registry, &[Deployer], &["ecr:GetAuthorizationToken"]),
    (
        Kind("sqs:queue"),
        &[Deployer],
        &[
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
    ),
    (
        Kind("dynamodb:table"),
        &[Deployer],
        &[
            "dynamodb:BatchGetItem",
            // `verify` writes and deletes its own items alone.
            "dynamodb:DeleteItem",
            "dynamodb:DeleteTable",
            "dynamodb:DescribeTable",
            "dynamodb:ListTagsOfResource",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            // `replay`, and the console, note in the tally which rows they send.
            "dynamodb:UpdateItem",
        ],
    ),
    (Any("dynamodb:table"), &[Deployer, Plan], &["dynamodb:ListTables"]),
    (Any("s3:bucket"), &[Deployer, Plan], &["s3:ListAllMyBuckets"]),
    (
        Kind("lambda:function"),
        &[Deployer],
        &[
            "lambda:GetFunctionConfiguration",
            "lambda:InvokeFunction",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ],
    ),
    (
        Kind("logs:log-group"),
        &[Deployer],
        &["logs:DeleteLogGroup", "logs:DescribeLogStreams", "logs:FilterLogEvents"],
    ),
    (Kind("ecs:task"), &[Deployer], &["ecs:DescribeTasks", "ecs:StopTask"]),
    (Kind("ecs:task-definition"), &[Deployer], &["ecs:RegisterTaskDefinition"]),
    (
        Any("ecs:task-definition"),
        &[Deployer],
        &["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition"],
    ),
    (Kind("s3:bucket"), &[Deployer], &["s3:DeleteBucket", "s3:ListBucket", "s3:ListBucketVersions"]),
    (
        Kind("s3:object"),
        &[Deployer],
        &["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"],
    ),
];

/// What the comparison of an existing resource with the file asks, and what commands about data do with it: the end of the ARN after
/// that of the resource, the roles, the actions.
const EXISTING: &[(TypeOf, &str, &[Role], &[&str])] = &[
    (
        TypeOf::Bucket,
        "",
        &[Deployer, Plan],
        &["s3:GetBucketNotification", "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration", "s3:ListBucket"],
    ),
    (TypeOf::Bucket, "", &[Deployer], &["s3:ListBucketVersions"]),
    (
        TypeOf::Bucket,
        "/*",
        &[Deployer],
        &["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"],
    ),
    (TypeOf::Table, "", &[Deployer, Plan], &["dynamodb:DescribeTable"]),
    (
        TypeOf::Table,
        "",
        &[Deployer],
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:DeleteItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ],
    ),
    (TypeOf::Queue, "", &[Deployer, Plan], &["sqs:GetQueueAttributes"]),
    (TypeOf::Topic, "", &[Deployer, Plan], &["sns:GetTopicAttributes"]),
    (TypeOf::Key, "", &[Deployer, Plan], &["kms:DescribeKey", "kms:GetKeyPolicy"]),
    (TypeOf::Cluster, "", &[Deployer, Plan], &["ecs:DescribeClusters"]),
];

/// Adds the permissions of a role about the resources that a stack refers to by `existing`.
pub(super) fn add_existing(grants: &mut Grants, role: Role, stack: &StackModel, place: &Place) {
    for resource in &stack.resources {
        let Some(existing) = resource.is.existing() else { continue };
        let arn = existing
            .arn()
            .replace("${AWS::Partition}", &place.partition)
            .replace("${AWS::Region}", &place.region)
            .replace("${AWS::AccountId}", &place.account);
        let kind = resource.is.kind();
        for (_, end, _, actions) in
            EXISTING.iter().filter(|(own, _, roles, _)| *own == kind && roles.contains(&role))
        {
            for action in *actions {
                grants.allow(action, [format!("{arn}{end}")]);
            }
        }
        if kind == TypeOf::Key && role == Deployer {
            use_key(grants, place, vec![arn.clone()]);
        }
        if kind == TypeOf::Cluster && role == Deployer {
            grants.allow("ecs:DescribeTasks", [format!("{}/*", arn.replacen(":cluster/", ":task/", 1))]);
            let cluster = condition("ArnLike", "ecs:cluster", [arn]);
            grants.allow_if("ecs:ListTasks", ["*".to_owned()], cluster);
        }
    }
}

/// The parts of a stack on which calls depend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// `true` if the stack has images.
    pub(super) images: bool,
    /// `true` if the stack has resources with a former name.
    pub(super) renames: bool,
    /// The names of the macros of its template.
    pub(super) macros: &'a [String],
    /// The role of CloudFormation that the file names.
    pub(super) passed: Option<&'a str>,
}

/// Returns the permissions of a role.
pub(super) fn grants(role: Role, names: &Names<'_>, parts: Parts<'_>) -> Grants {
    let mut grants = Grants::default();
    let place = names.place;
    for (on, _, actions) in CALLS.iter().filter(|(_, roles, _)| roles.contains(&role)) {
        // Whoever collects garbage works for all stacks, also those with images.
        let has_images = parts.images || role == GarbageCollector;
        let resources = match on {
            Stack => vec![place.stack(names.stack)],
            AnyStack => vec![place.stack("*")],
            Nothing => vec!["*".to_owned()],
            AssetBucket => vec![place.named("s3:bucket", place.asset_bucket.clone())],
            AssetObjects => vec![place.named("s3:object", place.asset_bucket.clone())],
            Repository if has_images => vec![place.named("ecr:repository", place.repository.clone())],
            Registry if has_images => vec!["*".to_owned()],
            Renamed if parts.renames => vec![place.stack(names.stack)],
            Renames if parts.renames => vec!["*".to_owned()],
            Any(kind) if names.owns(kind) => vec!["*".to_owned()],
            Kind(kind) if names.owns(kind) => names.own_arns(kind),
            Others(kind) if names.owns(kind) => vec![place.any(kind)],
            Every(kind) => vec![place.any(kind)],
            Repository | Registry | Renamed | Renames | Any(_) | Kind(_) | Others(_) => continue,
        };
        for action in *actions {
            grants.allow(action, resources.iter().cloned());
        }
    }
    if role == Deployer {
        deployer(&mut grants, names, parts.macros, parts.passed);
    }
    grants
}

/// Adds what the deployer needs under a condition, or on a resource of its own.
fn deployer(grants: &mut Grants, names: &Names<'_>, macros: &[String], passed: Option<&str>) {
    let place = names.place;
    let service = passed.map_or_else(|| place.role(Role::Service, names.stack), str::to_owned);
    let to = condition("StringEquals", "iam:PassedToService", ["cloudformation.amazonaws.com".to_owned()]);
    // `doctor` asks about the role that it runs as, and about that of CloudFormation.
    grants.allow("iam:SimulatePrincipalPolicy", [service.clone()]);
    grants.allow_if("iam:PassRole", [service], to);
    for action in ["iam:GetRole", "iam:SimulatePrincipalPolicy"] {
        grants.allow(action, [place.role(Deployer, names.stack)]);
    }
    for name in macros.iter().filter(|name| name.starts_with("AWS::")) {
        let name = name.trim_start_matches("AWS::");
        let arn = format!("arn:{}:cloudformation:{}:aws:transform/{name}", place.partition, place.region);
        grants.allow("cloudformation:CreateChangeSet", [arn]);
    }
    // The list has no resource but the cluster: Amazon ECS Developer Guide, "Identity-based policy examples".
    if names.has("ecs:cluster") {
        let cluster = condition("ArnLike", "ecs:cluster", names.arns("ecs:cluster"));
        grants.allow_if("ecs:ListTasks", ["*".to_owned()], cluster);
    }
    if names.has("ecs:task-definition") {
        let role = "aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
        grants.allow("iam:GetRole", [place.named("iam:role", role.to_owned())]);
        service_linked_role(grants, names, "AWS::ECS::TaskDefinition");
        // `--hotswap` registers a revision with the roles of the one before.
        let roles = names.of_type("AWS::ECS::TaskDefinition").flat_map(|task| names.roles(&task.properties));
        let service =
            condition("StringEquals", "iam:PassedToService", ["ecs-tasks.amazonaws.com".to_owned()]);
        grants.allow_if("iam:PassRole", roles.collect::<Vec<_>>(), service);
    }
    if names.of_type("AWS::KMS::Key").next().is_some() {
        use_key(grants, place, names.arns("kms:key").into_iter().collect());
    }
}

/// Allows to use keys: objects, messages and items are encrypted by their service, with the rights of the caller.
fn use_key(grants: &mut Grants, place: &Place, keys: Vec<String>) {
    let services = ["dynamodb", "s3", "sqs"].map(|service| {
        let domain = if place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("{service}.{}.{domain}", place.region)
    });
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
        let via = condition("StringLike", "kms:ViaService", services.clone());
        grants.allow_if(action, keys.clone(), via);
    }
}

impl Place {
    /// Returns the ARN of a stack with any ID.
    fn stack(&self, name: &str) -> String {
        format!("arn:{}:cloudformation:{}:{}:stack/{name}/*", self.partition, self.region, self.account)
    }
}
