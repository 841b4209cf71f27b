#!/usr/bin/env bash
# EventBridge's TestEventPattern answers `{"Result": true}` or `{"Result": false}`. moto 5.2.5 answers without an error and without
# a `Result`, so code that reads `answer.get("Result")` takes every pattern for one that does not match.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[events]==5.2.5' boto3==1.44.8
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 "$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import boto3
import moto

EVENT = {
    "id": "1", "source": "shop", "detail-type": "order", "account": "111122223333", "region": "eu-west-1",
    "time": "2026-01-01T00:00:00Z", "resources": [], "detail": {},
}

with moto.mock_aws():
    answer = boto3.client("events").test_event_pattern(EventPattern='{"source": ["shop"]}', Event=json.dumps(EVENT))

print("moto", moto.__version__)
print("status", answer["ResponseMetadata"]["HTTPStatusCode"], "members", sorted(answer))
sys.exit("Result" in answer)
PYTHON
