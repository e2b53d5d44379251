//! What can be seen from outside: metrics and spans, by the names of docs/observability.md.
#![allow(clippy::unwrap_used, reason = "a test panics where its world breaks")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "metrics")]
mod cached;
mod events;
#[cfg(feature = "metrics")]
mod measured;
#[cfg(feature = "tracing")]
mod spans;
