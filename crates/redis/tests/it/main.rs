//! Tests of URLs and options, and of the store against private servers, which the tests start.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod crashes;
mod failover;
mod faults;
mod feed;
mod formats;
mod laws_on_cluster;
mod laws_on_node;
mod laws_with_least_rights;
mod many;
mod races;
mod read_only;
mod replicas;
mod resharding;
mod rights;
mod sharing;
mod support;
#[cfg(feature = "rustls")]
mod tls;
