//! The layer in the frameworks of people: axum, bare hyper and tonic, and around services unlike those.

mod any_service;
mod with_axum;
mod with_hyper;
mod with_tonic;
