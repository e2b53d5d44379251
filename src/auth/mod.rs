//! The handle that an application holds.

mod builder;
mod error;
pub(crate) mod settings;

use std::{fmt, pin::pin, sync::Arc, task::Poll};

use futures_util::future::poll_fn;
use tower_refresh_core::{EndReason, SessionHandle, StoreError, Subject};

pub use self::{builder::AuthBuilder, error::ConfigError};
use crate::{
    CustomClaims, SessionInfo,
    follow::follow,
    keys::{Jwks, KeyError, KeyRing},
    layer::RefreshLayer,
    require::RequireAuthLayer,
    shared::Shared,
};

/// The authority of one application over its logins. Cheap to clone; all clones are one.
///
/// Made by [`Auth::builder`]; see the [crate docs](crate) for an example. `C` is the type of the application's claims.
pub struct Auth<C> {
    pub(crate) shared: Arc<Shared<C>>,
}

impl<C: CustomClaims> Auth<C> {
    /// Begins with the keys; `C` follows from [`AuthBuilder::claims`].
    pub fn builder(keys: KeyRing) -> AuthBuilder<C> {
        AuthBuilder::new(keys)
    }

    /// The layer for the application's routes.
    ///
    /// With axum, `Router::layer` wraps every route and boxes its future. Wrapped around the whole router the layer costs a
    /// quarter less, and two allocations fewer; it then sees requests that match no route, too. The trait `Layer` is that
    /// of the crate `tower-layer`, or of `tower`:
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
        RefreshLayer::new(self.shared.clone())
    }

    /// A layer that refuses requests without a user, for routes whose handlers extract none.
    pub fn require_auth(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(None)
    }

    /// A layer that refuses requests without a user (401) and users without `scope` (403, `insufficient_scope`, RFC 6750
    /// §3.1). Of several scope tokens, with one space between them, the user needs all. What is no such list (RFC 6749
    /// §3.3), an empty text too, no user has.
    pub fn require_scope(&self, scope: &str) -> RequireAuthLayer {
        RequireAuthLayer::new(Some(scope.into()))
    }

    /// The public keys, for other services that verify access tokens: what `/.well-known/jwks.json` serves (RFC 7517 §5).
    /// Empty for HMAC.
    pub fn jwks(&self) -> Jwks {
        self.shared.ring.keys().jwks().clone()
    }

    /// Swaps the keys while requests run; each token is checked, or made, by the old ring or by the new one. See [`KeyRing`] for how to
    /// rotate without logging anybody out.
    ///
    /// # Errors
    /// A [`KeyError`] if the ring is invalid; the old one stays in use.
    pub fn rotate_keys(&self, keys: KeyRing) -> Result<(), KeyError> {
        self.shared.ring.swap(keys.prepare()?);
        Ok(())
    }

    /// Ends one session. Returns whether it was live until now.
    ///
    /// Its refresh token is dead at once, everywhere. Its access tokens are refused at once on this server, within moments on
    /// servers that follow the store's feed of ends, and expire within the access lifetime on others.
    ///
    /// # Errors
    /// If the store fails: the session may or may not have ended.
    ///
    /// # Cancel safety
    /// Once polled it goes on although it is dropped, where the feature `tokio` is on and a runtime is there.
    pub async fn end_session(&self, session: SessionHandle) -> Result<bool, StoreError> {
        self.shared.end(session, None, EndReason::Revoked).await
    }

    /// Ends every session of `subject`, as [`end_session`](Self::end_session). Returns how many.
    ///
    /// # Errors
    /// If the store fails: some may have ended.
    ///
    /// # Cancel safety
    /// As [`end_session`](Self::end_session).
    pub async fn end_subject(&self, subject: impl Into<Subject>) -> Result<usize, StoreError> {
        Ok(self.shared.end_subject(subject.into(), None, EndReason::Revoked).await?.len())
    }

    /// Follows the store's feed of ends, so that sessions which other servers end are refused here within moments: a
    /// future for the application to spawn, where [`AuthBuilder::build`] found no tokio runtime to do so. It reconnects by
    /// itself, ends when the last clone of this `Auth` is dropped, and at once if the store has no feed.
    ///
    /// # Cancel safety
    /// Dropped, the feed is not followed any more.
    pub fn follow_ends(&self) -> impl Future<Output = ()> + Send + use<C> + 'static {
        follow(&self.shared)
    }

    /// The live sessions of `subject`, newest login first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sessions(&self, subject: impl Into<Subject>) -> Result<Vec<SessionInfo>, StoreError> {
        let rows = self.shared.store.list(&subject.into(), self.shared.now()).await?;
        Ok(rows.into_iter().map(SessionInfo::new).collect())
    }

    /// Deletes what the store keeps of sessions that died long enough ago
    /// ([`AuthBuilder::dead_session_retention`]). Returns how many. Call it now and then, from one server or several.
    ///
    /// # Errors
    /// If the store fails; what was deleted until then stays deleted.
    ///
    /// # Cancel safety
    /// It deletes batch by batch and can be dropped between any two.
    pub async fn purge_dead(&self) -> Result<u64, StoreError> {
        let dead_before = self.shared.now().saturating_sub(self.shared.settings.dead_session_retention);
        let mut purged = 0;
        loop {
            match self.shared.store.purge_dead(dead_before).await? {
                0 => return Ok(purged),
                batch => purged += batch,
            }
            yield_now().await;
        }
    }
}

impl<C> Clone for Auth<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C> fmt::Debug for Auth<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("shared", &self.shared).finish()
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
