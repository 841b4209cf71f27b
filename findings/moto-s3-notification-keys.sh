#!/usr/bin/env bash
# moto 5.2.5 encodes the slash in the key of an S3 notification: `in/a b+c.csv` arrives as `in%2Fa+b%2Bc.csv`. S3 writes
# `in/a+b%2Bc.csv`. Whoever decodes the key once reads both; whoever compares the encoded key with a prefix does not. There is no
# `sequencer` either, which S3 always sends and which tells two uploads of one key apart.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[s3,sqs]==5.2.5' boto3==1.44.8
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 "$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import boto3
import moto

with moto.mock_aws():
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="arrivals")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="landing", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_notification_configuration(
        Bucket="landing",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    s3.put_object(Bucket="landing", Key="in/a b+c.csv", Body=b"id\n1\n")
    bodies = [json.loads(message["Body"]) for _ in range(3) for message in sqs.receive_message(QueueUrl=queue).get("Messages", [])]

[found] = [body["Records"][0]["s3"]["object"] for body in bodies if "Records" in body]
print("moto", moto.__version__)
print(json.dumps(found))
sys.exit(not (found["key"] == "in%2Fa+b%2Bc.csv" and "sequencer" not in found))
PYTHON
