//! A store in memory that counts its calls, and yields before it responds, like a database.

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
    store::{EndWatcher, Page, SessionRow, SessionStore, StoreError},
};

/// Counts loads, swaps and other calls.
#[derive(Clone, Debug, Default)]
pub struct CountingStore {
    inner: MemoryStore,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    loads: AtomicUsize,
    swaps: AtomicUsize,
    others: AtomicUsize,
}

impl CountingStore {
    /// The number of loads, swaps and other calls since the last call of this function.
    pub fn take_calls(&self) -> [usize; 3] {
        let Calls { loads, swaps, others } = &*self.calls;
        [loads, swaps, others].map(|calls| calls.swap(0, Ordering::Relaxed))
    }

    async fn other(&self) -> &MemoryStore {
        self.count(&self.calls.others).await
    }

    async fn count(&self, calls: &AtomicUsize) -> &MemoryStore {
        calls.fetch_add(1, Ordering::Relaxed);
        // The new task runs after all tasks that are ready now. `yield_now` would not: a second poll could come first.
        _ = tokio::spawn(async {}).await;
        &self.inner
    }
}

impl SessionStore for CountingStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.other().await.create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.count(&self.calls.loads).await.load(handle).await
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.count(&self.calls.swaps).await.compare_and_swap(row, version).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.other().await.end(handle, reason, now, version).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.other().await.end_subject(subject, except, reason, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.other().await.list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.other().await.purge_dead(dead_before).await
    }

    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> Result<Infallible, StoreError> {
        self.inner.watch_ends(since, watcher).await
    }
}
