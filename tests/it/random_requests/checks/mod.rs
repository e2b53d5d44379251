//! What holds for every request, whatever is in it. `tests/it/random_requests` gives these checks a few thousand inputs, the
//! targets of `fuzz/` as many as there is time for.
//!
//! Each takes the bytes of a fuzzer and panics where the library does what it must not. What must come out is worked out
//! here anew, by other means than the library's own.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a check that cannot go on has failed")]

pub mod access_token;
pub mod authorization;
pub mod cookies;
pub mod history;
pub mod refresh_token;
mod response;
mod scene;
mod template;

use std::cell::OnceCell;

use tokio::runtime::{Builder, Runtime};

/// Runs a check on the runtime of this thread.
fn block_on<T>(check: impl Future<Output = T>) -> T {
    thread_local!(static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() });
    RUNTIME.with(|runtime| {
        runtime.get_or_init(|| Builder::new_current_thread().build().unwrap()).block_on(check)
    })
}
