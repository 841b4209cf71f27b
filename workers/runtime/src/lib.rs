//! The parts that the workers share: start-up, errors of calls, pauses between attempts, and reads of S3 objects by range.

mod backoff;
pub mod s3;
mod start;

pub use backoff::Backoff;
pub use client::{CallError, Client};
/// The allocator of the workers. A row, like a message, is dozens of small allocations: with libc's allocator, a quarter of the
/// processor time goes there. It does without huge pages, of which the first few allocations would touch several, each of 2 MiB.
/// Each program sets it, so that a program that only uses a worker's code keeps its own.
pub use mimalloc::MiMalloc as Allocator;
pub use start::{Environment, set_up_logs};
