//! Concurrent requests with the same token share one load.
//!
//! Every request that waits polls the shared future: there is no task and no leader. It is removed when it completes, or when
//! the last request that waits for it is dropped, so no result is ever served from memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::quality::RandomState;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tower_refresh_core::SessionHandle;

use super::load::{Loaded, Mode, load};
use crate::{CustomClaims, refresh_token::RefreshToken, sessions::Sessions, telemetry::load_span};

/// A load that is in progress, or its result.
pub(crate) type Loading<C> = BoxFuture<'static, Arc<Loaded<C>>>;

type Key = (SessionHandle, u32, Mode);
type SharedLoad<C> = Shared<BoxFuture<'static, Arc<Loaded<C>>>>;
type WeakLoad<C> = WeakShared<BoxFuture<'static, Arc<Loaded<C>>>>;
type InProgress<C> = Arc<Mutex<HashMap<Key, (u64, WeakLoad<C>), RandomState>>>;

/// The loads in progress. Clones share them.
pub(super) struct Loads<C> {
    sessions: Arc<Sessions<C>>,
    in_progress: InProgress<C>,
    started: Arc<AtomicU64>,
}

impl<C: CustomClaims> Loads<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>) -> Self {
        Self { sessions, in_progress: Arc::default(), started: Arc::default() }
    }

    /// Joins the load in progress for `token`, or starts one; also returns whether it joined. A request that joined a load that
    /// failed tries once more: the failure may be older than the request.
    pub(super) fn join_or_start(&self, token: &RefreshToken, mode: Mode) -> (Loading<C>, bool) {
        let (load, joined) = self.shared_load(token, mode);
        if !joined {
            return (load.boxed(), false);
        }
        let (loads, token) = (self.clone(), token.clone());
        let load = async move {
            let loaded = load.await;
            if !matches!(*loaded, Loaded::Unavailable) {
                return loaded;
            }
            let (again, _) = loads.shared_load(&token, mode);
            again.await
        };
        (load.boxed(), true)
    }

    fn shared_load(&self, token: &RefreshToken, mode: Mode) -> (SharedLoad<C>, bool) {
        let key = (token.handle, token.generation, mode);
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = in_progress.get(&key).and_then(|(_, load)| load.upgrade()) {
            return (load, true);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let remove = RemoveOnDrop { in_progress: self.in_progress.clone(), key, number };
        let (sessions, token) = (self.sessions.clone(), token.clone());
        let load = async move {
            let _remove = remove;
            Arc::new(load_span(key.0, key.1, load(sessions, token, mode)).await)
        }
        .boxed()
        .shared();
        if let Some(weak) = load.downgrade() {
            in_progress.insert(key, (number, weak));
        }
        (load, false)
    }
}

impl<C> Clone for Loads<C> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            in_progress: self.in_progress.clone(),
            started: self.started.clone(),
        }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Loads").field("in_progress", &in_progress).finish_non_exhaustive()
    }
}

/// Removes a load from the list when its future completes or is dropped.
struct RemoveOnDrop<C> {
    in_progress: InProgress<C>,
    key: Key,
    number: u64,
}

impl<C> Drop for RemoveOnDrop<C> {
    fn drop(&mut self) {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if in_progress.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            in_progress.remove(&self.key);
        }
    }
}
