//! The integration with axum: extractors and routes.

mod extract;
mod routes;
