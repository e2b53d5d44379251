//! Benchmarks of requests through an axum route, in process, without a network.
//!
//! Requests are created before the measurement, so that only the work of the server counts.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]
#![allow(clippy::missing_panics_doc, reason = "as above")]

pub mod algorithm;
pub mod crowd;
pub mod figures;
pub mod jwt;
pub mod ours;
pub mod requests;
pub mod scenarios;
pub mod store;
#[cfg(feature = "stores")]
pub mod stores;
#[cfg(feature = "stores")]
pub mod tail;
