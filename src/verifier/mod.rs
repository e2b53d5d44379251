//! The entry point of a service that verifies the access tokens of another one.

mod builder;
mod error;
mod key_options;
mod validate;

use std::{fmt, sync::Arc, time::Duration};

use tower_refresh_core::Timestamp;

pub use self::{builder::VerifierBuilder, error::VerifyError};
use crate::{
    Authenticated, CustomClaims,
    middleware::{RequireAuthLayer, VerifyLayer},
    sessions::{GuardedStore, follow},
    state::Requirement,
    verifier_inner::{Checked, Patience, VerifierInner},
};

/// Verifies the access tokens that another service issues: an [`Auth`](crate::Auth) elsewhere, or somebody else's identity provider.
///
/// It has no store of sessions, refreshes nothing and sets no cookies. Handlers use the same extractors, rejections and layers as behind
/// an `Auth`, except [`Session`](crate::Session). Cheap to clone; clones share everything. `C` is the type of the claims.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use serde::{Deserialize, Serialize};
/// use tower_refresh::{Authenticated, Verifier};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn orders(user: Authenticated<User>) -> String {
///     format!("the orders of {}", user.claims().name)
/// }
///
/// # async fn fetch(url: &str) -> std::io::Result<Vec<u8>> { Ok(url.into()) }
/// # fn app() -> Result<Router, tower_refresh::ConfigError> {
/// let verifier = Verifier::<User>::builder()
///     .issuer("https://login.example.com")
///     .audience("orders")
///     // With the HTTP client of the application, a time limit and no redirects: see the guide.
///     .jwks(|| fetch("https://login.example.com/.well-known/jwks.json"))
///     .build()?;
///
/// let app = Router::new().route("/orders", get(orders)).layer(verifier.layer());
/// # Ok(app)
/// # }
/// # }
/// ```
///
/// # Keys
/// [`VerifierBuilder::jwks`] says when they are fetched. [`load`](Self::load) fetches them at the start.
///
/// # Outcomes
/// As behind an [`Auth`](crate#the-journey-of-a-request), except that nothing is refreshed: an expired bearer token is rejected, and an
/// access cookie that is invalid or expired counts as absent. Without keys, requests with a token are answered with 503 and
/// `Retry-After`.
pub struct Verifier<C> {
    pub(crate) inner: Arc<VerifierInner<C>>,
    store: Option<GuardedStore>,
}

impl<C: CustomClaims> Verifier<C> {
    /// Starts without settings.
    pub fn builder() -> VerifierBuilder<C> {
        VerifierBuilder::new()
    }

    /// The layer for the application's routes. See [`Auth::layer`](crate::Auth::layer) for a layer around the whole router.
    pub fn layer(&self) -> VerifyLayer<C> {
        VerifyLayer::new(self.inner.clone())
    }

    /// As [`Auth::require_auth`](crate::Auth::require_auth).
    pub fn require_auth(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::User)
    }

    /// As [`Auth::require_scope`](crate::Auth::require_scope).
    pub fn require_scope(&self, scope: &str) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::Scope(scope.into()))
    }

    /// As [`Auth::require_recent_login`](crate::Auth::require_recent_login), by the token's `auth_time` (RFC 9068 §2.2.1). A user whose
    /// token has none is not recent.
    pub fn require_recent_login(&self, max_age: Duration) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::RecentLogin(max_age))
    }

    /// As [`Auth::require_device_binding`](crate::Auth::require_device_binding), by the token's `dbsc`, which only tokens of an
    /// [`Auth`](crate::Auth) have: [`without_session_id`](VerifierBuilder::without_session_id) no user passes.
    pub fn require_device_binding(&self) -> RequireAuthLayer {
        RequireAuthLayer::new(self.inner.id.clone(), Requirement::DeviceBinding)
    }

    /// Verifies a token that is not in a request: one in a message of a WebSocket or a queue.
    ///
    /// Like a request with this bearer token, it may wait for the issuer's keys.
    ///
    /// # Errors
    /// [`VerifyError::Invalid`], [`VerifyError::Unavailable`].
    ///
    /// # Cancel safety
    /// It can be dropped: a fetch that others wait for goes on.
    pub async fn verify(&self, token: &str) -> Result<Authenticated<C>, VerifyError> {
        let fetch = self.inner.look_after_keys(self.inner.now());
        if let Some(fetch) = fetch {
            poll_once(fetch).await;
        }
        let mut checked = self.inner.check(token.as_bytes(), Patience::Waits, self.inner.now());
        if let Checked::Pending(fetch) = checked {
            fetch.await;
            checked = self.inner.check(token.as_bytes(), Patience::HasWaited, self.inner.now());
        }
        match checked {
            Checked::Valid(user) => Ok(Authenticated::new(user)),
            Checked::Invalid(reason) => Err(VerifyError::Invalid(reason)),
            Checked::Unavailable | Checked::Pending(_) => Err(VerifyError::Unavailable),
        }
    }

    /// Fetches the issuer's keys, unless they are there: at the start of the service, so that no request waits for them, or to report that it
    /// is [ready](Self::is_ready).
    ///
    /// # Errors
    /// [`VerifyError::Unavailable`] if the fetch failed, for the reason of the event
    /// [`JwksFailed`](crate::event::EventKind::JwksFailed). The first request with a token fetches them again.
    ///
    /// # Cancel safety
    /// It can be dropped: a fetch that others wait for goes on.
    pub async fn load(&self) -> Result<(), VerifyError> {
        if let Some(fetch) = self.inner.load() {
            fetch.await;
        }
        if self.is_ready() { Ok(()) } else { Err(VerifyError::Unavailable) }
    }

    /// Whether there are keys, so that tokens can be verified: for a readiness probe. Before the first request it is `false` unless
    /// [`load`](Self::load) was called.
    pub fn is_ready(&self) -> bool {
        self.inner.has_keys()
    }

    /// The time of the [`Clock`](VerifierBuilder::clock).
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// Follows the feed of [`VerifierBuilder::ended_sessions`]. Spawn the future if [`VerifierBuilder::build`] found no tokio runtime. It
    /// reconnects by itself, completes when the last clone of this `Verifier` and its layers are dropped, and completes at once if
    /// there is no feed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the feed is no longer followed.
    pub fn follow_feed(&self) -> impl Future<Output = ()> + Send + use<C> + 'static {
        let feed = self.inner.revocations.as_ref().zip(self.store.clone());
        let following = feed.map(|(revocations, store)| follow(revocations, store));
        async move {
            if let Some(following) = following {
                following.await;
            }
        }
    }
}

/// Lets a fetch make progress that the caller does not wait for.
async fn poll_once(future: impl Future<Output = ()>) {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), store: self.store.clone() }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("inner", &self.inner).finish()
    }
}
