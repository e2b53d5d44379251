//! The demo from outside: the real program, over HTTP. Each module says what its tests need beside it.
//!
//! ```console
//! $ cargo test -p demo --test it                           # blackbox, and of interop what needs no other program
//! $ cargo test -p demo --test it -- --ignored stores::     # PostgreSQL, Redis
//! $ cargo test -p demo --test it -- --ignored interop::    # curl, Node.js, Python: `scripts/test-world` installs them
//! $ cargo test -p demo --test it -- --ignored browser::    # Chromium, chromedriver
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod blackbox;
#[cfg(unix)]
mod browser;
mod interop;
#[cfg(unix)]
mod stores;
