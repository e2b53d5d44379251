//! Connections: where they lead, how requests are sent on them, and how a broken one is replaced.

mod any;
mod request;
mod route;
mod shared;
mod wait;

pub(crate) use self::{
    any::Connection,
    request::Request,
    route::{Route, tcp_settings, with_tcp_settings},
    shared::SharedConnection,
    wait::Wait,
};
