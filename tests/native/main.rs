//! Native clients: a login whose refresh token is in the body, and `POST /auth/token`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(all(feature = "axum", any(feature = "aws_lc_rs", feature = "rust_crypto")))]

#[path = "../support/mod.rs"]
mod support;

mod carriers;
mod client;
mod forms;
mod login;
mod logout;
mod rotation;
