//! A browser, the demo, and other hosts.

mod browser;
mod certificate;
mod demo;
mod device_binding;
mod driver;
mod front;
mod proxy;
mod site;

pub(crate) use self::{
    browser::Browser, certificate::Certificate, demo::Demo, front::Front, proxy::Proxy, site::Site,
};
