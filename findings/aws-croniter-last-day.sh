#!/usr/bin/env bash
# AWS documents `L` in the field of the day of the week as the last day of the week. aws-cron-expression-validator 1.1.15 calls
# `0 0 ? * L *` valid, and `0 0 LW * ? *` too; aws-croniter 2.1.1 finds no time at all for the first and raises ValueError for the
# second. With `L-3`, three days before the end of the month, it is the other way round: the validator refuses it, and
# aws-croniter computes it. So neither can stand in for the other.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aws-cron-expression-validator==1.1.15 aws-croniter==2.1.1
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import sys
from importlib.metadata import version

from aws_cron_expression_validator.validator import AWSCronExpressionValidator
from aws_croniter import AwsCroniter

START = datetime.datetime(2026, 11, 28, tzinfo=datetime.timezone.utc)


def valid(expression):
    try:
        AWSCronExpressionValidator.validate(expression)
        return True
    except Exception:
        return False


def times(expression):
    try:
        found = AwsCroniter(expression).get_next(START, 2)
        return [time and time.strftime("%Y-%m-%d") for time in found]
    except ValueError:
        return "ValueError"


print("aws-cron-expression-validator", version("aws-cron-expression-validator"), "aws-croniter", version("aws-croniter"))
found = {expression: (valid(expression), times(expression)) for expression in ("0 0 ? * L *", "0 0 LW * ? *", "0 0 L-3 * ? *")}
for expression, (is_valid, next_times) in found.items():
    print(expression, "valid" if is_valid else "invalid", next_times)
expected = [(True, [None, None]), (True, "ValueError"), (False, ["2026-12-28", "2027-01-28"])]
sys.exit(list(found.values()) != expected)
PYTHON
