//! The demo with third-party software: libraries that verify its tokens, and clients that store its cookies.

mod curl;
mod node;
mod reqwest_jar;
mod server;
mod tokens;

pub(crate) use self::tokens::program;
