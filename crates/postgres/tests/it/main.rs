//! Tests of the store against private PostgreSQL servers, which the tests start.
//!
//! `cargo test -p tower-refresh-postgres -- --include-ignored`

mod batches;
mod carriers;
mod faults;
mod feed;
mod laws;
mod lists;
mod opening;
mod owners;
mod partitions;
mod read_only;
mod retries;
mod search_path;
mod support;
mod upgrade;
