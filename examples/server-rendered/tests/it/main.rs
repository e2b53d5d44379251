//! The program with a real browser.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod browser;
mod support;
