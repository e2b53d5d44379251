//! The way to the login page and back.

mod interop;
mod next;
mod paths;
mod redirects;
#[cfg(feature = "axum")]
mod routers;
