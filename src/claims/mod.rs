//! What the application knows of a user, and where it is loaded from.

use std::{error::Error, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use tower_refresh_core::Subject;

use crate::{SessionInfo, measure::Stopwatch, session_store::within};

/// The application's own claims: any serde struct, map or `()`, flattened into the access token.
///
/// Implemented for every type that fits. Names of standard claims (`iss`, `aud`, `sub`, `exp`, `nbf`, `iat`, `jti`,
/// `sid`, `scope`) stay the middleware's; a type that serialises one of them is an error at login.
pub trait CustomClaims: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> CustomClaims for T {}

/// What the claims source says of a subject: the application's claims and the scope.
///
/// ```
/// use tower_refresh::Identity;
///
/// let identity = Identity::new(()).scope("user admin");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<C> {
    pub(crate) claims: C,
    pub(crate) scope: String,
}

impl<C> Identity<C> {
    /// With `claims` and an empty scope.
    pub fn new(claims: C) -> Self {
        Self { claims, scope: String::new() }
    }

    /// The scope tokens, separated by spaces (RFC 6749 §3.3); what
    /// [`Auth::require_scope`](crate::Auth::require_scope) asks for. Replaces an earlier scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }
}

/// The application's claims source, with its types erased, its calls bounded in time, and its panics caught.
pub(crate) struct ClaimsSource<C>(Arc<Load<C>>);

type Load<C> =
    dyn Fn(Subject, SessionInfo) -> BoxFuture<'static, Result<Option<Identity<C>>, BoxError>> + Send + Sync;
type BoxError = Box<dyn Error + Send + Sync>;

impl<C: CustomClaims> ClaimsSource<C> {
    pub(crate) fn new<F, Fut, E>(load: F) -> Self
    where
        F: Fn(Subject, SessionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Identity<C>>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Arc::new(move |subject, session| {
            load(subject, session).map(|result| result.map_err(E::into)).boxed()
        }))
    }

    /// `None` if the subject is gone.
    pub(crate) fn load(
        &self,
        subject: Subject,
        session: SessionInfo,
        time_limit: Duration,
    ) -> impl Future<Output = Result<Option<Identity<C>>, ClaimsError>> {
        // Boxed, so that the futures around it need no room for the session at each depth.
        let call = AssertUnwindSafe(async move { (self.0)(subject, session).await }).catch_unwind().boxed();
        async move {
            let stopwatch = Stopwatch::start();
            let result = match within(time_limit, call).await {
                Some(Ok(result)) => result.map_err(ClaimsError),
                Some(Err(_panic)) => Err(ClaimsError("the claims source panicked".into())),
                None => Err(ClaimsError("the claims source did not answer in time".into())),
            };
            stopwatch.claims_answered(result.is_ok());
            result
        }
    }
}

impl<C> Clone for ClaimsSource<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The claims source failed.
#[derive(Debug)]
pub(crate) struct ClaimsError(BoxError);

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims source failed")
    }
}

impl Error for ClaimsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
