//! Tests of the demo from outside: the real program, over HTTP. Each module lists the other programs that its tests need.
//!
//! ```console
//! $ cargo test -p demo --test it                           # blackbox, and the tests of interop that need no other program
//! $ cargo test -p demo --test it -- --ignored stores::     # PostgreSQL, Redis
//! $ cargo test -p demo --test it -- --ignored interop::    # curl, Node.js, Python: `scripts/test-world` installs them
//! $ cargo test -p demo --test it -- --ignored browser::    # Chromium, chromedriver
//! $ cargo test -p demo --test it -- --ignored carriers::   # nginx, Caddy, Node.js
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod blackbox;
#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod carriers;
mod interop;
#[cfg(unix)]
mod stores;
