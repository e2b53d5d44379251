//! The authenticated user, as handlers see one.

use std::{fmt, sync::Arc};

use http::Extensions;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use crate::{CustomClaims, rejection::Rejection, state, user::User};

/// The user of a request: from a valid access token, or just refreshed. Cheap to clone.
///
/// With the feature `axum` it is an extractor: as an argument it refuses requests without a user by a
/// [`Rejection`]; as `Option<Authenticated<C>>` it is `None` when nobody is logged in, while a bad bearer token,
/// cross-site cookies and a failing store are still refused.
///
/// `C` is the type of claims that the layer was built with.
pub struct Authenticated<C>(Arc<User<C>>);

impl<C> Authenticated<C> {
    #[cfg(feature = "testing")]
    pub(crate) fn new(user: Arc<User<C>>) -> Self {
        Self(user)
    }

    /// Who it is: the token's `sub`.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The application's own claims.
    pub fn claims(&self) -> &C {
        &self.0.claims
    }

    /// The scope tokens, separated by spaces (RFC 6749 §3.3).
    pub fn scope(&self) -> &str {
        &self.0.scope
    }

    /// Whether `scope` is one of the scope tokens; of several, with one space between them, whether all are. What is no such
    /// list (RFC 6749 §3.3) no user has.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.has_scope(scope)
    }

    /// The session: the token's `sid`.
    pub fn session(&self) -> SessionHandle {
        self.0.session
    }

    /// Until when this may be relied on without asking again: for connections that outlive the request, such as
    /// WebSockets and event streams.
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }
}

impl<C: CustomClaims> Authenticated<C> {
    /// The user of a request that passed the layer, read from its extensions: for services without axum. `None` when
    /// nobody is logged in.
    ///
    /// # Errors
    /// A [`Rejection`] for a bad bearer token, cross-site cookies or a failing store, and where the layer is missing
    /// or was built with other claims.
    pub fn from_extensions(extensions: &Extensions) -> Result<Option<Self>, Rejection> {
        state::of::<C>(extensions)?.user().map(|user| user.map(Self))
    }

    /// The user of a request that passed the layer, as [`from_extensions`](Self::from_extensions), where one is needed.
    ///
    /// # Errors
    /// As there; and [`Unauthenticated`](crate::RejectionKind::Unauthenticated) when nobody is logged in.
    #[inline]
    pub fn required(extensions: &Extensions) -> Result<Self, Rejection> {
        state::of::<C>(extensions)?.required_user().map(Self)
    }
}

impl<C> Clone for Authenticated<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: fmt::Debug> fmt::Debug for Authenticated<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("subject", &self.0.subject)
            .field("session", &self.0.session)
            .field("scope", &self.0.scope)
            .field("expires_at", &self.0.expires_at)
            .field("claims", &self.0.claims)
            .finish()
    }
}
