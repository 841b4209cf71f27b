#!/usr/bin/env bash
# MiniStack 1.5.33 understands terms in the filter patterns of CloudWatch Logs, and no other kind. A JSON pattern such as
# `{ $.level = "ERROR" }` matches every event, also plain text; alternatives (`?404 ?plain`), a regular expression (`%GET|POST%`)
# and a pattern of columns match none. Of the four events below, CloudWatch Logs matches one by each of the JSON patterns, two by the
# alternatives, and one by the regular expression. So a script that filters logs sees every event in the emulator, or none.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; }; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 botocore==1.43.106
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$folder"
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port DOCKER_HOST=unix:///nonexistent IOT_MTLS_ENABLED=0 \
    timeout 120 "$folder/venv/bin/ministack" >"$folder/log" 2>&1 &
server=$!
PORT=$port "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
import time
import urllib.request

import botocore.session

endpoint = f"http://127.0.0.1:{os.environ['PORT']}"
for _ in range(150):
    try:
        urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2).read()
        break
    except OSError:
        time.sleep(0.2)
logs = botocore.session.get_session().create_client(
    "logs", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test")
MESSAGES = ['{"level":"ERROR","ms":12}', '{"level":"INFO","ms":900}', "plain ERROR text", "[404] GET /"]
logs.create_log_group(logGroupName="g")
logs.create_log_stream(logGroupName="g", logStreamName="s")
now = int(time.time() * 1000)
logs.put_log_events(
    logGroupName="g", logStreamName="s",
    logEvents=[{"timestamp": now + index, "message": message} for index, message in enumerate(MESSAGES)])
EXPECTED = {
    "ERROR": 2, "-ERROR": 2, '"ERROR text"': 1,
    '{ $.level = "ERROR" }': 4, "{ $.ms > 100 }": 4, "?404 ?plain": 0, "%GET|POST%": 0, "[code, method, path]": 0,
}
print("ministack 1.5.33")
same = True
for pattern, expected in EXPECTED.items():
    found = [event["message"] for event in logs.filter_log_events(logGroupName="g", filterPattern=pattern)["events"]]
    print(f"{pattern}: {len(found)} of {len(MESSAGES)} {found}")
    same &= len(found) == expected
sys.exit(not same)
PYTHON
