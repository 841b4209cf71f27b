//! `task` → TaskDefinition, two Roles, LogGroup, SecurityGroup.

use serde_json::{Value, json};

use super::Builder;
use crate::assets::image_parameter;
use crate::iam;
use crate::model::access::Verb;
use crate::model::task::Task;
use crate::model::{ResourceType, Stack};
use crate::template::{GetAtt, Ref, Sub, logical_id};
use contract::environment;

/// User and group in the image; numbers, since an image without `/etc/passwd` knows no names.
const USER: &str = "65532:65532";
/// Repository that the deployer pushes images to.
pub(super) const ASSET_REPOSITORY: &str = "deployer-assets";

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, name: &str, task: &Task) {
    let log_group = format!("{id}Logs");
    let role = format!("{id}Role");
    let execution_role = format!("{id}ExecutionRole");
    builder.add_log_group(&log_group, task.log_retention);

    let statements: Vec<Value> =
        task.access.iter().flat_map(|access| iam::statements(builder.stack, access)).collect();
    let description = format!("What the task {name} may do.");
    builder.add(
        &role,
        "AWS::IAM::Role",
        iam::role(&description, "ecs-tasks.amazonaws.com", &statements, true),
    );

    let repository = Sub(format!(
        "arn:${{AWS::Partition}}:ecr:${{AWS::Region}}:${{AWS::AccountId}}:repository/{ASSET_REPOSITORY}"
    ));
    let pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    let statements = [
        // AWS allows no resource here: Service Authorization Reference, Amazon ECR.
        iam::allow("LogInToRegistry", &["ecr:GetAuthorizationToken"], json!("*")),
        iam::allow("PullImage", &pull, json!(repository)),
        iam::write_logs(&log_group),
    ];
    let description = format!("What ECS may do to start the task {name}.");
    builder.add(
        &execution_role,
        "AWS::IAM::Role",
        iam::role(&description, "ecs-tasks.amazonaws.com", &statements, true),
    );

    let security_group = json!({
        "GroupDescription": format!("Task {name}: HTTPS out, nothing in."),
        "VpcId": Ref(logical_id(&task.network.name)),
        "SecurityGroupEgress": [{
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "CidrIp": "0.0.0.0/0",
            "Description": "AWS APIs",
        }],
    });
    builder.add(format!("{id}SecurityGroup"), "AWS::EC2::SecurityGroup", security_group);

    let container = json!({
        "Name": name,
        "Image": Ref(image_parameter(name)),
        "Essential": true,
        "User": USER,
        "ReadonlyRootFilesystem": true,
        "Environment": environment_of(builder.stack, task),
        "LogConfiguration": {
            "LogDriver": "awslogs",
            "Options": {
                "awslogs-group": Ref(&log_group),
                "awslogs-region": Ref("AWS::Region"),
                "awslogs-stream-prefix": name,
            },
        },
    });
    let definition = json!({
        "Family": Sub(format!("${{AWS::StackName}}-{name}")),
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": task.cpu.to_string(),
        "Memory": (task.memory >> 20).to_string(),
        "RuntimePlatform": { "CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX" },
        "EphemeralStorage": { "SizeInGiB": task.disk >> 30 },
        "ExecutionRoleArn": GetAtt(&execution_role, "Arn"),
        "TaskRoleArn": GetAtt(&role, "Arn"),
        "ContainerDefinitions": [container],
    });
    builder.add(id, "AWS::ECS::TaskDefinition", definition);
}

fn environment_of(stack: &Stack, task: &Task) -> Vec<Value> {
    let bus = task.access.iter().filter(|access| access.verb == Verb::Publish);
    bus.filter_map(|access| match &stack.resource(&access.resource.name)?.is {
        ResourceType::Bus(bus) => Some([
            json!({ "Name": environment::EVENT_BUS, "Value": Ref(logical_id(&access.resource.name)) }),
            json!({ "Name": environment::EVENT_SOURCE, "Value": bus.source }),
        ]),
        _ => None,
    })
    .flatten()
    .collect()
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(Ref(id)),
        _ => json!(Ref(id)),
    }
}
