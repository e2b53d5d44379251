//! The tests of the store on real files, in one binary: a module for each subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(unix)]
mod durability;
mod files;
mod groups;
mod laws;
mod read_only;
mod several;
mod support;
mod upgrade;
