//! A deployment that is killed at any moment is taken up by the next, and two at once do not harm each other.

use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::cloud::Cloud;
use crate::proxy::{Fate, Proxy};
use crate::sample::{EMPTY, assets_are_whole, stack, zip};

/// Number of moments at which a deployment is killed.
const MOMENTS: usize = 10;
/// Time within which a deployment must end: one of these stacks takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

fn spawn(cloud: &Cloud) -> Child {
    let mut command = cloud.command(&["deploy"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the deployer starts")
}

/// Returns exit code and stderr of a deployment that must end.
fn finish(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("its state").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("a deployment hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("its output");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_killed_at_any_moment_is_taken_up_again() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
    let mut random = fastrand::Rng::with_seed(seed);
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);

    let write = |name: &str, timeout: u32| {
        cloud.write("stack.yaml", stack(name, &proxy.url, timeout).as_bytes());
        cloud.write("code.zip", &zip(&format!("{name} {timeout}")));
    };
    let killed_then_well = async |name: &str, timeout: u32, place: &str, is_held: mpsc::Receiver<()>| {
        let killed = kill(spawn(&cloud), &is_held, place);
        proxy.decide(|_, _| Fate::Through);
        let output = cloud.run(&["deploy"]);
        assert!(output.status.success(), "{place}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(cloud.json(&["deploy"])["result"], "unchanged", "{place}");
        assert_eq!(visibility(&cloud, &format!("{name}-local")).await, timeout.to_string(), "{place}");
        usize::from(killed)
    };

    // The first deployment of all creates the asset bucket, and sets it up in five calls.
    write("whole", 50);
    let (held, is_held) = mpsc::channel();
    proxy.decide(move |call, _| match call.operation.as_str() {
        "PutBucketTagging" => Fate::Held(false, held.clone()),
        _ => Fate::Through,
    });
    let mut killed = killed_then_well("whole", 50, "killed while it sets up the asset bucket", is_held).await;

    // The number of calls to choose from: of a first deployment, of an update.
    let calls = ["whole2", "whole"].map(|name| {
        proxy.decide(|_, _| Fate::Through);
        write(name, 60);
        assert_eq!(cloud.json(&["deploy"])["result"], "deployed");
        proxy.calls().values().sum::<usize>()
    });
    for moment in 0..MOMENTS {
        let name = format!("killed{moment}");
        let update = moment % 2 == 1;
        if update {
            proxy.decide(|_, _| Fate::Through);
            write(&name, 60);
            cloud.json(&["deploy"]);
        }
        let timeout = if update { 90 } else { 60 };
        write(&name, timeout);
        // One moment is in each tenth of the deployment.
        let all = calls[usize::from(update)];
        let at = (moment * all + random.usize(0..all)) / MOMENTS;
        let passed_on = random.bool();
        let (held, is_held) = mpsc::channel();
        proxy.decide(
            move |_, before| if before == at { Fate::Held(passed_on, held.clone()) } else { Fate::Through },
        );
        let place =
            format!("seed {seed}: killed at call {at} of {all}, passed on: {passed_on}, update: {update}");
        killed += killed_then_well(&name, timeout, &place, is_held).await;
    }
    assert!(killed > MOMENTS / 2, "seed {seed}: only {killed} were killed");
    assets_are_whole(&cloud).await;
}

/// Kills a deployment when its call is held; returns `false` if the deployment ended before, since it polled less
/// often.
fn kill(mut child: Child, is_held: &mpsc::Receiver<()>, place: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while is_held.recv_timeout(Duration::from_millis(20)).is_err() {
        if child.try_wait().expect("its state").is_some() {
            return false;
        }
        assert!(Instant::now() < deadline, "{place}: it never came to that");
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deployments_at_once_do_not_harm_each_other() {
    let cloud = Cloud::start(EMPTY);
    let proxy = Proxy::start(&cloud.endpoint);
    cloud.write("stack.yaml", stack("both", &proxy.url, 60).as_bytes());
    cloud.write("code.zip", &zip("both"));
    cloud.json(&["deploy"]);

    // The second deployment starts when the first has its change set and has not executed it.
    let (there, is_there) = mpsc::channel();
    let (go, mut gone) = {
        let (go, gone) = oneshot::channel();
        (go, Some(gone))
    };
    proxy.decide(move |call, _| match (call.operation.as_str(), gone.take()) {
        ("ExecuteChangeSet", Some(gone)) => Fate::Waits(there.clone(), gone),
        (_, unused) => {
            gone = unused;
            Fate::Through
        }
    });
    cloud.write("stack.yaml", stack("both", &proxy.url, 90).as_bytes());
    let first = spawn(&cloud);
    is_there.recv_timeout(PATIENCE).expect("the first has its change set");
    cloud.write("stack.yaml", stack("both", &proxy.url, 120).as_bytes());
    let (code, said) = finish(spawn(&cloud));
    assert_eq!(code, Some(0), "{said}");
    go.send(()).expect("the first waits");
    // The first deployment has a plan of a stack that does not exist any more.
    let (code, said) = finish(first);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("another operation on both-local started first"), "{said}");
    assert_eq!(visibility(&cloud, "both-local").await, "120");

    // Started at the same moment, neither leaves the stack in a state that the next can't go on from.
    proxy.decide(|_, _| Fate::Through);
    cloud.write("stack.yaml", stack("both", &proxy.url, 150).as_bytes());
    let ends = [spawn(&cloud), spawn(&cloud)].map(finish);
    assert!(ends.iter().any(|(code, _)| *code == Some(0)), "{ends:?}");
    assert_eq!(cloud.json(&["deploy"])["result"], "unchanged", "{ends:?}");
    assert_eq!(visibility(&cloud, "both-local").await, "150");
}

/// Returns the visibility timeout of the queue, asked for past the proxy.
async fn visibility(cloud: &Cloud, stack: &str) -> String {
    use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
    let url = cloud.physical_id(stack, "Jobs").await;
    let client = aws_sdk_sqs::Client::new(&cloud.sdk().await);
    let answer = client.get_queue_attributes().queue_url(url).attribute_names(VisibilityTimeout).send().await;
    answer.expect("GetQueueAttributes").attributes().expect("attributes")[&VisibilityTimeout].clone()
}
