//! Concurrent requests that need the same work share one future for it.
//!
//! Every request that waits polls the shared future: there is no task and no leader. It is removed when it completes, or when
//! the last request that waits for it is dropped. Which results are shared after that, and for how long, is for the caller to know.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::quality::RandomState;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared, ready},
};

/// Work that is in progress, or its result.
pub(in crate::refresh) type SharedWork<V> = Shared<BoxFuture<'static, V>>;
type InProgress<K, V> = Arc<Mutex<HashMap<K, (u64, WeakShared<BoxFuture<'static, V>>), RandomState>>>;

/// The work in progress, by its key. Clones share it.
pub(in crate::refresh) struct SingleFlight<K, V> {
    in_progress: InProgress<K, V>,
    started: Arc<AtomicU64>,
}

impl<K, V> SingleFlight<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(in crate::refresh) fn new() -> Self {
        Self { in_progress: Arc::default(), started: Arc::default() }
    }

    /// Joins the work in progress for `key`, takes the result of work that is `done`, or starts it; also returns whether it joined.
    ///
    /// Work that makes its result known to `done` before it completes is not started twice.
    pub(in crate::refresh) fn join_or_start<F>(
        &self,
        key: K,
        done: impl FnOnce() -> Option<V>,
        work: impl FnOnce() -> F,
    ) -> (SharedWork<V>, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = in_progress.get(&key).and_then(|(_, weak)| weak.upgrade()) {
            return (shared, true);
        }
        if let Some(result) = done() {
            return (ready(result).boxed().shared(), true);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        // Before there is anything whose drop would lock the map again: `work` may panic.
        let work = work();
        let remove = RemoveOnDrop { in_progress: self.in_progress.clone(), key, number };
        // Not an async block, which would have room for the work twice.
        let removing = work.map(move |result| {
            drop(remove);
            result
        });
        let shared = removing.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            in_progress.insert(key, (number, weak));
        }
        (shared, false)
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self { in_progress: self.in_progress.clone(), started: self.started.clone() }
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("SingleFlight").field("in_progress", &in_progress).finish_non_exhaustive()
    }
}

/// Removes work from the list when its future completes or is dropped.
struct RemoveOnDrop<K: Eq + Hash, V> {
    in_progress: InProgress<K, V>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for RemoveOnDrop<K, V> {
    fn drop(&mut self) {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if in_progress.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            in_progress.remove(&self.key);
        }
    }
}
