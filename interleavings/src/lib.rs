//! Every order in which threads can run through the lock-free parts of `tower-refresh`, and everything that the memory
//! orderings in them allow: the real files, compiled with [loom](https://docs.rs/loom)'s types in place of std's.
//!
//! `cargo test -p interleavings` is the short run; `-- --ignored` the deeper one.

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
