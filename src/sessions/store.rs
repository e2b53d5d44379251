//! The session store, with its type erased, its calls bounded in time, and its panics caught.

use std::{
    convert::Infallible, fmt, panic::AssertUnwindSafe, pin::pin, sync::Arc, task::Poll, time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    FutureExt,
    future::{BoxFuture, poll_fn},
};
use tower_refresh_core::{
    EndReason, EndWatcher, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind, Subject,
    Timestamp,
};

use crate::measure::Stopwatch;

/// A store as the middleware calls it.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<dyn DynStore>,
    time_limit: Duration,
}

impl Store {
    pub(crate) fn new(store: Arc<dyn DynStore>, time_limit: Duration) -> Self {
        Self { inner: store, time_limit }
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    pub(crate) async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.guard("create", async { self.inner.create(row).await }).await
    }

    pub(crate) async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.guard("load", async { self.inner.load(handle).await }).await
    }

    pub(crate) async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        self.guard("compare_and_swap", async { self.inner.compare_and_swap(row).await }).await
    }

    pub(crate) async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.guard("end", async { self.inner.end(handle, reason, now).await }).await
    }

    pub(crate) async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.guard("end_subject", async { self.inner.end_subject(subject, except, reason, now).await }).await
    }

    pub(crate) async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.guard("list", async { self.inner.list(subject, now).await }).await
    }

    pub(crate) async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.guard("purge_dead", async { self.inner.purge_dead(dead_before).await }).await
    }

    /// Has no time limit: it is meant to last.
    pub(crate) async fn watch_ends(
        &self,
        since: Timestamp,
        watcher: &dyn EndWatcher,
    ) -> Result<Infallible, StoreError> {
        self.inner.watch_ends(since, watcher).await
    }

    async fn guard<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let stopwatch = Stopwatch::start();
        let result = match within(self.time_limit, AssertUnwindSafe(call).catch_unwind()).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => {
                Err(StoreError::with_source(StoreErrorKind::Unavailable, "the store panicked"))
            }
            None => Err(StoreError::new(StoreErrorKind::TimedOut)),
        };
        stopwatch.store_answered(name, result.is_ok());
        result
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("time_limit", &self.time_limit).finish_non_exhaustive()
    }
}

/// The output of `future`, or `None` if it takes longer than `limit`. A future that is ready at once costs no timer.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        timer.get_or_insert_with(|| Delay::new(limit)).poll_unpin(context).map(|()| None)
    })
    .await
}

/// [`SessionStore`] in a form that can be a trait object.
pub(crate) trait DynStore: Send + Sync {
    fn create<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), StoreError>>;
    fn load(&self, handle: SessionHandle) -> BoxFuture<'_, Result<Option<SessionRow>, StoreError>>;
    fn compare_and_swap<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;
    fn end_subject<'a>(
        &'a self,
        subject: &'a Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<SessionHandle>, StoreError>>;
    fn list<'a>(
        &'a self,
        subject: &'a Subject,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<SessionRow>, StoreError>>;
    fn purge_dead(&self, dead_before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>>;
    fn watch_ends<'a>(
        &'a self,
        since: Timestamp,
        watcher: &'a dyn EndWatcher,
    ) -> BoxFuture<'a, Result<Infallible, StoreError>>;
}

impl<S: SessionStore> DynStore for S {
    fn create<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), StoreError>> {
        SessionStore::create(self, row).boxed()
    }

    fn load(&self, handle: SessionHandle) -> BoxFuture<'_, Result<Option<SessionRow>, StoreError>> {
        SessionStore::load(self, handle).boxed()
    }

    fn compare_and_swap<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<bool, StoreError>> {
        SessionStore::compare_and_swap(self, row).boxed()
    }

    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        SessionStore::end(self, handle, reason, now).boxed()
    }

    fn end_subject<'a>(
        &'a self,
        subject: &'a Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<SessionHandle>, StoreError>> {
        SessionStore::end_subject(self, subject, except, reason, now).boxed()
    }

    fn list<'a>(
        &'a self,
        subject: &'a Subject,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<SessionRow>, StoreError>> {
        SessionStore::list(self, subject, now).boxed()
    }

    fn purge_dead(&self, dead_before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        SessionStore::purge_dead(self, dead_before).boxed()
    }

    fn watch_ends<'a>(
        &'a self,
        since: Timestamp,
        watcher: &'a dyn EndWatcher,
    ) -> BoxFuture<'a, Result<Infallible, StoreError>> {
        SessionStore::watch_ends(self, since, watcher).boxed()
    }
}
