//! Extracts the user and the session from a request, for axum's handlers.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::{Authenticated, CustomClaims, Rejection, Session};

impl<C: CustomClaims, S: Send + Sync> FromRequestParts<S> for Authenticated<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Self::required(&parts.extensions).map_err(|rejection| rejection.with_copy_of(parts))
    }
}

impl<C: CustomClaims, S: Send + Sync> OptionalFromRequestParts<S> for Authenticated<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        Self::from_extensions(&parts.extensions).map_err(|rejection| rejection.with_copy_of(parts))
    }
}

impl<C: CustomClaims, S: Send + Sync> FromRequestParts<S> for Session<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Self::from_request(parts)
    }
}
