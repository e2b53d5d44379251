//! Sessions of [`tower-refresh`](https://docs.rs/tower-refresh) in Redis or Valkey.

mod cluster;
mod connection;
mod end;
mod error;
mod feed;
mod keys;
mod link;
mod list;
mod log;
mod options;
mod purge;
mod request;
mod row;
mod scripts;
mod server;
mod store;
mod url;

pub use redis;

pub use self::{
    error::{ConnectError, ConnectErrorKind},
    options::Options,
    server::Server,
    store::RedisStore,
};
