//! The calls that commands make, as `calls.txt` counts them and the conversations record them, and the permission that
//! each needs. Written by hand from the Service Authorization Reference, and not from the table of the code.

use std::collections::{BTreeMap, BTreeSet};

use deployer_lang::Compiled;
use deployer_lang::assets::{AssetKind, assets};
use deployer_lang::model::Kind;
use deployer_plan::permissions::Role;
use serde_json::Value;

use super::handlers::physical;
use super::{ACCOUNT, Need, REGION};
use crate::golden::{entries, read, repository};

/// A call of a command.
#[derive(Debug)]
pub(super) struct Recorded {
    command: String,
    operation: String,
    source: String,
}

/// Calls that only the end-to-end tests make, or no test can: command and operation.
const UNRECORDED: &[(&str, &str)] = &[
    ("replay", "SQS.ReceiveMessage"),
    ("replay", "SQS.SendMessage"),
    ("replay", "SQS.DeleteMessage"),
    ("upload", "SQS.GetQueueUrl"),
    // What the page asks for, by the code of `upload`, `replay`, `items`, `logs` and `drift`.
    ("console", "S3.PutObject"),
    ("console", "S3.GetObject"),
    ("console", "SQS.SendMessage"),
    ("console", "DynamoDB.UpdateItem"),
    ("replay", "DynamoDB.UpdateItem"),
    ("console", "DynamoDB.Query"),
    ("console", "DynamoDB.BatchGetItem"),
    ("console", "CloudWatchLogs.FilterLogEvents"),
    ("console", "CloudFormation.DetectStackDrift"),
    ("deploy", "DynamoDB.ListTables"),
    ("deploy", "DynamoDB.ListTagsOfResource"),
    ("deploy", "S3.GetBucketPolicy"),
    ("deploy", "S3.PutBucketPolicy"),
    ("deploy", "ECS.DeregisterTaskDefinition"),
    ("destroy", "DynamoDB.DeleteTable"),
    ("destroy", "CloudWatchLogs.DeleteLogGroup"),
    ("destroy", "CloudWatchLogs.DescribeLogStreams"),
    ("deploy", "ECR.DescribeImages"),
    ("deploy", "ECR.GetAuthorizationToken"),
    // Policies of existing resources: no conversation has one that must allow something.
    ("deploy", "KMS.GetKeyPolicy"),
    ("diff", "KMS.GetKeyPolicy"),
    ("diff", "S3.GetBucketPolicy"),
    // Tags of the stack itself, which CloudFormation authorizes beside the operation.
    ("deploy", "CloudFormation.TagResource"),
    ("deploy", "CloudFormation.UntagResource"),
];

/// Returns every call that is recorded anywhere.
pub(super) fn recorded() -> Vec<Recorded> {
    let tests = repository().join("deployer/cli/tests");
    let mut out = BTreeMap::new();
    let mut command = String::new();
    for line in read(&tests.join("e2e/calls.txt")).lines() {
        match line.strip_prefix("  ") {
            Some(call) => {
                let operation = call.rsplit_once(' ').expect("a count").0.to_owned();
                out.insert((command.clone(), operation), "calls.txt".to_owned());
            }
            None => {
                if let Some((name, _)) = line.rsplit_once(": ") {
                    command = command_of(name);
                }
            }
        }
    }
    for folder in entries(&tests.join("replay/cases")) {
        let script: Value = serde_json::from_str(&read(&folder.join("conversation.json"))).expect("JSON");
        let lines = script["commands"].as_array().expect("commands").iter().filter_map(Value::as_str);
        let commands: BTreeSet<String> = lines.map(command_of).collect();
        // The exchanges don't say which of several commands makes them.
        let Some(command) = commands.first().filter(|_| commands.len() == 1) else { continue };
        for exchange in script["exchanges"].as_array().expect("exchanges") {
            let operation = exchange["operation"].as_str().expect("an operation").to_owned();
            let source = || format!("conversation {}", folder.file_name().expect("a name").to_string_lossy());
            out.entry((command.clone(), operation)).or_insert_with(source);
        }
    }
    for (command, operation) in UNRECORDED {
        out.insert(((*command).to_owned(), (*operation).to_owned()), "by hand".to_owned());
    }
    assert!(out.len() > 100, "{} calls", out.len());
    let recorded = |((command, operation), source)| Recorded { command, operation, source };
    out.into_iter().map(recorded).collect()
}

/// Returns the command of a line or of a paragraph of `calls.txt`; a `diff` that makes a change set is another one.
fn command_of(line: &str) -> String {
    let word = line.split([',', ' ']).next().unwrap_or_default();
    let makes = word == "diff" && (line.contains("change set") || line.contains("--change-set"));
    format!("{word}{}", if makes { " --change-set" } else { "" })
}

impl Recorded {
    /// Returns the roles that run the command.
    fn roles(&self) -> &'static [Role] {
        match self.command.as_str() {
            "gc" => &[Role::GarbageCollector],
            "diff" => &[Role::Deployer, Role::Plan],
            _ => &[Role::Deployer],
        }
    }
}

/// The examples of resources that calls of a stack are about.
struct Examples {
    stack: String,
    /// ARN of the role of CloudFormation.
    service_role: String,
    has_images: bool,
    /// `true` if the file has resources with a former name.
    renames: bool,
    by_type: BTreeMap<String, Vec<String>>,
    /// Types and ARNs of the resources that the stack refers to by `existing`.
    existing: Vec<(Kind, String)>,
}

impl Examples {
    fn of(compiled: &Compiled) -> Self {
        let mut by_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let template = compiled.template.to_value();
        for (id, resource) in template["Resources"].as_object().expect("resources") {
            let Some(kind) = resource["Type"].as_str() else { continue };
            by_type.entry(kind.to_owned()).or_default().push(physical(&compiled.stack.name, id, resource));
        }
        let has_images = assets(&compiled.stack).iter().any(|asset| asset.kind == AssetKind::Image);
        let existing = compiled.stack.resources.iter().filter_map(|resource| {
            let arn = resource.is.existing()?.arn();
            let arn = arn.replace("${AWS::Partition}", "aws").replace("${AWS::Region}", REGION);
            Some((resource.is.kind(), arn.replace("${AWS::AccountId}", ACCOUNT)))
        });
        let service_role = compiled.stack.organisation.role_arn.clone();
        let service_role = service_role.unwrap_or_else(|| {
            format!("arn:aws:iam::{ACCOUNT}:role/deployer/{}-service", compiled.stack.name)
        });
        Self {
            stack: compiled.stack.name.clone(),
            service_role,
            has_images,
            renames: compiled.stack.resources.iter().any(|resource| !resource.was.is_empty()),
            by_type,
            existing: existing.collect(),
        }
    }

    /// Returns the ARNs of existing resources of a type.
    fn existing(&self, kind: Kind) -> Vec<String> {
        self.existing.iter().filter(|(own, _)| *own == kind).map(|(_, arn)| arn.clone()).collect()
    }

    fn arns(&self, kind: &str, arn: impl Fn(&str) -> String) -> Vec<String> {
        self.by_type.get(kind).into_iter().flatten().map(|name| arn(name)).collect()
    }

    /// Returns the action and the resources of an operation.
    fn of_call(&self, call: &Recorded, role: Role) -> Vec<Need> {
        let at = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        let assets = format!("arn:aws:s3:::deployer-assets-{ACCOUNT}-{REGION}");
        let object = format!("{assets}/load/0123456789abcdef.zip");
        let own = |suffix: &str| self.arns("AWS::S3::Bucket", |name| format!("arn:aws:s3:::{name}{suffix}"));
        let only_own = |suffix: &str| own(suffix);
        let with_own = |first: &str, suffix: &str| {
            // Only commands about data touch the stack's own buckets.
            let data = ["upload", "destroy", "recover", "status", "tally", "logs", "verify", "console"];
            let mut out = vec![first.to_owned()];
            if data.contains(&call.command.as_str()) {
                out.extend(own(suffix));
            }
            out
        };
        let tables = || self.arns("AWS::DynamoDB::Table", |name| at("dynamodb", &format!("table/{name}")));
        let queues = || self.arns("AWS::SQS::Queue", |name| at("sqs", name));
        let functions =
            || self.arns("AWS::Lambda::Function", |name| at("lambda", &format!("function:{name}")));
        let logs = || self.arns("AWS::Logs::LogGroup", |name| at("logs", &format!("log-group:{name}:*")));
        let tasks = || self.arns("AWS::ECS::Cluster", |name| at("ecs", &format!("task/{name}/0a1b2c")));
        let families =
            || self.arns("AWS::ECS::TaskDefinition", |name| at("ecs", &format!("task-definition/{name}:1")));
        let anything = || vec!["*".to_owned()];
        let if_any = |kind: &str| if self.by_type.contains_key(kind) { anything() } else { Vec::new() };
        let repository = || match self.has_images || role == Role::GarbageCollector {
            true => vec![at("ecr", "repository/deployer-assets")],
            false => Vec::new(),
        };
        // `deploy` and `diff` compare existing resources with the file.
        let compares = matches!(call.command.as_str(), "deploy" | "diff");
        let compared = |kind: Kind| if compares { self.existing(kind) } else { Vec::new() };
        let read = |kind: Kind, end: &str| -> Vec<String> {
            let data = ["upload", "status", "tally", "verify", "console"].contains(&call.command.as_str());
            let arns = if data { self.existing(kind) } else { Vec::new() };
            arns.into_iter().map(|arn| format!("{arn}{end}")).collect()
        };
        // `diff` asks about nothing else of a stack's own, and `gc --kept` about what any deleted stack has kept.
        let own_of = |resources: Vec<String>| if role == Role::Plan { Vec::new() } else { resources };
        let kept = |service: &str, rest: &str, own: Vec<String>| match role {
            Role::GarbageCollector => vec![at(service, rest)],
            _ => own,
        };
        let (service, operation) = call.operation.split_once('.').expect("a service");
        let needs = |actions: &[&str], resources: Vec<String>| -> Vec<Need> {
            let of = |action: &&str| {
                let source = format!("{} of {}", call.operation, call.source);
                resources.iter().map(|resource| Need::new(action, resource, &source)).collect::<Vec<_>>()
            };
            actions.iter().flat_map(of).collect()
        };
        let named =
            |prefix: &str, resources: Vec<String>| needs(&[&format!("{prefix}:{operation}")], resources);
        match (service, operation) {
            // Every caller may ask who it is.
            ("STS", "GetCallerIdentity") => Vec::new(),
            ("CloudFormation", "DescribeStackDriftDetectionStatus" | "ListStacks") => {
                named("cloudformation", anything())
            }
            ("CloudFormation", operation)
                if !self.renames
                    && (operation.contains("StackRefactor") || operation == "GetStackPolicy") =>
            {
                Vec::new()
            }
            ("CloudFormation", operation)
                if operation.contains("StackRefactor") && operation != "CreateStackRefactor" =>
            {
                named("cloudformation", anything())
            }
            ("CloudFormation", _) => {
                let stack = if role == Role::GarbageCollector { "another-stack" } else { &self.stack };
                named("cloudformation", vec![at("cloudformation", &format!("stack/{stack}/0a1b2c3d"))])
            }
            ("S3", "HeadBucket" | "ListObjectsV2") => {
                let existing = compared(Kind::Bucket);
                needs(&["s3:ListBucket"], [with_own(&assets, ""), existing].concat())
            }
            ("S3", "GetBucketNotificationConfiguration") => {
                needs(&["s3:GetBucketNotification"], compared(Kind::Bucket))
            }
            ("S3", "GetBucketEncryption") => {
                needs(&["s3:GetEncryptionConfiguration"], compared(Kind::Bucket))
            }
            ("S3", "GetBucketPolicy") => named("s3", [own_of(vec![assets]), compared(Kind::Bucket)].concat()),
            ("S3", "ListObjectVersions") if role == Role::GarbageCollector => {
                needs(&["s3:ListBucketVersions"], vec![assets, "arn:aws:s3:::another-bucket".to_owned()])
            }
            ("S3", "ListObjectVersions") => {
                needs(&["s3:ListBucketVersions"], [only_own(""), read(Kind::Bucket, "")].concat())
            }
            ("S3", "HeadObject" | "GetObject") => {
                let existing = read(Kind::Bucket, "/a/b.csv");
                needs(&["s3:GetObject"], [with_own(&object, "/a/b.csv"), existing].concat())
            }
            ("S3", "PutObject") => {
                named("s3", [with_own(&object, "/a/b.csv"), read(Kind::Bucket, "/a/b.csv")].concat())
            }
            // Of a bucket with versions, the version is deleted.
            ("S3", "DeleteObject") if call.command == "verify" => {
                let own = [own("/a/b.csv"), read(Kind::Bucket, "/a/b.csv")].concat();
                let versions = needs(&["s3:DeleteObjectVersion"], own.clone());
                [named("s3", [vec![object], own].concat()), versions].concat()
            }
            ("S3", "DeleteObject") => named("s3", with_own(&object, "/a/b.csv")),
            ("S3", "DeleteObjects") if role == Role::GarbageCollector => {
                needs(&["s3:DeleteObject", "s3:DeleteObjectVersion"], vec![object])
            }
            ("S3", "DeleteObjects") => {
                needs(&["s3:DeleteObject", "s3:DeleteObjectVersion"], only_own("/a/b.csv"))
            }
            ("S3", "DeleteBucket") => named("s3", only_own("")),
            ("S3", "PutPublicAccessBlock") => needs(&["s3:PutBucketPublicAccessBlock"], vec![assets]),
            ("S3", "GetBucketLifecycleConfiguration") => {
                needs(&["s3:GetLifecycleConfiguration"], vec![assets])
            }
            ("S3", "PutBucketLifecycleConfiguration") => {
                needs(&["s3:PutLifecycleConfiguration"], vec![assets])
            }
            ("S3", "CreateBucket" | "GetBucketTagging" | "PutBucketTagging" | "PutBucketPolicy") => {
                named("s3", vec![assets])
            }
            ("SQS", "GetQueueAttributes") => {
                named("sqs", kept("sqs", "Another", [own_of(queues()), compared(Kind::Queue)].concat()))
            }
            ("SQS", _) => named("sqs", queues()),
            ("SNS", "GetTopicAttributes") => named("sns", compared(Kind::Topic)),
            ("KMS", "DescribeKey" | "GetKeyPolicy") => {
                named("kms", kept("kms", "key/0a1b2c3d-1111-4222-8333-444455556666", compared(Kind::Key)))
            }
            ("DynamoDB", "ListTables") => named("dynamodb", if_any("AWS::DynamoDB::Table")),
            ("DynamoDB", "DescribeTable") => {
                let own = [own_of(tables()), compared(Kind::Table)].concat();
                named("dynamodb", kept("dynamodb", "table/Another", own))
            }
            ("DynamoDB", _) => named("dynamodb", [tables(), read(Kind::Table, "")].concat()),
            ("Lambda", "GetAccountSettings") => named("lambda", if_any("AWS::Lambda::Function")),
            ("Lambda", "ListFunctions") => named("lambda", if_any("AWS::Lambda::Function")),
            ("Lambda", "GetFunctionConcurrency" | "ListTags") => {
                let others = if_any("AWS::Lambda::Function").into_iter();
                named("lambda", others.map(|_| at("lambda", "function:of-another-stack")).collect())
            }
            ("Lambda", "Invoke") => needs(&["lambda:InvokeFunction"], functions()),
            ("Lambda", _) => named("lambda", functions()),
            ("CloudWatch", "GetMetricData") => named("cloudwatch", anything()),
            ("EventBridge", "ListRules") => named("events", if_any("AWS::Events::Rule")),
            ("S3", "ListBuckets") => needs(&["s3:ListAllMyBuckets"], if_any("AWS::S3::Bucket")),
            ("CloudWatchLogs", _) => named("logs", logs()),
            ("ECS", "ListTasks") => {
                let clusters = self.arns("AWS::ECS::Cluster", |name| at("ecs", &format!("cluster/{name}")));
                let clusters = [clusters, read(Kind::Cluster, "")].concat();
                clusters
                    .iter()
                    .flat_map(|cluster| {
                        let needs = named("ecs", anything());
                        needs.into_iter().map(|need| need.with("ecs:cluster", cluster)).collect::<Vec<_>>()
                    })
                    .collect()
            }
            ("ECS", "DescribeTaskDefinition" | "DeregisterTaskDefinition") => {
                named("ecs", if_any("AWS::ECS::TaskDefinition"))
            }
            ("ECS", "RegisterTaskDefinition") => named("ecs", families()),
            ("ECS", "DescribeClusters") => named("ecs", compared(Kind::Cluster)),
            ("ECS", "DescribeTasks") => {
                let existing = read(Kind::Cluster, "/0a1b2c").into_iter();
                let existing: Vec<String> =
                    existing.map(|arn| arn.replacen(":cluster/", ":task/", 1)).collect();
                named("ecs", [tasks(), existing].concat())
            }
            ("ECS", _) => named("ecs", tasks()),
            ("ECR", "GetAuthorizationToken") if self.has_images => named("ecr", anything()),
            ("ECR", "GetAuthorizationToken") => Vec::new(),
            ("ECR", _) => named("ecr", repository()),
            // What the registry asks for behind its own protocol: Amazon ECR User Guide, "IAM permissions for pushing an
            // image".
            ("Registry", "HEAD blobs") => needs(&["ecr:BatchCheckLayerAvailability"], repository()),
            ("Registry", "HEAD manifests") => needs(&["ecr:BatchGetImage"], repository()),
            ("Registry", "POST uploads") => needs(&["ecr:InitiateLayerUpload"], repository()),
            ("Registry", "PUT uploads") => {
                needs(&["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"], repository())
            }
            ("Registry", "PUT manifests") => needs(&["ecr:PutImage"], repository()),
            ("IAM", "CreateServiceLinkedRole") if self.by_type.contains_key("AWS::ECS::TaskDefinition") => {
                let role = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
                let needs = named("iam", vec![format!("arn:aws:iam::{ACCOUNT}:{role}")]);
                needs.into_iter().map(|need| need.with("iam:AWSServiceName", "ecs.amazonaws.com")).collect()
            }
            ("IAM", "CreateServiceLinkedRole") => Vec::new(),
            ("IAM", "GetRole" | "SimulatePrincipalPolicy") => {
                let mut roles = vec![format!("arn:aws:iam::{ACCOUNT}:role/deployer/{}-deployer", self.stack)];
                if operation == "GetRole" && self.by_type.contains_key("AWS::ECS::TaskDefinition") {
                    let role = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
                    roles.push(format!("arn:aws:iam::{ACCOUNT}:{role}"));
                }
                if operation == "SimulatePrincipalPolicy" {
                    roles.push(self.service_role.clone());
                }
                named("iam", roles)
            }
            ("ServiceQuotas", _) => named("servicequotas", anything()),
            (service, operation) => panic!("{service}.{operation} is a new call: write down what it needs"),
        }
    }
}

/// Returns what a role needs for the recorded calls, on a stack.
pub(super) fn needs(role: Role, compiled: &Compiled, recorded: &[Recorded]) -> BTreeSet<Need> {
    let examples = Examples::of(compiled);
    let own = recorded.iter().filter(|call| call.roles().contains(&role));
    let mut out: BTreeSet<Need> = own.flat_map(|call| examples.of_call(call, role)).collect();
    if role != Role::Deployer {
        return out;
    }
    let role_arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let service = examples.service_role.clone();
    let pass = |arn: &str, service: &str| {
        Need::new("iam:PassRole", arn, "a role is passed").with("iam:PassedToService", service)
    };
    out.insert(pass(&service, "cloudformation.amazonaws.com"));
    let template = compiled.template.to_value();
    for task in template["Resources"].as_object().into_iter().flatten() {
        if task.1["Type"] != "AWS::ECS::TaskDefinition" {
            continue;
        }
        for property in ["TaskRoleArn", "ExecutionRoleArn"] {
            let id = task.1["Properties"][property]["Fn::GetAtt"][0].as_str();
            if let Some(id) = id {
                let name = physical(&examples.stack, id, &template["Resources"][id]);
                out.insert(pass(&role_arn(&name), "ecs-tasks.amazonaws.com"));
            }
        }
    }
    if examples.by_type.contains_key("AWS::KMS::Key") {
        for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
            let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-1111-4222-8333-444455556666");
            let need = Need::new(action, &key, "encrypted data");
            out.insert(need.with("kms:ViaService", &format!("s3.{REGION}.amazonaws.com")));
        }
    }
    for key in examples.existing(Kind::Key) {
        for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
            let need = Need::new(action, &key, "encrypted data");
            out.insert(need.with("kms:ViaService", &format!("s3.{REGION}.amazonaws.com")));
        }
    }
    let transform = &template["Transform"];
    let macros = transform.as_array().cloned().unwrap_or_else(|| vec![transform.clone()]);
    for name in macros.iter().filter_map(Value::as_str).filter_map(|name| name.strip_prefix("AWS::")) {
        let arn = format!("arn:aws:cloudformation:{REGION}:aws:transform/{name}");
        out.insert(Need::new("cloudformation:CreateChangeSet", &arn, "a macro"));
    }
    out
}
