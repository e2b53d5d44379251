//! The checks of `tests/random_requests`, for the fuzz targets.

#[path = "../../tests/random_requests/checks/mod.rs"]
pub mod checks;
#[path = "../../tests/support/mod.rs"]
mod support;
