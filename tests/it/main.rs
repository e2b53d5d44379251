//! The library through its public API, a module per subject: `cargo test --test it rotation::` runs one of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![cfg_attr(not(feature = "tokio"), allow(unused_imports, reason = "some tests need tokio"))]

mod assess;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod attacks;
mod authenticated_at;
mod authorization;
mod cache;
mod cancellation;
mod claims_epoch;
mod concurrency;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod config;
mod cookies;
mod cross_site;
mod dead_sessions;
mod device;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod device_routes;
mod faults;
mod feed;
#[cfg(feature = "axum")]
mod frameworks;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod generations;
#[cfg(all(feature = "axum", any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod guide;
mod head;
mod herd;
#[cfg(all(feature = "axum", any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod invalid_claims;
mod lifetimes;
mod login;
mod login_options;
mod login_page;
mod logout;
mod matrix;
#[cfg(all(feature = "axum", any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod native;
mod navigations;
mod observability;
mod races;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod random_requests;
mod readiness;
mod rotation;
mod schedules;
mod secrecy;
mod servers;
mod session_data;
mod several_layers;
mod shared_commits;
mod slow;
mod step_up;
mod structure;
mod support;
#[cfg(feature = "testing")]
mod testing;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod verifier;
