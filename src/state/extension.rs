//! The extension of a request that carries its state.
//!
//! It has one type whatever the claims, so that a handler that requests other claims than the layer was built with gets an
//! error that says so.

use std::{
    any::{Any, type_name},
    sync::Arc,
};

use http::Extensions;

#[cfg(feature = "axum")]
use super::Change;
use super::{RequestState, Requirement, VerifiedState, any_state::AnyState};
#[cfg(feature = "axum")]
use crate::tokens::Issued;
use crate::{
    CustomClaims, Rejection, RejectionKind,
    auth_inner::AuthId,
    claims::User,
    event::{About, report_missing_layer},
};

#[derive(Clone)]
pub(crate) struct RequestExtension(pub(crate) Arc<dyn AnyState>);

impl RequestExtension {
    /// The extension of a request that has passed the layer.
    ///
    /// # Errors
    /// [`RejectionKind::MissingLayer`].
    #[inline]
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Rejection> {
        extensions.get().ok_or_else(missing_layer)
    }

    /// Checks that `auth` has identified a user who meets the requirement.
    pub(crate) fn check(&self, auth: &AuthId, required: &Requirement) -> Result<(), Rejection> {
        if self.is_of(auth) { self.0.check(required) } else { Err(self.0.reject(RejectionKind::OtherAuth)) }
    }

    /// Whether the request has passed the layer of `auth`.
    #[inline]
    pub(crate) fn is_of(&self, auth: &AuthId) -> bool {
        self.0.auth_id() == auth
    }
}

/// The user of the request with these extensions; `None` for an anonymous request.
///
/// # Errors
/// [`RejectionKind::MissingLayer`], [`RejectionKind::ClaimsTypeMismatch`], and those of rejected credentials.
#[inline]
pub(crate) fn user<C: CustomClaims>(extensions: &Extensions) -> Result<Option<Arc<User<C>>>, Rejection> {
    let state: &dyn AnyState = &*RequestExtension::of(extensions)?.0;
    if let Some(state) = (state as &dyn Any).downcast_ref::<RequestState<C>>() {
        return state.user();
    }
    verified_state::<C>(state)?.user()
}

/// The same where a user is required.
#[inline]
pub(crate) fn required_user<C: CustomClaims>(extensions: &Extensions) -> Result<Arc<User<C>>, Rejection> {
    let state: &dyn AnyState = &*RequestExtension::of(extensions)?.0;
    if let Some(state) = (state as &dyn Any).downcast_ref::<RequestState<C>>() {
        return state.required_user();
    }
    verified_state::<C>(state)?.required_user()
}

#[inline]
fn verified_state<C: CustomClaims>(state: &dyn AnyState) -> Result<&VerifiedState<C>, Rejection> {
    (state as &dyn Any).downcast_ref().ok_or_else(|| claims_type_mismatch::<C>(state))
}

/// The state of the request with these extensions, to keep.
///
/// # Errors
/// [`RejectionKind::MissingLayer`], [`RejectionKind::NoSessions`], [`RejectionKind::ClaimsTypeMismatch`].
pub(crate) fn owned_state_of<C: CustomClaims>(
    extensions: &Extensions,
) -> Result<Arc<RequestState<C>>, Rejection> {
    let state = &RequestExtension::of(extensions)?.0;
    if !state.has_sessions() {
        return Err(state.reject(RejectionKind::NoSessions));
    }
    (state.clone() as Arc<dyn Any + Send + Sync>).downcast().map_err(|_| claims_type_mismatch::<C>(&**state))
}

/// Keeps the layer, if there is one, from adding tokens to the response.
#[cfg(feature = "axum")]
pub(crate) fn suppress_tokens(extensions: &Extensions) {
    if let Some(RequestExtension(state)) = extensions.get() {
        state.suppress_tokens();
    }
}

#[cold]
fn missing_layer() -> Rejection {
    report_missing_layer(&RejectionKind::MissingLayer);
    Rejection::without_presentation(RejectionKind::MissingLayer)
}

fn claims_type_mismatch<C>(state: &dyn AnyState) -> Rejection {
    state.reject(RejectionKind::ClaimsTypeMismatch {
        requested: type_name::<C>(),
        configured: state.claims_type(),
    })
}

impl<C: CustomClaims> AnyState for RequestState<C> {
    fn claims_type(&self) -> &'static str {
        type_name::<C>()
    }

    fn auth_id(&self) -> &AuthId {
        &self.auth.id
    }

    fn has_sessions(&self) -> bool {
        true
    }

    fn reject(&self, kind: RejectionKind) -> Rejection {
        RequestState::reject(self, kind)
    }

    #[cfg(feature = "axum")]
    fn suppress_tokens(&self) {
        // After the response head nothing is sent anyway.
        self.changes.set(Change::Refreshed { user: None, issued: Issued::default() });
    }

    fn check(&self, required: &Requirement) -> Result<(), Rejection> {
        let user = self.required_user()?;
        let Some(kind) = required.unmet_by(&user) else { return Ok(()) };
        let client = self.info.client();
        let about = About::client(&client).session(Some(user.session), Some(&user.subject));
        self.auth.sessions().events.rejected(&kind, about);
        Err(self.reject(kind))
    }
}
