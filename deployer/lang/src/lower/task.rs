//! `task` → TaskDefinition, two Roles, LogGroup, SecurityGroup.

use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use serde_json::{Value, json};

use super::lowering::{Grant, Lowering, On};
use super::{Builder, late_value, network, sensitive, statement, text_value};
use crate::assets::image_parameter;
use crate::iam;
use crate::model::access::Verb;
use crate::model::code::Image;
use crate::model::task::{Secret, Task};
use crate::model::{ResourceType, Stack, Text, TextPart};
use crate::names;
use contract::environment;

/// Repository that the deployer pushes images to.
pub(super) const ASSET_REPOSITORY: &str = "deployer-assets";

impl Lowering for Task {
    const GRANTS: &'static [Grant] = &[
        Grant::new(Verb::Run, "Run", &["ecs:RunTask"], On::Revisions),
        // RunTask with `propagateTags` tags the new task.
        Grant::new(Verb::Run, "Tag", &["ecs:TagResource"], On::Tasks),
        Grant::new(Verb::Run, "PassRolesOf", &["iam:PassRole"], On::Roles),
    ];

    fn lower(&self, builder: &mut Builder<'_>, id: &str, name: &str) {
        let log_group = format!("{id}Logs");
        let role = format!("{id}Role");
        let execution_role = format!("{id}ExecutionRole");
        builder.add_log_group(&log_group, self.log_retention);

        let worker = self.image.worker();
        let mut statements: Vec<Value> =
            self.access.iter().flat_map(|access| iam::statements(builder.stack, access, worker)).collect();
        statements.extend(statement::statements(builder.stack, &self.statements));
        let description = format!("What the task {name} may do.");
        builder.add(
            &role,
            "AWS::IAM::Role",
            iam::role(&description, "ecs-tasks.amazonaws.com", &statements, true),
        );

        let mut statements = pull(builder.stack, self);
        statements.push(iam::write_logs(&log_group));
        statements.extend(read_secrets(builder.stack, self));
        let description = format!("What ECS may do to start the task {name}.");
        builder.add(
            &execution_role,
            "AWS::IAM::Role",
            iam::role(&description, "ecs-tasks.amazonaws.com", &statements, true),
        );

        network::add_security_group(builder, id, &format!("Task {name}"), &self.network, &self.outbound);

        let image = match &self.image {
            Image::Program(_) => json!(Ref(image_parameter(name))),
            Image::Uri(uri) => text_value(builder.stack, uri),
        };
        let mut container = json!({
            "Name": name,
            "Image": image,
            "Essential": true,
            "User": self.user,
            "ReadonlyRootFilesystem": !self.writable,
            "Environment": environment_of(builder.stack, self),
            "LogConfiguration": {
                "LogDriver": "awslogs",
                "Options": {
                    "awslogs-group": Ref(&log_group),
                    "awslogs-region": Ref("AWS::Region"),
                    "awslogs-stream-prefix": name,
                },
            },
        });
        if !self.command.is_empty() {
            let command: Vec<Value> =
                self.command.iter().map(|word| late_value(builder.stack, word)).collect();
            container["Command"] = json!(command);
        }
        if !self.secrets.is_empty() {
            let secrets: Vec<Value> = self
                .secrets
                .iter()
                .map(|(name, secret)| json!({ "Name": name, "ValueFrom": value_from(builder.stack, secret) }))
                .collect();
            container["Secrets"] = json!(secrets);
        }
        let definition = json!({
            "Family": Sub(names::family(name)),
            "RequiresCompatibilities": ["FARGATE"],
            "NetworkMode": "awsvpc",
            "Cpu": self.cpu.to_string(),
            "Memory": (self.memory >> 20).to_string(),
            "RuntimePlatform": {
                "CpuArchitecture": self.architecture.name().to_ascii_uppercase(),
                "OperatingSystemFamily": "LINUX",
            },
            "EphemeralStorage": { "SizeInGiB": self.disk >> 30 },
            "ExecutionRoleArn": GetAtt(&execution_role, "Arn"),
            "TaskRoleArn": GetAtt(&role, "Arn"),
            "ContainerDefinitions": [container],
        });
        builder.add(id, "AWS::ECS::TaskDefinition", definition);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "securityGroup" => json!(GetAtt(format!("{id}SecurityGroup"), "GroupId")),
            _ => json!(Ref(id)),
        }
    }

    fn variables(&self, stack: &Stack, id: &str, name: &str, _: Verb) -> Vec<(&'static str, Value)> {
        let mut out = vec![
            (environment::TASK_CLUSTER, json!(GetAtt(logical_id(&self.cluster.name), "Arn"))),
            (environment::TASK_DEFINITION, json!(Ref(id))),
            (environment::TASK_CONTAINER, json!(name)),
            (environment::TASK_SUBNETS, network::subnet_text(stack, &self.network)),
            (environment::TASK_SECURITY_GROUPS, json!(GetAtt(format!("{id}SecurityGroup"), "GroupId"))),
            (environment::TASK_PUBLIC_IP, json!(network::public_ip(stack, &self.network))),
        ];
        if self.spot {
            out.push((environment::TASK_SPOT, json!("ENABLED")));
        }
        out
    }
}

/// Returns the statements that let ECS pull the image.
fn pull(stack: &Stack, task: &Task) -> Vec<Value> {
    let repository = match &task.image {
        Image::Program(_) => Some(json!(Sub(format!(
            "arn:${{AWS::Partition}}:ecr:${{AWS::Region}}:${{AWS::AccountId}}:repository/{ASSET_REPOSITORY}"
        )))),
        Image::Uri(uri) => private_repository(stack, uri),
    };
    // Anybody may pull from a public registry.
    let Some(repository) = repository else { return Vec::new() };
    let actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    vec![iam::without_resource("LogInToRegistry"), iam::allow("PullImage", &actions, repository)]
}

/// Returns the ARN of the repository of an image in ECR: `<account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>`.
fn private_repository(stack: &Stack, uri: &Text) -> Option<Value> {
    let mut parts = uri.parts.iter();
    // The repository may be a resource: `${repository.RepositoryUri}:latest`.
    if let Some(TextPart::Raw { resource, .. }) = parts.next()
        && let Some(ResourceType::Raw(raw)) = stack.resource(resource).map(|found| &found.is)
        && raw.type_id.name() == "AWS::ECR::Repository"
    {
        return Some(json!(GetAtt(logical_id(resource), "Arn")));
    }
    let text: String = uri
        .parts
        .iter()
        .map(|part| match part {
            TextPart::Literal(literal) => literal.clone(),
            TextPart::Pseudo(name) => format!("${{{name}}}"),
            TextPart::Attribute { .. } | TextPart::Raw { .. } => String::new(),
        })
        .collect();
    let (host, path) = text.split_once('/')?;
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".${AWS::URLSuffix}"))?;
    let name = path.split(['@', ':']).next().unwrap_or(path);
    Some(json!(Sub(format!("arn:${{AWS::Partition}}:ecr:{region}:{account}:repository/{name}"))))
}

/// Returns the statements that let ECS read the secrets.
fn read_secrets(stack: &Stack, task: &Task) -> Vec<Value> {
    let arns = |secrets: bool| -> Vec<Value> {
        let mut out: Vec<Value> = Vec::new();
        for (_, secret) in &task.secrets {
            let arn = match secret {
                Secret::Secret { arn, .. } if secrets => text_value(stack, arn),
                Secret::Parameter(name) if !secrets => names::parameter_arn(name),
                _ => continue,
            };
            if !out.contains(&arn) {
                out.push(arn);
            }
        }
        out
    };
    let statement = |sid: &str, action: &str, arns: Vec<Value>| {
        (!arns.is_empty()).then(|| iam::allow(sid, &[action], json!(arns)))
    };
    [
        statement("ReadSecrets", "secretsmanager:GetSecretValue", arns(true)),
        statement("ReadParameters", "ssm:GetParameters", arns(false)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the place of a secret: Amazon ECS Developer Guide, "Pass sensitive data to an Amazon ECS container":
/// `arn:json-key:version-stage:version-id`.
fn value_from(stack: &Stack, secret: &Secret) -> Value {
    match secret {
        Secret::Secret { arn, key: None } => text_value(stack, arn),
        Secret::Secret { arn, key: Some(key) } => {
            let mut parts = arn.parts.clone();
            parts.push(TextPart::Literal(format!(":{key}::")));
            text_value(stack, &Text { parts, span: arn.span })
        }
        Secret::Parameter(name) => names::parameter_arn(name),
    }
}

fn environment_of(stack: &Stack, task: &Task) -> Vec<Value> {
    let own = task
        .environment
        .0
        .iter()
        .map(|variable| json!({ "Name": variable.name, "Value": late_value(stack, &variable.value) }));
    let Some(worker) = task.image.worker() else { return own.collect() };
    let settings = task.settings.as_ref().map(|settings| {
        let text = serde_json::to_string(settings).unwrap_or_default();
        json!({ "Name": environment::SETTINGS, "Value": text })
    });
    let tally = task.access.iter().filter(|access| access.verb == Verb::Tally).map(
        |access| json!({ "Name": environment::TALLY_TABLE, "Value": Ref(logical_id(&access.resource.name)) }),
    );
    let fields = crate::sensitive::of_task(stack, task);
    let sensitive = sensitive::variables(worker, &task.access, &fields)
        .into_iter()
        .chain(sensitive::columns(stack, task))
        .map(|(name, value)| json!({ "Name": name, "Value": value }));
    let bus = task.access.iter().filter(|access| access.verb == Verb::Publish);
    bus.filter_map(|access| match &stack.resource(&access.resource.name)?.is {
        ResourceType::Bus(bus) => {
            let name = names::bus(&logical_id(&access.resource.name), bus);
            Some([
                json!({ "Name": environment::EVENT_BUS, "Value": name }),
                json!({ "Name": environment::EVENT_SOURCE, "Value": bus.source }),
            ])
        }
        _ => None,
    })
    .flatten()
    .chain(settings)
    .chain(tally)
    .chain(sensitive)
    .chain(super::result_files(stack).map(|(name, value)| json!({ "Name": name, "Value": value })))
    .collect()
}
