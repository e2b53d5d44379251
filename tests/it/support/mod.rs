//! Shared support: a world whose clock, store and claims source a test controls, and browsers.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses a part of it")]

pub mod browser;
pub mod clock;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
pub mod device;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
pub mod hmac;
pub mod mint;
pub mod probe;
pub mod schedule;
pub mod store;
pub mod users;
pub mod world;

pub use self::{
    browser::Browser,
    clock::ManualClock,
    store::{Op, TestStore},
    users::{Claims, Users},
    world::{World, request},
};
