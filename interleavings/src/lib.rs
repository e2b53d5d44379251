//! Tests of the lock-free parts of `tower-refresh` with every order of their threads, and everything that their memory orderings
//! allow. The real files are compiled with the types of [loom](https://docs.rs/loom) instead of those of std.
//!
//! `cargo test -p interleavings` is the short run, `-- --ignored` the deep one.

#[cfg(test)]
mod access_token;
#[cfg(test)]
#[path = "../../src/sessions/denylist.rs"]
mod denylist;
#[cfg(test)]
mod denylist_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod verifier_tests;
