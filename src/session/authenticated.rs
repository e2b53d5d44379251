//! The authenticated user of a request.

use std::{fmt, sync::Arc, time::Duration};

use http::Extensions;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use crate::{
    CustomClaims,
    claims::User,
    rejection::Rejection,
    state::{required_user, user},
};

/// The user of a request, from a valid access token or from a refresh in this request. Cheap to clone.
///
/// After a [login](crate::Session::login), a [refresh](crate::Session::refresh) or [new data](crate::Session::set_data) in this request,
/// by a middleware for example, it is the user of the new access token, and after a [logout](crate::Session::logout) there is none. One
/// that was read before does not change.
///
/// With the feature `axum` it is an extractor. As an argument it rejects requests without a user with a [`Rejection`].
/// `Option<Authenticated<C>>` is `None` for an anonymous request, and still rejects an invalid bearer token, cross-site cookies
/// and a request whose user could not be loaded: during a failure of the store or the claims source, or because of
/// [claims that do not fit into a token](crate::RejectionKind::InvalidClaims).
///
/// `C` is the type of claims that the layer was built with. An application with two `Auth`s gives each a claims type of its own,
/// as only the type tells an extractor which of them a route belongs to. It also gives each an audience and cookie names of its
/// own: with the same issuer, audience and keys, each accepts the other's access tokens.
pub struct Authenticated<C>(Arc<User<C>>);

impl<C> Authenticated<C> {
    pub(crate) fn new(user: Arc<User<C>>) -> Self {
        Self(user)
    }

    /// The subject: the token's `sub`.
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

    /// Whether the user has `scope`, or every one of several scope tokens separated by single spaces. An empty or malformed scope
    /// (RFC 6749 §3.3) is never satisfied.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.has_scope(scope)
    }

    /// The handle of the session: the token's `sid`. `None` only behind a [`Verifier`](crate::Verifier)
    /// [`without_session_id`](crate::VerifierBuilder::without_session_id): behind an [`Auth`](crate::Auth) there is always one.
    pub fn session(&self) -> Option<SessionHandle> {
        self.0.has_session.then_some(self.0.session)
    }

    /// The time until which this user may be relied on. A connection that outlives the request, such as a WebSocket or an event
    /// stream, must authenticate again or close then.
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// Whether the device to which the session is bound gave a proof for the access token of this request: at the registration of its key, or
    /// at a refresh. It is the token's `dbsc`. `false` for a session that is not bound, for a user whom a refresh token alone has
    /// authenticated, and where [`AuthBuilder::device_binding`](crate::AuthBuilder::device_binding) is not set.
    ///
    /// [`Auth::require_device_binding`](crate::Auth::require_device_binding) guards a whole route.
    pub fn is_device_bound(&self) -> bool {
        self.0.is_device_bound
    }

    /// When the application last checked who the user is, in whole seconds: at the login, or at a later
    /// [reauthentication](crate::Session::reauthenticate). It is the token's `auth_time` (RFC 9068 §2.2.1). `None` for an access
    /// token from a version that did not write it.
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.0.auth_time
    }

    /// Whether [`auth_time`](Self::auth_time) is at most `max_age` ago, by the [`Clock`](crate::AuthBuilder::clock). `false` if it
    /// is unknown, or more than 60 seconds ahead of the clock. As it has whole seconds, up to one second of `max_age` can be
    /// missing.
    ///
    /// [`Auth::require_recent_login`](crate::Auth::require_recent_login) guards a whole route.
    pub fn is_recent(&self, max_age: Duration) -> bool {
        self.0.is_recent(max_age)
    }
}

impl<C: CustomClaims> Authenticated<C> {
    /// The user of a request that has passed the layer, from its extensions: for services without axum. `None` if the request is
    /// anonymous. The rest of the request is unknown, so pass it to [`Rejection::to_response`].
    ///
    /// # Errors
    /// A [`Rejection`] for an invalid bearer token, cross-site cookies, a failure of the store or the claims source, or claims that do
    /// not fit into a token, and if the layer is missing or was built with other claims.
    pub fn from_extensions(extensions: &Extensions) -> Result<Option<Self>, Rejection> {
        user(extensions).map(|user| user.map(Self))
    }

    /// The user of a request that has passed the layer, as [`from_extensions`](Self::from_extensions), where one is required.
    ///
    /// # Errors
    /// As there; and [`Unauthenticated`](crate::RejectionKind::Unauthenticated) if the request is anonymous.
    #[inline]
    pub fn required(extensions: &Extensions) -> Result<Self, Rejection> {
        required_user(extensions).map(Self)
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
            .field("session", &self.session())
            .field("scope", &self.0.scope)
            .field("expires_at", &self.0.expires_at)
            .field("claims", &self.0.claims)
            .finish()
    }
}
