//! No token, no cookie value and no key shows in a log or in any `Debug`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod debug;
mod headers;
#[cfg(feature = "tracing")]
mod logs;
mod search;
