//! What is said through `tracing`.
//!
//! In a process of its own: `tracing` keeps for all threads whether a callsite is listened to, as the first thread that
//! comes to it sees it. Here each thread listens before it calls the library; beside the tests that do not, events get lost.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../it/secrecy/search.rs"]
mod search;
#[path = "../it/support/mod.rs"]
mod support;

mod logs;
mod spans;
