//! The entry point of an application: makes the layers, manages sessions and replaces the keys.

mod builder;
mod device;
mod error;
pub(crate) mod validate;

use std::{fmt, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::poll_fn;
use tower_refresh_core::{EndReason, SessionHandle, StoreError, Subject, Timestamp};

pub use self::{builder::AuthBuilder, error::ConfigError};
use crate::{
    CustomClaims, SessionInfo, SessionPage,
    auth_inner::AuthInner,
    event::ClientInfo,
    keys::{Jwks, KeyError, KeyRing},
    middleware::{RefreshLayer, RequireAuthLayer},
    sessions::follow,
    state::Requirement,
};

/// The authentication of one application. Cheap to clone; clones share everything.
///
/// [`Auth::builder`] makes it; see the [crate docs](crate) for an example. `C` is the type of the application's claims.
pub struct Auth<C> {
    pub(crate) inner: Arc<AuthInner<C>>,
}

impl<C: CustomClaims> Auth<C> {
    /// Starts with the keys; [`AuthBuilder::claims`] determines `C`.
    pub fn builder(keys: KeyRing) -> AuthBuilder<C> {
        AuthBuilder::new(keys)
    }

    /// The layer for the application's routes.
    ///
    /// With axum, `Router::layer` wraps every route and boxes its future. Wrapped around the whole router, the layer adds about
    /// 40 % fewer instructions to a request and three allocations fewer; it then also sees requests that match no route. The
    /// trait `Layer` is that of the crate `tower-layer`, or of `tower`:
    ///
    #[cfg_attr(feature = "axum", doc = "```no_run")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// use axum::{Router, ServiceExt, extract::Request};
    /// use tower_layer::Layer;
    ///
    /// # async fn serve(auth: tower_refresh::Auth<()>, router: Router) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// let app = auth.layer().layer(router);
    /// axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await
    /// # }
    /// ```
    pub fn layer(&self) -> RefreshLayer<C> {
        RefreshLayer::new(self.inner.clone())
    }

    /// A layer that rejects requests without a user, for routes whose handlers do not extract one.
    pub fn require_auth(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::User)
    }

    /// A layer that rejects requests without a user (401) and users without `scope` (403, `insufficient_scope`, RFC 6750 §3.1). Of
    /// several scope tokens, separated by single spaces, the user needs all. An empty or malformed scope (RFC 6749 §3.3) is never
    /// satisfied (403).
    pub fn require_scope(&self, scope: &str) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::Scope(scope.into()))
    }

    /// A layer that rejects requests without a user (401) and users who [last authenticated](crate::Authenticated::auth_time) longer
    /// than `max_age` ago (401, `insufficient_user_authentication` with `max_age` in whole seconds, RFC 9470 §3): for routes such
    /// as a change of the password. The page or app then asks for a factor, and the application calls
    /// [`Session::reauthenticate`](crate::Session::reauthenticate). See the [guide](crate::guide::step_up).
    ///
    /// An access token from a version that did not write `auth_time` is not recent.
    pub fn require_recent_login(&self, max_age: Duration) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::RecentLogin(max_age))
    }

    /// A layer that rejects requests without a user (401) and users for whose access token no device gave a proof (403): those whose
    /// [session is not bound to a device](crate::Authenticated::is_device_bound), or not yet, and with
    /// [`DeviceBinding::Observe`](crate::DeviceBinding::Observe) those who were refreshed without a proof. For what is so sensitive that a stolen
    /// refresh token must not be enough for it. Many browsers cannot bind a session, so the page should offer another way, such as
    /// [`require_recent_login`](Self::require_recent_login). Without [`AuthBuilder::device_binding`] no user passes.
    pub fn require_device_binding(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::DeviceBinding)
    }

    /// The public keys, for other services that verify access tokens: the content of `/.well-known/jwks.json` (RFC 7517 §5).
    /// Empty for HMAC.
    pub fn jwks(&self) -> Jwks {
        self.inner.tokens().jwks()
    }

    /// The time of the [`Clock`](crate::AuthBuilder::clock), by which tokens and sessions expire. Compare their times with it and not
    /// with that of the operating system, so that tests with a clock of their own work.
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// Replaces the keys while requests run. Each token is verified or issued with either the old or the new ring. See
    /// [`KeyRing`] for a rotation that logs no user out.
    ///
    /// # Errors
    /// A [`KeyError`] if the ring is invalid; the old one stays in use.
    pub fn rotate_keys(&self, keys: KeyRing) -> Result<(), KeyError> {
        self.inner.tokens().rotate_keys(keys)
    }

    /// Ends one session. Returns whether it was live until now.
    ///
    /// Its refresh token is invalid at once, on every server. Its access tokens are rejected at once on this server, and within
    /// moments on servers that follow the store's feed. Other servers accept them until they expire.
    ///
    /// # Errors
    /// If the store fails: the session may or may not have ended.
    ///
    /// # Cancel safety
    /// Once polled, it completes although the future is dropped, with the feature `tokio` and inside a runtime.
    pub async fn end_session(&self, session: SessionHandle) -> Result<bool, StoreError> {
        self.inner.sessions().end(session, None, EndReason::Revoked, ClientInfo::NONE).await
    }

    /// Ends every session of `subject`, as [`end_session`](Self::end_session). Returns the number of sessions that it ended.
    ///
    /// # Errors
    /// If the store fails: some sessions may have ended.
    ///
    /// # Cancel safety
    /// As [`end_session`](Self::end_session).
    pub async fn end_subject(&self, subject: impl Into<Subject>) -> Result<usize, StoreError> {
        let (subject, client) = (subject.into(), ClientInfo::NONE);
        Ok(self.inner.sessions().end_subject(subject, None, EndReason::Revoked, client).await?.len())
    }

    /// Loads the claims of `subject` again in each of its live sessions: a role that was taken away is gone at the next request.
    /// Change your own database first, then call this. Returns the number of sessions.
    ///
    /// Access tokens with claims from before count as expired at once on this server, and within moments on servers that follow
    /// the store's feed: they are refreshed in the same request, and the claims source is called. A client that has no refresh
    /// token in that request gets 401, as for an expired token. No session ends and no refresh token changes, so no user has to log
    /// in again. Other servers accept these access tokens until they expire.
    ///
    /// A login that is in progress meanwhile may still have the former claims until its first refresh. For a subject with very many
    /// sessions, it calls the store for 32 of them at a time.
    ///
    /// # Errors
    /// If the store fails: some sessions may have been reached. Call it again.
    ///
    /// # Cancel safety
    /// As [`end_session`](Self::end_session).
    pub async fn reload_claims(&self, subject: impl Into<Subject>) -> Result<usize, StoreError> {
        self.inner.sessions().reload_subject(subject.into()).await
    }

    /// Loads the claims of one session again, as [`reload_claims`](Self::reload_claims). Returns whether there is such a session
    /// that has not ended.
    ///
    /// # Errors
    /// If the store fails. Call it again.
    ///
    /// # Cancel safety
    /// As [`end_session`](Self::end_session).
    pub async fn reload_session(&self, session: SessionHandle) -> Result<bool, StoreError> {
        self.inner.sessions().reload_session(session).await
    }

    /// Follows the store's feed, so that this server rejects within moments the access tokens of sessions that other servers end,
    /// and refreshes those whose claims they outdate. Spawn the future if [`AuthBuilder::build`] found no tokio runtime. It reconnects by itself, completes
    /// when the last clone of this `Auth` is dropped, and completes at once if the store has no feed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the feed is no longer followed.
    pub fn follow_feed(&self) -> impl Future<Output = ()> + Send + use<C> + 'static {
        let sessions = self.inner.sessions();
        follow(sessions, sessions.store.clone())
    }

    /// A page of the live sessions of `subject`, newest login first. The first page if `after` is `None`, else the page after this
    /// session of `subject`, which may have ended since. The page after a session that `subject` does not have is empty.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sessions(
        &self,
        subject: impl Into<Subject>,
        after: Option<SessionHandle>,
    ) -> Result<SessionPage, StoreError> {
        let page = self.inner.sessions().list(&subject.into(), after, ClientInfo::NONE).await?;
        Ok(page.unwrap_or_else(SessionPage::empty))
    }

    /// The session, if it is live. With it, a connection that outlives its request checks that the session has not ended.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn session(&self, session: SessionHandle) -> Result<Option<SessionInfo>, StoreError> {
        let row = self.inner.sessions().store.load(session, None, ClientInfo::NONE).await?;
        let now = self.inner.now();
        Ok(row.filter(|row| row.is_live(now)).map(SessionInfo::new))
    }

    /// Deletes the sessions that ended or expired longer than [`AuthBuilder::dead_session_retention`] ago from the store. Returns
    /// their number. Call it regularly, from one server or several.
    ///
    /// # Errors
    /// If the store fails; what was deleted before stays deleted.
    ///
    /// # Cancel safety
    /// It deletes in batches, and can be dropped between them.
    pub async fn purge_dead(&self) -> Result<u64, StoreError> {
        let retention = self.inner.settings.dead_session_retention;
        let dead_before = self.inner.now().saturating_sub(retention);
        let mut purged = 0;
        loop {
            match self.inner.sessions().store.purge_dead(dead_before).await? {
                0 => return Ok(purged),
                batch => purged += batch,
            }
            yield_now().await;
        }
    }
}

impl<C> Clone for Auth<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<C> fmt::Debug for Auth<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("inner", &self.inner).finish()
    }
}

/// Lets other tasks run between two batches, on any executor.
async fn yield_now() {
    let mut yielded = false;
    pin!(poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }))
    .await;
}
