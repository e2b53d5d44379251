//! Tests against private servers: `cargo test -p tower-refresh-redis -- --include-ignored`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crashes;
mod failover;
mod faults;
mod feed;
mod laws_on_cluster;
mod laws_on_node;
mod races;
mod replicas;
mod sharing;
mod support;
#[cfg(feature = "rustls")]
mod tls;
