//! A store that counts the calls of another.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_refresh::{
    MemoryStore, SessionHandle, Subject, Timestamp,
    event::EndReason,
    store::{FeedWatcher, Page, SessionRow, SessionStore, StoreError},
};

/// Counts loads, swaps and other calls.
#[derive(Debug)]
pub struct CountingStore<S = MemoryStore> {
    inner: Arc<S>,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    loads: AtomicUsize,
    swaps: AtomicUsize,
    others: AtomicUsize,
}

impl<S> CountingStore<S> {
    /// Counts the calls of `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), calls: Arc::default() }
    }

    /// The number of loads, swaps and other calls since the last call of this function.
    pub fn take_calls(&self) -> [usize; 3] {
        let Calls { loads, swaps, others } = &*self.calls;
        [loads, swaps, others].map(|calls| calls.swap(0, Ordering::Relaxed))
    }

    fn other(&self) -> &S {
        self.count(&self.calls.others)
    }

    fn count(&self, calls: &AtomicUsize) -> &S {
        calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

impl Default for CountingStore {
    fn default() -> Self {
        Self::new(MemoryStore::new())
    }
}

impl<S> Clone for CountingStore<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), calls: self.calls.clone() }
    }
}

impl<S: SessionStore> SessionStore for CountingStore<S> {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.other().create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.count(&self.calls.loads).load(handle).await
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.inner.has_version(handle, version)
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.count(&self.calls.swaps).compare_and_swap(row, version).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.other().end(handle, reason, now, version).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.other().end_subject(subject, except, reason, now, version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.other().outdate_claims(handle, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.other().list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.other().purge_dead(dead_before).await
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        self.inner.watch_feed(since, watcher).await
    }
}
