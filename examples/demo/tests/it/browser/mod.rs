//! The demo and the JavaScript module in a real browser: Chromium, driven through chromedriver.

mod cross_site;
mod journey;
mod module;
mod navigations;
mod service_worker;
mod sessions;
mod siblings;
pub(crate) mod support;
mod tabs;
