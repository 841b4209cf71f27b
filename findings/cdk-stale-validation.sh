#!/usr/bin/env bash
# aws-cdk 2.1148.1 prints the validation report of an earlier synthesis. The app writes `validation-report.json` into `cdk.out`
# when it validates, and leaves the file alone when it does not; the CLI reads whatever file is there. So after a problem was
# found and fixed, `cdk synth --no-validation` still reports it, and ends with 1. `rm -r cdk.out` helps.
# `cdk ls` validates too, without telling what it finds, and takes several times as long for it. It has no option to leave that
# out, says that it ignores `--no-validation`, and then does not validate.
set -euo pipefail
command -v npm >/dev/null || { echo "error: npm is missing; install Node.js 20 or newer" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" aws-cdk@2.1148.1 aws-cdk-lib@2.276.0 constructs@10.8.1
export CDK_DISABLE_CLI_TELEMETRY=true CDK_DISABLE_VERSION_CHECK=true
# As `cdk init` writes it, without the other flags.
echo '{ "app": "node app.js", "context": { "@aws-cdk/core:validateAgainstDefaultRules": true } }' >cdk.json

app() { # app CALL: an app with one queue, on which the call is made
    cat >app.js <<JAVASCRIPT
const { App, Stack } = require("aws-cdk-lib/core");
const { CfnQueue } = require("aws-cdk-lib/aws-sqs");
const queue = new CfnQueue(new Stack(new App(), "one"), "Queue");
$1
console.error("app: CDK_VALIDATION is", process.env.CDK_VALIDATION);
JAVASCRIPT
}

cdk() { # cdk COMMAND…: prints what it prints, and keeps it in `output` and how it ended in `code`
    echo "\$ cdk $*"
    code=0
    node_modules/.bin/cdk "$@" --no-notices >output 2>&1 || code=$?
    grep -v "feature flags" output || true
    echo "exit $code"
}

echo "aws-cdk $(node_modules/.bin/cdk --version)"
same=0
app 'queue.addPropertyOverride("NoSuchProperty", 1);'
cdk synth --quiet
[ "$code" = 1 ] && grep -q "ERROR NoSuchProperty" output || same=1
echo "# The property is removed."
app ''
cdk synth --quiet --no-validation
[ "$code" = 1 ] && grep -q "ERROR NoSuchProperty" output && ! grep -q NoSuchProperty cdk.out/one.template.json || same=1
rm -r cdk.out
cdk synth --quiet --no-validation
[ "$code" = 0 ] && ! grep -q NoSuchProperty output || same=1
app 'queue.addPropertyOverride("NoSuchProperty", 1);'
cdk ls --no-validation
grep -q "will be ignored" output && grep -q "CDK_VALIDATION is false" output && [ ! -e cdk.out/validation-report.json ] || same=1
cdk ls
echo "\$ grep -c NoSuchProperty cdk.out/validation-report.json"
grep -c NoSuchProperty cdk.out/validation-report.json || same=1
exit "$same"
