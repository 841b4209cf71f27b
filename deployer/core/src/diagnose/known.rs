//! Failures that are known: how AWS words them, what they mean, and what to do about them in terms of `stack.yaml`.
//!
//! The entries are data, the first that matches counts, and so what is special stands before what is general. Patterns
//! are matched against the message alone ([`Reason`]); what they capture takes the places in the texts. Each entry has
//! an example of AWS's words (accounts, names and request ids changed) and a comment that says where they were seen; a
//! test holds that the entry explains it.

use std::sync::OnceLock;

use regex::{Captures, Regex, RegexBuilder};

use super::Reason;

/// A known failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Stable name, such as `bucket-name-taken`.
    pub id: &'static str,
    /// Beginnings of the CloudFormation types that fail like that; empty for any.
    pub types: &'static [&'static str],
    /// Patterns of the message. Groups are named after the places in the texts that they fill.
    pub patterns: &'static [&'static str],
    /// `HandlerErrorCode`, or the service's own code, that says the same without any pattern.
    pub codes: &'static [&'static str],
    /// What it means, without a full stop.
    pub meaning: &'static str,
    /// What to do, without a full stop.
    pub fix: &'static str,
    /// Such a reason.
    pub example: &'static str,
}

/// The resource that failed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// CloudFormation type.
    pub resource_type: &'s str,
    /// Logical id.
    pub logical_id: &'s str,
    /// Name, URL, id or ARN, or nothing.
    pub physical_id: &'s str,
    /// Name in `stack.yaml` of the resource that it was made for.
    pub origin: Option<&'s str>,
}

/// A known failure with its texts filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub known: &'static Known,
    /// What it means here.
    pub meaning: String,
    /// What to do here.
    pub fix: String,
}

/// All of them.
pub const TABLE: &[Known] = &[
    // github.com/aws/aws-cdk/issues/6183, github.com/0x4447/0x4447_product_s3_email/issues/41;
    // Amazon S3 API Reference, "Error responses": BucketAlreadyExists, BucketAlreadyOwnedByYou
    Known {
        id: "bucket-name-taken",
        types: &["AWS::S3::Bucket"],
        patterns: &[
            r"^(?P<name>[a-z0-9][a-z0-9.-]{1,62}) already exists$",
            r"Resource of type 'AWS::S3::Bucket' with identifier '(?P<name>[^']+)' already exists",
            r"requested bucket name is not available",
            r"create the named bucket succeeded and you already own it",
        ],
        codes: &["BucketAlreadyExists", "BucketAlreadyOwnedByYou"],
        meaning: "the bucket name `{name}` is taken: names of buckets are shared by all accounts of AWS, and an earlier stack of yours may have kept its bucket",
        fix: "set another name, or none so that one is computed; if `{name}` is yours and nothing needs it, empty it with its old versions (Empty in the S3 console), and delete it",
        example: "awesome-bucket already exists",
    },
    // github.com/aws-samples/eb-php-wordpress/issues/25
    Known {
        id: "in-another-stack",
        types: &[],
        patterns: &[r"(?P<name>\S+) already exists in stack (?P<stack>\S+)"],
        codes: &[],
        meaning: "`{name}` belongs to another stack: {stack}",
        fix: "set another name for {resource}, or take it out of the other stack first",
        example: "orders already exists in stack arn:aws:cloudformation:us-east-1:111122223333:stack/shop-dev/5c7de8d0-d8d2-11ec-a0cf-02d63e5a498f",
    },
    // github.com/aws-solutions/amazon-marketing-cloud-uploader-from-aws/issues/167
    Known {
        id: "log-group-exists",
        types: &["AWS::Logs::LogGroup"],
        patterns: &[
            r#"with identifier '(?:\{"/properties/LogGroupName":")?(?P<name>[^'"]+)"?\}?' already exists"#,
        ],
        codes: &["AlreadyExists", "ResourceAlreadyExistsException"],
        meaning: "the log group `{name}` is there already: an earlier stack kept it, or the function wrote logs before the stack made its group",
        fix: "`aws logs delete-log-group --log-group-name {name}` deletes it with what it holds; or set another name",
        example: r#"Resource handler returned message: "Resource of type 'AWS::Logs::LogGroup' with identifier '{"/properties/LogGroupName":"/aws/lambda/shop-dev-load"}' already exists." (RequestToken: 258db5a1-23c6-5e4b-4d23-7a469fc2de96, HandlerErrorCode: AlreadyExists)"#,
    },
    // AWS Lambda API Reference, CreateEventSourceMapping: ResourceConflictException; seen with queues and with streams
    Known {
        id: "mapping-exists",
        types: &["AWS::Lambda::EventSourceMapping"],
        patterns: &[
            r"already exists\. Please update or delete the existing mapping with UUID (?P<uuid>[\w-]+)",
        ],
        codes: &[],
        meaning: "the function takes from that queue or stream already, by a mapping that is not of this stack",
        fix: "`aws lambda delete-event-source-mapping --uuid {uuid}` deletes it; then run `deployer deploy` again",
        example: r#"An event source mapping with SQS arn (" arn:aws:sqs:us-east-2:111122223333:watch-requests ") and function (" watch-reader ") already exists. Please update or delete the existing mapping with UUID fa8a6a95-9f4e-4539-9934-94210123bb0b (Service: AWSLambda; Status Code: 409; Error Code: ResourceConflictException; Request ID: 3aa276bc-4124-4af0-a2e3-38a94a478997)"#,
    },
    // github.com/widdix/mastodon-on-aws/issues/27, github.com/stratospheric-dev/stratospheric/issues/204;
    // Amazon DynamoDB Developer Guide, "Error handling": Table already exists
    Known {
        id: "name-taken",
        types: &[],
        patterns: &[
            r"Resource of type '[^']+' with identifier '[^']+' already exists",
            r"Table already exists: \S+",
            r"(?:Role|Function|Queue|Topic|Rule|Schedule) (?:with name |name )?\S+ already exist",
            r"^\S+ already exists",
            r"The parameter already exists",
        ],
        codes: &[
            "AlreadyExists",
            "EntityAlreadyExists",
            "ResourceConflictException",
            "ParameterAlreadyExists",
        ],
        meaning: "the name that {resource} takes is in use already, by something that is not of this stack",
        fix: "set another name for {resource}, or none so that CloudFormation makes one; or delete the old one, if nothing needs it, and run `deployer deploy` again",
        example: r#"Resource handler returned message: "Resource of type 'AWS::ECR::Repository' with identifier 'hello-world-app' already exists." (RequestToken: ae022db4-58c1-42e0-ec16-625e45af53e7, HandlerErrorCode: AlreadyExists)"#,
    },
    // github.com/hashicorp/terraform-provider-aws/issues/831; as Throttling: github.com/pulumi/pulumi-aws-native/pull/1984
    Known {
        id: "queue-deleted-recently",
        types: &["AWS::SQS::Queue"],
        patterns: &[r"You must wait 60 seconds after deleting a queue"],
        codes: &["AWS.SimpleQueueService.QueueDeletedRecently"],
        meaning: "a queue of this name was deleted less than 60 seconds ago, and SQS gives the name free only then",
        fix: "wait a minute, then run `deployer deploy` again",
        example: r#"Resource handler returned message: "You must wait 60 seconds after deleting a queue before you can create another with the same name. (Service: Sqs, Status Code: 400, Request ID: 7503e9ea-2fa2-5fba-b1cc-b6117f9af4d4)" (RequestToken: 31669d06-fa9d-ba9f-ce44-a2e5bbfbbfc1, HandlerErrorCode: Throttling)"#,
    },
    // github.com/aws-samples/one-observability-demo/issues/278, github.com/awslabs/amazon-neptune-tools/issues/324
    Known {
        id: "concurrency-below-minimum",
        types: &["AWS::Lambda::"],
        patterns: &[
            r"decreases account's UnreservedConcurrentExecution below its minimum value of \[?(?P<minimum>\d+)",
        ],
        codes: &[],
        meaning: "Lambda keeps {minimum} concurrent executions of the account unreserved, and {resource} reserves more than is left; new accounts have 10 in all",
        fix: "lower or remove `concurrency` of the functions, or have the quota `Concurrent executions` raised (Service Quotas, lambda, L-B99A9384)",
        example: r#"Resource handler returned message: "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [10]. (Service: Lambda, Status Code: 400, Request ID: 07097af1-64be-450d-9bf6-d2bc0701153d)" (RequestToken: feab4f82-17fa-ca88-2e9f-521cfe779f50, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/aws-samples/baseline-environment-on-aws/issues/238, github.com/1Password/scim-examples/issues/356
    Known {
        id: "service-linked-role-missing",
        types: &["AWS::ECS::"],
        patterns: &[r"Unable to assume the service linked role"],
        codes: &[],
        meaning: "ECS has no service-linked role in this account yet, or was given it a moment ago",
        fix: "run `deployer deploy` again: it makes the role before the stack if it may (iam:CreateServiceLinkedRole); else `aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`",
        example: r#"Resource handler returned message: "Unable to assume the service linked role. Please verify that the ECS service linked role exists. (Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: 22e06152-22fe-4af1-90e2-937ce3e62c01; Proxy: null)" (RequestToken: 70f29b80-2c90-67be-ab25-097676cebf8c, HandlerErrorCode: InvalidRequest)"#,
    },
    // AWS IAM User Guide, "Troubleshoot access denied error messages"; github.com/aws/karpenter-provider-aws/issues/8190
    Known {
        id: "denied-by-organization",
        types: &[],
        patterns: &[
            r"(?P<who>arn:[^\s]+) is not authorized to perform: (?P<action>[\w-]+:\w+).*(?:explicit deny in a|because no) (?:service|resource) control policy",
        ],
        codes: &[],
        meaning: "a policy of the organization forbids `{action}` to {who}; no permission in this account can allow it",
        fix: "ask those who manage the organization to allow `{action}`, or deploy to another account or region",
        example: "User: arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:eu-west-1:111122223333:function:load with an explicit deny in a service control policy",
    },
    // AWS IAM User Guide, "Troubleshoot access denied error messages"
    Known {
        id: "denied-by-boundary",
        types: &[],
        patterns: &[
            r"(?P<who>arn:[^\s]+) is not authorized to perform: (?P<action>[\w-]+:\w+).*(?:explicit deny in a|because no) permissions boundary",
        ],
        codes: &[],
        meaning: "the permissions boundary of {who} does not let it do `{action}`, whatever its policies say",
        fix: "add `{action}` to the permissions boundary, or deploy with another role (`--profile`)",
        example: "User: arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::111122223333:role/shop-dev-LoadRole because no permissions boundary allows the iam:CreateRole action",
    },
    // AWS IAM User Guide, "Grant a user permissions to pass a role to an AWS service"
    Known {
        id: "pass-role-denied",
        types: &[],
        patterns: &[
            r"(?P<who>arn:[^\s]+) is not authorized to perform: iam:PassRole on resource: (?P<role>arn:[^\s]+)",
        ],
        codes: &[],
        meaning: "{who} may not give the role {role} to a service",
        fix: "allow `iam:PassRole` on {role} to the role that you deploy with",
        example: r#"Resource handler returned message: "User: arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/shop-dev-LoadRole-1ABC because no identity-based policy allows the iam:PassRole action (Service: Lambda, Status Code: 403, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: AccessDenied)"#,
    },
    // AWS IAM User Guide, "Service-linked role permissions"
    Known {
        id: "service-linked-role-denied",
        types: &[],
        patterns: &[r"(?P<who>arn:[^\s]+) is not authorized to perform: iam:CreateServiceLinkedRole"],
        codes: &[],
        meaning: "a service needs its service-linked role, which this account does not have yet, and {who} may not make it",
        fix: "allow `iam:CreateServiceLinkedRole` to the role that you deploy with, or let an administrator make the role once",
        example: "User: arn:aws:sts::111122223333:assumed-role/deploy/ci is not authorized to perform: iam:CreateServiceLinkedRole on resource: arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
    },
    // github.com/brefphp/bref/pull/2028; repost.aws/knowledge-center/cloudformation-tagging-permission-error
    Known {
        id: "tagging-denied",
        types: &[],
        patterns: &[
            r"permissions error performing a tagging operation.*(?P<who>arn:[^\s]+) is not authorized to perform: (?P<action>[\w-]+:\w+)",
        ],
        codes: &[],
        meaning: "{who} may make {resource}, but not tag it (`{action}`)",
        fix: "allow `{action}` to the role that you deploy with",
        example: r#"Resource handler returned message: "Encountered a permissions error performing a tagging operation, please add required tag permissions. See https://repost.aws/knowledge-center/cloudformation-tagging-permission-error for how to resolve. Resource handler returned message: "User: arn:aws:iam::111122223333:user/deploy is not authorized to perform: iam:TagRole on resource: arn:aws:iam::111122223333:role/shop-dev-LoadRole because no identity-based policy allows the iam:TagRole action (Service: Iam, Status Code: 403, Request ID: 1)"" (RequestToken: 2, HandlerErrorCode: UnauthorizedTaggingOperation)"#,
    },
    // github.com/alexcasalboni/aws-lambda-power-tuning/issues/154
    Known {
        id: "denied-explicitly",
        types: &[],
        patterns: &[
            r"(?P<who>arn:[^\s]+) is not authorized to perform: (?P<action>[\w-]+:\w+).*explicit deny",
        ],
        codes: &[],
        meaning: "a policy denies `{action}` to {who} outright, which no other policy can outweigh",
        fix: "find the statement with `Deny` for `{action}` (in the role's policies, the resource's, or the session's) and narrow it, or deploy with another role (`--profile`)",
        example: "API: iam:CreateRole User: arn:aws:sts::111122223333:assumed-role/Owner/me is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::111122223333:role/shop-dev-LoadRole with an explicit deny",
    },
    // github.com/buildkite/elastic-ci-stack-for-aws/pull/1039
    Known {
        id: "permission-missing",
        types: &[],
        patterns: &[r"(?P<who>arn:[^\s]+) is not authorized to perform: (?P<action>[\w-]+:\w+)"],
        codes: &[],
        meaning: "{who} has no permission for `{action}`",
        fix: "allow `{action}` to the role that you deploy with, then run `deployer deploy` again",
        example: "User: arn:aws:iam::111122223333:user/deploy is not authorized to perform: lambda:TagResource on resource: arn:aws:lambda:eu-west-1:111122223333:function:load",
    },
    // github.com/aws/karpenter-provider-aws/issues/1536
    Known {
        id: "permission-missing-encoded",
        types: &["AWS::EC2::"],
        patterns: &[r"You are not authorized to perform this operation"],
        codes: &["UnauthorizedOperation", "Client.UnauthorizedOperation"],
        meaning: "the role that you deploy with lacks a permission of EC2, which EC2 names only in an encoded message",
        fix: "`aws sts decode-authorization-message --encoded-message …` with the text behind `Encoded authorization failure message:` says which; allow it to the role",
        example: "You are not authorized to perform this operation. Encoded authorization failure message: 0l-KPWQJ8q5z3Y (Service: Ec2, Status Code: 403; Error Code: UnauthorizedOperation; Request ID: 1)",
    },
    // github.com/aws-samples/unishop-monolith-to-microservices/issues/47
    Known {
        id: "bucket-policy-denied",
        types: &["AWS::S3::BucketPolicy"],
        patterns: &[r"Access Denied"],
        codes: &["AccessDenied"],
        meaning: "S3 refused the policy of the bucket: it makes the bucket public, which the account blocks, or `s3:PutBucketPolicy` is not allowed",
        fix: "take public access out of {resource}, or allow `s3:PutBucketPolicy` to the role that you deploy with",
        example: r#"Resource handler returned message: "Access Denied (Service: S3, Status Code: 403, Request ID: 1, Extended Request ID: 2)" (RequestToken: 3, HandlerErrorCode: AccessDenied)"#,
    },
    // github.com/aws-samples/bedrock-access-gateway/issues/205, github.com/aws/aws-cdk/issues/24648
    Known {
        id: "image-missing",
        types: &["AWS::Lambda::", "AWS::ECS::"],
        patterns: &[
            r"Source image (?P<image>\S+) (?:does not exist|is not valid)",
            r"CannotPullContainerError:.*?(?P<image>[\w.-]+\.dkr\.ecr\.[^\s:]+(?::[\w.-]+)?)",
        ],
        codes: &[],
        meaning: "there is no image {image} in the registry of this account and region",
        fix: "run `deployer deploy` again, which pushes what is missing; if a lifecycle policy of the repository deletes images, let it keep those in use",
        example: r#"Resource handler returned message: "Source image 111122223333.dkr.ecr.ap-southeast-1.amazonaws.com/proxy-api:latest does not exist. Provide a valid source image. (Service: Lambda, Status Code: 400, Request ID: fefa1440-cb4f-40c0-abe1-a72bbf5d0f0f) (SDK Attempt Count: 1)" (RequestToken: 682e2508-301f-ec09-9672-f47185b9a08d, HandlerErrorCode: InvalidRequest)"#,
    },
    // AWS Lambda Developer Guide, "Troubleshoot container image issues in Lambda"
    Known {
        id: "image-denied",
        types: &["AWS::Lambda::"],
        patterns: &[r"Lambda does not have permission to access the ECR image"],
        codes: &[],
        meaning: "the repository of the image does not let Lambda read it",
        fix: "allow `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer` to `lambda.amazonaws.com` in the policy of the repository",
        example: r#"Resource handler returned message: "Lambda does not have permission to access the ECR image. Check the ECR permissions. (Service: Lambda, Status Code: 403, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: AccessDenied)"#,
    },
    // AWS Lambda Developer Guide, "Troubleshoot deployment issues in Lambda"
    Known {
        id: "code-in-another-region",
        types: &["AWS::Lambda::"],
        patterns: &[
            r"S3 Error Code: PermanentRedirect.*The bucket is in this region: (?P<region>[a-z0-9-]+)",
        ],
        codes: &[],
        meaning: "the code lies in a bucket in {region}, and Lambda reads only from buckets in its own region",
        fix: "deploy the stack to {region}, or name a bucket in the region of the stack",
        example: "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: The bucket is in this region: us-east-2. Please use this region to retry the request (Service: AWSLambdaInternal; Status Code: 400; Error Code: InvalidParameterValueException; Request ID: 1)",
    },
    // github.com/aws-samples/aws-account-vending-machine/issues/23
    Known {
        id: "code-missing",
        types: &["AWS::Lambda::"],
        patterns: &[r"Error occurred while GetObject\. S3 Error Code: NoSuch(?P<what>Key|Bucket)"],
        codes: &[],
        meaning: "the code of {resource} is not in S3 (no such {what})",
        fix: "run `deployer deploy` again, which publishes what is missing",
        example: r#"Resource handler returned message: "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist. (Service: Lambda, Status Code: 400, Request ID: ad9bb8d6-5c12-432e-8438-8584ce7c9024)" (RequestToken: fe23dc9c-f282-baaf-a281-8b99d4caf956, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/strands-agents/docs/issues/20; AWS Lambda Developer Guide, "Lambda quotas"
    Known {
        id: "code-too-large",
        types: &["AWS::Lambda::"],
        patterns: &[r"Unzipped size must be smaller than (?P<limit>\d+) bytes"],
        codes: &[],
        meaning: "the code of {resource}, with its layers, is larger than {limit} bytes when unpacked",
        fix: "build it smaller (release, stripped, fewer features), or make it a `task`, whose image may be larger",
        example: r#"Resource handler returned message: "Unzipped size must be smaller than 262144000 bytes (Service: Lambda, Status Code: 400, Request ID: c16c6e7c-7231-45e2-8a21-623668022c3b) (SDK Attempt Count: 1)" (RequestToken: 46858bfe-95c2-f8bb-539d-3a0d5da22235, HandlerErrorCode: InvalidRequest)"#,
    },
    // AWS Lambda Developer Guide, "Troubleshoot deployment issues in Lambda"
    Known {
        id: "code-is-no-zip",
        types: &["AWS::Lambda::"],
        patterns: &[r"Could not unzip uploaded file"],
        codes: &[],
        meaning: "what lies in S3 as the code of {resource} is no zip file that Lambda can read",
        fix: "delete the object in the asset bucket and run `deployer deploy` again",
        example: "Could not unzip uploaded file. Please check your file, then try to upload again. (Service: AWSLambdaInternal; Status Code: 400; Error Code: InvalidParameterValueException; Request ID: 1)",
    },
    // github.com/aws-samples/aws-ct-vpc-flowlogs/issues/1, github.com/serverless/serverless/issues/4384
    Known {
        id: "role-not-assumable",
        types: &["AWS::Lambda::"],
        patterns: &[r"The role defined for the function cannot be assumed by Lambda"],
        codes: &[],
        meaning: "Lambda may not take the role of {resource} yet: IAM needs some seconds to make a new role known everywhere",
        fix: "run `deployer deploy` again; if it stays so, the role's trust policy does not name lambda.amazonaws.com",
        example: r#"Resource handler returned message: "The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400, Request ID: b3ca3772-7cf9-484d-aed6-34c758a5325e, Extended Request ID: null)" (RequestToken: 1, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/aws/aws-cdk/issues/6770, github.com/functionalone/serverless-iam-roles-per-function/issues/21
    Known {
        id: "queue-permission-missing",
        types: &["AWS::Lambda::EventSourceMapping"],
        patterns: &[r"execution role does not have permissions to call (?P<action>\w+) on SQS"],
        codes: &[],
        meaning: "the role of the function may not do `sqs:{action}` on the queue that it is to take messages from",
        fix: "let the function have the queue as a trigger (`on:`), or `access: [{ receive: … }]`; a role of your own needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes",
        example: r#"Resource handler returned message: "Invalid request provided: The provided execution role does not have permissions to call ReceiveMessage on SQS (Service: Lambda, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/aws-samples/aws-codepipeline-bitbucket-integration/issues/19
    Known {
        id: "execution-role-too-weak",
        types: &["AWS::Lambda::"],
        patterns: &[r"execution role does not have permissions to call (?P<action>\w+) on (?P<service>\w+)"],
        codes: &[],
        meaning: "the role of the function may not do {action} on {service}, which Lambda tests when it is set up",
        fix: "give the function `access` to what it needs, or allow {action} in the policy of its role",
        example: r#"Resource handler returned message: "The provided execution role does not have permissions to call CreateNetworkInterface on EC2 (Service: Lambda, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/mongodb/docs-worker-pool/pull/878
    Known {
        id: "visibility-below-timeout",
        types: &["AWS::Lambda::", "AWS::SQS::Queue"],
        patterns: &[
            r"Queue visibility timeout: (?P<queue>\d+) seconds is less than Function timeout: (?P<function>\d+) seconds",
        ],
        codes: &[],
        meaning: "the queue shows a message again after {queue} seconds, while the function may work on it for {function}",
        fix: "set `visibilityTimeout` of the queue to at least {function}s (AWS advises six times that), or lower `timeout` of the function",
        example: r#"Resource handler returned message: "Invalid request provided: Queue visibility timeout: 30 seconds is less than Function timeout: 120 seconds (Service: Lambda, Status Code: 400, Request ID: 14ed7a5c-9f22-4c81-948a-35ae2e028b63)" (RequestToken: cabb6d1e-271d-ac18-479d-157538643662, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/aws/aws-cdk/issues/5991, github.com/hashicorp/terraform/issues/19756
    Known {
        id: "notification-refused",
        types: &["AWS::S3::Bucket"],
        patterns: &[r"Unable to validate the following destination configurations"],
        codes: &[],
        meaning: "S3 tested the target of a notification of {resource} and may not send to it: its policy does not allow it, or its key does not",
        fix: "let `notify` name a queue, topic or function of this file, whose policy is then made; one of your own must allow s3.amazonaws.com to send from this bucket, and its KMS key to encrypt",
        example: r#"Resource handler returned message: "Unable to validate the following destination configurations (Service: S3, Status Code: 400, Request ID: 1, Extended Request ID: 2)" (RequestToken: 3, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/awslabs/aws-deployment-framework/issues/455, github.com/aws/serverless-application-model/issues/1455
    Known {
        id: "pattern-invalid",
        types: &["AWS::Events::"],
        patterns: &[r"Event pattern is not valid\. Reason: (?P<why>.+?)(?: at \[Source|$)"],
        codes: &[],
        meaning: "EventBridge does not take the pattern of {resource}: {why}",
        fix: "correct the pattern; `deployer docs E0340` explains what one may hold",
        example: r#"Event pattern is not valid. Reason: "resources" must be an object or an array at [Source: (String)"{"detail-type":["x"],"resources":"y"}"; line: 1, column: 68] (Service: AmazonCloudWatchEvents; Status Code: 400; Error Code: InvalidEventPatternException; Request ID: 29d9e855-6606-46ed-bf43-2e1bf34238d8; Proxy: null)"#,
    },
    // Amazon CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS Key Management Service"
    Known {
        id: "key-not-for-logs",
        types: &["AWS::Logs::"],
        patterns: &[
            r"The specified KMS key does not exist or is not allowed to be used with Arn '(?P<group>[^']+)",
        ],
        codes: &[],
        meaning: "the policy of the KMS key does not let CloudWatch Logs use it for {group}, or the key is in another region",
        fix: "allow `logs.REGION.amazonaws.com` to encrypt and decrypt in the policy of the key; a `key` of this file does so",
        example: r#"Resource handler returned message: "The specified KMS key does not exist or is not allowed to be used with Arn 'arn:aws:logs:us-east-1:111122223333:log-group:/ecs/payment' (Service: CloudWatchLogs, Status Code: 400, Request ID: bd6ca935-483f-4605-b2c3-4d00851a4fd2)" (RequestToken: 1, HandlerErrorCode: InvalidRequest)"#,
    },
    // AWS KMS API Reference, DisabledException and KMSInvalidStateException; AWS KMS Developer Guide, "Key states of AWS KMS keys"
    Known {
        id: "key-disabled",
        types: &[],
        patterns: &[
            r"(?P<key>arn:\S+:key/[\w-]+) is (?:disabled|pending deletion|pending import|unavailable)",
        ],
        codes: &[],
        meaning: "the KMS key {key} can't be used: it is disabled, or waits for its deletion",
        fix: "`aws kms cancel-key-deletion` and `aws kms enable-key --key-id {key}`, or name another key (`encryptionKey`)",
        example: r#"Resource handler returned message: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab is pending deletion. (Service: Kms, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/serverless/examples/issues/279, github.com/cattle-ops/terraform-aws-gitlab-runner/pull/1253
    Known {
        id: "key-denied",
        types: &[],
        patterns: &[
            r"KMS access was denied",
            r"The ciphertext refers to a customer master key that does not exist",
            r"KMS\.?(?:Key)?(?:AccessDenied|AccessDeniedException)",
        ],
        codes: &["KMSAccessDeniedException", "KMS.AccessDeniedException"],
        meaning: "{resource} may not use the KMS key that it is to be encrypted with: the policy of the key or of the role does not allow it, or the key is gone",
        fix: "give `encryptionKey` a key of this file, whose policy is then made; one of your own must allow the role and the service",
        example: "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the function's KMS key settings. KMS Exception: AccessDeniedException",
    },
    // github.com/awslabs/landing-zone-accelerator-on-aws/issues/241; Amazon VPC User Guide, "Amazon VPC quotas"
    Known {
        id: "vpc-quota",
        types: &["AWS::EC2::VPC"],
        patterns: &[r"The maximum number of VPCs has been reached"],
        codes: &["VpcLimitExceeded"],
        meaning: "the account has as many VPCs in this region as its quota allows (5 unless it was raised)",
        fix: "delete a VPC that nothing needs, or have the quota `VPCs per Region` raised (Service Quotas, vpc, L-F678F1CE)",
        example: r#"Resource handler returned message: "The maximum number of VPCs has been reached. (Service: Ec2, Status Code: 400, Request ID: 5ce9e2b3-ab97-48ae-9110-21df5e97e9b5)" (RequestToken: 79d65bb7-1d80-c629-18dc-b61fe9935538, HandlerErrorCode: GeneralServiceException)"#,
    },
    // github.com/aws/aws-parallelcluster/issues/1734; Amazon EC2 User Guide, "Elastic IP addresses"
    Known {
        id: "address-quota",
        types: &["AWS::EC2::EIP", "AWS::EC2::NatGateway"],
        patterns: &[r"The maximum number of addresses has been reached"],
        codes: &["AddressLimitExceeded"],
        meaning: "the account has as many Elastic IP addresses in this region as its quota allows (5 unless it was raised)",
        fix: "release an address that nothing uses, or have the quota `EC2-VPC Elastic IPs` raised (Service Quotas, ec2, L-0263D0A3); a `network` of this file needs none",
        example: "The maximum number of addresses has been reached. (Service: AmazonEC2; Status Code: 400; Error Code: AddressLimitExceeded; Request ID: 4eab21b1-72d3-43af-ba83-aa3a479414a4)",
    },
    // Amazon VPC User Guide, "Amazon VPC quotas"; seen of gateways, endpoints and rules of security groups
    Known {
        id: "network-quota",
        types: &["AWS::EC2::"],
        patterns: &[r"The maximum number of (?P<what>[\w ]+?) has been reached"],
        codes: &[],
        meaning: "the account has as many {what} as its quota allows",
        fix: "delete some that nothing needs, or have the quota raised in Service Quotas (vpc)",
        example: r#"Resource handler returned message: "The maximum number of internet gateways has been reached. (Service: Ec2, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: ServiceLimitExceeded)"#,
    },
    // AWS IAM User Guide, "IAM and AWS STS quotas"; github.com/serverless/serverless, "Maximum policy size … exceeded"
    Known {
        id: "policy-too-large",
        types: &["AWS::IAM::", "AWS::Lambda::Permission"],
        patterns: &[r"Maximum policy size of (?P<limit>\d+) bytes exceeded"],
        codes: &[],
        meaning: "the policies of the role are larger than {limit} characters together, which IAM does not allow",
        fix: "split the function in two, or give it `access` to fewer resources; `deployer docs E0314` explains the limit",
        example: r#"Resource handler returned message: "Maximum policy size of 10240 bytes exceeded for role shop-dev-LoadRole (Service: Iam, Status Code: 409, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: ServiceLimitExceeded)"#,
    },
    // AWS IAM User Guide, "IAM and AWS STS quotas"
    Known {
        id: "iam-quota",
        types: &["AWS::IAM::"],
        patterns: &[r"Cannot exceed quota for (?P<quota>\w+): (?P<limit>\d+)"],
        codes: &[],
        meaning: "the account is at its limit of IAM: {quota}, {limit}",
        fix: "delete roles or policies that nothing needs, or have the quota raised in Service Quotas (iam, in us-east-1)",
        example: r#"Resource handler returned message: "Cannot exceed quota for RolesPerAccount: 1000 (Service: Iam, Status Code: 409, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: ServiceLimitExceeded)"#,
    },
    // github.com/serverless/serverless/issues/149; AWS CloudFormation User Guide, "Understand CloudFormation quotas"
    Known {
        id: "stack-quota",
        types: &[],
        patterns: &[r"Limit for stacks has been exceeded"],
        codes: &[],
        meaning: "the account has as many stacks in this region as its quota allows",
        fix: "`deployer destroy` stacks that nothing needs, or have the quota `Stack count` raised (Service Quotas, cloudformation, L-0485CB21)",
        example: "Limit for stacks has been exceeded",
    },
    // github.com/serverless/serverless/issues/6803; AWS CloudFormation User Guide, "Understand CloudFormation quotas"
    Known {
        id: "too-many-resources",
        types: &[],
        patterns: &[r"Number of resources, (?P<count>\d+), is greater than maximum allowed"],
        codes: &[],
        meaning: "the template has {count} resources, and a stack holds 500",
        fix: "divide the file into two; `deployer synth` shows what each entry becomes",
        example: "Template format error: Number of resources, 512, is greater than maximum allowed, 500",
    },
    // github.com/serverless/serverless/issues/2622
    Known {
        id: "tables-at-once",
        types: &["AWS::DynamoDB::"],
        patterns: &[r"Subscriber limit exceeded: (?P<limit>[^(]+)"],
        codes: &[],
        meaning: "DynamoDB changes only so many tables and indexes at once: {limit}",
        fix: "let some tables wait for others (`options.dependsOn`), or wait until other deployments have ended, and run `deployer deploy` again",
        example: "Subscriber limit exceeded: Only 10 tables can be created, updated, or deleted simultaneously",
    },
    // Amazon DynamoDB Developer Guide, "Managing Global Secondary Indexes"; AWS::DynamoDB::Table in the CloudFormation Template Reference
    Known {
        id: "one-index-at-a-time",
        types: &["AWS::DynamoDB::"],
        patterns: &[r"Cannot perform more than one GSI creation or deletion in a single update"],
        codes: &[],
        meaning: "a table can get or lose one index in a deployment, and this one changes several; a renamed index counts twice",
        fix: "deploy the changes of `indexes` one by one",
        example: r#"Resource handler returned message: "Cannot perform more than one GSI creation or deletion in a single update" (RequestToken: 1, HandlerErrorCode: InvalidRequest)"#,
    },
    // Amazon DynamoDB API Reference, DeleteTable; Developer Guide, "Using deletion protection"
    Known {
        id: "table-protected",
        types: &["AWS::DynamoDB::"],
        patterns: &[r"currently protected against deletion"],
        codes: &[],
        meaning: "the table `{name}` protects itself from deletion",
        fix: "`deployer recover` asks whether to switch that off, or keeps the table; for the next time set `removal: delete` of the stack, or `options: { retain: false }` of the table, and deploy that before",
        example: r#"Resource handler returned message: "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first. (Service: DynamoDb, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // Amazon DynamoDB Developer Guide, "Error handling with DynamoDB": ResourceInUseException
    Known {
        id: "table-busy",
        types: &["AWS::DynamoDB::"],
        patterns: &[
            r"Attempt to change a resource which is still in use",
            r"Table is being (?:deleted|created|updated)",
        ],
        codes: &["ResourceInUseException"],
        meaning: "the table is being changed or deleted at the moment",
        fix: "wait some minutes, then run the command again",
        example: "Attempt to change a resource which is still in use: Table is being deleted: shop-dev-Orders (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceInUseException; Request ID: 1; Proxy: null)",
    },
    // github.com/F5Networks/f5-aws-cloudformation/issues/52, github.com/aws/aws-cdk/issues/21776
    Known {
        id: "bucket-not-empty",
        types: &["AWS::S3::Bucket"],
        patterns: &[r"The bucket you tried to delete is not empty"],
        codes: &["BucketNotEmpty"],
        meaning: "the bucket `{name}` holds objects, and S3 deletes empty buckets only",
        fix: "`deployer recover` asks whether to empty it, or keeps it",
        example: "The bucket you tried to delete is not empty (Service: Amazon S3; Status Code: 409; Error Code: BucketNotEmpty; Request ID: 13B5WKE8TCT9VS8K; S3 Extended Request ID: 7fJ=; Proxy: null)",
    },
    // Amazon ECR API Reference, RepositoryNotEmptyException
    Known {
        id: "repository-not-empty",
        types: &["AWS::ECR::Repository"],
        patterns: &[
            r"repository with name '(?P<name>[^']+)'.*(?:cannot be deleted because it still contains images|is not empty)",
        ],
        codes: &["RepositoryNotEmptyException"],
        meaning: "the repository `{name}` holds images, and ECR deletes empty repositories only",
        fix: "`aws ecr delete-repository --repository-name {name} --force` deletes it with its images, then run `deployer recover`, which else keeps it",
        example: "The repository with name 'shop' in registry with id '111122223333' cannot be deleted because it still contains images (Service: AmazonECR; Status Code: 400; Error Code: RepositoryNotEmptyException; Request ID: 1)",
    },
    // AWS CloudFormation User Guide, "Protect CloudFormation stacks from being deleted"
    Known {
        id: "termination-protection",
        types: &[],
        patterns: &[r"cannot be deleted while TerminationProtection is enabled"],
        codes: &[],
        meaning: "termination protection of the stack is on",
        fix: "take `protect: true` away from the stack in the file, and run `deployer destroy`, which then asks whether to switch it off",
        example: "Stack [arn:aws:cloudformation:eu-west-1:111122223333:stack/shop-prod/1] cannot be deleted while TerminationProtection is enabled",
    },
    // github.com/anomalyco/sst/issues/1256, github.com/linz/geostore/issues/630
    Known {
        id: "export-in-use",
        types: &[],
        patterns: &[
            r"Export (?P<export>\S+) cannot be (?:deleted|updated) as it is in use by (?P<stack>[^\s(]+(?:(?:,| and) [^\s(]+)*)",
        ],
        codes: &[],
        meaning: "the stack {stack} imports `{export}`, so it can be neither changed nor deleted",
        fix: "deploy {stack} without that import (or destroy it) first",
        example: "Export dev-stackA:ExportsOutputRefTable cannot be deleted as it is in use by dev-stackB",
    },
    // AWS re:Post Knowledge Center, "How do I resolve circular dependency errors with AWS SAM templates in CloudFormation"
    Known {
        id: "circular-dependency",
        types: &[],
        patterns: &[r"Circular dependency between resources: \[(?P<resources>[^\]]+)"],
        codes: &[],
        meaning: "resources wait for each other in a circle: {resources}",
        fix: "take one of the references between them out, or `options.dependsOn`; `deployer docs E0310` shows how",
        example: "Circular dependency between resources: [Landing, ArrivalsPolicy]",
    },
    // AWS CloudFormation User Guide, "Troubleshooting CloudFormation"
    Known {
        id: "template-invalid",
        types: &[],
        patterns: &[r"Template (?:(?:format|validation) )?error: (?P<why>.+)"],
        codes: &[],
        meaning: "CloudFormation does not take the template: {why}",
        fix: "`deployer synth` shows the template; if no raw type (`AWS::…`) of the file is the reason, it is a defect of deployer: please report it",
        example: "Template validation error: Template error: instance of Fn::GetAtt references undefined resource Orders",
    },
    // AWS CloudFormation API Reference, InsufficientCapabilities
    Known {
        id: "capability-missing",
        types: &[],
        patterns: &[r"Requires capabilities : \[(?P<capability>\w+)"],
        codes: &[],
        meaning: "the template needs the capability {capability}: it gives roles or policies names of their own, or has a macro",
        fix: "take the names out of the IAM resources of the file, so that CloudFormation makes them",
        example: "Requires capabilities : [CAPABILITY_NAMED_IAM] (Service: AmazonCloudFormation; Status Code: 400; Error Code: InsufficientCapabilitiesException; Request ID: 1)",
    },
    // github.com/towardsthecloud/aws-cdk-examples/issues/1
    Known {
        id: "fargate-size",
        types: &["AWS::ECS::"],
        patterns: &[r"No Fargate configuration exists for given values(?:: (?P<values>[^.]+))?"],
        codes: &[],
        meaning: "Fargate has no task of this size; cpu and memory come in fixed pairs",
        fix: "choose `cpu` and `memory` of {resource} from one row of the table in `deployer docs E0301`",
        example: r#"Resource handler returned message: "Invalid request provided: Create TaskDefinition: No Fargate configuration exists for given values: 512 CPU, 512 memory. See the Amazon ECS documentation for the valid values. (Service: AmazonECS; Status Code: 400; Error Code: ClientException; Request ID: 1; Proxy: null)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // github.com/aws/copilot-cli/issues/5296, github.com/aws-cloudformation/rain/issues/458
    Known {
        id: "service-not-stable",
        types: &["AWS::ECS::Service"],
        patterns: &[
            r"ECS Deployment Circuit Breaker was triggered",
            r"did not stabilize",
            r"Exceeded attempts to wait",
        ],
        codes: &["NotStabilized"],
        meaning: "the tasks of {resource} start and end again, or don't become healthy: the image, its permissions, its network or its health check",
        fix: "read why the tasks stopped (shown here if ECS still knows) and what they logged; mend that, then run `deployer deploy` again",
        example: r#"Resource handler returned message: "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'." (RequestToken: a3ab2120-1821-f83c-3adc-23d519cacdfe, HandlerErrorCode: GeneralServiceException)"#,
    },
    // AWS Lambda Developer Guide, "Troubleshoot container image issues in Lambda": function states of images
    Known {
        id: "function-failed",
        types: &["AWS::Lambda::"],
        patterns: &[r"reached terminal FAILED state due to (?P<why>.+?)(?: and failed to stabilize|$)"],
        codes: &[],
        meaning: "Lambda took the function and could not make it ready: {why}",
        fix: "mend what is named (the image's layers, its architecture, subnets or the key), then run `deployer deploy` again",
        example: r#"Resource handler returned message: "Lambda function shop-dev-load reached terminal FAILED state due to InvalidImage(ImageLayerFailure: UnsupportedImageLayerDetected - Layer Digest sha256:1234) and failed to stabilize" (RequestToken: 1, HandlerErrorCode: NotStabilized)"#,
    },
    // github.com/data-dot-all/dataall/issues/1080, github.com/convox/rack/issues/2941
    Known {
        id: "named-replacement",
        types: &[],
        patterns: &[
            r"cannot update a stack when a custom-named resource requires replacing\. Rename (?P<name>\S+) and update",
        ],
        codes: &[],
        meaning: "the change needs a new {resource} beside the old one, and both can't be named `{name}`",
        fix: "set another name for it, or none; or take it out of the file, deploy, and put it back, which loses what it holds",
        example: "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename prod-orders and update the stack again.",
    },
    // github.com/aws/aws-cdk/issues/21674
    Known {
        id: "hook-failed",
        types: &[],
        patterns: &[r"The following hook\(s\) failed: \[?(?P<hook>[\w:, ]+)"],
        codes: &[],
        meaning: "a rule that the account sets for all stacks ({hook}) forbids {resource} as it is",
        fix: "change it as the hook asks; its own reason stands with the events of the operation, if it gave one",
        example: "The following hook(s) failed: [AWSSamples::RdsEncrypt::Hook]",
    },
    // github.com/binxio/cfn-postgresql-user-provider/issues/9, github.com/hashicorp/terraform-provider-aws/issues/16165
    Known {
        id: "security-group-in-use",
        types: &["AWS::EC2::SecurityGroup"],
        patterns: &[r"resource (?P<name>sg-\w+) has a dependent object"],
        codes: &["DependencyViolation"],
        meaning: "something still uses the security group {name}: mostly a network interface of a function, which Lambda removes up to 20 minutes later, or a rule of another group",
        fix: "wait, then run `deployer recover`; `aws ec2 describe-network-interfaces --filters Name=group-id,Values={name}` shows who uses it",
        example: "resource sg-0b8b2fcf05a0509b6 has a dependent object (Service: AmazonEC2; Status Code: 400; Error Code: DependencyViolation; Request ID: b4bd0dec-0300-42c1-bccc-c7ea5093ba1a)",
    },
    // AWS re:Post Knowledge Center, "How do I troubleshoot dependency errors when deleting my Amazon VPC"
    Known {
        id: "network-in-use",
        types: &["AWS::EC2::"],
        patterns: &[
            r"[Tt]he (?P<what>vpc|subnet|internetGateway|routeTable|networkInterface) ?'?(?P<name>[\w-]*)'? has dependencies and cannot be deleted",
        ],
        codes: &["DependencyViolation"],
        meaning: "something that is not of this stack stands in {name}, such as a network interface, an endpoint or a load balancer",
        fix: "delete that, or wait until Lambda has removed its network interfaces (up to 20 minutes), then run `deployer recover`",
        example: r#"Resource handler returned message: "The vpc 'vpc-0d583caa141c170b6' has dependencies and cannot be deleted. (Service: Ec2, Status Code: 400, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)"#,
    },
    // Amazon EC2 API Reference, "Error codes": InvalidParameterValue of DeleteNetworkInterface
    Known {
        id: "network-interface-in-use",
        types: &["AWS::EC2::"],
        patterns: &[r"[Nn]etwork interface '?(?P<name>eni-\w+)'? is currently in use"],
        codes: &[],
        meaning: "the network interface {name} is still attached; Lambda removes those of its functions up to 20 minutes after them",
        fix: "wait, then run `deployer recover`",
        example: "Network interface 'eni-0e099301489cd6bb0' is currently in use. (Service: AmazonEC2; Status Code: 400; Error Code: InvalidParameterValue; Request ID: 1)",
    },
    // Amazon EC2 API Reference, "Error codes": InvalidGroup.NotFound, InvalidSubnetID.NotFound, InvalidVpcID.NotFound
    Known {
        id: "network-not-found",
        types: &[],
        patterns: &[r"[Tt]he (?P<what>security group|subnet ID|vpc ID) '(?P<name>[^']+)' does not exist"],
        codes: &["InvalidGroup.NotFound", "InvalidSubnetID.NotFound", "InvalidVpcID.NotFound"],
        meaning: "`{name}` is not in this account and region",
        fix: "correct the id where {resource} names it, or let it refer to a `network` of this file",
        example: "The subnet ID 'subnet-0bb1c79de3EXAMPLE' does not exist (Service: AmazonEC2; Status Code: 400; Error Code: InvalidSubnetID.NotFound; Request ID: 1)",
    },
    // github.com/cloudfoundry/bosh-bootloader/issues/45
    Known {
        id: "zone-not-available",
        types: &["AWS::EC2::"],
        patterns: &[r"Value \((?P<zone>[a-z0-9-]+)\) for parameter availabilityZone is invalid"],
        codes: &[],
        meaning: "this account can't have subnets in {zone}",
        fix: "lower `zones` of the network, or deploy to another region",
        example: "Value (us-east-1b) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1c.",
    },
    // github.com/awslabs/aws-deployment-framework/issues/283, github.com/aws-amplify/amplify-cli/issues/4446
    Known {
        id: "not-subscribed",
        types: &[],
        patterns: &[r"needs a subscription for the service", r"[Yy]ou are not subscribed to this service"],
        codes: &["OptInRequired", "SubscriptionRequiredException"],
        meaning: "the account, or this region of it, is not enabled for the service",
        fix: "finish signing the account up, or enable the region (`aws account enable-region`), which takes some minutes; or deploy to another region",
        example: "The AWS Access Key Id needs a subscription for the service (Service: AmazonEC2; Status Code: 401; Error Code: OptInRequired; Request ID: 1)",
    },
    // github.com/jenseickmeyer/github-commit-status-bot/issues/3, github.com/eksctl-io/eksctl/issues/5968
    Known {
        id: "credentials-expired",
        types: &[],
        patterns: &[r"security token included in the request is (?:expired|invalid)"],
        codes: &["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"],
        meaning: "the credentials that CloudFormation was given for this operation ended before it did, or are not valid for IAM",
        fix: "log in again, with a session that lasts longer than a deployment, and run the command again",
        example: "The security token included in the request is expired (Service: AmazonIdentityManagement; Status Code: 403; Error Code: ExpiredToken; Request ID: 1)",
    },
    // github.com/aws/aws-cdk/issues/9882, github.com/cloudfoundry/bosh-aws-cpi-release/issues/61
    Known {
        id: "throttled",
        types: &[],
        patterns: &[r"Rate exceeded", r"Request limit exceeded", r"Too Many Requests"],
        codes: &["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"],
        meaning: "AWS got more calls than it takes from this account at once; CloudFormation tried again for a while and then gave up",
        fix: "run the command again; if it happens often, don't deploy many stacks at once",
        example: "Rate exceeded for operation 'Rate exceeded (Service: Lambda, Status Code: 429, Request ID: 2d5768a1-1dcc-42eb-9d7d-e3290f10f4ed, Extended Request ID: null)'.",
    },
    // github.com/firespring/givesource/issues/12, github.com/hybox/aws/issues/167
    Known {
        id: "nested-stack-failed",
        types: &["AWS::CloudFormation::Stack"],
        patterns: &[r"Embedded stack (?P<stack>\S+) was not successfully"],
        codes: &[],
        meaning: "a stack within the stack failed: {stack}",
        fix: "its own events say why: `aws cloudformation describe-stack-events --stack-name {stack}`",
        example: "Embedded stack arn:aws:cloudformation:us-east-1:111122223333:stack/Outer-Inner-1RAK/f76f3cc0-5e92-11ea-9395-0e403b617781 was not successfully created: The following resource(s) failed to create: [Role].",
    },
    // AWS CloudFormation User Guide, "Troubleshooting CloudFormation": custom resources
    Known {
        id: "custom-resource-failed",
        types: &[],
        patterns: &[
            r"Received response status \[FAILED\] from custom resource",
            r"Custom Resource failed to stabilize in expected time",
            r"did not receive a response from your Custom Resource",
        ],
        codes: &[],
        meaning: "the function behind the custom resource {resource} said that it failed, or said nothing",
        fix: "its logs say why; a function that can't be reached keeps the stack waiting for an hour each time",
        example: "Received response status [FAILED] from custom resource. Message returned: See the details in CloudWatch Log Stream: 2026/11/01/[$LATEST]1 (RequestId: 2)",
    },
    // AWS CloudFormation User Guide, "Troubleshooting CloudFormation"; handler contract: NotFound
    Known {
        id: "resource-gone",
        types: &[],
        patterns: &[
            r"Resource of type '[^']+' with identifier '(?P<name>[^']+)' was not found",
            r"does not exist or (?:has been|was) deleted",
        ],
        codes: &["NotFound", "NoSuchEntity", "AWS.SimpleQueueService.NonExistentQueue"],
        meaning: "`{name}` is not there any more: somebody deleted it by other means than the stack",
        fix: "`deployer drift` shows what else differs; take {resource} out of the file and deploy, then put it back; a rollback that fails for it goes on with `deployer recover --skip`",
        example: r#"Resource handler returned message: "Resource of type 'AWS::SQS::Queue' with identifier 'orders' was not found." (RequestToken: 1, HandlerErrorCode: NotFound)"#,
    },
    // AWS CloudFormation User Guide, "Troubleshooting CloudFormation"; Properties validation of handlers
    Known {
        id: "property-invalid",
        types: &[],
        patterns: &[
            r"Properties validation failed for resource \w+ with message:?\s*(?P<why>.+)",
            r"Model validation failed \((?P<why>.+)\)",
        ],
        codes: &[],
        meaning: "a property of {resource} is not what the type takes: {why}",
        fix: "correct it in the file; `deployer docs TYPE` shows the properties of a type",
        example: "Properties validation failed for resource Lookup with message: [#/Content: expected type: String, found: JSONObject]",
    },
    // AWS IAM User Guide, "Troubleshoot IAM policies"
    Known {
        id: "policy-invalid",
        types: &[],
        patterns: &[
            r"MalformedPolicy(?:Document)?",
            r"Invalid principal in policy",
            r"Policy has invalid (?:resource|action|principal)",
        ],
        codes: &["MalformedPolicyDocument", "MalformedPolicyDocumentException", "MalformedPolicy"],
        meaning: "a policy of {resource} is not valid, or names a role, user or account that is not there",
        fix: "correct the policy; a principal must exist before the policy that names it is made",
        example: "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/gone\" (Service: AmazonIdentityManagement; Status Code: 400; Error Code: MalformedPolicyDocument; Request ID: 1)",
    },
    // github.com/serverless/serverless/issues/2605; handler contract: ServiceLimitExceeded
    Known {
        id: "quota-exceeded",
        types: &[],
        patterns: &[r"(?i)(?:resource |account |service )?(?:limit|quota) (?:is |was |has been )?exceeded"],
        codes: &["ServiceLimitExceeded", "LimitExceededException", "LimitExceeded"],
        meaning: "the account is at a limit of the service that {resource} belongs to",
        fix: "delete what nothing needs, or have the quota raised in Service Quotas, then run `deployer deploy` again",
        example: "Resource limit exceeded. (Service: AWSLogs; Status Code: 400; Error Code: LimitExceededException; Request ID: 7f91c669-d06e-11e8-9a28-85527fa06d9e)",
    },
    // Handler contract of the CloudFormation CLI User Guide: AccessDenied
    Known {
        id: "access-denied",
        types: &[],
        patterns: &[r"Access ?Denied"],
        codes: &["AccessDenied", "AccessDeniedException", "InvalidCredentials"],
        meaning: "the role that you deploy with may not do something that {resource} needs, which the service does not name",
        fix: "CloudTrail shows the call that was denied (`aws cloudtrail lookup-events`, a few minutes later); allow it to the role",
        example: r#"Resource handler returned message: "Access denied for operation 'AWS::SQS::Queue'." (RequestToken: 1, HandlerErrorCode: AccessDenied)"#,
    },
    // AWS CloudFormation CLI User Guide, handler error codes; "Exceeded attempts to wait" of handlers
    Known {
        id: "not-stable",
        types: &[],
        patterns: &[r"did not stabilize", r"Exceeded attempts to wait", r"[Rr]esource timed out waiting for"],
        codes: &["NotStabilized"],
        meaning: "{resource} was made, and did not become ready in the time that CloudFormation waits",
        fix: "look at it in its own service for the reason; often it is a permission, a network or a part that it waits for",
        example: r#"Resource handler returned message: "Exceeded attempts to wait" (RequestToken: 36086107-14b9-bbbe-fed4-9d8496c2579f, HandlerErrorCode: NotStabilized)"#,
    },
    // github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/607; handler error codes
    Known {
        id: "internal-failure",
        types: &[],
        patterns: &[r"^Internal Failure", r"(?i)internal (?:service )?error"],
        codes: &["InternalFailure", "ServiceInternalError", "ServiceTimeout", "NetworkFailure"],
        meaning: "AWS failed within, or did not answer in time; nothing of the file need be wrong",
        fix: "run the command again; if it stays so, the AWS Health Dashboard may say more, and AWS support can look it up by the request id",
        example: "Internal Failure",
    },
];

impl Known {
    /// Whether the same call may succeed later without a change.
    #[must_use]
    pub fn passes(&self) -> bool {
        PASSING.contains(&self.id)
    }

    /// The types that fail like that, in words.
    #[must_use]
    pub fn types_in_words(&self) -> String {
        match self.types {
            [] => "any resource".to_owned(),
            types => types
                .iter()
                .map(|name| format!("`{name}{}`", if name.ends_with("::") { "*" } else { "" }))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    fn is_of(&self, resource_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|start| resource_type.starts_with(start))
    }
}

/// Failures that time alone mends.
const PASSING: [&str; 9] = [
    "queue-deleted-recently",
    "role-not-assumable",
    "table-busy",
    "security-group-in-use",
    "network-in-use",
    "network-interface-in-use",
    "credentials-expired",
    "throttled",
    "internal-failure",
];

/// The entry of this name.
#[must_use]
pub fn entry(id: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.id == id)
}

/// The patterns of each entry, compiled when the first failure is looked up.
fn patterns() -> &'static [Vec<Regex>] {
    static PATTERNS: OnceLock<Vec<Vec<Regex>>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let compile = |pattern: &&str| RegexBuilder::new(pattern).dot_matches_new_line(true).build().ok();
        TABLE.iter().map(|known| known.patterns.iter().filter_map(compile).collect()).collect()
    })
}

/// The first entry that explains a reason: one whose pattern fits, else one whose code does.
#[must_use]
pub fn find(subject: &Subject, reason: &Reason) -> Option<Found> {
    let of_type = || TABLE.iter().zip(patterns()).filter(|(known, _)| known.is_of(subject.resource_type));
    let by_pattern = of_type().find_map(|(known, patterns)| {
        patterns.iter().find_map(|pattern| pattern.captures(reason.message)).map(|found| (known, Some(found)))
    });
    let has_code = |known: &Known| {
        let codes = [reason.handler_code, reason.error_code];
        codes.iter().flatten().any(|code| known.codes.contains(code))
    };
    let (known, captures) = by_pattern
        .or_else(|| of_type().find(|(known, _)| has_code(known)).map(|(known, _)| (known, None)))?;
    let fill = |text: &str| fill(text, subject, captures.as_ref());
    Some(Found { known, meaning: fill(known.meaning), fix: fill(known.fix) })
}

/// What to do about a failure that is not known.
#[must_use]
pub fn general_fix(subject: &Subject, status: &str) -> String {
    let text = match status {
        "DELETE_FAILED" => {
            "mend what the message says of {resource}, then run `deployer recover`, which else keeps it"
        }
        _ => "change {resource} as the message asks, then run `deployer deploy` again",
    };
    fill(text, subject, None)
}

/// Puts what was found into the places of a text.
fn fill(text: &str, subject: &Subject, captures: Option<&Captures>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, after)) if is_place(name) => {
                out.push_str(&place(name, subject, captures));
                rest = after;
            }
            // Braces of an example.
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_place(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_lowercase())
}

fn place(name: &str, subject: &Subject, captures: Option<&Captures>) -> String {
    let captured = captures.and_then(|captures| captures.name(name)).map(|found| found.as_str().trim());
    match (name, captured) {
        (_, Some(text)) if !text.is_empty() => text.to_owned(),
        ("resource", _) => {
            let name = subject.origin.unwrap_or(subject.logical_id);
            format!("`{name}`")
        }
        ("name", _) if !subject.physical_id.is_empty() => subject.physical_id.to_owned(),
        ("name", _) => subject.logical_id.to_owned(),
        _ => "(not named)".to_owned(),
    }
}
