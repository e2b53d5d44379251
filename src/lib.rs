//! Transparent logins for tower services: a layer that validates the access token of each request and, when it has
//! expired, refreshes it from an HttpOnly, Secure refresh cookie in the same request.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod auth;
mod clock;
mod cookies;
mod credentials;
mod cross_site;
mod crypto;
mod denylist;
mod event;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod identity;
pub mod keys;
mod layer;
mod mint;
mod outlive;
mod refresh;
mod rejection;
mod require;
mod respond;
#[cfg(feature = "axum")]
mod routes;
mod service;
mod session;
mod shared;
mod state;
mod store;
mod token;
mod user;
mod verify;

pub use tower_refresh_core::{
    EndReason, Handle, LateBudget, MemoryStore, PolicyError, RotationPolicy, SessionStore, StoreError,
    StoreErrorKind, Subject, Timestamp, rotation::Class,
};

pub use self::{
    auth::{Auth, AuthBuilder, ConfigError},
    clock::{Clock, SystemClock},
    event::{Event, EventKind},
    future::ResponseFuture,
    identity::{CustomClaims, Identity},
    keys::KeyRing,
    layer::RefreshLayer,
    rejection::{Rejection, RejectionKind},
    require::{ProblemResponse, RequireAuth, RequireAuthFuture, RequireAuthLayer, RespondToRejection},
    service::Refresh,
    session::{LoginOptions, Session, SessionInfo, TokenResponse},
    user::Authenticated,
    verify::InvalidToken,
};
