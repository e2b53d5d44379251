//! The checks of `tests/it/random_requests`, for the fuzz targets.

#[path = "../../tests/it/random_requests/checks/mod.rs"]
pub mod checks;
#[path = "../../tests/it/support/mod.rs"]
mod support;
