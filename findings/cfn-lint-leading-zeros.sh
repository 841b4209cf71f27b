#!/usr/bin/env bash
# CloudFormation templates in YAML are read by YAML 1.1's rules in cfn-lint 1.58.0 and cfn-flip 1.3.0: a text of digits that begins with 0
# is an octal number when it holds no 8 and no 9, and stays text when it does. So one account number becomes another number and
# the next one survives, `12:30:45` becomes 45045, and `0o17`, the octal form of YAML 1.2, stays text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cfn-lint==1.58.0 cfn-flip==1.3.0
cat > "$folder/template.yaml" <<'YAML'
Resources:
  First: { Type: AWS::SNS::Topic, Properties: { DisplayName: 001234567012 } }
  Second: { Type: AWS::SNS::Topic, Properties: { DisplayName: 012345678901 } }
  Third: { Type: AWS::SNS::Topic, Properties: { DisplayName: 12:30:45 } }
  Fourth: { Type: AWS::SNS::Topic, Properties: { DisplayName: 0o17 } }
YAML
"$folder/venv/bin/python" - "$folder/template.yaml" <<'PYTHON'
import json
import sys
from importlib.metadata import version

import cfnlint.decode
from cfn_flip import to_json

file = sys.argv[1]
read = {
    "cfn-lint": cfnlint.decode.decode(file)[0],
    "cfn-flip": json.loads(to_json(open(file).read())),
}
same = True
for tool, template in read.items():
    found = [resource["Properties"]["DisplayName"] for resource in template["Resources"].values()]
    print(tool, version(tool), found)
    same &= found == [175304202, "012345678901", 45045, "0o17"]
sys.exit(not same)
PYTHON
