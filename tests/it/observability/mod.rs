//! Events and metrics, with the names of docs/observability.md.

#[cfg(feature = "metrics")]
mod cached;
mod clients;
mod events;
mod large_head;
mod lost_responses;
#[cfg(feature = "metrics")]
mod measured;
mod mistakes;
mod names;
mod redelivered;
