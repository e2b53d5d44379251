//! The demo and the JavaScript module in a real browser: Chromium, driven through chromedriver.
//!
//! `cargo test -p demo --test browser -- --ignored`
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cross_site;
mod journey;
mod module;
mod sessions;
mod siblings;
mod support;
mod tabs;
