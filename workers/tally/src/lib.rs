//! The tally: exact sets of the rows of an object version that each stage has seen.
//!
//! `observe` merges every batch of events into a table ([`Writer`]); the deployer and a task that sends rows again read
//! it ([`read`], [`rows_to_replay`]). Events are delivered twice and in any order, from several writers at once. A set
//! that is merged twice is the same set, and merges in any order give the same union, so nothing is counted twice or
//! lost.
//!
//! One item holds 65,536 rows of an object, a bitmap for each stage; one more concerns the whole object. Each writer
//! has its own share of both, which readers unite, until a writer finds that the rows are done and folds the shares
//! into one. Beside them are the [`checkpoint`]s of the tasks that read the object, and the number of settled rows, by
//! which a writer finds that the object is at its end ([`completion`]); and what the worker `snapshot` remembers
//! ([`snapshot`]).

mod attribute;
pub mod aws;
mod batch;
pub mod checkpoint;
pub mod completion;
mod described;
pub mod details;
mod item;
mod reader;
mod row_set;
mod rows;
pub mod snapshot;
mod summary;
mod time;
pub mod verification;
mod writer;

pub use attribute::{Attribute, Attributes};
pub use batch::{Batch, MAX_ROWS_PER_EVENT, Progress, Touched, Unusable};
pub use item::{Content, Damaged, Key, PARTITION_KEY, SORT_KEY};
pub use reader::{
    FAILED, Failure, MISSING, PendingReplay, Scope, Source, Stored, Tally, TallyError, list, read,
    rows_to_replay,
};
pub use row_set::RowSet;
pub use rows::{ROWS_PER_CHUNK, Rows};
pub use summary::{Counts, Replayed, Summary};
pub use writer::{Change, Errors, MergeError, Store, Updated, Writer, backoff};
