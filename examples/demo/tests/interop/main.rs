//! The demo and what others wrote: libraries that verify its tokens, and clients that keep its cookies.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod curl;
mod reqwest_jar;
mod server;
mod tokens;
