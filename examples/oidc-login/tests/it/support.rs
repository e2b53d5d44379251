//! The browser and the database of the demo's tests.

#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../../../demo/tests/it/browser/support/browser.rs"]
mod browser;
#[path = "../../../demo/tests/it/browser/support/driver.rs"]
mod driver;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../../../demo/tests/it/stores/support/node.rs"]
mod node;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../../../demo/tests/it/stores/support/process.rs"]
mod process;

pub(crate) use self::{browser::Browser, node::Node};
