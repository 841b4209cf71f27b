#!/usr/bin/env bash
# The crate serde_dynamo 4.3.0 reads a number of DynamoDB beyond 64 bits into `serde_json::Value` as the nearest double, without an error,
# though it is an integer of 20 digits and DynamoDB keeps 38. In the other direction it writes the number `NaN`, which
# DynamoDB has not, instead of refusing it; so the call fails later, for the whole request.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
set -euo pipefail
command -v cargo >/dev/null || { echo "error: cargo is missing; install Rust: https://rustup.rs" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name numbers .
cargo add --quiet serde_dynamo@=4.3.0
cargo add --quiet serde_json@1
cat >src/main.rs <<'RUST'
use serde_dynamo::{AttributeValue, from_attribute_value, to_attribute_value};
use serde_json::Value;

fn main() {
    for number in ["18446744073709551615", "18446744073709551617", "12345678901234567890123456789012345678"] {
        let value: Value = from_attribute_value(AttributeValue::N(number.into())).expect("a number");
        println!("{number}: {value}");
    }
    let written: AttributeValue = to_attribute_value(f64::NAN).expect("an attribute");
    println!("{written:?}");
}
RUST
cargo run --quiet >output
grep -m1 -A1 'name = "serde_dynamo"' Cargo.lock
cat output
diff output - <<'OUTPUT'
18446744073709551615: 18446744073709551615
18446744073709551617: 1.8446744073709552e+19
12345678901234567890123456789012345678: 1.2345678901234568e+37
N("NaN")
OUTPUT
