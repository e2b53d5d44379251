//! The claims source, with its types erased, its calls limited in time, its panics caught and its failures reported.

use std::{
    error::Error,
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{SessionRow, Subject, Timestamp};

use super::{CustomClaims, Identity, SessionInfo, User};
use crate::{
    event::{About, ClientInfo, EventKind, Events},
    telemetry::Stopwatch,
    timeout::timeout,
};

/// The application's closure.
pub(crate) type LoadClaims<C> =
    dyn Fn(Subject, SessionInfo) -> BoxFuture<'static, Result<Option<Identity<C>>, BoxError>> + Send + Sync;
type BoxError = Box<dyn Error + Send + Sync>;

/// Loads the users of sessions.
pub(crate) struct ClaimsSource<C> {
    load: Arc<LoadClaims<C>>,
    events: Events,
    timeout: Duration,
    access_lifetime: Duration,
    calls: AtomicU64,
}

/// A user that was loaded.
pub(crate) struct UserLoad<C> {
    pub(crate) user: Arc<User<C>>,
    /// When the claims source was called.
    pub(crate) claims_at: Timestamp,
    /// The number of the call. Of two loads, the one with the higher number was called later, whatever the clock says.
    pub(crate) call: u64,
}

/// The claims source failed, which has been reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimsUnavailable;

impl<C: CustomClaims> ClaimsSource<C> {
    pub(crate) fn new(
        load: Arc<LoadClaims<C>>,
        events: Events,
        timeout: Duration,
        access_lifetime: Duration,
    ) -> Self {
        Self { load, events, timeout, access_lifetime, calls: AtomicU64::new(0) }
    }

    /// Erases the types of the application's closure.
    pub(crate) fn erase<F, Fut, E>(load: F) -> Arc<LoadClaims<C>>
    where
        F: Fn(Subject, SessionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Identity<C>>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Arc::new(move |subject, session| load(subject, session).map(|result| result.map_err(E::into)).boxed())
    }

    /// The user of a session as of now, in this epoch of its claims; `None` if the claims source does not know the subject (c12).
    pub(crate) async fn load_user(
        &self,
        row: &SessionRow,
        epoch: u32,
        client: &ClientInfo,
    ) -> Result<Option<UserLoad<C>>, ClaimsUnavailable> {
        let claims_at = self.events.now();
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let identity = match self.call(row.subject.clone(), SessionInfo::new(row.clone())).await {
            Ok(Some(identity)) => identity,
            Ok(None) => return Ok(None),
            Err(error) => {
                let about = About::client(client).session(Some(row.handle), Some(&row.subject));
                self.events.failed(EventKind::ClaimsFailed, about, &error);
                return Err(ClaimsUnavailable);
            }
        };
        let expires_at = claims_at.saturating_add(self.access_lifetime).min(row.expires_at());
        let user = User::new(row, identity, epoch, expires_at, self.events.clock());
        Ok(Some(UserLoad { user: Arc::new(user), claims_at, call }))
    }

    fn call(
        &self,
        subject: Subject,
        session: SessionInfo,
    ) -> impl Future<Output = Result<Option<Identity<C>>, ClaimsError>> {
        // Called here, so that the futures around it need no room for the session.
        let stopwatch = Stopwatch::start();
        let call = panic::catch_unwind(AssertUnwindSafe(|| (self.load)(subject, session)));
        async move {
            let answer = match call {
                Ok(answer) => timeout(self.timeout, AssertUnwindSafe(answer).catch_unwind()).await,
                Err(panic) => Some(Err(panic)),
            };
            let result = match answer {
                Some(Ok(result)) => result.map_err(ClaimsError),
                Some(Err(_panic)) => Err(ClaimsError("the claims source panicked".into())),
                None => Err(ClaimsError("the claims source did not answer in time".into())),
            };
            stopwatch.record_claims_call(result.is_ok());
            result
        }
    }
}

/// Why the claims source failed.
#[derive(Debug)]
struct ClaimsError(BoxError);

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
