//! A server and clients.

mod client;
mod server;
mod tls_client;

pub(crate) use self::{
    client::{Client, Response},
    server::{Server, fails_to_start},
    tls_client::TlsClient,
};
