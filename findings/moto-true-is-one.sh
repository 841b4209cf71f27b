#!/usr/bin/env bash
# In a pattern of EventBridge, the number 1 and the JSON literal `true` are different values. A rule of moto 5.2.5 delivers an event
# with `true` where its pattern asks for 1, and not where it asks for anything but 1, because Python's `True == 1`.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[events,sqs]==5.2.5' boto3==1.44.8
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 "$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import boto3
import moto


def delivered(pattern):
    """Returns the values of `rows` in the events that a rule sends to its queue, of 1, true, 0, false and 2."""
    with moto.mock_aws():
        events, sqs = boto3.client("events"), boto3.client("sqs")
        url = sqs.create_queue(QueueName="matched")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="rule", EventPattern=json.dumps({"detail": {"rows": pattern}}))
        events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": arn}])
        details = [json.dumps({"rows": value}) for value in (1, True, 0, False, 2)]
        events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": detail} for detail in details])
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return json.dumps([json.loads(message["Body"])["detail"]["rows"] for message in messages])


print("moto", moto.__version__)
seen = [delivered(pattern) for pattern in ([1], [{"anything-but": [1]}], [{"numeric": ["<", 1]}])]
print(*seen, sep="\n")
sys.exit(seen != ["[1, true]", "[0, false, 2]", "[0, false]"])
PYTHON
