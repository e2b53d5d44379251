//! The demo with third-party software: libraries that verify its tokens, clients that store its cookies; and
//! the library with another issuer's tokens.

mod curl;
mod issuer;
mod node;
mod reqwest_jar;
mod server;
mod tokens;

pub(crate) use self::tokens::program;
