//! Fetches the keys with the application's closure.
//!
//! All who need a fetch share one future for it, which this file keeps: no request that is dropped takes it along. With the feature
//! `tokio` and inside a runtime it is also a task; without, the requests that need it, or that pass meanwhile, poll it.

use std::{
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tower_refresh_core::Timestamp;

use super::{
    error::FetchError,
    polled_by::PolledBy,
    schedule::{Schedule, Step},
    set,
};
use crate::{
    event::{About, EventKind, Events, JwksFailure},
    keys::{Algorithm, KeySet},
    telemetry,
    timeout::timeout,
};

/// The application's closure, with the set that it returns read for these algorithms.
pub(crate) type FetchKeys =
    dyn Fn(Arc<[Algorithm]>) -> BoxFuture<'static, Result<KeySet, FetchError>> + Send + Sync;

/// A fetch, shared by all who need it.
pub(crate) type InProgress = Shared<BoxFuture<'static, ()>>;

/// Fetches the keys of one [`HoldsKeys`].
pub(crate) struct Fetcher {
    fetch: Arc<FetchKeys>,
    algorithms: Arc<[Algorithm]>,
    limit: Duration,
    events: Events,
    polled_by: Arc<PolledBy>,
    state: Mutex<State>,
    /// When a request must look again, in milliseconds by the wall clock, which every request has read anyway.
    next_look_date: AtomicU64,
    /// The same by the monotonic clock: the date may have been set back.
    next_look: AtomicU64,
}

struct State {
    schedule: Schedule,
    in_progress: Option<InProgress>,
}

/// What the keys are for.
pub(crate) trait HoldsKeys: Send + Sync + 'static {
    /// The fetcher, if the keys are fetched.
    fn fetcher(&self) -> Option<&Fetcher>;
    fn replace_keys(&self, keys: KeySet);
}

/// The closure of the application, with its types erased.
pub(crate) fn erase<F, Fut, B, E>(fetch: F) -> Arc<FetchKeys>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<B, E>> + Send + 'static,
    B: AsRef<[u8]>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Arc::new(move |algorithms| {
        let document = fetch();
        let read = async move {
            let document = document.await.map_err(|error| FetchError::of_closure(error.into()))?;
            Ok(set::read(document.as_ref(), &algorithms)?)
        };
        read.boxed()
    })
}

impl Fetcher {
    pub(crate) fn new(
        fetch: Arc<FetchKeys>,
        algorithms: Arc<[Algorithm]>,
        limit: Duration,
        schedule: Schedule,
        events: Events,
    ) -> Self {
        telemetry::jwks_up(false);
        Self {
            fetch,
            algorithms,
            limit,
            events,
            polled_by: Arc::default(),
            state: Mutex::new(State { schedule, in_progress: None }),
            next_look_date: AtomicU64::new(u64::MAX),
            next_look: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether a request must look after the keys.
    #[inline]
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now.as_millis() >= self.next_look_date.load(Ordering::Relaxed)
    }

    /// As [`is_due`](Self::is_due), whatever the date, for requests that must verify a signature anyway.
    pub(crate) fn is_due_by_monotonic_clock(&self) -> bool {
        millis(self.events.monotonic()) >= self.next_look.load(Ordering::Relaxed)
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.lock().schedule.has_keys()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fetch that a request waits for whose token names an unknown key; `None` if it must do without.
    pub(crate) fn on_unknown_key<T: HoldsKeys>(&self, owner: &Arc<T>) -> Option<InProgress> {
        self.take_step(owner, Schedule::on_unknown_key)
    }

    /// The fetch that the application waits for; `None` if there are keys.
    pub(crate) fn on_load<T: HoldsKeys>(&self, owner: &Arc<T>) -> Option<InProgress> {
        self.take_step(owner, |schedule, _| schedule.on_load())
    }

    /// Drops stale keys, and starts a fetch if one is due. The request polls it beside its handler, and does not wait for it.
    pub(crate) fn look_after<T: HoldsKeys>(&self, owner: &Arc<T>) -> Option<InProgress> {
        let is_stale = {
            let mut state = self.lock();
            let is_stale = state.schedule.drop_if_stale(self.events.monotonic());
            self.schedule_next_look(&state.schedule);
            is_stale
        };
        if is_stale {
            owner.replace_keys(KeySet::default());
            self.events.emit(EventKind::JwksExpired, About::default());
        }
        self.take_step(owner, Schedule::on_request)
    }

    fn take_step<T: HoldsKeys>(
        &self,
        owner: &Arc<T>,
        step: impl FnOnce(&Schedule, Duration) -> Step,
    ) -> Option<InProgress> {
        // The closure itself, or what it calls: the fetch must not wait for itself.
        if self.polled_by.is_this_thread() {
            return None;
        }
        let now = self.events.monotonic();
        let mut state = self.lock();
        match step(&state.schedule, now) {
            Step::Nothing => None,
            Step::Join => state.in_progress.clone(),
            Step::Start => {
                state.schedule.started(now);
                let fetch = self.fetch(Arc::downgrade(owner));
                state.in_progress = Some(fetch.clone());
                self.schedule_next_look(&state.schedule);
                drop(state);
                spawn(&fetch);
                Some(fetch)
            }
        }
    }

    /// With a weak reference: a fetch does not keep the keys' owner alive, which keeps the fetch.
    fn fetch<T: HoldsKeys>(&self, owner: Weak<T>) -> InProgress {
        let (fetch, algorithms, limit) = (self.fetch.clone(), self.algorithms.clone(), self.limit);
        let polled_by = self.polled_by.clone();
        let work = async move {
            let call = polled_by.run(async { fetch(algorithms).await });
            // It also drops the closure's future, which may panic then.
            let call = AssertUnwindSafe(timeout(limit, call)).catch_unwind();
            let result = match call.await {
                Ok(Some(result)) => result,
                Ok(None) => Err(JwksFailure::TimedOut.into()),
                Err(_panic) => Err(JwksFailure::Panicked.into()),
            };
            if let Some(owner) = owner.upgrade()
                && let Some(fetcher) = owner.fetcher()
            {
                fetcher.complete(&*owner, result);
            }
        };
        work.boxed().shared()
    }

    fn complete(&self, owner: &impl HoldsKeys, result: Result<KeySet, FetchError>) {
        telemetry::jwks_fetch(result.is_ok());
        let now = self.events.monotonic();
        let (error, keys) = match result {
            Ok(keys) => (None, Some(keys)),
            Err(error) => (Some(error), None),
        };
        // The keys first: who sees the fetch completed, must find them.
        if let Some(keys) = keys {
            owner.replace_keys(keys);
        }
        let (had_failed, fetch) = {
            let mut state = self.lock();
            let had_failed = state.schedule.has_failed();
            match error {
                None => state.schedule.succeeded(now),
                Some(_) => state.schedule.failed(now),
            }
            self.schedule_next_look(&state.schedule);
            (had_failed, state.in_progress.take())
        };
        // Not while the lock is held.
        drop(fetch);
        match error {
            Some(error) => {
                self.events.failed(EventKind::JwksFailed(error.reason), About::default(), &error);
            }
            None => {
                telemetry::jwks_fetched_at(self.events.now());
                if had_failed {
                    self.events.emit(EventKind::JwksRestored, About::default());
                }
            }
        }
    }

    fn schedule_next_look(&self, schedule: &Schedule) {
        let (next, next_date) = match schedule.next_look() {
            None => (u64::MAX, u64::MAX),
            // Only requests drive the fetch.
            Some(_) if schedule.is_in_progress() && !has_runtime() => (0, 0),
            Some(next) => {
                let left = next.saturating_sub(self.events.monotonic());
                (millis(next), self.events.now().saturating_add(left).as_millis())
            }
        };
        self.next_look.store(next, Ordering::Relaxed);
        self.next_look_date.store(next_date, Ordering::Relaxed);
    }
}

/// Lets the fetch go on while no request polls it, if there is a runtime.
fn spawn(fetch: &InProgress) {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(fetch.clone());
    }
    #[cfg(not(feature = "tokio"))]
    let _ = fetch;
}

fn has_runtime() -> bool {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().is_ok();
    #[cfg(not(feature = "tokio"))]
    false
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("schedule", &self.lock().schedule).finish_non_exhaustive()
    }
}
