//! The state of a request, as its handler keeps it.

use std::{ops::Deref, sync::Arc};

use http::Extensions;
#[cfg(feature = "axum")]
use http::request::Parts;
use tower_refresh_core::{SessionHandle, Subject};

use super::{Change, RequestState, extension::owned_state_of};
use crate::{CustomClaims, Rejection, RejectionKind, claims::User};

/// A [`RequestState`] whose rejections have the request, for responses that depend on it. Not in the state itself, which is in
/// the extensions of the request.
pub(crate) struct StateHandle<C> {
    state: Arc<RequestState<C>>,
    #[cfg(feature = "axum")]
    request: Option<Arc<Parts>>,
}

impl<C: CustomClaims> StateHandle<C> {
    /// The state of the request with these extensions, which says nothing about the rest of the request.
    pub(crate) fn of_extensions(extensions: &Extensions) -> Result<Self, Rejection> {
        Ok(Self {
            state: owned_state_of(extensions)?,
            #[cfg(feature = "axum")]
            request: None,
        })
    }

    /// The state of `request`, which is copied only if responses depend on it.
    #[cfg(feature = "axum")]
    pub(crate) fn of_request(request: &Parts) -> Result<Self, Rejection> {
        let state: Arc<RequestState<C>> =
            owned_state_of(&request.extensions).map_err(|rejection| rejection.with_copy_of(request))?;
        let is_needed = state.auth.presentation.needs_request();
        Ok(Self { state, request: is_needed.then(|| Arc::new(request.clone())) })
    }

    /// As [`RequestState::reject`].
    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        self.with_request(self.state.reject(kind))
    }

    /// As [`RequestState::user`].
    pub(crate) fn user(&self) -> Result<Option<Arc<User<C>>>, Rejection> {
        self.state.user().map_err(|rejection| self.with_request(rejection))
    }

    /// As [`RequestState::acting_user`].
    pub(crate) fn acting_user(&self) -> Result<Option<(Subject, SessionHandle)>, Rejection> {
        self.state.acting_user().map_err(|rejection| self.with_request(rejection))
    }

    /// As [`RequestState::change`].
    pub(crate) fn change(&self) -> Result<Option<Change<C>>, Rejection> {
        self.state.change().map_err(|rejection| self.with_request(rejection))
    }

    /// As [`RequestState::set_change`].
    pub(crate) fn set_change(&self, change: Change<C>) -> Result<(), Rejection> {
        self.state.set_change(change).map_err(|rejection| self.with_request(rejection))
    }

    #[cfg(feature = "axum")]
    fn with_request(&self, rejection: Rejection) -> Rejection {
        match &self.request {
            Some(request) => rejection.with_request(request),
            None => rejection,
        }
    }

    #[cfg(not(feature = "axum"))]
    #[allow(clippy::unused_self, reason = "without axum, all responses are made with the request")]
    fn with_request(&self, rejection: Rejection) -> Rejection {
        rejection
    }
}

impl<C> Deref for StateHandle<C> {
    type Target = RequestState<C>;

    fn deref(&self) -> &Self::Target {
        &self.state
    }
}

impl<C> Clone for StateHandle<C> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            #[cfg(feature = "axum")]
            request: self.request.clone(),
        }
    }
}
