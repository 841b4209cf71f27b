//! The program of the task, where it is built from sources; see [`task::process`]. A released deployer carries the program of the
//! functions alone, which is the task where no handler is named.

use std::process::ExitCode;

use runtime::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// Not a thread for each core: the work in flight is bounded by calls, one core feeds more than a bus takes, and threads
// that hand each other every batch make each row more expensive.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    task::process::main().await
}
