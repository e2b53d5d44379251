//! Device-bound sessions in Chromium, whose keys are in software here. No test may log its user out.
//!
//! The browser refreshes when the access cookie is missing, so a test removes it instead of waiting.

mod app;
mod login;
mod losses;
mod module;
mod navigations;
mod restart;
mod support;
mod theft;
