//! `deployer verify` of stacks with other settings than the first one, beside items and files of a user.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::{conflicts, inline, snapshots};

/// Name of the stack in CloudFormation.
const NAME: &str = "eventbridge-etl-local";
/// A file of a user.
const FILE: &[u8] = b"ID,HouseNum,Street,Town,Zip\n1,2,Road,Ulm,089\n2,3,Road,Ulm,089\n,4,Road,Ulm,089\n";
/// Time in which the results of the file are written.
const SETTLED: Duration = Duration::from_secs(60);

/// Everything that a stack holds of its user, and of a verification if that leaves something: each item of the table, each object in the
/// tally, each version of each object, each note, and the messages in its queues.
async fn held(cloud: &Cloud, config: &aws_config::SdkConfig) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    for id in ["Records", "Tally"] {
        let table = cloud.physical_id(NAME, id).await;
        let answer = dynamodb.scan().table_name(table).consistent_read(true).send().await.expect("Scan");
        all.extend(answer.items().iter().map(|item| match id {
            // Shards of a file are merged at any time.
            "Tally" => format!("{id}: {:?}", item.get("object")),
            _ => {
                let mut item: Vec<_> = item.iter().collect();
                item.sort_by_key(|(name, _)| *name);
                format!("{id}: {item:?}")
            }
        }));
    }
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let bucket = cloud.physical_id(NAME, "Landing").await;
    let versions = s3.list_object_versions().bucket(bucket).send().await.expect("ListObjectVersions");
    let of_objects = versions.versions().iter().map(|one| format!("{:?} {:?}", one.key(), one.version_id()));
    all.extend(of_objects);
    all.extend(versions.delete_markers().iter().map(|one| format!("{one:?}")));
    let buckets = s3.list_buckets().send().await.expect("ListBuckets");
    let assets = buckets.buckets().iter().filter_map(|one| one.name());
    for assets in assets.filter(|name| name.starts_with("deployer-assets")) {
        let notes = s3.list_objects_v2().bucket(assets).prefix("verifications/");
        let notes = notes.send().await.expect("ListObjectsV2");
        all.extend(notes.contents().iter().map(|one| format!("{:?}", one.key())));
    }
    all.insert(format!("{} errors", cloud.messages("Errors").await));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn stacks_with_other_settings_are_verified_and_nothing_is_left() {
    let variants = [
        ("inline", inline::stack()),
        ("keep", conflicts::stack("keep")),
        ("merge", conflicts::stack("merge")),
        ("snapshot", snapshots::stack()),
    ];
    let cloud = Cloud::start(&variants[0].1);
    let config = cloud.sdk().await;
    for (at, (name, stack)) in variants.iter().enumerate() {
        let began = Instant::now();
        cloud.write("stack.yaml", stack.as_bytes());
        cloud.json(&["deploy", "local", "-y"]);
        if at == 0 {
            cloud.write("orders.csv", FILE);
            let (loaded, err) = cloud.json_failing(&["upload", "orders.csv", "--wait", "--no-check"], 7);
            assert_eq!((&loaded["loaded"], &loaded["failed"]), (&2.into(), &1.into()), "{loaded}\n{err}");
            let end = Instant::now() + SETTLED;
            let is_reported =
                |all: &BTreeSet<String>| all.iter().any(|one| one.contains("rejects/orders.csv"));
            while !is_reported(&held(&cloud, &config).await) {
                assert!(Instant::now() < end, "there are no results");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (deployed, before) = (began.elapsed(), held(&cloud, &config).await);
        assert!(before.iter().filter(|one| one.starts_with("Records")).count() == 2, "{before:#?}");
        let done = cloud.json(&["verify"]);
        assert_eq!(done["result"], "verified", "{name}: {done}");
        let hops = done["hops"].as_array().expect("hops");
        assert!(hops.iter().all(|hop| hop["passed"] == true), "{name}: {done}");
        let after = held(&cloud, &config).await;
        let (more, less) = (after.difference(&before), before.difference(&after));
        let other: Vec<&String> = more.chain(less).collect();
        assert!(other.is_empty(), "{name}: {other:#?}");
        #[expect(clippy::print_stderr, reason = "figures for whoever runs the test by itself")]
        {
            eprintln!(
                "{name}: deployed in {:.1} s, verified in {:.1} s with {} hops",
                deployed.as_secs_f64(),
                (began.elapsed() - deployed).as_secs_f64(),
                hops.len()
            );
        }
    }
}
