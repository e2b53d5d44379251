//! What is measured: requests through an axum route, in process, without a network.
//!
//! Requests are made before they are measured, so that only what a server does with them counts.
#![allow(clippy::unwrap_used, reason = "a benchmark panics where its world breaks")]
#![allow(clippy::missing_panics_doc, reason = "as above")]

pub mod algorithm;
pub mod crowd;
pub mod figures;
pub mod jwt;
pub mod ours;
pub mod requests;
pub mod scenarios;
pub mod store;
