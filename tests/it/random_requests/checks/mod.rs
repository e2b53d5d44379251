//! Properties of every request, whatever it contains. `tests/it/random_requests` gives these checks a few thousand inputs.
//! The targets of `fuzz/` give them as many as time allows.
//!
//! Each takes the bytes of a fuzzer and panics if the library misbehaves. The expected result is computed here again, in
//! another way than in the library.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a check that cannot continue has failed")]

pub mod access_token;
pub mod authorization;
pub mod cookies;
pub mod device;
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
