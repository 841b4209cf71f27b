#!/usr/bin/env python3
"""Lets parliament, an IAM linter, judge every policy of the templates that judge.sh collected.

Also those that `deployer permissions` has written into a folder of their own.

Usage: tools/policies.py FOLDER PRINTED   (with the Python of the judges' environment)

References are replaced by examples of the values that CloudFormation puts in their place, since a linter of policies
doesn't read templates.
"""

import json
import pathlib
import re
import sys

import parliament

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
ACCOUNT = "eu-west-1:111122223333"
# The form of an ARN of these types: Service Authorization Reference.
ARNS = {
    "AWS::SQS::Queue": f"arn:aws:sqs:{ACCOUNT}:name",
    "AWS::SNS::Topic": f"arn:aws:sns:{ACCOUNT}:name",
    "AWS::S3::Bucket": "arn:aws:s3:::name",
    "AWS::Events::EventBus": f"arn:aws:events:{ACCOUNT}:event-bus/name",
    "AWS::Events::Rule": f"arn:aws:events:{ACCOUNT}:rule/bus/name",
    "AWS::Scheduler::Schedule": f"arn:aws:scheduler:{ACCOUNT}:schedule/default/name",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{ACCOUNT}:table/name",
    "AWS::ECS::Cluster": f"arn:aws:ecs:{ACCOUNT}:cluster/name",
    "AWS::ECS::TaskDefinition": f"arn:aws:ecs:{ACCOUNT}:task-definition/name:1",
    "AWS::Lambda::Function": f"arn:aws:lambda:{ACCOUNT}:function:name",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/name",
    "AWS::KMS::Key": f"arn:aws:kms:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{ACCOUNT}:log-group:name:*",
    "AWS::ECR::Repository": f"arn:aws:ecr:{ACCOUNT}:repository/name",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{ACCOUNT}:secret:name-abcdef",
}
# Actions that handlers of CloudFormation publish and parliament's data, which are older, don't have.
NEWER = {
    "apigateway:TagResource",
    "apigateway:UntagResource",
    "cloudformation:DescribeEvents",
    "ec2:DescribeVpcEncryptionControls",
    "events:AllowVendedLogDeliveryForResource",
    "lambda:GetFunctionScalingConfig",
    "s3:GetBucketAbac",
}
# Actions on `*` that a condition restricts to a resource: Amazon ECS Developer Guide, "Identity-based policy examples".
BY_CONDITION = {"ecs:ListTasks"}
# They name a refactor by its id, and one that lists names nothing. IAM has no ARN for a refactor, and its list of actions names
# the stack for all of them, which is not in these calls.
OF_REFACTOR = {
    "cloudformation:DescribeStackRefactor",
    "cloudformation:ExecuteStackRefactor",
    "cloudformation:ListStackRefactorActions",
    "cloudformation:ListStackRefactors",
}
# Types whose `Ref` is an ARN.
REF_IS_ARN = {"AWS::SNS::Topic", "AWS::ECS::TaskDefinition", "AWS::SecretsManager::Secret"}


def example(target, attribute, types):
    """Returns the value that replaces a reference."""
    if target in PSEUDO:
        return PSEUDO[target]
    kind = types.get(target, "")
    if attribute == "StreamArn":
        return f"{ARNS[kind]}/stream/label"
    if (attribute or "").endswith("Arn") or (attribute is None and kind in REF_IS_ARN):
        return ARNS.get(kind, f"arn:aws:unknown:{ACCOUNT}:{kind}")
    return "name"


def resolve(value, types):
    """Returns the value with examples in the place of references."""
    if isinstance(value, list):
        return [resolve(item, types) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref":
            return example(argument, None, types)
        if name == "Fn::GetAtt":
            path = argument if isinstance(argument, list) else argument.split(".", 1)
            return example(path[0], path[1], types)
        if name == "Fn::Sub":
            text = argument[0] if isinstance(argument, list) else argument
            own = resolve(argument[1], types) if isinstance(argument, list) else {}

            def replaced(match):
                target, _, attribute = match[1].partition(".")
                return str(own.get(match[1]) or example(target, attribute or None, types))

            return re.sub(r"\$\{([^!}][^}]*)\}", replaced, text).replace("${!", "${")
        if name == "Fn::Join":
            return argument[0].join(str(resolve(part, types)) for part in argument[1])
        if name == "Fn::If":
            return resolve(argument[1], types)
    return {key: resolve(inner, types) for key, inner in value.items()}


def policies(value, path=""):
    """Yields every policy document in a value, with its path."""
    if isinstance(value, dict):
        if "Statement" in value and "Version" in value:
            yield path, value
            return
        for key, inner in value.items():
            yield from policies(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from policies(inner, f"{path}/{index}")


def is_known(finding):
    """Returns whether a finding about a printed policy is one of parliament's own age, or is met by a condition."""
    # CloudFormation's service role writes the policies of resources: that is its task.
    if finding.issue == "RESOURCE_POLICY_PRIVILEGE_ESCALATION":
        return True
    if finding.issue == "UNKNOWN_ACTION":
        return any(str(finding.detail).endswith(f" {action}") for action in NEWER)
    return finding.issue == "RESOURCE_STAR" and str(finding.detail) in (str(sorted(BY_CONDITION)), str(sorted(OF_REFACTOR)))


def printed(folder):
    """Judges the policies that `deployer permissions` has printed; returns their number and the findings."""
    files = sorted(folder.rglob("*.policy.json"))
    wrong = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        for finding in parliament.analyze_policy_string(text, include_community_auditors=False).findings:
            if not is_known(finding):
                wrong.append(f"{file.relative_to(folder)}: {finding.issue}: {finding.detail} {finding.location}")
    return len(files), wrong


def main():
    folder = pathlib.Path(sys.argv[1])
    judged, wrong = 0, []
    seen = set()
    for file in sorted(folder.glob("*.json")):
        template = json.loads(file.read_text(encoding="utf-8"))
        resources = template["Resources"]
        types = {name: resource["Type"] for name, resource in resources.items()}
        for name, resource in resources.items():
            for path, document in policies(resource.get("Properties", {})):
                # A trust policy is not a permission; parliament accepts no `sts:AssumeRole` without a resource.
                if path.endswith("AssumeRolePolicyDocument"):
                    continue
                text = json.dumps(resolve(document, types), sort_keys=True)
                judged += 1
                if text in seen:
                    continue
                seen.add(text)
                for finding in parliament.analyze_policy_string(text, include_community_auditors=False).findings:
                    # In the policy of a key, `*` means this key: AWS KMS Developer Guide, "Key policies in AWS KMS".
                    if path == "/KeyPolicy" and finding.issue == "RESOURCE_STAR":
                        continue
                    wrong.append(f"{file.name}: {name}{path}: {finding.issue}: {finding.detail} {finding.location}")
    count, more = printed(pathlib.Path(sys.argv[2]))
    wrong += more
    for line in wrong:
        print(line)
    if not count:
        sys.exit("judge: parliament: where are the policies of `deployer permissions`?")
    if wrong or not judged:
        sys.exit(f"judge: parliament: {len(wrong)} findings in {judged} policies")
    print(f"judge: parliament passed {judged} policies, {len(seen)} of them different, and {count} of `deployer permissions`")


if __name__ == "__main__":
    main()
