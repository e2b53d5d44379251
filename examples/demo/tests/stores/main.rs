//! Several demo servers on one store, and what they do when that store, or one of them, fails: the real programs, over HTTP,
//! on private servers of PostgreSQL and Redis.
//!
//! `cargo test -p demo --test stores -- --ignored`
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod several;
mod support;
