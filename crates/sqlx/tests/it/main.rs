//! Tests of the store against private PostgreSQL servers, which the tests start.
//!
//! `cargo test -p tower-refresh-sqlx -- --include-ignored`

mod both_stores;
mod cancelled;
mod carriers;
mod faults;
mod feed;
mod laws;
mod opening;
mod pools;
mod read_only;
mod retries;
mod support;
