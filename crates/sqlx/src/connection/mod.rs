//! Connections to the server.

mod lease;
mod listener;
mod pooler;

pub(crate) use self::{
    lease::Lease,
    listener::listen,
    pooler::{StatementSupport, statement_support},
};
