//! Connections: where they lead, how requests are sent on them, and how a broken one is replaced.

mod any;
mod cluster;
mod node;
mod nodes;
mod request;
mod route;
mod shared;
mod topology;
mod wait;
mod work;

pub(crate) use self::{
    any::{Connection, Driver},
    nodes::at,
    request::Request,
    route::{Route, tcp_settings, with_tcp_settings},
    shared::SharedConnection,
    topology::{Range, read, slot},
    wait::Wait,
};
