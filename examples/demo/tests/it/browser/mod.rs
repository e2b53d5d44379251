//! The demo and the JavaScript module in a real browser: Chromium, driven through chromedriver.

mod cross_site;
mod device_binding;
mod https;
mod journey;
mod module;
mod module_sharing;
mod module_users;
mod navigations;
mod service_worker;
mod sessions;
mod siblings;
pub(crate) mod support;
mod tabs;
