//! The session store, with its type erased, its calls limited in time, its panics caught and its failures reported.

use std::{convert::Infallible, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{
    EndReason, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

use crate::{
    crypto::{self, RandomError},
    event::{About, ClientInfo, EventKind, Events},
    telemetry::Stopwatch,
    timeout::timeout,
};

/// The version of a write: 63 random bits, because the columns of databases are signed.
pub(crate) fn random_version() -> Result<u64, RandomError> {
    crypto::random_id().map(|bytes| u64::from_be_bytes(bytes) >> 1)
}

/// The store as the middleware calls it. An error that a call returns has been reported.
#[derive(Clone)]
pub(crate) struct GuardedStore {
    inner: Arc<dyn DynStore>,
    events: Events,
    timeout: Duration,
}

impl GuardedStore {
    pub(crate) fn new(inner: Arc<dyn DynStore>, events: Events, timeout: Duration) -> Self {
        Self { inner, events, timeout }
    }

    pub(crate) async fn create(&self, row: &SessionRow, client: &ClientInfo) -> Result<(), StoreError> {
        let call = async { self.inner.create(row).await };
        self.guard("create", About::client(client).session(Some(row.handle), Some(&row.subject)), call).await
    }

    /// `subject` is that of the session, if it is known.
    pub(crate) async fn load(
        &self,
        handle: SessionHandle,
        subject: Option<&Subject>,
        client: &ClientInfo,
    ) -> Result<Option<SessionRow>, StoreError> {
        let call = async { self.inner.load(handle).await };
        self.guard("load", About::client(client).session(Some(handle), subject), call).await
    }

    /// Whether the row of `handle` has `version`; `None` if the store cannot tell at once.
    pub(crate) fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.inner.has_version(handle, version)
    }

    /// Returns the new version of the row, or `None` if the row was not replaced.
    pub(crate) async fn compare_and_swap(
        &self,
        row: &SessionRow,
        client: &ClientInfo,
    ) -> Result<Option<u64>, StoreError> {
        let call = async {
            let version = new_version()?;
            Ok(self.inner.compare_and_swap(row, version).await?.then_some(version))
        };
        let about = About::client(client).session(Some(row.handle), Some(&row.subject));
        self.guard("compare_and_swap", about, call).await
    }

    /// Without a `version`, a new one is drawn.
    pub(crate) async fn end(
        &self,
        handle: SessionHandle,
        subject: Option<&Subject>,
        reason: EndReason,
        version: Option<u64>,
        now: Timestamp,
        client: &ClientInfo,
    ) -> Result<bool, StoreError> {
        let call = async {
            let version = version.map_or_else(new_version, Ok)?;
            self.inner.end(handle, reason, now, version).await
        };
        self.guard("end", About::client(client).session(Some(handle), subject), call).await
    }

    /// Ends some sessions. The caller repeats it until it returns none.
    pub(crate) async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        client: &ClientInfo,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let call = async { self.inner.end_subject(subject, except, reason, now, new_version()?).await };
        self.guard("end_subject", About::client(client).session(None, Some(subject)), call).await
    }

    /// Outdates the claims of a session that has not ended. Returns their new epoch.
    pub(crate) async fn outdate_claims(
        &self,
        handle: SessionHandle,
        subject: Option<&Subject>,
        now: Timestamp,
        client: &ClientInfo,
    ) -> Result<Option<u32>, StoreError> {
        let call = async { self.inner.outdate_claims(handle, now, new_version()?).await };
        self.guard("outdate_claims", About::client(client).session(Some(handle), subject), call).await
    }

    pub(crate) async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
        client: &ClientInfo,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let call = async { self.inner.list(subject, now, page).await };
        self.guard("list", About::client(client).session(None, Some(subject)), call).await
    }

    pub(crate) async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        let call = async { self.inner.purge_dead(dead_before).await };
        self.guard("purge_dead", About::default(), call).await
    }

    /// Follows the feed without a time limit. The caller reports its loss.
    pub(crate) async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        self.inner.watch_feed(since, watcher).await
    }

    async fn guard<T>(
        &self,
        name: &'static str,
        about: About<'_>,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let stopwatch = Stopwatch::start();
        let result = match timeout(self.timeout, AssertUnwindSafe(call).catch_unwind()).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => {
                Err(StoreError::with_source(StoreErrorKind::Unavailable, "the store panicked"))
            }
            None => Err(StoreError::new(StoreErrorKind::TimedOut)),
        };
        stopwatch.record_store_call(name, result.is_ok());
        if let Err(error) = &result {
            self.events.failed(EventKind::StoreFailed, about, error);
        }
        result
    }
}

/// As [`random_version`]. Nothing is written without one.
fn new_version() -> Result<u64, StoreError> {
    random_version().map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

impl fmt::Debug for GuardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStore").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// [`SessionStore`] as a trait object.
pub(crate) trait DynStore: Send + Sync {
    fn create<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), StoreError>>;
    fn load(&self, handle: SessionHandle) -> BoxFuture<'_, Result<Option<SessionRow>, StoreError>>;
    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool>;
    fn compare_and_swap<'a>(
        &'a self,
        row: &'a SessionRow,
        version: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;
    fn end_subject<'a>(
        &'a self,
        subject: &'a Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'a, Result<Vec<SessionHandle>, StoreError>>;
    fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'_, Result<Option<u32>, StoreError>>;
    fn list<'a>(
        &'a self,
        subject: &'a Subject,
        now: Timestamp,
        page: Page,
    ) -> BoxFuture<'a, Result<Vec<SessionRow>, StoreError>>;
    fn purge_dead(&self, dead_before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>>;
    fn watch_feed<'a>(
        &'a self,
        since: Timestamp,
        watcher: &'a dyn FeedWatcher,
    ) -> BoxFuture<'a, Result<Infallible, StoreError>>;
}

impl<S: SessionStore> DynStore for S {
    fn create<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), StoreError>> {
        SessionStore::create(self, row).boxed()
    }

    fn load(&self, handle: SessionHandle) -> BoxFuture<'_, Result<Option<SessionRow>, StoreError>> {
        SessionStore::load(self, handle).boxed()
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        SessionStore::has_version(self, handle, version)
    }

    fn compare_and_swap<'a>(
        &'a self,
        row: &'a SessionRow,
        version: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        SessionStore::compare_and_swap(self, row, version).boxed()
    }

    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        SessionStore::end(self, handle, reason, now, version).boxed()
    }

    fn end_subject<'a>(
        &'a self,
        subject: &'a Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'a, Result<Vec<SessionHandle>, StoreError>> {
        SessionStore::end_subject(self, subject, except, reason, now, version).boxed()
    }

    fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> BoxFuture<'_, Result<Option<u32>, StoreError>> {
        SessionStore::outdate_claims(self, handle, now, version).boxed()
    }

    fn list<'a>(
        &'a self,
        subject: &'a Subject,
        now: Timestamp,
        page: Page,
    ) -> BoxFuture<'a, Result<Vec<SessionRow>, StoreError>> {
        SessionStore::list(self, subject, now, page).boxed()
    }

    fn purge_dead(&self, dead_before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        SessionStore::purge_dead(self, dead_before).boxed()
    }

    fn watch_feed<'a>(
        &'a self,
        since: Timestamp,
        watcher: &'a dyn FeedWatcher,
    ) -> BoxFuture<'a, Result<Infallible, StoreError>> {
        SessionStore::watch_feed(self, since, watcher).boxed()
    }
}
