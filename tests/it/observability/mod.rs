//! Events and metrics, with the names of docs/observability.md.

#[cfg(feature = "metrics")]
mod cached;
mod events;
#[cfg(feature = "metrics")]
mod measured;
