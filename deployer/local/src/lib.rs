//! The local cloud: MiniStack, and the parts that it lacks to run the pipeline.
//!
//! `deployer local up` starts a supervisor ([`supervisor`]), which starts the emulator ([`emulator`]) and runs the
//! tasks that the emulator only pretends to run ([`agent`]). All files are in a folder beside the stack file
//! ([`state`]), through which other commands find the local cloud and [`control`] starts and stops it.

pub mod agent;
pub mod control;
pub mod emulator;
mod options;
pub mod state;
pub mod supervisor;

pub use options::Options;

/// Differences between AWS and the local cloud. The template itself is deployed unchanged.
///
/// Observed with MiniStack 1.5.33, except for the last, which is how [`agent`] runs tasks.
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
