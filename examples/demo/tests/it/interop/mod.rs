//! The demo with third-party software: libraries that verify its tokens, clients that store its cookies; and
//! the library with the tokens of other issuers.

mod curl;
mod issuers;
mod node;
mod reqwest_jar;
mod server;
mod tokens;

pub(crate) use self::tokens::program;
