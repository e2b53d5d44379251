//! What can be seen from outside: events and metrics, by the names of docs/observability.md.

#[cfg(feature = "metrics")]
mod cached;
mod events;
#[cfg(feature = "metrics")]
mod measured;
