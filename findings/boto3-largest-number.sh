#!/usr/bin/env bash
# DynamoDB holds numbers of up to 38 significant digits and up to 9.99…E+125. 10³⁸ has one significant digit. boto3 1.44.8 takes
# it as Decimal("1E+38") and raises decimal.Rounded for the same amount as an integer, since the zeros count as digits there.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.8
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from decimal import Decimal, Rounded

import boto3
from boto3.dynamodb.types import TypeSerializer

print("boto3", boto3.__version__)


def serialized(value):
    try:
        return TypeSerializer().serialize(value)["N"]
    except Rounded as error:
        return f"refused: {type(error).__name__}"


found = [serialized(value) for value in (10**37, Decimal("1E+38"), 10**38)]
assert Decimal("1E+38") == 10**38
for what, text in zip(("10**37", "Decimal('1E+38')", "10**38"), found):
    print(what, "→", text)
sys.exit(found[1:] != ["1E+38", "refused: Rounded"])
PYTHON
