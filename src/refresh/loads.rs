//! Concurrent requests with one token share one load.
//!
//! The shared future belongs to whoever still polls it: no task, no leader. It is forgotten when it is done or when
//! the last request that waited for it is dropped, so nothing is ever served from memory.

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
    future::{BoxFuture, Shared as SharedFuture, WeakShared},
};
use tower_refresh_core::SessionHandle;

use super::load::{Loaded, Mode, load};
use crate::{CustomClaims, measure::load_span, shared::Shared, token::RefreshToken};

/// A load that is under way, or the result of one.
pub(crate) type Flight<C> = BoxFuture<'static, Arc<Loaded<C>>>;

type Key = (SessionHandle, u32, Mode);
type Load<C> = BoxFuture<'static, Arc<Loaded<C>>>;
type UnderWay<C> = Arc<Mutex<HashMap<Key, (u64, WeakShared<Load<C>>), RandomState>>>;

/// The loads under way.
pub(crate) struct Flights<C> {
    under_way: UnderWay<C>,
    started: AtomicU64,
}

impl<C: CustomClaims> Flights<C> {
    pub(crate) fn new() -> Self {
        Self { under_way: Arc::default(), started: AtomicU64::new(0) }
    }

    /// Joins the load under way for this token, or starts one. Whoever joined one that failed tries once more: the
    /// failure may be older than the request.
    pub(crate) fn join(&self, shared: &Arc<Shared<C>>, token: &RefreshToken, mode: Mode) -> Flight<C> {
        self.join_telling(shared, token, mode).0
    }

    /// As [`join`](Self::join), and whether the load, its claims too, may be older than this call.
    pub(crate) fn join_telling(
        &self,
        shared: &Arc<Shared<C>>,
        token: &RefreshToken,
        mode: Mode,
    ) -> (Flight<C>, bool) {
        let (load, joined) = self.board(shared, token, mode);
        if !joined {
            return (load.boxed(), false);
        }
        let (shared, token) = (shared.clone(), token.clone());
        let load = async move {
            let loaded = load.await;
            if !matches!(*loaded, Loaded::Unavailable) {
                return loaded;
            }
            let (again, _) = shared.flights.board(&shared, &token, mode);
            again.await
        };
        (load.boxed(), true)
    }

    fn board(
        &self,
        shared: &Arc<Shared<C>>,
        token: &RefreshToken,
        mode: Mode,
    ) -> (SharedFuture<Load<C>>, bool) {
        let key = (token.handle, token.generation, mode);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = under_way.get(&key).and_then(|(_, load)| load.upgrade()) {
            return (load, true);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let forget = Forget { under_way: self.under_way.clone(), key, number };
        let (shared, token) = (shared.clone(), token.clone());
        let load = async move {
            let _forget = forget;
            Arc::new(load_span(key.0, key.1, load(shared, token, mode)).await)
        }
        .boxed()
        .shared();
        if let Some(weak) = load.downgrade() {
            under_way.insert(key, (number, weak));
        }
        (load, false)
    }
}

impl<C> fmt::Debug for Flights<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Flights").field("under_way", &under_way).finish_non_exhaustive()
    }
}

/// Takes a load off the list when its future is done or dropped.
struct Forget<C> {
    under_way: UnderWay<C>,
    key: Key,
    number: u64,
}

impl<C> Drop for Forget<C> {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            under_way.remove(&self.key);
        }
    }
}
