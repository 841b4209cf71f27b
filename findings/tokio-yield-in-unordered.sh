#!/usr/bin/env bash
# A test that ends a process at any step polls its future in a loop and drops it. With tokio 1.54.1 and futures 0.3.34, work inside
# `buffer_unordered` makes no step in such a loop if it waits by `tokio::task::yield_now`: that wakes its task when the runtime gets its
# turn, which the loop does not give it, and `buffer_unordered` polls only what was woken. Work beside it, by `join`, goes on with each
# poll. So the test passes, and never sees anything that runs side by side. A `yield_now` of the loop itself between two polls lets both go on.
# https://docs.rs/tokio/1.54.1/tokio/task/fn.yield_now.html
# https://docs.rs/futures/0.3.34/futures/stream/trait.StreamExt.html#method.buffer_unordered
set -euo pipefail
command -v cargo >/dev/null || { echo "error: cargo is missing; install Rust: https://rustup.rs" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name steps .
cargo add --quiet --features rt,macros tokio@=1.54.1
cargo add --quiet futures@=0.3.34
cat >src/main.rs <<'RUST'
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures::{StreamExt, stream};

/// One piece of work: three steps, with a wait before each.
async fn work(steps: &Cell<u32>) {
    for _ in 0..3 {
        tokio::task::yield_now().await;
        steps.set(steps.get() + 1);
    }
}

/// Polls a future a hundred times; with `lets`, the runtime gets its turn in between.
async fn polled(future: impl Future<Output = ()>, lets: bool) -> bool {
    let mut future = pin!(future);
    for _ in 0..100 {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await.is_ready() {
            return true;
        }
        if lets {
            tokio::task::yield_now().await;
        }
    }
    false
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for lets in [false, true] {
        let steps = Cell::new(0);
        let ends = polled(async { let ((), ()) = tokio::join!(work(&steps), work(&steps)); }, lets).await;
        println!("join, runtime in between {lets}: {} of 6 steps, ends {ends}", steps.get());
        let steps = Cell::new(0);
        let both = stream::iter([work(&steps), work(&steps)]).buffer_unordered(2).collect::<Vec<()>>();
        let ends = polled(async { drop::<Vec<()>>(both.await) }, lets).await;
        println!("buffer_unordered, runtime in between {lets}: {} of 6 steps, ends {ends}", steps.get());
    }
}
RUST
cargo run --quiet >output
grep -A1 -E 'name = "(tokio|futures)"' Cargo.lock
cat output
diff output - <<'OUTPUT'
join, runtime in between false: 6 of 6 steps, ends true
buffer_unordered, runtime in between false: 0 of 6 steps, ends false
join, runtime in between true: 6 of 6 steps, ends true
buffer_unordered, runtime in between true: 6 of 6 steps, ends true
OUTPUT
