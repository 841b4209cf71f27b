//! `deployer local`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use deployer_aws::session::{LOCAL_CREDENTIAL, LOCAL_REGION};
use deployer_base::error::{Error, Result};
use deployer_base::text::quoted;
use deployer_lang::model::target::Target;
use deployer_local::agent::become_program;
use deployer_local::state::{Folder, Running, Status};
use deployer_local::{IGNORED, Options, control, supervisor};

use crate::context::Context;

/// Run a local cloud on this machine, for stacks with `target: local`
///
/// The local cloud belongs to the folder of the stack file, and stores its data in `.deployer/local` there.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: LocalCommand,
}

#[derive(Debug, Subcommand)]
enum LocalCommand {
    /// Start the local cloud, unless it is running, and print its endpoint
    Up(Options),
    /// Print the variables with which the AWS CLI and SDKs use the local cloud, for `eval "$(deployer local env)"`
    Env,
    /// Stop the local cloud; its data is kept for the next start
    Down,
    /// Show whether the local cloud is running, and what it ignores in a template
    Status,
    /// Delete all data of the local cloud, and restart it if it was running
    Reset,
    /// Run the supervisor that `up` starts
    #[command(hide = true)]
    Supervise(Supervise),
    /// Replace this process with the program of a container
    #[command(hide = true)]
    Exec(Exec),
}

#[derive(Debug, clap::Args)]
struct Supervise {
    /// Executable of MiniStack.
    #[arg(long)]
    ministack: PathBuf,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Exec {
    /// Process with which to stop
    #[arg(long)]
    parent: i32,
    /// Program and arguments.
    #[arg(last = true, required = true)]
    words: Vec<OsString>,
}

/// A local cloud that is running or starting.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunningCloud<'a> {
    /// `true` if its endpoint answers.
    running: bool,
    /// `true` if it is starting.
    starting: bool,
    /// URL of all services.
    endpoint: &'a str,
    /// Process ID of its supervisor.
    pid: i32,
    /// Process ID of the emulator.
    emulator_pid: Option<i32>,
    /// Version of the emulator.
    emulator_version: Option<&'a str>,
    /// Time of its start, in seconds since 1970.
    started: u64,
    /// The tasks that are running.
    tasks: Vec<CloudTask<'a>>,
    /// Of `up`: whether it was running before.
    #[serde(skip_serializing_if = "Option::is_none")]
    already_running: Option<bool>,
    /// Of `reset`: whether its data was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<bool>,
    /// Of `env`: the variables with which the AWS CLI and SDKs use the local cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    environment: Option<Map<String, Value>>,
    /// Of `status`: whether templates are deployed unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    template_unchanged: Option<bool>,
    /// Of `status`: what AWS does with a template and the local cloud does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<Vec<IgnoredSetting>>,
}

/// A local cloud that does not answer.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoppedCloud {
    /// Always false.
    #[schemars(extend("const" = false))]
    running: bool,
    /// `true` if it is starting.
    #[serde(skip_serializing_if = "Option::is_none")]
    starting: Option<bool>,
    /// Of `down`: whether it was running before.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<bool>,
    /// Of `reset`: whether its data was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<bool>,
    /// Of `status`: whether templates are deployed unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    template_unchanged: Option<bool>,
    /// Of `status`: what AWS does with a template and the local cloud does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<Vec<IgnoredSetting>>,
}

/// A task that is running.
#[derive(Debug, Serialize, JsonSchema)]
struct CloudTask<'a> {
    /// Its ARN.
    arn: &'a str,
    /// Its family and revision.
    definition: &'a str,
}

/// A part of a template that the local cloud does not apply.
#[derive(Debug, Serialize, JsonSchema)]
struct IgnoredSetting {
    /// The service.
    service: &'static str,
    /// The part that is ignored.
    what: &'static str,
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    match &args.action {
        LocalCommand::Up(options) => up(context, options).await,
        LocalCommand::Env => env(context),
        LocalCommand::Down => down(context).await,
        LocalCommand::Status => status(context),
        LocalCommand::Reset => reset(context).await,
        LocalCommand::Supervise(args) => {
            supervisor::supervise(context.folder(), &args.ministack, &args.options).await
        }
        LocalCommand::Exec(args) => {
            let error = become_program(args.parent, &args.words);
            let program = args.words.first().map(|program| program.to_string_lossy().into_owned());
            Err(Error::failed(format!("could not run {}: {error}", program.unwrap_or_default())))
        }
    }
}

async fn up(context: &Context, options: &Options) -> Result<()> {
    let started = control::start(&context.file, context.folder(), options).await?;
    let running = &started.running;
    if context.ui.is_json() {
        return context.ui.json(RunningCloud { already_running: Some(started.already), ..describe(running) });
    }
    if started.already {
        context.ui.note("the local cloud was already running");
        if options.port.is_some_and(|port| !running.endpoint.ends_with(&format!(":{port}"))) {
            context.ui.warn("its port stays the same; run `deployer local down` first to change it");
        }
        if options.worker_endpoint.is_some() {
            context.ui.warn(
                "the endpoint of its workers stays the same; run `deployer local down` first to change it",
            );
        }
    } else {
        context.ui.note("started the local cloud; `deployer local down` stops it and keeps its data");
    }
    context.ui.note("to use it with the AWS CLI or an SDK: eval \"$(deployer local env)\"");
    context.ui.data(&format!("{}\n", running.endpoint))
}

async fn down(context: &Context) -> Result<()> {
    let stopped = control::stop(context.folder()).await?;
    if context.ui.is_json() {
        return context.ui.json(StoppedCloud { stopped: Some(stopped), ..StoppedCloud::default() });
    }
    context.ui.note(if stopped { "stopped the local cloud" } else { "the local cloud was not running" });
    Ok(())
}

/// Prints the variables with which tools reach the local cloud.
fn env(context: &Context) -> Result<()> {
    let document = context.load()?.document;
    let running = deployer_local::state::running(context.folder())?;
    let locals = || document.stacks.iter().filter(|stack| stack.target == Target::Local);
    let stack = locals().find(|stack| stack.default).or_else(|| locals().next());
    let region = context.region.clone().or_else(|| stack.and_then(|stack| stack.region.clone()));
    let region = region.unwrap_or_else(|| LOCAL_REGION.to_owned());
    let variables = environment(&running.endpoint, &region);
    if context.ui.is_json() {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        return context.ui.json(RunningCloud { environment: Some(environment), ..describe(&running) });
    }
    // A profile or token of the shell would be used, or looked for, in place of these credentials.
    let mut text = "unset AWS_PROFILE AWS_SESSION_TOKEN\n".to_owned();
    for (name, value) in variables {
        text.push_str(&format!("export {name}={}\n", quoted(value)));
    }
    context.ui.data(&text)
}

/// Returns the variables by which every AWS tool finds the local cloud; its credentials have no meaning.
fn environment<'v>(endpoint: &'v str, region: &'v str) -> [(&'static str, &'v str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", region),
        // The variable that version 1 of the AWS CLI and the SDK for Python read.
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", LOCAL_CREDENTIAL),
        ("AWS_SECRET_ACCESS_KEY", LOCAL_CREDENTIAL),
    ]
}

async fn reset(context: &Context) -> Result<()> {
    if Folder::beside(context.folder()).data().exists() {
        context.ui.confirm("Delete everything that the local cloud of this folder stores?").await?;
    }
    let stopped = control::stop(context.folder()).await?;
    control::erase(context.folder()).await?;
    if !stopped {
        if context.ui.is_json() {
            return context.ui.json(StoppedCloud { erased: Some(true), ..StoppedCloud::default() });
        }
        context.ui.note("deleted what the local cloud had stored; it is not running");
        return Ok(());
    }
    // On its old port, unless another process uses that by now.
    let running = control::start(&context.file, context.folder(), &Options::default()).await?.running;
    if context.ui.is_json() {
        return context.ui.json(RunningCloud { erased: Some(true), ..describe(&running) });
    }
    context.ui.note("deleted what the local cloud had stored, and started it again");
    context.ui.data(&format!("{}\n", running.endpoint))
}

fn status(context: &Context) -> Result<()> {
    let status = Folder::beside(context.folder()).status()?;
    if context.ui.is_json() {
        let template_unchanged = Some(true);
        let ignored = Some(IGNORED.iter().map(|(service, what)| IgnoredSetting { service, what }).collect());
        let stopped = StoppedCloud::default();
        return match &status {
            Status::Running(running) | Status::Starting(Some(running)) => {
                context.ui.json(RunningCloud { template_unchanged, ignored, ..describe(running) })
            }
            Status::Starting(None) => {
                context.ui.json(StoppedCloud { starting: Some(true), template_unchanged, ignored, ..stopped })
            }
            Status::Stopped => context.ui.json(StoppedCloud { template_unchanged, ignored, ..stopped }),
        };
    }
    let mut text = match &status {
        Status::Running(running) => shown(running),
        Status::Starting(_) => "The local cloud is starting.\n".to_owned(),
        Status::Stopped => "The local cloud is not running; start it with `deployer local up`.\n".to_owned(),
    };
    text.push_str("\nThe template is deployed unchanged. The local cloud differs from AWS:\n");
    for (service, what) in IGNORED {
        text.push_str(&format!("  {service:<12}{what}\n"));
    }
    context.ui.data(&text)
}

fn describe(running: &Running) -> RunningCloud<'_> {
    let tasks = running.tasks.iter().map(|task| CloudTask { arn: &task.arn, definition: &task.definition });
    RunningCloud {
        running: running.ready,
        starting: !running.ready,
        endpoint: &running.endpoint,
        pid: running.pid,
        emulator_pid: running.emulator_pid,
        emulator_version: running.version.as_deref(),
        started: running.started,
        tasks: tasks.collect(),
        already_running: None,
        erased: None,
        environment: None,
        template_unchanged: None,
        ignored: None,
    }
}

fn shown(running: &Running) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let version = running.version.as_deref().unwrap_or("of unknown version");
    let mut text = format!(
        "The local cloud is running at {} (process {}, MiniStack {version}, for {}).\n",
        running.endpoint,
        running.pid,
        duration(Duration::from_secs(now.saturating_sub(running.started))),
    );
    match running.tasks.as_slice() {
        [] => text.push_str("No tasks are running.\n"),
        tasks => {
            text.push_str(&format!("Running tasks: {}\n", tasks.len()));
            for task in tasks {
                let id = task.arn.rsplit('/').next().unwrap_or(&task.arn);
                text.push_str(&format!("  {id}  {}\n", task.definition));
            }
        }
    }
    text
}

/// Returns a time in its two largest units.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_aws_tool_is_led_to_the_local_cloud() {
        let variables = environment("http://127.0.0.1:4566", "eu-west-1");
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "AWS_ENDPOINT_URL",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY"
            ]
        );
        assert_eq!((variables[0].1, variables[1].1), ("http://127.0.0.1:4566", "eu-west-1"));
    }

    #[test]
    fn a_time_has_its_two_largest_units() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_cloud_that_runs_says_where_and_what() {
        let mut running = Running {
            endpoint: "http://127.0.0.1:4566".to_owned(),
            version: Some("1.5.33".to_owned()),
            ready: true,
            ..Running::starting().expect("a pid")
        };
        assert!(shown(&running).ends_with("No tasks are running.\n"));
        running.tasks.push(deployer_local::state::RunningTask {
            arn: "arn:aws:ecs:us-east-1:000000000000:task/cluster/0af3".to_owned(),
            definition: "stack-extraction:1".to_owned(),
        });
        let text = shown(&running);
        assert!(text.starts_with("The local cloud is running at http://127.0.0.1:4566 (process "), "{text}");
        assert!(text.ends_with("Running tasks: 1\n  0af3  stack-extraction:1\n"), "{text}");
    }
}
