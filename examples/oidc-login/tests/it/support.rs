//! The browser of the demo's tests.

#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../../../demo/tests/it/browser/support/browser.rs"]
mod browser;
#[path = "../../../demo/tests/it/browser/support/driver.rs"]
mod driver;

pub(crate) use self::browser::Browser;
