//! Tests of the store against private PostgreSQL servers, which the tests start.
//!
//! `cargo test -p tower-refresh-postgres -- --include-ignored`

mod batches;
mod faults;
mod feed;

mod laws;
mod opening;
mod retries;
mod support;
mod upgrade;
