//! The tests of the crate through its public API, in one binary: a module for each subject.

mod classify;
mod commit;
mod device;
mod end_reason;
mod handle;
mod histories;
mod laws;
mod memory;
mod policy;
mod proofs;
mod support;
mod values;
