//! The program with a provider that others wrote, in a real browser.
//!
//! ```console
//! $ cargo test -p oidc-login --test it -- --ignored   # Chromium, chromedriver, Node.js: `scripts/test-world` installs oidc-provider
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod support;
