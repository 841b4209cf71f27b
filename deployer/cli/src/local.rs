//! The local cloud: MiniStack, and what it lacks to run the pipeline.
//!
//! `deployer local up` starts a supervisor ([`supervisor`]), which starts the emulator ([`emulator`]) and
//! runs the tasks that the emulator only pretends to run ([`agent`]). All of it lives in a folder beside the
//! stack file ([`state`]), through which other commands find it and [`control`] starts and stops it.

pub mod agent;
pub mod control;
pub mod emulator;
pub mod state;
pub mod supervisor;

/// How the local cloud is started.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Port on 127.0.0.1; by default the port of the last start, 4566, or any free port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// URL that functions and tasks use for AWS until the local cloud is stopped, such as that of a proxy that counts, shows or
    /// breaks their calls; by default that of the local cloud
    #[arg(long, value_name = "URL", value_parser = url)]
    pub worker_endpoint: Option<String>,
}

fn url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("expected a URL such as http://127.0.0.1:8080".to_owned()),
    }
}

/// Differences between AWS and the local cloud. The template itself is deployed unchanged.
///
/// Seen with MiniStack 1.5.33, except for the last, which is how [`agent`] runs tasks.
pub const IGNORED: [(&str, &str); 8] = [
    ("Lambda", "ReservedConcurrentExecutions is dropped; the MaximumConcurrency of each queue does limit"),
    ("S3", "BucketEncryption, LifecycleConfiguration and OwnershipControls are dropped"),
    ("DynamoDB", "SSESpecification and PointInTimeRecoverySpecification are dropped"),
    ("ECS", "EphemeralStorage and RuntimePlatform are dropped"),
    ("EventBridge", "DeadLetterConfig of a rule's target is ignored"),
    ("IAM", "policies are stored and not enforced"),
    ("KMS", "data keys are protected in form only, and no other service encrypts with a key"),
    (
        "Tasks",
        "run as processes of your user: User, ReadonlyRootFilesystem, Cpu, Memory and the network are not enforced",
    ),
];
