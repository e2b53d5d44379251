//! The program with a provider that others wrote, in a real browser; and the tokens for a provider's API in a real database.
//!
//! ```console
//! $ cargo test -p oidc-login --test it -- --ignored provider_api::   # PostgreSQL
//! $ cargo test -p oidc-login --test it -- --ignored browser::        # Chromium, chromedriver, and what `scripts/test-world` installs
//! ```
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod browser;
mod programs;
mod provider_api;
mod support;
