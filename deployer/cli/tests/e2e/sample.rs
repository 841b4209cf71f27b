//! The stack of the tests of deployments, not of workers: a queue, a function whose code is a zip, and on request a
//! bucket. It builds nothing and deploys in a second.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cloud::Cloud;

/// A stack file for the start of a local cloud, before there is a proxy to name.
pub const EMPTY: &str =
    "name: none\nstacks: { local: { target: local } }\nresources: { none: { type: queue } }\n";

/// Returns a stack file; `timeout` is the visibility timeout of its queue in seconds, and tells one version from
/// another.
pub fn stack(name: &str, endpoint: &str, timeout: u32) -> String {
    format!(
        r#"
name: {name}
stacks: {{ local: {{ target: local, endpoint: "{endpoint}", removal: delete }} }}
resources:
  jobs: {{ type: queue, properties: {{ visibilityTimeout: {timeout}s }} }}
  work:
    type: function
    properties:
      code: {{ zip: code.zip, runtime: python3.12, handler: app.handler }}
      timeout: 10s
      triggers: [{{ queue: "${{jobs}}" }}]
outputs:
  jobs: ${{jobs.url}}
"#
    )
}

/// Returns the same stack file with a bucket.
pub fn stack_with_bucket(name: &str, endpoint: &str, timeout: u32) -> String {
    let stack = stack(name, endpoint, timeout);
    stack
        .replace("resources:\n", "resources:\n  landing: { type: bucket }\n")
        .replace("      triggers:", "      access: [{ read: \"${landing}\" }]\n      triggers:")
}

/// Creates the zip for the function, with a word that tells one code from another; large enough to be cut in the
/// middle.
pub fn zip(word: &str) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut out);
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    zip.start_file("app.py", options).expect("a file");
    let code =
        format!("# {word}\n{}\ndef handler(event, context):\n    return event\n", "#\n".repeat(20_000));
    zip.write_all(code.as_bytes()).expect("a content");
    zip.finish().expect("a zip");
    out.into_inner()
}

/// Returns the SHA-256 as in the names of assets.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The content of the asset bucket.
#[derive(Debug, Default)]
pub struct Assets {
    /// Number of zips.
    pub zips: usize,
    /// Stack → its records, in their order.
    pub records: BTreeMap<String, Vec<Value>>,
}

/// Checks all of the asset bucket: zips and templates have the content of their names, each record has its place and
/// names an existing template, and no upload is left over.
pub async fn assets_are_whole(cloud: &Cloud) -> Assets {
    const BUCKET: &str = "deployer-assets-000000000000-us-east-1";
    let config = cloud.sdk().await;
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
    );
    let objects = s3.list_objects_v2().bucket(BUCKET).send().await.expect("ListObjectsV2");
    assert_ne!(objects.is_truncated(), Some(true), "more assets than a test makes");
    let mut assets = Assets::default();
    let mut templates = BTreeSet::new();
    // The order is that of the names, which is that of the numbers of records.
    for key in objects.contents().iter().filter_map(|object| object.key()) {
        let object = s3.get_object().bucket(BUCKET).key(key).send().await.expect("GetObject");
        let bytes = object.body.collect().await.expect("the body").into_bytes();
        match key.split('/').collect::<Vec<_>>().as_slice() {
            ["deployments", stack, _] => {
                let record: Value = serde_json::from_slice(&bytes).expect("a record");
                let records = assets.records.entry((*stack).to_owned()).or_default();
                records.push(record);
                assert_eq!(
                    key,
                    format!("deployments/{stack}/{:08}.json", records.len()),
                    "a gap in the records"
                );
                assert_eq!(records.last().expect("it")["number"], records.len(), "{key}");
            }
            ["templates", file] => {
                assert_eq!(*file, format!("{}.json", hex(&bytes)), "what it holds");
                templates.insert(hex(&bytes));
            }
            _ => {
                assert!(key.ends_with(&format!("/{}.zip", hex(&bytes))), "{key} holds {}", hex(&bytes));
                assets.zips += 1;
            }
        }
    }
    for record in assets.records.values().flatten() {
        let template = record["template"].as_str().expect("a template");
        assert!(templates.contains(template), "{record} names a template that is not there");
    }
    let uploads = s3.list_multipart_uploads().bucket(BUCKET).send().await.expect("ListMultipartUploads");
    assert!(uploads.uploads().is_empty(), "an upload is left behind");
    assets
}
