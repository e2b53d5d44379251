//! The handler's side: the user of a request, and its session.

mod authenticated;
mod device;
mod list;
mod login;
mod login_options;
mod logout;
mod native_login;
mod reauthenticate;
mod refresh;
mod set_data;
mod token_response;

use std::fmt;

use http::Extensions;
#[cfg(feature = "axum")]
use http::request::Parts;
use tower_refresh_core::{SessionHandle, Subject};

pub use self::{
    authenticated::Authenticated, login_options::LoginOptions, reauthenticate::ReauthOptions,
    token_response::TokenResponse,
};
#[cfg(feature = "axum")]
use crate::Auth;
use crate::{
    CustomClaims, RejectionKind,
    event::{About, ClientInfo},
    rejection::Rejection,
    state::{Outcome, StateHandle},
};

/// Logs users in and out, authenticates them again, and lists and ends sessions. Cheap to clone.
///
/// With the feature `axum` it is an extractor, for every request behind the layer, with or without a user. Without it, read it
/// [from the request's extensions](Self::from_extensions).
///
/// A change by the handler takes precedence over the layer's own refresh of this request. Cookies are set and removed on the
/// response, so the session can be changed until the response head is ready; later calls fail with [`RejectionKind::Sealed`],
/// before any call of the store.
///
/// ```
/// use axum::{Json, http::StatusCode};
/// use tower_refresh::{Rejection, Session, TokenResponse};
///
/// async fn login(session: Session<()>) -> Result<Json<TokenResponse>, Rejection> {
///     // … after checking the password:
///     Ok(Json(session.login("alice").await?))
/// }
///
/// async fn logout(session: Session<()>) -> Result<StatusCode, Rejection> {
///     session.logout().await?;
///     Ok(StatusCode::NO_CONTENT)
/// }
/// ```
pub struct Session<C> {
    state: StateHandle<C>,
}

impl<C: CustomClaims> Session<C> {
    /// The session of a request that has passed the layer, from its extensions: for services without axum.
    ///
    /// The rest of the request is unknown, so pass it to [`Rejection::to_response`].
    ///
    /// # Errors
    /// [`RejectionKind::MissingLayer`] and [`RejectionKind::ClaimsTypeMismatch`].
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Rejection> {
        Ok(Self { state: StateHandle::of_extensions(extensions)? })
    }

    #[cfg(feature = "axum")]
    pub(crate) fn from_request(request: &Parts) -> Result<Self, Rejection> {
        Ok(Self { state: StateHandle::of_request(request)? })
    }

    /// Checks that the request has passed the layer of `auth`.
    #[cfg(feature = "axum")]
    pub(crate) fn check_auth(&self, auth: &Auth<C>) -> Result<(), Rejection> {
        let is_of = self.state.auth.id == auth.inner.id;
        if is_of { Ok(()) } else { Err(self.reject(RejectionKind::OtherAuth)) }
    }

    /// Whether the client is a browser: its request has `Origin` or `Sec-Fetch-Site`, unless
    /// [`AuthBuilder::insecure_is_browser`](crate::AuthBuilder::insecure_is_browser) says otherwise. One login route can thus serve
    /// pages with [`login`](Self::login), and native clients with [`login_native`](Self::login_native). The answer protects
    /// nothing by itself: any client can omit both headers.
    pub fn is_browser(&self) -> bool {
        self.state.info.sender.is_from_browser
    }

    /// The session of this request: the one that the handler has started, or else the logged-in user's.
    pub fn current(&self) -> Option<SessionHandle> {
        self.state.acting_user().ok().flatten().map(|(_, session)| session)
    }

    /// The user whose sessions the handler may list and end, and the session of this request.
    fn acting_user(&self) -> Result<(Subject, SessionHandle), Rejection> {
        self.state.acting_user()?.ok_or_else(|| self.reject(self.state.why_anonymous()))
    }

    /// Checks that this request may change sessions: it is not cross-site, and the response head is not ready.
    fn check_writable(&self) -> Result<(), Rejection> {
        if self.state.info.sender.is_cross_site {
            let kind = RejectionKind::CrossSite;
            // Already reported if the request had cookies.
            if !matches!(self.state.outcome, Outcome::Rejected(_)) {
                self.report(&kind);
            }
            return Err(self.reject(kind));
        }
        self.check_not_sealed()
    }

    /// The same for a change that needs no cookies: a native client may have an `Origin` of its own. Its cookies were not read, and
    /// none is set or removed.
    fn check_writable_without_cookies(&self) -> Result<(), Rejection> {
        if self.state.info.sender.is_from_browser { self.check_writable() } else { self.check_not_sealed() }
    }

    fn check_not_sealed(&self) -> Result<(), Rejection> {
        self.state.change().map(|_| ())
    }

    fn client(&self) -> ClientInfo {
        self.state.info.client()
    }

    /// Reports the rejection of a request whose user does not matter.
    fn report(&self, kind: &RejectionKind) {
        self.state.auth.sessions().events.rejected(kind, About::client(&self.client()));
    }

    fn reject(&self, kind: RejectionKind) -> Rejection {
        self.state.reject(kind)
    }
}

impl<C> Clone for Session<C> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<C> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
