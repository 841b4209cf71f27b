//! The agreement between the deployer and the workers: event sources and detail types, event bodies, record IDs, the
//! environment variables from which a worker learns the names of its resources, and the settings of each worker.
//!
//! `deployer-lang` lowers `stack.yaml` with these definitions and the workers run on them, so a rule's pattern cannot
//! drift from the events that it must match. No I/O, no AWS client.

pub mod assignment;
pub mod brief;
mod characters;
pub mod columns;
pub mod content_range;
pub mod dialect;
pub mod encoding;
pub mod environment;
pub mod event;
pub mod failure;
pub mod json;
pub mod location;
pub mod metrics;
pub mod object;
pub mod row;
pub mod settings;
pub mod verification;

pub use assignment::{Assignment, Part, Replay, ReplayRequest, RestartRequest, Shard};
pub use brief::Brief;
pub use content_range::ContentRange;
pub use encoding::Encoding;
pub use event::{Detail, EventKind, Notes, SOURCE};
pub use failure::{FailedStage, Reason};
pub use location::Location;
pub use object::{ObjectRef, RecordRef};
