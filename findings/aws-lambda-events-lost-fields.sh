#!/usr/bin/env bash
# The crate aws_lambda_events 1.2.1 has a field `url_decoded_key` for an object in a notification of S3. It is `None` for every notification,
# since S3 sends no such member and nothing fills it; `key` stays encoded. `EventBridgeEvent` has no `replay-name`, which
# EventBridge adds to an event that an archive replays: it is dropped, so a replayed event looks like a new one.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html
set -euo pipefail
command -v cargo >/dev/null || { echo "error: cargo is missing; install Rust: https://rustup.rs" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name events .
cargo add --quiet --no-default-features --features s3,eventbridge aws_lambda_events@=1.2.1
cargo add --quiet serde_json@1
cat >src/main.rs <<'RUST'
use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::s3::S3Event;
use serde_json::{Value, json};

fn main() {
    let notification = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": { "principalId": "A" },
        "requestParameters": { "sourceIPAddress": "192.0.2.1" }, "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "c",
            "bucket": { "name": "b", "ownerIdentity": { "principalId": "A" }, "arn": "arn:aws:s3:::b" },
            "object": { "key": "new+orders%2B1.csv", "size": 3, "eTag": "e", "sequencer": "1" },
        },
    }] });
    let event: S3Event = serde_json::from_value(notification).expect("a notification");
    let object = &event.records[0].s3.object;
    println!("key {:?}, url_decoded_key {:?}", object.key, object.url_decoded_key);

    let replayed = json!({ "detail-type": "d", "source": "s", "detail": {}, "replay-name": "again" });
    let event: EventBridgeEvent<Value> = serde_json::from_value(replayed).expect("an event");
    let again = serde_json::to_value(event).expect("JSON");
    println!("replay-name {:?}", again.get("replay-name"));
}
RUST
cargo run --quiet >output
grep -m1 -A1 'name = "aws_lambda_events"' Cargo.lock
cat output
diff output - <<'OUTPUT'
key Some("new+orders%2B1.csv"), url_decoded_key None
replay-name None
OUTPUT
