//! Services with the layer, programs in front of them, and visitors.

mod guide;
mod login_service;
mod program;
mod service;
mod visitor;

pub(crate) use self::{
    guide::{FORWARD_AUTH, LOGIN_SERVICE, PROXIES, SSR, configuration, replaced},
    program::Program,
    service::{Application, Service},
    visitor::Visitor,
};
