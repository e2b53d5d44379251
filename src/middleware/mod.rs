//! The Tower middleware: the layers and services that [`Auth`](crate::Auth) and [`Verifier`](crate::Verifier) make, and their futures.

mod access;
mod capacity;
mod future;
mod journey;
mod layer;
mod require;
mod response;
mod service;
mod to_login_page;
mod tokens;
mod verify;

pub(crate) use self::tokens::is_caching_header;
pub use self::{
    future::ResponseFuture,
    layer::RefreshLayer,
    require::{ProblemResponse, RequireAuth, RequireAuthFuture, RequireAuthLayer, RespondToRejection},
    service::Refresh,
    to_login_page::ToLoginPage,
    verify::{Verify, VerifyFuture, VerifyLayer},
};
