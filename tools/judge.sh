#!/usr/bin/env bash
# Lets cfn-lint, checkov and parliament judge every template: those of the repository's stacks and of the examples as the
# deployer writes them now, those of stack files that `init --from` guesses, and those of the tests. No finding of any level may be left; what is not asked, and why, stands in the files of settings
# beside this one.
#
# Usage: tools/judge.sh DEPLOYER BIN   (the deployer's binary, the folder of the judges)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
deployer=$1
bin=$2
out=target/judge
printed=target/judge-permissions

rm -rf "$out" "$printed"
mkdir -p "$out" "$printed"
stacks=$("$deployer" ls --output json | python3 -c '
import json, sys
for stack in json.load(sys.stdin)["stacks"]:
    print(stack["stack"])
')
for stack in $stacks; do
    for format in json yaml; do
        "$deployer" synth "$stack" --format "$format" >"$out/$stack.$format"
    done
done
for example in examples/*/stack.yaml; do
    name=$(basename "$(dirname "$example")")
    # A warning in an example is a mistake too.
    "$deployer" --file "$example" synth dev >"$out/example-$name.json" 2>"$out/warnings"
    [ ! -s "$out/warnings" ] || { cat "$out/warnings" >&2; exit 1; }
done
for file in deployer/cli/tests/commands/from/*; do
    name=$(basename "$file")
    guessed=$(mktemp -d)
    "$deployer" --quiet init "$guessed" --from "$file" --name guessed
    "$deployer" --file "$guessed/stack.yaml" synth dev >"$out/guessed-$name.json"
    rm -r "$guessed"
done
rm "$out/warnings"
for template in deployer/lang/tests/cases/*/template*.json; do
    case=$(basename "$(dirname "$template")")
    cp "$template" "$out/test-$case-$(basename "$template")"
done
count=$(find "$out" -name '*.json' -o -name '*.yaml' | wc -l)
[ "$count" -gt 10 ] || { echo "judge: only $count templates; where are the others?" >&2; exit 1; }

# The policies of whoever deploys, for every stack that goes to AWS.
for file in stack.yaml examples/*/stack.yaml deployer/lang/tests/cases/*/stack.yaml; do
    case=$(basename "$(dirname "$file")")
    [[ $case != wrong-* ]] || continue
    config=()
    if [ -f "$(dirname "$file")/config.txt" ]; then
        while read -r line; do config+=(--config "$line"); done <"$(dirname "$file")/config.txt"
    fi
    "$deployer" --file "$file" ls --output json | python3 -c '
import json, sys
for stack in json.load(sys.stdin)["stacks"]:
    if stack["target"] == "aws":
        print(stack["stack"], stack["account"] or "111122223333")
' | while read -r stack account; do
        "$deployer" --quiet --file "$file" "${config[@]}" --region eu-west-1 permissions "$stack" --account "$account" \
            --github octo-org/orders --out "$printed/$case" 2>"$printed/said" || { cat "$printed/said" >&2; exit 1; }
        rm "$printed/said"
    done
done

# Each of the two takes a minute of one processor, and neither writes anything that the other reads. Checkov is content when it
# could read nothing, so it is asked what it did.
checked=target/judge-checkov.json
"$bin/checkov" --config-file tools/checkov.yaml --directory "$out" --output json >"$checked" &
checkov=$!
trap 'kill "$checkov" 2>/dev/null || true' EXIT
echo "judge: cfn-lint over $count templates"
"$bin/cfn-lint" --config-file tools/cfnlint.yaml -- "$out"/*

echo "judge: checkov over $count templates"
wait "$checkov" || true
python3 - "$checked" <<'PYTHON'
import json, sys

report = json.load(open(sys.argv[1], encoding="utf-8"))
summary = report.get("summary", report) if isinstance(report, dict) else {}
for check in report.get("results", {}).get("failed_checks", []):
    first, last = check["file_line_range"]
    print(f"{check['file_path']}:{first}: {check['check_id']} {check['check_name']} ({check['resource']})")
if not summary.get("passed") or summary.get("failed") or summary.get("parsing_errors"):
    sys.exit(f"judge: checkov: {summary}")
print(f"judge: checkov passed {summary['passed']} checks")
PYTHON

echo "judge: parliament over the policies of $count templates"
"$bin/python" -W ignore tools/policies.py "$out" "$printed"

echo "judge: what is imported is made again with the same meaning"
for made in deployer/lang/tests/imports/*/made.json; do
    for original in "$(dirname "$made")"/template.*; do
        "$bin/python" tools/same_template.py "$original" "$made"
    done
done
