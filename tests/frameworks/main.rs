//! The layer in the frameworks of people: axum, bare hyper and tonic, and around services unlike those.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(feature = "axum")]

#[path = "../support/mod.rs"]
mod support;

mod any_service;
mod with_axum;
mod with_hyper;
mod with_tonic;
