#!/usr/bin/env bash
# dynamodb-json 1.4.2 does not read back what it writes: a number with an exponent, which it writes itself, comes back as a map, and a
# map with an attribute that has the name of a type (`S`, `N`) comes back as the value of that attribute, without the others.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dynamodb-json==1.4.2 boto3==1.44.8
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from dynamodb_json import json_util

ITEMS = [
    ({"weight": 2.5}, {"weight": 2.5}),
    ({"weight": 1e20}, {"weight": {"N": "1E+20"}}),
    ({"address": {"N": "12", "S": "High Street"}}, {"address": "High Street"}),
    ({"sizes": {"S": 3}}, {"sizes": "3"}),
    ({"sizes": {"N": "12"}}, {"sizes": 12}),
]

print("dynamodb-json", version("dynamodb-json"))
read = []
for item, _ in ITEMS:
    written = json_util.dumps(item)
    read.append(json_util.loads(written))
    print(item, "→", written, "→", read[-1])
sys.exit(read != [expected for _, expected in ITEMS])
PYTHON
