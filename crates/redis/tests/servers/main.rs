//! Tests against private servers: `cargo test -p tower-refresh-redis -- --include-ignored`.

#![allow(clippy::unwrap_used, reason = "a failure of the servers fails the test")]

mod laws_on_cluster;
mod laws_on_node;
mod support;
