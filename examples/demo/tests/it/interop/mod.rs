//! The demo and what others wrote: libraries that verify its tokens, and clients that keep its cookies.

mod curl;
mod reqwest_jar;
mod server;
mod tokens;
