//! The calls that CloudFormation's handlers make on the resources of a template, with names as CloudFormation makes them.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::permissions::published;
use deployer_lang::Compiled;
use serde_json::Value;

use super::{ACCOUNT, Need, REGION};

/// Properties that name a resource.
const NAMED_BY: [(&str, &str); 13] = [
    ("AWS::CloudWatch::Dashboard", "DashboardName"),
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::ECS::TaskDefinition", "Family"),
    ("AWS::Events::EventBus", "Name"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::KMS::Alias", "AliasName"),
    ("AWS::Lambda::Function", "FunctionName"),
    ("AWS::Logs::DeliveryDestination", "Name"),
    ("AWS::Logs::DeliverySource", "Name"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SQS::Queue", "QueueName"),
    ("AWS::SSM::Parameter", "Name"),
];

/// Returns the name that a resource has after a deployment.
pub(super) fn physical(stack: &str, id: &str, resource: &Value) -> String {
    let kind = resource["Type"].as_str().unwrap_or_default();
    let named = NAMED_BY.iter().find(|(known, _)| *known == kind);
    let name = named.map(|(_, property)| &resource["Properties"][*property]).unwrap_or(&Value::Null);
    let joined = name["Fn::Join"][1].as_array().map(|parts| {
        let parts = parts.iter().map(|part| part.as_str().unwrap_or("0a1b2c3d4e5f"));
        parts.collect::<Vec<_>>().join(name["Fn::Join"][0].as_str().unwrap_or_default())
    });
    let name = name.as_str().or_else(|| name["Fn::Sub"].as_str()).map(str::to_owned).or(joined);
    let Some(mut name) = name else {
        let part = |text: &str| text.chars().take(24).collect::<String>();
        let made = format!("{}-{}-1A2B3C4D5E6F", part(stack), part(id));
        return if kind == "AWS::S3::Bucket" { made.to_lowercase() } else { made };
    };
    for (reference, value) in
        [("AWS::StackName", stack), ("AWS::AccountId", ACCOUNT), ("AWS::Region", REGION)]
    {
        name = name.replace(&format!("${{{reference}}}"), value);
    }
    while let Some((start, rest)) = name.clone().split_once("${") {
        name = format!("{start}known{}", rest.split_once('}').expect("an end").1);
    }
    name
}

fn key(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

/// Returns the key that the resources name by its ARN, which no case does beside others.
fn named_key(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => map.iter().find_map(|(name, inner)| {
            let text = inner.as_str().or(inner["Fn::Sub"].as_str()).filter(|_| name.starts_with("Kms"));
            let own = text.and_then(|text| text.split_once(":key/")).map(|(_, id)| key(id));
            own.or_else(|| named_key(inner))
        }),
        Value::Array(items) => items.iter().find_map(named_key),
        _ => None,
    }
}

/// Returns whether a text is the ARN of a resource of an account that is not the one of the stacks.
fn is_of_another_account(text: &str) -> bool {
    let account = text.split(':').nth(4).filter(|_| text.starts_with("arn:")).unwrap_or_default();
    account != ACCOUNT && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

/// A template and the place of its resources.
struct Template<'a> {
    stack: &'a str,
    resources: &'a Value,
}

impl Template<'_> {
    /// Returns the names of the resources that a property refers to, or names.
    fn referred(&self, value: &Value) -> Vec<String> {
        let id = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str());
        match (value, id) {
            (Value::Array(items), _) => items.iter().flat_map(|item| self.referred(item)).collect(),
            (Value::String(text), _) if is_of_another_account(text) => vec![text.clone()],
            (Value::String(text), _) if text.starts_with("arn:") || text.starts_with("https:") => {
                vec![text.rsplit([':', '/']).next().unwrap_or(text).to_owned()]
            }
            (Value::String(text), _) => vec![text.clone()],
            // The ARN of an existing resource.
            (Value::Object(map), None) if map.get("Fn::Sub").is_some_and(Value::is_string) => {
                self.referred(&map["Fn::Sub"])
            }
            (_, Some(id)) if self.resources[id].is_object() => {
                vec![physical(self.stack, id, &self.resources[id])]
            }
            _ => vec!["known-to-aws-alone".to_owned()],
        }
    }

    /// Returns the ARNs of a resource, or of the one that it belongs to.
    fn arns(&self, id: &str, resource: &Value) -> Vec<String> {
        let at = |service: &str, rest: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        let own = physical(self.stack, id, resource);
        let of = |property: &str| self.referred(&resource["Properties"][property]);
        let each = |names: Vec<String>, arn: &dyn Fn(&str) -> String| -> Vec<String> {
            let one = |name: &String| match is_of_another_account(name) {
                true => name.clone(),
                false => arn(name),
            };
            names.iter().map(one).collect()
        };
        let function = |name: &str| at("lambda", format!("function:{name}"));
        let queue = |name: &str| at("sqs", name.to_owned());
        let topic = |name: &str| at("sns", name.to_owned());
        let bucket = |name: &str| format!("arn:aws:s3:::{name}");
        let bus = |name: &str| at("events", format!("event-bus/{name}"));
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::CloudWatch::Alarm" => vec![at("cloudwatch", format!("alarm:{own}"))],
            "AWS::CloudWatch::Dashboard" => vec![format!("arn:aws:cloudwatch::{ACCOUNT}:dashboard/{own}")],
            "AWS::DynamoDB::Table" => vec![at("dynamodb", format!("table/{own}"))],
            "AWS::ECS::Cluster" => vec![at("ecs", format!("cluster/{own}"))],
            "AWS::ECS::TaskDefinition" => vec![at("ecs", format!("task-definition/{own}:3"))],
            "AWS::EC2::EIP" => vec![at("ec2", "elastic-ip/eipalloc-0a1b".to_owned())],
            "AWS::EC2::InternetGateway" => vec![at("ec2", "internet-gateway/igw-0a1b".to_owned())],
            "AWS::EC2::NatGateway" => vec![at("ec2", "natgateway/nat-0a1b".to_owned())],
            "AWS::EC2::RouteTable" => vec![at("ec2", "route-table/rtb-0a1b".to_owned())],
            "AWS::EC2::SecurityGroup" => vec![at("ec2", "security-group/sg-0a1b".to_owned())],
            "AWS::EC2::Subnet" => vec![at("ec2", "subnet/subnet-0a1b".to_owned())],
            "AWS::EC2::VPC" => vec![at("ec2", "vpc/vpc-0a1b".to_owned())],
            "AWS::EC2::VPCEndpoint" => vec![at("ec2", "vpc-endpoint/vpce-0a1b".to_owned())],
            "AWS::Events::Archive" => vec![at("events", format!("archive/{own}"))],
            "AWS::Events::EventBus" => vec![bus(&own)],
            "AWS::Events::EventBusPolicy" => each(of("EventBusName"), &bus),
            "AWS::Events::Rule" => match &resource["Properties"]["EventBusName"] {
                Value::Null => vec![at("events", format!("rule/{own}"))],
                Value::String(text) if text == "default" => vec![at("events", format!("rule/{own}"))],
                _ => each(of("EventBusName"), &|bus| at("events", format!("rule/{bus}/{own}"))),
            },
            "AWS::IAM::Role" => {
                let path = resource["Properties"]["Path"].as_str().unwrap_or("/");
                vec![format!("arn:aws:iam::{ACCOUNT}:role{path}{own}")]
            }
            "AWS::IoT::Thing" => vec![at("iot", format!("thing/{own}"))],
            "AWS::KMS::Alias" => vec![at("kms", own)],
            "AWS::KMS::Key" => vec![at("kms", "key/0a1b2c3d".to_owned())],
            "AWS::Lambda::EventInvokeConfig" | "AWS::Lambda::Permission" => {
                each(of("FunctionName"), &function)
            }
            "AWS::Lambda::EventSourceMapping" => {
                vec![at("lambda", "event-source-mapping:0a1b2c3d".to_owned())]
            }
            "AWS::Lambda::Function" => vec![function(&own)],
            "AWS::Lambda::Url" => each(of("TargetFunctionArn"), &function),
            "AWS::Logs::Delivery" => vec![at("logs", "delivery:0a1b2c3d".to_owned())],
            "AWS::Logs::DeliveryDestination" => vec![at("logs", format!("delivery-destination:{own}"))],
            "AWS::Logs::DeliverySource" => vec![at("logs", format!("delivery-source:{own}"))],
            "AWS::Logs::LogGroup" => {
                vec![at("logs", format!("log-group:{own}")), at("logs", format!("log-group:{own}:*"))]
            }
            "AWS::Logs::MetricFilter" => {
                each(of("LogGroupName"), &|name| at("logs", format!("log-group:{name}:*")))
            }
            "AWS::S3::Bucket" => vec![bucket(&own)],
            "AWS::S3::BucketPolicy" => each(of("Bucket"), &bucket),
            "AWS::SNS::Subscription" => each(of("TopicArn"), &topic),
            "AWS::SNS::Topic" => vec![topic(&own)],
            "AWS::SNS::TopicPolicy" => each(of("Topics"), &topic),
            "AWS::SQS::Queue" => vec![queue(&own)],
            "AWS::SQS::QueuePolicy" => each(of("Queues"), &queue),
            "AWS::SSM::Parameter" => vec![at("ssm", format!("parameter/{}", own.trim_start_matches('/')))],
            "AWS::Scheduler::Schedule" => vec![at("scheduler", format!("schedule/default/{own}"))],
            "AWS::SecretsManager::Secret" => vec![at("secretsmanager", format!("secret:{own}-a1b2c3"))],
            _ => Vec::new(),
        }
    }

    /// Returns the roles in a value.
    fn roles(&self, value: &Value) -> BTreeSet<String> {
        let id = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str());
        match (value, id) {
            (_, Some(id)) if self.resources[id]["Type"] == "AWS::IAM::Role" => {
                self.arns(id, &self.resources[id]).into_iter().collect()
            }
            (Value::String(text), _) if text.contains(":role/") => BTreeSet::from([text.clone()]),
            (Value::Array(items), _) => items.iter().flat_map(|item| self.roles(item)).collect(),
            (Value::Object(map), None) => map.values().flat_map(|inner| self.roles(inner)).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Returns the service that gets the role of a resource.
    fn service(kind: &str) -> Option<&'static str> {
        Some(match kind {
            "AWS::ECS::TaskDefinition" => "ecs-tasks.amazonaws.com",
            "AWS::Events::Rule" => "events.amazonaws.com",
            "AWS::Lambda::Function" => "lambda.amazonaws.com",
            "AWS::Scheduler::Schedule" => "scheduler.amazonaws.com",
            _ => return None,
        })
    }

    /// Returns the calls of an action that the handler of a resource makes.
    fn calls(&self, id: &str, resource: &Value, action: &str) -> Vec<Need> {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let properties = &resource["Properties"];
        let source = format!("{kind} {id}");
        let need = |resource: &str| Need::new(action, resource, &source);
        let (service, _) = action.split_once(':').expect("a service");
        let own = self.arns(id, resource);
        let taken = published().resources(action);
        match action {
            "iam:PassRole" => {
                let pass = |role: &String| match Self::service(kind) {
                    Some(service) => need(role).with("iam:PassedToService", service),
                    None => need(role),
                };
                self.roles(properties).iter().map(pass).collect()
            }
            "iam:GetRole" if kind != "AWS::IAM::Role" => {
                self.roles(properties).iter().map(|role| need(role)).collect()
            }
            "lambda:GetLayerVersion" => {
                let layers = properties["Layers"].as_array().into_iter().flatten();
                layers.filter_map(Value::as_str).map(&need).collect()
            }
            "iam:CreateServiceLinkedRole" => {
                let role = format!(
                    "arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
                );
                vec![need(&role).with("iam:AWSServiceName", "ecs.amazonaws.com")]
            }
            "lambda:CreateEventSourceMapping"
            | "lambda:UpdateEventSourceMapping"
            | "lambda:DeleteEventSourceMapping" => {
                let on = if action.contains("Create") { "*" } else { own[0].as_str() };
                let functions = self.referred(&properties["FunctionName"]);
                let arn = |name: &String| format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
                functions.iter().map(|name| need(on).with("lambda:FunctionArn", &arn(name))).collect()
            }
            // A handler with a boundary gives it with each call.
            "iam:CreateRole"
            | "iam:PutRolePolicy"
            | "iam:AttachRolePolicy"
            | "iam:PutRolePermissionsBoundary" => {
                let boundary = properties["PermissionsBoundary"].as_str().unwrap_or_default();
                own.iter().map(|arn| need(arn).with("iam:PermissionsBoundary", boundary)).collect()
            }
            "logs:GetDeliverySource" | "logs:GetDeliveryDestination" if kind == "AWS::Logs::Delivery" => {
                let wanted = action.replace("logs:Get", "AWS::Logs::");
                let all = self.resources.as_object().into_iter().flatten();
                let all = all.filter(|(_, one)| one["Type"] == wanted.as_str());
                all.flat_map(|(id, one)| self.arns(id, one)).map(|arn| need(&arn)).collect()
            }
            _ if taken.as_ref().is_some_and(Vec::is_empty) => vec![need("*")],
            _ if kind == "AWS::Lambda::Function" && service == "s3" => {
                vec![need(&format!("arn:aws:s3:::deployer-assets-{ACCOUNT}-{REGION}/load/0a1b.zip"))]
            }
            _ if service == "kms" && kind != "AWS::KMS::Alias" => {
                vec![need(&named_key(self.resources).unwrap_or_else(|| key("0a1b2c3d")))]
            }
            "kms:CreateAlias" | "kms:UpdateAlias" | "kms:DeleteAlias" => {
                own.iter().chain([&key("0a1b2c3d")]).map(|arn| need(arn)).collect()
            }
            _ if service == "ec2" => {
                let required = taken.into_iter().flatten().filter(|kind| kind.is_required);
                let arn = |name: &str| {
                    format!("arn:aws:ec2:{REGION}:{ACCOUNT}:{}/id-0a1b2c3d", &name["ec2:".len()..])
                };
                required.map(|kind| need(&arn(kind.name))).chain(own.iter().map(|arn| need(arn))).collect()
            }
            // The handler of a table reads what it imports, and that of no other type names resources of another service.
            _ if !own.iter().any(|arn| arn.split(':').nth(2) == Some(service)) => Vec::new(),
            _ => own.iter().map(|arn| need(arn)).collect(),
        }
    }
}

/// Returns the calls of the handlers of a stack on its resources, and the actions that no statement mentions, by type.
pub(super) fn needs(
    compiled: &Compiled,
    statements: &[Value],
) -> (BTreeSet<Need>, BTreeMap<String, BTreeSet<String>>) {
    let template = compiled.template.to_value();
    let given: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let whole = Template { stack: &compiled.stack.name, resources: &template["Resources"] };
    let mut out = BTreeSet::new();
    let mut dropped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, resource) in template["Resources"].as_object().expect("resources") {
        let kind = resource["Type"].as_str().unwrap_or_default();
        for (action, _) in published().of(kind).into_iter().flatten() {
            let calls = whole.calls(id, resource, action);
            // Another type may be the one that needs an action of another service.
            match given.contains(action) && (!calls.is_empty() || action.starts_with("iam:")) {
                true => out.extend(calls),
                false => drop(dropped.entry(kind.to_owned()).or_default().insert(action.to_owned())),
            }
        }
        let beside = |action: &str, resource: String| Need::new(action, &resource, "beside the handlers");
        match kind {
            _ if kind == "AWS::CloudFormation::CustomResource" || kind.starts_with("Custom::") => {
                for name in whole.referred(&resource["Properties"]["ServiceToken"]) {
                    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
                    out.insert(beside("lambda:InvokeFunction", arn));
                }
            }
            "AWS::Logs::DeliverySource" => {
                let buses = template["Resources"].as_object().expect("resources").iter();
                let buses = buses.filter(|(_, one)| one["Type"] == "AWS::Events::EventBus");
                let buses = buses.flat_map(|(id, one)| whole.arns(id, one));
                out.extend(buses.map(|arn| beside("events:AllowVendedLogDeliveryForResource", arn)));
            }
            _ => {}
        }
    }
    let parameter =
        |name: &str| format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/'));
    for (_, declared) in template["Parameters"].as_object().into_iter().flatten() {
        if declared["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::SSM::Parameter::")) {
            let name = declared["Default"].as_str().unwrap_or("any");
            out.insert(Need::new("ssm:GetParameters", &parameter(name), "a parameter of the template"));
        }
    }
    let text = template.to_string();
    for (at, begin) in text.match_indices("{{resolve:") {
        let reference = text[at + begin.len()..].split("}}").next().unwrap_or_default();
        let parts: Vec<&str> = reference.split(':').collect();
        match parts[0] {
            "ssm" | "ssm-secure" => {
                out.insert(Need::new("ssm:GetParameters", &parameter(parts[1]), "a dynamic reference"));
            }
            "secretsmanager" if parts[1] != "arn" => {
                let arn = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{}-a1b2c3", parts[1]);
                out.insert(Need::new("secretsmanager:GetSecretValue", &arn, "a dynamic reference"));
            }
            _ => {}
        }
    }
    (out, dropped)
}
