//! A browser, the demo, and other hosts.

mod browser;
mod demo;
mod driver;
mod front;
mod site;

pub(crate) use self::{browser::Browser, demo::Demo, front::Front, site::Site};
