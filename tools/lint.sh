#!/usr/bin/env bash
# lint.sh CARGO ARGUMENT…: builds with Clippy as the compiler of our own packages, and fails if it warns of anything. `cargo clippy`
# says the same, but would look at every dependency once more, since it takes none from a build.
set -euo pipefail
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$@" 2>&1 | tee "$out"
if grep --quiet '^warning' "$out"; then
    echo "error: warnings count as errors here" >&2
    exit 1
fi
