//! The layer with axum, hyper and tonic, and around other services.

mod any_service;
mod handlers;
mod lists;
mod with_axum;
mod with_http2;
mod with_hyper;
mod with_tonic;
