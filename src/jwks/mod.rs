//! The keys of another server: its JWK set is fetched when it is needed, and again from time to time.
//!
//! [`set`] reads the document, [`schedule`] decides when to fetch it, without a clock or a lock, and [`fetcher`] does it.

mod error;
mod fetcher;
mod polled_by;
mod schedule;
mod set;

pub(crate) use self::{
    fetcher::{FetchKeys, Fetcher, HoldsKeys, InProgress, erase},
    schedule::{COOLDOWN, Schedule},
};
