//! Output through `tracing`.
//!
//! In its own process: `tracing` remembers for all threads whether a callsite is enabled, as the first thread that
//! reaches it sees it. Here each thread listens before it calls the library; beside tests that do not, events get lost.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "../it/secrecy/search.rs"]
mod search;
#[path = "../it/support/mod.rs"]
mod support;

mod logs;
mod spans;
