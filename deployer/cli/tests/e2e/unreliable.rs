//! Fifty deployments through a network that breaks and services that are busy: all arrive, and no asset is half there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::cloud::Cloud;
use crate::proxy::{Fate, Proxy};
use crate::sample::{EMPTY, assets_are_whole, hex, stack, zip};
use crate::wire::Call;

/// Number of stacks that are deployed side by side.
const LANES: usize = 5;
/// The states of each stack, one after the other: visibility timeout of its queue in seconds, content of its function.
/// Two equal ones leave nothing to do.
const STATES: [(u32, &str); 10] = [
    (60, "first"),
    (60, "first"),
    (90, "first"),
    (90, "second"),
    (90, "second"),
    (60, "first"),
    (120, "third"),
    (120, "third"),
    (61, "third"),
    (62, "fourth"),
];

/// Returns a decision by which one call in six meets something: 10 % an error, 3 % a throttle, 4 % a lost connection, 1
/// % two seconds.
fn weather(seed: u64) -> impl FnMut(&Call, usize) -> Fate + Send + 'static {
    let mut random = fastrand::Rng::with_seed(seed);
    move |call, _| match random.u32(0..100) {
        0..5 => Fate::Refused(500, if call.service == "S3" { "InternalError" } else { "InternalFailure" }),
        5..10 => Fate::Refused(503, if call.service == "S3" { "SlowDown" } else { "ServiceUnavailable" }),
        10..13 => match call.service.as_str() {
            "S3" => Fate::Refused(503, "SlowDown"),
            "CloudFormation" | "STS" | "IAM" => Fate::Refused(400, "Throttling"),
            _ => Fate::Refused(429, "TooManyRequestsException"),
        },
        13 => Fate::LostBefore,
        14 => Fate::Cut,
        15 | 16 => Fate::LostAfter,
        17 => Fate::Late(Duration::from_secs(2)),
        _ => Fate::Through,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_deployments_arrive_through_every_weather() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    proxy.decide(weather(seed));

    let failures = Arc::new(Mutex::new(Vec::new()));
    let deploy = |lane: usize, at: usize, expected: &str| {
        let folder = cloud.folder().join(format!("lane{lane}"));
        let file = folder.join("stack.yaml");
        let output = cloud.run(&["--file", &file.to_string_lossy(), "deploy", "--output", "json"]);
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if !output.status.success() || result["result"] != expected {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let text = format!(
                "lane {lane}, state {at}: {}, {}, not {expected}\n{said}",
                output.status, result["result"]
            );
            failures.lock().expect("not poisoned").push(text);
        }
    };
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (deploy, cloud, proxy) = (&deploy, &cloud, &proxy);
            scope.spawn(move || {
                let folder = cloud.folder().join(format!("lane{lane}"));
                std::fs::create_dir(&folder).expect("a folder");
                for (at, (timeout, content)) in STATES.into_iter().enumerate() {
                    std::fs::write(
                        folder.join("stack.yaml"),
                        stack(&format!("lane{lane}"), &proxy.url, timeout),
                    )
                    .expect("stack.yaml");
                    std::fs::write(folder.join("code.zip"), zip(&format!("{lane} {content}")))
                        .expect("code.zip");
                    let same = at > 0 && STATES[at - 1] == (timeout, content);
                    deploy(lane, at, if same { "unchanged" } else { "deployed" });
                }
            });
        }
    });
    let calls: usize = proxy.calls().values().sum();
    {
        let failures = failures.lock().expect("not poisoned");
        assert!(failures.is_empty(), "seed {seed}, {calls} calls\n{}", failures.join("\n"));
    }
    assert!(calls > 400, "only {calls} calls went by the proxy");

    // The stack must be as the last file describes it, asked for past the proxy.
    let (last_timeout, last_content) = STATES[STATES.len() - 1];
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let cloudformation = aws_sdk_cloudformation::Client::new(&cloud.sdk().await);
    for lane in 0..LANES {
        let stack = format!("lane{lane}-local");
        let url = cloud.physical_id(&stack, "Jobs").await;
        let name = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        let answer = sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
        let answer = answer.expect("GetQueueAttributes");
        assert_eq!(
            answer.attributes().expect("attributes")[&name],
            last_timeout.to_string(),
            "seed {seed}, {stack}"
        );
        let described =
            cloudformation.describe_stacks().stack_name(&stack).send().await.expect("DescribeStacks");
        let described = described.stacks().first().expect("the stack").clone();
        let status = described.stack_status().map(|status| status.as_str().to_owned());
        assert_eq!(status.as_deref(), Some("UPDATE_COMPLETE"), "seed {seed}, {stack}");
        let wanted = format!("/{}.zip", hex(&zip(&format!("{lane} {last_content}"))));
        let code = described.parameters().iter().filter_map(|one| one.parameter_value());
        assert!(code.into_iter().any(|value| value.ends_with(&wanted)), "seed {seed}, {stack}: not {wanted}");
    }

    let assets = assets_are_whole(&cloud).await;
    assert_eq!(assets.zips, LANES * 4, "four contents a lane");
    let changes = 1 + STATES.windows(2).filter(|pair| pair[0] != pair[1]).count();
    for lane in 0..LANES {
        let records = &assets.records[&format!("lane{lane}-local")];
        assert_eq!(records.len(), changes, "seed {seed}: each deployment is recorded once: {records:?}");
        assert!(records.iter().all(|record| record["result"] == "succeeded"), "seed {seed}: {records:?}");
    }
}
