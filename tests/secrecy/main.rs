//! No token, no cookie value and no key shows in a log or in any `Debug`.

#[path = "../support/mod.rs"]
mod support;

mod debug;
mod headers;
#[cfg(feature = "tracing")]
mod logs;
mod search;
