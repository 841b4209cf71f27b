#!/usr/bin/env bash
# A merge key (`<<`) in a template: cfn-lint 1.58.0 merges, so the resource is complete. cfn-flip 1.3.0 fails, and its error speaks of
# JSON although the input is YAML.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cfn-lint==1.58.0 cfn-flip==1.3.0
cat > "$folder/template.yaml" <<'YAML'
Metadata:
  Queue: &queue { Type: AWS::SQS::Queue }
Resources:
  Jobs:
    <<: *queue
    Properties: { DelaySeconds: 5 }
YAML
"$folder/venv/bin/python" - "$folder/template.yaml" <<'PYTHON'
import sys
from importlib.metadata import version

import cfnlint.decode
from cfn_flip import to_json

file = sys.argv[1]
template, problems = cfnlint.decode.decode(file)
merged = template["Resources"]["Jobs"].get("Type")
print("cfn-lint", version("cfn-lint"), "merges to", merged, "with", len(problems), "problems")
try:
    to_json(open(file).read())
    flipped = "converts it"
except Exception as error:
    flipped = f"{type(error).__name__}: {error}"
print("cfn-flip", version("cfn-flip"), flipped)
sys.exit(not (merged == "AWS::SQS::Queue" and flipped.startswith("JSONDecodeError")))
PYTHON
