//! The store against a real server, which the tests start: a private one, on a socket in a folder of its own.
//!
//! `cargo test -p tower-refresh-postgres -- --include-ignored`

mod faults;
mod feed;
mod grouping;
mod laws;
mod opening;
mod support;
