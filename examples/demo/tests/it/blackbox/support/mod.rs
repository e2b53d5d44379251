//! A server and a client.

mod client;
mod server;

pub(crate) use self::{
    client::{Client, Response},
    server::{Server, fails_to_start},
};
