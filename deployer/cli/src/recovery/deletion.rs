//! The commands for a user to delete a resource that does not belong to a stack any more.

use deployer_aws::cloudformation::StackResource;
use deployer_base::text::quoted;

/// Returns the command that deletes a resource without a stack, as one line.
#[must_use]
pub fn delete_command(resource: &StackResource) -> String {
    let (commands, then) = delete_commands(resource);
    commands.join(then)
}

/// Returns the commands that delete a resource, with the operator that joins them in one line.
fn delete_commands(resource: &StackResource) -> (Vec<String>, &'static str) {
    let name = quoted(&resource.physical_id);
    let one = |command: String| (vec![command], "; ");
    match resource.resource_type.as_str() {
        "AWS::S3::Bucket" => {
            // `aws s3 rb --force` doesn't delete old versions, and fails because of them.
            let delete = format!(
                "aws s3api delete-objects --bucket {name} --delete \"$(aws s3api list-object-versions --bucket {name} --max-items 1000 \
                 --query '{{Objects: [Versions, DeleteMarkers][].{{Key: Key, VersionId: VersionId}}}}')\""
            );
            (vec![delete, format!("aws s3 rb {}", quoted(&format!("s3://{}", resource.physical_id)))], "; ")
        }
        "AWS::DynamoDB::Table" => (
            vec![
                format!("aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled"),
                format!("aws dynamodb delete-table --table-name {name}"),
            ],
            " && ",
        ),
        "AWS::Logs::LogGroup" => one(format!("aws logs delete-log-group --log-group-name {name}")),
        "AWS::KMS::Key" => {
            one(format!("aws kms schedule-key-deletion --key-id {name} --pending-window-in-days 7"))
        }
        "AWS::ECR::Repository" => one(format!("aws ecr delete-repository --repository-name {name} --force")),
        "AWS::SQS::Queue" => one(format!("aws sqs delete-queue --queue-url {name}")),
        "AWS::SNS::Topic" => one(format!("aws sns delete-topic --topic-arn {name}")),
        "AWS::Events::Archive" => one(format!("aws events delete-archive --archive-name {name}")),
        "AWS::Lambda::Function" => one(format!("aws lambda delete-function --function-name {name}")),
        "AWS::EC2::SecurityGroup" => one(format!("aws ec2 delete-security-group --group-id {name}")),
        "AWS::EC2::Subnet" => one(format!("aws ec2 delete-subnet --subnet-id {name}")),
        "AWS::EC2::VPC" => one(format!("aws ec2 delete-vpc --vpc-id {name}")),
        other => {
            one(format!("aws cloudcontrol delete-resource --type-name {} --identifier {name}", quoted(other)))
        }
    }
}

/// Returns the commands that delete a resource, in lines of about `width` characters that a shell reads unchanged.
#[must_use]
pub fn delete_lines(resource: &StackResource, width: usize) -> Vec<String> {
    /// The indentation of further lines.
    const INDENT: &str = "    ";
    let (commands, _) = delete_commands(resource);
    let mut lines = Vec::new();
    for command in commands {
        let mut line = String::new();
        for (index, option) in command.split(" --").enumerate() {
            let option = if index == 0 { option.to_owned() } else { format!("--{option}") };
            // Two for the space and the backslash that continue the line.
            if index > 0 && line.chars().count() + option.chars().count() + 3 > width {
                lines.push(format!("{line} \\"));
                line = format!("{INDENT}{option}");
            } else {
                line.push_str(if index == 0 { "" } else { " " });
                line.push_str(&option);
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, resource_type: &str, status: &str) -> StackResource {
        StackResource {
            logical_id: id.into(),
            physical_id: format!("{}-1", id.to_lowercase()),
            resource_type: resource_type.into(),
            status: status.into(),
        }
    }

    #[test]
    fn a_command_for_a_shell_holds_any_name() {
        let bucket = resource("B", "AWS::S3::Bucket", "DELETE_SKIPPED");
        let command = delete_command(&bucket);
        assert!(
            command.contains("list-object-versions --bucket b-1 ") && command.ends_with("aws s3 rb s3://b-1")
        );
        assert_eq!(
            delete_lines(&bucket, 80),
            [
                r"aws s3api delete-objects --bucket b-1 \",
                r#"    --delete "$(aws s3api list-object-versions --bucket b-1 --max-items 1000 \"#,
                r#"    --query '{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}}')""#,
                "aws s3 rb s3://b-1",
            ]
        );
        let odd = StackResource { physical_id: "a'; rm -rf $HOME".into(), ..resource("X", "AWS::X::Y", "") };
        assert_eq!(
            delete_command(&odd),
            r"aws cloudcontrol delete-resource --type-name AWS::X::Y --identifier 'a'\''; rm -rf $HOME'"
        );
    }
}
