//! What a handler can do to sessions.

mod info;
mod login;
mod logout;
mod native;
mod refresh;

use std::{fmt, sync::Arc};

use http::Extensions;
use serde::Serialize;
use tower_refresh_core::{SessionHandle, StoreError, Subject};
use zeroize::Zeroizing;

pub use self::{info::SessionInfo, login::LoginOptions};
use crate::{
    CustomClaims, RejectionKind,
    refresh::IssuedAccess,
    rejection::Rejection,
    state::{self, Outcome, State},
};

/// Logs in and out, and lists and ends sessions: the handler's side of the layer. Cheap to clone.
///
/// With the feature `axum` it is an extractor, for any request behind the layer, whoever is logged in; elsewhere it is
/// read [from the request's extensions](Self::from_extensions).
///
/// What the handler does wins over the layer's own refresh of this request. Cookies are set and removed on the
/// response, so a session can be changed until the response head is ready; later calls are
/// [`RejectionKind::Sealed`], before any call of the store.
///
/// ```
/// use axum::{Json, http::StatusCode};
/// use tower_refresh::{Rejection, Session, TokenResponse};
///
/// async fn login(session: Session<()>) -> Result<Json<TokenResponse>, Rejection> {
///     // … after the password was checked:
///     Ok(Json(session.login("alice").await?))
/// }
///
/// async fn logout(session: Session<()>) -> Result<StatusCode, Rejection> {
///     session.logout().await?;
///     Ok(StatusCode::NO_CONTENT)
/// }
/// ```
pub struct Session<C> {
    state: Arc<State<C>>,
}

impl<C: CustomClaims> Session<C> {
    /// The session of a request that passed the layer, read from its extensions: for services without axum.
    ///
    /// # Errors
    /// [`RejectionKind::MissingLayer`] and [`RejectionKind::ClaimsTypeMismatch`].
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Rejection> {
        Ok(Self { state: state::shared_of(extensions)? })
    }

    /// The live sessions of the logged-in user, newest login first.
    ///
    /// # Errors
    /// As for a route that needs a user; [`RejectionKind::Unavailable`] if the store fails.
    pub async fn list(&self) -> Result<Vec<SessionInfo>, Rejection> {
        let (subject, session) = self.acting()?;
        let shared = &self.state.shared;
        match shared.store.list(&subject, shared.now()).await {
            Ok(rows) => Ok(rows.into_iter().map(SessionInfo::new).collect()),
            Err(error) => Err(self.unavailable(shared.store_failed(session, Some(subject), error))),
        }
    }

    /// The session of this request: the one that this handler logged in to, else the logged-in user's.
    pub fn current(&self) -> Option<SessionHandle> {
        self.state.acting().ok().flatten().map(|(_, session)| session)
    }

    /// Whose sessions the handler may list and end, and which one is this.
    fn acting(&self) -> Result<(Subject, SessionHandle), Rejection> {
        self.state.acting()?.ok_or_else(|| self.reject(RejectionKind::Unauthenticated))
    }

    /// Whether this request may change sessions: not from another site, and not after the response head.
    fn writable(&self) -> Result<(), Rejection> {
        if self.state.origin.cross_site {
            let kind = RejectionKind::CrossSite;
            // Told already, where the request brought cookies.
            if !matches!(self.state.outcome, Outcome::Refused(_)) {
                self.state.shared.refused(&kind, None);
            }
            return Err(self.reject(kind));
        }
        self.state.change().map(|_| ())
    }

    fn reject(&self, kind: RejectionKind) -> Rejection {
        self.state.reject(kind)
    }

    /// The rejection for a failure of the store that was told already.
    fn unavailable(&self, _told: StoreError) -> Rejection {
        self.reject(RejectionKind::Unavailable)
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

/// The body of a successful login or refresh (RFC 6749 §5.1): the access token, never the refresh token.
///
/// Serialising it writes the token, which is its purpose; `Debug` does not. So **a script of the page can read the access
/// token**, which the `HttpOnly` cookie keeps from it: where only pages log in, switch
/// [`AuthBuilder::access_token_in_body`](crate::AuthBuilder::access_token_in_body) off, and `expires_in` is all it writes.
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    #[serde(skip_serializing_if = "AccessToken::is_hidden")]
    access_token: AccessToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    expires_in: u64,
}

impl TokenResponse {
    fn new(access: &IssuedAccess, in_body: bool) -> Self {
        Self {
            access_token: AccessToken { text: access.token.clone(), in_body },
            token_type: in_body.then_some("Bearer"),
            expires_in: access.expires_in,
        }
    }

    /// The access token, whether it is serialised or not. Whoever holds it is the user until it expires.
    pub fn access_token(&self) -> &str {
        &self.access_token.text
    }

    /// In how many seconds it expires.
    pub fn expires_in(&self) -> u64 {
        self.expires_in
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct AccessToken {
    text: Zeroizing<String>,
    in_body: bool,
}

impl AccessToken {
    fn is_hidden(&self) -> bool {
        !self.in_body
    }
}

impl Serialize for AccessToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
