//! Connections to the server.

mod lease;
mod listener;
mod pooler;

pub(crate) use self::{
    lease::Lease,
    listener::listener,
    pooler::{Other, StatementSupport, is_shared, statement_support},
};
