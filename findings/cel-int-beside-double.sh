#!/usr/bin/env bash
# The crate cel 0.15.0 compares an int with a double by making a double of the int, so that two numbers that differ are equal:
# `9007199254740993 == 9007199254740992.0` is true, and `>` is false. The specification of CEL compares them as if they were on one
# continuous line of numbers (langdef.md, "Numeric Values"). Two ints are compared exactly.
set -euo pipefail
command -v cargo >/dev/null || { echo "error: cargo is missing; install Rust: https://rustup.rs" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name compare .
cargo add --quiet --no-default-features cel@=0.15.0
cat >src/main.rs <<'RUST'
use cel::{Context, Program};

fn main() {
    for expression in [
        "1 == 1.0",
        "9007199254740993 == 9007199254740992.0",
        "9007199254740993 in [9007199254740992.0]",
        "9007199254740993 > 9007199254740992.0",
        "9007199254740993 == 9007199254740992",
    ] {
        let program = Program::compile(expression).expect("an expression");
        println!("{expression}: {:?}", program.execute(&Context::default()).expect("a value"));
    }
}
RUST
cargo run --quiet >output
grep -m1 -A1 'name = "cel"' Cargo.lock
cat output
diff output - <<'OUTPUT'
1 == 1.0: Bool(true)
9007199254740993 == 9007199254740992.0: Bool(true)
9007199254740993 in [9007199254740992.0]: Bool(true)
9007199254740993 > 9007199254740992.0: Bool(false)
9007199254740993 == 9007199254740992: Bool(false)
OUTPUT
