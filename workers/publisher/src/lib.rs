//! The publisher, which puts events on the bus in as few calls as possible and without losing any.
//!
//! Every worker that publishes uses [`Publisher`]. PutEvents answers per entry, so a call that "succeeded" may have
//! failed for some of its entries. Only those are sent again, with growing pauses, and the failures that remain in the
//! end are returned to the caller, who decides about the message or the file that they came from.
//!
//! The functions use [`Publisher::publish`], which answers in the order of its input. The extraction task uses
//! [`Stream`], which keeps a few calls in flight and a fixed amount of memory, however long the file is.

pub mod aws;
mod batch;
mod entry;
mod failure;
mod pace;
mod publisher;
mod stream;

pub use batch::{MAX_BYTES, MAX_BYTES_ELSEWHERE, MAX_ENTRIES, max_bytes_in, split};
pub use entry::{Destination, Entry};
pub use failure::{Failure, Rejection};
pub use publisher::{MAX_IN_FLIGHT, Publisher, PutEvents};
pub use stream::{Stream, Summary};
