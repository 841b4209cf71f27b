#!/usr/bin/env bash
# moto 5.2.5 keeps a DynamoDB number as the text that was sent. DynamoDB gives numbers back normalised (`1E+2` as `100`, `0012.500`
# as `12.5`), holds 38 significant digits, and refuses what is not a decimal number. moto takes what Python's Decimal takes: a
# number of 39 digits and `1_0` are stored, and come back as they are. A test against moto can't see a number that DynamoDB
# changes or refuses.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import boto3
import moto

NUMBERS = ["1E+2", "0012.500", "1" * 39, "1_0"]

with moto.mock_aws():
    table = boto3.client("dynamodb")
    table.create_table(
        TableName="numbers",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    print("moto", moto.__version__)
    same = True
    for number in NUMBERS:
        table.put_item(TableName="numbers", Item={"id": {"S": "a"}, "n": {"N": number}})
        found = table.get_item(TableName="numbers", Key={"id": {"S": "a"}})["Item"]["n"]["N"]
        print(f"sent {number}, came back as {found}")
        same &= found == number
sys.exit(not same)
PYTHON
