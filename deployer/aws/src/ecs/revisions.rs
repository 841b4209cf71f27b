//! ECS: revisions of a task definition, registered and deregistered for `--hotswap`.

use aws_sdk_ecs::Client;

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// Registers the same definition with another image instead of `from`; returns the ARN of the new revision.
///
/// # Errors
/// If a call fails; also if no container has that image.
pub async fn register(session: &Session, definition: &str, from: &str, to: &str) -> Result<String> {
    let client = Client::new(&session.config);
    let failed = |operation, message: String| AwsError {
        operation,
        resource: format!("task definition {definition}"),
        code: Some("InvalidAnswer".to_owned()),
        message,
    };
    let answer = client
        .describe_task_definition()
        .task_definition(definition)
        .include(aws_sdk_ecs::types::TaskDefinitionField::Tags)
        .send()
        .await
        .aws("DescribeTaskDefinition", format!("task definition {definition}"))?;
    let Some(old) = answer.task_definition() else {
        return Err(failed("DescribeTaskDefinition", "the answer has no definition".to_owned()));
    };
    let mut containers = old.container_definitions().to_vec();
    let mut changed = false;
    for container in containers.iter_mut().filter(|one| one.image.as_deref() == Some(from)) {
        container.image = Some(to.to_owned());
        changed = true;
    }
    if !changed {
        return Err(failed("DescribeTaskDefinition", format!("no container has the image {from}")));
    }
    let some = |tags: &[aws_sdk_ecs::types::Tag]| (!tags.is_empty()).then(|| tags.to_vec());
    let made = client
        .register_task_definition()
        .set_family(old.family.clone())
        .set_task_role_arn(old.task_role_arn.clone())
        .set_execution_role_arn(old.execution_role_arn.clone())
        .set_network_mode(old.network_mode.clone())
        .set_container_definitions(Some(containers))
        .set_volumes(old.volumes.clone())
        .set_placement_constraints(old.placement_constraints.clone())
        .set_requires_compatibilities(old.requires_compatibilities.clone())
        .set_cpu(old.cpu.clone())
        .set_memory(old.memory.clone())
        .set_tags(some(answer.tags()))
        .set_pid_mode(old.pid_mode.clone())
        .set_ipc_mode(old.ipc_mode.clone())
        .set_proxy_configuration(old.proxy_configuration.clone())
        .set_ephemeral_storage(old.ephemeral_storage.clone())
        .set_runtime_platform(old.runtime_platform.clone())
        .send()
        .await
        .aws("RegisterTaskDefinition", format!("task definition {definition}"))?;
    made.task_definition()
        .and_then(|made| made.task_definition_arn())
        .map(str::to_owned)
        .ok_or_else(|| failed("RegisterTaskDefinition", "the answer has no ARN".to_owned()))
}

/// Deregisters a revision; succeeds also if the revision is gone already.
///
/// # Errors
/// If the call fails.
pub async fn deregister(session: &Session, definition: &str) -> Result<()> {
    let done = Client::new(&session.config)
        .deregister_task_definition()
        .task_definition(definition)
        .send()
        .await
        .aws("DeregisterTaskDefinition", format!("task definition {definition}"));
    match done {
        Err(error) if error.is("ClientException") || error.is("InvalidParameterException") => Ok(()),
        done => done.map(|_| ()),
    }
}
